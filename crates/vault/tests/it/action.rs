//! What is done with a transaction after it was authorised: captures and voids, one at a time and racing, with every outcome.

use std::sync::Arc;

use panvault_model::{ActionState, Amount, MOVES, TransactionAction, TransactionId, TransactionStatus};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_testkit::operator;
use panvault_vault::limits::{PROCESSOR_SECONDS_MAX, UNREACHED_SECONDS};
use panvault_vault::{
    Done, Idempotency, NewTransaction, Permit, SettledCounts, TransactionCapture, TransactionRow, Vault,
    VaultError,
};

use crate::assert_refused;
use crate::shared::polled;
use crate::world::{Shop, World, new_transaction};

pub(crate) fn amount(units: u32) -> Option<Amount> {
    Amount::new(units)
}

impl World {
    /// A transaction with this reference, reserved or sold.
    pub(crate) async fn paid(&self, shop: &Shop, reference: &str, capture_now: bool) -> Arc<TransactionRow> {
        self.paid_amount(shop, reference, capture_now, 1_000).await
    }

    pub(crate) async fn paid_amount(
        &self,
        shop: &Shop,
        reference: &str,
        capture_now: bool,
        amount: u32,
    ) -> Arc<TransactionRow> {
        let card = self.card(shop).await;
        let new = NewTransaction {
            capture_now,
            merchant_reference: reference.to_owned(),
            ..new_transaction(shop.account, card, amount)
        };
        self.vault.transaction_create(&self.permit(&shop.key), new, None).await.unwrap().value
    }

    /// Does one of the actions that change a transaction as a whole.
    pub(crate) async fn act(
        &self,
        shop: &Shop,
        id: TransactionId,
        action: TransactionAction,
        amount: Option<Amount>,
    ) -> Result<Arc<TransactionRow>, VaultError> {
        let done = match action {
            TransactionAction::Capture => {
                self.vault.transaction_capture(&self.permit(&shop.key), id, amount, None).await
            }
            TransactionAction::VoidCapture => {
                self.vault.transaction_void_capture(&self.permit(&shop.key), id, amount, None).await
            }
            TransactionAction::Void => {
                self.vault.transaction_void(&self.permit(&shop.key), id, amount, None).await
            }
            TransactionAction::Authorise | TransactionAction::Refund | TransactionAction::Settle => {
                panic!("{action} is none of these")
            }
        };
        done.map(|done| done.value)
    }

    async fn steps(&self, shop: &Shop, id: TransactionId) -> Vec<TransactionStatus> {
        let steps = self.vault.transaction_history(&self.permit(&shop.key), id).await.unwrap();
        steps.iter().map(|step| step.status).collect()
    }

    pub(crate) async fn read(&self, shop: &Shop, id: TransactionId) -> Arc<TransactionRow> {
        self.vault.transaction_read(&self.permit(&shop.key), id).await.unwrap()
    }
}

const CHANGES: [TransactionAction; 3] =
    [TransactionAction::Capture, TransactionAction::VoidCapture, TransactionAction::Void];

#[tokio::test]
async fn what_is_reserved_is_captured_in_whole_or_in_part_or_released() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (captured, expected) in [(None, 1_000), (amount(1_000), 1_000), (amount(1), 1)] {
        let row = world.paid(&shop, "order", false).await;
        assert_eq!((row.status, row.captured), (TransactionStatus::Authorized, Amount::ZERO));
        let row = world.act(&shop, row.id, TransactionAction::Capture, captured).await.unwrap();
        assert_eq!(row.status, TransactionStatus::SettlementRequested);
        assert_eq!((row.captured.minor_units(), row.amount.minor_units()), (expected, 1_000));
        assert_eq!((row.reason_code.as_deref(), row.state), (Some("00"), ActionState::Approved));
        assert_eq!(world.read(&shop, row.id).await, row);
        assert_eq!(
            world.steps(&shop, row.id).await,
            [
                TransactionStatus::SettlementRequested,
                TransactionStatus::Pending,
                TransactionStatus::Authorized,
                TransactionStatus::Initiated
            ]
        );
    }
    let row = world.paid(&shop, "order", false).await;
    let row = world.act(&shop, row.id, TransactionAction::Void, None).await.unwrap();
    assert_eq!(row.status, TransactionStatus::AuthorizationVoided);
    let row = world.paid(&shop, "order", true).await;
    let row = world.act(&shop, row.id, TransactionAction::VoidCapture, amount(1_000)).await.unwrap();
    assert_eq!(row.status, TransactionStatus::SettlementCancelled);
}

