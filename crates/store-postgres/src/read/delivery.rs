//! Reads of deliveries of webhooks.

use std::sync::Arc;

use panvault_model::{DeliveryId, Id, OrganisationId, Timestamp};
use panvault_store::{DeliveryLane, DeliveryPlace, DeliveryRow, RowKey, StoreFault, Table};

use crate::read::{Reads, moment, of};
use crate::row::{self, Argument, UNREADABLE, limit};
use crate::table;

/// From one lane to the next by the index: two look-ups for each, however much waits in it.
const LANES: &str = "\
    WITH RECURSIVE lane (organisation, host) AS (
        (SELECT organisation, host FROM delivery WHERE waiting = 1 AND (organisation, host) > ($1, $2)
            ORDER BY organisation, host LIMIT 1)
        UNION ALL
        SELECT next.organisation, next.host FROM lane, LATERAL (
            SELECT delivery.organisation, delivery.host FROM delivery
            WHERE waiting = 1 AND (delivery.organisation, delivery.host) > (lane.organisation, lane.host)
            ORDER BY delivery.organisation, delivery.host LIMIT 1
        ) AS next
    )
    SELECT lane.organisation, lane.host FROM lane
    WHERE EXISTS (SELECT 1 FROM delivery WHERE waiting = 1 AND delivery.organisation = lane.organisation
        AND delivery.host = lane.host AND due_at <= $3)
    LIMIT $4";

impl Reads {
    pub(crate) async fn delivery_read(&self, id: DeliveryId) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
        self.one(RowKey::Delivery(id), of!(Delivery)).await
    }

    pub(crate) async fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        lanes: usize,
    ) -> Result<Vec<DeliveryLane>, StoreFault> {
        let (organisation, host): (&[u8], &[u8]) = match &after {
            Some(lane) => (lane.organisation.as_bytes(), lane.host.as_bytes()),
            // Before every lane.
            None => (&[], &[]),
        };
        let behind = [Argument::Bytes(organisation), Argument::Bytes(host), moment(now), limit(lanes)];
        let found = self.query(LANES, &behind).await?;
        // One that cannot be read is of no delivery that can, and keeps no other waiting.
        let mut lanes: Vec<_> = found.iter().filter_map(|found| lane(found).ok()).collect();
        lanes.sort_unstable();
        Ok(lanes)
    }

    pub(crate) async fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        rows: usize,
    ) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
        let which = "WHERE waiting = 1 AND due_at <= $1 AND (due_at, id) > ($2, $3) AND organisation = $5 AND host = $6 \
                     ORDER BY due_at, id LIMIT $4";
        let lane = [Argument::Bytes(lane.organisation.as_bytes()), Argument::Bytes(lane.host.as_bytes())];
        self.delivery_page(which, &lane, now, after, rows).await
    }

    pub(crate) async fn delivery_first(&self, object: Id) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
        let which = "WHERE waiting = 1 AND object = $1 ORDER BY object_version, id LIMIT 1";
        let object = [Argument::Bytes(object.as_bytes())];
        let first = self.many(Table::Delivery, which, &object, of!(Delivery)).await?;
        Ok(first.into_iter().next())
    }

    pub(crate) async fn delivery_waiting(&self) -> Result<u64, StoreFault> {
        self.number("SELECT count(*) FROM delivery WHERE waiting = 1", &[]).await
    }

    pub(crate) async fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        rows: usize,
    ) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
        let which =
            "WHERE waiting = 0 AND due_at <= $1 AND (due_at, id) > ($2, $3) ORDER BY due_at, id LIMIT $4";
        self.delivery_page(which, &[], now, after, rows).await
    }

    /// One that is damaged is left where it is, and those behind it are found all the same.
    async fn delivery_page(
        &self,
        which: &str,
        further: &[Argument<'_>],
        now: Timestamp,
        after: Option<DeliveryPlace>,
        rows: usize,
    ) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
        let sql = format!("{} {which}", row::selected(Table::Delivery));
        let (mut page, mut after) = (Vec::new(), place(after));
        while page.len() < rows {
            let wanted = rows - page.len();
            let page_of = [moment(now), Argument::Int(after.0), Argument::Bytes(&after.1), limit(wanted)];
            let typed: Vec<_> = page_of.iter().chain(further).map(Argument::typed).collect();
            let found = self.database.query(&sql, &typed).await?;
            for found in &found {
                page.extend(self.readable_row(Table::Delivery, found)?.and_then(of!(Delivery)));
            }
            let Some(last) = found.last().filter(|_| found.len() == wanted) else { break };
            after = place_of(last)?;
        }
        Ok(page)
    }
}

fn lane(row: &tokio_postgres::Row) -> Result<DeliveryLane, StoreFault> {
    let column = |at| row.try_get::<_, &[u8]>(at).map_err(|_| UNREADABLE);
    let organisation = column(0)?.try_into().map_err(|_| UNREADABLE)?;
    let host = core::str::from_utf8(column(1)?).map_err(|_| UNREADABLE)?;
    Ok(DeliveryLane { organisation: OrganisationId::from_bytes(organisation), host: host.to_owned() })
}

/// Where a place is in an index; for none, what is before every place.
fn place(place: Option<DeliveryPlace>) -> (i64, Vec<u8>) {
    let before = (i64::MIN, Vec::new());
    place.map_or(before, |(due, id)| (table::millis(due.unix_millis()), id.as_bytes().to_vec()))
}

/// The place of what was found, which need be no delivery's.
fn place_of(row: &tokio_postgres::Row) -> Result<(i64, Vec<u8>), StoreFault> {
    let due = row.try_get("due_at").map_err(|_| UNREADABLE)?;
    Ok((due, row.try_get("id").map_err(|_| UNREADABLE)?))
}
