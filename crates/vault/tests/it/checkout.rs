//! Checkouts: random pages against a model, and the clock that their end goes by.

use std::sync::Arc;

use panvault_model::{AccountId, Amount, CheckoutId, CheckoutStatus};
use panvault_testkit::{SeededRandom, TestClock};
use panvault_vault::limits::CALENDAR_SECONDS_MAX;
use panvault_vault::{CheckoutRefusal, CheckoutView, NewCheckout, Origin, VaultError};

use crate::world::{HOUR_MILLIS, Shop, VISA, World, all_cards, all_transactions, new_card};

const SEEDS: u64 = 60;
const STEPS: usize = 60;
const APPROVED: u32 = 1_250;
const DECLINED: u32 = 121;
const UNREACHED: u32 = 131;

fn new_checkout(account: AccountId, units: u32, process_transaction: bool) -> NewCheckout {
    NewCheckout {
        account,
        amount: Amount::new(units).unwrap(),
        customer: None,
        merchant_reference: "order".to_owned(),
        dynamic_descriptor: String::new(),
        return_url: "https://shop.example/thanks".to_owned(),
        webhook_transaction_update: None,
        process_transaction,
        capture_now: true,
        locale: None,
        expires_in_seconds: 900,
    }
}

impl World {
    async fn checkout(&self, shop: &Shop, new: NewCheckout) -> CheckoutView {
        self.vault.checkout_create(&self.permit(&shop.key), new, None).await.unwrap().value
    }

    async fn seen(&self, id: CheckoutId) -> CheckoutView {
        let session = self.vault.checkout_session(id, Origin::LOCAL).await.unwrap();
        self.vault.checkout_seen(&session).await.unwrap()
    }

    async fn bring(&self, id: CheckoutId) -> Result<(), VaultError> {
        let session = self.vault.checkout_session(id, Origin::LOCAL).await?;
        self.vault.checkout_card(&session, new_card(VISA, Some("111")), None).await.map(drop)
    }

    async fn pay(&self, id: CheckoutId, attempt: u8) -> Result<CheckoutView, VaultError> {
        let session = self.vault.checkout_session(id, Origin::LOCAL).await?;
        self.vault.checkout_pay(&session, attempt, "203.0.113.7".to_owned(), "test".to_owned()).await
    }

    async fn cancel(&self, id: CheckoutId) -> CheckoutView {
        let session = self.vault.checkout_session(id, Origin::LOCAL).await.unwrap();
        self.vault.checkout_cancel(&session).await.unwrap()
    }
}

/// What comes of a card.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    Payment,
    Decline,
    /// The processor is out of reach.
    Nothing,
    Token,
}

/// A checkout as it should be.
#[derive(Debug)]
struct Expected {
    comes: Comes,
    attempts: u8,
    cards: u8,
    /// Whether a card waits to be paid with, or is what was asked for.
    is_bound: bool,
    is_completed: bool,
    is_cancelled: bool,
    left_millis: u64,
}

impl Expected {
    fn status(&self) -> CheckoutStatus {
        match self {
            Self { is_completed: true, .. } => CheckoutStatus::Completed,
            Self { is_cancelled: true, .. } => CheckoutStatus::Cancelled,
            Self { attempts: 3.., comes: Comes::Decline, .. } => CheckoutStatus::Failed,
            Self { left_millis: 0, .. } => CheckoutStatus::Expired,
            _ => CheckoutStatus::Open,
        }
    }

    /// Why it takes nothing.
    fn refusal(&self) -> Option<&'static str> {
        match self.status() {
            CheckoutStatus::Open => None,
            CheckoutStatus::Completed => Some("completed"),
            CheckoutStatus::Expired => Some("expired"),
            _ if self.is_cancelled => Some("wrong state"),
            _ => Some("failed"),
        }
    }

    fn bring(&mut self) -> &'static str {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if self.cards == 10 {
            return "failed";
        }
        (self.cards, self.is_bound) = (self.cards + 1, true);
        "done"
    }

    fn pay(&mut self, attempt: u8) -> &'static str {
        let is_stored = self.is_completed && self.comes == Comes::Token && attempt == 0;
        if attempt + 1 == self.attempts || is_stored {
            return "done";
        }
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if attempt != self.attempts {
            return "faults";
        }
        if !self.is_bound {
            return "no card";
        }
        self.is_completed = !matches!(self.comes, Comes::Decline | Comes::Nothing);
        self.is_bound = self.comes == Comes::Token;
        self.attempts += u8::from(self.comes != Comes::Token);
        "done"
    }

    /// Cards of it that are kept: those that were tried, and the one that waits or was asked for.
    fn kept(&self) -> usize {
        usize::from(self.attempts) + usize::from(self.is_bound)
    }
}

fn kind<T>(result: &Result<T, VaultError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(VaultError::Checkout(CheckoutRefusal::Completed)) => "completed",
        Err(VaultError::Checkout(CheckoutRefusal::Expired)) => "expired",
        Err(VaultError::Checkout(CheckoutRefusal::Failed)) => "failed",
        Err(VaultError::Checkout(CheckoutRefusal::NoCard)) => "no card",
        Err(VaultError::Faults(_)) => "faults",
        Err(VaultError::WrongState { .. }) => "wrong state",
        Err(_) => "another error",
    }
}

