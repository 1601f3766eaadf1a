//! Rows as they are read: decoded from their bytes, and held against the columns by which they were found; and parts of statements.

use core::time::Duration;

use panvault_store::{Chain, Row, RowFault, RowKey, StoreFault, Table};
use tokio_postgres::types::{ToSql, Type};

use crate::table::{self, Kind, Value};

/// The columns of a table as a statement names them, for [`row`].
pub(crate) fn selected(table: Table) -> String {
    let names: Vec<&str> = table::columns(table).iter().map(|(name, _)| *name).collect();
    format!("SELECT {} FROM {}", names.join(", "), table::name(table))
}

/// The row in what a statement that begins with [`selected`] gave. A column that does not say what the row says was changed from outside, and
/// makes it damaged: it would be found where it is not to be.
pub(crate) fn row(table: Table, chain: &dyn Chain, found: &tokio_postgres::Row) -> Result<Row, StoreFault> {
    let columns = table::columns(table);
    let [clear @ .., _] = columns else { return Err(UNREADABLE) };
    let id: &[u8] = found.try_get(0).map_err(|_| UNREADABLE)?;
    let bytes: &[u8] = found.try_get(clear.len()).map_err(|_| UNREADABLE)?;
    let key = RowKey::decode(table, id).ok();
    let row = Row::decode(table, bytes).map_err(|fault| StoreFault::Damaged { row: key, fault })?;
    for (at, ((_, kind), value)) in clear.iter().zip(table::clear(&row, chain)).enumerate() {
        let is_same = match kind {
            Kind::Int => {
                let found: Option<i64> = found.try_get(at).map_err(|_| UNREADABLE)?;
                found.map_or(Value::None, Value::Int) == value
            }
            Kind::Bytes => match (found.try_get::<_, Option<&[u8]>>(at).map_err(|_| UNREADABLE)?, &value) {
                (Some(found), Value::Bytes(value)) => found == value.as_slice(),
                (None, Value::None) => true,
                (Some(_), Value::Int(_) | Value::None) | (None, Value::Int(_) | Value::Bytes(_)) => false,
            },
        };
        if !is_same {
            return Err(StoreFault::Damaged { row: key, fault: RowFault::Misplaced });
        }
    }
    Ok(row)
}

/// A condition of a statement that is always met, has it committed durably, and lets it wait for what another holds for so long and no longer: then it is undone
/// (55P03). Without that, one whose connection is given up would wait on in the database, for as long as the other does. It ends with the transaction.
pub(crate) fn guarded(time: Duration) -> String {
    format!("set_config('lock_timeout', '{}', true) <> '' AND {DURABLE}", time.as_millis())
}

/// A condition of a statement that is always met: its commit is flushed before it is acknowledged, whatever is set for the user, the database or the server since
/// the node started. What nobody can set for one transaction is looked at, and fails it (22023): the text is not a value of that setting.
pub(crate) const DURABLE: &str = "set_config('synchronous_commit', CASE \
    WHEN current_setting('fsync') = 'off' THEN 'fsync is off' \
    WHEN current_setting('synchronous_commit') = 'off' THEN 'on' \
    ELSE current_setting('synchronous_commit') END, true) <> ''";

/// A column is not of the type that the migrations gave it.
pub(crate) const UNREADABLE: StoreFault = StoreFault::Read("a column of the database is not of its type");

/// A value of a statement.
pub(crate) enum Argument<'a> {
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Ints(&'a [i64]),
    BytesOf(&'a [Vec<u8>]),
}

impl Argument<'_> {
    /// With its type, so that the database need not be asked what it takes.
    pub(crate) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Int(value) => (value, Type::INT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::Ints(values) => (values, Type::INT8_ARRAY),
            Self::BytesOf(values) => (values, Type::BYTEA_ARRAY),
        }
    }
}

/// The number that a value is.
pub(crate) const fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bytes(_) | Value::None => None,
    }
}

/// The bytes that it is.
pub(crate) const fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes.as_slice()),
        Value::Int(_) | Value::None => None,
    }
}

/// A number of rows.
pub(crate) fn limit(rows: usize) -> Argument<'static> {
    Argument::Int(i64::try_from(rows).unwrap_or(i64::MAX))
}
