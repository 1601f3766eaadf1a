use http::Method;
use panvault_vault::{Operation, RefundCreate, RefundList, RefundRead};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::refund::{self as object, Refund};
use crate::routes::refund;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction/{id}/refund",
    operation: "refund_create",
    roles: RefundCreate::ROLES,
    summary: "Refund a transaction",
    doc: "Gives back what was captured and settled, or a part of it, as often as something is left; what is on its way counts. The answer is the \
          refund, which is `PENDING` until it is settled, and stays so while nobody knows what became of it. One that the processor refuses is \
          `FAILED`, with its `_id` in `details`, and its amount can be refunded again. Only of a `SETTLEMENT_COMPLETED` or `SETTLEMENT_PARTIAL` \
          transaction; else 110, with its `status` in `details`.",
    success: 200,
    answer: Some(AnswerSchema::One(Refund::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::Declined,
        ErrorCode::Failed,
        ErrorCode::Unavailable,
        ErrorCode::NotSupported,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(refund::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/refund",
    operation: "refund_list",
    roles: RefundList::ROLES,
    summary: "List refunds",
    doc: "Newest first; `transaction=` lists those of one transaction. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Refund::SPEC)),
    failures: &[],
    body: None,
    list: Some(Refund::SPEC),
    handler: handler!(refund::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/refund/count",
    operation: "refund_count",
    roles: RefundList::ROLES,
    summary: "Count refunds",
    doc: "How many refunds match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Refund::SPEC),
    handler: handler!(refund::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/refund/{id}",
    operation: "refund_read",
    roles: RefundRead::ROLES,
    summary: "Read a refund",
    doc: "The refund as it stands.",
    success: 200,
    answer: Some(AnswerSchema::One(Refund::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(refund::read),
};
