use core::hash::{BuildHasher, Hash};
use std::sync::{Mutex, PoisonError};

use crate::limit::hash::KeyedHash;

/// Places among which a key may be.
const WAYS: usize = 8;

/// What is known of a key.
pub(super) trait Slot: Copy {
    /// Of a key of which nothing is known. 0 stands for none.
    fn new(key: u64) -> Self;

    fn key(&self) -> u64;

    /// How much would be lost with it: what has least makes room for a new one.
    fn weight(&self) -> u64;
}

/// What is known of keys, in memory of a fixed size.
///
/// A keyed hash says among which eight places a key may be, each eight behind a lock of their own. A key that is new takes the place of the one
/// that says least, so that a flood of new ones drives out others of the kind, and not one whose limit is reached. Of a key its hash of 64
/// bits is kept: that two are taken for one happens once in so many pairs.
pub(super) struct Table<S> {
    sets: Box<[Mutex<[S; WAYS]>]>,
    hash: KeyedHash,
}

impl<S: Slot> Table<S> {
    /// For at least so many keys; 0 is a table that knows none.
    pub(super) fn new(keys_max: usize) -> Self {
        let sets = (0..Self::sets(keys_max)).map(|_| Mutex::new([S::new(0); WAYS])).collect();
        Self { sets, hash: KeyedHash::new() }
    }

    /// Bytes of one for so many keys.
    pub(super) const fn bytes(keys_max: usize) -> usize {
        Self::sets(keys_max).saturating_mul(size_of::<Mutex<[S; WAYS]>>())
    }

    /// A power of two, so that a mask finds one of them.
    const fn sets(keys_max: usize) -> usize {
        if keys_max == 0 { 0 } else { keys_max.div_ceil(WAYS).next_power_of_two() }
    }

    /// Does something with what is known of a key, which is known from then on; `None` where the table knows none.
    pub(super) fn with<R>(&self, key: &impl Hash, act: impl FnOnce(&mut S) -> R) -> Option<R> {
        let (hash, set) = self.find(key)?;
        let mut slots = set.lock().unwrap_or_else(PoisonError::into_inner);
        let known = slots.iter().position(|slot| slot.key() == hash);
        let at = known
            .or_else(|| slots.iter().enumerate().min_by_key(|(_, slot)| slot.weight()).map(|(at, _)| at))?;
        let slot = slots.get_mut(at)?;
        if known.is_none() {
            *slot = S::new(hash);
        }
        Some(act(slot))
    }

    /// The same of a key that is known; `None` for others.
    pub(super) fn with_known<R>(&self, key: &impl Hash, act: impl FnOnce(&mut S) -> R) -> Option<R> {
        let (hash, set) = self.find(key)?;
        let mut slots = set.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter_mut().find(|slot| slot.key() == hash).map(act)
    }

    fn find(&self, key: &impl Hash) -> Option<(u64, &Mutex<[S; WAYS]>)> {
        let mask = self.sets.len().checked_sub(1)?;
        let hash = self.hash.hash_one(key) | 1;
        // The lowest bit is set in all of them.
        let set = self.sets.get(usize::try_from(hash >> 1).unwrap_or(0) & mask)?;
        Some((hash, set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Uses {
        key: u64,
        uses: u64,
    }

    impl Slot for Uses {
        fn new(key: u64) -> Self {
            Self { key, uses: 0 }
        }

        fn key(&self) -> u64 {
            self.key
        }

        fn weight(&self) -> u64 {
            self.uses
        }
    }

    #[test]
    fn a_flood_of_new_keys_drives_out_no_key_that_says_more() {
        let table = Table::<Uses>::new(64);
        for _ in 0..100 {
            table.with(&"known", |slot| slot.uses += 1);
        }
        for key in 0..100_000_u32 {
            assert_eq!(table.with(&key, |slot| slot.uses += 1), Some(()));
        }
        assert_eq!(table.with_known(&"known", |slot| slot.uses), Some(100));
        assert_eq!(table.with_known(&"never", |slot| slot.uses), None);
    }

    #[test]
    fn it_has_room_for_as_many_as_it_says_and_no_more_memory_for_others() {
        for (keys, sets) in [(1, 1), (8, 1), (9, 2), (16, 2), (17, 4), (10_000, 2048)] {
            let table = Table::<Uses>::new(keys);
            assert_eq!(table.sets.len(), sets);
            assert_eq!(Table::<Uses>::bytes(keys), sets * size_of::<Mutex<[Uses; WAYS]>>());
        }
        let none = Table::<Uses>::new(0);
        assert_eq!(none.with(&1, |slot| slot.uses), None);
        assert_eq!(Table::<Uses>::bytes(0), 0);
    }
}
