//! The fields of a card.

use panvault_model::Id;

use super::{Field, FieldSpec, Pairs, Secret, Typed};
use crate::json::Digested;
use crate::lenience::Rule;

pub(crate) const CARD_NUMBER: Field<Secret> =
    Field::secret("card_number", Digested::Text, "^[0-9]([ -]?[0-9]){11,18}$", "4111111111111111");
pub(crate) const CVV: Field<Secret> = Field::secret("cvv", Digested::Presence, "^[0-9]{3,4}$", "111");
pub(crate) const HOLDER: Field<Secret> = Field::secret("holder", Digested::Text, "^.{2,45}$", "A. N. Other");
pub(crate) const EXPIRY_MONTH: Field<Typed> = Field::typed("expiry_month", "^(0?[1-9]|1[0-2])$", "12");
pub(crate) const EXPIRY_YEAR: Field<Typed> = Field::typed("expiry_year", "^([0-9]{2}|[0-9]{4})$", "30");
pub(crate) const ORGANISATION: Field<Id> = Field::id("organisation");
pub(crate) const METADATA: Field<Pairs> = Field::pairs("metadata");
const ACCOUNT: Field<str> = Field::text("account", 255, "");

const EXPIRY_MONTH_DOC: &str = "`1`–`12` or `01`–`12`. The card is good until this month ends, in UTC.";
const EXPIRY_YEAR_DOC: &str = "Two digits (2000 is added) or four; at most 20 years ahead.";
const HOLDER_DOC: &str = "The name on the card, 2 to 45 bytes. Sealed with the card number and never shown.";
const METADATA_DOC: &str = "Your own pairs: at most 20, names of 1 to 40 bytes, values of at most 500, 2048 bytes in all. Kept in clear: no card data.";

/// The body of `POST /v1/card`.
pub(crate) const CREATE: &[FieldSpec] = &[
    CARD_NUMBER.required(
        "12 to 19 digits, not all alike, that pass the Luhn check and have a length of their brand; single spaces or dashes between digits are taken out.",
    ),
    EXPIRY_MONTH.required(EXPIRY_MONTH_DOC).also(Rule::IntegerForDigits),
    EXPIRY_YEAR.required(EXPIRY_YEAR_DOC).also(Rule::IntegerForDigits),
    CVV.optional(
        "3 digits, 4 for American Express. Held in memory until a transaction uses it, for `cvv_ttl_seconds` at most.",
    ),
    ORGANISATION.required("Who owns the card: the caller's own organisation or one below it."),
    HOLDER.optional(HOLDER_DOC),
    METADATA.optional(METADATA_DOC),
    ACCOUNT
        .optional("Has no meaning for a card: neither looked up nor kept. Programs for the gateway send it.")
        .also(Rule::Ignored),
];

/// The body of `POST /v1/card/{id}`.
pub(crate) const UPDATE: &[FieldSpec] = &[
    ORGANISATION.required("The card's organisation; with another one, the card is not found."),
    CVV.optional_or_null(
        "222",
        "Puts a CVV on the card, and starts a new clock; `null` ends the one that is held.",
    ),
    EXPIRY_MONTH.optional(EXPIRY_MONTH_DOC).also(Rule::IntegerForDigits),
    EXPIRY_YEAR.optional(EXPIRY_YEAR_DOC).also(Rule::IntegerForDigits),
    HOLDER.optional(HOLDER_DOC),
    METADATA.optional("Replaces all pairs. As in the creation of a card."),
];
