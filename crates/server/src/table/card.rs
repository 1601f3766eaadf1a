use http::Method;
use panvault_vault::{CardCreate, CardDelete, CardList, CardRead, CardUpdate, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::card::{self as object, Card};
use crate::object::count::Count;
use crate::routes::card;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/card",
    operation: "card_create",
    roles: CardCreate::ROLES,
    summary: "Create a token",
    doc: "Stores a card and answers with its token, `_id`. The same number again gives a new token with the same fingerprint. \
          A CVV is held in memory until it is used, at most for `cvv_ttl_seconds`. A page that `keyless_capture_origins` of the organisation names \
          may send it without a key, also as `application/x-www-form-urlencoded`.",
    success: 200,
    answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(card::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/card",
    operation: "card_list",
    roles: CardList::ROLES,
    summary: "List cards",
    doc: "Newest first. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Card::SPEC)),
    failures: &[],
    body: None,
    list: Some(Card::SPEC),
    handler: handler!(card::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/card/count",
    operation: "card_count",
    roles: CardList::ROLES,
    summary: "Count cards",
    doc: "How many cards match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Card::SPEC),
    handler: handler!(card::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/card/{id}",
    operation: "card_read",
    roles: CardRead::ROLES,
    summary: "Read a card",
    doc: "Everything that is known of a card but its number, holder and CVV, which are never shown.",
    success: 200,
    answer: Some(AnswerSchema::One(Card::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(card::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/card/{id}",
    operation: "card_update",
    roles: CardUpdate::ROLES,
    summary: "Update a card, first of all its CVV",
    doc: "Puts a CVV on the card again, or ends it with `null`; changes expiry, holder or metadata. At least one field beside \
          `organisation`. The card number cannot be changed. A browser key may send `cvv` only.",
    success: 200,
    answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(card::update),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/card/{id}",
    operation: "card_delete",
    roles: CardDelete::ROLES,
    summary: "Delete a card",
    doc: "The sealed card and its CVV are gone; its transactions stay.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(card::delete),
};
