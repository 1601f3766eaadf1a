//! What a network does to requests on their way to a store of CVVs.

use core::num::NonZeroU32;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::CardId;
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvStore, CvvTicket, HeldCvv,
};
use panvault_vault::Clock;

use crate::clock::TestClock;
use crate::entropy::SeededRandom;

/// How often, out of a hundred requests, a network does what.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// The request is lost.
    pub lost: usize,
    /// The request arrives, the answer is lost.
    pub unanswered: usize,
    /// The request arrives twice, one after the other, and the second answer is the caller's.
    pub echoed: usize,
    /// The request arrives, and late once more.
    pub repeated: usize,
    /// The caller gives up, and the request arrives late, behind others.
    pub late: usize,
    /// Others run before it arrives, or before the answer does.
    pub slow: usize,
}

/// One node's way to a store of CVVs: loses, delays and repeats requests, the same ones for the same seed. What is late arrives
/// with a later request, or never, but not later than [`CVV_REQUEST_SECONDS`] after it was sent.
pub struct NetworkCvvs {
    store: Arc<dyn CvvStore>,
    clock: Arc<TestClock>,
    weather: NetworkFaults,
    state: Mutex<State>,
}

struct State {
    dice: SeededRandom,
    late: Vec<(u64, Late)>,
}

/// A request that nobody waits for any more.
type Late = Box<dyn for<'a> Fn(&'a dyn CvvStore) -> CvvPending<'a, ()> + Send>;

/// What becomes of one request.
enum Fate {
    Arrives,
    Lost,
    Unanswered,
    Echoed,
    Repeated,
    Late,
}

impl NetworkCvvs {
    /// A way to `store`, whose time is that of `clock`.
    pub fn new(store: Arc<dyn CvvStore>, clock: Arc<TestClock>, weather: NetworkFaults, seed: u64) -> Self {
        let state = Mutex::new(State { dice: SeededRandom::new(seed), late: Vec::new() });
        Self { store, clock, weather, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what may arrive more than once.
    async fn send<T: Send + 'static>(
        &self,
        request: impl for<'a> Fn(&'a dyn CvvStore) -> CvvPending<'a, T> + Send + Sync + 'static,
    ) -> Result<T, CvvFault> {
        let fate = self.fate();
        self.slow().await;
        while let Some(late) = self.late_one() {
            // Its caller was answered, or has given up.
            let _unread = late(self.store.as_ref()).await;
        }
        let store = self.store.as_ref();
        let reply = match fate {
            Fate::Arrives => request(store).await,
            Fate::Lost => Err(CvvFault::Unavailable),
            Fate::Unanswered => {
                drop(request(store).await);
                Err(CvvFault::Unavailable)
            }
            Fate::Echoed => {
                drop(request(store).await);
                request(store).await
            }
            Fate::Repeated => {
                let reply = request(store).await;
                self.delay(request);
                reply
            }
            Fate::Late => {
                self.delay(request);
                Err(CvvFault::Unavailable)
            }
        };
        self.slow().await;
        reply
    }

    fn fate(&self) -> Fate {
        let NetworkFaults { lost, unanswered, echoed, repeated, late, slow: _ } = self.weather;
        let mut state = self.state();
        if state.dice.percent(lost) {
            Fate::Lost
        } else if state.dice.percent(unanswered) {
            Fate::Unanswered
        } else if state.dice.percent(echoed) {
            Fate::Echoed
        } else if state.dice.percent(repeated) {
            Fate::Repeated
        } else if state.dice.percent(late) {
            Fate::Late
        } else {
            Fate::Arrives
        }
    }

    fn delay<T: Send + 'static>(
        &self,
        request: impl for<'a> Fn(&'a dyn CvvStore) -> CvvPending<'a, T> + Send + Sync + 'static,
    ) {
        let late: Late = Box::new(move |store| {
            let reply = request(store);
            Box::pin(async move { reply.await.map(drop) })
        });
        self.state().late.push((self.clock.monotonic_millis(), late));
    }

    /// A request that was sent a while ago and arrives now.
    fn late_one(&self) -> Option<Late> {
        let now = self.clock.monotonic_millis();
        let mut state = self.state();
        state.late.retain(|(sent_at, _)| now < sent_at.saturating_add(CVV_REQUEST_SECONDS * 1000));
        if state.late.is_empty() || !state.dice.percent(30) {
            return None;
        }
        let State { dice, late } = &mut *state;
        let at = dice.below(late.len());
        Some(late.swap_remove(at).1)
    }

    async fn slow(&self) {
        let turns = {
            let mut state = self.state();
            if state.dice.percent(self.weather.slow) { state.dice.below(8) } else { 0 }
        };
        Turns(turns).await;
    }
}

fn cvv_again(cvv: &HeldCvv) -> HeldCvv {
    HeldCvv { sealed: cvv.sealed.clone(), expires_at: cvv.expires_at, remaining_millis: cvv.remaining_millis }
}

fn claim_again(claim: &CvvClaim) -> CvvClaim {
    CvvClaim { card: claim.card, ticket: claim.ticket, number: claim.number, cvv: cvv_again(&claim.cvv) }
}

fn component_again(component: &CvvKeyComponent) -> CvvKeyComponent {
    CvvKeyComponent::new(component.number(), (*component.as_bytes()).into())
}

/// Lets others run so many times.
struct Turns(usize);

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(()) };
        self.0 = left;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl CvvStore for NetworkCvvs {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        Box::pin(self.send(move |store| store.cvv_hold(card, owner, number, cvv_again(&cvv))))
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        self.store.cvv_room(owner)
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        Box::pin(self.send(move |store| store.cvv_clear(card, number)))
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        Box::pin(self.send(move |store| store.cvv_clear_now(card)))
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        Box::pin(self.send(move |store| store.cvv_claim(card, ticket, digest)))
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        Box::pin(self.send(move |store| store.cvv_put_back(claim_again(&claim))))
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        Box::pin(self.send(move |store| store.cvv_discard(claim_again(&claim))))
    }

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        Box::pin(self.send(|store| store.cvv_admits()))
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        Box::pin(self.send(move |store| store.cvv_read(card)))
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        Box::pin(self.send(move |store| store.cvv_read_many(cards.clone())))
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        Box::pin(self.send(move |store| store.cvv_key_current(component_again(&offered))))
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        Box::pin(self.send(move |store| store.cvv_key_component(number)))
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        Box::pin(self.send(|store| store.cvv_sweep()))
    }

    fn counts(&self) -> CvvCounts {
        self.store.counts()
    }
}
