//! A customer.

use const_format::formatcp;
use panvault_card::CustomerDetails;
use panvault_card::limits::CUSTOMER_TEXT_BYTES_MAX;
use panvault_model::{CardId, CustomerDetail, CustomerId, Id, OrganisationId, Timestamp};
use panvault_vault::{CustomerField, CustomerView};

use super::shown::write_texts;
use super::{BodySpec, EXAMPLE_CARD, EXAMPLE_CUSTOMER, EXAMPLE_ORGANISATION, Shape, Shown, object};
use crate::fields::{Field, FieldSpec, Pairs, Typed};
use crate::lenience::Rule;
use crate::limits::TEXT_BYTES_MAX;

pub(crate) const ORGANISATION: Field<Id> = Field::id("organisation");
pub(crate) const EMAIL_ADDRESS: Field<Typed> =
    Field::typed(CustomerDetail::EmailAddress.as_str(), "^[^@ ]+@[^@ ]+$", "ann.lee@shop.example");
pub(crate) const DATE_OF_BIRTH: Field<Typed> =
    Field::typed(CustomerDetail::DateOfBirth.as_str(), "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "1990-01-31");
pub(crate) const COUNTRY_CODE: Field<Typed> =
    Field::typed(CustomerDetail::CountryCode.as_str(), "^[A-Z]{2}$", "NL");
pub(crate) const BILLING: Field<Pairs> = Field::object(BILLING_NAME, &BILLING_FIELDS);
const BILLING_CHANGE: Field<Pairs> = Field::object(BILLING_NAME, &BILLING_CHANGES);
const BILLING_NAME: &str = "billing";
const ACCOUNT: Field<str> = Field::text("account", TEXT_BYTES_MAX, "");

/// Details that are texts of any kind, with what is said of each.
pub(crate) const TEXTS: [(CustomerDetail, Field<str>); 13] = [
    text(CustomerDetail::CompanyName),
    text(CustomerDetail::CompanyRegistrationNumber),
    text(CustomerDetail::Title),
    (CustomerDetail::FirstName, Field::text("first_name", CUSTOMER_TEXT_BYTES_MAX, "Ann")),
    (CustomerDetail::LastName, Field::text("last_name", CUSTOMER_TEXT_BYTES_MAX, "Lee")),
    text(CustomerDetail::Gender),
    text(CustomerDetail::SocialSecurityNumber),
    phone(CustomerDetail::PhoneNumber),
    phone(CustomerDetail::Phone),
    text(CustomerDetail::StreetAddress),
    text(CustomerDetail::PostalCode),
    text(CustomerDetail::City),
    text(CustomerDetail::Region),
];

const fn text(detail: CustomerDetail) -> (CustomerDetail, Field<str>) {
    (detail, Field::text(detail.as_str(), CUSTOMER_TEXT_BYTES_MAX, ""))
}

const fn phone(detail: CustomerDetail) -> (CustomerDetail, Field<str>) {
    (detail, Field::phone(detail.as_str(), CUSTOMER_TEXT_BYTES_MAX))
}

/// The members of `billing`.
const BILLING_FIELDS: [FieldSpec; 9] = [
    line("first_name"),
    line("last_name"),
    line("address_1"),
    line("address_2"),
    Field::phone("phone", CUSTOMER_TEXT_BYTES_MAX).optional(""),
    line("postal_code"),
    line("country_code"),
    line("city"),
    line("state"),
];
const BILLING_CHANGES: [FieldSpec; 9] = {
    let [a, b, c, d, e, f, g, h, i] = BILLING_FIELDS;
    [
        a.or_null(),
        b.or_null(),
        c.or_null(),
        d.or_null(),
        e.or_null(),
        f.or_null(),
        g.or_null(),
        h.or_null(),
        i.or_null(),
    ]
};

const fn line(name: &'static str) -> FieldSpec {
    Field::text(name, CUSTOMER_TEXT_BYTES_MAX, "").optional("")
}

const ORGANISATION_DOC: &str =
    "Whose customer it is: the caller's own organisation, also when it is not sent, or one below it.";
const TEXT_DOC: &str =
    formatcp!("Sealed, and shown as it is: at most {CUSTOMER_TEXT_BYTES_MAX} bytes, and no card data.");
const EMAIL_DOC: &str = formatcp!(
    "Sealed, and shown as it is: at most {CUSTOMER_TEXT_BYTES_MAX} bytes. Customers are found by it."
);
const DATE_DOC: &str = "Sealed, and shown as it is: `YYYY-MM-DD`.";
const COUNTRY_DOC: &str = "Sealed, and shown as it is: ISO 3166-1 alpha-2.";
const BILLING_DOC: &str =
    "Where bills go, as later programs for the gateway send it. Sealed, and shown as it is.";
const ACCOUNT_DOC: &str =
    "Has no meaning for a customer: neither looked up nor kept. Programs for the gateway send it.";

/// The body of `POST /v1/customer`.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "CustomerCreate",
    may_lack: false,
    fields: &{
        let [a, b, c, d, e, f, g, h, i, j, k, l, m] = OPTIONAL;
        [
            ORGANISATION.optional(ORGANISATION_DOC),
            EMAIL_ADDRESS.optional(EMAIL_DOC),
            a,
            b,
            c,
            d,
            e,
            f,
            DATE_OF_BIRTH.optional(DATE_DOC),
            g,
            h,
            i,
            j,
            k,
            l,
            m,
            COUNTRY_CODE.optional(COUNTRY_DOC),
            BILLING.optional(BILLING_DOC),
            ACCOUNT.optional(ACCOUNT_DOC).also(Rule::Ignored),
        ]
    },
};

