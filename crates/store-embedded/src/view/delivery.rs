//! Reads of deliveries of webhooks.

use std::sync::Arc;

use panvault_model::{DeliveryId, Id, OrganisationId, Timestamp};
use panvault_store::{DeliveryLane, DeliveryRow, RowKey, StoreFault};
use rusqlite::Connection;

use crate::view::read::{many, one, rows, unreadable};

pub(crate) fn delivery(
    connection: &Connection,
    id: DeliveryId,
) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT row FROM delivery WHERE id = ?";
    one(connection, RowKey::Delivery(id), sql, [id.as_bytes()], |bytes| {
        DeliveryRow::decode(bytes).map(Arc::new)
    })
}

/// Lanes behind one, in their order, in which something is due. Costs two look-ups for each lane, however much waits in it.
pub(crate) fn delivery_lanes(
    connection: &Connection,
    now: Timestamp,
    after: Option<DeliveryLane>,
    limit: usize,
) -> Result<Vec<DeliveryLane>, StoreFault> {
    let next = "SELECT organisation, host FROM delivery_due WHERE (organisation, host) > (?, ?) \
                ORDER BY organisation, host LIMIT 1";
    let is_due = "SELECT 1 FROM delivery_due WHERE organisation = ? AND host = ? AND due <= ?";
    let mut next = connection.prepare_cached(next).map_err(unreadable)?;
    let mut is_due = connection.prepare_cached(is_due).map_err(unreadable)?;
    let first = DeliveryLane { organisation: OrganisationId::from_bytes([0; 12]), host: String::new() };
    let mut at = after.unwrap_or(first);
    let now = now.unix_millis().cast_signed();
    let mut lanes = Vec::new();
    while lanes.len() < limit {
        let mut found = next.query((at.organisation.as_bytes(), &at.host)).map_err(unreadable)?;
        let Some(row) = found.next().map_err(unreadable)? else { break };
        let organisation = OrganisationId::from_bytes(row.get(0).map_err(unreadable)?);
        at = DeliveryLane { organisation, host: row.get(1).map_err(unreadable)? };
        if is_due.exists((at.organisation.as_bytes(), &at.host, now)).map_err(unreadable)? {
            lanes.push(at.clone());
        }
    }
    Ok(lanes)
}

pub(crate) fn delivery_due(
    connection: &Connection,
    lane: &DeliveryLane,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT delivery.row FROM delivery_due JOIN delivery USING (id) \
               WHERE organisation = ? AND host = ? AND due <= ? ORDER BY due, id LIMIT ?";
    let now = now.unix_millis().cast_signed();
    let parameters = (lane.organisation.as_bytes(), &lane.host, now, rows(limit));
    many(connection, sql, parameters, |bytes| DeliveryRow::decode(bytes).map(Arc::new))
}

pub(crate) fn delivery_first(
    connection: &Connection,
    object: Id,
) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT delivery.row FROM delivery_waiting JOIN delivery USING (id) \
               WHERE object = ? ORDER BY version, id LIMIT 1";
    let first = many(connection, sql, [object.as_bytes()], |bytes| DeliveryRow::decode(bytes).map(Arc::new));
    Ok(first?.pop())
}

pub(crate) fn delivery_waiting(connection: &Connection) -> Result<u64, StoreFault> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM delivery_waiting")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(unreadable)?;
    Ok(count.cast_unsigned())
}

pub(crate) fn delivery_over(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT delivery.row FROM delivery_over JOIN delivery USING (id) \
               WHERE due <= ? ORDER BY due, id LIMIT ?";
    let now = now.unix_millis().cast_signed();
    many(connection, sql, (now, rows(limit)), |bytes| DeliveryRow::decode(bytes).map(Arc::new))
}
