use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use panvault_model::{CardId, OrganisationId};
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvPending, CvvShown, CvvStore, CvvTicket, HeldCvv, MemoryCvvs,
};
use panvault_testkit::TestClock;
use panvault_vault::Clock;

/// CVVs in memory, that find no room when told so: at the door, or only when it is too late; or that cannot be reached, or
/// hold a CVV only when another change has overtaken it.
pub(crate) struct TestCvvs {
    held: MemoryCvvs,
    pub(crate) full: AtomicBool,
    pub(crate) full_later: AtomicBool,
    pub(crate) away: AtomicBool,
    pub(crate) overtaken: AtomicBool,
}

impl TestCvvs {
    pub(crate) fn new(held_max: u64, clock: Arc<TestClock>) -> Self {
        Self {
            held: MemoryCvvs::new(held_max, move || clock.monotonic_millis()),
            full: AtomicBool::new(false),
            full_later: AtomicBool::new(false),
            away: AtomicBool::new(false),
            overtaken: AtomicBool::new(false),
        }
    }
}

impl CvvStore for TestCvvs {
    fn is_shared(&self) -> bool {
        self.held.is_shared()
    }

    fn cvv_hold(
        &self,
        card: CardId,
        organisation: OrganisationId,
        number: u64,
        cvv: HeldCvv,
    ) -> CvvPending<'_, bool> {
        if self.full_later.load(Ordering::SeqCst) {
            return Box::pin(core::future::ready(Err(CvvFault::NoRoom)));
        }
        if self.overtaken.load(Ordering::SeqCst) {
            // Nothing of this store waits.
            drop(self.held.cvv_clear(card, number + 1));
        }
        self.held.cvv_hold(card, organisation, number, cvv)
    }

    fn cvv_room(&self, organisation: OrganisationId) -> bool {
        !self.full.load(Ordering::SeqCst) && self.held.cvv_room(organisation)
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
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(core::future::ready(Err(CvvFault::Unavailable)));
        }
        self.held.cvv_claim(card, ticket, digest)
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.held.cvv_put_back(claim)
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.held.cvv_discard(claim)
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        self.held.cvv_read(card)
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        self.held.cvv_read_many(cards)
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        self.held.cvv_sweep()
    }

    fn counts(&self) -> CvvCounts {
        self.held.counts()
    }
}
