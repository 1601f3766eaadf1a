//! A transaction. It names a card by its token; its one secret is the cryptogram of a network token.

use const_format::formatcp;
use panvault_card::limits::{CRYPTOGRAM_BYTES_MAX, CRYPTOGRAM_BYTES_MIN, CRYPTOGRAM_CHARS_MAX};
use panvault_model::{
    AMOUNT_MAX, AccountId, Amount, Brand, CardId, Currency, CvvResult, Id, OrganisationId, RecurringType,
    ShopperInteraction, Timestamp, TransactionId, TransactionStatus,
};
use panvault_vault::{HistoryRow, TransactionField, TransactionRow};

use super::shape::Shape;
use super::shown::{Shown, write_text};
use super::{
    BodySpec, EXAMPLE_ACCOUNT, EXAMPLE_CUSTOMER, EXAMPLE_ORGANISATION, EXAMPLE_TRANSACTION, Flattened, Names,
    Number, object,
};
use crate::fields::{Field, FieldSpec, Masked, Pairs, Secret, Typed};
use crate::json::Digested;
use crate::lenience::Rule;
use crate::limits::{
    DESCRIPTOR_BYTES_MAX, PARES_BYTES_MAX, REDIRECT_BYTES_MAX, REFERENCE_BYTES_MAX, TEXT_BYTES_MAX,
    USER_AGENT_BYTES_MAX, WEBHOOK_BYTES_MAX,
};

const INSTALLMENTS_MIN: i64 = 1;
const INSTALLMENTS_MAX: i64 = 99;
type Installments = Number<{ INSTALLMENTS_MIN.unsigned_abs() }, { INSTALLMENTS_MAX.unsigned_abs() }>;

pub(crate) const ACCOUNT: Field<Id> = Field::id("account");
pub(crate) const AMOUNT: Field<i64> = Field::integer("amount", 0, AMOUNT_MAX as i64);
/// Of what is done with a transaction: some money.
pub(crate) const ACTION_AMOUNT: Field<i64> = Field::integer("amount", 1, AMOUNT_MAX as i64);
pub(crate) const CARD: Field<Id> = Field::id("card");
pub(crate) const CAPTURE_NOW: Field<bool> = Field::bool("capture_now");
const CAPTURE: Field<bool> = Field::bool("capture");
pub(crate) const CUSTOMER_IP: Field<Typed> =
    Field::typed("customer_ip", "^[0-9A-Fa-f:.]{2,45}$", "203.0.113.7");
pub(crate) const DYNAMIC_DESCRIPTOR: Field<str> =
    Field::text("dynamic_descriptor", DESCRIPTOR_BYTES_MAX, "Example shop");
pub(crate) const MERCHANT_REFERENCE: Field<str> =
    Field::text("merchant_reference", REFERENCE_BYTES_MAX, "order-1001");
pub(crate) const USER_AGENT: Field<Masked> = Field::masked("user_agent", "Mozilla/5.0");
pub(crate) const CUSTOMER: Field<Id> = Field::id("customer");
pub(crate) const PAYMENT_PRODUCT: Field<str> = Field::choice("payment_product", PAYMENT_PRODUCTS);
const PAYMENT_PRODUCTS: &[&str] = &["card"];
pub(crate) const WEBHOOK: Field<Typed> = Field::typed(
    "webhook_transaction_update",
    formatcp!("^https?://[^ ]{{1,{}}}$", WEBHOOK_BYTES_MAX - "https://".len()),
    "https://shop.example/hook",
);
pub(crate) const RECURRING_TYPE: Field<str> = Field::choice("recurring_type", &["first", "repeat"]);
pub(crate) const INSTALLMENTS: Field<i64> =
    Field::integer("installments", INSTALLMENTS_MIN, INSTALLMENTS_MAX);
pub(crate) const SHOPPER_INTERACTION: Field<str> =
    Field::choice("shopper_interaction", &["ECOMMERCE", "MOTO", "POS"]);
