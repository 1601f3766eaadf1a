mod components;
mod shard;
mod slot;
#[cfg(test)]
mod tests;

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use foldhash::fast::RandomState;
use panvault_model::CardId;

use crate::cvv::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvSource, CvvStore, CvvTicket, HeldCvv,
};
use crate::memory_cvv::components::Components;
use crate::memory_cvv::shard::{Shard, Shards};
use crate::memory_cvv::slot::{Kept, Share, Slot};

/// Slots that a sweep looks at before it lets others have the shard.
const SWEEP_SLOTS: usize = 512;

/// CVVs in this process's memory, for a vault on one node.
pub struct MemoryCvvs {
    shards: Shards,
    shares: RwLock<HashMap<CvvOwner, Arc<Share>, RandomState>>,
    components: Components,
    held_max: u64,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    held: AtomicU64,
    /// Of those, what browsers brought.
    browsers_held: AtomicU64,
    claimed: AtomicU64,
    put_back: AtomicU64,
    expired: AtomicU64,
}

impl MemoryCvvs {
    /// Holds at most `held_max` CVVs at a time. `clock` shows the milliseconds since some moment of the past, and never goes
    /// back.
    pub fn new(held_max: u64, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            shards: Shards::new(held_max),
            shares: RwLock::default(),
            components: Components::default(),
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
        let shard = self.shards.of(card).lock().unwrap_or_else(PoisonError::into_inner);
        (shard, (self.clock)())
    }

