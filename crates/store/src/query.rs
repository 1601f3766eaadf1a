//! Questions that lists answer.

use core::cmp::Ordering;
use std::borrow::Cow;

use panvault_model::{Id, OrganisationId, Timestamp, WebhookObject};

use crate::StoreFault;
use crate::document::{AccountRow, ApiKeyRow, OrganisationRow, ProcessorRow};
use crate::limits::LIST_ROWS_MAX;
use crate::row::{AuditRecord, CardRow, CheckoutRow, CustomerRow, DeliveryRow, RefundRow, TransactionRow};

/// Which rows, in what order, which part of them. Without a sort, newest first.
#[derive(Clone, Debug)]
pub struct Query<F> {
    /// The organisation whose key asks; `None` is the vault itself. A store shares out by it what lists cost, and nothing else.
    pub asked_by: Option<OrganisationId>,
    /// Rows of these organisations.
    pub organisations: Vec<OrganisationId>,
    /// All must hold.
    pub filters: Vec<Filter<F>>,
    /// By this field; rows that are equal in it, newest first.
    pub sort: Option<(F, Direction)>,
    /// Only rows that come behind this id where the newest come first.
    pub after: Option<Id>,
    /// Rows to leave out at the front.
    pub skip: u64,
    /// Rows to give, at most [`crate::limits::LIST_ROWS_MAX`]; 0 asks for the total only.
    pub limit: u32,
    /// How far the rows that match are counted.
    pub count: Count,
    /// Rows of its organisations that are examined at most: read to see whether they meet a condition, or by what they are sorted. Those that an
    /// index gives for the only condition are not. Past it a page that is not full is refused with [`crate::StoreFault::TooManyExamined`].
    pub examined_max: u64,
    /// Whether such a page is not refused but ends there, and says where the list goes on ([`Page::next`]): who goes through all of a list asks for
    /// one such part after the other. A list that is sorted has none.
    pub is_part: bool,
}

/// How far the rows are counted that match a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All of them.
    All,
    /// As far as the page goes, and as far as this number.
    UpTo(u64),
    /// As far as the page goes, and no further.
    PageEnd,
}

/// A question about cards.
pub type CardQuery = Query<CardField>;
/// A question about transactions.
pub type TransactionQuery = Query<TransactionField>;
/// A question about refunds.
pub type RefundQuery = Query<RefundField>;
/// A question about customers. What stands for e-mail addresses in it are their digests.
pub type CustomerQuery = Query<CustomerField>;
/// A question about deliveries of webhooks.
pub type DeliveryQuery = Query<DeliveryField>;
/// A question about checkouts.
pub type CheckoutQuery = Query<CheckoutField>;

/// A question about organisations.
pub type OrganisationQuery = Query<OrganisationField>;
/// A question about accounts.
pub type AccountQuery = Query<AccountField>;
/// A question about processors.
pub type ProcessorQuery = Query<ProcessorField>;
/// A question about API keys.
pub type ApiKeyQuery = Query<ApiKeyField>;

/// A question about audit records. It has no order but the newest first.
pub type AuditQuery = Query<AuditField>;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows match, wherever the page begins, as far as they were counted.
    pub total: u64,
    /// Whether that is all of them; else there are at least so many.
    pub is_exact: bool,
    /// Where the list goes on, if there may be more of it behind this page; of one that is sorted nothing goes on. Fewer rows than were asked for
    /// do not say that it ends.
    pub next: Option<Cursor>,
}

/// A place in a list whose newest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last id before it.
    pub after: Id,
    /// Rows behind it that are still to be left out.
    pub skip: u64,
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

/// A field by which rows of a kind can be filtered and sorted.
pub trait Field: Copy + Sized + 'static {
    /// The kind of row.
    type Row;
    /// Its value in a row.
    fn value(self, row: &Self::Row) -> FieldValue<'_>;
    /// What it was before, where a row is found by that too.
    fn value_before(self, _row: &Self::Row) -> Option<FieldValue<'_>> {
        None
    }
}

impl<F: Field> Filter<F> {
    /// Whether a row meets the condition.
    pub fn holds(&self, row: &F::Row) -> bool {
        let value = self.field.value(row);
        let known = value != FieldValue::Absent;
        match self.test {
            Test::Equal => self.has(&value, row),
            Test::NotEqual => !self.has(&value, row),
            Test::AtLeast => known && self.values.iter().all(|bound| value >= *bound),
            Test::AtMost => known && self.values.iter().all(|bound| value <= *bound),
        }
    }

    /// Whether one of the values is what the field of a row is, or was before.
    fn has(&self, value: &FieldValue<'_>, row: &F::Row) -> bool {
        let before = || self.field.value_before(row);
        self.values.contains(value) || before().is_some_and(|before| self.values.contains(&before))
    }
}

