use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use panvault_model::{CardId, Now, Timestamp};

use crate::cvv::{Claim, CvvCounts, CvvStore, HeldCvv};
use crate::limits::CVV_CLEARED_SECONDS;
use crate::store::{Pending, StoreFault};

const SHARDS: usize = 16;

/// CVVs in this process's memory, for a vault on one node.
pub struct MemoryCvvs {
    shards: [Mutex<HashMap<CardId, Slot>>; SHARDS],
    held_max: u64,
    tickets: AtomicU64,
    held: AtomicU64,
    claimed: AtomicU64,
    put_back: AtomicU64,
    expired: AtomicU64,
}

/// The CVV of one card, and the step that brought it there or took it away.
struct Slot {
    sequence: u64,
    state: State,
}

enum State {
    Held(HeldCvv),
    /// The CVV is in the [`Claim`] with this ticket, and comes back only with it.
    Claimed {
        ticket: u64,
        at_millis: u64,
        until_millis: u64,
    },
    /// Cleared or used a moment ago: a CVV of an earlier step that arrives late is refused.
    Cleared {
        until_millis: u64,
    },
}

impl MemoryCvvs {
    /// Holds at most `held_max` CVVs at a time.
    pub fn new(held_max: u64) -> Self {
        Self {
            shards: core::array::from_fn(|_| Mutex::default()),
            held_max,
            tickets: AtomicU64::new(1),
            held: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            put_back: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        }
    }