/// What the table does not have is refused, says where the transaction stands, and changes nothing.
#[tokio::test]
async fn only_what_the_table_has_is_done() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for action in CHANGES {
        for (reference, capture_now, before) in [
            ("order", false, TransactionStatus::Authorized),
            ("order", true, TransactionStatus::SettlementRequested),
            ("please 121", true, TransactionStatus::Declined),
            ("please 122", true, TransactionStatus::Unknown),
            ("please 123", true, TransactionStatus::Failed),
            ("please 131", true, TransactionStatus::Unavailable),
            ("please 132", true, TransactionStatus::NotSupported),
        ] {
            let row = world.paid(&shop, reference, capture_now).await;
            assert_eq!(row.status, before);
            let done = world.act(&shop, row.id, action, None).await;
            match MOVES.iter().find(|one| one.from == before && one.action == action) {
                Some(one) => {
                    let done = done.unwrap();
                    assert_eq!(done.status, one.to, "{action}");
                    // And from there, nothing of these twice.
                    assert_refused!(
                        world.act(&shop, row.id, action, None).await,
                        VaultError::WrongMove { status, .. } if status == one.to
                    );
                    assert_eq!(world.read(&shop, row.id).await, done);
                }
                None => {
                    assert_refused!(
                        done,
                        VaultError::WrongMove { status, action: wanted } if (status, wanted) == (before, action)
                    );
                    assert_eq!(world.read(&shop, row.id).await, row, "{action} of {before}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_verification_has_nothing_to_capture_and_no_amount_is_exceeded() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let verified = world.paid_amount(&shop, "order", true, 0).await;
    assert_refused!(
        world.act(&shop, verified.id, TransactionAction::Capture, None).await,
        VaultError::WrongMove { status: TransactionStatus::Authorized, .. }
    );
    assert!(world.act(&shop, verified.id, TransactionAction::Void, None).await.is_ok());
    let reserved = world.paid(&shop, "order", false).await;
    let sold = world.paid(&shop, "order", true).await;
    for (row, action, units) in [
        (&reserved, TransactionAction::Capture, 1_001),
        (&reserved, TransactionAction::Void, 999),
        (&sold, TransactionAction::VoidCapture, 999),
        (&sold, TransactionAction::VoidCapture, 1_001),
    ] {
        let done = world.act(&shop, row.id, action, amount(units)).await;
        assert_refused!(done, VaultError::Faults(faults) if faults[0].field == "amount");
        assert_eq!(&world.read(&shop, row.id).await, row, "{action}");
    }
}

/// A no leaves a transaction where it stood, and it can be tried again.
#[tokio::test]
async fn what_the_processor_refuses_is_as_it_was() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (action, verb) in [
        (TransactionAction::Capture, "capture"),
        (TransactionAction::Void, "void"),
        (TransactionAction::VoidCapture, "void"),
    ] {
        for (number, state) in [
            (121, ActionState::Declined),
            (123, ActionState::Failed),
            (131, ActionState::Unavailable),
            (132, ActionState::NotSupported),
        ] {
            let sold = action == TransactionAction::VoidCapture;
            let before = world.paid(&shop, &format!("please {verb} {number}"), sold).await;
            let after = world.act(&shop, before.id, action, None).await.unwrap();
            assert_eq!((after.state, after.status), (state, before.status), "{action}");
            assert_eq!((after.captured, after.version), (before.captured, before.version + 2));
            assert!(after.status_reason.is_some() && after.authorization_code == before.authorization_code);
        }
    }
    let before = world.paid(&shop, "order", false).await;
    let declined = world.act(&shop, before.id, TransactionAction::Capture, amount(121)).await.unwrap();
    assert_eq!(declined.state, ActionState::Declined);
    let captured = world.act(&shop, before.id, TransactionAction::Capture, amount(120)).await.unwrap();
    assert_eq!((captured.state, captured.captured.minor_units()), (ActionState::Approved, 120));
}

/// What is not answered is unknown, and what becomes of it the processor says when it is asked.
#[tokio::test]
async fn a_processor_is_asked_what_became_of_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (later, expected) in [
        ("000", TransactionStatus::SettlementRequested),
        ("121", TransactionStatus::Authorized),
        ("122", TransactionStatus::Unknown),
    ] {
        let row = world.paid(&shop, &format!("please capture 122 {later}"), false).await;
        let row = world.act(&shop, row.id, TransactionAction::Capture, amount(400)).await.unwrap();
        assert_eq!((row.status, row.state), (TransactionStatus::Unknown, ActionState::ToAsk));
        assert_refused!(
            world.act(&shop, row.id, TransactionAction::Void, None).await,
            VaultError::WrongMove { status: TransactionStatus::Unknown, .. }
        );
        world.vault.sweep().await.unwrap();
        let told = world.read(&shop, row.id).await;
        assert_eq!((told.status, told.version), (expected, row.version + 1), "{later}");
        assert_eq!(
            told.is_open(),
            expected == TransactionStatus::Unknown,
            "who cannot tell is asked again later"
        );
        let captured = if expected == TransactionStatus::Authorized { 0 } else { 400 };
        assert_eq!(told.captured.minor_units(), captured, "{later}");
        world.vault.sweep().await.unwrap();
        assert_eq!(world.read(&shop, row.id).await, told, "it is not asked again so soon");
    }
    // One that is not reached is left alone for a while and asked again then, and one that cannot tell is not asked at all.
    let asked = world.paid(&shop, "please 122 131", true).await;
    let never = world.paid(&shop, "please 122", true).await;
    assert_eq!((asked.state, never.state), (ActionState::ToAsk, ActionState::Unknown));
    world.vault.sweep().await.unwrap();
    assert_eq!((world.read(&shop, asked.id).await, world.read(&shop, never.id).await), (asked, never));
    let sold = world.paid(&shop, "please 122 000", true).await;
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, sold.id).await, sold, "whatever it is to be asked");
    world.clock.pass_millis(UNREACHED_SECONDS[0] * 1_000);
    world.vault.sweep().await.unwrap();
    let told = world.read(&shop, sold.id).await;
    assert_eq!((told.status, told.captured), (TransactionStatus::SettlementRequested, sold.amount));
}

