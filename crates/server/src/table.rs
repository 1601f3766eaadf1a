//! The route table: every endpoint of the API, once.

use core::pin::Pin;
use std::sync::Arc;

use const_format::formatcp;
use http::Method;
use panvault_card::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};
use crate::fields::FieldSpec;
use crate::object::bin::Bin;
use crate::object::card::{self as card_object, Card};
use crate::object::count::Count;
use crate::object::transaction::{self as transaction_object, HistoryStep, Transaction};
use crate::object::{BodySpec, Object, ObjectSpec};
use crate::routes::{bin, card, transaction};

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
        if self.list.is_some() {
            codes.extend_from_slice(&[ErrorCode::State, ErrorCode::NotFound]);
        }
        codes
    }

    /// What may be sent.
    pub(crate) fn fields(&self) -> &'static [FieldSpec] {
        self.body.map_or(&[], |body| body.fields)
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

/// Every endpoint.
pub static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/v1/card",
        operation: "card_create",
        summary: "Create a token",
        doc: "Stores a card and answers with its token, `_id`. The same number again gives a new token with the same fingerprint. \
              A CVV is held in memory until it is used, at most for `cvv_ttl_seconds`.",
        success: 201,
        answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
        failures: &[ErrorCode::NotFound, ErrorCode::IdempotencyInUse, ErrorCode::IdempotencyMismatch],
        body: Some(&card_object::CREATE),
        list: None,
        handler: handler!(card::create),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/card",
        operation: "card_list",
        summary: "List cards",
        doc: "Newest first. `X-Total-Count` says how many match in all.",
        success: 200,
        answer: Some(AnswerSchema::List(Card::SPEC)),
        failures: &[],
        body: None,
        list: Some(Card::SPEC),
        handler: handler!(card::list),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/card/count",
        operation: "card_count",
        summary: "Count cards",
        doc: "How many cards match, with the conditions of the list.",
        success: 200,
        answer: Some(AnswerSchema::One(Count::SPEC)),
        failures: &[],
        body: None,
        list: Some(Card::SPEC),
        handler: handler!(card::count),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/card/{id}",
        operation: "card_read",
        summary: "Read a card",
        doc: "Everything that is known of a card but its number, holder and CVV, which are never shown.",
        success: 200,
        answer: Some(AnswerSchema::One(Card::SPEC)),
        failures: &[ErrorCode::NotFound],
        body: None,
        list: None,
        handler: handler!(card::read),
    },
    Endpoint {
        method: Method::POST,
        path: "/v1/card/{id}",
        operation: "card_update",
        summary: "Update a card, first of all its CVV",
        doc: "Puts a CVV on the card again, or ends it with `null`; changes expiry, holder or metadata. At least one field beside \
              `organisation`. The card number cannot be changed. A browser key may send `cvv` only.",
        success: 200,
        answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
        failures: &[ErrorCode::NotFound, ErrorCode::IdempotencyInUse, ErrorCode::IdempotencyMismatch],
        body: Some(&card_object::UPDATE),
        list: None,
        handler: handler!(card::update),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/v1/card/{id}",
        operation: "card_delete",
        summary: "Delete a card",
        doc: "The sealed card and its CVV are gone; its transactions stay.",
        success: 204,
        answer: None,
        failures: &[ErrorCode::NotFound],
        body: None,
        list: None,
        handler: handler!(card::delete),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/bin/{bin}",
        operation: "bin_read",
        summary: "Look up an issuer",
        doc: formatcp!(
            "What the vault's table of issuers says of numbers that begin with these {BIN_DIGITS_MIN} to {BIN_DIGITS_MAX} digits: of fewer \
             than {BIN_DIGITS_MAX}, what holds for all of them. Advisory. So many a minute for each API key (`bin_lookups_per_minute`). \
             Never send a whole card number."
        ),
        success: 200,
        answer: Some(AnswerSchema::One(Bin::SPEC)),
        failures: &[ErrorCode::NotFound, ErrorCode::TooMany],
        body: None,
        list: None,
        handler: handler!(bin::read),
    },
    Endpoint {
        method: Method::POST,
        path: "/v1/transaction",
        operation: "transaction_create",
        summary: "Initiate a transaction",
        doc: "Authorises (`capture_now: false`), sells (`true`) or, with amount 0, verifies the card. The CVV, if one is held, goes \
              along and is gone afterwards, whatever the outcome; only when the processor was never reached (131) is it put \
              back. A decline or failure is stored too, and its `_id` is in `details`.",
        success: 201,
        answer: Some(AnswerSchema::One(Transaction::SPEC)),
        failures: &[
            ErrorCode::NotFound,
            ErrorCode::State,
            ErrorCode::Declined,
            ErrorCode::Unknown,
            ErrorCode::Failed,
            ErrorCode::Unavailable,
            ErrorCode::NotSupported,
            ErrorCode::IdempotencyInUse,
            ErrorCode::IdempotencyMismatch,
        ],
        body: Some(&transaction_object::CREATE),
        list: None,
        handler: handler!(transaction::create),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/transaction",
        operation: "transaction_list",
        summary: "List transactions",
        doc: "Newest first; `card=` lists those of one card. `X-Total-Count` says how many match in all.",
        success: 200,
        answer: Some(AnswerSchema::List(Transaction::SPEC)),
        failures: &[],
        body: None,
        list: Some(Transaction::SPEC),
        handler: handler!(transaction::list),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/transaction/count",
        operation: "transaction_count",
        summary: "Count transactions",
        doc: "How many transactions match, with the conditions of the list.",
        success: 200,
        answer: Some(AnswerSchema::One(Count::SPEC)),
        failures: &[],
        body: None,
        list: Some(Transaction::SPEC),
        handler: handler!(transaction::count),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/transaction/{id}",
        operation: "transaction_read",
        summary: "Read a transaction",
        doc: "The transaction as it stands.",
        success: 200,
        answer: Some(AnswerSchema::One(Transaction::SPEC)),
        failures: &[ErrorCode::NotFound],
        body: None,
        list: None,
        handler: handler!(transaction::read),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/transaction/{id}/history",
        operation: "transaction_history",
        summary: "Read a transaction's history",
        doc: "Every status that it has had, newest first.",
        success: 200,
        answer: Some(AnswerSchema::List(HistoryStep::SPEC)),
        failures: &[ErrorCode::NotFound],
        body: None,
        list: None,
        handler: handler!(transaction::history),
    },
];
