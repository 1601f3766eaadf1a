use core::marker::PhantomData;
use std::collections::BinaryHeap;
use std::vec;

use panvault_model::OrganisationId;
use panvault_store::{Query, StoreFault};

use crate::limits::{LIST_BATCH_ROWS, LIST_IDS_HELD_MAX};
use crate::view::list::{Entry, ListSource, Listed};
use crate::view::read::unreadable;

/// Ids of some organisations, newest first, of which a few of each are held at a time.
pub(super) struct Newest<'a, F> {
    source: &'a ListSource<'a>,
    batch_rows: usize,
    /// The least id that may match.
    first: [u8; 12],
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
    /// Of these organisations, those that may match by when they were made; `wanted` is how many are likely asked for.
    pub(super) fn new(
        source: &'a ListSource<'a>,
        organisations: &[OrganisationId],
        query: &Query<F>,
        wanted: usize,
    ) -> Result<Self, StoreFault> {
        let (first, last) = query.ids();
        let share = (LIST_IDS_HELD_MAX / organisations.len().max(1)).max(1);
        let mut ids = Self {
            source,
            batch_rows: wanted.clamp(1, LIST_BATCH_ROWS).min(share),
            first: *first.as_bytes(),
            organisations: Vec::new(),
            newest: BinaryHeap::new(),
            field: PhantomData,
        };
        let before = match query.after {
            Some(after) if after <= last => after.as_bytes().to_vec(),
            // What is longer sorts behind: nothing lies between the last id and this.
            Some(_) | None => [last.as_bytes().as_slice(), &[0]].concat(),
        };
        for (at, organisation) in organisations.iter().enumerate() {
            ids.organisations.push(Ids { organisation: *organisation, batch: Vec::new().into_iter() });
            ids.refill(at, &before)?;
        }
        Ok(ids)
    }

    /// Puts the newest id of an organisation before `before` into the heap, if there is one.
    fn refill(&mut self, at: usize, before: &[u8]) -> Result<(), StoreFault> {
        let Some(ids) = self.organisations.get_mut(at) else { return Ok(()) };
        if ids.batch.len() == 0 {
            self.source.stop.check()?;
            let rows = i64::try_from(self.batch_rows).unwrap_or(i64::MAX);
            let mut statement = self.source.view.prepare_cached(F::IDS).map_err(unreadable)?;
            let bounds = (ids.organisation.as_bytes(), self.first, before, rows);
            let batch = statement.query_map(bounds, |row| row.get(0)).map_err(unreadable)?;
            ids.batch = batch.collect::<Result<Vec<_>, _>>().map_err(unreadable)?.into_iter();
        }
        self.newest.extend(ids.batch.next().map(|id| (id, at)));
        Ok(())
    }
}

impl<F: Listed> Iterator for Newest<'_, F> {
    type Item = Result<Entry, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, at) = self.newest.pop()?;
        let organisation = Some(self.organisations.get(at)?.organisation);
        Some(self.refill(at, &id).map(|()| Entry { organisation, id }))
    }
}
