use core::marker::PhantomData;
use std::collections::BinaryHeap;
use std::vec;

use panvault_model::OrganisationId;
use panvault_store::StoreFault;
use rusqlite::Connection;

use crate::view::list::Listed;
use crate::view::read::unreadable;

/// Sorts behind every id, which has 12 bytes.
const BEHIND_ALL: [u8; 13] = [0xff; 13];

/// Ids of some organisations, newest first, of which a few of each are held at a time.
pub(super) struct Newest<'a, F> {
    connection: &'a Connection,
    batch_rows: usize,
    organisations: Vec<Ids>,
    /// The newest that is left of each organisation, and which organisation that is.
    newest: BinaryHeap<([u8; 12], usize)>,
    field: PhantomData<F>,
}

/// Ids of one organisation.
struct Ids {
    organisation: OrganisationId,
    batch: vec::IntoIter<[u8; 12]>,
}

impl<'a, F: Listed> Newest<'a, F> {
    pub(super) fn new(
        connection: &'a Connection,
        organisations: &[OrganisationId],
        batch_rows: usize,
    ) -> Result<Self, StoreFault> {
        let mut ids = Self {
            connection,
            batch_rows,
            organisations: Vec::new(),
            newest: BinaryHeap::new(),
            field: PhantomData,
        };
        for (at, organisation) in organisations.iter().enumerate() {
            ids.organisations.push(Ids { organisation: *organisation, batch: Vec::new().into_iter() });
            ids.refill(at, &BEHIND_ALL)?;
        }
        Ok(ids)
    }

    /// Puts the newest id of an organisation before `before` into the heap, if there is one.
    fn refill(&mut self, at: usize, before: &[u8]) -> Result<(), StoreFault> {
        let Some(ids) = self.organisations.get_mut(at) else { return Ok(()) };
        if ids.batch.len() == 0 {
            let batch = ids_before::<F>(self.connection, ids.organisation, before, self.batch_rows);
            ids.batch = batch.map_err(unreadable)?.into_iter();
        }
        self.newest.extend(ids.batch.next().map(|id| (id, at)));
        Ok(())
    }
}

impl<F: Listed> Iterator for Newest<'_, F> {
    type Item = Result<[u8; 12], StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, at) = self.newest.pop()?;
        Some(self.refill(at, &id).map(|()| id))
    }
}

fn ids_before<F: Listed>(
    connection: &Connection,
    organisation: OrganisationId,
    before: &[u8],
    rows: usize,
) -> Result<Vec<[u8; 12]>, rusqlite::Error> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(F::IDS)?;
    let ids = statement.query_map((organisation.as_bytes(), before, rows), |row| row.get(0))?;
    ids.collect()
}