impl<F> Query<F> {
    /// The newest rows of these organisations; where they are documents, none named are all.
    pub const fn newest(organisations: Vec<OrganisationId>, limit: u32) -> Self {
        Self {
            asked_by: None,
            organisations,
            filters: Vec::new(),
            sort: None,
            after: None,
            skip: 0,
            limit,
            count: Count::All,
            examined_max: u64::MAX,
            is_part: false,
        }
    }

    /// Rows at the front of the list that the page needs: those that are left out, and its own.
    pub fn page_end(&self) -> u64 {
        self.skip.saturating_add(self.limit.min(LIST_ROWS_MAX).into())
    }

    /// The number of rows at which counting ends.
    pub fn count_end(&self) -> u64 {
        match self.count {
            Count::All => u64::MAX,
            Count::UpTo(most) => self.page_end().max(most),
            Count::PageEnd => self.page_end(),
        }
    }

    /// A page of rows of which so many match, counted without going through them.
    pub fn page_of_counted<T>(&self, rows: Vec<T>, matching: u64) -> Page<T> {
        let total = match self.count {
            Count::All | Count::UpTo(_) => matching,
            Count::PageEnd => matching.min(self.page_end()),
        };
        Page { rows, total, is_exact: total == matching, next: None }
    }

    /// Where a list whose newest come first goes on behind a page of so many rows, by the id of the last: a full page does not say that there is
    /// no more.
    pub fn next(&self, rows: usize, last: Option<Id>) -> Option<Cursor> {
        let is_full = rows as u64 >= u64::from(self.limit.min(LIST_ROWS_MAX));
        last.filter(|_| is_full).map(|after| Cursor { after, skip: 0 })
    }

    /// Whether a row comes behind the id behind which the list begins.
    pub fn is_behind(&self, id: Id) -> bool {
        self.after.is_none_or(|after| id < after)
    }
}

/// A field of rows that a store finds by an index.
pub trait Indexed: Field + PartialEq {
    /// Fields that have one, what leaves fewest rows first.
    const INDEXED: &'static [Self];
    /// The field that has the id.
    const ID: Self;
    /// The field that has the moment with which the id begins.
    const CREATED_AT: Self;
    /// Whether a store that counts rows as they are written knows how many an organisation has without going through them.
    const IS_COUNTED: bool = true;
}

impl Indexed for CardField {
    const INDEXED: &'static [Self] = &[Self::Id, Self::Fingerprint];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
}

impl Indexed for TransactionField {
    const INDEXED: &'static [Self] =
        &[Self::Id, Self::Card, Self::MerchantReference, Self::Account, Self::Status];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
}

impl Indexed for RefundField {
    const INDEXED: &'static [Self] = &[Self::Id, Self::Transaction, Self::Account, Self::Status];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
}

impl Indexed for CustomerField {
    const INDEXED: &'static [Self] = &[Self::Id, Self::Email];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
}

impl Indexed for DeliveryField {
    const INDEXED: &'static [Self] =
        &[Self::Id, Self::Transaction, Self::Refund, Self::Account, Self::Status];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
    const IS_COUNTED: bool = false;
}

impl Indexed for CheckoutField {
    const INDEXED: &'static [Self] = &[Self::Id];
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;
    const IS_COUNTED: bool = false;
}

impl<F: Indexed> Filter<F> {
    /// Whether it bounds when rows were made: those between two ids meet it, and no others.
    fn is_answered_by_ids(&self) -> bool {
        // What lies beyond 32 bits of seconds no id says.
        let is_moment = |value: &FieldValue<'_>| match value {
            FieldValue::Number(millis) => *millis / 1000 <= u64::from(u32::MAX),
            FieldValue::Absent | FieldValue::Text(_) => false,
        };
        let is_range = match self.test {
            Test::Equal => self.values.len() == 1,
            Test::AtLeast | Test::AtMost => !self.values.is_empty(),
            Test::NotEqual => false,
        };
        self.field == F::CREATED_AT && is_range && self.values.iter().all(is_moment)
    }
}

impl<F: Indexed> Query<F> {
    /// The condition that an index answers.
    pub fn indexed(&self) -> Option<&Filter<F>> {
        F::INDEXED.iter().find_map(|field| {
            self.filters.iter().find(|filter| filter.field == *field && filter.test == Test::Equal)
        })
    }

    /// What rows are sorted by, where that is another order than the newest first.
    pub fn sorted(&self) -> Option<(F, Direction)> {
        let newest_first = |field| field == F::ID || field == F::CREATED_AT;
        self.sort.filter(|(field, way)| !(*way == Direction::Descending && newest_first(*field)))
    }

