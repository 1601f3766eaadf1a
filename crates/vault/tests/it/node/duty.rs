//! What one node does for all: which one that is, and what becomes of it when that is gone.

use std::sync::Arc;

use panvault_model::TransactionStatus;
use panvault_store::{NodeRow, Store};
use panvault_testkit::TestClock;
use panvault_vault::limits::{
    CALENDAR_SECONDS_MAX, DUTY_LOOK_MILLIS, DUTY_SECONDS, IDEMPOTENCY_SECONDS, LEASE_SECONDS,
    LEASE_SKEW_SECONDS,
};
use panvault_vault::{Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::node::{GIVEN_UP_MILLIS, begin_to, only, pass};
use crate::world::{Shop, World, node};

/// Idempotency records that are over, one for each card.
async fn expired(worlds: &[&World], shop: &Shop, cards: usize) {
    let one = worlds[0];
    for n in 0..cards {
        let permit = one.permit(&shop.key);
        let claim = one.idempotency(&permit, &format!("key {n}"), "body");
        let card = crate::world::new_card(crate::world::VISA, None);
        one.vault
            .card_create(&permit, shop.organisation, card, Default::default(), Some(claim))
            .await
            .unwrap();
    }
    pass(worlds, IDEMPOTENCY_SECONDS * 1000);
    for world in worlds {
        world.vault.lease_renew().await.unwrap();
    }
}

async fn left(world: &World) -> usize {
    world.store.idempotency_expired(world.vault.now().wall, 100).await.unwrap().len()
}

#[tokio::test]
async fn of_nodes_that_are_there_the_first_sweeps_for_all() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    expired(&[&one, &two], &shop, 3).await;
    two.vault.sweep().await.unwrap();
    assert_eq!(left(&two).await, 3, "it is not the first");
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&two).await, 0);

    // It is gone without a word, and its lease runs on.
    expired(&[&one, &two], &shop, 2).await;
    pass(&[&two], DUTY_SECONDS * 1000 - 1);
    two.vault.lease_renew().await.unwrap();
    two.vault.sweep().await.unwrap();
    assert_eq!(left(&two).await, 2);
    pass(&[&two], 1_000);
    two.vault.sweep().await.unwrap();
    assert_eq!(left(&two).await, 0);
}

/// One that ends in order leaves it to the next at once.
#[tokio::test]
async fn a_node_that_ends_leaves_its_duty() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    expired(&[&one, &two], &shop, 2).await;
    one.vault.close().await.unwrap();
    two.vault.sweep().await.unwrap();
    assert_eq!(left(&two).await, 0);
}

/// Who can write to the database puts a node there that comes before all others, and nothing is swept any more. A row that is not of the vault is none.
#[tokio::test]
async fn a_row_that_is_not_of_the_vault_has_no_duty() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    expired(&[&one], &shop, 2).await;
    one.store.plot(|plot| {
        plot.nodes = Some(Box::new(|rows: &mut Vec<NodeRow>| {
            let forged = NodeRow {
                id: node(0),
                lease_until: rows[0].lease_until.plus_seconds(1_000),
                ..rows[0].clone()
            };
            rows.insert(0, forged);
        }));
    });
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&one).await, 0);
}

/// The bug: a node whose clock was minutes ahead took payments over that another was sending, and one whose clock was behind kept nobody from it. Its
/// cause: each wrote its lease by its own calendar. Its cure: where nodes share a database, leases go by its clock.
#[tokio::test]
async fn leases_go_by_the_clock_that_nodes_share() {
    let minutes = (LEASE_SECONDS + LEASE_SKEW_SECONDS) * 1000;
    for ahead in [true, false] {
        let shared = Arc::new(TestClock::new());
        let one = World::shared_by(1, &shared, |_| {}).await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let running = begin_to(one.processors.before(), &one, &shop, card).await;
        let two = one.beside_by(2, &shared, |_| {}).await;
        // From here on it does nothing for all any more, and would still take over what it finds.
        if ahead {
            two.clock.wall_forward_millis(minutes);
        } else {
            two.clock.wall_back_millis(minutes);
        }
        two.vault.sweep().await.unwrap();
        assert_eq!(only(&two, &shop).await.status, TransactionStatus::Initiated, "ahead: {ahead}");
        shared.pass_millis(GIVEN_UP_MILLIS);
        two.vault.sweep().await.unwrap();
        assert_eq!(only(&two, &shop).await.status, TransactionStatus::Unknown, "ahead: {ahead}");
        one.processors.before().open();
        drop(running.await);
    }
}

