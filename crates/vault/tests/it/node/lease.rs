//! A lease: how it is had, renewed, lost and given up, and what may be done without.

use core::time::Duration;

use panvault_model::TransactionStatus;
use panvault_store::Action;
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_vault::limits::{
    LEASE_MARGIN_SECONDS, LEASE_RENEWAL_SECONDS, LEASE_RETRY_SECONDS, LEASE_SECONDS, PROCESSOR_SECONDS_MAX,
};
use panvault_vault::{StoreFault, Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::node::{GIVEN_UP_MILLIS, LEASE_MILLIS, begin_to, ended, nodes, noted, only, pass};
use crate::route::{AGAIN, NOT_REACHED, Routed, declined, routed};
use crate::world::{AMEX, World, node};

/// After so long nothing is sent any more.
const NO_SEND_MILLIS: u64 = LEASE_MILLIS - (PROCESSOR_SECONDS_MAX + LEASE_MARGIN_SECONDS) * 1000;

/// The same where nobody was there to take anything over: then its own node says that nothing was sent, and the CVV goes back.
#[tokio::test]
async fn what_was_not_sent_for_want_of_a_lease_leaves_the_cvv() {
    for (millis, renews) in [(NO_SEND_MILLIS, false), (LEASE_MILLIS, true), (GIVEN_UP_MILLIS, true)] {
        // After so long a claim is over, and what it took is gone.
        let goes_back = millis < CVV_REQUEST_SECONDS * 1000;
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let running = begin_to(one.processors.before(), &one, &shop, card).await;
        one.clock.pass_millis(millis);
        if renews {
            one.vault.lease_renew().await.unwrap();
        }
        one.processors.before().open();
        let row = ended(running).await;
        assert_eq!((row.status, row.cvv_present), (TransactionStatus::Unavailable, false), "{millis}");
        assert!(row.status_reason.as_ref().is_some_and(|reason| reason.contains("nothing was sent")));
        assert_eq!(one.processors.left(), []);
        one.vault.lease_renew().await.unwrap();
        assert_eq!(one.transact(&shop, card, 1_000).await.unwrap().cvv_present, goes_back, "{millis}");
        assert_eq!(one.processors.left().len(), 1);
    }
}

/// The next try would not be sent, and would be for others to take over: none is written down.
#[tokio::test]
async fn without_a_lease_no_further_try_begins() {
    for (answer, status) in
        [(NOT_REACHED, TransactionStatus::Unavailable), (declined("91"), TransactionStatus::Declined)]
    {
        let one = World::shared().await;
        let Routed { shop, processors } = routed(&one, &[AGAIN, &[]]).await;
        let card = one.card(&shop).await;
        one.processors.answer([answer, NOT_REACHED]);
        one.clock.pass_millis(NO_SEND_MILLIS - 1_000);
        let running = begin_to(one.processors.after(), &one, &shop, card).await;
        one.clock.pass_millis(1_000);
        one.processors.after().open();
        let row = ended(running).await;
        assert_eq!((row.status, row.try_number, row.processor), (status, 1, processors[0]));
        assert_eq!(noted(&one, Action::TransactionTry).await, 0);
        assert_eq!(one.processors.carried(), [true]);
    }
}

/// A lease that was renewed in time is the same lease.
#[tokio::test]
async fn what_outlasts_renewals_is_sent() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(&one.store.initiated, &one, &shop, card).await;
    for _ in 0..5 {
        one.clock.pass_millis(NO_SEND_MILLIS);
        one.vault.lease_renew().await.unwrap();
    }
    one.store.initiated.open();
    assert_eq!(ended(running).await.status, TransactionStatus::SettlementRequested);
}

#[tokio::test]
async fn a_node_without_a_lease_takes_no_transactions_until_it_has_renewed() {
    type Move = fn(&World);
    let moves: [(&str, Move, Move); 2] = [
        (
            "time passes",
            |world| world.clock.pass_millis(NO_SEND_MILLIS - 1),
            |world| {
                world.clock.pass_millis(1);
                // A calendar that is set back adds nothing.
                world.clock.wall_back_millis(LEASE_MILLIS);
            },
        ),
        // Where a machine sleeps, the clock that never goes back may stand still.
        (
            "the calendar jumps",
            |world| world.clock.wall_forward_millis(NO_SEND_MILLIS - 1),
            |world| {
                world.clock.wall_forward_millis(1);
            },
        ),
    ];
    for (what, nearly, over) in moves {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        nearly(&one);
        assert_eq!(one.transact(&shop, card, 0).await.unwrap().status, TransactionStatus::Authorized);
        one.cvv_put(&shop, card, "111").await.unwrap();
        assert!(!one.vault.status().lease_lost, "{what}");
        over(&one);
        assert!(one.vault.status().lease_lost, "{what}");
        assert_refused!(one.transact(&shop, card, 1_000).await, VaultError::LeaseLost);
        assert_eq!(only(&one, &shop).await.status, TransactionStatus::Authorized, "nothing was written");
        assert!(one.holds_cvv(&shop, card).await, "{what}: nothing was claimed");
        // Everything else goes on.
        one.card_create(&shop, AMEX, None).await.unwrap();
        one.vault.lease_renew().await.unwrap();
        let row = one.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.cvv_present), (TransactionStatus::SettlementRequested, true), "{what}");
    }
}

