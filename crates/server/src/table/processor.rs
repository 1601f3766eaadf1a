use http::Method;
use panvault_vault::{
    Operation, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead, ProcessorUpdate,
};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::processor::{self as object, Processor};
use crate::routes::processor;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/processor",
    operation: "processor_create",
    roles: ProcessorCreate::ROLES,
    summary: "Create a processor",
    doc: "Makes a connection to an acquirer or PSP. A live vault refuses the dummy.",
    success: 200,
    answer: Some(AnswerSchema::One(Processor::SPEC)),
    failures: &[
        ErrorCode::State,
        ErrorCode::NotFound,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::CREATE),
    list: None,
    handler: handler!(processor::create),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/processor",
    operation: "processor_list",
    roles: ProcessorList::ROLES,
    summary: "List processors",
    doc: "Newest first. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(Processor::SPEC)),
    failures: &[],
    body: None,
    list: Some(Processor::SPEC),
    handler: handler!(processor::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/processor/count",
    operation: "processor_count",
    roles: ProcessorList::ROLES,
    summary: "Count processors",
    doc: "How many processors match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(Processor::SPEC),
    handler: handler!(processor::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/processor/{id}",
    operation: "processor_read",
    roles: ProcessorRead::ROLES,
    summary: "Read a processor",
    doc: "As it stands.",
    success: 200,
    answer: Some(AnswerSchema::One(Processor::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(processor::read),
};

pub(super) const UPDATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/processor/{id}",
    operation: "processor_update",
    roles: ProcessorUpdate::ROLES,
    summary: "Change a processor",
    doc: "Changes what is named, and connects anew. What is under way goes on as it began.",
    success: 200,
    answer: Some(AnswerSchema::One(Processor::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::UPDATE),
    list: None,
    handler: handler!(processor::update),
};

pub(super) const DELETE: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/v1/processor/{id}",
    operation: "processor_delete",
    roles: ProcessorDelete::ROLES,
    summary: "Delete a processor",
    doc: "Only where no account has it; else 110 says so. Transactions that were made with it stay.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: None,
    list: None,
    handler: handler!(processor::delete),
};
