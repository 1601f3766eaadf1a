use http::Method;
use panvault_vault::{CheckoutCreate, CheckoutDelete, CheckoutList, CheckoutRead, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::checkout::{self as object, Checkout};
use crate::object::count::Count;
use crate::routes::checkout;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/checkout",
    operation: "checkout_create",
    roles: CheckoutCreate::ROLES,
    summary: "Ask a shopper to pay",
    doc: "Answers with the checkout, whose `url` is the page that the shopper's browser is sent to. There the card is typed, and paid with; then the browser goes on to `return_url`. \
          It may be tried three times, and paid until it expires.",
    success: 200,
    answer: Some(AnswerSchema::One(Checkout::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(checkout::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/checkout",
    operation: "checkout_list",
    roles: CheckoutList::ROLES,
    summary: "List checkouts",
    doc: "Newest first; they are kept for 30 days after they have expired. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Checkout::SPEC)),
    failures: &[],
    body: None,
    list: Some(Checkout::SPEC),
    handler: handler!(checkout::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/checkout/count",
    operation: "checkout_count",
    roles: CheckoutList::ROLES,
    summary: "Count checkouts",
    doc: "How many checkouts match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Checkout::SPEC),
    handler: handler!(checkout::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/checkout/{id}",
    operation: "checkout_read",
    roles: CheckoutRead::ROLES,
    summary: "Read a checkout",
    doc: "The checkout as it stands. What was paid, its transaction says.",
    success: 200,
    answer: Some(AnswerSchema::One(Checkout::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(checkout::read),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/checkout/{id}",
    operation: "checkout_delete",
    roles: CheckoutDelete::ROLES,
    summary: "Take a checkout back",
    doc: "Nobody pays at it any more: it is `cancelled`, its page says that it has ended, and a card that waits at it is deleted. It stays in lists, as one does that the shopper gave up. \
          110 while a payment is under way; 168, 169 or 165 where it has ended otherwise.",
    success: 204,
    answer: None,
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::CheckoutFailed,
        ErrorCode::CheckoutCompleted,
        ErrorCode::CheckoutExpired,
    ],
    body: None,
    list: None,
    handler: handler!(checkout::delete),
};
