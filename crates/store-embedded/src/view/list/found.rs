use core::cmp::Reverse;
use std::vec;

use panvault_store::{Indexed, Query, StoreFault};

use crate::limits::{LIST_BATCH_ROWS, LIST_IDS_HELD_MAX};
use crate::view::list::Entry;
use crate::view::list::newest::before;

/// The ids that an index gives for a condition, newest first. There may be any number of them, and the index may have them in many places: so
/// the newest are looked up, and others behind them when these are used up.
pub(crate) struct Found<'a> {
    look_up: Box<LookUp<'a>>,
    /// The least id that may match.
    first: [u8; 12],
    before: Vec<u8>,
    most: usize,
    batch: vec::IntoIter<Entry>,
    is_end: bool,
}

/// Puts what there is between two ids, the second of which is not among them.
type LookUp<'a> = dyn FnMut((&[u8], &[u8]), &mut NewestOf) -> Result<(), StoreFault> + 'a;

impl<'a> Found<'a> {
    pub(super) fn new<F: Indexed>(
        query: &Query<F>,
        look_up: impl FnMut((&[u8], &[u8]), &mut NewestOf) -> Result<(), StoreFault> + 'a,
    ) -> Self {
        let (first, last) = query.ids();
        let wanted = usize::try_from(query.page_end()).unwrap_or(LIST_IDS_HELD_MAX);
        Self {
            look_up: Box::new(look_up),
            first: *first.as_bytes(),
            before: before(query.after, last),
            most: wanted.clamp(LIST_BATCH_ROWS, LIST_IDS_HELD_MAX),
            batch: Vec::new().into_iter(),
            is_end: false,
        }
    }

    /// Looks up the next of them, twice as many each time.
    fn refill(&mut self) -> Result<(), StoreFault> {
        // It may be the last, also where something fails.
        self.is_end = true;
        self.batch = Vec::new().into_iter();
        let mut newest = NewestOf::new(self.most);
        (self.look_up)((&self.first, &self.before), &mut newest)?;
        let (entries, is_all) = newest.sorted();
        if let Some(last) = entries.last() {
            self.before = last.id.to_vec();
            self.is_end = is_all;
        }
        self.most = self.most.saturating_mul(2).min(LIST_IDS_HELD_MAX);
        self.batch = entries.into_iter();
        Ok(())
    }
}

impl Iterator for Found<'_> {
    type Item = Result<Entry, StoreFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.len() == 0
            && !self.is_end
            && let Err(fault) = self.refill()
        {
            return Some(Err(fault));
        }
        self.batch.next().map(Ok)
    }
}

/// The newest of the entries that it is given, so many at least where there are as many, and never more than twice that.
pub(crate) struct NewestOf {
    most: usize,
    entries: Vec<Entry>,
    /// What is older was left out.
    least: Option<[u8; 12]>,
}

impl NewestOf {
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, entries: Vec::new(), least: None }
    }

    /// How many of one place are enough.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Takes an entry; `false` for one that is older than all that matter, as the rest is of a place that has the newest first.
    pub(crate) fn put(&mut self, entry: Entry) -> bool {
        if self.least.is_some_and(|least| entry.id < least) {
            return false;
        }
        self.entries.push(entry);
        if self.entries.len() >= self.most.saturating_mul(2) {
            self.cut();
        }
        true
    }

    fn cut(&mut self) {
        if let Some(at) = self.most.checked_sub(1).filter(|at| *at < self.entries.len()) {
            let (_, last, _) = self.entries.select_nth_unstable_by_key(at, |entry| Reverse(entry.id));
            self.least = Some(last.id);
            self.entries.truncate(self.most);
        }
    }

    /// The entries, newest first, and whether these are all.
    pub(crate) fn sorted(mut self) -> (Vec<Entry>, bool) {
        // One place that has this many may have more.
        let is_all = self.entries.len() < self.most && self.least.is_none();
        self.cut();
        self.entries.sort_unstable_by_key(|entry| Reverse(entry.id));
        (self.entries, is_all)
    }
}

#[cfg(test)]
mod tests {
    use panvault_store::CardField;
    use panvault_testkit::SeededRandom;

    use super::*;

    fn id(n: u32) -> [u8; 12] {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        id
    }

    /// The bug: one reference on a million payments took a million ids for each page of 500, some hundred megabytes of them, and of each run as many as
    /// there were. Its cause: how many are wanted was asked of each place by itself, and was any number where a list is streamed. Its cure: the newest of
    /// all places are held, so many of them, and others are looked up behind these when they are used up.
    #[test]
    fn what_many_places_have_is_held_in_parts() {
        let mut dice = SeededRandom::new(3);
        let mut places = vec![Vec::new(); 64];
        for n in 0..300_000 {
            places[dice.below(64)].push(id(n));
            // What is moved meanwhile is found twice.
            if dice.percent(1) {
                places[dice.below(64)].push(id(n));
            }
        }
        places.iter_mut().for_each(|place| place.reverse());
        let (mut held_max, mut read) = (0, 0);
        let query = Query::<CardField>::newest(Vec::new(), 20);
        let found = Found::new(&query, |(first, before), newest| {
            for place in &places {
                let ids = place.iter().filter(|id| (first..before).contains(&id.as_slice()));
                for id in ids.take(newest.most()) {
                    read += 1;
                    if !newest.put(Entry::maybe(None, *id)) {
                        break;
                    }
                }
                held_max = held_max.max(newest.entries.len());
            }
            Ok(())
        });
        let mut found: Vec<_> = found.map(|entry| entry.unwrap().id).collect();
        found.dedup();
        assert!(found.into_iter().eq((0..300_000).rev().map(id)));
        assert!(held_max < 2 * LIST_IDS_HELD_MAX, "{held_max}");
        assert!(read < 1_000_000, "{read}");
        // A page takes some of them only.
        read = 0;
        let mut found = Found::new(&query, |_, newest| {
            for place in &places {
                for id in place.iter().take(newest.most()) {
                    read += 1;
                    if !newest.put(Entry::maybe(None, *id)) {
                        break;
                    }
                }
            }
            Ok(())
        });
        assert_eq!(found.next().unwrap().unwrap().id, id(299_999));
        drop(found);
        assert!(read < 2_500, "{read}");
    }

    #[test]
    fn a_fault_is_the_end() {
        let query = Query::<CardField>::newest(Vec::new(), 20);
        let mut found = Found::new(&query, |_, _| Err(StoreFault::TimedOut));
        assert_eq!(found.next().unwrap().err(), Some(StoreFault::TimedOut));
        assert!(found.next().is_none());
    }

    #[test]
    fn an_entry_takes_what_is_said_of_it() {
        assert!(size_of::<Entry>() <= crate::limits::LIST_ID_BYTES);
    }
}
