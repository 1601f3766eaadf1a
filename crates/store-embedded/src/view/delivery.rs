//! Reads of deliveries of webhooks.

use std::sync::Arc;

use panvault_model::{DeliveryId, Id, OrganisationId, Timestamp};
use panvault_store::{DeliveryLane, DeliveryPlace, DeliveryRow, RowKey, StoreFault};
use rusqlite::{Connection, OptionalExtension, Row};

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
    // Two seeks: one of `(organisation, host) > (?, ?)` begins at the lane itself and tests each of its rows.
    let other_host = "SELECT organisation, host FROM delivery_due WHERE organisation = ? AND host > ? \
                      ORDER BY host LIMIT 1";
    let other_organisation = "SELECT organisation, host FROM delivery_due WHERE organisation > ? \
                              ORDER BY organisation, host LIMIT 1";
    let is_due = "SELECT 1 FROM delivery_due WHERE organisation = ? AND host = ? AND due <= ?";
    let mut other_host = connection.prepare_cached(other_host).map_err(unreadable)?;
    let mut other_organisation = connection.prepare_cached(other_organisation).map_err(unreadable)?;
    let mut is_due = connection.prepare_cached(is_due).map_err(unreadable)?;
    let first = DeliveryLane { organisation: OrganisationId::from_bytes([0; 12]), host: String::new() };
    let mut at = after.unwrap_or(first);
    let now = now.unix_millis().cast_signed();
    let mut lanes = Vec::new();
    while lanes.len() < limit {
        let found = other_host.query_row((at.organisation.as_bytes(), &at.host), lane).optional();
        let found = match found.map_err(unreadable)? {
            Some(found) => Some(found),
            None => other_organisation
                .query_row([at.organisation.as_bytes()], lane)
                .optional()
                .map_err(unreadable)?,
        };
        let Some(found) = found else { break };
        at = found;
        if is_due.exists((at.organisation.as_bytes(), &at.host, now)).map_err(unreadable)? {
            lanes.push(at.clone());
        }
    }
    Ok(lanes)
}

fn lane(row: &Row<'_>) -> Result<DeliveryLane, rusqlite::Error> {
    Ok(DeliveryLane { organisation: OrganisationId::from_bytes(row.get(0)?), host: row.get(1)? })
}

/// Where a place is in an index, and the least of all for none.
fn indexed(place: Option<DeliveryPlace>) -> (i64, [u8; 12]) {
    place.map_or((i64::MIN, [0; 12]), |(due, id)| (due.unix_millis().cast_signed(), *id.as_bytes()))
}

pub(crate) fn delivery_due(
    connection: &Connection,
    lane: &DeliveryLane,
    now: Timestamp,
    after: Option<DeliveryPlace>,
    limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT delivery.row FROM delivery_due JOIN delivery USING (id) \
               WHERE organisation = ? AND host = ? AND due <= ? AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?";
    let now = now.unix_millis().cast_signed();
    let (due, id) = indexed(after);
    let parameters = (lane.organisation.as_bytes(), &lane.host, now, due, id, rows(limit));
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

/// One that does not decode is left where it is: those that are behind it are removed all the same, and `panvault doctor` names it.
pub(crate) fn delivery_over(
    connection: &Connection,
    now: Timestamp,
    after: Option<DeliveryPlace>,
    limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    let sql = "SELECT delivery.row FROM delivery_over JOIN delivery USING (id) \
               WHERE due <= ? AND (due, id) > (?, ?) ORDER BY due, id";
    let (due, id) = indexed(after);
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut found = statement.query((now.unix_millis().cast_signed(), due, id)).map_err(unreadable)?;
    let mut over = Vec::new();
    while over.len() < limit {
        let Some(row) = found.next().map_err(unreadable)? else { break };
        let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
        over.extend(DeliveryRow::decode(bytes).map(Arc::new));
    }
    Ok(over)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;
    use std::sync::atomic::{AtomicU64, Ordering};

    use panvault_testkit::conformance::rows::{at, delivery as row, organisation};

    use super::*;
    use crate::view::SCHEMA;

    fn made() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
    }

    /// The bug: a look at what is due took the longer the more waited for one receiver. Its cause: what is behind a lane was sought from its first
    /// row on, and each of its rows held against it. Its cure: a seek to the next host, and else one to the next organisation.
    #[test]
    fn a_lane_is_passed_over_in_as_many_steps_however_much_waits_in_it() {
        let lane = |n, host: &str| DeliveryLane { organisation: organisation(n), host: host.to_owned() };
        let all = [lane(1, "a"), lane(1, "b"), lane(2, "a"), lane(3, "b")];
        let steps = |rows: u64| {
            let mut connection = made();
            for lane in &all {
                for n in 0..rows {
                    let parameters = (lane.organisation.as_bytes(), &lane.host, 5, n.to_be_bytes());
                    connection.execute("INSERT INTO delivery_due VALUES (?, ?, ?, ?)", parameters).unwrap();
                }
            }
            let counted = Shared::new(AtomicU64::new(0));
            let count = Shared::clone(&counted);
            let step = move || {
                count.fetch_add(1, Ordering::Relaxed);
                false
            };
            connection.progress_handler(1, Some(step)).unwrap();
            assert_eq!(delivery_lanes(&connection, at(9), None, 9), Ok(all.to_vec()));
            assert_eq!(delivery_lanes(&connection, at(9), Some(all[0].clone()), 2), Ok(all[1..3].to_vec()));
            counted.load(Ordering::Relaxed)
        };
        let (few, many) = (steps(1), steps(1_000));
        assert!(many <= few + 100, "{few} steps with 1 row in a lane, {many} with 1,000");
    }

    /// The bug: one delivery that could not be read kept all that is over from being removed. Its cause: the first that did not decode ended the
    /// list. Its cure: it is left out.
    #[test]
    fn what_cannot_be_read_keeps_nothing_else_that_is_over() {
        let connection = made();
        for n in 1..=4 {
            let row = row(n, n);
            let mut bytes = Vec::new();
            if n == 2 {
                bytes.push(0xff)
            } else {
                row.encode(&mut bytes)
            }
            let (id, due) = (row.id.as_bytes(), row.due_at.unix_millis().cast_signed());
            connection.execute("INSERT INTO delivery VALUES (?, ?)", (id, bytes)).unwrap();
            connection.execute("INSERT INTO delivery_over VALUES (?, ?)", (due, id)).unwrap();
        }
        let over = |after, limit| {
            let over = delivery_over(&connection, at(9), after, limit).unwrap();
            over.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(over(None, 9), [1, 3, 4].map(|n| row(n, n).id));
        assert_eq!(over(None, 2), [1, 3].map(|n| row(n, n).id));
        assert_eq!(over(Some(row(3, 3).place()), 9), [row(4, 4).id]);
    }
}