/// Thirty seconds, and not one more.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_after_the_limit() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let begun = tokio::time::Instant::now();
    let sold = world.paid(&shop, "please 170 000", true).await;
    assert_eq!(begun.elapsed().as_secs(), PROCESSOR_SECONDS_MAX);
    assert_eq!((sold.status, sold.state), (TransactionStatus::Unknown, ActionState::ToAsk));
    let reserved = world.paid(&shop, "please void 170", false).await;
    let voided = world.act(&shop, reserved.id, TransactionAction::Void, None).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 2 * PROCESSOR_SECONDS_MAX);
    assert_eq!((voided.status, voided.state), (TransactionStatus::Unknown, ActionState::Unknown));
    let late = world.paid(&shop, "please 169", true).await;
    assert_eq!(late.status, TransactionStatus::SettlementRequested, "late is not never");
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, sold.id).await.status, TransactionStatus::SettlementRequested);
}

/// Of any number at once, exactly one is done; the others are told where the transaction stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_captures_and_voids_that_race_exactly_one_wins() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for round in 0..10 {
        let row = world.paid(&shop, "order", false).await;
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let vault = world.vault.clone();
                let (capture, void) = (world.permit(&shop.key), world.permit(&shop.key));
                let id = row.id;
                tokio::spawn(async move {
                    let done = if n % 2 == 0 {
                        vault.transaction_capture(&capture, id, Amount::new(1 + n), None).await
                    } else {
                        vault.transaction_void(&void, id, None, None).await
                    };
                    done.map(|done| done.value)
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(row) => won.push(row),
                Err(VaultError::WrongMove { status, .. }) => {
                    assert_ne!(status, TransactionStatus::Authorized);
                }
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(won[0], world.read(&shop, row.id).await);
        let left = world.processors.left();
        assert_eq!(left.iter().filter(|sent| **sent == row.id).count(), 2, "once each, and no more");
    }
}

fn same(done: &Done<Arc<TransactionRow>>, first: &TransactionRow) -> bool {
    done.replayed && *done.value == *first
}

