//! A card.

use const_format::formatcp;
use panvault_card::limits::{HOLDER_BYTES_MAX, HOLDER_BYTES_MIN, PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use panvault_model::{
    Bin, Brand, CardId, CardKind, CardType, Country, Currency, EXPIRY_YEARS_AHEAD_MAX, Fingerprint, Id,
    IssuerFacts, LastFour, OrganisationId, Timestamp,
};
use panvault_vault::{CardField, CardView};

use super::{BodySpec, EXAMPLE_ORGANISATION, MaskedNumber, Month, Year, object};
use crate::fields::{Field, Pairs, Secret, Typed};
use crate::json::Digested;
use crate::lenience::Rule;
use crate::limits::{
    METADATA_BYTES_MAX, METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX, TEXT_BYTES_MAX,
};

pub(crate) const CARD_NUMBER: Field<Secret> =
    Field::secret("card_number", Digested::Text, "^[0-9]([ -]?[0-9]){11,18}$", "4111111111111111");
pub(crate) const KIND: Field<str> = Field::choice("kind", KINDS);
const KINDS: &[&str] = &[CardKind::Card.as_str(), CardKind::NetworkToken.as_str()];
pub(crate) const CVV: Field<Secret> = Field::secret("cvv", Digested::Presence, "^[0-9]{3,4}$", "111");
pub(crate) const CARD_HOLDER_NAME: Field<Secret> =
    Field::secret("card_holder_name", Digested::Text, "^.{2,45}$", "A. N. Other");
pub(crate) const EXPIRY_MONTH: Field<Typed> = Field::typed("expiry_month", "^(0?[1-9]|1[0-2])$", "12");
pub(crate) const EXPIRY_YEAR: Field<Typed> = Field::typed("expiry_year", "^([0-9]{2}|[0-9]{4})$", "35");
pub(crate) const ORGANISATION: Field<Id> = Field::id("organisation");
pub(crate) const METADATA: Field<Pairs> = Field::pairs("metadata");
const ACCOUNT: Field<str> = Field::text("account", TEXT_BYTES_MAX, "");

const EXPIRY_MONTH_DOC: &str = "`1`–`12` or `01`–`12`. The card is good until this month ends, in UTC.";
const EXPIRY_YEAR_DOC: &str =
    formatcp!("Two digits (2000 is added) or four; at most {EXPIRY_YEARS_AHEAD_MAX} years ahead.");
const CARD_HOLDER_NAME_DOC: &str = formatcp!(
    "The name on the card, {HOLDER_BYTES_MIN} to {HOLDER_BYTES_MAX} bytes. Sealed with the card number and never shown."
);
const METADATA_DOC: &str = formatcp!(
    "Your own pairs: at most {METADATA_PAIRS_MAX}, names of 1 to {METADATA_NAME_BYTES_MAX} bytes, values of at most {METADATA_VALUE_BYTES_MAX}, {METADATA_BYTES_MAX} bytes in all. Kept in clear: no card data."
);

/// The body of `POST /v1/card`.
pub(crate) static CREATE: BodySpec = BodySpec { name: "CardCreate", may_lack: false, fields: &[
    CARD_NUMBER.required(
        formatcp!("{PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits, not all alike, that pass the Luhn check and have a length of their brand; single spaces or dashes between digits are taken out."),
    ),
    KIND.optional(
        "What the number is: `card`, also when it is not sent, or `network_token`, one that the card's network gave you in the place of it. A network token has no CVV: \
         each transaction brings a cryptogram. None comes from a browser.",
    ),
    EXPIRY_MONTH.required(EXPIRY_MONTH_DOC).also(Rule::IntegerForDigits),
    EXPIRY_YEAR.required(EXPIRY_YEAR_DOC).also(Rule::IntegerForDigits),
    CVV.optional(
        "3 digits, 4 for American Express. Held in memory until a transaction uses it, for `cvv_ttl_seconds` at most.",
    ),
    ORGANISATION.optional("Who owns the card: the caller's own organisation, also when it is not sent, or one below it."),
    CARD_HOLDER_NAME.optional(CARD_HOLDER_NAME_DOC),
    METADATA.optional(METADATA_DOC),
    ACCOUNT
        .optional("Has no meaning for a card: neither looked up nor kept. Programs for the gateway send it.")
        .also(Rule::Ignored),
] };

/// The body of `POST /v1/card/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "CardUpdate", may_lack: false,
    fields: &[
        ORGANISATION.optional(
            "The card's organisation, the caller's own when it is not sent; with another one, the card is not found.",
        ),
        CVV.optional("Puts a CVV on the card, and starts a new clock; `null` ends the one that is held.")
            .such_as("222")
            .or_null(),
        EXPIRY_MONTH.optional(EXPIRY_MONTH_DOC).also(Rule::IntegerForDigits),
        EXPIRY_YEAR.optional(EXPIRY_YEAR_DOC).also(Rule::IntegerForDigits),
        CARD_HOLDER_NAME.optional(CARD_HOLDER_NAME_DOC),
        METADATA.optional("Replaces all pairs. As in the creation of a card."),
    ],
};

