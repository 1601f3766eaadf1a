//! The fields of a transaction. None is a secret: it names a card by its token.

use panvault_model::Id;

use super::{Field, FieldSpec, Masked, Pairs, Typed};
use crate::lenience::Rule;

pub(crate) const ACCOUNT: Field<Id> = Field::id("account");
pub(crate) const AMOUNT: Field<i64> = Field::integer("amount", 0, 2_147_483_647);
pub(crate) const CARD: Field<Id> = Field::id("card");
pub(crate) const CAPTURE_NOW: Field<bool> = Field::bool("capture_now");
const CAPTURE: Field<bool> = Field::bool("capture");
pub(crate) const CUSTOMER_IP: Field<Typed> =
    Field::typed("customer_ip", "^[0-9A-Fa-f:.]{2,45}$", "203.0.113.7");
pub(crate) const DYNAMIC_DESCRIPTOR: Field<str> = Field::text("dynamic_descriptor", 100, "Example shop");
pub(crate) const MERCHANT_REFERENCE: Field<str> = Field::text("merchant_reference", 100, "order-1001");
pub(crate) const USER_AGENT: Field<Masked> = Field::masked("user_agent", "Mozilla/5.0");
pub(crate) const CUSTOMER: Field<Id> = Field::id("customer");
pub(crate) const PAYMENT_PRODUCT: Field<str> = Field::choice("payment_product", &["card"]);
pub(crate) const WEBHOOK: Field<Typed> =
    Field::typed("webhook_transaction_update", "^https?://[^ ]{1,490}$", "https://shop.example/hook");
pub(crate) const RECURRING_TYPE: Field<str> = Field::choice("recurring_type", &["first", "repeat"]);
pub(crate) const INSTALLMENTS: Field<i64> = Field::integer("installments", 1, 99);
pub(crate) const SHOPPER_INTERACTION: Field<str> =
    Field::choice("shopper_interaction", &["ECOMMERCE", "MOTO", "POS"]);
pub(crate) const ECI: Field<str> = Field::text("eci", 255, "");
pub(crate) const CAVV2: Field<str> = Field::text("cavv2", 255, "");
pub(crate) const PARES: Field<str> = Field::text("pares", 8192, "");
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
        Field::phone("phone", 255).optional(""),
    ],
);
pub(crate) const DETAILS: Field<Pairs> =
    Field::object("details", &[Field::text("redirect_url", 2000, "").optional("")]);
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
/// Members of 3-D Secure 1, which are texts of their own and are kept and echoed as they are.
pub(crate) const FLAT: [&Field<str>; 3] = [&ECI, &CAVV2, &PARES];
/// What cannot go with a verification: the result of a 3-D Secure.
pub(crate) const NOT_WITH_ZERO: [&str; 4] = [ECI.name, CAVV2.name, PARES.name, THREED_AUTHENTICATION.name];

/// A text of an address or of an authentication.
const fn short(name: &'static str) -> FieldSpec {
    Field::text(name, 255, "").optional("")
}

/// The body of `POST /v1/transaction`.
pub(crate) const CREATE: &[FieldSpec] = &[
    ACCOUNT.required("Where the money goes; gives the currency and the processor."),
    AMOUNT
        .required("Minor units of the account's currency; 0 verifies the card and moves nothing.")
        .also(Rule::DigitsForInteger),
    CARD.required("The token."),
    CAPTURE_NOW.optional("`true` (the default) sells; `false` reserves the amount only."),
    CAPTURE.optional("Another name of `capture_now`, of older programs.").also(Rule::Capture),
    CUSTOMER_IP.optional("The shopper's IP address, version 4 or 6."),
    DYNAMIC_DESCRIPTOR.optional("What the statement says, at most 100 bytes."),
    MERCHANT_REFERENCE.optional("Your name for the payment, at most 100 bytes."),
    USER_AGENT.optional(
        "The shopper's browser, whatever it says: card numbers are masked, and what is longer than 512 bytes is cut.",
    ),
    CUSTOMER.optional("The customer, for address verification."),
    PAYMENT_PRODUCT.optional("`card`."),
    WEBHOOK.optional("Kept with the transaction."),
    RECURRING_TYPE.optional("For a series of payments."),
    INSTALLMENTS.optional("1 is an ordinary payment."),
    SHOPPER_INTERACTION.optional("How the shopper ordered."),
    SHIPPING_INFORMATION.optional("Where the goods go."),
    DETAILS.optional("Further details."),
    ECI.optional("Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    CAVV2.optional("Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    PARES.optional("The result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    THREED_AUTHENTICATION.optional("The result of 3-D Secure; not with amount 0."),
];
