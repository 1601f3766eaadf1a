//! Random requests over networks that lose, delay and repeat them, held against a model that is small enough to be seen through.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::CardId;
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvStore, CvvTicket, HeldCvv,
};
use panvault_vault::Clock;

use crate::clock::TestClock;
use crate::conformance::cvv::predicted::{Card, Predicted};
use crate::conformance::cvv::{again, card, cvv};
use crate::conformance::rows::servers_of;
use crate::entropy::SeededRandom;
use crate::network_cvv::{NetworkCvvs, NetworkFaults};

const CARDS: u64 = 3;
const NODES: u64 = 3;
const REQUESTS: usize = 400;

/// Lets vaults ask an empty store, each over a network of its own, in an order that the seed gives, and holds each answer
/// of the store against a model. Whatever the networks do:
///
/// - of the requests that are answered with the CVV of a number, one sends it, or none;
/// - after a clear with a number nothing up to it comes out;
/// - nothing comes out whose time is up.
///
/// Panics with the seed where the store does otherwise.
pub async fn cvv_model(store: Arc<dyn CvvStore>, clock: &Arc<TestClock>, seed: u64) {
    let checked = Arc::new(Checked { store, clock: Arc::clone(clock), seed, model: Mutex::default() });
    let mut dice = SeededRandom::new(seed);
    let mut percent = |most| dice.below(most);
    let weather = NetworkFaults {
        lost: percent(20),
        unanswered: percent(20),
        echoed: percent(20),
        repeated: percent(30),
        late: percent(20),
        slow: 0,
    };
    let networks: Vec<_> = (0..NODES)
        .map(|n| {
            let store = Arc::clone(&checked) as Arc<dyn CvvStore>;
            NetworkCvvs::new(store, Arc::clone(clock), weather, seed.wrapping_mul(NODES).wrapping_add(n))
        })
        .collect();
    let mut vaults =
        Vaults { networks, dice, number: 0, tickets: 0, open: Vec::new(), sent: BTreeSet::new() };
    for _ in 0..REQUESTS {
        vaults.request(clock, seed).await;
    }
}

/// What vaults do, and know.
struct Vaults {
    networks: Vec<NetworkCvvs>,
    dice: SeededRandom,
    /// The last commit.
    number: u64,
    tickets: u128,
    /// Claims in the hands of requests that have not sent them yet.
    open: Vec<CvvClaim>,
    /// Card and number of what went out to a processor.
    sent: BTreeSet<(CardId, u64)>,
}

impl Vaults {
    async fn request(&mut self, clock: &TestClock, seed: u64) {
        let dice = &mut self.dice;
        let network = &self.networks[dice.below(self.networks.len())];
        let card_number = 1 + dice.next_u64() % CARDS;
        let (of, its) = (card(card_number), servers_of(1));
        match dice.below(12) {
            0..=2 => {
                self.number += 1;
                let marked = u8::try_from(self.number % 256).unwrap();
                let cvv = cvv(marked, [0, 5, 60, 600][dice.below(4)]);
                let _held = network.cvv_hold(of, its, self.number, cvv).await;
            }
            3 => {
                // Of this commit, or of one that this one has overtaken.
                self.number += 1;
                let number = self.number.saturating_sub(dice.next_u64() % 4).max(1);
                let _cleared = network.cvv_clear(of, number).await;
            }
            4 => {
                let _cleared = network.cvv_clear_now(of).await;
            }
            5..=7 => {
                self.tickets += 1;
                let ticket = CvvTicket::from_bytes(self.tickets.to_be_bytes());
                let digest = dice.percent(70).then(|| [u8::try_from(dice.below(6)).unwrap(); 16]);
                let mut claimed = network.cvv_claim(of, ticket, digest).await;
                if claimed.is_err() && dice.percent(50) {
                    claimed = network.cvv_claim(of, ticket, digest).await;
                }
                if let Ok(CvvClaimed::Taken(claim)) = claimed {
                    assert_eq!((claim.card, claim.ticket), (of, ticket), "seed {seed}");
                    self.open.push(claim);
                }
            }
            8 | 9 if !self.open.is_empty() => {
                let claim = self.open.swap_remove(dice.below(self.open.len()));
                if dice.percent(40) {
                    let _done = network.cvv_put_back(claim).await;
                } else {
                    let new = self.sent.insert((claim.card, claim.number));
                    assert!(new, "number {} is sent twice; seed {seed}", claim.number);
                    let _done = network.cvv_discard(claim).await;
                }
            }
            8..=10 => drop(network.cvv_read_many((1..=CARDS).map(card).collect()).await),
            _ => {
                let most = [1_000, 10_000, 70_000, CVV_REQUEST_SECONDS * 1000][dice.below(4)];
                clock.pass_millis(dice.next_u64() % most);
                if dice.percent(20) {
                    let _done = network.cvv_sweep().await;
                }
            }
        }
    }
}

