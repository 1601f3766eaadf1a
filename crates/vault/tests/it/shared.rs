//! Two nodes over one store, that share the place which holds CVVs.

mod crash;
mod keys;
mod restored;
mod revived;
mod rows;
mod weather;

use core::task::Poll;
use std::pin::Pin;
use std::sync::Arc;

use panvault_model::{CardId, CvvResult, NodeId};
use panvault_store::{CardCvvRow, CvvStore, Store};
use panvault_testkit::{NetworkCvvs, NetworkFaults, SharedCvvs, TestClock};
use panvault_vault::limits::{LEASE_SECONDS, LEASE_SKEW_SECONDS};
use panvault_vault::{CardChange, CvvChange, Permit, TransactionCreate, TransactionRow, VaultError};

use crate::cvvs::TestCvvs;
use crate::intruder::Intruder;
use crate::world::{HOUR_MILLIS, Shop, World, all_transactions, cvv_change, new_transaction, no_change};

/// After so long others take over.
const GIVEN_UP_MILLIS: u64 = (LEASE_SECONDS + LEASE_SKEW_SECONDS) * 1000;

/// Two nodes, and a shop that both serve.
pub(crate) struct Nodes {
    one: World,
    two: World,
    shop: Shop,
    place: Place,
}

/// Where the nodes' CVVs are.
#[derive(Clone)]
struct Place {
    cvvs: Arc<TestCvvs>,
    clock: Arc<TestClock>,
}

impl Nodes {
    async fn new() -> Self {
        Self::over(Place::shared(), NetworkFaults::default(), 0).await
    }

    /// Each node reaches the place over a network of its own.
    async fn over(place: Place, weather: NetworkFaults, seed: u64) -> Self {
        let clock = Arc::new(TestClock::new());
        // Two that serve must share it; commands are not refused.
        let serves = place.cvvs.is_shared();
        let node = async |store: Arc<Intruder>, n: u64| {
            let place = place.clone();
            let seed = seed * 2 + n;
            let make = move || {
                let cvvs = Arc::clone(&place.cvvs) as Arc<dyn CvvStore>;
                let network = NetworkCvvs::new(cvvs, Arc::clone(&place.clock), weather, seed);
                Arc::new(TestCvvs::over(Arc::new(network)))
            };
            let n = 1_000 + 1_000 * n + seed;
            World::node(store, Arc::clone(&clock), n, 3_600, Box::new(make), serves).await
        };
        let one = node(Arc::new(Intruder::default().beside(NodeId::from_bytes([1; 12]))), 0).await;
        let shop = one.shop(None).await;
        let two = node(Arc::new(one.store.beside(NodeId::from_bytes([2; 12]))), 1).await;
        Self { one, two, shop, place }
    }

    /// Other tasks run at every step of the store and of the place of CVVs.
    fn yields(&self) {
        for node in [&self.one, &self.two] {
            node.store.plot(|plot| plot.yields = true);
        }
        self.place.cvvs.yields.store(true, core::sync::atomic::Ordering::SeqCst);
    }

    /// Time passes, in which both nodes live.
    async fn pass_millis(&self, millis: u64) {
        self.let_pass(millis);
        for node in [&self.one, &self.two] {
            node.vault.lease_renew().await.unwrap();
            // The network may lose it.
            let _fault = node.vault.cvv_key_renew().await;
        }
    }

    fn let_pass(&self, millis: u64) {
        self.one.clock.pass_millis(millis);
        self.place.clock.pass_millis(millis);
    }

    /// The first node, whose process has gone, starts again when others may take over what it had in hand.
    async fn one_reopened(&mut self) {
        self.let_pass(GIVEN_UP_MILLIS);
        self.two.vault.lease_renew().await.unwrap();
        self.one.reopen().await.unwrap();
    }

    /// Does something to a card on a node.
    async fn act(
        &self,
        node: &World,
        card: CardId,
        act: Act,
    ) -> Result<Option<Arc<TransactionRow>>, VaultError> {
        let change = match act {
            Act::Transact(amount) => return node.transact(&self.shop, card, amount).await.map(Some),
            Act::Delete => {
                return node.vault.card_delete(&node.permit(&self.shop.key), card).await.map(|()| None);
            }
            Act::Put(cvv) => cvv_change(cvv),
            Act::Clear => CardChange { cvv: CvvChange::Clear, ..no_change() },
        };
        let permit = node.permit(&self.shop.key);
        node.vault.card_update(&permit, card, self.shop.organisation, change, None).await.map(|_| None)
    }

