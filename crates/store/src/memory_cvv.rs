mod slot;

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use foldhash::fast::RandomState;
use panvault_model::CardId;

use crate::cvv::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvOwner, CvvPending, CvvShown, CvvSource, CvvStore,
    CvvTicket, HeldCvv,
};
use crate::memory_cvv::slot::{Kept, Share, Slot};

/// So many that each is small: while one grows or is swept, whoever wants a card of it waits.
const SHARDS: usize = 256;

/// CVVs in this process's memory, for a vault on one node.
pub struct MemoryCvvs {
    shards: [Mutex<Shard>; SHARDS],
    shares: RwLock<HashMap<CvvOwner, Arc<AtomicU64>, RandomState>>,
    held_max: u64,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    held: AtomicU64,
    /// Of those, what browsers brought.
    browsers_held: AtomicU64,
    claimed: AtomicU64,
    put_back: AtomicU64,
    expired: AtomicU64,
}

/// Ids are of our own making, so that nobody chooses where they come to lie.
type Shard = HashMap<CardId, Slot, RandomState>;

impl MemoryCvvs {
    /// Holds at most `held_max` CVVs at a time. `clock` shows the milliseconds since some moment of the past, and never goes
    /// back.
    pub fn new(held_max: u64, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            shards: core::array::from_fn(|_| Mutex::default()),
            shares: RwLock::default(),
            held_max,
            clock: Box::new(clock),
            held: AtomicU64::new(0),
            browsers_held: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            put_back: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        }
    }

    /// Locks where the card's slot is, and says what time it is: what has the lock later does not see an earlier time.
    fn shard(&self, card: CardId) -> (MutexGuard<'_, Shard>, u64) {
        let [.., last] = *card.as_bytes();
        let shard = self.shards.get(usize::from(last) % SHARDS).unwrap_or(&self.shards[0]);
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        (shard, (self.clock)())
    }

    /// What is known of the card at this time.
    fn slot<'a>(&self, shard: &'a mut Shard, card: CardId, now: u64) -> Option<&'a mut Slot> {
        // Not by its entry, which makes room for a card that is not there.
        if self.is_over(shard.get_mut(&card)?, now) {
            shard.remove(&card);
            return None;
        }
        shard.get_mut(&card)
    }

    /// Ends what time has ended in a slot, and says whether there is nothing left to remember.
    fn is_over(&self, slot: &mut Slot, now: u64) -> bool {
        if let Some(held) = slot.held.take_if(|held| now >= held.deadline_millis) {
            self.left(&held);
            self.expired.fetch_add(1, Ordering::Relaxed);
        }
        slot.claims_expire(now);
        slot.held.is_none() && now >= slot.until_millis
    }

    /// Keeps the counts of held CVVs true when one enters a slot.
    fn entered(&self, kept: &Kept) {
        self.held.fetch_add(1, Ordering::Relaxed);
        kept.share.held.fetch_add(1, Ordering::Relaxed);
        match kept.share.source {
            CvvSource::Server => {}
            CvvSource::Browser => drop(self.browsers_held.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Keeps the counts of held CVVs true when one leaves a slot.
    fn left(&self, kept: &Kept) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        kept.share.held.fetch_sub(1, Ordering::Relaxed);
        match kept.share.source {
            CvvSource::Server => {}
            CvvSource::Browser => drop(self.browsers_held.fetch_sub(1, Ordering::Relaxed)),
        }
    }

    /// Ends the CVV in a slot, held or claimed.
    fn end(&self, slot: &mut Slot, now: u64) {
        slot.taken_end();
        if let Some(held) = slot.held.take() {
            self.left(&held);
        }
        slot.touch(now);
    }

    /// What an owner holds, if it has held any.
    fn share(&self, owner: CvvOwner) -> Option<Share> {
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        shares.get(&owner).map(|held| Share { held: Arc::clone(held), source: owner.source })
    }

    fn new_share(&self, owner: CvvOwner) -> Share {
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        Share { held: Arc::clone(shares.entry(owner).or_default()), source: owner.source }
    }

    fn hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> Result<bool, CvvFault> {
        let (mut shard, now) = self.shard(card);
        let slot = self.slot(&mut shard, card, now);
        if let Some(slot) = &slot
            && slot.number >= number
        {
            return Ok(slot.number == number && slot.held.is_some());
        }
        let replaces = slot.as_ref().is_some_and(|slot| slot.held.is_some());
        let in_time = cvv.remaining_millis > 0;
        let held = in_time && (replaces || self.cvv_room(owner));
        let kept = held.then(|| {
            let share = self.share(owner).unwrap_or_else(|| self.new_share(owner));
            let kept = Kept::new(cvv, share, now);
            self.entered(&kept);
            kept
        });
        match slot {
            Some(slot) => {
                self.end(slot, now);
                (slot.number, slot.held) = (number, kept);
            }
            None => {
                shard.insert(card, Slot::new(number, kept, now));
            }
        }
        if in_time && !held { Err(CvvFault::NoRoom) } else { Ok(held) }
    }

    fn clear(&self, card: CardId, number: u64) {
        let (mut shard, now) = self.shard(card);
        match self.slot(&mut shard, card, now) {
            Some(slot) if slot.number > number => {}
            Some(slot) => {
                self.end(slot, now);
                slot.number = number;
            }
            None => {
                shard.insert(card, Slot::new(number, None, now));
            }
        }
    }

    fn clear_now(&self, card: CardId) {
        let (mut shard, now) = self.shard(card);
        if let Some(slot) = self.slot(&mut shard, card, now) {
            self.end(slot, now);
        }
    }

    fn claim(&self, card: CardId, ticket: CvvTicket, digest: Option<[u8; 16]>) -> CvvClaimed {
        let (mut shard, now) = self.shard(card);
        let Some(slot) = self.slot(&mut shard, card, now) else { return CvvClaimed::Nothing };
        if let Some(earlier) = slot.claimed_earlier(card, ticket, digest, now) {
            return earlier;
        }
        let Some(held) = slot.held.take() else { return CvvClaimed::Nothing };
        self.left(&held);
        self.claimed.fetch_add(1, Ordering::Relaxed);
        let claim = held.claim(card, ticket, slot.number, now);
        slot.claimed(held, ticket, digest, now);
        CvvClaimed::Taken(claim)
    }

    fn put_back(&self, claim: &CvvClaim) {
        let (mut shard, now) = self.shard(claim.card);
        let Some(slot) = self.slot(&mut shard, claim.card, now) else { return };
        let Some(kept) = slot.given_back(claim.ticket) else { return };
        if now >= kept.deadline_millis {
            self.expired.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.entered(&kept);
        self.put_back.fetch_add(1, Ordering::Relaxed);
        slot.held = Some(kept);
        slot.touch(now);
    }

    fn discard(&self, claim: &CvvClaim) {
        let (mut shard, now) = self.shard(claim.card);
        if let Some(slot) = self.slot(&mut shard, claim.card, now) {
            slot.discarded(claim.ticket);
        }
    }

    fn read(&self, card: CardId) -> Option<CvvShown> {
        let (mut shard, now) = self.shard(card);
        let slot = self.slot(&mut shard, card, now)?;
        slot.held.as_ref().map(|held| held.shown(slot.number, now))
    }

    fn sweep(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let now = (self.clock)();
            shard.retain(|_, slot| !self.is_over(slot, now));
            if shard.capacity() > 1024 && shard.len() < shard.capacity() / 4 {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
        // What no slot refers to is of an owner that holds none.
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| Arc::strong_count(share) > 1);
    }
}

/// Nothing here waits: what was asked is done when the call returns.
fn done<'a, T: Send + 'a>(answer: Result<T, CvvFault>) -> CvvPending<'a, T> {
    Box::pin(core::future::ready(answer))
}

impl CvvStore for MemoryCvvs {
    fn is_shared(&self) -> bool {
        false
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        done(self.hold(card, owner, number, cvv))
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        let left = |max: u64, held: &AtomicU64| max.saturating_sub(held.load(Ordering::Relaxed));
        let of_all = left(self.held_max, &self.held);
        let room = match owner.source {
            CvvSource::Server => of_all,
            // Rounded up, so that a place for one has room for one.
            CvvSource::Browser => of_all.min(left(self.held_max.div_ceil(2), &self.browsers_held)),
        };
        self.share(owner).map_or(0, |share| share.held.load(Ordering::Relaxed)) < room
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        self.clear(card, number);
        done(Ok(()))
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        self.clear_now(card);
        done(Ok(()))
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        done(Ok(self.claim(card, ticket, digest)))
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.put_back(&claim);
        done(Ok(()))
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.discard(&claim);
        done(Ok(()))
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        done(Ok(self.read(card)))
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        done(Ok(cards.into_iter().map(|card| self.read(card)).collect()))
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        self.sweep();
        done(Ok(()))
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
