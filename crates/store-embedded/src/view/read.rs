use std::sync::Arc;

use panvault_model::{ApiKeyId, CardId, NodeId, Timestamp, TransactionId};
use panvault_store::decide::Standing;
use panvault_store::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardRow, DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow,
    NodeRow, RowFault, RowKey, StoreFault, TransactionRow,
};
use rusqlite::{Connection, Params};

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

/// A row as far as an expectation can ask of it.
pub(crate) fn standing(connection: &Connection, key: RowKey) -> Result<Option<Standing>, StoreFault> {
    let of = |version, organisation| Standing { version, organisation };
    match key {
        RowKey::Card(id) => Ok(card(connection, id)?.map(|row| of(row.version, Some(row.organisation)))),
        RowKey::Transaction(id) => {
            Ok(transaction(connection, id)?.map(|row| of(row.version, Some(row.organisation))))
        }
        RowKey::History(id, version) => {
            let sql = "SELECT row FROM history WHERE payment = ? AND version = ?";
            one(connection, sql, (id.as_bytes(), version), |_| Ok(of(version, None)))
        }
        RowKey::Document(kind, id) => {
            let sql = "SELECT row FROM document WHERE kind = ? AND id = ?";
            one(connection, sql, (kind.code(), id.as_bytes()), |bytes| {
                DocumentRow::decode(bytes).map(|row| of(row.version, None))
            })
        }
        RowKey::Idempotency(key) => Ok(idempotency(connection, key)?.map(|row| of(row.version(), None))),
        RowKey::CardCvv(id) => Ok(card_cvv(connection, id)?.map(|row| of(row.version, None))),
        RowKey::Node(id) => one(connection, "SELECT row FROM node WHERE id = ?", [id.as_bytes()], |bytes| {
            NodeRow::decode(bytes).map(|row| of(row.version, None))
        }),
        RowKey::ApiKeyUse(id) => Ok(api_key_use(connection, id)?.map(|row| of(row.version(), None))),
    }
}

pub(crate) fn card_cvv(connection: &Connection, card: CardId) -> Result<Option<Arc<CardCvvRow>>, StoreFault> {
    one(connection, "SELECT row FROM card_cvv WHERE card = ?", [card.as_bytes()], |bytes| {
        CardCvvRow::decode(bytes).map(Arc::new)
    })
}

pub(crate) fn api_key_use(
    connection: &Connection,
    key: ApiKeyId,
) -> Result<Option<Arc<ApiKeyUseRow>>, StoreFault> {
    one(connection, "SELECT row FROM apikey_use WHERE id = ?", [key.as_bytes()], |bytes| {
        ApiKeyUseRow::decode(bytes).map(Arc::new)
    })
}

pub(crate) fn card_cvv_expired(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Arc<CardCvvRow>>, StoreFault> {
    let sql = "SELECT row FROM card_cvv WHERE cvv_until <= ? ORDER BY cvv_until LIMIT ?";
    let now = now.unix_millis().cast_signed();
    many(connection, sql, (now, rows(limit)), |bytes| CardCvvRow::decode(bytes).map(Arc::new))
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

pub(crate) fn nodes(connection: &Connection) -> Result<Vec<Arc<NodeRow>>, StoreFault> {
    many(connection, "SELECT row FROM node ORDER BY id", [], |bytes| NodeRow::decode(bytes).map(Arc::new))
}

pub(crate) fn documents(connection: &Connection) -> Result<Vec<Arc<DocumentRow>>, StoreFault> {
    many(connection, "SELECT row FROM document ORDER BY kind, id", [], |bytes| {
        DocumentRow::decode(bytes).map(Arc::new)
    })
}

pub(crate) fn history(
    connection: &Connection,
    id: TransactionId,
) -> Result<Vec<Arc<HistoryRow>>, StoreFault> {
    let sql = "SELECT row FROM history WHERE payment = ? ORDER BY version DESC";
    many(connection, sql, [id.as_bytes()], |bytes| HistoryRow::decode(bytes).map(Arc::new))
}

pub(crate) fn open_transactions(connection: &Connection) -> Result<Vec<Arc<TransactionRow>>, StoreFault> {
    let sql = "SELECT payment.row FROM payment_open JOIN payment USING (id) ORDER BY id";
    many(connection, sql, [], |bytes| TransactionRow::decode(bytes).map(Arc::new))
}

pub(crate) fn audit(
    connection: &Connection,
    writer: NodeId,
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
        records.extend(records_of_frame.take(room).map(|(place, note)| AuditRecord { writer, place, note }));
    }
    Ok(records)
}
