//! A checkout: what a shopper is asked to pay on a page of the vault.

use const_format::formatcp;
use panvault_model::{
    AMOUNT_MAX, AccountId, Amount, CardId, CheckoutId, CheckoutPurpose, CheckoutStatus, Id, OrganisationId,
    Timestamp, TransactionId,
};
use panvault_vault::limits::{
    CHECKOUT_SECONDS, CHECKOUT_SECONDS_MAX, CHECKOUT_SECONDS_MIN, RETURN_URL_BYTES_MAX,
};
use panvault_vault::{CheckoutField, CheckoutView};

use super::card::{CARD_HOLDER_NAME, CARD_NUMBER, CVV, EXPIRY_MONTH, EXPIRY_YEAR};
use super::transaction::{CAPTURE_NOW, CUSTOMER, DYNAMIC_DESCRIPTOR, MERCHANT_REFERENCE, WEBHOOK};
use super::{
    BodySpec, EXAMPLE_ACCOUNT, EXAMPLE_CHECKOUT, EXAMPLE_CUSTOMER, EXAMPLE_ORGANISATION, Number, object,
};
use crate::fields::{Field, FieldSpec, Ignored, Open, Typed};
use crate::lenience::Rule;
use crate::limits::{DESCRIPTOR_BYTES_MAX, REFERENCE_BYTES_MAX};

pub(crate) const ACCOUNT: Field<Id> = Field::id("account");
pub(crate) const AMOUNT: Field<i64> = Field::integer("amount", 0, AMOUNT_MAX as i64);
pub(crate) const RETURN_URL: Field<Typed> =
    Field::typed("return_url", "^https?://[!-~]+$", "https://shop.example/thanks");
pub(crate) const EXPIRES_IN: Field<i64> =
    Field::integer("expires_in", CHECKOUT_SECONDS_MIN.cast_signed(), CHECKOUT_SECONDS_MAX.cast_signed());
pub(crate) const LOCALE: Field<Typed> =
    Field::typed("locale", "^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$", "de");
pub(crate) const CONFIGURATIONS: Field<Open> =
    Field::open("configurations", &[CARD.optional("What is done with a card.")]);
pub(crate) const CARD: Field<Open> = Field::open("card", CARD_MEMBERS);
pub(crate) const PROCESS_TRANSACTION: Field<bool> = Field::bool("process_transaction");
const TEMPLATE: Field<Ignored> = Field::ignored("template");
const TEMPLATE_URL: Field<Ignored> = Field::ignored("template_url");
const CSS_FRAMEWORK: Field<Ignored> = Field::ignored("css_framework");
const THREED_SECURE: Field<Ignored> = Field::ignored("threed_secure");

const CARD_MEMBERS: &[FieldSpec] = &[
    PROCESS_TRANSACTION.optional("`true` (the default) makes a transaction; `false` only stores the card."),
    CAPTURE_NOW.optional("`true` (the default) sells; `false` reserves the amount only."),
    DYNAMIC_DESCRIPTOR.optional(formatcp!("What the statement says, at most {DESCRIPTOR_BYTES_MAX} bytes.")),
    THREED_SECURE.optional("Taken without effect: no 3-D Secure is done. Programs for the gateway send it."),
];

const IGNORED: &str = "Taken without effect: nobody's HTML or style sheet runs where a card is typed.";

/// The body of `POST /v1/checkout`.
pub(crate) static CREATE: BodySpec = BodySpec { name: "CheckoutCreate", may_lack: false, fields: &[
    ACCOUNT.required("Where the money goes; gives the currency and the processor. Cards are of its organisation."),
    AMOUNT
        .required("Minor units of the account's currency; 0 verifies the card and moves nothing.")
        .also(Rule::DigitsForInteger),
    RETURN_URL.required(formatcp!(
        "Where the shopper's browser goes when it has ended: http or https, in a live vault https, without user name and fragment, at most {RETURN_URL_BYTES_MAX} bytes. \
         `transaction_id`, `card` or `error` is added to its query. Where the organisation, or the nearest above it that has some, has `return_origins`, it is of one of these."
    )),
    CUSTOMER.optional("The customer. The card appears on it."),
    MERCHANT_REFERENCE.optional(formatcp!("Your name for the payment, at most {REFERENCE_BYTES_MAX} bytes.")),
    WEBHOOK.optional("Kept with the transaction."),
    EXPIRES_IN.optional(formatcp!("Seconds for which it may be paid: {CHECKOUT_SECONDS} when it is not sent.")),
    LOCALE.optional("The language that the page begins in; else it is the browser's."),
    CONFIGURATIONS.optional("What is done, by way of payment. There is `card`; others are ignored."),
    TEMPLATE.optional(IGNORED),
    TEMPLATE_URL.optional(IGNORED),
    CSS_FRAMEWORK.optional(IGNORED),
] };

