mod expected;
mod found;
mod newest;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use panvault_model::{
    CardId, CheckoutId, CustomerId, DeliveryId, DeliveryStatus, EmailDigest, Fingerprint, Id, OrganisationId,
    RefundId, RefundStatus, TransactionId, TransactionStatus,
};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{
    CardField, CardRow, Chain, CheckoutField, CheckoutRow, CustomerField, CustomerRow, DeliveryField,
    DeliveryRow, Field, FieldValue, Indexed, Page, Query, RefundField, RefundRow, RowFault, RowKey, Sorting,
    StoreFault, Test, TransactionField, TransactionRow,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use crate::limits::LIST_BATCH_ROWS;
use crate::stop::Stop;
use crate::view::fingerprints::{self, Tail};
use crate::view::list::expected::Expected;
use crate::view::list::found::Found;
use crate::view::list::newest::{Newest, OrderedIndex};
use crate::view::read::unreadable;
use crate::view::tally::{Counted, Tallies};

pub(crate) use found::NewestOf;

/// What a list is made from.
pub(crate) struct ListSource<'a> {
    pub(crate) view: &'a Connection,
    /// The newest entries of the index of fingerprints.
    pub(crate) tail: &'a Tail,
    pub(crate) tallies: &'a Tallies,
    pub(crate) stop: &'a Stop,
}

/// How rows of a kind are listed.
pub(crate) trait Listed: Indexed<Row: Sized> {
    /// The row with an id.
    const ROW: &'static str;
    /// Ids of an organisation from some id on and before another, newest first.
    const IDS: &'static str;
    /// What is counted of them, if anything is.
    const COUNTED: Option<Counted>;
    /// Reads the row of an id.
    fn decode(id: &[u8; 12], bytes: &[u8]) -> Result<Self::Row, RowFault>;
    /// Whose it is.
    fn organisation(row: &Self::Row) -> OrganisationId;
    /// What names the row of an id.
    fn key(id: [u8; 12]) -> RowKey;
    /// Its id.
    fn id(row: &Self::Row) -> &[u8; 12];
    /// Whether the vault wrote it so.
    fn is_ours(row: &Self::Row, chain: &dyn Chain) -> bool;
    /// What the index of a condition's field has, when the question has such a condition. Rows of other organisations may be among it, and
    /// what is there no more.
    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>>;
    /// The index that has the ids for a condition's values in their order, when the question has such a condition and no better one.
    fn ordered(query: &Query<Self>) -> Option<OrderedIndex>;
}

