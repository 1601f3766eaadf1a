//! Rows that the view was asked for lately: what is read often, or read and then changed, is not looked for in SQLite each time. SQLite's
//! own cache of pages begins anew whenever the view has changed, and finds a row by a descent through its tree.
//!
//! What is here is what a row is now, or it is not here. A row comes here when the view was asked for it, unless anything of the same
//! shard was written since before it was; what is written afterwards takes its place.

use core::hash::BuildHasher;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use panvault_store::{CardRow, Row, RowKey, Table, TransactionRow};

/// Shards, so that those who read seldom wait for each other.
const SHARDS: usize = 32;

/// Bytes that a row takes here beside the row itself: its place in the table and in the circle, and what an allocator adds.
const SLOT_BYTES: usize = 120;

pub(crate) struct RowCache {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes_max: usize,
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    places: HashMap<RowKey, usize, RandomState>,
    /// The circle in which the hand goes round.
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    /// Counts what was written to rows that belong here, whether they are here or not.
    writes: u64,
}

struct Slot {
    row: Row,
    bytes: usize,
    /// Whether it was asked for since the hand came by.
    is_wanted: bool,
}

/// The right to bring a row here that was not found, as long as nothing is written meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Filling {
    shard: usize,
    writes: u64,
}

/// The tables whose rows are kept here: those that requests name.
pub(crate) const KEPT: [Table; 2] = [Table::Card, Table::Transaction];

impl RowCache {
    /// An empty one, of so many bytes at most.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shards: core::array::from_fn(|_| Mutex::default()),
            shard_bytes_max: bytes_max / SHARDS,
            hasher: RandomState::default(),
        }
    }

    /// The row, if it is here; else the right to bring it. To be asked before what is newer than the view: what is written later is seen by
    /// one of the two.
    pub(crate) fn look(&self, key: RowKey) -> Result<Row, Filling> {
        let at = self.place(key);
        let mut shard = self.shard(at);
        match shard.wanted(key) {
            Some(row) => Ok(row),
            None => Err(Filling { shard: at, writes: shard.writes }),
        }
    }

    /// Brings a row that the view was asked for.
    pub(crate) fn fill(&self, filling: Filling, row: Row) {
        let bytes = bytes(&row);
        let mut shard = self.shard(filling.shard);
        // Who was as late has brought the same.
        if shard.writes == filling.writes && !shard.places.contains_key(&row.key()) {
            shard.put(row, bytes, self.shard_bytes_max);
        }
    }

    /// A row is another now, or gone.
    pub(crate) fn written(&self, key: RowKey, row: Option<&Row>) {
        let mut shard = self.shard(self.place(key));
        shard.writes = shard.writes.wrapping_add(1);
        if shard.take(key)
            && let Some(row) = row
        {
            shard.put(row.clone(), bytes(row), self.shard_bytes_max);
        }
    }

    fn place(&self, key: RowKey) -> usize {
        // The low bits; a shard's own table goes by the high ones of another hash.
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0)
    }

    fn shard(&self, at: usize) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        self.shards.get(at).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn wanted(&mut self, key: RowKey) -> Option<Row> {
        let slot = self.places.get(&key).and_then(|at| self.slots.get_mut(*at))?;
        slot.is_wanted = true;
        Some(slot.row.clone())
    }

    /// Puts a row that is not here, and lets others go for it.
    fn put(&mut self, row: Row, bytes: usize, bytes_max: usize) {
        if bytes > bytes_max / 8 {
            return;
        }
        while self.bytes + bytes > bytes_max {
            self.turn();
        }
        self.bytes += bytes;
        self.places.insert(row.key(), self.slots.len());
        self.slots.push(Slot { row, bytes, is_wanted: false });
    }

    /// Lets the row at the hand go, or the next if somebody has asked for it since the hand last came by.
    fn turn(&mut self) {
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
        let Some(slot) = self.slots.get_mut(self.hand) else { return };
        if core::mem::take(&mut slot.is_wanted) {
            self.hand += 1;
        } else {
            let key = slot.row.key();
            self.take(key);
        }
    }

    /// Takes a row away; `false` when it is not here. The last of the circle comes in its place.
    fn take(&mut self, key: RowKey) -> bool {
        let Some(at) = self.places.remove(&key) else { return false };
        let gone = self.slots.swap_remove(at);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.slots.get(at) {
            self.places.insert(moved.row.key(), at);
        }
        true
    }
}