fn some(pairs: &[(String, String)]) -> Option<&[(String, String)]> {
    Some(pairs).filter(|pairs| !pairs.is_empty())
}

object! {
    /// A card: everything that is known of it but its number, holder and CVV, which are never shown.
    Card "Card" of view: CardView, part "BrowserCard", by CardField, with [Issuer of &view.row.facts] {
        /// The token.
        always "_id" => CardId = view.row.id, by Id, in part;
        /// Who owns it.
        always ORGANISATION.name => OrganisationId = view.row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// The scheme.
        nullable "brand" => Brand = view.row.brand, by Brand, example "Visa", in part;
        /// The first six digits; a number of fewer than 15 digits shows none.
        nullable "bin" => Bin = view.row.bin, by Bin, example "411111";
        /// The last four digits.
        always "last_four" => LastFour = view.row.last_four, by LastFour, example "1111", in part;
        /// What may be shown of the number. How many digits are hidden is hidden too.
        always "masked_card_number" => MaskedNumber = MaskedNumber { bin: view.row.bin, last_four: view.row.last_four };
        /// The month at whose end it expires, in UTC.
        always EXPIRY_MONTH.name => Month = Month(view.row.expiry.month()), by ExpiryMonth, in part;
        /// The last two digits of that year.
        always EXPIRY_YEAR.name => Year = Year(view.row.expiry.year()), by ExpiryYear, in part;
        /// Equal for equal numbers of one kind inside an organisation, unrelated across them. It becomes another when its key is replaced; until that has ended, the one of before
        /// and the next one find the same cards.
        always "fingerprint" => Fingerprint = view.row.fingerprint, by Fingerprint;
        /// What it was before, while its key is being replaced.
        optional "fingerprint_before" => Fingerprint = view.row.fingerprint_before.map(|(before, _)| before);
        /// What its number is, where that is not the card's own.
        optional KIND.name => CardKind = Some(view.row.kind).filter(|kind| *kind != CardKind::Card), by Kind, example "network_token";
        /// Whether a CVV is held for the next transaction. Left out while the place that holds the CVVs of several nodes is out of reach.
        optional "cvv_present" => bool = view.is_cvv_known.then_some(view.cvv_expires_at.is_some());
        /// Until when it is held, while one is.
        optional "cvv_expires_at" => Timestamp = view.cvv_expires_at, example "2026-01-31T13:00:00.000Z";
        /// Your own pairs, where there are any.
        optional METADATA.name => &[(String, String)] = some(&view.row.metadata);
        /// When it was made.
        always "created_at" => Timestamp = view.row.created_at, by CreatedAt;
        /// When it last changed, or its CVV was put back or ended by a request.
        always "updated_at" => Timestamp = view.row.updated_at, by UpdatedAt;
    }
}

object! {
    /// What the table of issuers says. What it does not know is `null`, never guessed.
    Issuer "Issuer" of facts: IssuerFacts, by CardField {
        /// The bank, as the table spells it.
        nullable "issuer_name" => &str = facts.issuer_name.as_deref(), by IssuerName, example "EXAMPLE BANK";
        /// Where the bank is: ISO 3166-1 alpha-2.
        nullable "issuer_country" => Country = facts.issuer_country, by IssuerCountry;
        /// The currency of that country: ISO 4217.
        nullable "currency" => Currency = facts.currency, by Currency;
        /// How the holder pays for what the card buys.
        nullable "type" => CardType = facts.card_type, by Type;
        /// The product.
        nullable "variant" => &str = facts.variant.as_deref(), by Variant, example "CLASSIC";
    }
}
