//! Questions that lists answer.

use core::cmp::Ordering;
use std::borrow::Cow;

use panvault_model::OrganisationId;

use crate::document::{AccountRow, ApiKeyRow, OrganisationRow, ProcessorRow};
use crate::row::{CardRow, TransactionRow};

/// Which rows, in what order, which part of them. Without a sort, newest first.
#[derive(Clone, Debug)]
pub struct Query<F> {
    /// Rows of these organisations.
    pub organisations: Vec<OrganisationId>,
    /// All must hold.
    pub filters: Vec<Filter<F>>,
    /// By this field; rows that are equal in it, newest first.
    pub sort: Option<(F, Direction)>,
    /// Rows to leave out at the front.
    pub skip: u64,
    /// Rows to give, at most [`crate::limits::LIST_ROWS_MAX`]; 0 asks for the total only.
    pub limit: u32,
}

/// A question about cards.
pub type CardQuery = Query<CardField>;
/// A question about transactions.
pub type TransactionQuery = Query<TransactionField>;

/// A question about organisations.
pub type OrganisationQuery = Query<OrganisationField>;
/// A question about accounts.
pub type AccountQuery = Query<AccountField>;
/// A question about processors.
pub type ProcessorQuery = Query<ProcessorField>;
/// A question about API keys.
pub type ApiKeyQuery = Query<ApiKeyField>;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows match in all.
    pub total: u64,
}

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// Which of two values comes first.
    pub fn compare(self, one: &FieldValue<'_>, other: &FieldValue<'_>) -> Ordering {
        match self {
            Self::Ascending => one.cmp(other),
            Self::Descending => other.cmp(one),
        }
    }
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<F> {
    /// The field.
    pub field: F,
    /// The comparison.
    pub test: Test,
    /// What it is compared with; any one suffices for [`Test::Equal`], all for the others.
    pub values: Vec<FieldValue<'static>>,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Equal to one of the values.
    Equal,
    /// Unequal to all values.
    NotEqual,
    /// At least every value.
    AtLeast,
    /// At most every value.
    AtMost,
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldValue<'a> {
    /// Not known or not given. Sorts first, equals no value, and is unequal to all.
    Absent,
    /// A text, a name, an id or `true`/`false`.
    Text(Cow<'a, str>),
    /// A number, or a moment in Unix milliseconds.
    Number(u64),
}

impl FieldValue<'_> {
    /// The value apart from its row.
    pub fn into_owned(self) -> FieldValue<'static> {
        match self {
            Self::Absent => FieldValue::Absent,
            Self::Text(text) => FieldValue::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => FieldValue::Number(number),
        }
    }
}

/// How values of a field are written in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// As text.
    Text,
    /// As a decimal number.
    Number,
    /// As RFC 3339.
    Time,
}

/// A field by which rows of a kind can be filtered and sorted.
pub trait Field: Copy + Sized + 'static {
    /// The kind of row.
    type Row;
    /// Every field.
    const ALL: &'static [Self];
    /// Its name in the API.
    fn as_str(self) -> &'static str;
    /// How its values are written.
    fn kind(self) -> FieldKind;
    /// Its value in a row.
    fn value(self, row: &Self::Row) -> FieldValue<'_>;

    /// The field with that name in the API.
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.as_str() == name)
    }
}

impl<F: Field> Filter<F> {
    /// Whether a row meets the condition.
    pub fn holds(&self, row: &F::Row) -> bool {
        let value = self.field.value(row);
        let known = value != FieldValue::Absent;
        match self.test {
            Test::Equal => self.values.contains(&value),
            Test::NotEqual => !self.values.contains(&value),
            Test::AtLeast => known && self.values.iter().all(|bound| value >= *bound),
            Test::AtMost => known && self.values.iter().all(|bound| value <= *bound),
        }
    }
}

impl<F> Query<F> {
    /// The newest rows of these organisations; where they are documents, none named are all.
    pub const fn newest(organisations: Vec<OrganisationId>, limit: u32) -> Self {
        Self { organisations, filters: Vec::new(), sort: None, skip: 0, limit }
    }
}

impl<F: Field> Query<F> {
    /// Whether a row meets every condition.
    pub fn holds(&self, row: &F::Row) -> bool {
        self.filters.iter().all(|filter| filter.holds(row))
    }

    /// Puts rows, which come newest first, in the order that was asked for.
    pub fn order(&self, rows: &mut [impl AsRef<F::Row>]) {
        if let Some((field, direction)) = self.sort {
            rows.sort_by(|a, b| direction.compare(&field.value(a.as_ref()), &field.value(b.as_ref())));
        }
    }
}