/// The body of `POST /v1/customer/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "CustomerUpdate",
    may_lack: false,
    fields: &{
        let [a, b, c, d, e, f, g, h, i, j, k, l, m] = OPTIONAL;
        [
            ORGANISATION.optional("As it is: the organisation of a customer never changes."),
            EMAIL_ADDRESS.optional(EMAIL_DOC).or_null(),
            a.or_null(),
            b.or_null(),
            c.or_null(),
            d.or_null(),
            e.or_null(),
            f.or_null(),
            DATE_OF_BIRTH.optional(DATE_DOC).or_null(),
            g.or_null(),
            h.or_null(),
            i.or_null(),
            j.or_null(),
            k.or_null(),
            l.or_null(),
            m.or_null(),
            COUNTRY_CODE.optional(COUNTRY_DOC).or_null(),
            BILLING_CHANGE.optional(BILLING_DOC).or_null(),
            ACCOUNT.optional(ACCOUNT_DOC).also(Rule::Ignored),
        ]
    },
};

const OPTIONAL: [FieldSpec; 13] = {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m] = &TEXTS;
    [
        a.1.optional(TEXT_DOC),
        b.1.optional(TEXT_DOC),
        c.1.optional(TEXT_DOC),
        d.1.optional(TEXT_DOC),
        e.1.optional(TEXT_DOC),
        f.1.optional(TEXT_DOC),
        g.1.optional(TEXT_DOC),
        h.1.optional(TEXT_DOC),
        i.1.optional(TEXT_DOC),
        j.1.optional(TEXT_DOC),
        k.1.optional(TEXT_DOC),
        l.1.optional(TEXT_DOC),
        m.1.optional(TEXT_DOC),
    ]
};

/// The detail that a member of `billing` is.
pub(crate) fn billing_detail(name: &str) -> Option<CustomerDetail> {
    CustomerDetail::ALL.iter().copied().find(|detail| billing_name(*detail) == Some(name))
}

/// The name of a detail in `billing`, if it is one of these.
fn billing_name(detail: CustomerDetail) -> Option<&'static str> {
    detail.as_str().strip_prefix(BILLING_NAME)?.strip_prefix('.')
}

/// Every detail of `billing`.
pub(crate) fn billing_details() -> impl Iterator<Item = CustomerDetail> {
    CustomerDetail::ALL.iter().copied().filter(|detail| billing_name(*detail).is_some())
}

/// What is shown of `billing`.
pub(crate) struct Billing<'v>(&'v CustomerDetails);

