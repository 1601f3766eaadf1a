//! Money that is given back: in whole, in parts and racing, with every outcome.

use std::sync::Arc;

use panvault_model::{
    ActionState, Amount, MOVES, RefundId, RefundStatus, TransactionAction, TransactionId, TransactionStatus,
};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{Action, RefundRow, Store, StoreFault, TransactionRow};
use panvault_testkit::operator;
use panvault_vault::limits::{IDEMPOTENCY_SECONDS, PROCESSOR_SECONDS_MAX, UNREACHED_SECONDS};
use panvault_vault::{
    AccountChange, Clock, NewRefund, Permit, RefundCreate, RefundQuery, SettledCounts, VaultError,
};

use crate::assert_refused;
use crate::shared::polled;
use crate::tamper::flipped_refunds;
use crate::world::{Shop, World, all};

pub(crate) const NOTHING: NewRefund = NewRefund { amount: None, reason: None, merchant_reference: None };

fn of(units: u32) -> NewRefund {
    NewRefund { amount: Amount::new(units), ..NOTHING }
}

/// With a trigger of the dummy.
pub(crate) fn please(units: u32, number: &str) -> NewRefund {
    NewRefund { reason: Some(format!("please {number}")), ..of(units) }
}

impl World {
    /// A transaction of 1000 that is settled.
    pub(crate) async fn completed(&self, shop: &Shop) -> Arc<TransactionRow> {
        let row = self.paid(shop, "order", true).await;
        self.settle().await;
        self.read(shop, row.id).await
    }

    pub(crate) async fn refund(
        &self,
        shop: &Shop,
        of: TransactionId,
        new: NewRefund,
    ) -> Result<Arc<RefundRow>, VaultError> {
        let done = self.vault.refund_create(&self.permit(&shop.key), of, new, None).await?;
        assert!(!done.replayed);
        Ok(done.value)
    }

    pub(crate) async fn refund_read(&self, shop: &Shop, id: RefundId) -> Arc<RefundRow> {
        self.vault.refund_read(&self.permit(&shop.key), id).await.unwrap()
    }

    async fn refunds(&self, shop: &Shop) -> Vec<Arc<RefundRow>> {
        self.vault.refund_list(&self.permit(&shop.key), RefundQuery { ..all() }).await.unwrap().rows
    }

    /// How much of a transaction is refunded, and what its refunds come to that did not fail.
    async fn sums(&self, shop: &Shop, of: TransactionId) -> (u32, u32) {
        let row = self.read(shop, of).await;
        let refunds = self.refunds(shop).await;
        let theirs = refunds.iter().filter(|row| row.transaction == of && row.status != RefundStatus::Failed);
        (row.refunded.minor_units(), theirs.map(|row| row.amount.minor_units()).sum())
    }
}

#[tokio::test]
async fn what_was_captured_is_given_back_in_whole_or_in_parts() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let whole = world.refund(&shop, paid.id, NOTHING).await.unwrap();
    assert_eq!(
        (whole.amount, whole.status, whole.state),
        (paid.amount, RefundStatus::Pending, ActionState::Approved)
    );
    assert_eq!((whole.transaction, whole.account, whole.currency), (paid.id, paid.account, paid.currency));
    assert_eq!((whole.reason_code.as_deref(), whole.version), (Some("00"), 2));
    assert_eq!(world.refund_read(&shop, whole.id).await, whole);
    let after = world.read(&shop, paid.id).await;
    assert_eq!((after.refunded, after.status), (paid.amount, TransactionStatus::SettlementCompleted));
    assert_eq!((after.captured, after.state), (paid.amount, ActionState::Approved));
    assert_refused!(
        world.refund(&shop, paid.id, NOTHING).await,
        VaultError::WrongState { reason: "nothing is left to refund" }
    );

    // A part was captured; parts of that go back, and then the rest.
    let reserved = world.paid(&shop, "order", false).await;
    world.act(&shop, reserved.id, TransactionAction::Capture, Amount::new(700)).await.unwrap();
    world.settle().await;
    for (units, left) in [(Some(300), 400), (Some(1), 399), (None, 0)] {
        let new = NewRefund { amount: units.and_then(Amount::new), ..NOTHING };
        let row = world.refund(&shop, reserved.id, new).await.unwrap();
        assert_eq!(row.amount.minor_units(), units.unwrap_or(399));
        assert_eq!(world.sums(&shop, reserved.id).await, (700 - left, 700 - left));
        for more in [left + 1, 1_000, 2_147_483_647] {
            let refused = world.refund(&shop, reserved.id, of(more)).await;
            assert_refused!(refused, VaultError::Faults(faults) if faults[0].field == "amount");
        }
    }
    assert_eq!(world.refunds(&shop).await.len(), 4, "what was refused left nothing");
}

