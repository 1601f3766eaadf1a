use http::Method;
use panvault_vault::{Operation, StatusRead};

use crate::object::Object;
use crate::object::status::Status;
use crate::routes::status;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/status",
    operation: "status_read",
    roles: StatusRead::ROLES,
    summary: "See how the vault is doing",
    doc: "What is served, since when, how much, and what is behind, of the whole vault: for `ProviderAdmin` of an organisation that is \
          below none. `/readyz` says to anyone whether it is ready.",
    success: 200,
    answer: Some(AnswerSchema::One(Status::SPEC)),
    failures: &[],
    body: None,
    list: None,
    handler: handler!(status::read),
};
