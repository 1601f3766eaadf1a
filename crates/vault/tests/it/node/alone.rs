//! A node that holds CVVs in its process is the only one that serves.
//!
//! The bug: two nodes, both with `nodes = "one"`, served one database. A CVV that one was given was not found by the other, and one that was cleared or replaced at the
//! other was still used. Its cause: what the operator had said was believed. Its cure: a node looks when it begins and with each renewal.

use core::pin::pin;
use core::task::{Context, Waker};
use std::sync::Arc;

use panvault_store::CvvStore;
use panvault_testkit::SharedCvvs;
use panvault_vault::limits::LEASE_RENEWAL_SECONDS;
use panvault_vault::{Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::intruder::Intruder;
use crate::node::{GIVEN_UP_MILLIS, begin_to, nodes, pass};
use crate::world::{World, node};

/// What another node is made of that goes by the same clock.
fn beside(one: &mut World, n: u64) -> VaultParts {
    VaultParts { node: node(n), store: Arc::new(one.store.beside(node(n))), ..one.parts() }
}

/// Whether a node has been told that it is not alone.
fn is_told(vault: &Vault) -> bool {
    pin!(vault.not_alone()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[tokio::test]
async fn a_second_is_refused_while_the_first_lives_by_its_lease() {
    let mut one = World::alone(&Intruder::default(), 1).await;
    let sharing = |one: &mut World, n| VaultParts {
        cvvs: Arc::new(SharedCvvs::new(10)) as Arc<dyn CvvStore>,
        ..beside(one, n)
    };
    let two = Vault::open(beside(&mut one, 2)).await;
    assert_refused!(two, VaultError::NotAlone { seconds, .. } if seconds * 1_000 == GIVEN_UP_MILLIS);
    // One that shares them would not find those of the first.
    assert_refused!(Vault::open(sharing(&mut one, 3)).await, VaultError::NotAlone { .. });
    assert_eq!(nodes(&one).await, [(node(1), 1)], "who was refused has left nothing");
    // A command holds none.
    let command = Vault::open(VaultParts { serves: false, ..beside(&mut one, 4) }).await.unwrap();
    one.vault.lease_renew().await.unwrap();
    command.close().await.unwrap();
    assert!(!is_told(&one.vault));

    pass(&[&one], GIVEN_UP_MILLIS - 1);
    assert_refused!(Vault::open(beside(&mut one, 5)).await, VaultError::NotAlone { seconds: 1, .. });
    pass(&[&one], 1);
    let later = Vault::open(sharing(&mut one, 6)).await.unwrap();
    // The other way round, too.
    assert_refused!(Vault::open(beside(&mut one, 7)).await, VaultError::NotAlone { .. });
    later.close().await.unwrap();
    drop(Vault::open(beside(&mut one, 8)).await.unwrap());
}

/// One that was killed is started again in its directory, whose lock says that it has ended.
#[tokio::test]
async fn a_node_that_is_known_to_have_ended_is_not_waited_for() {
    let mut one = World::alone(&Intruder::default(), 1).await;
    let two = VaultParts { predecessor: Some(node(1)), ..beside(&mut one, 2) };
    let two = Vault::open(two).await.unwrap();
    for _ in 0..3 {
        pass(&[&one], LEASE_RENEWAL_SECONDS * 1000);
        two.lease_renew().await.unwrap();
    }
    assert!(!is_told(&two) && !two.status().lease_lost);
    let three = VaultParts { predecessor: Some(node(1)), ..beside(&mut one, 3) };
    assert_refused!(Vault::open(three).await, VaultError::NotAlone { .. });
}

/// A directory that was copied while it was served.
#[tokio::test]
async fn of_two_that_go_on_from_one_directory_the_later_ends() {
    let mut one = World::alone(&Intruder::default(), 1).await;
    pass(&[&one], 1);
    let two = VaultParts { predecessor: Some(node(1)), ..beside(&mut one, 2) };
    let two = Vault::open(two).await.unwrap();
    pass(&[&one], LEASE_RENEWAL_SECONDS * 1000);
    one.vault.lease_renew().await.unwrap();
    assert_refused!(two.lease_renew().await, VaultError::NotAlone { .. });
    assert!(is_told(&two) && two.status().lease_lost, "it takes no payments from then on");
    assert!(!is_told(&one.vault) && !one.vault.status().lease_lost);
}

#[tokio::test]
async fn who_stood_still_past_its_lease_ends_where_another_has_begun() {
    for in_hand in [false, true] {
        let mut one = World::alone(&Intruder::default(), 1).await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        if in_hand {
            drop(begin_to(one.processors.before(), &one, &shop, card).await);
        }
        pass(&[&one], GIVEN_UP_MILLIS);
        let two = Vault::open(beside(&mut one, 2)).await.unwrap();
        assert_eq!(
            nodes(&one).await.len(),
            if in_hand { 2 } else { 1 },
            "its row goes when it has nothing left"
        );
        assert_refused!(one.vault.lease_renew().await, VaultError::NotAlone { .. });
        assert!(is_told(&one.vault) && one.vault.status().lease_lost);
        assert_refused!(one.transact(&shop, card, 1_000).await, VaultError::LeaseLost);
        two.lease_renew().await.unwrap();
        assert!(!is_told(&two) && !two.status().lease_lost);
    }
}

#[tokio::test]
async fn of_those_that_begin_at_once_one_does() {
    let mut one = World::alone(&Intruder::default(), 1).await;
    one.vault.close().await.unwrap();
    let local = tokio::task::LocalSet::new();
    let beginning: Vec<_> = (2..8)
        .map(|n| {
            let store = Arc::new(one.store.beside(node(n)));
            store.plot(|plot| plot.yields = true);
            let parts = VaultParts { node: node(n), store, ..one.parts() };
            local.spawn_local(async move { Vault::open(parts).await.is_ok() })
        })
        .collect();
    local.await;
    let mut begun = 0;
    for beginning in beginning {
        begun += usize::from(beginning.await.unwrap());
    }
    assert_eq!((begun, nodes(&one).await.len()), (1, 1));
}