/// What the table does not have is refused, says where the transaction stands, and changes nothing.
#[tokio::test]
async fn only_what_is_settled_is_given_back() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (reference, capture_now, stands) in [
        ("order", false, TransactionStatus::Authorized),
        ("order", true, TransactionStatus::SettlementRequested),
        ("please 121", true, TransactionStatus::Declined),
        ("please 122", true, TransactionStatus::Unknown),
        ("please 123", true, TransactionStatus::Failed),
    ] {
        assert!(!MOVES.iter().any(|row| row.from == stands && row.action == TransactionAction::Refund));
        let row = world.paid(&shop, reference, capture_now).await;
        let refused = world.refund(&shop, row.id, of(1)).await;
        assert_refused!(
            refused,
            VaultError::WrongMove { status, action: TransactionAction::Refund } if status == stands
        );
        assert_eq!(world.read(&shop, row.id).await, row);
    }
    let verified = world.paid_amount(&shop, "order", true, 0).await;
    assert_refused!(
        world.refund(&shop, verified.id, NOTHING).await,
        VaultError::WrongMove { status: TransactionStatus::Authorized, .. }
    );
    let missing = world.refund(&shop, TransactionId::from_bytes([9; 12]), NOTHING).await;
    assert_refused!(missing, VaultError::NotFound(_));
    assert_eq!(world.refunds(&shop).await, []);
}

/// Only organisations that see the transaction give it back, and see what was.
#[tokio::test]
async fn a_refund_is_its_organisations() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (below, other) = (world.shop(Some(shop.organisation)).await, world.shop(None).await);
    let paid = world.completed(&below).await;
    assert_refused!(world.refund(&other, paid.id, NOTHING).await, VaultError::NotFound(_));
    let row = world.refund(&shop, paid.id, NOTHING).await.unwrap();
    assert_eq!(
        (row.organisation, world.refund_read(&below, row.id).await),
        (below.organisation, row.clone())
    );
    let read = world.vault.refund_read(&world.permit(&other.key), row.id).await;
    assert_refused!(read, VaultError::NotFound(_));
    assert_eq!((world.refunds(&shop).await, world.refunds(&other).await), (vec![row], vec![]));
}

/// A refund that failed gives its amount free, whatever the reason.
#[tokio::test]
async fn what_the_processor_refuses_can_be_given_back_again() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    for (number, state) in [
        ("121", ActionState::Declined),
        ("123", ActionState::Failed),
        ("131", ActionState::Unavailable),
        ("132", ActionState::NotSupported),
    ] {
        let row = world.refund(&shop, paid.id, please(1_000, number)).await.unwrap();
        assert_eq!((row.status, row.state), (RefundStatus::Failed, state));
        assert!(row.status_reason.is_some(), "{number}");
        assert_eq!(world.refund_read(&shop, row.id).await, row);
        assert_eq!(world.sums(&shop, paid.id).await, (0, 0), "{number}");
    }
    let row = world.refund(&shop, paid.id, of(121)).await.unwrap();
    assert_eq!(row.state, ActionState::Declined, "by its own amount");
    let row = world.refund(&shop, paid.id, NOTHING).await.unwrap();
    assert_eq!((row.status, row.amount), (RefundStatus::Pending, paid.amount));
    assert_eq!(world.sums(&shop, paid.id).await, (1_000, 1_000));
}

