//! What a client sees of a failure: one table of codes, and the one place where failures become codes.

use std::fmt::Write;

use const_format::formatcp;
use http::StatusCode;
use panvault_model::{ActionState, TransactionAction};
use panvault_vault::limits::EMAIL_ORGANISATIONS_MAX;
use panvault_vault::{CheckoutRefusal, LimitReached, Named, RefusalReason, StoreFault, VaultError};

use crate::fault::Faults;
use crate::limits::BODY_BYTES_MAX;
use crate::object::card::CVV;
use crate::room::Ending;

macro_rules! error_codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal $status:ident $message:expr,)+) => {
        /// A failure by its number. Numbers below 140 and from 165 to 170 are the gateway's, the rest are ours; none is ever renumbered. 110
        /// has two meanings there, and a message for each here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode { $(#[doc = concat!("Code ", $number, ", with the status `", stringify!($status), "`.")] $name,)+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its number.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What it means.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

error_codes! {
    Internal = 100 INTERNAL_SERVER_ERROR "something went wrong here; quote the request id",
    Malformed = 107 BAD_REQUEST "a field is badly formed; see details",
    NotFound = 109 NOT_FOUND "there is no such resource",
    NotJson = 110 BAD_REQUEST "the body is not JSON; see details",
    State = 110 BAD_REQUEST "this cannot be done in this state; see details",
    Blocked = 111 FORBIDDEN "blocked by a rule; see details",
    RoleNotAllowed = 113 FORBIDDEN "the roles of this API key do not allow this",
    NotAuthenticated = 116 UNAUTHORIZED "a valid API key is required",
    Declined = 121 FORBIDDEN "declined by the processor",
    Unknown = 122 BAD_GATEWAY "the outcome of the transaction is unknown",
    Failed = 123 BAD_REQUEST "refused by the processor",
    Missing = 126 BAD_REQUEST "a required field is missing; see details",
    Unexpected = 127 BAD_REQUEST "an unexpected field was sent; see details",
    Unavailable = 131 SERVICE_UNAVAILABLE "the processor is unavailable",
    NotSupported = 132 BAD_REQUEST "not supported by the processor",
    TooMany = 140 TOO_MANY_REQUESTS "too many requests",
    Sealed = 141 SERVICE_UNAVAILABLE "the vault is sealed",
    IdempotencyInUse = 142 CONFLICT "a request with this idempotency key still runs",
    IdempotencyMismatch = 143 UNPROCESSABLE_ENTITY "this idempotency key was used with another body",
    Busy = 144 SERVICE_UNAVAILABLE "temporarily unavailable; try again",
    MediaType = 145 UNSUPPORTED_MEDIA_TYPE "the body must be application/json, not compressed",
    Method = 146 METHOD_NOT_ALLOWED "this path does not have this method",
    TooLarge = 147 PAYLOAD_TOO_LARGE formatcp!("the body is larger than {} KiB", BODY_BYTES_MAX / 1024),
    Slow = 148 REQUEST_TIMEOUT "the request took too long to arrive",
    CheckoutFailed = 165 FORBIDDEN "the checkout was tried too often",
    CheckoutCompleted = 168 FORBIDDEN "the checkout is already completed",
    CheckoutExpired = 169 FORBIDDEN "the checkout has expired",
    TimedOut = 170 GATEWAY_TIMEOUT "timed out",
}

impl ErrorCode {
    /// As what the audit trail counts it, if it says that a caller was not allowed something.
    pub(crate) const fn refusal_reason(self) -> Option<RefusalReason> {
        match self {
            Self::RoleNotAllowed => Some(RefusalReason::Role),
            Self::NotFound => Some(RefusalReason::NotFound),
            Self::Blocked => Some(RefusalReason::Velocity),
            Self::IdempotencyMismatch => Some(RefusalReason::IdempotencyMismatch),
            Self::IdempotencyInUse => Some(RefusalReason::IdempotencyInUse),
            Self::TooMany => Some(RefusalReason::Rate),
            // Counted where the key is looked for.
            Self::NotAuthenticated
            // What is wrong with a request, a payment or this vault says nothing of rights.
            | Self::Internal
            | Self::Malformed
            | Self::NotJson
            | Self::State
            | Self::Declined
            | Self::Unknown
            | Self::Failed
            | Self::Missing
            | Self::Unexpected
            | Self::Unavailable
            | Self::NotSupported
            | Self::Sealed
            | Self::Busy
            | Self::MediaType
            | Self::Method
            | Self::TooLarge
            | Self::Slow
            | Self::CheckoutFailed
            | Self::CheckoutCompleted
            | Self::CheckoutExpired
            | Self::TimedOut => None,
        }
    }
}

/// A failure on its way to the client: its code, and details that never repeat a value that was sent.
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) details: Vec<(String, String)>,
    /// The limit that was reached, if one was.
    pub(crate) limit: Option<LimitReached>,
    /// Whether its sender is asked for a name and a password.
    pub(crate) asks_basic: bool,
    /// A fault of ours that an operator must see. It is logged where the request ends.
    pub(crate) fault: Option<Box<VaultError>>,
}

