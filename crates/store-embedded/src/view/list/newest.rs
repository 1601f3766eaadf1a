use core::marker::PhantomData;
use std::collections::BinaryHeap;
use std::vec;

use panvault_model::{Id, OrganisationId};
use panvault_store::{Query, StoreFault};
use rusqlite::ToSql;
use rusqlite::types::Value;

use crate::limits::{LIST_BATCH_ROWS, LIST_IDS_HELD_MAX};
use crate::view::list::{Entry, ListSource, Listed};
use crate::view::read::unreadable;

/// An index that has the ids of each organisation and value in their order.
pub(crate) struct OrderedIndex {
    /// Ids of an organisation and a value from some id on and before another, newest first.
    pub(crate) ids: &'static str,
    /// The values, no two the same.
    pub(crate) values: Vec<Value>,
}

/// Ids of some organisations, newest first, of which a few of each are held at a time.
pub(super) struct Newest<'a, F> {
    source: &'a ListSource<'a>,
    index: Option<OrderedIndex>,
    batch_rows: usize,
    /// The least id that may match.
    first: [u8; 12],
    ranges: Vec<Ids>,
    /// The newest that is left of each range, and which range that is.
    newest: BinaryHeap<([u8; 12], usize)>,
    field: PhantomData<F>,
}

/// Ids of one organisation, and of one value where an index has them by values.
struct Ids {
    organisation: OrganisationId,
    value: Option<usize>,
    batch: vec::IntoIter<[u8; 12]>,
}

impl<'a, F: Listed> Newest<'a, F> {
    /// Of these organisations, those that may match by when they were made, and by the index if there is one; `wanted` is how many are likely
    /// asked for.
    pub(super) fn new(
        source: &'a ListSource<'a>,
        organisations: &[OrganisationId],
        query: &Query<F>,
        index: Option<OrderedIndex>,
        wanted: usize,
    ) -> Result<Self, StoreFault> {
        let (first, last) = query.ids();
        let values: Vec<Option<usize>> = match &index {
            Some(index) => (0..index.values.len()).map(Some).collect(),
            None => vec![None],
        };
        let share = LIST_IDS_HELD_MAX / organisations.len().saturating_mul(values.len()).max(1);
        let share = share.max(1);
        let mut ids = Self {
            source,
            index,
            batch_rows: wanted.clamp(1, LIST_BATCH_ROWS).min(share),
            first: *first.as_bytes(),
            ranges: Vec::new(),
            newest: BinaryHeap::new(),
            field: PhantomData,
        };
        let before = before(query.after, last);
        let ranges = organisations.iter().flat_map(|whose| values.iter().map(move |value| (whose, value)));
        for (at, (organisation, value)) in ranges.enumerate() {
            let batch = Vec::new().into_iter();
            ids.ranges.push(Ids { organisation: *organisation, value: *value, batch });
            ids.refill(at, &before)?;
        }
        Ok(ids)
    }

    /// Puts the newest id of a range before `before` into the heap, if there is one.
    fn refill(&mut self, at: usize, before: &[u8]) -> Result<(), StoreFault> {
        let Some(ids) = self.ranges.get_mut(at) else { return Ok(()) };
        if ids.batch.len() == 0 {
            self.source.stop.check()?;
            let rows = i64::try_from(self.batch_rows).unwrap_or(i64::MAX);
            let sql = self.index.as_ref().map_or(F::IDS, |index| index.ids);
            let mut statement = self.source.view.prepare_cached(sql).map_err(unreadable)?;
            let value = ids.value.and_then(|value| self.index.as_ref()?.values.get(value));
            let mut bounds: Vec<&dyn ToSql> = vec![ids.organisation.as_bytes()];
            bounds.extend(value.map(|value| -> &dyn ToSql { value }));
            bounds.extend([&self.first as &dyn ToSql, &before, &rows]);
            let batch = statement.query_map(bounds.as_slice(), |row| row.get(0)).map_err(unreadable)?;
            ids.batch = batch.collect::<Result<Vec<_>, _>>().map_err(unreadable)?.into_iter();
        }
        self.newest.extend(ids.batch.next().map(|id| (id, at)));
        Ok(())
    }
}

/// What sorts right behind the last id that a list may have, which begins behind `after` and has no id beyond `last`.
pub(super) fn before(after: Option<Id>, last: Id) -> Vec<u8> {
    match after {
        Some(after) if after <= last => after.as_bytes().to_vec(),
        // What is longer sorts behind: nothing lies between the last id and this.
        Some(_) | None => [last.as_bytes().as_slice(), &[0]].concat(),
    }
}

impl<F: Listed> Iterator for Newest<'_, F> {
    type Item = Result<Entry, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, at) = self.newest.pop()?;
        let organisation = Some(self.ranges.get(at)?.organisation);
        Some(self.refill(at, &id).map(|()| Entry { organisation, id, is_counted: true }))
    }
}
