//! Several nodes over one store: who has a transaction in hand, and who may say what became of it.

mod alone;
mod documents;
mod duty;
mod lease;
mod model;
mod sealing;
mod trail;

use std::sync::Arc;

use panvault_model::{ActionState, Amount, CardId, RefundStatus, TransactionStatus};
use panvault_store::{Action, Store};
use panvault_vault::limits::{LEASE_RENEWAL_SECONDS, LEASE_SECONDS, LEASE_SKEW_SECONDS};
use panvault_vault::{Done, NewRefund, RefundCreate, TransactionCreate, TransactionRow, VaultError};
use tokio::task::JoinHandle;

use crate::assert_refused;
use crate::gate::Gate;
use crate::world::{Shop, World, all_transactions, new_transaction, node};

const LEASE_MILLIS: u64 = LEASE_SECONDS * 1000;
/// After so long others take over.
const GIVEN_UP_MILLIS: u64 = LEASE_MILLIS + LEASE_SKEW_SECONDS * 1000;

type Running = JoinHandle<Result<Done<Arc<TransactionRow>>, VaultError>>;

/// A payment that goes on by itself.
fn begin(world: &World, shop: &Shop, card: CardId) -> Running {
    let permit = world.permit::<TransactionCreate>(&shop.key);
    let (vault, new) = (world.vault.clone(), new_transaction(shop.account, card, 1_000));
    tokio::spawn(async move { vault.transaction_create(&permit, new, None).await })
}

async fn ended(running: Running) -> Arc<TransactionRow> {
    running.await.unwrap().unwrap().value
}

/// A payment that stands still at a gate.
async fn begin_to(gate: &Gate, world: &World, shop: &Shop, card: CardId) -> Running {
    gate.close();
    let running = begin(world, shop, card);
    gate.is_reached_by(1).await;
    running
}

/// Time passes for both.
fn pass(worlds: &[&World], millis: u64) {
    worlds.iter().for_each(|world| world.clock.pass_millis(millis));
}

/// The one transaction that there is.
async fn only(world: &World, shop: &Shop) -> Arc<TransactionRow> {
    let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
    assert_eq!(page.total, 1);
    Arc::clone(&page.rows[0])
}

async fn steps(world: &World, shop: &Shop, row: &TransactionRow) -> Vec<TransactionStatus> {
    let history = world.vault.transaction_history(&world.permit(&shop.key), row.id).await.unwrap();
    history.iter().map(|step| step.status).collect()
}

async fn nodes(world: &World) -> Vec<(panvault_model::NodeId, u32)> {
    world.store.node_read_all().await.unwrap().iter().map(|row| (row.id, row.version)).collect()
}

/// The notes of all nodes about one action.
async fn noted(world: &World, action: Action) -> usize {
    let mut found = 0;
    for writer in world.store.audit_writers().await.unwrap() {
        let records = world.store.audit_read(writer, 1, usize::MAX).await.unwrap();
        found += records.iter().filter(|record| record.note.action == action).count();
    }
    found
}

/// The bug: a vault that started took every open transaction for what a crash had left, and called payments unknown that another
/// vault over the same store was sending at that moment. Its cause: a transaction had no owner. Its cure: it names its node, and what a
/// node that lives has is left alone.
#[tokio::test]
async fn what_a_living_node_has_in_hand_is_left_alone() {
    for at in ["initiated", "before", "after", "settling"] {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let gate = match at {
            "initiated" => &one.store.initiated,
            "before" => one.processors.before(),
            "after" => one.processors.after(),
            _ => &one.store.settling,
        };
        let running = begin_to(gate, &one, &shop, card).await;

        let two = one.beside(2).await;
        let row = only(&two, &shop).await;
        assert_eq!((row.status, row.node), (TransactionStatus::Initiated, node(1)), "{at}");
        // For as long as it lives, however long its task takes.
        for _ in 0..10 {
            pass(&[&one, &two], LEASE_RENEWAL_SECONDS * 1000);
            one.vault.lease_renew().await.unwrap();
            one.vault.sweep().await.unwrap();
            two.vault.sweep().await.unwrap();
        }
        assert_eq!(only(&two, &shop).await, row, "{at}");

        gate.open();
        let settled = ended(running).await;
        assert_eq!((settled.status, settled.cvv_present), (TransactionStatus::SettlementRequested, true));
        assert_eq!(one.processors.left(), [row.id]);
        two.vault.sweep().await.unwrap();
        assert_eq!(only(&two, &shop).await, settled, "{at}");
        assert_eq!(
            steps(&two, &shop, &row).await,
            [TransactionStatus::SettlementRequested, TransactionStatus::Initiated]
        );
    }
}