impl Refusal {
    pub(crate) const fn new(code: ErrorCode) -> Self {
        Self { code, details: Vec::new(), limit: None, asks_basic: false, fault: None }
    }

    pub(crate) fn with(code: ErrorCode, name: &str, what: impl Into<String>) -> Self {
        Self { details: vec![(name.to_owned(), what.into())], ..Self::new(code) }
    }

    /// Whoever asked has closed their side, and has most likely gone.
    pub(crate) fn unwaited() -> Self {
        Self::with(
            ErrorCode::TimedOut,
            "query",
            "takes longer than a client is waited for that has closed its side",
        )
    }

    /// Something was asked for as often as it may be.
    pub(crate) fn too_many(limit: LimitReached) -> Self {
        Self { limit: Some(limit), ..Self::with(ErrorCode::TooMany, "limit", limit.limit) }
    }
}

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        let code = faults.code();
        Self { details: faults.into_details(), ..Self::new(code) }
    }
}

impl From<Ending> for Refusal {
    fn from(Ending: Ending) -> Self {
        Self::new(ErrorCode::Busy)
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        let code = match &error {
            VaultError::NotAuthenticated => ErrorCode::NotAuthenticated,
            VaultError::RoleNotAllowed => ErrorCode::RoleNotAllowed,
            VaultError::NotFound(named) => {
                let details = named.iter().map(|named| (place(*named), NAMES_NOTHING.to_owned())).collect();
                return Self { details, ..Self::new(ErrorCode::NotFound) };
            }
            VaultError::Faults(faults) => {
                let detail = |fault: &panvault_vault::FieldFault| {
                    (format!("body.{}", fault.field), fault.reason.clone())
                };
                let details = faults.iter().map(detail).collect();
                let code = if faults.iter().any(|fault| fault.is_missing) {
                    ErrorCode::Missing
                } else if faults.iter().any(|fault| fault.is_unexpected) {
                    ErrorCode::Unexpected
                } else {
                    ErrorCode::Malformed
                };
                return Self { details, ..Self::new(code) };
            }
            VaultError::WrongState { reason } => return Self::with(ErrorCode::State, "state", *reason),
            VaultError::NotSupported => {
                let what = "nothing was sent: the processor has no such request";
                return Self::with(ErrorCode::NotSupported, "processor", what);
            }
            VaultError::WrongMove { status, action } => {
                let what = match action {
                    TransactionAction::Capture => "nothing can be captured of it in this status",
                    TransactionAction::VoidCapture => {
                        "it has no capture that can be taken back in this status"
                    }
                    TransactionAction::Void => "it has nothing reserved that can be released in this status",
                    TransactionAction::Refund => "it cannot be refunded in this status",
                    TransactionAction::Authorise | TransactionAction::Settle => "not in this status",
                };
                let details = [("state", what), ("status", status.as_str())]
                    .map(|(name, what)| (name.to_owned(), what.to_owned()));
                return Self { details: details.into(), ..Self::new(ErrorCode::State) };
            }
            VaultError::Disabled(organisation) => {
                return Self::with(
                    ErrorCode::State,
                    "state",
                    format!("the organisation {organisation} is disabled"),
                );
            }
            VaultError::TooMany(limit) => return Self::too_many(*limit),
            VaultError::Blocked { field, reason, limit } => {
                let blocked = Self::with(ErrorCode::Blocked, &format!("body.{field}"), *reason);
                return Self { limit: *limit, ..blocked };
            }
            VaultError::Checkout(CheckoutRefusal::NoCard) => {
                return Self::with(ErrorCode::State, "card", "is still to be brought");
            }
            VaultError::Checkout(CheckoutRefusal::Failed) => ErrorCode::CheckoutFailed,
            VaultError::Checkout(CheckoutRefusal::Completed) => ErrorCode::CheckoutCompleted,
            VaultError::Checkout(CheckoutRefusal::Expired) => ErrorCode::CheckoutExpired,
            VaultError::IdempotencyInUse => ErrorCode::IdempotencyInUse,
            VaultError::IdempotencyMismatch => ErrorCode::IdempotencyMismatch,
            VaultError::Busy | VaultError::Contended => ErrorCode::Busy,
            VaultError::CvvFull => {
                return Self::with(
                    ErrorCode::Busy,
                    CVV.name,
                    "there is no room to hold another; try again later",
                );
            }
            VaultError::CvvUnavailable => {
                return Self::with(
                    ErrorCode::Busy,
                    CVV.name,
                    "cannot be reached where it is held; try again later",
                );
            }
            VaultError::Sealed => return Self::new(ErrorCode::Sealed),
            VaultError::LeaseLost | VaultError::NotAlone { .. } => {
                return Self::with(
                    ErrorCode::Busy,
                    "node",
                    "takes no transactions until it has renewed its lease; try again",
                );
            }
            VaultError::DocumentsUnseen => {
                return Self::with(
                    ErrorCode::Busy,
                    "node",
                    "has not seen the database for a while, and trusts no key until it does; try again",
                );
            }
            VaultError::TrailBehind => {
                return Self::with(
                    ErrorCode::Busy,
                    "trail",
                    "does not leave this machine, and nothing may be changed until it does again; try again later",
                );
            }
            VaultError::TooManyOrganisations => {
                let what = formatcp!(
                    "is to be sent with email_address, which is looked for in at most {EMAIL_ORGANISATIONS_MAX} organisations"
                );
                return Self::with(ErrorCode::Malformed, "query.organisation", what);
            }
            VaultError::Store(StoreFault::TooManyRows) => {
                return Self::with(
                    ErrorCode::State,
                    "query",
                    "sorts too many rows to leave so many out; lower _skip, or narrow it",
                );
            }
            VaultError::Store(StoreFault::TooManyExamined) => {
                return Self::with(ErrorCode::State, "query", "goes through too many objects; narrow it");
            }
            VaultError::Store(StoreFault::TimedOut) => {
                return Self::with(
                    ErrorCode::TimedOut,
                    "query",
                    "goes through too many rows; narrow it with created_at>= and created_at<=, _id, fingerprint or card",
                );
            }
            VaultError::Store(StoreFault::TooLarge) => {
                return Self::with(
                    ErrorCode::State,
                    "store",
                    "takes no change as large as this one; nothing was done",
                );
            }
            VaultError::Store(StoreFault::Full) => {
                return Self::with(ErrorCode::Busy, "store", "has no room left to write");
            }
            VaultError::Store(StoreFault::Stopped) => {
                let refusal = Self::with(
                    ErrorCode::Internal,
                    "store",
                    "has stopped; whether this was done cannot be told",
                );
                return Self { fault: Some(Box::new(error)), ..refusal };
            }
            VaultError::Store(StoreFault::Unresolved) => {
                let refusal = Self::with(
                    ErrorCode::Internal,
                    "store",
                    "has lost its database at the commit; whether this was done cannot be told",
                );
                return Self { fault: Some(Box::new(error)), ..refusal };
            }
            VaultError::Store(StoreFault::Unreachable) => {
                return Self::with(ErrorCode::Busy, "store", "does not reach its database; nothing was done");
            }
            VaultError::Store(StoreFault::Busy) => ErrorCode::Busy,
            VaultError::Store(StoreFault::Damaged { .. } | StoreFault::Read(_))
            | VaultError::Tampered(_)
            | VaultError::TaggedLater(_)
            | VaultError::Keys(_)
            | VaultError::Row(_) => {
                return Self { fault: Some(Box::new(error)), ..Self::new(ErrorCode::Internal) };
            }
        };
        Self::new(code)
    }
}

