//! Reads of checkouts.

use std::sync::Arc;

use panvault_model::{CheckoutId, Timestamp};
use panvault_store::{CheckoutRow, RowKey, StoreFault};
use rusqlite::Connection;

use crate::view::read::{one, unreadable};

pub(crate) fn checkout(
    connection: &Connection,
    id: CheckoutId,
) -> Result<Option<Arc<CheckoutRow>>, StoreFault> {
    let sql = "SELECT row FROM checkout WHERE id = ?";
    one(connection, RowKey::Checkout(id), sql, [id.as_bytes()], |bytes| {
        CheckoutRow::decode(bytes).map(Arc::new)
    })
}

/// One that does not decode is left where it is: those behind it are removed all the same, and `panvault doctor` names it.
pub(crate) fn checkout_over(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Arc<CheckoutRow>>, StoreFault> {
    let sql = "SELECT row FROM checkout WHERE remove_at <= ? ORDER BY remove_at, id";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut found = statement.query([now.unix_millis().cast_signed()]).map_err(unreadable)?;
    let mut over = Vec::new();
    while over.len() < limit {
        let Some(row) = found.next().map_err(unreadable)? else { break };
        let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
        over.extend(CheckoutRow::decode(bytes).map(Arc::new));
    }
    Ok(over)
}
