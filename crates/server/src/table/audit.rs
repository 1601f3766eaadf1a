use http::Method;
use panvault_vault::{AuditList, AuditRead, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::audit::Audit;
use crate::routes::audit;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/audit",
    operation: "audit_list",
    roles: AuditList::ROLES,
    summary: "See who did what",
    doc: "Every change and every use of a card in the organisations that the caller administers, the newest first, for as long as the \
          vault is. There is no count: it would read all of it.",
    success: 200,
    answer: Some(AnswerSchema::List(Audit::SPEC)),
    failures: &[],
    body: None,
    list: Some(Audit::SPEC),
    handler: handler!(audit::list),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/audit/{id}",
    operation: "audit_read",
    roles: AuditRead::ROLES,
    summary: "See one record of that",
    doc: "A record never changes. Its `_id` is who wrote it, and its place in what that has written.",
    success: 200,
    answer: Some(AnswerSchema::One(Audit::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(audit::read),
};