#[tokio::test]
async fn an_action_that_is_repeated_is_done_once() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    // So old that a record of the age of its transaction would have expired.
    let row = world.paid(&shop, "order", false).await;
    world.clock.pass_millis(30 * 24 * 3_600_000);
    let permit: Permit<TransactionCapture> = world.permit(&shop.key);
    let claim: Idempotency = world.idempotency(&permit, "key", "body");
    let capture = || world.vault.transaction_capture(&permit, row.id, amount(400), Some(claim));
    let first = capture().await.unwrap();
    assert!(!first.replayed);
    assert!(same(&capture().await.unwrap(), &first.value));
    world.clock.pass_millis(23 * 3_600_000);
    world.vault.sweep().await.unwrap();
    let permit: Permit<TransactionCapture> = world.permit(&shop.key);
    let again = world.vault.transaction_capture(&permit, row.id, amount(400), Some(claim)).await;
    assert!(same(&again.unwrap(), &first.value));
    let other = world.idempotency(&permit, "key", "other");
    assert_refused!(
        world.vault.transaction_capture(&permit, row.id, amount(401), Some(other)).await,
        VaultError::IdempotencyMismatch
    );
    // A no is an answer too.
    let row = world.paid(&shop, "please capture 121", false).await;
    let claim = world.idempotency(&permit, "another", "body");
    for replayed in [false, true] {
        let done = world.vault.transaction_capture(&permit, row.id, None, Some(claim)).await.unwrap();
        assert_eq!((done.replayed, done.value.state), (replayed, ActionState::Declined));
    }
}

/// Cut off after any number of steps, an action is not done twice, and its transaction does not stay in anybody's hand.
#[tokio::test]
async fn an_action_that_was_cut_off_is_unknown_and_then_asked_about() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    let (mut seen, mut steps) = (Vec::new(), 0);
    loop {
        let row = world.paid(&shop, "please capture 122 000", false).await;
        let claim_key = format!("key {steps}");
        let permit: Permit<TransactionCapture> = world.permit(&shop.key);
        let claim = world.idempotency(&permit, &claim_key, "body");
        let vault = world.vault.clone();
        let mut acting = Box::pin(vault.transaction_capture(&permit, row.id, None, Some(claim)));
        let done = polled(acting.as_mut(), steps).await;
        drop(acting);
        drop(vault);
        world.reopen().await.unwrap();
        let found = world.read(&shop, row.id).await;
        assert!(found.state != ActionState::InHand && found.status != TransactionStatus::Pending);
        seen.push(found.status);
        world.vault.sweep().await.unwrap();
        let told = world.read(&shop, row.id).await;
        let is_begun = found.version > row.version;
        let expected =
            if is_begun { TransactionStatus::SettlementRequested } else { TransactionStatus::Authorized };
        assert_eq!(told.status, expected, "{steps} steps");
        let permit: Permit<TransactionCapture> = world.permit(&shop.key);
        let claim = world.idempotency(&permit, &claim_key, "body");
        let again = world.vault.transaction_capture(&permit, row.id, None, Some(claim)).await.unwrap();
        assert_eq!(again.replayed, is_begun, "{steps} steps");
        let left = world.processors.left();
        assert!(left.iter().filter(|sent| **sent == row.id).count() <= 2, "{steps} steps");
        if done.is_some() {
            break;
        }
        steps += 1;
    }
    assert!(seen.contains(&TransactionStatus::Authorized) && seen.contains(&TransactionStatus::Unknown));
}

/// Each action has its note, which names the transaction and what became of it.
#[tokio::test]
async fn each_action_leaves_its_audit_notes_and_costs_two_commits() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (capture_now, action, noted, led) in [
        (false, TransactionAction::Capture, "transaction_capture", TransactionStatus::SettlementRequested),
        (false, TransactionAction::Void, "transaction_void", TransactionStatus::AuthorizationVoided),
        (
            true,
            TransactionAction::VoidCapture,
            "transaction_void_capture",
            TransactionStatus::SettlementCancelled,
        ),
    ] {
        let row = world.paid(&shop, "order", capture_now).await;
        let start = world.vault.status().store.sequence;
        world.act(&shop, row.id, action, None).await.unwrap();
        let records = world.store.trail(start + 1).await;
        let notes: Vec<_> = records.iter().map(|record| record.note.action.as_str()).collect();
        assert_eq!(notes, [noted, "transaction_settle"]);
        assert!(records.iter().all(|record| record.note.object == row.id.0 && record.note.actor.is_some()));
        assert_eq!(records[1].note.outcome, led.code());
    }
}

impl World {
    pub(crate) async fn settle(&self) -> SettledCounts {
        self.vault.settle(&operator(&self.vault, 1).permit().unwrap()).await.unwrap()
    }
}