/// Answers a question about rows. Whatever it goes through, it holds the rows of the page, and of a sorted list what those up to its
/// end are sorted by.
///
/// Totals come from what was counted as it was written. What is read is held against that, and every row that a condition or a sort is
/// asked of against its tag; the rows of a page are for whoever gets them to verify.
pub(crate) fn list<F: Listed>(
    source: &ListSource<'_>,
    query: &Query<F>,
) -> Result<Page<Arc<F::Row>>, StoreFault> {
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(query.limit.min(LIST_ROWS_MAX)).unwrap_or(usize::MAX);
    let mut organisations = query.organisations.clone();
    organisations.sort_unstable();
    organisations.dedup();
    let sort = query.sorted();
    let mut expected = Expected::begin(source.tallies, F::COUNTED, &organisations)?;
    if F::IS_COUNTED && query.filters.is_empty() && sort.is_none() {
        let mut rows = Vec::new();
        if query.skip < expected.total() && limit > 0 {
            let mut left = skip.saturating_add(limit);
            let mut entries = Newest::<F>::new(source, &organisations, query, None, left)?;
            while left > 0
                && let Some(entry) = entries.next()
            {
                let entry = entry?;
                expected.entry();
                if left > limit {
                    left -= 1;
                } else if let Some(row) = listed::<F>(source, entry, &mut expected)? {
                    // One that has gone meanwhile leaves its place in the page to the next.
                    left -= 1;
                    rows.push(row);
                }
            }
            expected.judge(left > 0 && query.after.is_none())?;
        }
        let next = query.next(rows.len(), rows.last().map(|row| row_id::<F>(row)));
        return Ok(Page { next, ..query.page_of_counted(rows, expected.total()) });
    }
    let indexed = F::indexed(query, source);
    let ordered = if indexed.is_none() { F::ordered(query) } else { None };
    // Whether all entries of its organisations are read, if it is read to its end.
    let all_times = (Id::from_bytes([0; 12]), Id::from_bytes([0xff; 12]));
    let mut to_the_end =
        indexed.is_none() && ordered.is_none() && query.after.is_none() && query.ids() == all_times;
    let ids: Box<dyn Iterator<Item = Result<Entry, StoreFault>>> = match indexed {
        Some(found) => Box::new(found),
        None => Box::new(Newest::<F>::new(source, &organisations, query, ordered, LIST_BATCH_ROWS)?),
    };
    let mut page = Vec::new();
    let mut sorting = sort.map(|(field, way)| Sorting::new(field, way, skip.saturating_add(limit)));
    let (mut matching, mut examined) = (0, 0);
    let mut is_exact = query.after.is_none();
    let mut last = None;
    let (mut examined_last, mut part_end) = (None, None);
    for entry in ids {
        let entry = entry?;
        let id = entry.id;
        // What changes its value meanwhile may be found under both, and what moves in an index twice.
        if last.replace(id) == Some(id) {
            continue;
        }
        if entry.is_counted {
            expected.entry();
        }
        source.stop.check()?;
        let in_page = matching >= query.skip && page.len() < limit;
        if entry.organisation.is_some() && !query.examines() && !in_page {
            // The index says all that is asked of it.
            matching += 1;
            if matching >= query.count_end() {
                is_exact = false;
                break;
            }
            continue;
        }
        let Some(row) = listed::<F>(source, entry, &mut expected)? else { continue };
        if !F::is_ours(&row, source.tallies.chain()) {
            return Err(StoreFault::Damaged { row: Some(F::key(id)), fault: RowFault::Forged });
        }
        if organisations.binary_search(&F::organisation(&row)).is_err() {
            continue;
        }
        if query.examines() && examined == query.examined_max {
            part_end = query.part_end(matching, examined_last)?;
            (to_the_end, is_exact) = (false, false);
            break;
        }
        examined += 1;
        examined_last = Some(Id::from_bytes(id));
        if !query.holds(&row) {
            continue;
        }
        matching += 1;
        match &mut sorting {
            Some(sorting) => sorting.put(&row, id)?,
            None if matching > query.skip && page.len() < limit => page.push(row),
            None => {}
        }
        if sorting.is_none() && matching >= query.count_end() {
            (to_the_end, is_exact) = (false, false);
            break;
        }
    }
    expected.judge(to_the_end)?;
    let next = part_end.or_else(|| query.next(page.len(), page.last().map(|row| row_id::<F>(row))));
    if let Some(sorting) = sorting {
        for id in sorting.sorted().skip(skip) {
            // It may have changed or gone since it was looked at.
            page.extend(row::<F>(source.view, &id)?.filter(|row| query.holds(row)));
        }
    }
    let page = query.page_of_counted(page, matching);
    Ok(Page { is_exact: is_exact && page.is_exact, next, ..page })
}

fn row_id<F: Listed>(row: &F::Row) -> Id {
    Id::from_bytes(*F::id(row))
}

/// An entry of an index, and of whose, where it says.
pub(crate) struct Entry {
    organisation: Option<OrganisationId>,
    pub(crate) id: [u8; 12],
    /// It goes with its row, and is one of those that the organisation has by its tally.
    is_counted: bool,
}

impl Entry {
    /// One of an index that may have what is there no more.
    pub(crate) const fn maybe(organisation: Option<OrganisationId>, id: [u8; 12]) -> Self {
        Self { organisation, id, is_counted: false }
    }
}

