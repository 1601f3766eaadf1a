//! What a process has heard of the counts of a server.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use panvault_store::{CvvCounts, CvvOwner, CvvSource};

use crate::limits::{OWNERS_LOOKED_AT_MAX, OWNERS_MAX};
use crate::reply::{OwnerBytes, Reply, owner_bytes};

/// The server decides; this answers without asking it.
pub(crate) struct Heard {
    held_max: u64,
    /// Milliseconds, by the clock of the server.
    now: AtomicU64,
    held: AtomicU64,
    browsers_held: AtomicU64,
    pub(crate) claimed: AtomicU64,
    pub(crate) put_back: AtomicU64,
    expired: AtomicU64,
    owners: Mutex<HashMap<CvvOwner, u64>>,
}

impl Heard {
    pub(crate) fn new(held_max: u64) -> Self {
        Self {
            held_max,
            now: AtomicU64::new(0),
            held: AtomicU64::new(0),
            browsers_held: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            put_back: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            owners: Mutex::default(),
        }
    }

    pub(crate) fn hear(&self, reply: &Reply) {
        self.now.store(reply.now, Ordering::Relaxed);
        self.expired.fetch_add(reply.expired, Ordering::Relaxed);
        self.held.store(reply.held, Ordering::Relaxed);
        self.browsers_held.store(reply.browsers_held, Ordering::Relaxed);
        if reply.owners.is_empty() {
            return;
        }
        let mut owners = self.owners();
        for (owner, held) in &reply.owners {
            if *held == 0 {
                owners.remove(owner);
            } else if owners.len() < OWNERS_MAX || owners.contains_key(owner) {
                owners.insert(*owner, *held);
            }
        }
    }

    /// Another server begins with nothing.
    pub(crate) fn forget(&self) {
        self.owners().clear();
        self.held.store(0, Ordering::Relaxed);
        self.browsers_held.store(0, Ordering::Relaxed);
        self.now.store(0, Ordering::Relaxed);
    }

    /// By the clock of the server, when it last answered.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) const fn held_max(&self) -> u64 {
        self.held_max
    }

    /// Whether another CVV of this owner would find room.
    pub(crate) fn has_room(&self, owner: CvvOwner) -> bool {
        self.held_by(owner) < self.room(owner.source)
    }

    fn room(&self, source: CvvSource) -> u64 {
        let left = |max: u64, held: &AtomicU64| max.saturating_sub(held.load(Ordering::Relaxed));
        let of_all = left(self.held_max, &self.held);
        match source {
            CvvSource::Server => of_all,
            CvvSource::Browser => of_all.min(left(self.held_max.div_ceil(2), &self.browsers_held)),
        }
    }

    fn held_by(&self, owner: CvvOwner) -> u64 {
        self.owners().get(&owner).copied().unwrap_or(0)
    }

    /// Those that have no room, as far as is known: another process may have heard that they have some again. Of others the server says itself
    /// what they hold when they are told of next.
    pub(crate) fn without_room(&self) -> Vec<OwnerBytes> {
        let owners = self.owners();
        let without = owners.iter().filter(|(owner, held)| **held >= self.room(owner.source));
        without.take(OWNERS_LOOKED_AT_MAX).map(|(owner, _)| owner_bytes(*owner)).collect()
    }

    pub(crate) fn counts(&self) -> CvvCounts {
        CvvCounts {
            held: self.held.load(Ordering::Relaxed),
            held_max: self.held_max,
            claimed: self.claimed.load(Ordering::Relaxed),
            put_back: self.put_back.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<CvvOwner, u64>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