/// What is captured is settled, whatever else is there, and nothing else is.
#[tokio::test]
async fn what_is_captured_is_settled_and_nothing_else() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let other = world.shop(Some(shop.organisation)).await;
    let sold = [world.paid(&shop, "order", true).await, world.paid(&other, "order", true).await];
    let reserved = world.paid(&shop, "order", false).await;
    let captured = world.paid(&shop, "order", false).await;
    let captured = world.act(&shop, captured.id, TransactionAction::Capture, amount(10)).await.unwrap();
    let declined = world.paid(&shop, "please 121", true).await;
    let voided = world.paid(&shop, "order", true).await;
    let voided = world.act(&shop, voided.id, TransactionAction::VoidCapture, None).await.unwrap();
    assert_eq!(world.settle().await, SettledCounts { submitted: 3, completed: 3, refunds_processed: 0 });
    for row in [&sold[0], &sold[1], &captured] {
        let settled = world.read(&shop, row.id).await;
        assert_eq!(settled.status, TransactionStatus::SettlementCompleted);
        assert_eq!((settled.captured, settled.version), (row.captured, row.version + 2));
        assert_eq!(
            world.steps(&shop, row.id).await[..3],
            [
                TransactionStatus::SettlementCompleted,
                TransactionStatus::SettlementSubmitted,
                TransactionStatus::SettlementRequested
            ]
        );
        assert_refused!(
            world.act(&shop, row.id, TransactionAction::VoidCapture, None).await,
            VaultError::WrongMove { status: TransactionStatus::SettlementCompleted, .. }
        );
    }
    for row in [&reserved, &declined, &voided] {
        assert_eq!(&world.read(&shop, row.id).await, row);
    }
    assert_eq!(world.settle().await, SettledCounts::default());
}

/// More than one list has.
#[tokio::test]
async fn a_settlement_goes_through_all_pages() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (many, card) = (u64::from(LIST_ROWS_MAX) + 300, world.card(&shop).await);
    for _ in 0..many {
        world.clock.pass_millis(1);
        world.transact(&shop, card, 1_000).await.unwrap();
    }
    assert_eq!(
        world.settle().await,
        SettledCounts { submitted: many, completed: many, refunds_processed: 0 }
    );
}

/// Of a void and a settlement one is done, and of two settlements each step once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_settlement_races_voids_and_another_settlement() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| plot.yields = true);
    for _ in 0..20 {
        let row = world.paid(&shop, "order", true).await;
        let settle = |vault: Vault| {
            let permit = operator(&vault, 1).permit().unwrap();
            tokio::spawn(async move { vault.settle(&permit).await.unwrap() })
        };
        let settlements = [settle(world.vault.clone()), settle(world.vault.clone())];
        let voided = world.act(&shop, row.id, TransactionAction::VoidCapture, None).await;
        let mut completed = 0;
        for settlement in settlements {
            completed += settlement.await.unwrap().completed;
        }
        // A settlement that met the other half-way leaves the rest to it, or to the next.
        completed += world.settle().await.completed;
        let status = world.read(&shop, row.id).await.status;
        match voided {
            Ok(_) => assert_eq!((status, completed), (TransactionStatus::SettlementCancelled, 0)),
            Err(VaultError::WrongMove { .. }) => {
                assert_eq!((status, completed), (TransactionStatus::SettlementCompleted, 1));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A vault settles by itself when it is told to, and stops when it is gone.
#[tokio::test(start_paused = true)]
async fn a_settlement_comes_by_itself() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.vault.settle_every(60);
    let row = world.paid(&shop, "order", true).await;
    while world.read(&shop, row.id).await.status != TransactionStatus::SettlementCompleted {
        tokio::time::advance(core::time::Duration::from_secs(1)).await;
    }
}

/// A question without an answer ended all asking: the transaction stayed unknown though its processor knew better a minute later.
#[tokio::test(start_paused = true)]
async fn a_question_that_is_not_answered_in_time_is_asked_again() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let sold = world.paid(&shop, "please 122 170", true).await;
    assert_eq!((sold.status, sold.state), (TransactionStatus::Unknown, ActionState::ToAsk));
    for pause in [UNREACHED_SECONDS[0], UNREACHED_SECONDS[1]] {
        for asked in [PROCESSOR_SECONDS_MAX, 0] {
            let begun = tokio::time::Instant::now();
            world.vault.sweep().await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), asked, "it is asked, and then left alone");
            assert_eq!(world.read(&shop, sold.id).await, sold);
        }
        world.clock.pass_millis(pause * 1_000);
    }
}