macro_rules! fields {
    ($(#[$meta:meta])* $name:ident of $row:ident { $($variant:ident $text:literal $kind:ident $value:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the API")]
        pub enum $name { $($variant,)+ }

        impl Field for $name {
            type Row = $row;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            fn kind(self) -> FieldKind {
                match self { $(Self::$variant => FieldKind::$kind,)+ }
            }

            fn value(self, row: &$row) -> FieldValue<'_> {
                match self { $(Self::$variant => { let value: fn(&$row) -> FieldValue<'_> = $value; value(row) })+ }
            }
        }
    };
}

fields! {
    /// A field of a card.
    CardField of CardRow {
        Id "_id" Text |row| show(row.id),
        Organisation "organisation" Text |row| show(row.organisation),
        Brand "brand" Text |row| name(row.brand.map(|brand| brand.as_str())),
        Bin "bin" Text |row| name(row.bin.as_ref().map(|bin| bin.as_str())),
        LastFour "last_four" Text |row| name(Some(row.last_four.as_str())),
        ExpiryMonth "expiry_month" Text |row| FieldValue::Text(row.expiry.month_text().into()),
        ExpiryYear "expiry_year" Text |row| FieldValue::Text(row.expiry.year_text().into()),
        IssuerName "issuer_name" Text |row| name(row.facts.issuer_name.as_deref()),
        IssuerCountry "issuer_country" Text |row| name(row.facts.issuer_country.as_ref().map(|code| code.as_str())),
        CurrencyCode "currency_code" Text |row| name(row.facts.currency_code.as_ref().map(|code| code.as_str())),
        Type "type" Text |row| name(row.facts.card_type.map(|card_type| card_type.as_str())),
        Variant "variant" Text |row| name(row.facts.variant.as_deref()),
        Fingerprint "fingerprint" Text |row| show(row.fingerprint),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a transaction.
    TransactionField of TransactionRow {
        Id "_id" Text |row| show(row.id),
        Organisation "organisation" Text |row| show(row.organisation),
        Account "account" Text |row| show(row.account),
        Processor "processor" Text |row| name(Some(&row.processor_name)),
        Card "card" Text |row| show(row.card),
        Amount "amount" Number |row| FieldValue::Number(u64::from(row.amount.minor_units())),
        CurrencyCode "currency_code" Text |row| name(Some(row.currency.as_str())),
        CaptureNow "capture_now" Text |row| flag(row.capture_now),
        Customer "customer" Text |row| row.customer.map_or(FieldValue::Absent, show),
        CustomerIp "customer_ip" Text |row| name(Some(&row.customer_ip)),
        MerchantReference "merchant_reference" Text |row| name(Some(&row.merchant_reference)),
        PaymentProduct "payment_product" Text |row| name(row.payment_product.as_deref()),
        RecurringType "recurring_type" Text |row| name(row.recurring_type.map(|value| value.as_str())),
        ShopperInteraction "shopper_interaction" Text |row| name(row.shopper_interaction.map(|value| value.as_str())),
        Status "status" Text |row| name(Some(row.status.as_str())),
        ReasonCode "reason_code" Text |row| name(row.reason_code.as_deref()),
        CvvPresent "cvv_present" Text |row| flag(row.cvv_present),
        CvvResult "cvv_result" Text |row| name(Some(row.cvv_result.as_str())),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an organisation.
    OrganisationField of OrganisationRow {
        Id "_id" Text |row| show(row.id),
        Parent "parent_id" Text |row| row.parent.map_or(FieldValue::Absent, show),
        Name "name" Text |row| name(Some(&row.name)),
        Disabled "disabled" Text |row| flag(row.disabled),
        CountryCode "country_code" Text |row| name(row.country_code.as_ref().map(|code| code.as_str())),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an account.
    AccountField of AccountRow {
        Id "_id" Text |row| show(row.id),
        Organisation "organisation" Text |row| show(row.organisation),
        Name "name" Text |row| name(Some(&row.name)),
        CurrencyCode "currency_code" Text |row| name(Some(row.currency.as_str())),
        Disabled "disabled" Text |row| flag(row.disabled),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a processor.
    ProcessorField of ProcessorRow {
        Id "_id" Text |row| show(row.id),
        Organisation "organisation" Text |row| show(row.organisation),
        Name "name" Text |row| name(Some(&row.name)),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an API key.
    ApiKeyField of ApiKeyRow {
        Id "_id" Text |row| show(row.id),
        Organisation "organisation" Text |row| show(row.organisation),
        Name "name" Text |row| name(Some(&row.name)),
        ExpiresAt "expires_at" Time |row| row.expires_at.map_or(FieldValue::Absent, |at| FieldValue::Number(at.unix_millis())),
        CreatedAt "created_at" Time |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt "updated_at" Time |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fn name(text: Option<&str>) -> FieldValue<'_> {
    text.map_or(FieldValue::Absent, |text| FieldValue::Text(Cow::Borrowed(text)))
}

fn show(value: impl ToString) -> FieldValue<'static> {
    FieldValue::Text(Cow::Owned(value.to_string()))
}

fn flag(value: bool) -> FieldValue<'static> {
    FieldValue::Text(Cow::Borrowed(if value { "true" } else { "false" }))
}