/// The row of an entry, which must be of the organisation that it is listed under.
fn listed<F: Listed>(
    source: &ListSource<'_>,
    Entry { organisation, id, is_counted }: Entry,
    expected: &mut Expected<'_>,
) -> Result<Option<Arc<F::Row>>, StoreFault> {
    let row = row::<F>(source.view, &id)?;
    match (&row, organisation) {
        (Some(row), Some(organisation)) if F::organisation(row) != organisation => {
            return Err(StoreFault::Damaged { row: Some(F::key(id)), fault: RowFault::Misplaced });
        }
        (None, _) if is_counted => expected.missing(F::key(id)),
        (Some(_) | None, _) => {}
    }
    Ok(row)
}

fn row<F: Listed>(connection: &Connection, id: &[u8; 12]) -> Result<Option<Arc<F::Row>>, StoreFault> {
    let mut statement = connection.prepare_cached(F::ROW).map_err(unreadable)?;
    let bytes: Option<Vec<u8>> =
        statement.query_row([id], |row| row.get(0)).optional().map_err(unreadable)?;
    let Some(bytes) = bytes else { return Ok(None) };
    let damaged = |fault| StoreFault::Damaged { row: Some(F::key(*id)), fault };
    let row = F::decode(id, &bytes).map_err(damaged)?;
    // A row under another's id would be listed in its place.
    if F::id(&row) == id { Ok(Some(Arc::new(row))) } else { Err(damaged(RowFault::Misplaced)) }
}

/// The values that a field must equal, if the question says so.
fn equal_to<F: Field + PartialEq>(query: &Query<F>, field: F) -> Option<&[FieldValue<'static>]> {
    let filter = query.filters.iter().find(|filter| filter.field == field && filter.test == Test::Equal)?;
    Some(&filter.values)
}

/// Of each organisation and value its range, in an index that has them in the order of ids.
fn by_id(ids_sql: &'static str, values: &[FieldValue<'static>]) -> OrderedIndex {
    let values: BTreeSet<_> = ids(values).into_iter().collect();
    let values = values.into_iter().map(|id| Value::Blob(id.to_vec()));
    OrderedIndex { ids: ids_sql, values: values.collect() }
}