/// Pages that do anything in any order: no checkout makes more transactions than attempts, keeps a card that nobody paid with, or comes back to life.
#[tokio::test]
async fn random_pages_are_answered_as_the_model_predicts() {
    for seed in 0..SEEDS {
        let mut world = World::new().await;
        let shop = world.shop(None).await;
        let mut dice = SeededRandom::new(seed);
        let mut checkouts: Vec<(CheckoutId, Expected)> = Vec::new();
        for (units, comes) in [
            (APPROVED, Comes::Payment),
            (DECLINED, Comes::Decline),
            (UNREACHED, Comes::Nothing),
            (0, Comes::Payment),
            (5, Comes::Token),
        ] {
            let new = new_checkout(shop.account, units, comes != Comes::Token);
            let expected = Expected {
                comes,
                attempts: 0,
                cards: 0,
                is_bound: false,
                is_completed: false,
                is_cancelled: false,
                left_millis: 900_000,
            };
            checkouts.push((world.checkout(&shop, new).await.row.id, expected));
        }
        for step in 0..STEPS {
            let at = dice.below(checkouts.len());
            let (id, expected) = &mut checkouts[at];
            let id = *id;
            let (answered, predicted) = match dice.below(20) {
                0..7 => (kind(&world.bring(id).await), expected.bring()),
                7..15 => {
                    let attempt = if dice.percent(70) {
                        expected.attempts
                    } else {
                        u8::try_from(dice.below(4)).unwrap()
                    };
                    (kind(&world.pay(id, attempt).await), expected.pay(attempt))
                }
                15 => {
                    if expected.status() == CheckoutStatus::Open {
                        (expected.is_cancelled, expected.is_bound) = (true, false);
                    }
                    world.cancel(id).await;
                    ("done", "done")
                }
                16..19 => {
                    let millis = dice.below(60_000) as u64;
                    world.clock.pass_millis(millis);
                    for (_, expected) in &mut checkouts {
                        expected.left_millis = expected.left_millis.saturating_sub(millis);
                    }
                    ("done", "done")
                }
                _ => {
                    world.reopen().await.unwrap();
                    ("done", "done")
                }
            };
            assert_eq!(answered, predicted, "seed {seed}, step {step}: {:?}", checkouts[at].1);
            for (id, expected) in &checkouts {
                let view = world.seen(*id).await;
                let refused = if expected.comes == Comes::Nothing { 0 } else { expected.attempts };
                let left = if expected.refusal().is_none() { 3 - refused } else { 0 };
                let found = (view.status, view.row.attempts, view.attempts_left(), view.row.card.is_some());
                let predicted = (expected.status(), expected.attempts, left, expected.is_bound);
                assert_eq!(found, predicted, "seed {seed}, step {step}: {expected:?}");
            }
        }
        let permit = world.permit(&shop.key);
        let made = world.vault.transaction_list(&permit, all_transactions()).await.unwrap().total;
        let attempts: u64 = checkouts.iter().map(|(_, expected)| u64::from(expected.attempts)).sum();
        assert_eq!(made, attempts, "seed {seed}");
        let kept = world.vault.card_list(&world.permit(&shop.key), all_cards()).await.unwrap().rows.len();
        assert_eq!(kept, checkouts.iter().map(|(_, expected)| expected.kept()).sum::<usize>(), "seed {seed}");
    }
}

/// Nodes whose own clocks are as far apart as is let pass agree on when a checkout ends.
#[tokio::test]
async fn it_ends_by_the_clock_that_all_nodes_go_by() {
    let shared = Arc::new(TestClock::new());
    let skew = CALENDAR_SECONDS_MAX * 1000;
    let ahead = World::shared_by(1, &shared, |clock| clock.wall_forward_millis(skew)).await;
    let shop = ahead.shop(None).await;
    let behind = ahead.beside_by(2, &shared, |clock| clock.wall_back_millis(skew)).await;
    let made = ahead.checkout(&shop, new_checkout(shop.account, APPROVED, true)).await;
    let id = made.row.id;
    for node in [&ahead, &behind] {
        node.caller(&shop.key);
        let view = node.seen(id).await;
        assert_eq!(view.status, CheckoutStatus::Open);
        assert_eq!(view.row.expires_at.unix_millis() - view.at.unix_millis(), 900_000);
    }
    shared.pass_millis(899_999);
    behind.bring(id).await.unwrap();
    shared.pass_millis(1);
    for node in [&ahead, &behind] {
        assert_eq!(node.seen(id).await.status, CheckoutStatus::Expired);
        crate::assert_refused!(node.pay(id, 0).await, VaultError::Checkout(CheckoutRefusal::Expired));
    }
}

/// What its page never finished goes with it, 30 days after its end.
#[tokio::test]
async fn the_card_of_a_checkout_that_nobody_paid_goes_with_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let [unpaid, stored] = [true, false].map(|pays| new_checkout(shop.account, APPROVED, pays));
    let unpaid = world.checkout(&shop, unpaid).await.row.id;
    let stored = world.checkout(&shop, stored).await.row.id;
    for id in [unpaid, stored] {
        world.bring(id).await.unwrap();
    }
    world.pay(stored, 0).await.unwrap();
    let cards = async || {
        let permit = world.permit(&shop.key);
        world.vault.card_list(&permit, all_cards()).await.unwrap().rows.len()
    };
    for (days, left) in [(30, 2), (1, 1)] {
        world.clock.pass_millis(days * 24 * HOUR_MILLIS);
        world.vault.sweep().await.unwrap();
        assert_eq!(cards().await, left, "{days} more days");
    }
    assert!(world.vault.checkout_session(unpaid, Origin::LOCAL).await.is_err());
}