pub(crate) const ECI: Field<str> = Field::text("eci", TEXT_BYTES_MAX, "");
pub(crate) const CAVV2: Field<str> = Field::text("cavv2", TEXT_BYTES_MAX, "");
pub(crate) const PARES: Field<str> = Field::text("pares", PARES_BYTES_MAX, "");
pub(crate) const CRYPTOGRAM: Field<Secret> = Field::secret(
    "cryptogram",
    Digested::Presence,
    formatcp!("^[A-Za-z0-9+/]{{26,{CRYPTOGRAM_CHARS_MAX}}}={{0,2}}$"),
    "",
);
pub(crate) const CRYPTOGRAM_ECI: Field<str> = Field::text("cryptogram_eci", TEXT_BYTES_MAX, "");
pub(crate) const SHIPPING_INFORMATION: Field<Pairs> = Field::object(
    "shipping_information",
    &[
        short("first_name"),
        short("last_name"),
        short("email"),
        short("address"),
        short("city"),
        short("state"),
        short("postal_code"),
        short("country"),
        Field::phone("phone", TEXT_BYTES_MAX).optional(""),
    ],
);
pub(crate) const DETAILS: Field<Pairs> =
    Field::object("details", &[Field::text("redirect_url", REDIRECT_BYTES_MAX, "").optional("")]);
pub(crate) const THREED_AUTHENTICATION: Field<Pairs> = Field::object(
    "threed_authentication",
    &[
        short("eci_flag"),
        short("enrolled"),
        short("cavv"),
        short("pares_status"),
        short("threeds_version"),
        short("ds_transaction_id"),
        short("signature_verification"),
        short("error_no"),
        short("error_desc"),
    ],
);

/// Members that are objects of texts, and are kept and echoed as they are.
pub(crate) const OBJECTS: [&Field<Pairs>; 3] = [&SHIPPING_INFORMATION, &DETAILS, &THREED_AUTHENTICATION];
/// Members that are texts of their own, and are kept and echoed as they are: of 3-D Secure 1, and the ECI of a cryptogram.
pub(crate) const FLAT: [&Field<str>; 4] = [&ECI, &CAVV2, &PARES, &CRYPTOGRAM_ECI];
/// What cannot go with a verification: the result of a 3-D Secure.
pub(crate) const NOT_WITH_ZERO: [&str; 4] = [ECI.name, CAVV2.name, PARES.name, THREED_AUTHENTICATION.name];

/// A text of an address or of an authentication.
const fn short(name: &'static str) -> FieldSpec {
    Field::text(name, TEXT_BYTES_MAX, "").optional("")
}

/// The body of `POST /v1/transaction`.
pub(crate) static CREATE: BodySpec = BodySpec { name: "TransactionCreate", may_lack: false, fields: &[
    ACCOUNT.required("Where the money goes; gives the currency and the processor."),
    AMOUNT
        .required("Minor units of the account's currency; 0 verifies the card and moves nothing.")
        .also(Rule::DigitsForInteger),
    CARD.required("The token."),
    CAPTURE_NOW.optional("`true` (the default) sells; `false` reserves the amount only."),
    CAPTURE.optional("Another name of `capture_now`, of older programs.").also(Rule::Capture),
    CUSTOMER_IP.optional("The shopper's IP address, version 4 or 6. Of one whose groups read as a card number, two are kept."),
    DYNAMIC_DESCRIPTOR.optional(formatcp!("What the statement says, at most {DESCRIPTOR_BYTES_MAX} bytes.")),
    MERCHANT_REFERENCE.optional(formatcp!("Your name for the payment, at most {REFERENCE_BYTES_MAX} bytes.")),
    USER_AGENT.optional(
        formatcp!("The shopper's browser, whatever it says: card numbers are masked, and what is longer than {USER_AGENT_BYTES_MAX} bytes is cut."),
    ),
    CUSTOMER.optional("The customer, which must be there, for address verification. The card appears on it."),
    PAYMENT_PRODUCT.optional("By what is paid: `card`, also when it is not sent."),
    WEBHOOK.optional("Kept with the transaction."),
    RECURRING_TYPE.optional("For a series of payments: the processor of a `repeat` is told what the card's network called the newest `first` with the card."),
    INSTALLMENTS.optional("1 is an ordinary payment."),
    SHOPPER_INTERACTION.optional("How the shopper ordered."),
    SHIPPING_INFORMATION.optional("Where the goods go."),
    DETAILS.optional("Further details."),
    ECI.optional("Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    CAVV2.optional("Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    PARES.optional("The result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    THREED_AUTHENTICATION.optional("The result of 3-D Secure, which goes to the processor: `eci_flag` (two digits), `cavv` (base64 of 20 bytes), `ds_transaction_id` (a UUID), `threeds_version`, `pares_status` (one letter: `Y` authenticated, `A` attempted). Not with amount 0."),
    CRYPTOGRAM.optional(formatcp!(
        "What the card's network made for this payment with a network token: base64 of {CRYPTOGRAM_BYTES_MIN} to {CRYPTOGRAM_BYTES_MAX} bytes. Needed with one, but where `recurring_type` is `repeat`, and with no other card. \
         It goes to the processor once and is kept nowhere: bring a new one to a new transaction."
    )),
    CRYPTOGRAM_ECI.optional("The ECI that came with the cryptogram, two digits."),
] };

/// The body of a capture.
pub(crate) static CAPTURE_BODY: BodySpec = BodySpec {
    name: "TransactionCapture",
    may_lack: true,
    fields: &[ACTION_AMOUNT
        .optional("What is captured, in minor units: all that was authorised, when it is not sent. The rest is released.")
        .also(Rule::DigitsForInteger)],
};

/// The body of a void, of whichever kind.
pub(crate) static VOID_BODY: BodySpec = BodySpec {
    name: "TransactionVoid",
    may_lack: true,
    fields: &[ACTION_AMOUNT
        .optional("The whole amount, or not sent: no part of it can be released or taken back.")
        .also(Rule::DigitsForInteger)],
};

/// What the issuer said of the address, 0 to 10.
struct AvsResult(u8);

impl Shown for AvsResult {
    const SHAPE: Shape = Shape::Pattern("^([0-9]|10)$", "0");

    fn write(&self, out: &mut Vec<u8>) {
        write_text(&self.0.to_string(), out);
    }
}

/// Cards are all that is paid by.
struct PaymentProduct;

impl Shown for PaymentProduct {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "PaymentProduct",
        doc: "By what is paid.",
        all: || PAYMENT_PRODUCTS.to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        write_text("card", out);
    }
}

/// Of a shopper, as it was sent.
struct Address<'r>(&'r str);

