use std::sync::Arc;

use panvault_model::{ApiKeyId, CardId, CustomerId, Id, NodeId, RefundId, Timestamp, TransactionId};
use panvault_store::decide::Standing;
use panvault_store::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardRow, CustomerRow, DocumentKind, DocumentRow, HistoryRow,
    IdempotencyKey, IdempotencyRow, NodeRow, RefundRow, RowFault, RowKey, StoreFault, TransactionRow,
};
use rusqlite::{Connection, ErrorCode, Params};

use crate::overlay::LargestIds;
use crate::view::checkout::checkout;
use crate::view::delivery::delivery;
use crate::view::notes::unpack;

/// One row, decoded.
pub(super) fn one<T>(
    connection: &Connection,
    key: RowKey,
    sql: &str,
    parameters: impl Params,
    decode: impl FnOnce(&[u8]) -> Result<T, RowFault>,
) -> Result<Option<T>, StoreFault> {
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut rows = statement.query(parameters).map_err(unreadable)?;
    match rows.next().map_err(unreadable)? {
        Some(row) => {
            let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
            decode(bytes).map(Some).map_err(damaged(key))
        }
        None => Ok(None),
    }
}

/// Rows, decoded.
pub(super) fn many<T>(
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
        found.push(decode(bytes).map_err(one_damaged)?);
    }
    Ok(found)
}

/// A number of rows as SQL takes it.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// What kept SQLite from reading. Its own words may come with values; these are those of its code. Only a list that takes too long is
/// interrupted.
pub(crate) fn unreadable(error: rusqlite::Error) -> StoreFault {
    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        return StoreFault::TimedOut;
    }
    let code = error.sqlite_error().map(|error| error.extended_code);
    StoreFault::Read(code.map_or("a column of the view is not of its type", rusqlite::ffi::code_to_str))
}

/// Bytes of one row.
const fn damaged(row: RowKey) -> impl Fn(RowFault) -> StoreFault {
    move |fault| StoreFault::Damaged { row: Some(row), fault }
}

/// Bytes of one of many.
const fn one_damaged(fault: RowFault) -> StoreFault {
    StoreFault::Damaged { row: None, fault }
}

pub(crate) fn card(connection: &Connection, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
    one(connection, RowKey::Card(id), "SELECT row FROM card WHERE id = ?", [id.as_bytes()], |bytes| {
        CardRow::decode_under_id(id.as_bytes(), bytes).map(Arc::new)
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
        let (id, bytes) = (blob(0)?, blob(1)?);
        let key = id.try_into().ok().map(|id| RowKey::Card(CardId::from_bytes(id)));
        let row =
            CardRow::decode_under_id(id, bytes).map_err(|fault| StoreFault::Damaged { row: key, fault })?;
        page.push(Arc::new(row));
    }
    Ok(page)
}

pub(crate) fn transaction(
    connection: &Connection,
    id: TransactionId,
) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
    one(
        connection,
        RowKey::Transaction(id),
        "SELECT row FROM payment WHERE id = ?",
        [id.as_bytes()],
        |bytes| TransactionRow::decode(bytes).map(Arc::new),
    )
}

/// The largest ids that it has.
pub(crate) fn largest(connection: &Connection) -> Result<LargestIds, rusqlite::Error> {
    let id = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<[u8; 12]>>(0));
    Ok(LargestIds {
        card: id("SELECT max(id) FROM card")?.map(CardId::from_bytes),
        transaction: id("SELECT max(id) FROM payment")?.map(TransactionId::from_bytes),
    })
}

pub(crate) fn idempotency(
    connection: &Connection,
    key: IdempotencyKey,
) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
    one(connection, RowKey::Idempotency(key), "SELECT row FROM idempotency WHERE key = ?", [key.0], |bytes| {
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
            one(connection, key, sql, (id.as_bytes(), version), |_| Ok(of(version, None)))
        }
        RowKey::Document(kind, id) => {
            let sql = "SELECT row FROM document WHERE kind = ? AND id = ?";
            one(connection, key, sql, (kind.code(), id.as_bytes()), |bytes| {
                DocumentRow::decode(bytes).map(|row| of(row.version, None))
            })
        }
        RowKey::Idempotency(key) => Ok(idempotency(connection, key)?.map(|row| of(row.version(), None))),
        RowKey::CardCvv(id) => Ok(card_cvv(connection, id)?.map(|row| of(row.version, None))),
        RowKey::Node(id) => {
            one(connection, key, "SELECT row FROM node WHERE id = ?", [id.as_bytes()], |bytes| {
                NodeRow::decode(bytes).map(|row| of(row.version, None))
            })
        }
        RowKey::Refund(id) => Ok(refund(connection, id)?.map(|row| of(row.version, Some(row.organisation)))),
        RowKey::Customer(id) => {
            Ok(customer(connection, id)?.map(|row| of(row.version, Some(row.organisation))))
        }
        RowKey::Checkout(id) => {
            Ok(checkout(connection, id)?.map(|row| of(row.version, Some(row.organisation))))
        }
        RowKey::Delivery(id) => {
            Ok(delivery(connection, id)?.map(|row| of(row.version, Some(row.organisation))))
        }
        RowKey::ApiKeyUse(id) => Ok(api_key_use(connection, id)?.map(|row| of(row.version(), None))),
    }
}

