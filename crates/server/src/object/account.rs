//! An account.

use const_format::formatcp;
use panvault_model::{AccountId, Currency, Id, OrganisationId, ProcessorId, Timestamp};
use panvault_vault::limits::{ACCOUNT_PROCESSORS_MAX, TEXT_BYTES_MAX, WEBHOOK_BYTES_MAX};
use panvault_vault::{AccountField, AccountView, WebhookSecret};

use super::organisation::{NAME_DOC, Theme};
use super::shape::Shape;
use super::shown::{Shown, write_text, write_texts};
use super::{BodySpec, object};
use crate::fields::{Field, Typed};

pub(crate) use super::organisation::{CHECKOUT_THEME, DISABLED, NAME};

/// The member of a configuration of a processor that names its kind.
pub(crate) const TYPE: &str = "_type";

pub(crate) const ORGANISATION: Field<Id> = Field::id("organisation");
pub(crate) const DESCRIPTION: Field<str> = Field::text("description", TEXT_BYTES_MAX, "");
pub(crate) const CURRENCY_CODE: Field<Typed> = Field::typed("currency_code", "^[A-Z]{3}$", "EUR");
pub(crate) const PROCESSORS: Field<[Id]> = Field::ids("processors", ACCOUNT_PROCESSORS_MAX);
pub(crate) const WEBHOOK_TRANSACTION_UPDATE: Field<str> = webhook("webhook_transaction_update");
pub(crate) const WEBHOOK_REFUND_UPDATE: Field<str> = webhook("webhook_refund_update");
pub(crate) const WEBHOOK_CHARGEBACK_UPDATE: Field<str> = webhook("webhook_chargeback_update");

const fn webhook(name: &'static str) -> Field<str> {
    Field::text(name, WEBHOOK_BYTES_MAX, "https://shop.example/hook")
}

pub(super) const OWNER_DOC: &str = "Whose it is, which never changes: the caller's own organisation or one below it; where it is left out, the caller's own.";
pub(super) const OWNER_KEPT_DOC: &str = "As it is: it never changes.";
const DESCRIPTION_DOC: &str = formatcp!("In words, at most {TEXT_BYTES_MAX} bytes.");
const PROCESSORS_DOC: &str =
    "At most one processor of each kind, each of the account's organisation or one above it.";
const THEME_DOC: &str = "How the page of its checkouts looks, all of it in the place of how it looked. What is not named is as the organisation says.";
const DISABLED_DOC: &str = "Whether it refuses transactions.";
const WEBHOOK_DOC: &str = formatcp!("Who is told of changes: a URL of at most {WEBHOOK_BYTES_MAX} bytes.");

/// The body of `POST /v1/account`.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "AccountCreate",
    may_lack: false,
    fields: &[
        NAME.required(NAME_DOC),
        CURRENCY_CODE.required("Its one currency, which never changes: ISO 4217, of a currency in use."),
        ORGANISATION.optional(OWNER_DOC),
        DESCRIPTION.optional(DESCRIPTION_DOC),
        PROCESSORS.optional(PROCESSORS_DOC),
        DISABLED.optional(DISABLED_DOC),
        WEBHOOK_TRANSACTION_UPDATE.optional(WEBHOOK_DOC),
        WEBHOOK_REFUND_UPDATE.optional(WEBHOOK_DOC),
        WEBHOOK_CHARGEBACK_UPDATE.optional(WEBHOOK_DOC),
        CHECKOUT_THEME.optional(THEME_DOC),
    ],
};

/// The body of `POST /v1/account/{id}/webhook_secret`.
pub(crate) static WEBHOOK_SECRET: BodySpec =
    BodySpec { name: "AccountWebhookSecret", may_lack: true, fields: &[] };