/// Bytes of memory that a row takes here.
fn bytes(row: &Row) -> usize {
    let pairs = |pairs: &[(String, String)]| {
        let pair =
            |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
        pairs.iter().map(pair).sum::<usize>()
    };
    let held = match row {
        Row::Card(row) => {
            let names = [&row.facts.issuer_name, &row.facts.variant];
            let names: usize = names.into_iter().flatten().map(|name| 16 + name.len()).sum();
            size_of::<CardRow>() + row.sealed.as_bytes().len() + names + pairs(&row.metadata)
        }
        Row::Transaction(row) => {
            let texts = [
                &row.processor_name,
                &row.customer_ip,
                &row.dynamic_descriptor,
                &row.merchant_reference,
                &row.user_agent,
            ];
            let perhaps = [
                &row.webhook_transaction_update,
                &row.status_reason,
                &row.reason_code,
                &row.authorization_code,
            ];
            let texts: usize =
                texts.into_iter().chain(perhaps.into_iter().flatten()).map(|text| 16 + text.len()).sum();
            size_of::<TransactionRow>() + texts + pairs(&row.extras)
        }
        Row::History(_)
        | Row::Document(_)
        | Row::Idempotency(_)
        | Row::CardCvv(_)
        | Row::Node(_)
        | Row::ApiKeyUse(_)
        | Row::Refund(_)
        | Row::Customer(_)
        | Row::Delivery(_)
        | Row::Checkout(_) => 0,
    };
    SLOT_BYTES + held
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use panvault_model::CardId;
    use panvault_testkit::conformance::rows::card;

    use super::*;

    const ROOM: usize = 4 << 20;

    fn row(number: u64, version: u32) -> Row {
        Row::Card(Arc::new(CardRow { version, ..card(number) }))
    }

    fn filled(cache: &RowCache, row: &Row) {
        let Err(filling) = cache.look(row.key()) else { panic!("it is there") };
        cache.fill(filling, row.clone());
    }

    #[test]
    fn what_was_brought_is_found_and_what_is_written_takes_its_place() {
        let cache = RowCache::new(ROOM);
        let (first, second) = (row(1, 1), row(1, 2));
        filled(&cache, &first);
        assert_eq!(cache.look(first.key()).ok(), Some(first.clone()));
        cache.written(first.key(), Some(&second));
        assert_eq!(cache.look(first.key()).ok(), Some(second));
        cache.written(first.key(), None);
        assert!(cache.look(first.key()).is_err(), "it is gone");
    }

    /// Who reads an old row from the view while a new one is written, or it is deleted, must not bring the old one.
    #[test]
    fn what_was_read_before_a_write_is_not_brought_after_it() {
        let cache = RowCache::new(ROOM);
        for written in [Some(row(1, 2)), None] {
            let Err(filling) = cache.look(row(1, 1).key()) else { panic!("it is there") };
            cache.written(row(1, 1).key(), written.as_ref());
            cache.fill(filling, row(1, 1));
            assert!(cache.look(row(1, 1).key()).is_err(), "{written:?}");
        }
    }

    #[test]
    fn nothing_is_kept_that_nobody_asked_for() {
        let cache = RowCache::new(ROOM);
        cache.written(row(1, 1).key(), Some(&row(1, 1)));
        assert!(cache.look(row(1, 1).key()).is_err());
    }

    /// It stays within its bytes, what is asked for again stays, and all of the rest is what it says.
    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = RowCache::new(1 << 20);
        let often = row(0, 1);
        filled(&cache, &often);
        for number in 1..20_000 {
            filled(&cache, &row(number, 1));
            assert_eq!(cache.look(often.key()).ok().as_ref(), Some(&often), "{number}");
        }
        let mut held = 0;
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            let bytes: usize = shard.slots.iter().map(|slot| slot.bytes).sum();
            assert_eq!(shard.bytes, bytes);
            assert!(bytes <= cache.shard_bytes_max);
            assert_eq!(shard.places.len(), shard.slots.len());
            for (key, at) in &shard.places {
                assert_eq!(shard.slots[*at].row.key(), *key);
            }
            held += shard.slots.len();
        }
        assert!(held > 500, "{held}");
        let found = (0..20_000).filter(|number| cache.look(row(*number, 1).key()).is_ok()).count();
        assert_eq!(found, held);
    }

    /// A row of many texts would push out hundreds of others.
    #[test]
    fn a_row_that_is_large_is_not_kept() {
        let cache = RowCache::new(1 << 20);
        let text = "x".repeat(8 << 10);
        let large = CardRow { metadata: vec![("note".to_owned(), text)], ..card(1) };
        let large = Row::Card(Arc::new(large));
        filled(&cache, &large);
        assert!(cache.look(large.key()).is_err());
        let none = RowCache::new(0);
        filled(&none, &row(1, 1));
        assert!(none.look(RowKey::Card(CardId::from_bytes([1; 12]))).is_err());
    }
}
