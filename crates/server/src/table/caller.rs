use http::Method;
use panvault_vault::{CallerRead, Operation};

use crate::object::Object;
use crate::object::caller::Caller;
use crate::routes::caller;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/caller",
    operation: "caller_read",
    roles: CallerRead::ROLES,
    summary: "See what your key may do",
    doc: "For every key: whose it is, its roles, and the operations that they allow. A program that shows what it can do asks here first, and offers \
          nothing that would be refused.",
    success: 200,
    answer: Some(AnswerSchema::OneOrPart(Caller::SPEC)),
    failures: &[],
    body: None,
    list: None,
    handler: handler!(caller::read),
};