/// What is not answered stays pending and counts, and what became of it the processor says when it is asked.
#[tokio::test]
async fn what_has_no_answer_counts_until_the_processor_says_no() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (later, status, state, counted) in [
        ("000", RefundStatus::Pending, ActionState::Approved, 900),
        ("121", RefundStatus::Failed, ActionState::Declined, 0),
        ("122", RefundStatus::Pending, ActionState::ToAsk, 900),
    ] {
        let paid = world.completed(&shop).await;
        let row = world.refund(&shop, paid.id, please(900, &format!("122 {later}"))).await.unwrap();
        assert_eq!((row.status, row.state), (RefundStatus::Pending, ActionState::ToAsk));
        assert_refused!(world.refund(&shop, paid.id, of(101)).await, VaultError::Faults(_));
        world.vault.sweep().await.unwrap();
        let told = world.refund_read(&shop, row.id).await;
        assert_eq!((told.status, told.state, told.version), (status, state, row.version + 1), "{later}");
        assert_eq!(world.sums(&shop, paid.id).await, (counted, counted), "{later}");
        world.vault.sweep().await.unwrap();
        assert_eq!(world.refund_read(&shop, row.id).await, told, "it is not asked again so soon");
        assert_eq!(world.refund(&shop, paid.id, of(101)).await.is_ok(), counted == 0);
    }
    // One that cannot tell is not asked at all, and one that is not reached is asked again.
    let paid = world.completed(&shop).await;
    let never = world.refund(&shop, paid.id, please(1, "122")).await.unwrap();
    let asked = world.refund(&shop, paid.id, please(1, "122 131")).await.unwrap();
    assert_eq!((never.state, asked.state), (ActionState::Unknown, ActionState::ToAsk));
    world.vault.sweep().await.unwrap();
    let read = (world.refund_read(&shop, never.id).await, world.refund_read(&shop, asked.id).await);
    assert_eq!(read, (never, asked));
    assert_eq!(world.sums(&shop, paid.id).await, (2, 2));
}

/// Thirty seconds, and not one more; and a question that has no answer is put again.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_after_the_limit() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let begun = tokio::time::Instant::now();
    let row = world.refund(&shop, paid.id, please(1, "170 000")).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), PROCESSOR_SECONDS_MAX);
    assert_eq!((row.status, row.state), (RefundStatus::Pending, ActionState::ToAsk));
    let late = world.refund(&shop, paid.id, please(1, "169")).await.unwrap();
    assert_eq!(late.state, ActionState::Approved, "late is not never");
    world.vault.sweep().await.unwrap();
    assert_eq!(world.refund_read(&shop, row.id).await.state, ActionState::Approved);

    let row = world.refund(&shop, paid.id, please(1, "122 170")).await.unwrap();
    for pause in [UNREACHED_SECONDS[0], UNREACHED_SECONDS[1]] {
        for asked in [PROCESSOR_SECONDS_MAX, 0] {
            let begun = tokio::time::Instant::now();
            world.vault.sweep().await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), asked, "it is asked, and then left alone");
            assert_eq!(world.refund_read(&shop, row.id).await, row);
        }
        world.clock.pass_millis(pause * 1_000);
    }
}

/// Of any number at once as many are done as fit, whatever becomes of them; each is sent once, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_refunds_that_race_as_many_are_done_as_fit() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for (reason, fit) in [(None, 3), (Some("please 122"), 3), (Some("please 121"), 0)] {
        for round in 0..5 {
            let paid = world.completed(&shop).await;
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    let (vault, permit, id) = (world.vault.clone(), world.permit(&shop.key), paid.id);
                    let new = NewRefund { reason: reason.map(str::to_owned), ..of(300) };
                    tokio::spawn(async move { vault.refund_create(&permit, id, new, None).await })
                })
                .collect();
            let (mut done, mut failed) = (0, 0);
            for task in tasks {
                match task.await.unwrap() {
                    Ok(row) if row.value.status == RefundStatus::Failed => failed += 1,
                    Ok(_) => done += 1,
                    Err(VaultError::Faults(faults)) => assert_eq!(faults[0].field, "amount"),
                    Err(error) => panic!("round {round}: {error:?}"),
                }
            }
            assert_eq!(done, fit, "round {round}, {reason:?}");
            assert_eq!(world.sums(&shop, paid.id).await, (300 * fit, 300 * fit), "{reason:?}");
            let left = world.processors.left();
            let sent = left.iter().filter(|sent| **sent == paid.id).count();
            assert_eq!(sent, 1 + (done + failed) as usize, "the sale and each refund, once");
        }
    }
}

