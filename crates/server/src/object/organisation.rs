//! An organisation.

use const_format::formatcp;
use panvault_model::{Country, Id, OrganisationId, Timestamp};
use panvault_vault::limits::{
    ALLOWED_ORIGINS_MAX, IMAGE_BYTES_MAX, IMAGE_PIXELS_MAX, NAME_BYTES_MAX, ORIGIN_BYTES_MAX, TEXT_BYTES_MAX,
    THEME_TEXT_BYTES_MAX,
};
use panvault_vault::{Logo, OrganisationField, OrganisationRow, theme_radius};

use super::{BodySpec, Number, Object, Shape, Shown, object};
use crate::answer::Json;
use crate::fields::{Field, Kind, Pairs, Texts, Typed};

pub(crate) const NAME: Field<str> = Field::text("name", NAME_BYTES_MAX, "Example shop");
pub(crate) const PARENT: Field<Id> = Field::id("parent_id");
pub(crate) const DISABLED: Field<bool> = Field::bool("disabled");
pub(crate) const COUNTRY_CODE: Field<Typed> = Field::typed("country_code", "^[A-Z]{2}$", "NL");
pub(crate) const GENERATE_INVOICE: Field<bool> = Field::bool("generate_invoice");
pub(crate) const KEYLESS_CAPTURE_ORIGINS: Field<Texts> = Field::texts(
    "keyless_capture_origins",
    ALLOWED_ORIGINS_MAX,
    &Kind::Text { max: ORIGIN_BYTES_MAX, example: "https://shop.example" },
);
pub(crate) const RETURN_ORIGINS: Field<Texts> = Field::texts(
    "return_origins",
    ALLOWED_ORIGINS_MAX,
    &Kind::Text { max: ORIGIN_BYTES_MAX, example: "https://shop.example" },
);
pub(crate) const CHECKOUT_THEME: Field<Pairs> = Field::object(
    "checkout_theme",
    &[
        Field::text("primary_colour", 7, "").optional("Of buttons: `#` and six hexadecimal digits."),
        Field::text("background_colour", 7, "").optional("The same."),
        Field::text("text_colour", 7, "").optional("The same."),
        Field::choice("font", &["system", "serif", "mono"]).optional("Of those that every browser has."),
        Field::integer("radius", 0, 24).optional("Pixels by which corners are rounded."),
        Field::text("title", THEME_TEXT_BYTES_MAX, "").optional("Above the amount."),
        Field::text("button_text", THEME_TEXT_BYTES_MAX, "").optional("On the button."),
        Field::text("footer_text", THEME_TEXT_BYTES_MAX, "").optional("Below all."),
    ],
);
/// A picture of one pixel is its example.
pub(crate) const IMAGE: Field<Typed> = Field::typed(
    "image",
    "^[A-Za-z0-9+/]+={0,2}$",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
);
const EMAIL: Field<str> = Field::text("email", TEXT_BYTES_MAX, "");
const EXTENDED_ADDRESS: Field<str> = Field::text("extended_address", TEXT_BYTES_MAX, "");
const LOCALITY: Field<str> = Field::text("locality", TEXT_BYTES_MAX, "");
const PHONE: Field<str> = Field::phone("phone", TEXT_BYTES_MAX);
const POSTAL_CODE: Field<str> = Field::text("postal_code", TEXT_BYTES_MAX, "");
const REGION: Field<str> = Field::text("region", TEXT_BYTES_MAX, "");
const STREET: Field<str> = Field::text("street", TEXT_BYTES_MAX, "");
const STREET_NUMBER: Field<str> = Field::text("street_number", TEXT_BYTES_MAX, "");
const TAX_NUMBER: Field<str> = Field::text("tax_number", TEXT_BYTES_MAX, "");

/// Members that are kept and shown as they were sent.
pub(crate) const DETAILS: [&Field<str>; 9] = [
    &EMAIL,
    &EXTENDED_ADDRESS,
    &LOCALITY,
    &PHONE,
    &POSTAL_CODE,
    &REGION,
    &STREET,
    &STREET_NUMBER,
    &TAX_NUMBER,
];

pub(super) const NAME_DOC: &str = formatcp!("Its name, at most {NAME_BYTES_MAX} bytes.");
const DISABLED_DOC: &str =
    "Whether it refuses, for itself and all below it: its keys are nobody's, and nothing new comes into it.";
