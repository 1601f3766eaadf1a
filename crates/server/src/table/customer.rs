use http::Method;
use panvault_vault::{CustomerCreate, CustomerDelete, CustomerList, CustomerRead, CustomerUpdate, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::customer::{self as object, Customer};
use crate::routes::customer;
use crate::table::{AnswerSchema, Endpoint, handler};

const CHANGES: &[ErrorCode] =
    &[ErrorCode::State, ErrorCode::NotFound, ErrorCode::IdempotencyInUse, ErrorCode::IdempotencyMismatch];

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/customer",
    operation: "customer_create",
    roles: CustomerCreate::ROLES,
    summary: "Store a customer",
    doc: "Seals the details and answers with the customer, `_id`. They may be sent flat, or in `billing`, or both. The same details again \
          make another customer.",
    success: 200,
    answer: Some(AnswerSchema::One(Customer::SPEC)),
    failures: CHANGES,
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(customer::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/customer",
    operation: "customer_list",
    roles: CustomerList::ROLES,
    summary: "List customers",
    doc: "Newest first. `X-Total-Count` says how many match in all. By `email_address` they are found by a keyed digest, in any case and whole \
          only; of the other details a list knows nothing.",
    success: 200,
    answer: Some(AnswerSchema::List(Customer::SPEC)),
    failures: &[],
    body: None,
    list: Some(Customer::SPEC),
    handler: handler!(customer::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/customer/count",
    operation: "customer_count",
    roles: CustomerList::ROLES,
    summary: "Count customers",
    doc: "How many customers match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Customer::SPEC),
    handler: handler!(customer::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/customer/{id}",
    operation: "customer_read",
    roles: CustomerRead::ROLES,
    summary: "Read a customer",
    doc: "With its details, and the cards that it was used with.",
    success: 200,
    answer: Some(AnswerSchema::One(Customer::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(customer::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/customer/{id}",
    operation: "customer_update",
    roles: CustomerUpdate::ROLES,
    summary: "Change a customer",
    doc: "Changes the details that are named; `null` ends one, also in `billing`. At least one field beside `organisation`.",
    success: 200,
    answer: Some(AnswerSchema::One(Customer::SPEC)),
    failures: CHANGES,
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(customer::update),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/customer/{id}",
    operation: "customer_delete",
    roles: CustomerDelete::ROLES,
    summary: "Erase a customer",
    doc: "Everything personal is gone. Transactions that name it keep the id.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(customer::delete),
};