/// With what is asked for by the rest of it, all of which fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refunds_of_all_that_is_left_race_and_one_has_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for _ in 0..10 {
        let paid = world.completed(&shop).await;
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (vault, permit, id) = (world.vault.clone(), world.permit(&shop.key), paid.id);
                tokio::spawn(async move { vault.refund_create(&permit, id, NOTHING, None).await })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(row) => done.push(row.value.amount),
                Err(VaultError::WrongState { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(done, [paid.amount]);
    }
}

#[tokio::test]
async fn a_refund_that_is_repeated_is_done_once() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let permit: Permit<RefundCreate> = world.permit(&shop.key);
    let claim = world.idempotency(&permit, "key", "body");
    let first = world.vault.refund_create(&permit, paid.id, of(600), Some(claim)).await.unwrap();
    assert!(!first.replayed);
    world.clock.pass_millis((IDEMPOTENCY_SECONDS - 1) * 1000);
    world.vault.sweep().await.unwrap();
    let permit: Permit<RefundCreate> = world.permit(&shop.key);
    let again = world.vault.refund_create(&permit, paid.id, of(600), Some(claim)).await.unwrap();
    assert!(again.replayed && again.value == first.value);
    assert_eq!(world.sums(&shop, paid.id).await, (600, 600));
    let other = world.idempotency(&permit, "key", "other");
    assert_refused!(
        world.vault.refund_create(&permit, paid.id, of(1), Some(other)).await,
        VaultError::IdempotencyMismatch
    );
    // A no is an answer too.
    let claim = world.idempotency(&permit, "another", "body");
    for replayed in [false, true] {
        let new = please(1, "121");
        let done = world.vault.refund_create(&permit, paid.id, new, Some(claim)).await.unwrap();
        assert_eq!((done.replayed, done.value.state), (replayed, ActionState::Declined));
    }
}

/// The bug: of a refund of all that is left, sent twice at once, the second was told that nothing is left. Its cause: it had looked for the
/// first one's answer before that was written, and for what is left after. Its cure: it looks again before it refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_twin_of_a_refund_is_told_of_the_first() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for round in 0..40 {
        let paid = world.completed(&shop).await;
        let permit: Permit<RefundCreate> = world.permit(&shop.key);
        let claim = world.idempotency(&permit, &format!("key {round}"), "body");
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (vault, permit, id) = (world.vault.clone(), world.permit(&shop.key), paid.id);
                tokio::spawn(async move { vault.refund_create(&permit, id, NOTHING, Some(claim)).await })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(done) => made += u32::from(!done.replayed),
                Err(VaultError::IdempotencyInUse) => {}
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
        assert_eq!(made, 1, "round {round}");
    }
}

/// Cut off after any number of steps, a refund is not sent twice, does not stay in anybody's hand, and counts as soon as it is begun.
#[tokio::test]
async fn a_refund_that_was_cut_off_counts_and_is_asked_about() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for (later, status, counts) in [("000", RefundStatus::Pending, 400), ("121", RefundStatus::Failed, 0)] {
        let (mut states, mut steps) = (Vec::new(), 0);
        loop {
            let paid = world.completed(&shop).await;
            let name = format!("key {later} {steps}");
            let permit: Permit<RefundCreate> = world.permit(&shop.key);
            let claim = world.idempotency(&permit, &name, "body");
            let (vault, new) = (world.vault.clone(), please(400, &format!("122 {later}")));
            let mut running = Box::pin(vault.refund_create(&permit, paid.id, new.clone(), Some(claim)));
            let done = polled(running.as_mut(), steps).await;
            drop(running);
            drop(vault);
            world.reopen().await.unwrap();
            let refunds = world.refunds(&shop).await;
            let found = refunds.iter().find(|row| row.transaction == paid.id);
            assert!(found.is_none_or(|row| row.state != ActionState::InHand && row.status == RefundStatus::Pending));
            let counted = if found.is_some() { 400 } else { 0 };
            assert_eq!(world.sums(&shop, paid.id).await, (counted, counted), "{steps} steps");
            states.push(found.map(|row| row.state));
            world.vault.sweep().await.unwrap();
            let counted = counted.min(counts);
            assert_eq!(world.sums(&shop, paid.id).await, (counted, counted), "{steps} steps");
            if let Some(row) = found {
                assert_eq!(world.refund_read(&shop, row.id).await.status, status, "{steps} steps");
            }
            let permit: Permit<RefundCreate> = world.permit(&shop.key);
            let claim = world.idempotency(&permit, &name, "body");
            let again = world.vault.refund_create(&permit, paid.id, new, Some(claim)).await.unwrap();
            assert_eq!(again.replayed, found.is_some(), "{steps} steps");
            let left = world.processors.left();
            assert!(left.iter().filter(|sent| **sent == paid.id).count() <= 2, "{steps} steps");
            if done.is_some() {
                break;
            }
            steps += 1;
        }
        assert!(states.contains(&None) && states.contains(&Some(ActionState::ToAsk)));
    }
}

