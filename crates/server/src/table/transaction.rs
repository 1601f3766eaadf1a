use http::Method;
use panvault_vault::{
    Operation, TransactionCapture, TransactionCreate, TransactionList, TransactionRead, TransactionVoid,
};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::transaction::{self as object, HistoryStep, Transaction};
use crate::routes::transaction;
use crate::table::{AnswerSchema, Endpoint, handler};

/// Failures of what is done with a transaction.
const ACTION_FAILURES: &[ErrorCode] = &[
    ErrorCode::NotFound,
    ErrorCode::State,
    ErrorCode::Declined,
    ErrorCode::Unknown,
    ErrorCode::Failed,
    ErrorCode::Unavailable,
    ErrorCode::NotSupported,
    ErrorCode::IdempotencyInUse,
    ErrorCode::IdempotencyMismatch,
];

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction",
    operation: "transaction_create",
    roles: TransactionCreate::ROLES,
    summary: "Initiate a transaction",
    doc: "Authorises (`capture_now: false`), sells (`true`) or, with amount 0, verifies the card. The CVV, if one is held, goes \
          along and is gone afterwards, whatever the outcome; only when the processor was never reached (131) is it put \
          back. A decline or failure is stored too, and its `_id` is in `details`. One like too many that failed is blocked (111): it is not \
          stored, and the CVV stays.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::Blocked,
        ErrorCode::Declined,
        ErrorCode::Unknown,
        ErrorCode::Failed,
        ErrorCode::Unavailable,
        ErrorCode::NotSupported,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(transaction::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/transaction",
    operation: "transaction_list",
    roles: TransactionList::ROLES,
    summary: "List transactions",
    doc: "Newest first; `card=` lists those of one card. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Transaction::SPEC)),
    failures: &[],
    body: None,
    list: Some(Transaction::SPEC),
    handler: handler!(transaction::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/transaction/count",
    operation: "transaction_count",
    roles: TransactionList::ROLES,
    summary: "Count transactions",
    doc: "How many transactions match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Transaction::SPEC),
    handler: handler!(transaction::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/transaction/{id}",
    operation: "transaction_read",
    roles: TransactionRead::ROLES,
    summary: "Read a transaction",
    doc: "The transaction as it stands.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(transaction::read),
};

pub(super) const HISTORY: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/transaction/{id}/history",
    operation: "transaction_history",
    roles: TransactionRead::ROLES,
    summary: "Read a transaction's history",
    doc: "Every status that it has had, newest first.",
    success: 200,
    answer: Some(AnswerSchema::List(HistoryStep::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(transaction::history),
};

pub(super) const CAPTURE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction/{id}/capture",
    operation: "transaction_capture",
    roles: TransactionCapture::ROLES,
    summary: "Capture a transaction",
    doc: "Takes what was reserved, or a part of it; the rest is released, and there is no second capture. Only of an `AUTHORIZED` transaction, and not of a verification; else 110, with its `status` in `details`. When the processor says no, the transaction stays `AUTHORIZED`.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: ACTION_FAILURES,
    body: Some(&object::CAPTURE_BODY),
    list: None,
    handler: handler!(transaction::capture),
};

pub(super) const VOID_CAPTURE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction/{id}/void_capture",
    operation: "transaction_void_capture",
    roles: TransactionVoid::ROLES,
    summary: "Take a capture back",
    doc: "Before it is settled, and all of it: `SETTLEMENT_REQUESTED` becomes `SETTLEMENT_CANCELLED`.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: ACTION_FAILURES,
    body: Some(&object::VOID_BODY),
    list: None,
    handler: handler!(transaction::void_capture),
};

pub(super) const VOID: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction/{id}/void",
    operation: "transaction_void",
    roles: TransactionVoid::ROLES,
    summary: "Release what was reserved",
    doc: "Of an `AUTHORIZED` transaction, which becomes `AUTHORIZATION_VOIDED`.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: ACTION_FAILURES,
    body: Some(&object::VOID_BODY),
    list: None,
    handler: handler!(transaction::void),
};

pub(super) const VOID_AUTHORIZATION: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/transaction/{id}/void_authorization",
    operation: "transaction_void_authorization",
    roles: TransactionVoid::ROLES,
    summary: "Release what was reserved",
    doc: "Another name of `void`.",
    success: 200,
    answer: Some(AnswerSchema::One(Transaction::SPEC)),
    failures: ACTION_FAILURES,
    body: Some(&object::VOID_BODY),
    list: None,
    handler: handler!(transaction::void),
};