impl Shown for Address<'_> {
    const SHAPE: Shape = Shape::Address;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(self.0, out);
    }
}

/// A text of a row, which keeps what was not sent as an empty one.
fn sent(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn extra<'r>(row: &'r TransactionRow, field: &Field<str>) -> Option<&'r str> {
    row.extras.iter().find(|(name, _)| name == field.name).map(|(_, text)| text.as_str())
}

object! {
    /// A transaction as it stands.
    Transaction "Transaction" of row: TransactionRow, part "TransactionOutcome", by TransactionField {
        /// Names it.
        always "_id" => TransactionId = row.id, by Id, example EXAMPLE_TRANSACTION, in part;
        /// The account's organisation.
        always "organisation" => OrganisationId = row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// Where the money goes.
        always ACCOUNT.name => AccountId = row.account, by Account, example EXAMPLE_ACCOUNT;
        /// Who is at the other end of the connection that was used: where a route made several tries, of the last.
        always "processor" => &str = row.processor_name.as_str(), by Processor, example "dummy";
        /// The token.
        always CARD.name => CardId = row.card, by Card;
        /// In minor units.
        always AMOUNT.name => Amount = row.amount, by Amount, example "1099";
        /// The account's currency: ISO 4217.
        always "currency_code" => Currency = row.currency, by Currency;
        /// `false` where the amount was to be reserved only.
        always CAPTURE_NOW.name => bool = row.capture_now, by CaptureNow;
        /// Where it stands.
        always "status" => TransactionStatus = row.status, by Status, example "SETTLEMENT_REQUESTED", in part;
        /// Why, in words.
        optional "status_reason" => &str = row.status_reason.as_deref(), in part;
        /// When it came to stand there, or its refunds last changed.
        always "last_status_update" => Timestamp = row.updated_at;
        /// The acquirer's code, `00` for success.
        optional "reason_code" => &str = row.reason_code.as_deref(), by ReasonCode, example "00", in part;
        /// The issuer's code.
        optional "authorization_code" => &str = row.authorization_code.as_deref(), example "561097", in part;
        /// What the processor calls it.
        optional "processor_reference" => &str = row.processor_reference.as_deref(), example "pi_3MtwBwLkdIwHu7ix28a3tqPa", in part;
        /// What the card's network calls it: a later payment of a series names its first by it.
        optional "network_transaction_id" => &str = row.network_transaction_id.as_deref(), example "MDS0000001", in part;
        /// What was captured, in minor units; while a capture is under way, what is to be.
        optional "captured_amount" => Amount = Some(row.captured).filter(|amount| !amount.is_zero()), example "1099", in part;
        /// What was refunded, in minor units, with refunds that are under way.
        optional "refunded_amount" => Amount = Some(row.refunded).filter(|amount| !amount.is_zero()), example "500", in part;
        /// Whether a rule blocked it.
        always "blocked" => bool = false, example "false";
        /// Whether it went out with a CVV: where a route made several tries, the last of them.
        always "cvv_present" => bool = row.cvv_present, by CvvPresent, in part;
        /// What the issuer said of the CVV.
        always "cvv_result" => CvvResult = row.cvv_result, by CvvResult, example "1", in part;
        /// What the issuer said of the address.
        always "avs_result" => AvsResult = AvsResult(row.avs_result), in part;
        /// By what is paid.
        always PAYMENT_PRODUCT.name => PaymentProduct = PaymentProduct, by PaymentProduct;
        /// The scheme of the card; left out when it is of none that is known.
        optional "payment_product_type" => Brand = row.brand, by PaymentProductType, example "Visa";
        /// Whether it is one of a series.
        always "recurring" => bool = row.recurring_type.is_some(), example "false";
        /// As sent.
        optional RECURRING_TYPE.name => RecurringType = row.recurring_type, by RecurringType;
        /// As sent.
        optional CUSTOMER.name => Id = row.customer, by Customer, example EXAMPLE_CUSTOMER;
        /// As sent.
        optional CUSTOMER_IP.name => Address<'_> = sent(&row.customer_ip).map(Address), by CustomerIp;
        /// As sent.
        optional DYNAMIC_DESCRIPTOR.name => &str = sent(&row.dynamic_descriptor), example "Example shop";
        /// As sent.
        optional MERCHANT_REFERENCE.name => &str = sent(&row.merchant_reference), by MerchantReference, example "order-1001";
        /// As sent, masked and cut.
        optional USER_AGENT.name => &str = sent(&row.user_agent), example "Mozilla/5.0";
        /// As sent.
        optional WEBHOOK.name => &str = row.webhook_transaction_update.as_deref(), example "https://shop.example/hook";
        /// As sent.
        optional INSTALLMENTS.name => Installments = (row.installments > 0).then(|| Number(row.installments.into()));
        /// As sent.
        optional SHOPPER_INTERACTION.name => ShopperInteraction = row.shopper_interaction, by ShopperInteraction;
        /// As sent.
        optional SHIPPING_INFORMATION.name => Flattened<'_> = Flattened::of(&row.extras, SHIPPING_INFORMATION.name);
        /// As sent.
        always DETAILS.name => Flattened<'_> = Flattened::or_empty(&row.extras, DETAILS.name);
        /// As sent.
        optional THREED_AUTHENTICATION.name => Flattened<'_> = Flattened::of(&row.extras, THREED_AUTHENTICATION.name);
        /// As sent.
        optional ECI.name => &str = extra(row, &ECI), example "05";
        /// As sent.
        optional CAVV2.name => &str = extra(row, &CAVV2);
        /// As sent.
        optional PARES.name => &str = extra(row, &PARES);
        /// As sent.
        optional CRYPTOGRAM_ECI.name => &str = extra(row, &CRYPTOGRAM_ECI), example "07";
        /// When it was made.
        always "created_at" => Timestamp = row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = row.updated_at, by UpdatedAt;
    }
}

object! {
    /// A step in the life of a transaction.
    HistoryStep "HistoryStep" of row: HistoryRow {
        /// Names the step.
        always "_id" => Id = row.id, example "65f1c0e92b3c4d5e6f708193";
        /// Whose step it is.
        always "transaction" => TransactionId = row.transaction, example EXAMPLE_TRANSACTION;
        /// Where the transaction stood then.
        always "status" => TransactionStatus = row.status, example "SETTLEMENT_REQUESTED";
        /// Why, in words.
        optional "status_reason" => &str = row.status_reason.as_deref();
        /// Who is at the other end of the connection that was used, or is to be.
        always "processor" => &str = row.processor_name.as_str(), example "dummy";
        /// The acquirer's code, `00` for success.
        optional "reason_code" => &str = row.reason_code.as_deref(), example "00";
        /// Whether it had gone out with a CVV, or was about to.
        always "cvv_present" => bool = row.cvv_present;
        /// When.
        always "created_at" => Timestamp = row.created_at;
        /// When: a step does not change.
        always "updated_at" => Timestamp = row.created_at;
    }
}