/// The bug: a node whose calendar is wrong removed the records by which others know that a request was answered, and took those for expired itself: a
/// request that was repeated paid twice. Its cause: what has expired went by its own clock alone. Its cure: a node whose calendar is not that of
/// the database has no lease, pays nothing and sweeps nothing for all; and nothing is over before it is by both clocks.
#[tokio::test]
async fn a_node_whose_calendar_is_wrong_pays_and_sweeps_nothing() {
    let shared = Arc::new(TestClock::new());
    let one = World::shared_by(1, &shared, |_| {}).await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    let permit = one.permit(&shop.key);
    let claim = one.idempotency(&permit, "key", "body");
    let card_new = crate::world::new_card(crate::world::VISA, None);
    one.vault
        .card_create(&permit, shop.organisation, card_new, Default::default(), Some(claim))
        .await
        .unwrap();
    let far = IDEMPOTENCY_SECONDS * 1000;
    one.clock.wall_forward_millis(far);
    assert_refused!(one.vault.lease_renew().await, VaultError::WrongState { .. });
    assert!(one.vault.status().lease_lost);
    one.clock.pass_millis(DUTY_LOOK_MILLIS);
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&one).await, 1, "it is over by this calendar, and stays");
    one.clock.wall_back_millis(far + DUTY_LOOK_MILLIS);
    one.vault.lease_renew().await.unwrap();
    assert!(one.transact(&shop, card, 1_000).await.is_ok());

    // At the most that is let pass, what is over is so by both.
    one.clock.wall_forward_millis(CALENDAR_SECONDS_MAX * 1000);
    one.vault.lease_renew().await.unwrap();
    one.clock.wall_forward_millis(1);
    assert_refused!(one.vault.lease_renew().await, VaultError::WrongState { .. });
    one.clock.wall_back_millis(1);
    one.vault.lease_renew().await.unwrap();
    let until_over = far - CALENDAR_SECONDS_MAX * 1000;
    pass(&[&one], until_over);
    shared.pass_millis(until_over);
    one.vault.lease_renew().await.unwrap();
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&one).await, 1);
    pass(&[&one], CALENDAR_SECONDS_MAX * 1000);
    shared.pass_millis(CALENDAR_SECONDS_MAX * 1000);
    one.vault.lease_renew().await.unwrap();
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&one).await, 0);
}

/// The bug: while a command had the vault open whose id comes first, nothing was swept, no webhook went out and no payment was asked about. Its cause: it
/// had a row like any node, and does none of it. Its cure: the row says whether its node serves.
#[tokio::test]
async fn a_command_does_nothing_for_all_and_is_in_nobodys_way() {
    let mut one = World::shared().await;
    let shop = one.shop(None).await;
    expired(&[&one], &shop, 2).await;
    let command = VaultParts { serves: false, node: node(0), ..one.parts() };
    let command = Vault::open(command).await.unwrap();
    command.sweep().await.unwrap();
    assert_eq!(left(&one).await, 2);
    one.vault.sweep().await.unwrap();
    assert_eq!(left(&one).await, 0);
    command.close().await.unwrap();
}

/// Without that clock nobody knows until when a lease would run.
#[tokio::test]
async fn a_lease_is_not_renewed_without_the_clock() {
    let shared = Arc::new(TestClock::new());
    let one = World::shared_by(1, &shared, |_| {}).await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    one.store.plot(|plot| plot.unreachable = true);
    assert!(one.vault.lease_renew().await.is_err() && one.vault.sweep().await.is_err());
    pass(&[&one], LEASE_SECONDS * 1000);
    shared.pass_millis(LEASE_SECONDS * 1000);
    one.store.plot(|plot| plot.unreachable = false);
    assert_refused!(one.transact(&shop, card, 1_000).await, VaultError::LeaseLost);
    one.vault.lease_renew().await.unwrap();
    assert!(one.transact(&shop, card, 1_000).await.is_ok());
}
