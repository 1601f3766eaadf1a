use std::sync::Arc;

use panvault_model::{CardId, Id, Timestamp, TransactionId};
use panvault_store::{
    AuditRecord, CardRow, DocumentKind, DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow, RowFault,
    StoreFault, TransactionRow,
};
use rusqlite::{Connection, OptionalExtension, Params};

use crate::overlay::Largest;
use crate::view::cards;
use crate::view::notes::unpack;

/// One row, decoded.
fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    decode: impl FnOnce(&[u8]) -> Result<T, RowFault>,
) -> Result<Option<T>, StoreFault> {
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut rows = statement.query(parameters).map_err(unreadable)?;
    match rows.next().map_err(unreadable)? {
        Some(row) => {
            let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
            decode(bytes).map(Some).map_err(undecodable)
        }
        None => Ok(None),
    }
}

/// Rows, decoded.
fn many<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    decode: impl Fn(&[u8]) -> Result<T, RowFault>,
) -> Result<Vec<T>, StoreFault> {
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut rows = statement.query(parameters).map_err(unreadable)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(unreadable)? {
        let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
        found.push(decode(bytes).map_err(undecodable)?);
    }
    Ok(found)
}

/// A number of rows as SQL takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn unreadable(error: rusqlite::Error) -> StoreFault {
    tracing::error!(%error, advice = "run panvault doctor", "view.unreadable");
    StoreFault::Read
}

pub(super) fn undecodable(fault: RowFault) -> StoreFault {
    tracing::error!(%fault, advice = "run panvault doctor", "view.damaged");
    StoreFault::Damaged
}

pub(crate) fn card(connection: &Connection, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
    one(connection, "SELECT row FROM card WHERE id = ?", [id.as_bytes()], |bytes| {
        cards::decode(id.as_bytes(), bytes).map(Arc::new)
    })
}

/// Cards behind an id, in the order of ids.
pub(crate) fn card_page(
    connection: &Connection,
    after: CardId,
    limit: usize,
) -> Result<Vec<Arc<CardRow>>, StoreFault> {
    let mut statement = connection
        .prepare_cached("SELECT id, row FROM card WHERE id > ? ORDER BY id LIMIT ?")
        .map_err(unreadable)?;
    let mut found = statement.query((after.as_bytes(), rows(limit))).map_err(unreadable)?;
    let mut page = Vec::new();
    while let Some(row) = found.next().map_err(unreadable)? {
        let blob = |column| row.get_ref(column).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable);
        page.push(Arc::new(cards::decode(blob(0)?, blob(1)?).map_err(undecodable)?));
    }
    Ok(page)
}

pub(crate) fn transaction(
    connection: &Connection,
    id: TransactionId,
) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
    one(connection, "SELECT row FROM payment WHERE id = ?", [id.as_bytes()], |bytes| {
        TransactionRow::decode(bytes).map(Arc::new)
    })
}

/// The largest ids that it has.
pub(crate) fn largest(connection: &Connection) -> Result<Largest, rusqlite::Error> {
    let id = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<[u8; 12]>>(0));
    Ok(Largest {
        card: id("SELECT max(id) FROM card")?.map(CardId::from_bytes),
        transaction: id("SELECT max(id) FROM payment")?.map(TransactionId::from_bytes),
    })
}

pub(crate) fn idempotency(
    connection: &Connection,
    key: IdempotencyKey,
) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
    one(connection, "SELECT row FROM idempotency WHERE key = ?", [key.0], |bytes| {
        IdempotencyRow::decode(bytes).map(Box::new)
    })
}

pub(crate) fn document_version(
    connection: &Connection,
    kind: DocumentKind,
    id: Id,
) -> Result<Option<u32>, StoreFault> {
    let sql = "SELECT version FROM document WHERE kind = ? AND id = ?";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    statement.query_row((kind.code(), id.as_bytes()), |row| row.get(0)).optional().map_err(unreadable)
}

pub(crate) fn idempotency_expired(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<IdempotencyKey>, StoreFault> {
    let sql = "SELECT row FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
    let now = now.unix_millis().cast_signed();
    many(connection, sql, (now, rows(limit)), |bytes| IdempotencyRow::decode(bytes).map(|row| row.key))
}

pub(crate) fn documents(connection: &Connection) -> Result<Vec<DocumentRow>, StoreFault> {
    many(connection, "SELECT row FROM document ORDER BY kind, id", [], DocumentRow::decode)
}

pub(crate) fn history(connection: &Connection, id: TransactionId) -> Result<Vec<HistoryRow>, StoreFault> {
    let sql = "SELECT row FROM history WHERE payment = ? ORDER BY version DESC";
    many(connection, sql, [id.as_bytes()], HistoryRow::decode)
}

pub(crate) fn open_transactions(connection: &Connection) -> Result<Vec<Arc<TransactionRow>>, StoreFault> {
    let sql = "SELECT payment.row FROM payment_open JOIN payment USING (id) ORDER BY id";
    many(connection, sql, [], |bytes| TransactionRow::decode(bytes).map(Arc::new))
}

pub(crate) fn audit(
    connection: &Connection,
    first: u64,
    limit: usize,
) -> Result<Vec<AuditRecord>, StoreFault> {
    let Ok(from) = i64::try_from(first) else { return Ok(Vec::new()) };
    // The frame that has the first note, and those after it.
    let sql = "SELECT first_sequence, notes FROM chain WHERE first_sequence >= coalesce( \
               (SELECT max(first_sequence) FROM chain WHERE first_sequence <= ?), 0) ORDER BY first_sequence";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut frames = statement.query([from]).map_err(unreadable)?;
    let mut records = Vec::new();
    while records.len() < limit
        && let Some(frame) = frames.next().map_err(unreadable)?
    {
        let sequence: i64 = frame.get(0).map_err(unreadable)?;
        let notes = frame.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
        let notes = unpack(notes).map_err(undecodable)?;
        let records_of_frame =
            (sequence.cast_unsigned()..).zip(notes).filter(|(sequence, _)| *sequence >= first);
        let room = limit - records.len();
        records.extend(records_of_frame.take(room).map(|(sequence, note)| AuditRecord { sequence, note }));
    }
    Ok(records)
}
