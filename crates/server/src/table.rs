//! The route table: every endpoint of the API, once.

use core::pin::Pin;
use std::sync::Arc;

use const_format::formatcp;
use http::Method;
use panvault_card::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_DIGITS_MAX};

use panvault_model::Role;
use panvault_vault::{
    AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, ApiKeyCreate, ApiKeyDelete,
    ApiKeyList, ApiKeyRead, ApiKeyUpdate, AuditList, AuditRead, BinRead, CardCreate, CardDelete, CardList,
    CardRead, CardUpdate, Operation, OrganisationCreate, OrganisationDelete, OrganisationList,
    OrganisationRead, OrganisationUpdate, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead,
    ProcessorUpdate, StatusRead, TransactionCreate, TransactionList, TransactionRead,
};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};
use crate::fields::FieldSpec;
use crate::object::account::{self as account_object, Account};
use crate::object::api_key::{self as api_key_object, ApiKey, MadeApiKey};
use crate::object::audit::Audit;
use crate::object::bin::Bin;
use crate::object::card::{self as card_object, Card};
use crate::object::count::Count;
use crate::object::organisation::{self as organisation_object, Organisation};
use crate::object::processor::{self as processor_object, Processor};
use crate::object::status::Status;
use crate::object::transaction::{self as transaction_object, HistoryStep, Transaction};
use crate::object::{BodySpec, Object, ObjectSpec};
use crate::routes::{account, api_key, audit, bin, card, organisation, processor, status, transaction};

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

/// Every endpoint.
pub static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/v1/card",
        operation: "card_create",
        roles: CardCreate::ROLES,
        summary: "Create a token",
        doc: "Stores a card and answers with its token, `_id`. The same number again gives a new token with the same fingerprint. \
              A CVV is held in memory until it is used, at most for `cvv_ttl_seconds`.",
        success: 200,
        answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
        failures: &[
            ErrorCode::State,
            ErrorCode::NotFound,
            ErrorCode::IdempotencyInUse,
            ErrorCode::IdempotencyMismatch,
        ],
        body: Some(&card_object::CREATE),
        list: None,
        handler: handler!(card::create),
    },
    Endpoint {
        method: Method::GET,
        path: "/v1/card",
        operation: "card_list",
        roles: CardList::ROLES,
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
        roles: CardList::ROLES,
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
        roles: CardRead::ROLES,
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
        roles: CardUpdate::ROLES,
        summary: "Update a card, first of all its CVV",
        doc: "Puts a CVV on the card again, or ends it with `null`; changes expiry, holder or metadata. At least one field beside \
              `organisation`. The card number cannot be changed. A browser key may send `cvv` only.",
        success: 200,
        answer: Some(AnswerSchema::OneOrPart(Card::SPEC)),
        failures: &[
            ErrorCode::State,
            ErrorCode::NotFound,
            ErrorCode::IdempotencyInUse,
            ErrorCode::IdempotencyMismatch,
        ],
        body: Some(&card_object::UPDATE),
        list: None,
        handler: handler!(card::update),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/v1/card/{id}",
        operation: "card_delete",
        roles: CardDelete::ROLES,
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
        roles: BinRead::ROLES,
        summary: "Look up an issuer",
        doc: formatcp!(
            "What the vault's table of issuers says of all numbers that begin with these {BIN_DIGITS_MIN} to {BIN_DIGITS_MAX} digits, by at most \
             {ISSUER_DIGITS_MAX} of them. Advisory. So many a minute for each API key (`bin_lookups_per_minute`). Never send a whole card number."
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
        roles: TransactionCreate::ROLES,
        summary: "Initiate a transaction",
        doc: "Authorises (`capture_now: false`), sells (`true`) or, with amount 0, verifies the card. The CVV, if one is held, goes \
              along and is gone afterwards, whatever the outcome; only when the processor was never reached (131) is it put \
              back. A decline or failure is stored too, and its `_id` is in `details`.",
        success: 200,
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
        roles: TransactionList::ROLES,
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
        roles: TransactionList::ROLES,
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
        roles: TransactionRead::ROLES,
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
        roles: TransactionRead::ROLES,
        summary: "Read a transaction's history",
        doc: "Every status that it has had, newest first.",
        success: 200,
        answer: Some(AnswerSchema::List(HistoryStep::SPEC)),
        failures: &[ErrorCode::NotFound],
        body: None,
        list: None,
        handler: handler!(transaction::history),
    },
    Endpoint {
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
        body: Some(&organisation_object::CREATE),
        list: None,
        handler: handler!(organisation::create),
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
        body: Some(&organisation_object::UPDATE),
        list: None,
        handler: handler!(organisation::update),
    },
    Endpoint {
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
    },
    Endpoint {
        method: Method::POST,
        path: "/v1/account",
        operation: "account_create",
        roles: AccountCreate::ROLES,
        summary: "Create an account",
        doc: "Makes an account: one currency, and at most one processor of each kind.",
        success: 200,
        answer: Some(AnswerSchema::One(Account::SPEC)),
        failures: &[
            ErrorCode::State,
            ErrorCode::NotFound,
            ErrorCode::IdempotencyInUse,
            ErrorCode::IdempotencyMismatch,
        ],
        body: Some(&account_object::CREATE),
        list: None,
        handler: handler!(account::create),
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
        method: Method::POST,
        path: "/v1/account/{id}",
        operation: "account_update",
        roles: AccountUpdate::ROLES,
        summary: "Change an account",
        doc: "Changes what is named. What is under way goes on as it began.",
        success: 200,
        answer: Some(AnswerSchema::One(Account::SPEC)),
        failures: &[
            ErrorCode::NotFound,
            ErrorCode::State,
            ErrorCode::IdempotencyInUse,
            ErrorCode::IdempotencyMismatch,
        ],
        body: Some(&account_object::UPDATE),
        list: None,
        handler: handler!(account::update),
    },
    Endpoint {
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
    },
    Endpoint {
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
        body: Some(&processor_object::CREATE),
        list: None,
        handler: handler!(processor::create),
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
        body: Some(&processor_object::UPDATE),
        list: None,
        handler: handler!(processor::update),
    },
    Endpoint {
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
    },
    Endpoint {
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
        body: Some(&api_key_object::CREATE),
        list: None,
        handler: handler!(api_key::create),
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
        body: Some(&api_key_object::UPDATE),
        list: None,
        handler: handler!(api_key::update),
    },
    Endpoint {
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
        body: Some(&api_key_object::ROTATE),
        list: None,
        handler: handler!(api_key::rotate),
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
    Endpoint {
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
    },
];