/// What cannot be written down is not lost: the next sweep does it, without a restart.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_could_not_be_written_is_known_later() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    for new in [of(400), please(400, "121 121"), please(1, "122 000")] {
        world.store.plot(|plot| plot.settle_faults = Some((StoreFault::Full, usize::MAX)));
        let row = world.refund(&shop, paid.id, new).await.unwrap();
        assert_eq!((row.status, row.state, row.version), (RefundStatus::Pending, ActionState::InHand, 1));
        crate::crash::given_up().await;
        assert!(world.vault.sweep().await.is_err(), "there is no room yet");
        world.store.leave();
        world.vault.sweep().await.unwrap();
        let later = world.refund_read(&shop, row.id).await;
        assert!(later.state != ActionState::InHand && later.version > 1, "{:?}", later.state);
    }
    // Of the first nobody can tell; the second failed, and the third came through.
    assert_eq!(world.sums(&shop, paid.id).await, (401, 401));
}

/// One that was refused without a word in the log is one that nobody can look for.
#[tokio::test]
async fn each_refund_leaves_its_notes_and_costs_two_commits() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    for (new, notes) in [
        (
            of(1),
            [("refund_create", paid.id.0, 0), ("refund_settle", paid.id.0, RefundStatus::Pending.code())],
        ),
        (
            please(1, "121"),
            [("refund_create", paid.id.0, 0), ("refund_fail", paid.id.0, RefundStatus::Failed.code())],
        ),
    ] {
        let start = world.vault.status().store.sequence;
        let row = world.refund(&shop, paid.id, new).await.unwrap();
        let records = world.store.trail(start + 1).await;
        let found: Vec<_> = records
            .iter()
            .map(|record| (record.note.action.as_str(), record.note.object, record.note.outcome))
            .collect();
        let [created, mut ended] = notes;
        if row.status == RefundStatus::Pending {
            ended.1 = row.id.0;
        }
        assert_eq!(found, [created, ended]);
        assert!(records.iter().all(|record| record.note.actor.is_some()));
    }
    let start = world.vault.status().store.sequence;
    world.settle().await;
    let [record] = world.store.trail(start + 1).await.try_into().unwrap();
    assert_eq!(
        (record.note.action, record.note.outcome),
        (Action::RefundSettle, RefundStatus::Processed.code())
    );
}

#[tokio::test]
async fn what_was_approved_is_settled_and_nothing_else() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let approved = world.refund(&shop, paid.id, of(10)).await.unwrap();
    let failed = world.refund(&shop, paid.id, please(10, "121")).await.unwrap();
    let unknown = world.refund(&shop, paid.id, please(10, "122")).await.unwrap();
    let to_ask = world.refund(&shop, paid.id, please(10, "122 131")).await.unwrap();
    let sold = world.paid(&shop, "order", true).await;
    assert_eq!(world.settle().await, SettledCounts { submitted: 1, completed: 1, refunds_processed: 1 });
    let processed = world.refund_read(&shop, approved.id).await;
    assert_eq!((processed.status, processed.version), (RefundStatus::Processed, approved.version + 1));
    assert_eq!(world.read(&shop, sold.id).await.status, TransactionStatus::SettlementCompleted);
    for row in [failed, unknown, to_ask] {
        assert_eq!(world.refund_read(&shop, row.id).await, row);
    }
    assert_eq!(world.sums(&shop, paid.id).await, (30, 30));
    assert_eq!(world.settle().await, SettledCounts::default());
}