const COUNTRY_DOC: &str = "Where it is: ISO 3166-1 alpha-2.";
const DETAIL_DOC: &str = formatcp!("Kept and shown as it is, at most {TEXT_BYTES_MAX} bytes; no card data.");
const KEYLESS_DOC: &str = formatcp!(
    "At most {ALLOWED_ORIGINS_MAX} web origins (RFC 6454) whose pages may create its cards without an API key; without any, none may."
);
const RETURN_DOC: &str = formatcp!(
    "At most {ALLOWED_ORIGINS_MAX} web origins (RFC 6454) to which checkouts of its accounts may send shoppers back, and those of organisations below it that have no such list. Without any here or above, all may be."
);
const THEME_DOC: &str = "How the page of its checkouts looks, all of it in the place of how it looked. Texts are shown as texts, at most 200 bytes.";
const INVOICE_DOC: &str = "Kept and shown as it is.";

/// The body of `POST /v1/organisation`.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "OrganisationCreate", may_lack: false,
    fields: &[
        NAME.required(NAME_DOC),
        PARENT.optional("The organisation above it, which never changes: the caller's own or one below it; where it is left out, the caller's own."),
        DISABLED.optional(DISABLED_DOC),
        COUNTRY_CODE.optional(COUNTRY_DOC),
        EMAIL.optional(DETAIL_DOC),
        EXTENDED_ADDRESS.optional(DETAIL_DOC),
        GENERATE_INVOICE.optional(INVOICE_DOC),
        KEYLESS_CAPTURE_ORIGINS.optional(KEYLESS_DOC),
        RETURN_ORIGINS.optional(RETURN_DOC),
        CHECKOUT_THEME.optional(THEME_DOC),
        LOCALITY.optional(DETAIL_DOC),
        PHONE.optional(DETAIL_DOC),
        POSTAL_CODE.optional(DETAIL_DOC),
        REGION.optional(DETAIL_DOC),
        STREET.optional(DETAIL_DOC),
        STREET_NUMBER.optional(DETAIL_DOC),
        TAX_NUMBER.optional(DETAIL_DOC),
    ],
};

/// The body of `POST /v1/organisation/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "OrganisationUpdate",
    may_lack: false,
    fields: &[
        NAME.optional(NAME_DOC),
        PARENT.optional("As it is: the organisation above it never changes."),
        DISABLED.optional(DISABLED_DOC),
        COUNTRY_CODE.optional(COUNTRY_DOC).or_null(),
        EMAIL.optional(DETAIL_DOC).or_null(),
        EXTENDED_ADDRESS.optional(DETAIL_DOC).or_null(),
        GENERATE_INVOICE.optional(INVOICE_DOC).or_null(),
        KEYLESS_CAPTURE_ORIGINS.optional(KEYLESS_DOC).or_null(),
        RETURN_ORIGINS.optional(RETURN_DOC).or_null(),
        CHECKOUT_THEME.optional(THEME_DOC).or_null(),
        LOCALITY.optional(DETAIL_DOC).or_null(),
        PHONE.optional(DETAIL_DOC).or_null(),
        POSTAL_CODE.optional(DETAIL_DOC).or_null(),
        REGION.optional(DETAIL_DOC).or_null(),
        STREET.optional(DETAIL_DOC).or_null(),
        STREET_NUMBER.optional(DETAIL_DOC).or_null(),
        TAX_NUMBER.optional(DETAIL_DOC).or_null(),
    ],
};

const IMAGE_DOC: &str = formatcp!(
    "A PNG or JPEG of at most {IMAGE_BYTES_MAX} bytes and {IMAGE_PIXELS_MAX} by {IMAGE_PIXELS_MAX} pixels, in base64 (RFC 4648, section 4). What a browser does not draw from \
     (comments, where a photograph was taken) is left out."
);

/// The body of `POST /v1/organisation/{id}/logo`.
pub(crate) static LOGO: BodySpec =
    BodySpec { name: "OrganisationLogoSet", may_lack: false, fields: &[IMAGE.required(IMAGE_DOC)] };

/// How pages look: under the names of the API, of which the first of a name holds.
pub(crate) struct Theme(pub(crate) Vec<(String, String)>);

impl Theme {
    /// What was sent, if anything was.
    pub(super) fn of(sent: &[(String, String)]) -> Option<Self> {
        (!sent.is_empty()).then(|| Self(sent.to_vec()))
    }

    fn said(&self, name: &str) -> Option<&str> {
        kept_in(&self.0, name)
    }
}

impl Shown for Theme {
    const SHAPE: Shape = Shape::Object(CheckoutTheme::SPEC);

    fn write(&self, out: &mut Vec<u8>) {
        Json::object(out, |json| CheckoutTheme::write::<true>(self, json));
    }
}

