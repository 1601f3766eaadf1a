use std::sync::Arc;

use panvault_model::{CardId, Fingerprint, OrganisationId};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{
    CardField, CardRow, Field, FieldValue, Page, Query, RowFault, StoreFault, Test, TransactionField,
    TransactionRow,
};
use rusqlite::{Connection, OptionalExtension};

use crate::limits::SORT_ROWS_MAX;
use crate::view::fingerprints;
use crate::view::read::{undecodable, unreadable};

/// How rows of a kind are listed.
pub(crate) trait Listed: Field<Row: Sized> {
    /// The row with an id.
    const ROW: &'static str;
    /// Ids of an organisation, newest first.
    const IDS: &'static str;
    /// How many rows an organisation has.
    const TOTAL: &'static str;
    /// Reads a row.
    fn decode(bytes: &[u8]) -> Result<Self::Row, RowFault>;
    /// Whose it is.
    fn organisation(row: &Self::Row) -> OrganisationId;
    /// Its id.
    fn id(row: &Self::Row) -> &[u8; 12];
    /// Ids that an index has for the question, when it has them: far fewer than an organisation's.
    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error>;
}

/// Answers a question about rows.
pub(crate) fn list<F: Listed>(
    connection: &Connection,
    query: &Query<F>,
) -> Result<Page<Arc<F::Row>>, StoreFault> {
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(query.limit.min(LIST_ROWS_MAX)).unwrap_or(usize::MAX);
    let wanted = skip.saturating_add(limit);
    let mut organisations = query.organisations.clone();
    organisations.sort_unstable();
    organisations.dedup();
    if query.filters.is_empty() && query.sort.is_none() {
        let total = total::<F>(connection, &organisations).map_err(unreadable)?;
        let mut ids = Vec::new();
        for organisation in &organisations {
            ids.extend(ids_of::<F>(connection, *organisation, wanted).map_err(unreadable)?);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let page = ids.iter().skip(skip).take(limit);
        let rows = page
            .map(|id| row::<F>(connection, id))
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?;
        return Ok(Page { rows, total });
    }
    let mut ids = match F::indexed(query, connection).map_err(unreadable)? {
        Some(ids) => ids,
        None => {
            let mut ids = Vec::new();
            for organisation in &organisations {
                ids.extend(ids_of::<F>(connection, *organisation, usize::MAX).map_err(unreadable)?);
            }
            ids
        }
    };
    ids.sort_unstable_by(|a, b| b.cmp(a));
    // The same value twice in a question is one value.
    ids.dedup();
    let mut matches = Vec::new();
    let mut total = 0;
    for id in &ids {
        let Some(row) = row::<F>(connection, id)? else { continue };
        if query.organisations.contains(&F::organisation(&row)) && query.holds(&row) {
            total += 1;
            if query.sort.is_some() && matches.len() >= SORT_ROWS_MAX {
                return Err(StoreFault::TooLarge);
            }
            if query.sort.is_some() || matches.len() < wanted {
                matches.push(row);
            }
        }
    }
    query.order(&mut matches);
    Ok(Page { rows: matches.into_iter().skip(skip).take(limit).collect(), total })
}

fn row<F: Listed>(connection: &Connection, id: &[u8; 12]) -> Result<Option<Arc<F::Row>>, StoreFault> {
    let mut statement = connection.prepare_cached(F::ROW).map_err(unreadable)?;
    let bytes: Option<Vec<u8>> =
        statement.query_row([id], |row| row.get(0)).optional().map_err(unreadable)?;
    let Some(bytes) = bytes else { return Ok(None) };
    let row = F::decode(&bytes).map_err(undecodable)?;
    // A row under another's id would be listed in its place.
    if F::id(&row) == id { Ok(Some(Arc::new(row))) } else { Err(StoreFault::Damaged) }
}

fn ids_of<F: Listed>(
    connection: &Connection,
    organisation: OrganisationId,
    limit: usize,
) -> Result<Vec<[u8; 12]>, rusqlite::Error> {
    let limit = i64::try_from(limit).unwrap_or(-1);
    let mut statement = connection.prepare_cached(F::IDS)?;
    let ids = statement.query_map((organisation.as_bytes(), limit), |row| row.get(0))?;
    ids.collect()
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

impl Listed for CardField {
    const ROW: &'static str = "SELECT row FROM card WHERE id = ?";
    const IDS: &'static str =
        "SELECT id FROM card_by_organisation WHERE organisation = ? ORDER BY id DESC LIMIT ?";
    const TOTAL: &'static str = "SELECT cards FROM total WHERE organisation = ?";

    fn decode(bytes: &[u8]) -> Result<CardRow, RowFault> {
        CardRow::decode(bytes)
    }

    fn organisation(row: &CardRow) -> OrganisationId {
        row.organisation
    }

    fn id(row: &CardRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error> {
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
        "SELECT id FROM payment_by_organisation WHERE organisation = ? ORDER BY id DESC LIMIT ?";
    const TOTAL: &'static str = "SELECT payments FROM total WHERE organisation = ?";

    fn decode(bytes: &[u8]) -> Result<TransactionRow, RowFault> {
        TransactionRow::decode(bytes)
    }

    fn organisation(row: &TransactionRow) -> OrganisationId {
        row.organisation
    }

    fn id(row: &TransactionRow) -> &[u8; 12] {
        row.id.as_bytes()
    }

    fn indexed(
        query: &Query<Self>,
        connection: &Connection,
    ) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error> {
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
