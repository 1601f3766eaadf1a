use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use panvault_model::{CardId, Now, OrganisationId, Timestamp};

use crate::cvv::{Claim, CvvCounts, CvvStore, HeldCvv};
use crate::limits::CVV_CLEARED_SECONDS;
use crate::store::{Pending, StoreFault};

/// So many that each is small: while one grows or is swept, whoever wants a card of it waits.
const SHARDS: usize = 256;

/// CVVs in this process's memory, for a vault on one node.
pub struct MemoryCvvs {
    shards: [Mutex<HashMap<CardId, Slot>>; SHARDS],
    shares: RwLock<HashMap<OrganisationId, Share>>,
    held_max: u64,
    tickets: AtomicU64,
    held: AtomicU64,
    claimed: AtomicU64,
    put_back: AtomicU64,
    expired: AtomicU64,
}

/// How many CVVs an organisation holds now.
type Share = Arc<AtomicU64>;

/// The CVV of one card, and the step that brought it there or took it away.
struct Slot {
    sequence: u64,
    state: State,
}

enum State {
    Held(HeldCvv, Share),
    /// The CVV is in the [`Claim`] with this ticket, and comes back only with it.
    Claimed {
        share: Share,
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
            shares: RwLock::default(),
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

    /// Keeps the counts of held CVVs true when a state enters a slot.
    fn entered(&self, share: &Share) {
        self.held.fetch_add(1, Ordering::Relaxed);
        share.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the counts of held CVVs true when a state leaves a slot.
    fn left(&self, state: &State, now: Option<Now>) {
        if let State::Held(cvv, share) = state {
            self.held.fetch_sub(1, Ordering::Relaxed);
            share.fetch_sub(1, Ordering::Relaxed);
            if now.is_some_and(|now| cvv.is_expired(now)) {
                self.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What an organisation holds, if it has held any.
    fn share(&self, organisation: OrganisationId) -> Option<Share> {
        self.shares.read().unwrap_or_else(PoisonError::into_inner).get(&organisation).cloned()
    }

    fn new_share(&self, organisation: OrganisationId) -> Share {
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shares.entry(organisation).or_default())
    }

    fn hold(
        &self,
        card: CardId,
        organisation: OrganisationId,
        sequence: u64,
        cvv: HeldCvv,
        now: Now,
    ) -> Result<(), StoreFault> {
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
        let replaces = earlier.as_ref().is_some_and(|slot| matches!(slot.state, State::Held(..)));
        if !replaces && !self.cvv_room(organisation) {
            // A claim of the CVV that this one was to replace must not come back.
            if let Some(slot) = earlier {
                *slot = Slot { sequence, state: cleared(now.monotonic_millis) };
            }
            return Err(StoreFault::Busy);
        }
        let share = self.share(organisation).unwrap_or_else(|| self.new_share(organisation));
        self.entered(&share);
        if let Some(earlier) = shard.insert(card, Slot { sequence, state: State::Held(cvv, share) }) {
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
        let State::Held(held, share) = &slot.state else { return None };
        if held.is_expired(now) {
            let slot = shard.remove(&card)?;
            self.left(&slot.state, Some(now));
            return None;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let claimed = State::Claimed {
            share: Arc::clone(share),
            ticket,
            at_millis: now.monotonic_millis,
            until_millis: held.deadline_millis,
        };
        self.left(&slot.state, None);
        match core::mem::replace(&mut slot.state, claimed) {
            State::Held(cvv, _) => {
                self.claimed.fetch_add(1, Ordering::Relaxed);
                Some(Claim { card, ticket, cvv })
            }
            State::Claimed { .. } | State::Cleared { .. } => None,
        }
    }

    fn put_back(&self, claim: Claim, now: Now) {
        let mut shard = self.shard(claim.card);
        let Some(slot) = shard.get_mut(&claim.card) else { return };
        let State::Claimed { share, ticket, .. } = &slot.state else { return };
        if *ticket != claim.ticket {
            return;
        }
        if claim.cvv.is_expired(now) {
            self.expired.fetch_add(1, Ordering::Relaxed);
            shard.remove(&claim.card);
        } else {
            let share = Arc::clone(share);
            self.entered(&share);
            slot.state = State::Held(claim.cvv, share);
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
        let State::Held(cvv, _) = &shard.get(&card)?.state else { return None };
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
                    State::Held(cvv, _) => cvv.is_expired(now),
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
        // What no slot refers to is of an organisation that holds none.
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| Arc::strong_count(share) > 1);
    }
}

const fn cleared(at_millis: u64) -> State {
    State::Cleared { until_millis: at_millis.saturating_add(CVV_CLEARED_SECONDS * 1000) }
}

impl CvvStore for MemoryCvvs {
    fn cvv_hold(
        &self,
        card: CardId,
        organisation: OrganisationId,
        sequence: u64,
        cvv: HeldCvv,
        now: Now,
    ) -> Pending<'_, ()> {
        let held = self.hold(card, organisation, sequence, cvv, now);
        Box::pin(core::future::ready(held))
    }

    fn cvv_room(&self, organisation: OrganisationId) -> bool {
        let left = self.held_max.saturating_sub(self.held.load(Ordering::Relaxed));
        self.share(organisation).map_or(0, |share| share.load(Ordering::Relaxed)) < left
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
            held_max: self.held_max,
            claimed: self.claimed.load(Ordering::Relaxed),
            put_back: self.put_back.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
        }
    }
}