/// What the page of a checkout sends of a card.
pub(crate) static BRING: BodySpec = BodySpec {
    name: "CheckoutCard",
    may_lack: false,
    fields: &[
        CARD_NUMBER.required("The number."),
        EXPIRY_MONTH.required("The month at whose end it expires.").also(Rule::IntegerForDigits),
        EXPIRY_YEAR.required("And the year.").also(Rule::IntegerForDigits),
        CVV.optional("The CVV."),
        CARD_HOLDER_NAME.optional("The name on the card."),
    ],
};

pub(crate) const ATTEMPT: Field<i64> = Field::integer("attempt", 0, 255);

/// What the page of a checkout sends to pay.
pub(crate) static PAY: BodySpec = BodySpec {
    name: "CheckoutPay",
    may_lack: false,
    fields: &[ATTEMPT.required("How many attempts the page knew of.")],
};

/// What the page of a checkout sends to give up.
pub(crate) static CANCEL: BodySpec = BodySpec { name: "CheckoutCancel", may_lack: true, fields: &[] };

/// A checkout, and where its page is.
pub(crate) struct CheckoutShown {
    pub(crate) view: CheckoutView,
    pub(crate) url: String,
}

fn sent(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

object! {
    /// A checkout: what a shopper is asked to pay on a page of the vault.
    Checkout "Checkout" of shown: CheckoutShown, by CheckoutField {
        /// Names it. Until it ends, whoever knows it may bring a card to it and pay with that.
        always "_id" => CheckoutId = shown.view.row.id, by Id, example EXAMPLE_CHECKOUT;
        /// The account's organisation.
        always "organisation" => OrganisationId = shown.view.row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// Where the money goes.
        always ACCOUNT.name => AccountId = shown.view.row.account, by Account, example EXAMPLE_ACCOUNT;
        /// The page that the shopper is sent to.
        always "url" => &str = shown.url.as_str(), example "https://vault.example/v1/checkout/view/65f1c0ec5e6f708192132435.html";
        /// In minor units.
        always AMOUNT.name => Amount = shown.view.row.amount, by Amount, example "1099";
        /// Where it stands.
        always "status" => CheckoutStatus = shown.view.status, example "open";
        /// What it does with a card.
        always "does" => CheckoutPurpose = shown.view.purpose(), example "pay";
        /// `false` where the amount is to be reserved only.
        always CAPTURE_NOW.name => bool = shown.view.row.capture_now;
        /// How often it was tried.
        always "attempts" => Number<0, 255> = Number(shown.view.row.attempts.into()), example "0";
        /// How often it may still be tried.
        always "attempts_left" => Number<0, 255> = Number(shown.view.attempts_left().into()), example "3";
        /// The transaction that completed it, or was tried last.
        optional "transaction" => TransactionId = shown.view.transaction(), by Transaction;
        /// The card that was tried last, or waits to be.
        optional "card" => CardId = shown.view.card();
        /// As sent.
        optional CUSTOMER.name => Id = shown.view.row.customer, by Customer, example EXAMPLE_CUSTOMER;
        /// As sent.
        optional MERCHANT_REFERENCE.name => &str = sent(&shown.view.row.merchant_reference), by MerchantReference, example "order-1001";
        /// As sent.
        optional DYNAMIC_DESCRIPTOR.name => &str = sent(&shown.view.row.dynamic_descriptor), example "Example shop";
        /// As sent.
        always RETURN_URL.name => &str = shown.view.row.return_url.as_str(), example "https://shop.example/thanks";
        /// As sent.
        optional WEBHOOK.name => &str = shown.view.row.webhook_transaction_update.as_deref(), example "https://shop.example/hook";
        /// As sent.
        optional LOCALE.name => &str = shown.view.row.locale.as_deref(), example "de";
        /// Until when it may be paid.
        always "expires_at" => Timestamp = shown.view.row.expires_at, by ExpiresAt;
        /// When it was made.
        always "created_at" => Timestamp = shown.view.row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = shown.view.row.updated_at, by UpdatedAt;
    }
}

/// Bytes of a language tag (RFC 5646, section 4.4.1).
pub(crate) const LOCALE_BYTES_MAX: usize = 35;