#[tokio::test]
async fn what_a_dead_node_left_is_unknown_when_its_lease_ran_out_long_enough_ago() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(one.processors.after(), &one, &shop, card).await;
    let two = one.beside(2).await;
    // The process ends.
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    drop(one);

    two.clock.pass_millis(GIVEN_UP_MILLIS - 1);
    two.vault.sweep().await.unwrap();
    assert_eq!(only(&two, &shop).await.status, TransactionStatus::Initiated);
    two.clock.pass_millis(1);
    two.vault.sweep().await.unwrap();
    let row = only(&two, &shop).await;
    assert_eq!((row.status, row.version, row.node), (TransactionStatus::Unknown, 2, node(1)));
    assert_eq!(steps(&two, &shop, &row).await, [TransactionStatus::Unknown, TransactionStatus::Initiated]);
    let trail = two.store.audit_read(node(2), 1, usize::MAX).await.unwrap();
    let note = trail.iter().find(|record| record.note.action == Action::TransactionSettle).unwrap().note;
    assert_eq!((note.object, note.actor, note.outcome), (row.id.0, None, TransactionStatus::Unknown.code()));

    // Its row goes when it has nothing left.
    assert_eq!(nodes(&two).await, [(node(1), 1), (node(2), 1)]);
    two.vault.sweep().await.unwrap();
    assert_eq!(nodes(&two).await, [(node(2), 1)]);
    assert_eq!(noted(&two, Action::NodeStop).await, 1);
}

/// A refund is sent by one node only, as a payment is; what a dead one left stays pending and counts, and another asks about it.
#[tokio::test]
async fn a_refund_that_a_dead_node_left_is_asked_about_and_not_sent_again() {
    for (at, renews) in
        [("initiated", true), ("before", true), ("after", true), ("settling", true), ("after", false)]
    {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let paid = one.transact(&shop, card, 1_000).await.unwrap().id;
        one.settle().await;
        let gate = match at {
            "initiated" => &one.store.initiated,
            "before" => one.processors.before(),
            "after" => one.processors.after(),
            _ => &one.store.settling,
        };
        gate.close();
        let (vault, permit) = (one.vault.clone(), one.permit::<RefundCreate>(&shop.key));
        let reason = Some("please 122 121".to_owned());
        let new = NewRefund { amount: None, reason, merchant_reference: None };
        let running = tokio::spawn(async move { vault.refund_create(&permit, paid, new, None).await });
        gate.is_reached_by(1).await;
        let two = one.beside(2).await;
        let only = async || two.store.refund_open().await.unwrap().pop();
        if renews {
            for _ in 0..4 {
                pass(&[&one, &two], LEASE_RENEWAL_SECONDS * 1000);
                one.vault.lease_renew().await.unwrap();
                two.vault.sweep().await.unwrap();
            }
        }
        let row = only().await.unwrap();
        assert_eq!((row.state, row.node, row.version), (ActionState::InHand, node(1), 1), "{at}");
        // The process ends.
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        let left = one.processors.left().len();
        drop(one);
        pass(&[&two], GIVEN_UP_MILLIS);
        two.vault.lease_renew().await.unwrap();
        two.vault.sweep().await.unwrap();
        assert_eq!(only().await, None, "{at}");
        let told = two.store.refund_read(row.id).await.unwrap().unwrap();
        assert_eq!((told.status, told.state), (RefundStatus::Failed, ActionState::Declined), "{at}");
        let of = two.store.transaction_read(paid).await.unwrap().unwrap();
        assert_eq!(of.refunded, Amount::ZERO, "{at}");
        assert!(two.processors.left().is_empty() && left <= 2, "{at}: nothing was sent twice");
        // Its row goes when it has nothing left.
        two.vault.sweep().await.unwrap();
        assert_eq!(nodes(&two).await, [(node(2), 2)], "{at}");
    }
}

/// A start does not wait for the next sweep.
#[tokio::test]
async fn a_node_that_starts_takes_over_from_the_dead() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(&one.store.settling, &one, &shop, card).await;
    running.abort();
    assert!(running.await.is_err());
    let two = one.beside_later(2, GIVEN_UP_MILLIS).await;
    assert_eq!(only(&two, &shop).await.status, TransactionStatus::Unknown);
}

