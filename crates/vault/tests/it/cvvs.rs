use core::num::NonZeroU32;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use panvault_model::CardId;
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvStore, CvvTicket, HeldCvv, MemoryCvvs,
};
use panvault_testkit::{SharedCvvs, TestClock};
use panvault_vault::Clock;

/// A place that holds CVVs, with faults: it finds no room when told so, at the door, or only when it is too late; it cannot be
/// reached, at once or from some request on; it holds a CVV only when another change has overtaken it; or it comes back as it once was.
pub(crate) struct TestCvvs {
    held: Mutex<Arc<dyn CvvStore>>,
    pub(crate) full: AtomicBool,
    pub(crate) full_later: AtomicBool,
    pub(crate) overtaken: AtomicBool,
    /// It has no key components but the current one.
    pub(crate) components_gone: AtomicBool,
    /// Lets other tasks run before each request and before each answer.
    pub(crate) yields: AtomicBool,
    /// So many requests are answered before it is out of reach.
    reached: AtomicUsize,
    /// What was held last.
    copy: Mutex<Option<Copied>>,
    /// Claims that were given out and have not ended.
    claims: Arc<Mutex<Vec<CvvTicket>>>,
}

/// A CVV as a dump, or a replica, has it.
pub(crate) struct Copied {
    card: CardId,
    owner: CvvOwner,
    number: u64,
    cvv: HeldCvv,
}

impl Copied {
    fn again(&self) -> Self {
        let Self { card, owner, number, cvv } = self;
        let HeldCvv { sealed, expires_at, remaining_millis } = cvv;
        let cvv =
            HeldCvv { sealed: sealed.clone(), expires_at: *expires_at, remaining_millis: *remaining_millis };
        Self { card: *card, owner: *owner, number: *number, cvv }
    }

    /// It under the number of another, which somebody who may write there gives it; and held until when that one is, if they say that too.
    pub(crate) fn in_place_of(&self, other: &Self, with_its_time: bool) -> Self {
        let mut forged = self.again();
        forged.number = other.number;
        forged.cvv.remaining_millis = other.cvv.remaining_millis;
        if with_its_time {
            forged.cvv.expires_at = other.cvv.expires_at;
        }
        forged
    }
}

impl TestCvvs {
    /// CVVs in the memory of one process.
    pub(crate) fn new(held_max: u64, clock: Arc<TestClock>) -> Self {
        Self::over(Arc::new(MemoryCvvs::new(held_max, move || clock.monotonic_millis())))
    }

    /// The same, over any place that holds them.
    pub(crate) fn over(held: Arc<dyn CvvStore>) -> Self {
        Self {
            held: Mutex::new(held),
            full: AtomicBool::new(false),
            full_later: AtomicBool::new(false),
            overtaken: AtomicBool::new(false),
            components_gone: AtomicBool::new(false),
            yields: AtomicBool::new(false),
            reached: AtomicUsize::new(usize::MAX),
            copy: Mutex::new(None),
            claims: Arc::default(),
        }
    }

    /// After so many requests it is out of reach.
    pub(crate) fn away_after(&self, requests: usize) {
        self.reached.store(requests, Ordering::SeqCst);
    }

    /// It is in reach.
    pub(crate) fn back(&self) {
        self.away_after(usize::MAX);
    }

    /// It loses all that it knows, but for what was held last: that is held again, as if nothing had become of it since. So does a cache
    /// whose replica is promoted. Does nothing where nothing was held.
    pub(crate) async fn revive(&self) {
        let Some(copied) = self.copied() else { return };
        let again: Arc<dyn CvvStore> = if self.is_shared() {
            Arc::new(SharedCvvs::new(1_000))
        } else {
            Arc::new(MemoryCvvs::new(1_000, || 0))
        };
        // What it was sealed with is in the copy, too.
        if let Some(number) = copied.cvv.sealed.component() {
            match self.held().cvv_key_component(number).await.unwrap() {
                Some(component) => drop(again.cvv_key_current(component).await.unwrap()),
                // It was refused, for the place had been lost before.
                None => return self.lose(),
            }
        }
        let held = again.cvv_hold(copied.card, copied.owner, copied.number, copied.cvv).await;
        assert_eq!(held, Ok(true));
        *self.held.lock().unwrap() = again;
    }