    /// What the store knows of the card's CVV.
    async fn row(&self, card: CardId) -> Option<Arc<CardCvvRow>> {
        self.one.store.card_cvv_read(card).await.unwrap()
    }

    /// All transactions with a card that went out with a CVV, or may have.
    async fn carried(&self, card: CardId) -> Vec<CvvResult> {
        let permit = self.two.permit(&self.shop.key);
        let page = self.two.vault.transaction_list(&permit, all_transactions()).await.unwrap();
        let carried = page.rows.iter().filter(|row| row.card == card && row.cvv_present);
        carried.map(|row| row.cvv_result).collect()
    }
}

impl Place {
    fn shared() -> Self {
        let shared = SharedCvvs::new(10_000);
        let clock = Arc::clone(shared.clock());
        Self { cvvs: Arc::new(TestCvvs::over(Arc::new(shared))), clock }
    }

    /// One that says that it is not shared: the vaults write no rows.
    fn unshared() -> Self {
        let clock = Arc::new(TestClock::new());
        Self { cvvs: Arc::new(TestCvvs::new(10_000, Arc::clone(&clock))), clock }
    }
}

/// What is done to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// With this amount: 1000 is taken, 131 is not sent.
    Transact(u32),
    Put(&'static str),
    Clear,
    Delete,
}

/// Polls a future so many times, or until it has an answer.
pub(crate) async fn polled<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    for _ in 0..times {
        let once = core::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if let Poll::Ready(answer) = once.await {
            return Some(answer);
        }
    }
    None
}

#[tokio::test]
async fn a_cvv_that_one_node_took_in_goes_out_by_the_other() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let until = nodes.one.card_read(&nodes.shop, card).await.unwrap().cvv_expires_at;
    assert!(until.is_some());
    assert_eq!(nodes.two.card_read(&nodes.shop, card).await.unwrap().cvv_expires_at, until);
    assert_eq!(nodes.two.cards(&nodes.shop).await.unwrap().rows[0].cvv_expires_at, until);
    let row = nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap();
    assert_eq!((row.cvv_present, row.cvv_result), (true, CvvResult::Matched));
    assert!(!nodes.one.holds_cvv(&nodes.shop, card).await);
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    nodes.one.cvv_put(&nodes.shop, card, "222").await.unwrap();
    nodes.two.cvv_put(&nodes.shop, card, "333").await.unwrap();
    let row = nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap();
    assert_eq!(row.cvv_result, CvvResult::NotChecked);
    nodes.two.cvv_put(&nodes.shop, card, "111").await.unwrap();
    nodes.pass_millis(HOUR_MILLIS).await;
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_transactions_on_two_nodes_exactly_one_carries_it() {
    let nodes = Nodes::new().await;
    nodes.yields();
    for round in 0..20 {
        let card = nodes.one.card(&nodes.shop).await;
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let node = if n % 2 == 0 { &nodes.one } else { &nodes.two };
                let (vault, permit) = (node.vault.clone(), node.permit(&nodes.shop.key));
                let new = new_transaction(nodes.shop.account, card, 1_000);
                tokio::spawn(async move { vault.transaction_create(&permit, new, None).await.unwrap().value })
            })
            .collect();
        let mut carried = 0;
        for task in tasks {
            let row = task.await.unwrap();
            assert_eq!(row.cvv_present, row.cvv_result == CvvResult::Matched);
            carried += usize::from(row.cvv_present);
        }
        assert_eq!(carried, 1, "round {round}");
    }
}

