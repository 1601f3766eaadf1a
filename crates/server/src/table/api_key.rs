use http::Method;
use panvault_vault::{ApiKeyCreate, ApiKeyDelete, ApiKeyList, ApiKeyRead, ApiKeyUpdate, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::api_key::{self as object, ApiKey, MadeApiKey};
use crate::object::count::Count;
use crate::routes::api_key;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/apikey",
    operation: "apikey_create",
    roles: ApiKeyCreate::ROLES,
    summary: "Create an API key",
    doc: "Makes an API key and shows it, this once. Nobody gives roles above their own. The answer to a repeated request is without the key.",
    success: 200,
    answer: Some(AnswerSchema::One(MadeApiKey::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(api_key::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/apikey",
    operation: "apikey_list",
    roles: ApiKeyList::ROLES,
    summary: "List API keys",
    doc: "Newest first. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(ApiKey::SPEC)),
    failures: &[],
    body: None,
    list: Some(ApiKey::SPEC),
    handler: handler!(api_key::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/apikey/count",
    operation: "apikey_count",
    roles: ApiKeyList::ROLES,
    summary: "Count API keys",
    doc: "How many API keys match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(ApiKey::SPEC),
    handler: handler!(api_key::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/apikey/{id}",
    operation: "apikey_read",
    roles: ApiKeyRead::ROLES,
    summary: "Read an API key",
    doc: "As it stands, but for the key itself.",
    success: 200,
    answer: Some(AnswerSchema::One(ApiKey::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(api_key::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/apikey/{id}",
    operation: "apikey_update",
    roles: ApiKeyUpdate::ROLES,
    summary: "Change an API key",
    doc: "Changes what is named, at once. Nobody changes a key that they could not have made.",
    success: 200,
    answer: Some(AnswerSchema::One(ApiKey::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(api_key::update),
};

pub(super) const ROTATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/apikey/{id}/rotate",
    operation: "apikey_rotate",
    roles: ApiKeyCreate::ROLES,
    summary: "Make a key that takes the place of another",
    doc: "Makes a key of the same organisation, name, roles and origins, and shows it, this once. It ends when the old one would have, if `expires_at` does not say otherwise. The old one works on for so many seconds. 110 where it has ended, or where another key takes its place already.",
    success: 200,
    answer: Some(AnswerSchema::One(MadeApiKey::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::ROTATE),
    list: None,
    handler: handler!(api_key::rotate),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/apikey/{id}",
    operation: "apikey_delete",
    roles: ApiKeyDelete::ROLES,
    summary: "Revoke an API key",
    doc: "Revokes it, at once, also on open connections. Nobody revokes a key that they could not have made.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: None,
    list: None,
    handler: handler!(api_key::delete),
};