#[tokio::test]
async fn a_node_that_was_given_up_starts_again_and_keeps_its_id() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    pass(&[&one, &two], GIVEN_UP_MILLIS);
    two.vault.lease_renew().await.unwrap();
    two.vault.sweep().await.unwrap();
    assert_eq!(nodes(&two).await, [(node(2), 2)]);
    one.vault.lease_renew().await.unwrap();
    assert_eq!(nodes(&two).await, [(node(1), 1), (node(2), 2)]);
    let counts = [Action::NodeStart, Action::NodeRenew, Action::NodeStop];
    let counts = [noted(&two, counts[0]).await, noted(&two, counts[1]).await, noted(&two, counts[2]).await];
    assert_eq!(counts, [3, 1, 1]);
    let card = one.card(&shop).await;
    assert_eq!(one.transact(&shop, card, 0).await.unwrap().status, TransactionStatus::Authorized);
}

#[tokio::test]
async fn a_node_that_ends_in_order_leaves_no_row_unless_it_has_something_in_hand() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let (two, three) = (one.beside(2).await, one.beside(3).await);
    assert_eq!(nodes(&one).await.len(), 3);
    two.vault.close().await.unwrap();
    assert_eq!(nodes(&one).await, [(node(1), 1), (node(3), 1)]);
    assert_refused!(two.transact(&shop, card, 1_000).await, VaultError::LeaseLost);
    two.vault.lease_renew().await.unwrap();
    assert_eq!(nodes(&one).await.len(), 2, "what has ended does not come back");

    let running = begin_to(one.processors.before(), &one, &shop, card).await;
    one.vault.close().await.unwrap();
    three.vault.sweep().await.unwrap();
    assert_eq!(only(&three, &shop).await.status, TransactionStatus::Initiated);
    one.processors.before().open();
    assert_eq!(ended(running).await.status, TransactionStatus::SettlementRequested, "it is ended in order");
}

/// Time is the runtime's here, and passes by itself.
#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_by_itself_and_sooner_where_that_failed() {
    let mut one = World::shared().await;
    let parts = VaultParts { node: node(2), sweep_seconds: 3_600, ..one.parts() };
    let two = Vault::open(parts).await.unwrap();
    let after = async |seconds: u64| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let found = nodes(&one).await;
        found.into_iter().find(|(id, _)| *id == node(2)).unwrap().1
    };
    assert_eq!(after(LEASE_RENEWAL_SECONDS - 1).await, 1);
    assert_eq!(after(2).await, 2);
    one.store.plot(|plot| plot.renewal = Some((StoreFault::Busy, false)));
    assert_eq!(after(LEASE_RENEWAL_SECONDS).await, 2);
    one.store.leave();
    assert_eq!(after(LEASE_RETRY_SECONDS).await, 3);
    assert_eq!(after(LEASE_RENEWAL_SECONDS).await, 4);
    drop(two);
    assert_eq!(after(2 * LEASE_SECONDS).await, 4, "it ends with its vault");
}

/// A renewal was done and its answer lost: the next one finds another version than it left, and goes on with that.
#[tokio::test]
async fn a_renewal_whose_answer_was_lost_costs_nothing() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let running = begin_to(&one.store.initiated, &one, &shop, card).await;
    one.store.plot(|plot| plot.renewal = Some((StoreFault::Stopped, true)));
    assert_refused!(one.vault.lease_renew().await, VaultError::Store(StoreFault::Stopped));
    one.clock.pass_millis(NO_SEND_MILLIS);
    assert!(one.vault.status().lease_lost, "nothing is counted on that was not answered");
    one.store.leave();
    one.vault.lease_renew().await.unwrap();
    assert_eq!(nodes(&one).await, [(node(1), 3)]);
    one.store.initiated.open();
    assert_eq!(ended(running).await.status, TransactionStatus::SettlementRequested, "it is the same lease");
}

/// Who has the store to itself writes nothing of itself, and needs no lease.
#[tokio::test]
async fn a_node_that_is_alone_has_no_row() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    // The key's use is written down.
    world.vault.sweep().await.unwrap();
    let before = world.vault.status().store.sequence;
    world.clock.pass_millis(GIVEN_UP_MILLIS);
    world.vault.lease_renew().await.unwrap();
    world.vault.sweep().await.unwrap();
    assert_eq!(nodes(&world).await, []);
    assert_eq!(world.vault.status().store.sequence, before);
    assert!(!world.vault.status().lease_lost);
    world.transact(&shop, card, 1_000).await.unwrap();
    world.vault.close().await.unwrap();
}

#[tokio::test]
async fn two_nodes_of_one_id_do_not_both_start() {
    let mut one = World::shared().await;
    let parts = one.parts();
    one.clock.pass_millis(1);
    assert_refused!(Vault::open(VaultParts { node: node(1), ..parts }).await, VaultError::WrongState { .. });
    assert_eq!(nodes(&one).await, [(node(1), 1)]);
}

/// A shared store knows of nodes before it knows of anybody else; emptied of its organisations it is still found.
#[tokio::test]
async fn a_new_store_may_have_nodes_and_nothing_else() {
    let mut one = World::shared().await;
    let two = one.beside(2).await;
    drop(two);
    let shop = one.shop(None).await;
    one.card(&shop).await;
    one.store.plot(|plot| plot.documents = Some(Box::new(Vec::clear)));
    assert_refused!(one.reopen().await, VaultError::Tampered(_));
}