/// Entries of ids that a question names: no index is needed to find these.
fn named<'a, F: Indexed>(query: &Query<F>, values: &'a [FieldValue<'static>]) -> Found<'a> {
    Found::new(query, |(first, before), newest| {
        for id in ids(values) {
            if (first..before).contains(&id.as_slice()) {
                newest.put(Entry::maybe(None, id));
            }
        }
        Ok(())
    })
}

/// Entries of an index of ids by keys, between two ids.
fn keyed<'a, F: Indexed, const N: usize>(
    query: &Query<F>,
    source: &'a ListSource<'a>,
    ids_sql: &'static str,
    keys: BTreeSet<[u8; N]>,
) -> Found<'a> {
    Found::new(query, move |(first, before), newest| {
        let mut statement = source.view.prepare_cached(ids_sql).map_err(unreadable)?;
        let most = i64::try_from(newest.most()).unwrap_or(i64::MAX);
        for key in &keys {
            source.stop.check()?;
            let found = statement.query_map(params![key, first, before, most], |row| row.get(0));
            for id in found.map_err(unreadable)? {
                if !newest.put(Entry::maybe(None, id.map_err(unreadable)?)) {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// Ids that a question names.
fn ids(values: &[FieldValue<'static>]) -> Vec<[u8; 12]> {
    let id = |value: &FieldValue<'_>| match value {
        FieldValue::Text(text) => Id::parse(text).ok().map(|id| *id.as_bytes()),
        FieldValue::Absent | FieldValue::Number(_) => None,
    };
    values.iter().filter_map(id).collect()
}

impl Listed for CardField {
    const ROW: &'static str = "SELECT row FROM card WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM card_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = Some(Counted::Cards);

    fn decode(id: &[u8; 12], bytes: &[u8]) -> Result<CardRow, RowFault> {
        CardRow::decode_under_id(id, bytes)
    }

    fn organisation(row: &CardRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Card(CardId::from_bytes(id))
    }

    fn id(row: &CardRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &CardRow, chain: &dyn Chain) -> bool {
        chain.card_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Some(named(query, values));
        }
        let values = equal_to(query, Self::Fingerprint)?.iter();
        let fingerprints = values.filter_map(|value| match value {
            FieldValue::Text(text) => Fingerprint::parse(text),
            FieldValue::Absent | FieldValue::Number(_) => None,
        });
        let keys: BTreeSet<_> = fingerprints.map(|fingerprint| (None, fingerprint)).collect();
        Some(Found::new(query, move |range, newest| fingerprints::look_up(source, &keys, range, newest)))
    }

    fn ordered(_query: &Query<Self>) -> Option<OrderedIndex> {
        None
    }
}

impl Listed for TransactionField {
    const ROW: &'static str = "SELECT row FROM payment WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM payment_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = Some(Counted::Transactions);

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<TransactionRow, RowFault> {
        TransactionRow::decode(bytes)
    }

    fn organisation(row: &TransactionRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Transaction(TransactionId::from_bytes(id))
    }

    fn id(row: &TransactionRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &TransactionRow, chain: &dyn Chain) -> bool {
        chain.transaction_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Some(named(query, values));
        }
        if equal_to(query, Self::Card).is_some() {
            return None;
        }
        let values = equal_to(query, Self::MerchantReference)?;
        let mut keys = BTreeSet::new();
        for organisation in &query.organisations {
            for value in values {
                let FieldValue::Text(reference) = value else { continue };
                let chain = source.tallies.chain();
                let fingerprint = fingerprints::reference_fingerprint(chain, *organisation, reference);
                keys.insert((Some(*organisation), fingerprint));
            }
        }
        Some(Found::new(query, move |range, newest| fingerprints::look_up(source, &keys, range, newest)))
    }

    fn ordered(query: &Query<Self>) -> Option<OrderedIndex> {
        if let Some(cards) = equal_to(query, Self::Card) {
            return Some(by_id(
                "SELECT id FROM payment_by_card WHERE organisation = ? AND card = ? AND id >= ? AND id < ? \
                 ORDER BY id DESC LIMIT ?",
                cards,
            ));
        }
        if let Some(accounts) = equal_to(query, Self::Account) {
            return Some(by_id(
                "SELECT id FROM payment_by_account WHERE organisation = ? AND account = ? AND id >= ? AND id < ? \
                 ORDER BY id DESC LIMIT ?",
                accounts,
            ));
        }
        let values = equal_to(query, Self::Status)?;
        let is_asked =
            |status: &&TransactionStatus| values.contains(&FieldValue::Text(status.as_str().into()));
        let statuses = TransactionStatus::ALL.iter().filter(is_asked);
        Some(OrderedIndex {
            ids: "SELECT id FROM payment_by_status WHERE organisation = ? AND status = ? AND id >= ? AND id < ? \
                  ORDER BY id DESC LIMIT ?",
            values: statuses.map(|status| Value::Integer(status.code().into())).collect(),
        })
    }
}

impl Listed for RefundField {
    const ROW: &'static str = "SELECT row FROM refund WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM refund_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = Some(Counted::Refunds);

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<RefundRow, RowFault> {
        RefundRow::decode(bytes)
    }

    fn organisation(row: &RefundRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Refund(RefundId::from_bytes(id))
    }

    fn id(row: &RefundRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &RefundRow, chain: &dyn Chain) -> bool {
        chain.refund_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Some(named(query, values));
        }
        let sql = "SELECT id FROM refund_by_payment WHERE payment = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?";
        let payments = ids(equal_to(query, Self::Transaction)?);
        Some(keyed(query, source, sql, payments.into_iter().collect()))
    }

    fn ordered(query: &Query<Self>) -> Option<OrderedIndex> {
        if let Some(accounts) = equal_to(query, Self::Account) {
            return Some(by_id(
                "SELECT id FROM refund_by_account WHERE organisation = ? AND account = ? AND id >= ? AND id < ? \
                 ORDER BY id DESC LIMIT ?",
                accounts,
            ));
        }
        let values = equal_to(query, Self::Status)?;
        let is_asked = |status: &&RefundStatus| values.contains(&FieldValue::Text(status.as_str().into()));
        let statuses = RefundStatus::ALL.iter().filter(is_asked);
        Some(OrderedIndex {
            ids: "SELECT id FROM refund_by_status WHERE organisation = ? AND status = ? AND id >= ? AND id < ? \
                  ORDER BY id DESC LIMIT ?",
            values: statuses.map(|status| Value::Integer(status.code().into())).collect(),
        })
    }
}

impl Listed for CustomerField {
    const ROW: &'static str = "SELECT row FROM customer WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM customer_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = Some(Counted::Customers);

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<CustomerRow, RowFault> {
        CustomerRow::decode(bytes)
    }

    fn organisation(row: &CustomerRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Customer(CustomerId::from_bytes(id))
    }

    fn id(row: &CustomerRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &CustomerRow, chain: &dyn Chain) -> bool {
        chain.customer_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Some(named(query, values));
        }
        let digest = |value: &FieldValue<'_>| match value {
            FieldValue::Text(text) => EmailDigest::parse(text).map(|digest| *digest.as_bytes()),
            FieldValue::Absent | FieldValue::Number(_) => None,
        };
        let sql = "SELECT id FROM customer_by_email WHERE email = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?";
        let digests = equal_to(query, Self::Email)?.iter().filter_map(digest);
        Some(keyed(query, source, sql, digests.collect()))
    }

    fn ordered(_query: &Query<Self>) -> Option<OrderedIndex> {
        None
    }
}