/// A process that stands still, as while its machine is moved or its disk hangs, knows nothing of it when it goes on.
#[tokio::test]
async fn who_stood_still_past_the_lease_sends_nothing_and_settles_nothing() {
    for (at, renews) in [("initiated", false), ("initiated", true), ("before", false), ("before", true)] {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let gate = if at == "initiated" { &one.store.initiated } else { one.processors.before() };
        let running = begin_to(gate, &one, &shop, card).await;
        let two = one.beside(2).await;
        pass(&[&one, &two], GIVEN_UP_MILLIS);
        two.vault.sweep().await.unwrap();
        let unknown = only(&two, &shop).await;
        assert_eq!(unknown.status, TransactionStatus::Unknown, "{at}");
        // The task that renews may go on before the one that sends.
        if renews {
            one.vault.lease_renew().await.unwrap();
            assert!(!one.vault.status().lease_lost);
        }
        gate.open();
        assert_eq!(ended(running).await, unknown, "{at}: its caller is told what is stored");
        assert_eq!(one.processors.left(), [], "{at}");
        assert!(!one.holds_cvv(&shop, card).await, "{at}: the row that says that it went out stays");
        one.vault.lease_renew().await.unwrap();
        one.vault.sweep().await.unwrap();
        assert_eq!(only(&two, &shop).await, unknown, "{at}");
        assert_eq!(steps(&two, &shop, &unknown).await.len(), 2, "{at}");
    }
}

/// Two find the same open transactions, and both write.
#[tokio::test]
async fn of_two_that_take_over_at_once_one_does() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(&one.store.settling, &one, &shop, card).await;
    let (two, three) = (one.beside(2).await, one.beside(3).await);
    pass(&[&one, &two, &three], GIVEN_UP_MILLIS);
    two.store.settling.close();
    three.store.settling.close();
    let sweeps = [two.vault.clone(), three.vault.clone()]
        .map(|vault| tokio::spawn(async move { vault.sweep().await }));
    two.store.settling.is_reached_by(1).await;
    three.store.settling.is_reached_by(1).await;
    two.store.settling.open();
    three.store.settling.open();
    for sweep in sweeps {
        sweep.await.unwrap().unwrap();
    }
    let row = only(&two, &shop).await;
    assert_eq!((row.status, row.version), (TransactionStatus::Unknown, 2));
    assert_eq!(steps(&two, &shop, &row).await.len(), 2);
    assert_eq!(noted(&two, Action::TransactionSettle).await, 1);
    // And the task that had it comes too late, though the processor has said yes.
    one.store.settling.open();
    assert_eq!(ended(running).await, row);
    assert_eq!(one.processors.left(), [row.id]);
    assert_eq!(noted(&two, Action::TransactionSettle).await, 1);
}

/// Who looks is overtaken by a renewal between its reading and its writing.
#[tokio::test]
async fn a_node_that_comes_back_in_time_keeps_what_it_has() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(one.processors.after(), &one, &shop, card).await;
    let two = one.beside(2).await;
    pass(&[&one, &two], GIVEN_UP_MILLIS);
    two.store.settling.close();
    let vault = two.vault.clone();
    let sweep = tokio::spawn(async move { vault.sweep().await });
    two.store.settling.is_reached_by(1).await;
    one.vault.lease_renew().await.unwrap();
    two.store.settling.open();
    sweep.await.unwrap().unwrap();
    assert_eq!(only(&two, &shop).await.status, TransactionStatus::Initiated);
    one.processors.after().open();
    assert_eq!(ended(running).await.status, TransactionStatus::SettlementRequested);
}

/// A row may come back between the look at nodes and the write, as that of a node whose database was away: it is expected to be absent still.
#[tokio::test]
async fn a_node_whose_row_comes_back_keeps_what_it_has() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(one.processors.after(), &one, &shop, card).await;
    let two = one.beside(2).await;
    two.store.plot(|plot| plot.nodes = Some(Box::new(|rows| rows.retain(|row| row.id != node(1)))));
    two.vault.sweep().await.unwrap();
    two.store.leave();
    assert_eq!(only(&two, &shop).await.status, TransactionStatus::Initiated);
    one.processors.after().open();
    assert_eq!(ended(running).await.status, TransactionStatus::SettlementRequested);
}

/// Nor is a row taken away that was renewed behind the look at it.
#[tokio::test]
async fn a_node_that_comes_back_in_time_keeps_its_row() {
    let one = World::shared().await;
    let two = one.beside(2).await;
    let before = two.store.node_read_all().await.unwrap();
    let before = before.iter().find(|row| row.id == node(1)).unwrap().as_ref().clone();
    pass(&[&one, &two], GIVEN_UP_MILLIS);
    one.vault.lease_renew().await.unwrap();
    two.vault.lease_renew().await.unwrap();
    let seen = before.clone();
    two.store.plot(|plot| {
        plot.nodes = Some(Box::new(move |rows| {
            rows.iter_mut().filter(|row| row.id == seen.id).for_each(|row| *row = seen.clone());
        }));
    });
    two.vault.sweep().await.unwrap();
    two.store.leave();
    assert_eq!(nodes(&two).await, [(node(1), before.version + 1), (node(2), 2)]);
    // Where it is as it was seen, it goes.
    pass(&[&two], GIVEN_UP_MILLIS);
    two.vault.lease_renew().await.unwrap();
    two.vault.sweep().await.unwrap();
    assert_eq!(nodes(&two).await, [(node(2), 3)]);
}