pub(crate) fn card_cvv(connection: &Connection, card: CardId) -> Result<Option<Arc<CardCvvRow>>, StoreFault> {
    one(
        connection,
        RowKey::CardCvv(card),
        "SELECT row FROM card_cvv WHERE card = ?",
        [card.as_bytes()],
        |bytes| CardCvvRow::decode(bytes).map(Arc::new),
    )
}

pub(crate) fn api_key_use(
    connection: &Connection,
    key: ApiKeyId,
) -> Result<Option<Arc<ApiKeyUseRow>>, StoreFault> {
    let sql = "SELECT row FROM apikey_use WHERE id = ?";
    one(connection, RowKey::ApiKeyUse(key), sql, [key.as_bytes()], |bytes| {
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

pub(crate) fn document(
    connection: &Connection,
    (kind, id): (DocumentKind, Id),
) -> Result<Option<Arc<DocumentRow>>, StoreFault> {
    let sql = "SELECT row FROM document WHERE kind = ? AND id = ?";
    let key = (kind.code(), id.as_bytes());
    one(connection, RowKey::Document(kind, id), sql, key, |bytes| DocumentRow::decode(bytes).map(Arc::new))
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

pub(crate) fn refund(connection: &Connection, id: RefundId) -> Result<Option<Arc<RefundRow>>, StoreFault> {
    one(connection, RowKey::Refund(id), "SELECT row FROM refund WHERE id = ?", [id.as_bytes()], |bytes| {
        RefundRow::decode(bytes).map(Arc::new)
    })
}

pub(crate) fn customer(
    connection: &Connection,
    id: CustomerId,
) -> Result<Option<Arc<CustomerRow>>, StoreFault> {
    one(connection, RowKey::Customer(id), "SELECT row FROM customer WHERE id = ?", [id.as_bytes()], |bytes| {
        CustomerRow::decode(bytes).map(Arc::new)
    })
}

pub(crate) fn open_refunds(connection: &Connection) -> Result<Vec<Arc<RefundRow>>, StoreFault> {
    let sql = "SELECT refund.row FROM refund_open JOIN refund USING (id) ORDER BY id";
    many(connection, sql, [], |bytes| RefundRow::decode(bytes).map(Arc::new))
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
        let notes = unpack(notes).map_err(one_damaged)?;
        let records_of_frame =
            (sequence.cast_unsigned()..).zip(notes).filter(|(sequence, _)| *sequence >= first);
        let room = limit - records.len();
        records.extend(records_of_frame.take(room).map(|(place, note)| AuditRecord { writer, place, note }));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use panvault_testkit::conformance::rows::{VAULT, chain};

    use super::*;
    use crate::view::{self, Access};

    /// What was damaged was said on a log line of its own, and whoever had asked said only that something was.
    #[test]
    fn damage_names_its_row_and_a_failed_read_its_cause() {
        let directory = tempfile::tempdir().unwrap();
        let held = panvault_directory::Directory::open(directory.path()).unwrap();
        view::create(&held, VAULT, chain(VAULT).as_ref()).unwrap();
        let view = view::connect(&held, Access::Write, 1024).unwrap();
        let (kept, id) = (CardId::from_bytes([3; 12]), CardId::from_bytes([4; 12]));
        view.execute("INSERT INTO card VALUES (?, x'ff')", [id.as_bytes()]).unwrap();
        let damaged = StoreFault::Damaged { row: Some(RowKey::Card(id)), fault: RowFault::Value };
        assert_eq!(card(&view, id), Err(damaged));
        assert_eq!(card_page(&view, kept, 10), Err(damaged));
        assert_eq!(standing(&view, RowKey::Card(id)), Err(damaged));
        assert_eq!(RowKey::Card(id).to_string(), "card 040404040404040404040404");

        view.execute_batch("DROP TABLE node").unwrap();
        let Err(StoreFault::Read(cause)) = nodes(&view) else { panic!("read what is not there") };
        assert!(cause.contains("SQL"), "{cause}");
    }
}