object! {
    /// How the page of checkouts looks.
    CheckoutTheme "CheckoutTheme" of theme: Theme {
        /// Of buttons.
        optional "primary_colour" => &str = theme.said("primary_colour"), example "#0b57d0";
        /// Behind all.
        optional "background_colour" => &str = theme.said("background_colour"), example "#ffffff";
        /// Of texts.
        optional "text_colour" => &str = theme.said("text_colour"), example "#22262b";
        /// Of those that every browser has.
        optional "font" => &str = theme.said("font"), example "serif";
        /// Pixels by which corners are rounded.
        optional "radius" => Number<0, 24> = theme.said("radius").and_then(theme_radius).map(|radius| Number(radius.into())), example "8";
        /// Above the amount.
        optional "title" => &str = theme.said("title"), example "Your order";
        /// On the button, before the amount.
        optional "button_text" => &str = theme.said("button_text"), example "Order and pay";
        /// Below all.
        optional "footer_text" => &str = theme.said("footer_text"), example "Questions? +31 30 1234567";
    }
}

/// Pixels of a side of a picture.
type Side = Number<1, { IMAGE_PIXELS_MAX as u64 }>;

impl Shown for Logo {
    const SHAPE: Shape = Shape::Object(LogoFacts::SPEC);

    fn write(&self, out: &mut Vec<u8>) {
        Json::object(out, |json| LogoFacts::write::<true>(self, json));
    }
}

object! {
    /// The picture on the page of an organisation's checkouts: what is known of it.
    LogoFacts "Logo" of logo: Logo {
        /// How it is written.
        always "media_type" => &str = logo.format.media_type(), example "image/png";
        /// Pixels.
        always "width" => Side = Number(logo.width.into()), example "300";
        /// Pixels.
        always "height" => Side = Number(logo.height.into()), example "80";
        /// Another picture has another: it is in the address of the picture.
        always "digest" => String = logo.digest_text(), example "9f86d081884c7d659a2feaa0c55ad015";
    }
}

object! {
    /// An organisation: who owns cards, accounts and API keys. Organisations form a tree; a key sees its own and all below it.
    Organisation "Organisation" of row: OrganisationRow, by OrganisationField {
        /// Its name in the API.
        always "_id" => OrganisationId = row.id, by Id;
        /// Its name.
        always NAME.name => &str = row.name.as_str(), by Name, example "Example shop";
        /// The organisation above it.
        optional PARENT.name => OrganisationId = row.parent, by Parent;
        /// Whether it refuses, for itself and all below it.
        always DISABLED.name => bool = row.disabled, by Disabled, example "false";
        /// Where it is.
        optional COUNTRY_CODE.name => Country = row.country_code, by CountryCode;
        /// As it was sent.
        optional EMAIL.name => &str = kept(row, EMAIL.name), example "till@shop.example";
        /// As it was sent.
        optional EXTENDED_ADDRESS.name => &str = kept(row, EXTENDED_ADDRESS.name), example "2nd floor";
        /// As it was sent.
        optional GENERATE_INVOICE.name => bool = kept(row, GENERATE_INVOICE.name).map(|text| text == "true"), example "true";
        /// Web origins whose pages may create its cards without an API key.
        optional KEYLESS_CAPTURE_ORIGINS.name => &[String] = Some(row.keyless_capture_origins.as_slice()).filter(|origins| !origins.is_empty()), example "[\"https://shop.example\"]";
        /// Web origins to which checkouts of its accounts may send shoppers back.
        optional RETURN_ORIGINS.name => &[String] = Some(row.return_origins.as_slice()).filter(|origins| !origins.is_empty()), example "[\"https://shop.example\"]";
        /// How the page of its checkouts looks.
        optional CHECKOUT_THEME.name => Theme = Theme::of(&row.checkout_theme);
        /// The picture on the page of its checkouts.
        optional "logo" => Logo = row.logo;
        /// As it was sent.
        optional LOCALITY.name => &str = kept(row, LOCALITY.name), example "Utrecht";
        /// As it was sent.
        optional PHONE.name => &str = kept(row, PHONE.name), example "+31 30 1234567";
        /// As it was sent.
        optional POSTAL_CODE.name => &str = kept(row, POSTAL_CODE.name), example "3511 AB";
        /// As it was sent.
        optional REGION.name => &str = kept(row, REGION.name), example "Utrecht";
        /// As it was sent.
        optional STREET.name => &str = kept(row, STREET.name), example "Oudegracht";
        /// As it was sent.
        optional STREET_NUMBER.name => &str = kept(row, STREET_NUMBER.name), example "1";
        /// As it was sent.
        optional TAX_NUMBER.name => &str = kept(row, TAX_NUMBER.name), example "NL123456789B01";
        /// When it was made.
        always "created_at" => Timestamp = row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = row.updated_at, by UpdatedAt;
    }
}

fn kept<'r>(row: &'r OrganisationRow, name: &str) -> Option<&'r str> {
    kept_in(&row.details, name)
}

fn kept_in<'r>(pairs: &'r [(String, String)], name: &str) -> Option<&'r str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
}