    /// It loses all that it knows.
    pub(crate) fn lose(&self) {
        *self.held.lock().unwrap() = Arc::new(SharedCvvs::new(1_000));
    }

    /// A copy of what was held last.
    pub(crate) fn copied(&self) -> Option<Copied> {
        self.copy.lock().unwrap().as_ref().map(Copied::again)
    }

    /// What is to be revived next.
    pub(crate) fn copied_put(&self, copied: Option<Copied>) {
        *self.copy.lock().unwrap() = copied;
    }

    /// How many CVVs are held.
    pub(crate) fn held_now(&self) -> u64 {
        self.held().counts().held
    }

    /// How many claims have ended neither in their discarding nor in the way back.
    pub(crate) fn claims(&self) -> usize {
        self.claims.lock().unwrap().len()
    }

    /// Notes that a claim ends.
    fn claim_ends(&self, ticket: CvvTicket) {
        // One may be ended twice: a request is repeated.
        self.claims.lock().unwrap().retain(|open| *open != ticket);
    }

    fn held(&self) -> Arc<dyn CvvStore> {
        Arc::clone(&self.held.lock().unwrap())
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl for<'a> FnOnce(&'a dyn CvvStore) -> CvvPending<'a, T> + Send + 'static,
    ) -> CvvPending<'_, T> {
        Box::pin(async move {
            let yields = self.yields.load(Ordering::SeqCst);
            if yields {
                tokio::task::yield_now().await;
            }
            let left = self.reached.load(Ordering::SeqCst);
            if left == 0 {
                return Err(CvvFault::Unavailable);
            }
            self.reached.store(if left == usize::MAX { left } else { left - 1 }, Ordering::SeqCst);
            let held = self.held();
            let answer = request(held.as_ref()).await;
            if yields {
                tokio::task::yield_now().await;
            }
            answer
        })
    }
}

impl CvvStore for TestCvvs {
    fn is_shared(&self) -> bool {
        self.held().is_shared()
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        if self.full_later.load(Ordering::SeqCst) {
            return Box::pin(core::future::ready(Err(CvvFault::NoRoom)));
        }
        let held = Copied { card, owner, number, cvv };
        *self.copy.lock().unwrap() = Some(held.again());
        let Copied { cvv, .. } = held;
        let overtaken = self.overtaken.load(Ordering::SeqCst);
        self.ask(move |held| {
            Box::pin(async move {
                if overtaken {
                    held.cvv_clear(card, number + 1).await?;
                }
                held.cvv_hold(card, owner, number, cvv).await
            })
        })
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        !self.full.load(Ordering::SeqCst) && self.held().cvv_room(owner)
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        self.ask(move |held| held.cvv_clear(card, number))
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        self.ask(move |held| held.cvv_clear_now(card))
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        let claims = Arc::clone(&self.claims);
        self.ask(move |held| {
            Box::pin(async move {
                let claimed = held.cvv_claim(card, ticket, digest).await?;
                if let CvvClaimed::Taken(_) = claimed {
                    claims.lock().unwrap().push(ticket);
                }
                Ok(claimed)
            })
        })
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.claim_ends(claim.ticket);
        self.ask(move |held| held.cvv_put_back(claim))
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        self.claim_ends(claim.ticket);
        self.ask(move |held| held.cvv_discard(claim))
    }

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        self.ask(|held| held.cvv_admits())
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        self.ask(move |held| held.cvv_read(card))
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        self.ask(move |held| held.cvv_read_many(cards))
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        self.ask(move |held| held.cvv_key_current(offered))
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        let gone = self.components_gone.load(Ordering::SeqCst);
        self.ask(
            move |held| {
                if gone { Box::pin(core::future::ready(Ok(None))) } else { held.cvv_key_component(number) }
            },
        )
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        self.ask(|held| held.cvv_sweep())
    }

    fn counts(&self) -> CvvCounts {
        self.held().counts()
    }
}