/// The body of `POST /v1/account/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "AccountUpdate",
    may_lack: false,
    fields: &[
        NAME.optional(NAME_DOC),
        CURRENCY_CODE.optional(OWNER_KEPT_DOC),
        ORGANISATION.optional(OWNER_KEPT_DOC),
        DESCRIPTION.optional(DESCRIPTION_DOC).or_null(),
        PROCESSORS.optional(PROCESSORS_DOC),
        DISABLED.optional(DISABLED_DOC),
        WEBHOOK_TRANSACTION_UPDATE.optional(WEBHOOK_DOC).or_null(),
        WEBHOOK_REFUND_UPDATE.optional(WEBHOOK_DOC).or_null(),
        WEBHOOK_CHARGEBACK_UPDATE.optional(WEBHOOK_DOC).or_null(),
        CHECKOUT_THEME.optional(THEME_DOC).or_null(),
    ],
};

object! {
    /// An account: where an organisation's money goes.
    Account "Account" of view: AccountView, by AccountField {
        /// Its name in the API.
        always "_id" => AccountId = view.row.id, by Id;
        /// Whose it is.
        always ORGANISATION.name => OrganisationId = view.row.organisation, by Organisation;
        /// Its name.
        always NAME.name => &str = view.row.name.as_str(), by Name, example "Web shop";
        /// In words.
        optional DESCRIPTION.name => &str = view.row.description.as_deref(), example "Orders from the web shop";
        /// Its one currency.
        always CURRENCY_CODE.name => Currency = view.row.currency, by CurrencyCode;
        /// Its processors.
        always PROCESSORS.name => &[ProcessorId] = view.row.processors.as_slice();
        /// The type of each of them, as programs for the gateway look for it: what the account can be paid with.
        always "processors_configurations" => Configurations = Configurations(view), example "[{\"_type\": \"card_dummy\"}]";
        /// Whether it refuses transactions.
        always DISABLED.name => bool = view.row.disabled, by Disabled, example "false";
        /// Who is told of changes of its transactions.
        optional WEBHOOK_TRANSACTION_UPDATE.name => &str = view.row.webhooks.transaction_update.as_deref(), example "https://shop.example/hook";
        /// Who is told of changes of its refunds.
        optional WEBHOOK_REFUND_UPDATE.name => &str = view.row.webhooks.refund_update.as_deref(), example "https://shop.example/hook";
        /// Who is told of changes of its chargebacks.
        optional WEBHOOK_CHARGEBACK_UPDATE.name => &str = view.row.webhooks.chargeback_update.as_deref(), example "https://shop.example/hook";
        /// How the page of its checkouts looks, where that is not as its organisation says.
        optional CHECKOUT_THEME.name => Theme = Theme::of(&view.row.checkout_theme);
        /// When it was made.
        always "created_at" => Timestamp = view.row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = view.row.updated_at, by UpdatedAt;
    }
}

/// An account that was made or changed, and what signs its webhooks where that was made now.
pub(crate) struct Made {
    pub(crate) view: AccountView,
    pub(crate) secret: Option<WebhookSecret>,
}

object! {
    /// An account that was made or changed.
    MadeAccount "MadeAccount" of made: Made, by AccountField, with [Account of &made.view] {
        /// What its webhooks are signed with (Standard Webhooks), where that was made now: with its first URL, or because it was asked for. It is
        /// shown this once, and not in the answer to a repeated request.
        optional "webhook_secret" => &WebhookSecret = made.secret.as_ref();
    }
}

impl Shown for &WebhookSecret {
    const SHAPE: Shape =
        Shape::Pattern("^whsec_[A-Za-z0-9+/]{43}=$", "whsec_Q6gbtq0hxf1dS2cYRnMZ8vKpWz3JoLeUa7iT5mBkXyE=");

    fn write(&self, out: &mut Vec<u8>) {
        write_text(&self.expose_text(), out);
    }
}

/// The types of an account's processors. Their settings are shown to who sees the processors.
pub(crate) struct Configurations<'v>(&'v AccountView);

impl Shown for Configurations<'_> {
    const SHAPE: Shape = Shape::List(&Shape::Texts);

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, type_name) in self.0.processor_types.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_texts([(TYPE, type_name.as_str())].into_iter(), out);
        }
        out.push(b']');
    }
}