    fn shard(&self, card: CardId) -> MutexGuard<'_, HashMap<CardId, Slot>> {
        let [.., last] = *card.as_bytes();
        let shard = self.shards.get(usize::from(last) % SHARDS).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the count of held CVVs true when a state leaves a slot.
    fn left(&self, state: &State, now: Option<Now>) {
        if let State::Held(cvv) = state {
            self.held.fetch_sub(1, Ordering::Relaxed);
            if now.is_some_and(|now| cvv.is_expired(now)) {
                self.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn hold(&self, card: CardId, sequence: u64, cvv: HeldCvv, now: Now) -> Result<(), StoreFault> {
        if cvv.is_expired(now) {
            // What it was to replace must go all the same.
            self.clear(card, sequence, now);
            return Ok(());
        }
        let mut shard = self.shard(card);
        let earlier = shard.get_mut(&card);
        if earlier.as_ref().is_some_and(|slot| slot.sequence > sequence) {
            return Ok(());
        }
        let replaces = earlier.as_ref().is_some_and(|slot| matches!(slot.state, State::Held(_)));
        if !replaces && !self.cvv_room() {
            // A claim of the CVV that this one was to replace must not come back.
            if let Some(slot) = earlier {
                *slot = Slot { sequence, state: cleared(now.monotonic_millis) };
            }
            return Err(StoreFault::Busy);
        }
        self.held.fetch_add(1, Ordering::Relaxed);
        if let Some(earlier) = shard.insert(card, Slot { sequence, state: State::Held(cvv) }) {
            self.left(&earlier.state, Some(now));
        }
        Ok(())
    }

    fn clear(&self, card: CardId, sequence: u64, now: Now) {
        let mut shard = self.shard(card);
        if shard.get(&card).is_some_and(|slot| slot.sequence > sequence) {
            return;
        }
        if let Some(earlier) = shard.insert(card, Slot { sequence, state: cleared(now.monotonic_millis) }) {
            self.left(&earlier.state, Some(now));
        }
    }

    fn claim(&self, card: CardId, now: Now) -> Option<Claim> {
        let mut shard = self.shard(card);
        let slot = shard.get_mut(&card)?;
        let State::Held(held) = &slot.state else { return None };
        if held.is_expired(now) {
            let slot = shard.remove(&card)?;
            self.left(&slot.state, Some(now));
            return None;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let claimed =
            State::Claimed { ticket, at_millis: now.monotonic_millis, until_millis: held.deadline_millis };
        match core::mem::replace(&mut slot.state, claimed) {
            State::Held(cvv) => {
                self.held.fetch_sub(1, Ordering::Relaxed);
                self.claimed.fetch_add(1, Ordering::Relaxed);
                Some(Claim { card, ticket, cvv })
            }
            State::Claimed { .. } | State::Cleared { .. } => None,
        }
    }

    fn put_back(&self, claim: Claim, now: Now) {
        let mut shard = self.shard(claim.card);
        let Some(slot) = shard.get_mut(&claim.card) else { return };
        if !matches!(slot.state, State::Claimed { ticket, .. } if ticket == claim.ticket) {
            return;
        }
        if claim.cvv.is_expired(now) {
            self.expired.fetch_add(1, Ordering::Relaxed);
            shard.remove(&claim.card);
        } else {
            slot.state = State::Held(claim.cvv);
            self.held.fetch_add(1, Ordering::Relaxed);
            self.put_back.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn discard(&self, claim: &Claim) {
        let mut shard = self.shard(claim.card);
        let Some(slot) = shard.get_mut(&claim.card) else { return };
        if let State::Claimed { ticket, at_millis, .. } = slot.state
            && ticket == claim.ticket
        {
            slot.state = cleared(at_millis);
        }
    }

    fn expires_at(&self, card: CardId, now: Now) -> Option<Timestamp> {
        let mut shard = self.shard(card);
        let State::Held(cvv) = &shard.get(&card)?.state else { return None };
        if !cvv.is_expired(now) {
            return Some(cvv.expires_at);
        }
        // Once seen to be expired it is gone, whatever the calendar says later.
        let slot = shard.remove(&card)?;
        self.left(&slot.state, Some(now));
        None
    }

    fn sweep(&self, now: Now) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, slot| {
                let ended = match &slot.state {
                    State::Held(cvv) => cvv.is_expired(now),
                    State::Claimed { until_millis, .. } | State::Cleared { until_millis } => {
                        now.monotonic_millis >= *until_millis
                    }
                };
                if ended {
                    self.left(&slot.state, Some(now));
                }
                !ended
            });
            if shard.capacity() > 1024 && shard.len() < shard.capacity() / 4 {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
    }
}

const fn cleared(at_millis: u64) -> State {
    State::Cleared { until_millis: at_millis.saturating_add(CVV_CLEARED_SECONDS * 1000) }
}

impl CvvStore for MemoryCvvs {
    fn cvv_hold(&self, card: CardId, sequence: u64, cvv: HeldCvv, now: Now) -> Pending<'_, ()> {
        let held = self.hold(card, sequence, cvv, now);
        Box::pin(core::future::ready(held))
    }

    fn cvv_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.held_max
    }

    fn cvv_clear(&self, card: CardId, sequence: u64, now: Now) -> Pending<'_, ()> {
        self.clear(card, sequence, now);
        Box::pin(core::future::ready(Ok(())))
    }

    fn cvv_claim(&self, card: CardId, now: Now) -> Pending<'_, Option<Claim>> {
        let claim = self.claim(card, now);
        Box::pin(core::future::ready(Ok(claim)))
    }

    fn cvv_put_back(&self, claim: Claim, now: Now) -> Pending<'_, ()> {
        self.put_back(claim, now);
        Box::pin(core::future::ready(Ok(())))
    }

    fn cvv_discard(&self, claim: Claim) -> Pending<'_, ()> {
        self.discard(&claim);
        Box::pin(core::future::ready(Ok(())))
    }

    fn cvv_expires_at(&self, card: CardId, now: Now) -> Pending<'_, Option<Timestamp>> {
        Box::pin(core::future::ready(Ok(self.expires_at(card, now))))
    }

    fn cvv_sweep(&self, now: Now) -> Pending<'_, ()> {
        self.sweep(now);
        Box::pin(core::future::ready(Ok(())))
    }

    fn counts(&self) -> CvvCounts {
        CvvCounts {
            held: self.held.load(Ordering::Relaxed),
            claimed: self.claimed.load(Ordering::Relaxed),
            put_back: self.put_back.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
        }
    }
}