/// More than one list has, and one among them that somebody has changed keeps back no others.
#[tokio::test]
async fn a_settlement_goes_through_all_pages() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.paid_amount(&shop, "order", true, 1_000_000).await;
    world.settle().await;
    let many = u64::from(LIST_ROWS_MAX) + 300;
    for _ in 0..many {
        world.clock.pass_millis(1);
        world.refund(&shop, paid.id, of(1)).await.unwrap();
    }
    let settled = SettledCounts { refunds_processed: many, ..SettledCounts::default() };
    assert_eq!(world.settle().await, settled);
}

#[tokio::test]
async fn a_refund_that_cannot_be_settled_keeps_back_no_others() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let mut rows = Vec::new();
    for _ in 0..5 {
        rows.push(world.refund(&shop, paid.id, of(1)).await.unwrap());
    }
    let changed = rows[2].id;
    world.store.plot(|plot| {
        plot.refund = Some(Box::new(move |row| {
            if row.id == changed {
                row.merchant_reference = Some("other".to_owned());
            }
        }));
    });
    let settled = world.vault.settle(&operator(&world.vault, 1).permit().unwrap()).await;
    assert_refused!(settled, VaultError::Tampered(_));
    world.store.leave();
    for row in rows {
        let is_processed = world.refund_read(&shop, row.id).await.status == RefundStatus::Processed;
        assert_eq!(is_processed, row.id != changed);
    }
}

/// What was paid through an account is captured, voided and refunded when that is disabled: only new transactions are refused.
#[tokio::test]
async fn a_disabled_account_gives_back_what_it_took() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (paid, reserved) = (world.completed(&shop).await, world.paid(&shop, "order", false).await);
    let operator = operator(&world.vault, 1);
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    world.vault.account_update(&operator.permit().unwrap(), shop.account, change, None).await.unwrap();
    let card = world.card(&shop).await;
    assert!(world.transact(&shop, card, 1_000).await.is_err());
    assert!(world.act(&shop, reserved.id, TransactionAction::Capture, None).await.is_ok());
    assert_eq!(world.refund(&shop, paid.id, NOTHING).await.unwrap().state, ActionState::Approved);
}

/// Whatever is changed in a refund, the vault says so, and does not act on it.
#[tokio::test]
async fn any_changed_byte_of_a_refund_is_noticed() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let new = NewRefund { merchant_reference: Some("refund 1".to_owned()), ..please(1, "122 000") };
    let row = world.refund(&shop, paid.id, new).await.unwrap();
    let rows = flipped_refunds(&row);
    assert!(rows.len() > 300, "{}", rows.len());
    for (at, changed) in rows.into_iter().enumerate() {
        let now = world.clock.now().wall;
        let is_open = changed.state.may_be_told() && changed.ask_at.is_some_and(|at| at <= now);
        world.store.plot(|plot| plot.refund = Some(Box::new(move |stored| *stored = changed.clone())));
        let mut errors = vec![
            world.vault.refund_read(&world.permit(&shop.key), row.id).await.err(),
            world.vault.refund_list(&world.permit(&shop.key), all()).await.err(),
        ];
        if is_open {
            errors.push(world.vault.sweep().await.err());
        }
        for error in errors {
            assert!(matches!(error, Some(VaultError::Tampered(_))), "change {at}: {error:?}");
        }
    }
    // Another good row in its place.
    let other = world.refund(&shop, paid.id, of(1)).await.unwrap();
    let put = RefundRow::clone(&other);
    world.store.plot(|plot| plot.refund = Some(Box::new(move |stored| *stored = put.clone())));
    let read = world.vault.refund_read(&world.permit(&shop.key), row.id).await;
    assert_refused!(read, VaultError::Tampered(_));
    world.store.leave();
    assert_eq!(world.refund_read(&shop, row.id).await, row);
    assert_eq!(world.store.refund_open().await.unwrap(), [row]);
    world.reopen().await.unwrap();
}