/// A store whose every answer is held against the model. It sits behind the networks: what arrives here arrives in one order.
struct Checked {
    store: Arc<dyn CvvStore>,
    clock: Arc<TestClock>,
    seed: u64,
    model: Mutex<Model>,
}

#[derive(Default)]
struct Model {
    cards: BTreeMap<CardId, Card>,
    /// The greatest number that a card's CVVs were cleared with.
    cleared: BTreeMap<CardId, u64>,
    /// Who has taken which number, and has not given it back.
    takers: BTreeMap<(CardId, u64), CvvTicket>,
}

impl Checked {
    fn model(&self) -> (MutexGuard<'_, Model>, u64) {
        (self.model.lock().unwrap_or_else(PoisonError::into_inner), self.clock.monotonic_millis())
    }

    /// What must hold of what comes out, whatever the model says.
    fn came_out(&self, claim: &CvvClaim) {
        let seed = self.seed;
        let (mut model, _) = self.model();
        let number = claim.number;
        assert!(
            model.cleared.get(&claim.card).is_none_or(|cleared| number > *cleared),
            "cleared; seed {seed}"
        );
        assert!(claim.cvv.remaining_millis > 0, "over; seed {seed}");
        let taker = *model.takers.entry((claim.card, number)).or_insert(claim.ticket);
        assert_eq!(taker, claim.ticket, "number {number} is taken twice; seed {seed}");
    }
}

impl Model {
    fn card(&mut self, card: CardId, now: u64) -> &mut Card {
        self.cards.entry(card).or_default().at(now)
    }
}

impl CvvStore for Checked {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        let (mut model, now) = self.model();
        let held = model.card(card, now).hold(number, cvv.sealed.as_bytes()[0], cvv.remaining_millis, now);
        Box::pin(async move {
            let answer = self.store.cvv_hold(card, owner, number, cvv).await;
            assert_eq!(answer, Ok(held), "hold {number}; seed {}", self.seed);
            answer
        })
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        self.store.cvv_room(owner)
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        let (mut model, now) = self.model();
        model.card(card, now).clear(number, now);
        let cleared = model.cleared.entry(card).or_default();
        *cleared = number.max(*cleared);
        self.store.cvv_clear(card, number)
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        let (mut model, now) = self.model();
        model.card(card, now).clear_now(now);
        self.store.cvv_clear_now(card)
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        let (mut model, now) = self.model();
        let predicted = model.card(card, now).claim(ticket, digest, now);
        Box::pin(async move {
            let claimed = self.store.cvv_claim(card, ticket, digest).await?;
            match (&claimed, &predicted) {
                (CvvClaimed::Taken(claim), Predicted::Taken(held)) => {
                    let CvvClaim { number, cvv, .. } = claim;
                    let got = (*number, cvv.sealed.as_bytes()[0], now + cvv.remaining_millis);
                    assert_eq!(got, (held.number, held.mark, held.deadline), "seed {}", self.seed);
                    self.came_out(claim);
                }
                (CvvClaimed::Nothing, Predicted::Nothing) | (CvvClaimed::Twin, Predicted::Twin) => {}
                (CvvClaimed::Taken(_), Predicted::Nothing | Predicted::Twin)
                | (CvvClaimed::Nothing, Predicted::Taken(_) | Predicted::Twin)
                | (CvvClaimed::Twin, Predicted::Taken(_) | Predicted::Nothing) => {
                    panic!("claimed otherwise: {claimed:?}; seed {}", self.seed)
                }
            }
            Ok(claimed)
        })
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        let (mut model, now) = self.model();
        model.card(claim.card, now).put_back(claim.ticket, now);
        // Its request has ended without it.
        let taken = (claim.card, claim.number);
        if model.takers.get(&taken) == Some(&claim.ticket) {
            model.takers.remove(&taken);
        }
        self.store.cvv_put_back(again(&claim))
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        let (mut model, now) = self.model();
        model.card(claim.card, now).discard(claim.ticket);
        self.store.cvv_discard(claim)
    }

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        self.store.cvv_admits()
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        self.store.cvv_read(card)
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        let (mut model, now) = self.model();
        let predicted: Vec<_> = cards
            .iter()
            .map(|card| model.card(*card, now).held.as_ref().map(|held| (held.number, held.deadline)))
            .collect();
        Box::pin(async move {
            let shown: Result<_, CvvFault> = self.store.cvv_read_many(cards).await;
            let got: Vec<_> = shown
                .iter()
                .flatten()
                .map(|shown| shown.map(|shown: CvvShown| (shown.number, now + shown.remaining_millis)))
                .collect();
            assert_eq!(got, predicted, "seed {}", self.seed);
            shown
        })
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        self.store.cvv_key_current(offered)
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        self.store.cvv_key_component(number)
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        self.store.cvv_sweep()
    }

    fn counts(&self) -> CvvCounts {
        self.store.counts()
    }
}