/// A request with an idempotency key whose CVV is replaced claims again, and does not take itself for its own twin.
#[tokio::test]
async fn a_request_is_not_its_own_twin() {
    let mut replaced = 0;
    for steps in 0.. {
        let nodes = Nodes::new().await;
        let card = nodes.one.card(&nodes.shop).await;
        nodes.yields();
        let permit: Permit<TransactionCreate> = nodes.one.permit(&nodes.shop.key);
        let claim = nodes.one.idempotency(&permit, "key", "body");
        let new = new_transaction(nodes.shop.account, card, 1_000);
        let mut running = Box::pin(nodes.one.vault.transaction_create(&permit, new, Some(claim)));
        if polled(running.as_mut(), steps).await.is_some() {
            break;
        }
        let claimed = nodes.place.cvvs.held_now() == 0;
        nodes.two.cvv_put(&nodes.shop, card, "222").await.unwrap();
        let row = running.await.unwrap().value;
        assert!(row.cvv_present, "step {steps}");
        replaced += usize::from(claimed && row.cvv_result == CvvResult::NotMatched);
    }
    assert!(replaced > 1);
}

/// Whatever is done on one node between two steps of what is done on the other: each CVV goes out once at most, none is lost that the
/// card should have, and none is kept that it should not.
#[tokio::test]
async fn whatever_comes_between_two_steps_a_cvv_goes_out_once() {
    let acts =
        [Act::Transact(1_000), Act::Transact(131), Act::Put("222"), Act::Put("333"), Act::Clear, Act::Delete];
    for first in acts {
        for second in acts {
            let mut steps = 0;
            while !between(first, second, steps).await {
                steps += 1;
            }
            assert!(steps > 2, "{first:?} and {second:?} do not meet");
        }
    }
}

/// Does the second while the first stands still after so many steps; says whether the first was over before.
async fn between(first: Act, second: Act, steps: usize) -> bool {
    let what = format!("{second:?} at step {steps} of {first:?}");
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let before = nodes.row(card).await.unwrap();
    nodes.yields();
    let mut running = Box::pin(nodes.act(&nodes.one, card, first));
    let over = polled(running.as_mut(), steps).await;
    let is_over = over.is_some();
    let second_done = nodes.act(&nodes.two, card, second).await;
    let first_done = match over {
        Some(done) => done,
        None => running.await,
    };
    for done in [&first_done, &second_done] {
        let deleted = first == Act::Delete || second == Act::Delete;
        assert!(done.is_ok() || deleted && matches!(done, Err(VaultError::NotFound(_))), "{what}: {done:?}");
    }
    let has = |act| first == act || second == act;
    let changes = |act| matches!(act, Act::Put(_) | Act::Clear);
    if changes(first) && changes(second) {
        let after = nodes.row(card).await.unwrap();
        assert_eq!(after.number, before.number + 2, "{what}: each has a number of its own");
    }
    if let (Act::Transact(1_000), Act::Put(_), Ok(Some(row))) = (first, second, &first_done) {
        assert!(row.cvv_present, "{what}: it does not go without what the card has");
    }
    let last = nodes.two.transact(&nodes.shop, card, 1_000).await;
    let carried = nodes.carried(card).await;
    let of = |result| carried.iter().filter(|carried| **carried == result).count();
    for result in [CvvResult::Matched, CvvResult::NotMatched, CvvResult::NotChecked] {
        assert!(of(result) <= 1, "{what}: {carried:?}");
    }
    if has(Act::Delete) {
        assert!(matches!(last, Err(VaultError::NotFound(_))), "{what}");
        assert_eq!(nodes.row(card).await, None, "{what}");
        return is_over;
    }
    let last = last.unwrap();
    if !changes(first) && !changes(second) {
        assert_eq!(of(CvvResult::Matched), 1, "{what}: the one CVV that there was is used");
    }
    for (act, other, result) in [
        (Act::Put("222"), Act::Put("333"), CvvResult::NotMatched),
        (Act::Put("333"), Act::Put("222"), CvvResult::NotChecked),
    ] {
        if has(act) && !has(other) && !has(Act::Clear) && first != second {
            assert_eq!(of(result), 1, "{what}: what was put is not lost");
        }
        if has(act) && has(other) {
            assert!(last.cvv_present && last.cvv_result != CvvResult::Matched, "{what}: one of them is held");
        }
        if has(act) && second == Act::Clear && is_over {
            assert!(!last.cvv_present, "{what}");
        }
    }
    if has(Act::Clear) && !matches!((first, second), (Act::Put(_), _) | (_, Act::Put(_))) {
        assert!(!last.cvv_present, "{what}");
    }
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present, "{what}");
    is_over
}