    /// Whether rows must be read to be counted or sorted: an index answers one condition, and ids say when their rows were made
    /// ([`Query::ids`]).
    pub fn examines(&self) -> bool {
        let asked = self.filters.iter().filter(|filter| !filter.is_answered_by_ids()).count();
        self.sorted().is_some() || asked > usize::from(self.indexed().is_some())
    }

    /// Where a page ends which needs one more row than may be examined; `last` was the last of these, and so many of them match. `None` where the
    /// page is full.
    pub fn part_end(&self, matching: u64, last: Option<Id>) -> Result<Option<Cursor>, StoreFault> {
        match last {
            _ if self.sorted().is_some() => Err(StoreFault::TooManyExamined),
            _ if matching >= self.page_end() => Ok(None),
            Some(after) if self.is_part => {
                Ok(Some(Cursor { after, skip: self.skip.saturating_sub(matching) }))
            }
            Some(_) | None => Err(StoreFault::TooManyExamined),
        }
    }

    /// The least and the greatest id that a row can have which meets what is asked of the moment when rows were made. Ids begin with it
    /// ([`Id::make`]).
    pub fn ids(&self) -> (Id, Id) {
        let (mut from, mut to) = (0, Timestamp::MAX.unix_millis());
        for filter in self.filters.iter().filter(|filter| filter.field == F::CREATED_AT) {
            let moments = filter.values.iter().map(|value| match value {
                FieldValue::Number(millis) => Some(*millis),
                FieldValue::Absent | FieldValue::Text(_) => None,
            });
            let Some(moments) = moments.collect::<Option<Vec<u64>>>() else { continue };
            let (Some(least), Some(greatest)) = (moments.iter().min(), moments.iter().max()) else {
                continue;
            };
            match filter.test {
                Test::Equal => (from, to) = (from.max(*least), to.min(*greatest)),
                Test::NotEqual => {}
                Test::AtLeast => from = from.max(*greatest),
                Test::AtMost => to = to.min(*least),
            }
        }
        // Ids hold 32 bits of seconds; of what lies behind them nothing can be said.
        let first = |millis, random, beyond| match Timestamp::from_unix_millis(millis) {
            at if at.unix_seconds() <= u64::from(u32::MAX) => Id::make(at, [random; 8]),
            _ => Id::from_bytes([beyond; 12]),
        };
        (first(from, 0, 0), first(to, 0xff, 0xff))
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
    ($(#[$meta:meta])* $name:ident of $row:ident { $($variant:ident $value:expr,)+ } $(before { $before:expr })?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the API")]
        pub enum $name { $($variant,)+ }

        impl $name {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }

        impl Field for $name {
            type Row = $row;
            fn value(self, row: &$row) -> FieldValue<'_> {
                match self { $(Self::$variant => { let value: fn(&$row) -> FieldValue<'_> = $value; value(row) })+ }
            }

            $(fn value_before(self, row: &$row) -> Option<FieldValue<'_>> {
                let before: fn(Self, &$row) -> Option<FieldValue<'_>> = $before;
                before(self, row)
            })?
        }
    };
}

fields! {
    /// A field of a card.
    CardField of CardRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Kind |row| name(Some(row.kind.as_str())),
        Brand |row| name(row.brand.map(|brand| brand.as_str())),
        Bin |row| name(row.bin.as_ref().map(|bin| bin.as_str())),
        LastFour |row| name(Some(row.last_four.as_str())),
        ExpiryMonth |row| FieldValue::Text(row.expiry.month_text().into()),
        ExpiryYear |row| FieldValue::Text(row.expiry.year_text().into()),
        IssuerName |row| name(row.facts.issuer_name.as_deref()),
        IssuerCountry |row| name(row.facts.issuer_country.as_ref().map(|code| code.as_str())),
        Currency |row| name(row.facts.currency.as_ref().map(|code| code.as_str())),
        Type |row| name(row.facts.card_type.map(|card_type| card_type.as_str())),
        Variant |row| name(row.facts.variant.as_deref()),
        Fingerprint |row| show(row.fingerprint),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    } before {
        |field, row| row.fingerprint_before.filter(|_| field == Self::Fingerprint).map(|(before, _)| show(before))
    }
}

fields! {
    /// A field of a transaction.
    TransactionField of TransactionRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Account |row| show(row.account),
        Processor |row| name(Some(&row.processor_name)),
        Card |row| show(row.card),
        Amount |row| FieldValue::Number(u64::from(row.amount.minor_units())),
        Currency |row| name(Some(row.currency.as_str())),
        CaptureNow |row| flag(row.capture_now),
        Customer |row| row.customer.map_or(FieldValue::Absent, show),
        CustomerIp |row| name(Some(&row.customer_ip)),
        MerchantReference |row| name(Some(row.merchant_reference.as_str()).filter(|text| !text.is_empty())),
        PaymentProduct |_row| name(Some("card")),
        PaymentProductType |row| name(row.brand.map(|brand| brand.as_str())),
        RecurringType |row| name(row.recurring_type.map(|value| value.as_str())),
        ShopperInteraction |row| name(row.shopper_interaction.map(|value| value.as_str())),
        Status |row| name(Some(row.status.as_str())),
        ReasonCode |row| name(row.reason_code.as_deref()),
        CvvPresent |row| flag(row.cvv_present),
        CvvResult |row| name(Some(row.cvv_result.as_str())),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a refund.
    RefundField of RefundRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Account |row| show(row.account),
        Transaction |row| show(row.transaction),
        Amount |row| FieldValue::Number(u64::from(row.amount.minor_units())),
        MerchantReference |row| name(row.merchant_reference.as_deref()),
        Status |row| name(Some(row.status.as_str())),
        ReasonCode |row| name(row.reason_code.as_deref()),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a customer.
    CustomerField of CustomerRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Email |row| row.email.map_or(FieldValue::Absent, show),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a delivery of a webhook.
    DeliveryField of DeliveryRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Account |row| show(row.account),
        Type |row| name(Some(row.kind.as_str())),
        Transaction |row| object_of(row, WebhookObject::Transaction),
        Refund |row| object_of(row, WebhookObject::Refund),
        Status |row| name(Some(row.status.as_str())),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a checkout.
    CheckoutField of CheckoutRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Account |row| show(row.account),
        Amount |row| FieldValue::Number(u64::from(row.amount.minor_units())),
        Customer |row| row.customer.map_or(FieldValue::Absent, show),
        MerchantReference |row| name(Some(row.merchant_reference.as_str()).filter(|text| !text.is_empty())),
        Transaction |row| row.transaction.map_or(FieldValue::Absent, show),
        ExpiresAt |row| FieldValue::Number(row.expires_at.unix_millis()),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an organisation.
    OrganisationField of OrganisationRow {
        Id |row| show(row.id),
        Parent |row| row.parent.map_or(FieldValue::Absent, show),
        Name |row| name(Some(&row.name)),
        Disabled |row| flag(row.disabled),
        CountryCode |row| name(row.country_code.as_ref().map(|code| code.as_str())),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an account.
    AccountField of AccountRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Name |row| name(Some(&row.name)),
        CurrencyCode |row| name(Some(row.currency.as_str())),
        Disabled |row| flag(row.disabled),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of a processor.
    ProcessorField of ProcessorRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Name |row| name(Some(&row.name)),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an API key.
    ApiKeyField of ApiKeyRow {
        Id |row| show(row.id),
        Organisation |row| show(row.organisation),
        Name |row| name(Some(&row.name)),
        ExpiresAt |row| row.expires_at.map_or(FieldValue::Absent, |at| FieldValue::Number(at.unix_millis())),
        CreatedAt |row| FieldValue::Number(row.created_at.unix_millis()),
        UpdatedAt |row| FieldValue::Number(row.updated_at.unix_millis()),
    }
}

fields! {
    /// A field of an audit record.
    AuditField of AuditRecord {
        Organisation |record| show(record.note.organisation),
        Action |record| name(Some(record.note.action.as_str())),
        Actor |record| match record.note.actor {
            Some(actor) => show(actor),
            None if record.note.is_anonymous() => FieldValue::Absent,
            None => FieldValue::Text(Cow::Borrowed(AuditRecord::LOCAL)),
        },
        Object |record| match record.note.object {
            none if *none.as_bytes() == [0; 12] => FieldValue::Absent,
            object => show(object),
        },
        Request |record| match record.note.request {
            none if *none.as_bytes() == [0; 12] => FieldValue::Absent,
            request => show(request),
        },
        CreatedAt |record| FieldValue::Number(record.note.at.unix_millis()),
    }
}

fn name(text: Option<&str>) -> FieldValue<'_> {
    text.map_or(FieldValue::Absent, |text| FieldValue::Text(Cow::Borrowed(text)))
}

fn object_of(row: &DeliveryRow, kind: WebhookObject) -> FieldValue<'static> {
    if row.kind == kind { show(row.object) } else { FieldValue::Absent }
}

fn show(value: impl ToString) -> FieldValue<'static> {
    FieldValue::Text(Cow::Owned(value.to_string()))
}

fn flag(value: bool) -> FieldValue<'static> {
    FieldValue::Text(Cow::Borrowed(if value { "true" } else { "false" }))
}