/// A task that is gone, where its node lives: nobody else may take over what it left, so its node does, without a restart.
#[tokio::test]
async fn what_no_task_has_any_more_is_its_own_node_s_to_recover() {
    for shared in [false, true] {
        let one = if shared { World::shared().await } else { World::new().await };
        let shop = one.shop(None).await;
        let (card, other) = (one.card(&shop).await, one.card(&shop).await);
        let running = begin_to(one.processors.after(), &one, &shop, card).await;
        let kept = begin(&one, &shop, other);
        one.processors.after().is_reached_by(2).await;
        if shared {
            let two = one.beside(2).await;
            two.vault.sweep().await.unwrap();
        }
        one.vault.sweep().await.unwrap();
        running.abort();
        assert!(running.await.is_err());
        one.vault.sweep().await.unwrap();
        one.processors.after().open();
        let kept = ended(kept).await;
        assert_eq!(kept.status, TransactionStatus::SettlementRequested, "a task had it in hand");
        let page = one.vault.transaction_list(&one.permit(&shop.key), all_transactions()).await.unwrap();
        let lost = page.rows.iter().find(|row| row.id != kept.id).unwrap();
        assert_eq!((lost.status, lost.version), (TransactionStatus::Unknown, 2), "shared: {shared}");
    }
}

/// The bug: where one row of a node was not the vault's, those of nodes that had died stayed for ever. Its cause: the first that did not hold ended the sweep. Its cure: it
/// is told at the end, and keeps back no others.
#[tokio::test]
async fn a_forged_row_of_a_node_does_not_keep_those_of_the_dead() {
    let one = World::shared().await;
    let (two, three) = (one.beside(2).await, one.beside(3).await);
    drop((one, two));
    three.clock.pass_millis(GIVEN_UP_MILLIS);
    three.store.plot(|plot| {
        plot.nodes = Some(Box::new(|rows| {
            rows.iter_mut()
                .filter(|row| row.id == node(1))
                .for_each(|row| row.started_at = row.started_at.plus_seconds(1));
        }));
    });
    assert_refused!(three.vault.sweep().await, VaultError::Tampered(_));
    three.store.leave();
    let left: Vec<_> = nodes(&three).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, [node(1), node(3)]);
}

/// Whoever can write to the store must not be able to make a node that lives look dead.
#[tokio::test]
async fn a_node_s_row_that_was_changed_takes_nothing_over() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let _running = begin_to(one.processors.after(), &one, &shop, card).await;
    let mut two = one.beside(2).await;
    two.store.plot(|plot| {
        plot.nodes = Some(Box::new(|rows| rows.iter_mut().for_each(|row| row.lease_until = row.started_at)));
    });
    pass(&[&one, &two], LEASE_SKEW_SECONDS * 1000);
    one.vault.lease_renew().await.unwrap();
    assert_refused!(two.vault.sweep().await, VaultError::Tampered(_));
    assert_refused!(two.reopen().await, VaultError::Tampered(_));
    assert_eq!(only(&one, &shop).await.status, TransactionStatus::Initiated);
}

#[tokio::test]
async fn a_transaction_is_bound_to_its_node() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let _running = begin_to(one.processors.after(), &one, &shop, card).await;
    let two = one.beside(2).await;
    two.store.plot(|plot| plot.transaction = Some(Box::new(|row| row.node = node(9))));
    assert_refused!(two.vault.sweep().await, VaultError::Tampered(_));
    two.store.leave();
    assert_eq!(only(&two, &shop).await.status, TransactionStatus::Initiated);
}

/// One that cannot be taken over does not keep back the others.
#[tokio::test]
async fn what_was_changed_does_not_keep_back_the_rest() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let (card, other) = (one.card(&shop).await, one.card(&shop).await);
    let first = begin_to(one.processors.after(), &one, &shop, card).await;
    let second = begin(&one, &shop, other);
    one.processors.after().is_reached_by(2).await;
    let two = one.beside(2).await;
    for running in [first, second] {
        running.abort();
        assert!(running.await.is_err());
    }
    two.clock.pass_millis(GIVEN_UP_MILLIS);
    two.store.plot(|plot| {
        plot.transaction = Some(Box::new(move |row| {
            if row.card == card {
                row.merchant_reference.push('x');
            }
        }));
    });
    assert_refused!(two.vault.sweep().await, VaultError::Tampered(_));
    two.store.leave();
    let page = two.vault.transaction_list(&two.permit(&shop.key), all_transactions()).await.unwrap();
    let status = |of| page.rows.iter().find(|row| row.card == of).unwrap().status;
    assert_eq!((status(card), status(other)), (TransactionStatus::Initiated, TransactionStatus::Unknown));
    assert_eq!(nodes(&two).await.len(), 2, "who has left something keeps its row");
}
