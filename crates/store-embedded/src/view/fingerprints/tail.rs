use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;
use panvault_model::Fingerprint;

/// What the tail holds, by fingerprint, in memory: a look-up that went through the table would cost the same for a card that is not
/// there as for all. Cards that were deleted since may be among them.
#[derive(Default)]
pub(crate) struct Tail(RwLock<HashMap<Fingerprint, Ids, RandomState>>);

/// Ids of the cards of one fingerprint. Most have one.
enum Ids {
    One([u8; 12]),
    Many(Vec<[u8; 12]>),
}

impl Tail {
    /// Ids of the cards of a fingerprint.
    pub(crate) fn look_up(&self, fingerprint: &Fingerprint) -> Vec<[u8; 12]> {
        let tail = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tail.get(fingerprint).map_or_else(Vec::new, |ids| ids.as_slice().to_vec())
    }

    /// Adds entries, and says how many.
    pub(crate) fn add(&self, entries: impl IntoIterator<Item = (Fingerprint, [u8; 12])>) -> u64 {
        let mut tail = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut added = 0;
        for (fingerprint, id) in entries {
            tail.entry(fingerprint).and_modify(|ids| ids.push(id)).or_insert(Ids::One(id));
            added += 1;
        }
        added
    }

    /// Forgets all: they are in a run.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Ids {
    fn as_slice(&self) -> &[[u8; 12]] {
        match self {
            Self::One(id) => core::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    fn push(&mut self, id: [u8; 12]) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, id]),
            Self::Many(ids) => ids.push(id),
        }
    }
}
