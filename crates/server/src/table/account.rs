use http::Method;
use panvault_vault::{
    AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, AccountWebhookSecret, Operation,
};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::account::{self as object, Account, MadeAccount};
use crate::object::count::Count;
use crate::routes::account;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/account",
    operation: "account_create",
    roles: AccountCreate::ROLES,
    summary: "Create an account",
    doc: "Makes an account: one currency, and at most one processor of each kind.",
    success: 200,
    answer: Some(AnswerSchema::One(MadeAccount::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(account::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/account",
    operation: "account_list",
    roles: AccountList::ROLES,
    summary: "List accounts",
    doc: "Newest first. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Account::SPEC)),
    failures: &[],
    body: None,
    list: Some(Account::SPEC),
    handler: handler!(account::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/account/count",
    operation: "account_count",
    roles: AccountList::ROLES,
    summary: "Count accounts",
    doc: "How many accounts match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Account::SPEC),
    handler: handler!(account::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/account/{id}",
    operation: "account_read",
    roles: AccountRead::ROLES,
    summary: "Read an account",
    doc: "As it stands.",
    success: 200,
    answer: Some(AnswerSchema::One(Account::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(account::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/account/{id}",
    operation: "account_update",
    roles: AccountUpdate::ROLES,
    summary: "Change an account",
    doc: "Changes what is named. What is under way goes on as it began.",
    success: 200,
    answer: Some(AnswerSchema::One(MadeAccount::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(account::update),
};

pub(super) const WEBHOOK_SECRET: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/account/{id}/webhook_secret",
    operation: "account_webhook_secret",
    roles: AccountWebhookSecret::ROLES,
    summary: "Make or replace the secret that signs an account's webhooks",
    doc: "Makes a secret, and shows it, this once. The one before it signs beside it for 24 hours, so that a message bears both signatures, and any earlier one signs no longer.",
    success: 200,
    answer: Some(AnswerSchema::One(MadeAccount::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::WEBHOOK_SECRET),
    list: None,
    handler: handler!(account::webhook_secret),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/account/{id}",
    operation: "account_delete",
    roles: AccountDelete::ROLES,
    summary: "Delete an account",
    doc: "Only where it has no transactions; else 110 says so. Payments that are under way are waited for. An account that had some is disabled instead.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: None,
    list: None,
    handler: handler!(account::delete),
};