/// Said of what names an object that is not there, or is a stranger's.
pub(crate) const NAMES_NOTHING: &str = "names nothing that you may use";

/// Where a request names something.
fn place(named: Named) -> String {
    match named {
        Named::Subject => "path.id".to_owned(),
        Named::Field(name) => format!("body.{name}"),
        Named::Condition(name) => format!("query.{name}"),
    }
}

/// The code of an action that did not succeed; `None` when it did, or when it was taken and what becomes of it is said later.
pub(crate) const fn action_code(state: ActionState) -> Option<ErrorCode> {
    match state {
        ActionState::Approved | ActionState::Awaited => None,
        ActionState::Declined => Some(ErrorCode::Declined),
        ActionState::Failed => Some(ErrorCode::Failed),
        ActionState::InHand | ActionState::ToAsk | ActionState::Unknown => Some(ErrorCode::Unknown),
        ActionState::Unavailable => Some(ErrorCode::Unavailable),
        ActionState::NotSupported => Some(ErrorCode::NotSupported),
    }
}

/// The table as a page of the documentation.
pub fn errors_markdown() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every failure has this body; `details` names the fields at fault and never repeats a value that was sent:\n\n\
         ```json\n{\"code\": 107, \"message\": \"a field is badly formed; see details\", \"timestamp\": 1700000000000, \
         \"details\": {\"body.card_number\": \"fails the Luhn check\"}}\n```\n\n\
         `timestamp` is Unix time in milliseconds. Every answer bears `X-Request-Id`: quote it. (What is not HTTP at all, such as a \
         raw `>` in a URL, a bad `Content-Length`, or one beside a `Transfer-Encoding`, is answered before that, with an empty body.) A transaction that did not \
         succeed is stored all the same; its `_id`, `status` and codes are in `details`.\n\n\
         Every fault of a request is said at once: of its body, its query and its `Idempotency-Key`. The code is that of the most \
         basic of them: 110 when the body is not JSON, else 126, else 127, else 107. Code 110 has two meanings, and `message` says \
         which. A 404 names what was not found: a field of the body (`body.account`), of the query (`query.organisation`), or the \
         part of the path (`path.id`).\n\n\
         | code | HTTP | meaning |\n| --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let (number, status) = (code.number(), code.status().as_u16());
        let _ = writeln!(page, "| {number} | {status} | {} |", code.message());
    }
    page.push_str("\n503 with code 144 bears `Retry-After`, in seconds: nothing was done, and the same request may be sent again. \
         503 with code 141 bears it too: nothing was done, and nothing is until somebody has unsealed the vault; `/readyz` says how. \
         429 with code 140 bears it too, with `RateLimit-Policy` and `RateLimit`, which name the limit that is reached; so does a payment that \
         was blocked with code 111 for a while. Nothing was done.\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        let mut numbers: Vec<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len() + 1, ErrorCode::ALL.len(), "only 110 has two meanings");
        assert!(numbers.is_sorted());
    }

    /// Both were told to narrow a query, which a commit does not have.
    #[test]
    fn a_change_that_is_too_large_is_told_from_a_list_that_is() {
        let details = |fault| {
            let refusal = Refusal::from(VaultError::Store(fault));
            assert_eq!(refusal.code, ErrorCode::State);
            assert!(refusal.fault.is_none());
            refusal.details
        };
        assert!(
            details(StoreFault::TooManyRows)
                .iter()
                .any(|(name, what)| name == "query" && what.contains("narrow"))
        );
        assert!(
            details(StoreFault::TooLarge)
                .iter()
                .all(|(name, what)| name == "store" && !what.contains("narrow"))
        );
    }

    #[test]
    fn a_list_that_takes_too_long_is_no_fault_of_ours_and_says_what_helps() {
        let refusal = Refusal::from(VaultError::Store(StoreFault::TimedOut));
        assert_eq!((refusal.code, refusal.code.status().as_u16()), (ErrorCode::TimedOut, 504));
        assert!(refusal.fault.is_none());
        assert!(
            refusal
                .details
                .iter()
                .any(|(name, what)| name == "query" && what.contains("narrow it with created_at"))
        );
    }

    #[test]
    fn the_page_in_docs_is_this_table() {
        assert_eq!(include_str!("../../../docs/errors.md"), errors_markdown());
    }
}
