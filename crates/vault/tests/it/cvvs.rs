use core::sync::atomic::{AtomicBool, Ordering};

use panvault_model::{CardId, Now, OrganisationId, Timestamp};
use panvault_store::{Claim, CvvCounts, CvvStore, HeldCvv, MemoryCvvs, Pending, StoreFault};

/// CVVs in memory, that find no room when told so: at the door, or only when it is too late.
pub(crate) struct TestCvvs {
    held: MemoryCvvs,
    pub(crate) full: AtomicBool,
    pub(crate) full_later: AtomicBool,
}

impl TestCvvs {
    pub(crate) fn new(held_max: u64) -> Self {
        Self {
            held: MemoryCvvs::new(held_max),
            full: AtomicBool::new(false),
            full_later: AtomicBool::new(false),
        }
    }
}

impl CvvStore for TestCvvs {
    fn cvv_hold(
        &self,
        card: CardId,
        organisation: OrganisationId,
        sequence: u64,
        cvv: HeldCvv,
        now: Now,
    ) -> Pending<'_, ()> {
        if self.full_later.load(Ordering::SeqCst) {
            return Box::pin(core::future::ready(Err(StoreFault::Busy)));
        }
        self.held.cvv_hold(card, organisation, sequence, cvv, now)
    }

    fn cvv_room(&self, organisation: OrganisationId) -> bool {
        !self.full.load(Ordering::SeqCst) && self.held.cvv_room(organisation)
    }

    fn cvv_clear(&self, card: CardId, sequence: u64, now: Now) -> Pending<'_, ()> {
        self.held.cvv_clear(card, sequence, now)
    }

    fn cvv_claim(&self, card: CardId, now: Now) -> Pending<'_, Option<Claim>> {
        self.held.cvv_claim(card, now)
    }

    fn cvv_put_back(&self, claim: Claim, now: Now) -> Pending<'_, ()> {
        self.held.cvv_put_back(claim, now)
    }

    fn cvv_discard(&self, claim: Claim) -> Pending<'_, ()> {
        self.held.cvv_discard(claim)
    }

    fn cvv_expires_at(&self, card: CardId, now: Now) -> Pending<'_, Option<Timestamp>> {
        self.held.cvv_expires_at(card, now)
    }

    fn cvv_sweep(&self, now: Now) -> Pending<'_, ()> {
        self.held.cvv_sweep(now)
    }

    fn counts(&self) -> CvvCounts {
        self.held.counts()
    }
}
