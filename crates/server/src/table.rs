//! The route table: every endpoint of the API, once. What is said of each stands in the file of its noun.

mod account;
mod api_key;
mod audit;
mod bin;
mod caller;
mod card;
mod checkout;
mod customer;
mod key;
mod organisation;
mod processor;
mod refund;
mod status;
mod transaction;
mod webhook_delivery;

use core::pin::Pin;
use std::sync::Arc;

use http::Method;
use panvault_model::Role;

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};
use crate::fields::FieldSpec;
use crate::object::{BodySpec, ObjectSpec};

/// What answers a request.
pub(crate) type Handler =
    fn(Arc<App>, Asked) -> Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// One endpoint.
pub struct Endpoint {
    /// The HTTP method.
    pub method: Method,
    /// The path, with `{id}` for an id and `{bin}` for the first digits of a number.
    pub path: &'static str,
    /// The operation, noun first.
    pub operation: &'static str,
    /// The roles of which one suffices.
    pub roles: &'static [Role],
    /// In a few words.
    pub summary: &'static str,
    /// In a few sentences.
    pub doc: &'static str,
    /// The status of success.
    pub success: u16,
    /// The schema of the answer; none when it has no body.
    pub answer: Option<AnswerSchema>,
    /// The codes of failures that only this endpoint has.
    pub failures: &'static [ErrorCode],
    pub(crate) body: Option<&'static BodySpec>,
    /// What is listed or counted.
    pub(crate) list: Option<&'static ObjectSpec>,
    pub(crate) handler: Handler,
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub enum AnswerSchema {
    /// An object.
    One(&'static ObjectSpec),
    /// An object, or what a browser may see of it.
    OneOrPart(&'static ObjectSpec),
    /// A list.
    List(&'static ObjectSpec),
}

/// Failures of every endpoint.
const ALWAYS: &[ErrorCode] = &[
    ErrorCode::Internal,
    ErrorCode::Malformed,
    ErrorCode::RoleNotAllowed,
    ErrorCode::NotAuthenticated,
    ErrorCode::Unexpected,
    ErrorCode::TooMany,
    ErrorCode::Busy,
];

/// Failures of every endpoint with a body.
const WITH_BODY: &[ErrorCode] =
    &[ErrorCode::NotJson, ErrorCode::Missing, ErrorCode::MediaType, ErrorCode::TooLarge, ErrorCode::Slow];

impl Endpoint {
    /// Every code that it can fail with.
    pub fn codes(&self) -> Vec<ErrorCode> {
        let mut codes = [ALWAYS, self.failures].concat();
        if self.body.is_some() {
            codes.extend_from_slice(WITH_BODY);
        }
        if self.roles.contains(&Role::Publishable) {
            codes.push(ErrorCode::Blocked);
        }
        if self.list.is_some() {
            codes.extend_from_slice(&[ErrorCode::State, ErrorCode::NotFound, ErrorCode::TimedOut]);
        }
        codes
    }

    /// What may be sent.
    pub(crate) fn fields(&self) -> &'static [FieldSpec] {
        self.body.map_or(&[], |body| body.fields)
    }

    /// Fields that end where they are sent as `null`.
    pub fn ending_fields(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.fields().iter().filter(|field| field.nullable).map(|field| field.name)
    }

    /// Whether `Idempotency-Key` has a meaning here.
    pub const fn idempotent(&self) -> bool {
        self.body.is_some()
    }
}

macro_rules! handler {
    ($handler:path) => {
        |app, asked| Box::pin($handler(app, asked))
    };
}
use handler;

/// Every endpoint.
pub static ENDPOINTS: &[Endpoint] = &[
    card::CREATE,
    card::LIST,
    card::COUNT,
    card::READ,
    card::UPDATE,
    card::DELETE,
    bin::READ,
    transaction::CREATE,
    transaction::LIST,
    transaction::COUNT,
    transaction::READ,
    transaction::HISTORY,
    transaction::CAPTURE,
    transaction::VOID_CAPTURE,
    transaction::VOID,
    transaction::VOID_AUTHORIZATION,
    refund::CREATE,
    refund::LIST,
    refund::COUNT,
    refund::READ,
    customer::CREATE,
    customer::LIST,
    customer::COUNT,
    customer::READ,
    customer::UPDATE,
    customer::DELETE,
    checkout::CREATE,
    checkout::LIST,
    checkout::COUNT,
    checkout::READ,
    checkout::DELETE,
    webhook_delivery::LIST,
    webhook_delivery::COUNT,
    webhook_delivery::READ,
    webhook_delivery::RETRY,
    organisation::CREATE,
    organisation::LIST,
    organisation::COUNT,
    organisation::READ,
    organisation::UPDATE,
    organisation::DELETE,
    organisation::LOGO_SET,
    organisation::LOGO_DELETE,
    key::INVENTORY,
    key::LIST,
    key::ROTATE,
    key::DESTROY,
    account::CREATE,
    account::LIST,
    account::COUNT,
    account::READ,
    account::UPDATE,
    account::WEBHOOK_SECRET,
    account::DELETE,
    processor::CREATE,
    processor::LIST,
    processor::COUNT,
    processor::READ,
    processor::UPDATE,
    processor::DELETE,
    api_key::CREATE,
    api_key::LIST,
    api_key::COUNT,
    api_key::READ,
    api_key::UPDATE,
    api_key::ROTATE,
    api_key::DELETE,
    audit::LIST,
    audit::READ,
    caller::READ,
    status::READ,
];