    /// What is known of the card at this time.
    fn slot<'a>(&self, shard: &'a mut Shard, card: CardId, now: u64) -> Option<&'a mut Slot> {
        if self.is_over(shard.find(card)?, now) {
            shard.remove(card);
            return None;
        }
        shard.find(card)
    }

    /// Ends what time has ended in a slot, and says whether there is nothing left to remember.
    fn is_over(&self, slot: &mut Slot, now: u64) -> bool {
        if let Some(held) = slot.held()
            && now >= held.deadline_millis
        {
            self.left(&held.share);
            self.expired.fetch_add(1, Ordering::Relaxed);
            slot.end();
        }
        // Nobody could open it.
        if let Some(kept) = slot.kept()
            && !self.components.has(kept.component, now)
        {
            if let Some(held) = slot.held() {
                self.left(&held.share);
            }
            slot.end();
        }
        slot.claims_expire(now);
        slot.held().is_none() && now >= slot.until_millis
    }

    /// Keeps the counts of held CVVs true when one of this share enters a slot.
    fn entered(&self, share: &Share) {
        self.held.fetch_add(1, Ordering::Relaxed);
        share.held.fetch_add(1, Ordering::Relaxed);
        match share.source {
            CvvSource::Server => {}
            CvvSource::Browser => drop(self.browsers_held.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Keeps the counts of held CVVs true when one of this share leaves a slot.
    fn left(&self, share: &Share) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        share.held.fetch_sub(1, Ordering::Relaxed);
        match share.source {
            CvvSource::Server => {}
            CvvSource::Browser => drop(self.browsers_held.fetch_sub(1, Ordering::Relaxed)),
        }
    }

    /// Ends the CVV in a slot, held or claimed.
    fn end(&self, slot: &mut Slot, now: u64) {
        if let Some(held) = slot.held() {
            self.left(&held.share);
        }
        slot.end();
        slot.touch(now);
    }

    /// What an owner holds, if it has held any.
    fn share(&self, owner: CvvOwner) -> Option<Arc<Share>> {
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        shares.get(&owner).map(Arc::clone)
    }

    fn new_share(&self, owner: CvvOwner) -> Arc<Share> {
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        let share = || Arc::new(Share { held: AtomicU64::new(0), source: owner.source });
        Arc::clone(shares.entry(owner).or_insert_with(share))
    }

    /// Whether who holds so much may hold one more.
    fn has_room(&self, source: CvvSource, share: Option<&Share>) -> bool {
        let left = |max: u64, held: &AtomicU64| max.saturating_sub(held.load(Ordering::Relaxed));
        let of_all = left(self.held_max, &self.held);
        let room = match source {
            CvvSource::Server => of_all,
            // Rounded up, so that a place for one has room for one.
            CvvSource::Browser => of_all.min(left(self.held_max.div_ceil(2), &self.browsers_held)),
        };
        share.map_or(0, |share| share.held.load(Ordering::Relaxed)) < room
    }

    fn hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: &HeldCvv) -> Result<bool, CvvFault> {
        let (mut shard, now) = self.shard(card);
        let slot = self.slot(&mut shard, card, now);
        if let Some(slot) = &slot
            && slot.number >= number
        {
            return Ok(slot.number == number && slot.held().is_some());
        }
        let replaces = slot.as_ref().is_some_and(|slot| slot.held().is_some());
        let in_time = cvv.remaining_millis > 0;
        let opens = self.components.has(cvv.sealed.component(), now);
        let share = in_time.then(|| self.share(owner)).flatten();
        let held = in_time && opens && (replaces || self.has_room(owner.source, share.as_deref()));
        let kept = held.then(|| {
            let share = share.unwrap_or_else(|| self.new_share(owner));
            self.entered(&share);
            Kept::new(cvv, share, now)
        });
        match slot {
            Some(slot) => {
                self.end(slot, now);
                slot.renew(number, kept);
            }
            None => shard.add(Slot::new(card, number, kept, now)),
        }
        match (held, in_time, opens) {
            (false, true, true) => Err(CvvFault::NoRoom),
            (false, true, false) => Err(CvvFault::ComponentGone),
            (_, false, _) | (true, ..) => Ok(held),
        }
    }

    fn clear(&self, card: CardId, number: u64) {
        let (mut shard, now) = self.shard(card);
        match self.slot(&mut shard, card, now) {
            Some(slot) if slot.number > number => {}
            Some(slot) => {
                self.end(slot, now);
                slot.number = number;
            }
            None => shard.add(Slot::new(card, number, None, now)),
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
        if let Some(earlier) = slot.claimed_earlier(ticket, digest, now) {
            return earlier;
        }
        if let Some(held) = slot.held() {
            self.left(&held.share);
            self.claimed.fetch_add(1, Ordering::Relaxed);
        }
        slot.claim_held(ticket, digest, now).map_or(CvvClaimed::Nothing, CvvClaimed::Taken)
    }

    fn put_back(&self, claim: &CvvClaim) {
        let (mut shard, now) = self.shard(claim.card);
        let Some(slot) = self.slot(&mut shard, claim.card, now) else { return };
        match slot.given_back(claim.ticket, now) {
            None => return,
            Some(false) => drop(self.expired.fetch_add(1, Ordering::Relaxed)),
            Some(true) => drop(self.put_back.fetch_add(1, Ordering::Relaxed)),
        }
        if let Some(held) = slot.held() {
            self.entered(&held.share);
        }
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
        slot.held().map(|held| slot.shown(held, now))
    }

    fn sweep(&self) {
        self.components.sweep((self.clock)());
        self.shards.all().for_each(|shard| self.shard_sweep(shard));
        // What no slot refers to is of an owner that holds none.
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| Arc::strong_count(share) > 1);
    }

    /// From the end, so that what is moved into a gap was looked at before, and a part at a time.
    fn shard_sweep(&self, shard: &Mutex<Shard>) {
        let mut below = usize::MAX;
        while below > 0 {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let now = (self.clock)();
            below = below.min(shard.len());
            let end = below.saturating_sub(SWEEP_SLOTS);
            while below > end {
                below -= 1;
                if let Some(slot) = shard.slot(below)
                    && self.is_over(slot, now)
                {
                    let card = slot.card;
                    shard.remove(card);
                }
            }
            if below == 0 {
                shard.shrink();
            }
        }
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
        done(self.hold(card, owner, number, &cvv))
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        self.has_room(owner.source, self.share(owner).as_deref())
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

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        done(Ok(()))
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        done(Ok(self.read(card)))
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        done(Ok(cards.into_iter().map(|card| self.read(card)).collect()))
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        done(self.components.current(offered, (self.clock)()))
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        done(Ok(self.components.of(number, (self.clock)())))
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