impl<'v> Billing<'v> {
    fn of(details: &'v CustomerDetails) -> Option<Self> {
        let is_there = billing_details().any(|detail| details.expose_text(detail).is_some());
        is_there.then_some(Self(details))
    }
}

impl Shown for Billing<'_> {
    const SHAPE: Shape = Shape::Texts;

    fn write(&self, out: &mut Vec<u8>) {
        let texts =
            billing_details().filter_map(|detail| Some((billing_name(detail)?, self.0.expose_text(detail)?)));
        write_texts(texts, out);
    }
}

fn shown(view: &CustomerView, detail: CustomerDetail) -> Option<&str> {
    view.details.expose_text(detail)
}

object! {
    /// A customer: who pays. Everything personal is sealed as card numbers are, and shown to whoever may see the customer.
    Customer "Customer" of view: CustomerView, by CustomerField {
        /// Its name in the API.
        always "_id" => CustomerId = view.row.id, by Id, example EXAMPLE_CUSTOMER;
        /// Whose customer it is.
        always ORGANISATION.name => OrganisationId = view.row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// As it was sent. A list by it finds it in any case, and goes by nothing but equality.
        optional EMAIL_ADDRESS.name => &str = shown(view, CustomerDetail::EmailAddress), by Email, example "ann.lee@shop.example";
        /// As it was sent.
        optional CustomerDetail::CompanyName.as_str() => &str = shown(view, CustomerDetail::CompanyName), example "Example shop";
        /// As it was sent.
        optional CustomerDetail::CompanyRegistrationNumber.as_str() => &str = shown(view, CustomerDetail::CompanyRegistrationNumber), example "12345678";
        /// As it was sent.
        optional CustomerDetail::Title.as_str() => &str = shown(view, CustomerDetail::Title), example "ms";
        /// As it was sent.
        optional CustomerDetail::FirstName.as_str() => &str = shown(view, CustomerDetail::FirstName), example "Ann";
        /// As it was sent.
        optional CustomerDetail::LastName.as_str() => &str = shown(view, CustomerDetail::LastName), example "Lee";
        /// As it was sent.
        optional CustomerDetail::Gender.as_str() => &str = shown(view, CustomerDetail::Gender), example "female";
        /// As it was sent.
        optional DATE_OF_BIRTH.name => &str = shown(view, CustomerDetail::DateOfBirth), example "1990-01-31";
        /// As it was sent.
        optional CustomerDetail::SocialSecurityNumber.as_str() => &str = shown(view, CustomerDetail::SocialSecurityNumber), example "123456782";
        /// As it was sent.
        optional CustomerDetail::PhoneNumber.as_str() => &str = shown(view, CustomerDetail::PhoneNumber), example "+31 30 1234567";
        /// As it was sent.
        optional CustomerDetail::Phone.as_str() => &str = shown(view, CustomerDetail::Phone), example "+31 30 1234567";
        /// As it was sent.
        optional CustomerDetail::StreetAddress.as_str() => &str = shown(view, CustomerDetail::StreetAddress), example "Oudegracht 1";
        /// As it was sent.
        optional CustomerDetail::PostalCode.as_str() => &str = shown(view, CustomerDetail::PostalCode), example "3511 AB";
        /// As it was sent.
        optional CustomerDetail::City.as_str() => &str = shown(view, CustomerDetail::City), example "Utrecht";
        /// As it was sent.
        optional CustomerDetail::Region.as_str() => &str = shown(view, CustomerDetail::Region), example "Utrecht";
        /// As it was sent.
        optional COUNTRY_CODE.name => &str = shown(view, CustomerDetail::CountryCode), example "NL";
        /// As it was sent.
        optional BILLING.name => Billing<'_> = Billing::of(&view.details);
        /// The cards that it was used with, the oldest first; of many the newest.
        always "cards" => &[CardId] = view.row.cards.as_slice(), example EXAMPLE_CARDS;
        /// When it was made.
        always "created_at" => Timestamp = view.row.created_at, by CreatedAt;
        /// When it last changed, or was first used with a card.
        always "updated_at" => Timestamp = view.row.updated_at, by UpdatedAt;
    }
}

const EXAMPLE_CARDS: &str = formatcp!("[\"{EXAMPLE_CARD}\"]");
