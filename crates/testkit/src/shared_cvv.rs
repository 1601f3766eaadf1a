use core::num::NonZeroU32;
use std::sync::Arc;

use panvault_model::CardId;
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending, CvvShown,
    CvvStore, CvvTicket, HeldCvv, MemoryCvvs,
};
use panvault_vault::Clock;

use crate::clock::TestClock;

/// CVVs that any number of vaults hold together, as they would in a server of their own. It has a clock of its own, too.
pub struct SharedCvvs {
    held: MemoryCvvs,
    clock: Arc<TestClock>,
}

impl SharedCvvs {
    /// Holds at most `held_max` CVVs at a time.
    pub fn new(held_max: u64) -> Self {
        Self::by(held_max, Arc::new(TestClock::new()))
    }

    /// The same, by a clock that is there.
    pub fn by(held_max: u64, clock: Arc<TestClock>) -> Self {
        let its = Arc::clone(&clock);
        Self { held: MemoryCvvs::new(held_max, move || its.monotonic_millis()), clock }
    }

    /// The clock that it measures by.
    pub const fn clock(&self) -> &Arc<TestClock> {
        &self.clock
    }
}

impl CvvStore for SharedCvvs {
    fn is_shared(&self) -> bool {
        true
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        self.held.cvv_hold(card, owner, number, cvv)
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        self.held.cvv_room(owner)
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        self.held.cvv_clear(card, number)
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        self.held.cvv_clear_now(card)
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        self.held.cvv_claim(card, ticket, digest)
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.held.cvv_put_back(claim)
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.held.cvv_discard(claim)
    }

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        self.held.cvv_admits()
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        self.held.cvv_read(card)
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        self.held.cvv_read_many(cards)
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        self.held.cvv_key_current(offered)
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        self.held.cvv_key_component(number)
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        self.held.cvv_sweep()
    }

    fn counts(&self) -> CvvCounts {
        self.held.counts()
    }
}
