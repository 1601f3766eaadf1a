//! The rows of a table, one after the other.

use panvault_store::{CardRow, Row, RowFault, RowKey, StoreFault, Table};
use rusqlite::{Connection, OptionalExtension};

use crate::view::read::{rows, unreadable};

/// A table as it is gone through: the columns of its key, in the order of its primary key, come before `row`.
struct Paged {
    name: &'static str,
    keys: &'static [&'static str],
}

const fn paged(table: Table) -> Paged {
    let (name, keys): (_, &[&str]) = match table {
        Table::Card => ("card", &["id"]),
        // `transaction` is a word of SQL.
        Table::Transaction => ("payment", &["id"]),
        Table::History => ("history", &["payment", "version"]),
        Table::Document => ("document", &["kind", "id"]),
        Table::Idempotency => ("idempotency", &["key"]),
        Table::CardCvv => ("card_cvv", &["card"]),
        Table::Node => ("node", &["id"]),
        Table::ApiKeyUse => ("apikey_use", &["id"]),
        Table::Refund => ("refund", &["id"]),
        Table::Customer => ("customer", &["id"]),
        Table::Delivery => ("delivery", &["id"]),
        Table::Checkout => ("checkout", &["id"]),
    };
    Paged { name, keys }
}

impl Paged {
    /// The columns of the key, and as many places for values.
    fn key(&self) -> (String, String) {
        (self.keys.join(", "), vec!["?"; self.keys.len()].join(", "))
    }
}

/// Rows behind a key, in the order of keys.
pub(crate) fn row_page(
    view: &Connection,
    table: Table,
    after: Option<RowKey>,
    limit: usize,
) -> Result<Vec<Row>, StoreFault> {
    let paged = paged(table);
    let (columns, places) = paged.key();
    let which = if after.is_some() { format!("WHERE ({columns}) > ({places})") } else { String::new() };
    let sql = format!("SELECT {columns}, row FROM {} {which} ORDER BY {columns} LIMIT ?", paged.name);
    let mut statement = view.prepare_cached(&sql).map_err(unreadable)?;
    let mut at = 1;
    if let Some(after) = after {
        at = bind(&mut statement, after).map_err(unreadable)?;
    }
    statement.raw_bind_parameter(at, rows(limit)).map_err(unreadable)?;
    let mut found = statement.raw_query();
    let mut page = Vec::new();
    while let Some(row) = found.next().map_err(unreadable)? {
        let key = key_of(table, row).map_err(unreadable)?;
        let bytes = row.get_ref(paged.keys.len()).and_then(|value| Ok(value.as_blob()?));
        let bytes = bytes.map_err(unreadable)?;
        let decoded = match key {
            Some(RowKey::Card(id)) => CardRow::decode_under_id(id.as_bytes(), bytes).map(Row::from),
            Some(_) | None => Row::decode(table, bytes),
        };
        // One that lies under the key of another would be found there.
        let row =
            decoded.and_then(|row| if Some(row.key()) == key { Ok(row) } else { Err(RowFault::Misplaced) });
        page.push(row.map_err(|fault| StoreFault::Damaged { row: key, fault })?);
    }
    Ok(page)
}

/// The last key of a table, if it has any row.
pub(crate) fn last_key(view: &Connection, table: Table) -> Result<Option<RowKey>, rusqlite::Error> {
    let paged = paged(table);
    let backwards: Vec<String> = paged.keys.iter().map(|column| format!("{column} DESC")).collect();
    let (columns, _) = paged.key();
    let sql = format!("SELECT {columns} FROM {} ORDER BY {} LIMIT 1", paged.name, backwards.join(", "));
    Ok(view.query_row(&sql, [], |row| key_of(table, row)).optional()?.flatten())
}

/// Binds the columns of a key, and says where the next value goes.
fn bind(statement: &mut rusqlite::Statement<'_>, key: RowKey) -> Result<usize, rusqlite::Error> {
    let mut bytes = Vec::with_capacity(16);
    key.encode(&mut bytes);
    match key {
        RowKey::History(transaction, version) => {
            statement.raw_bind_parameter(1, transaction.as_bytes())?;
            statement.raw_bind_parameter(2, version)?;
            Ok(3)
        }
        RowKey::Document(kind, id) => {
            statement.raw_bind_parameter(1, kind.code())?;
            statement.raw_bind_parameter(2, id.as_bytes())?;
            Ok(3)
        }
        RowKey::Card(_)
        | RowKey::Transaction(_)
        | RowKey::Idempotency(_)
        | RowKey::CardCvv(_)
        | RowKey::Node(_)
        | RowKey::ApiKeyUse(_)
        | RowKey::Refund(_)
        | RowKey::Customer(_)
        | RowKey::Delivery(_)
        | RowKey::Checkout(_) => {
            statement.raw_bind_parameter(1, bytes)?;
            Ok(2)
        }
    }
}

/// The key of a row, by the columns of it; `None` for one that no row has.
fn key_of(table: Table, row: &rusqlite::Row<'_>) -> Result<Option<RowKey>, rusqlite::Error> {
    let blob = |column| -> Result<Vec<u8>, rusqlite::Error> { Ok(row.get_ref(column)?.as_blob()?.to_vec()) };
    let bytes = match table {
        Table::History => {
            let mut bytes = blob(0)?;
            bytes.extend(row.get::<_, u32>(1)?.to_be_bytes());
            bytes
        }
        Table::Document => {
            let mut bytes = vec![row.get::<_, u8>(0)?];
            bytes.extend(blob(1)?);
            bytes
        }
        Table::Card
        | Table::Transaction
        | Table::Idempotency
        | Table::CardCvv
        | Table::Node
        | Table::ApiKeyUse
        | Table::Refund
        | Table::Customer
        | Table::Delivery
        | Table::Checkout => blob(0)?,
    };
    Ok(RowKey::decode(table, &bytes).ok())
}