impl Listed for CheckoutField {
    const ROW: &'static str = "SELECT row FROM checkout WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM checkout_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = None;

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<CheckoutRow, RowFault> {
        CheckoutRow::decode(bytes)
    }

    fn organisation(row: &CheckoutRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Checkout(CheckoutId::from_bytes(id))
    }

    fn id(row: &CheckoutRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &CheckoutRow, chain: &dyn Chain) -> bool {
        chain.checkout_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, _source: &'a ListSource<'a>) -> Option<Found<'a>> {
        equal_to(query, Self::Id).map(|values| named(query, values))
    }

    fn ordered(_query: &Query<Self>) -> Option<OrderedIndex> {
        None
    }
}

impl Listed for DeliveryField {
    const ROW: &'static str = "SELECT row FROM delivery WHERE id = ?";
    const IDS: &'static str = "SELECT id FROM delivery_by_organisation WHERE organisation = ? AND id >= ? AND id < ? \
         ORDER BY id DESC LIMIT ?";
    const COUNTED: Option<Counted> = None;

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<DeliveryRow, RowFault> {
        DeliveryRow::decode(bytes)
    }

    fn organisation(row: &DeliveryRow) -> OrganisationId {
        row.organisation
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Delivery(DeliveryId::from_bytes(id))
    }

    fn id(row: &DeliveryRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn is_ours(row: &DeliveryRow, chain: &dyn Chain) -> bool {
        chain.delivery_is_ours(row)
    }

    fn indexed<'a>(query: &'a Query<Self>, source: &'a ListSource<'a>) -> Option<Found<'a>> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Some(named(query, values));
        }
        let objects = equal_to(query, Self::Transaction).or_else(|| equal_to(query, Self::Refund))?;
        let sql = "SELECT id FROM delivery_by_object WHERE object = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?";
        Some(keyed(query, source, sql, ids(objects).into_iter().collect()))
    }

    fn ordered(query: &Query<Self>) -> Option<OrderedIndex> {
        if let Some(accounts) = equal_to(query, Self::Account) {
            return Some(by_id(
                "SELECT id FROM delivery_by_account WHERE organisation = ? AND account = ? AND id >= ? AND id < ? \
                 ORDER BY id DESC LIMIT ?",
                accounts,
            ));
        }
        let values = equal_to(query, Self::Status)?;
        let is_asked = |status: &&DeliveryStatus| values.contains(&FieldValue::Text(status.as_str().into()));
        let statuses = DeliveryStatus::ALL.iter().filter(is_asked);
        Some(OrderedIndex {
            ids: "SELECT id FROM delivery_by_status WHERE organisation = ? AND status = ? AND id >= ? AND id < ? \
                  ORDER BY id DESC LIMIT ?",
            values: statuses.map(|status| Value::Integer(status.code().into())).collect(),
        })
    }
}
