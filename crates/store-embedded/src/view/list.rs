mod newest;
mod sorting;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use panvault_model::{CardId, Fingerprint, Id, OrganisationId, TransactionId};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{
    CardField, CardRow, Field, FieldValue, Page, Query, RowFault, RowKey, StoreFault, Test, TransactionField,
    TransactionRow,
};
use rusqlite::{Connection, OptionalExtension};

use crate::limits::LIST_BATCH_ROWS;
use crate::view::fingerprints;
use crate::view::list::newest::Newest;
use crate::view::list::sorting::Sorting;
use crate::view::read::unreadable;

/// How rows of a kind are listed.
pub(crate) trait Listed: Field<Row: Sized> {
    /// The row with an id.
    const ROW: &'static str;
    /// Ids of an organisation before some id, newest first.
    const IDS: &'static str;
    /// How many rows an organisation has.
    const TOTAL: &'static str;
    /// Reads the row of an id.
    fn decode(id: &[u8; 12], bytes: &[u8]) -> Result<Self::Row, RowFault>;
    /// Whose it is.
    fn organisation(row: &Self::Row) -> OrganisationId;
    /// What names the row of an id.
    fn key(id: [u8; 12]) -> RowKey;
    /// Its id.
    fn id(row: &Self::Row) -> &[u8; 12];
    /// Ids that an index has for the question, when it has them: far fewer than an organisation's.
    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error>;
}

/// Answers a question about rows. Whatever it goes through, it holds the rows of the page, and of a sorted list what the
/// others are sorted by.
pub(crate) fn list<F: Listed>(
    connection: &Connection,
    query: &Query<F>,
) -> Result<Page<Arc<F::Row>>, StoreFault> {
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(query.limit.min(LIST_ROWS_MAX)).unwrap_or(usize::MAX);
    let mut organisations = query.organisations.clone();
    organisations.sort_unstable();
    organisations.dedup();
    if query.filters.is_empty() && query.sort.is_none() {
        let total = total::<F>(connection, &organisations).map_err(unreadable)?;
        let batch_rows = skip.saturating_add(limit).clamp(1, LIST_BATCH_ROWS);
        let ids = Newest::<F>::new(connection, &organisations, batch_rows)?.skip(skip).take(limit);
        let rows = ids.map(|id| row::<F>(connection, &id?)).filter_map(Result::transpose);
        return Ok(Page { rows: rows.collect::<Result<_, _>>()?, total });
    }
    let ids: Box<dyn Iterator<Item = Result<[u8; 12], StoreFault>>> =
        match F::indexed(query, connection).map_err(unreadable)? {
            Some(mut ids) => {
                ids.sort_unstable_by(|a, b| b.cmp(a));
                // The same value twice in a question is one value.
                ids.dedup();
                Box::new(ids.into_iter().map(Ok))
            }
            None => Box::new(Newest::<F>::new(connection, &organisations, LIST_BATCH_ROWS)?),
        };
    let mut page = Vec::new();
    let mut sorting = query.sort.map(|(field, direction)| Sorting::new(field, direction));
    let mut total = 0;
    for id in ids {
        let id = id?;
        let Some(row) = row::<F>(connection, &id)? else { continue };
        if organisations.binary_search(&F::organisation(&row)).is_err() || !query.holds(&row) {
            continue;
        }
        total += 1;
        match &mut sorting {
            Some(sorting) => sorting.put(&row, id)?,
            None if total > query.skip && page.len() < limit => page.push(row),
            None => {}
        }
    }
    if let Some(sorting) = sorting {
        for id in sorting.sorted().skip(skip).take(limit) {
            // It may have changed or gone since it was looked at.
            page.extend(row::<F>(connection, &id)?.filter(|row| query.holds(row)));
        }
    }
    Ok(Page { rows: page, total })
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

fn total<F: Listed>(
    connection: &Connection,
    organisations: &[OrganisationId],
) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(F::TOTAL)?;
    let mut total = 0u64;
    for organisation in organisations {
        let count: Option<i64> =
            statement.query_row([organisation.as_bytes()], |row| row.get(0)).optional()?;
        total = total.saturating_add(count.unwrap_or(0).cast_unsigned());
    }
    Ok(total)
}

/// The values that a field must equal, if the question says so.
fn equal_to<F: Field + PartialEq>(query: &Query<F>, field: F) -> Option<&[FieldValue<'static>]> {
    let filter = query.filters.iter().find(|filter| filter.field == field && filter.test == Test::Equal)?;
    Some(&filter.values)
}

/// Ids that a question names: no index is needed to find these.
fn ids(values: &[FieldValue<'static>]) -> Vec<[u8; 12]> {
    let id = |value: &FieldValue<'_>| match value {
        FieldValue::Text(text) => Id::parse(text).ok().map(|id| *id.as_bytes()),
        FieldValue::Absent | FieldValue::Number(_) => None,
    };
    values.iter().filter_map(id).collect()
}

impl Listed for CardField {
    const ROW: &'static str = "SELECT row FROM card WHERE id = ?";
    const IDS: &'static str =
        "SELECT id FROM card_by_organisation WHERE organisation = ? AND id < ? ORDER BY id DESC LIMIT ?";
    const TOTAL: &'static str = "SELECT cards FROM total WHERE organisation = ?";

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

    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Ok(Some(ids(values)));
        }
        let Some(values) = equal_to(query, Self::Fingerprint) else { return Ok(None) };
        let mut statement = connection.prepare_cached(fingerprints::LOOK_UP)?;
        let mut ids = Vec::new();
        for value in values {
            let FieldValue::Text(text) = value else { continue };
            let Some(fingerprint) = Fingerprint::parse(text) else { continue };
            for organisation in &query.organisations {
                let found = statement
                    .query_map((organisation.as_bytes(), fingerprint.as_bytes()), |row| row.get(0))?;
                ids.extend(found.collect::<Result<Vec<[u8; 12]>, _>>()?);
            }
        }
        Ok(Some(ids))
    }
}

impl Listed for TransactionField {
    const ROW: &'static str = "SELECT row FROM payment WHERE id = ?";
    const IDS: &'static str =
        "SELECT id FROM payment_by_organisation WHERE organisation = ? AND id < ? ORDER BY id DESC LIMIT ?";
    const TOTAL: &'static str = "SELECT payments FROM total WHERE organisation = ?";

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

    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error> {
        if let Some(values) = equal_to(query, Self::Id) {
            return Ok(Some(ids(values)));
        }
        let Some(values) = equal_to(query, Self::Card) else { return Ok(None) };
        let mut statement = connection.prepare_cached("SELECT id FROM payment_by_card WHERE card = ?")?;
        let mut ids = Vec::new();
        for value in values {
            let FieldValue::Text(text) = value else { continue };
            let Ok(card) = CardId::parse(text) else { continue };
            let found = statement.query_map([card.as_bytes()], |row| row.get(0))?;
            ids.extend(found.collect::<Result<Vec<[u8; 12]>, _>>()?);
        }
        Ok(Some(ids))
    }
}
