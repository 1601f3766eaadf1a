use http::Method;
use panvault_vault::{
    Operation, OrganisationCreate, OrganisationDelete, OrganisationList, OrganisationLogoDelete,
    OrganisationLogoSet, OrganisationRead, OrganisationUpdate,
};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::organisation::{self as object, Organisation};
use crate::routes::organisation;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/organisation",
    operation: "organisation_create",
    roles: OrganisationCreate::ROLES,
    summary: "Create an organisation",
    doc: "Makes an organisation and its keys below another one. A key sees its own organisation and all below it.",
    success: 200,
    answer: Some(AnswerSchema::One(Organisation::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(organisation::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/organisation",
    operation: "organisation_list",
    roles: OrganisationList::ROLES,
    summary: "List organisations",
    doc: "Newest first. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Organisation::SPEC)),
    failures: &[],
    body: None,
    list: Some(Organisation::SPEC),
    handler: handler!(organisation::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/organisation/count",
    operation: "organisation_count",
    roles: OrganisationList::ROLES,
    summary: "Count organisations",
    doc: "How many organisations match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Organisation::SPEC),
    handler: handler!(organisation::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/organisation/{id}",
    operation: "organisation_read",
    roles: OrganisationRead::ROLES,
    summary: "Read an organisation",
    doc: "As it stands.",
    success: 200,
    answer: Some(AnswerSchema::One(Organisation::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(organisation::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/organisation/{id}",
    operation: "organisation_update",
    roles: OrganisationUpdate::ROLES,
    summary: "Change an organisation",
    doc: "Changes what is named. While it is disabled, everything that changes or pays in it or below it is refused: its keys are nobody's (401), and whoever is above gets 110, which names it. Reading, counting, deleting, revoking keys and `disabled` itself go on for those above. Nobody disables the organisation of their own key.",
    success: 200,
    answer: Some(AnswerSchema::One(Organisation::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(organisation::update),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/organisation/{id}",
    operation: "organisation_delete",
    roles: OrganisationDelete::ROLES,
    summary: "Delete an organisation",
    doc: "Only where nothing hangs on it: no organisation below it, no account, processor, API key, card or transaction; else 110 says what does. Payments that are under way are waited for.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: None,
    list: None,
    handler: handler!(organisation::delete),
};

pub(super) const LOGO_SET: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/organisation/{id}/logo",
    operation: "organisation_logo_set",
    roles: OrganisationLogoSet::ROLES,
    summary: "Give an organisation a logo",
    doc: "A picture on the page of its checkouts, with the organisation's name as its text. It takes the place of the one before. Anybody may see it.",
    success: 200,
    answer: Some(AnswerSchema::One(Organisation::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::LOGO),
    list: None,
    handler: handler!(organisation::logo_set),
};

pub(super) const LOGO_DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/organisation/{id}/logo",
    operation: "organisation_logo_delete",
    roles: OrganisationLogoDelete::ROLES,
    summary: "Take an organisation's logo away",
    doc: "Where it has none, nothing is found.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: None,
    list: None,
    handler: handler!(organisation::logo_delete),
};
