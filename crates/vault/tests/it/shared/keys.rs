//! What CVVs are sealed with, where nodes share them.

use core::sync::atomic::Ordering;

use panvault_model::CvvResult;
use panvault_store::limits::{CVV_KEY_COMPONENT_KEPT_SECONDS, CVV_KEY_COMPONENT_SECONDS};
use panvault_vault::limits::CVV_KEY_LATE_SECONDS;

use crate::shared::Nodes;
use crate::world::VISA;

/// Each node had a key of its own, made at its start, so that only tests whose nodes drew the same one could use a CVV on another node.
/// It is derived from a key of the vault and what the place has.
#[tokio::test]
async fn the_hour_may_change_between_hold_and_claim() {
    let nodes = Nodes::new().await;
    // Late in the hour, and in the next one by a node that has not asked again.
    nodes.let_pass((CVV_KEY_COMPONENT_SECONDS - 1) * 1000);
    let before = nodes.one.card(&nodes.shop).await;
    nodes.let_pass(2_000);
    let late = nodes.one.card(&nodes.shop).await;
    nodes.two.vault.lease_renew().await.unwrap();
    nodes.two.vault.cvv_key_renew().await.unwrap();
    let after = nodes.two.card(&nodes.shop).await;
    nodes.one.vault.lease_renew().await.unwrap();
    for (node, card) in [(&nodes.two, before), (&nodes.two, late), (&nodes.one, after)] {
        let row = node.transact(&nodes.shop, card, 1_000).await.unwrap();
        assert_eq!((row.cvv_present, row.cvv_result), (true, CvvResult::Matched));
    }
    // A CVV that comes back does so sealed as it was.
    let card = nodes.one.card(&nodes.shop).await;
    assert!(!nodes.one.transact(&nodes.shop, card, 131).await.unwrap().cvv_present);
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// A node that is told nothing goes on for a while; then it holds none, and says so.
#[tokio::test]
async fn without_a_key_of_this_hour_no_cvv_is_held() {
    let nodes = Nodes::new().await;
    let until_over = (CVV_KEY_COMPONENT_SECONDS + CVV_KEY_LATE_SECONDS) * 1000;
    nodes.let_pass(until_over - 1);
    assert!(nodes.one.card_create(&nodes.shop, VISA, Some("111")).await.unwrap().cvv_expires_at.is_some());
    nodes.let_pass(1);
    let view = nodes.one.card_create(&nodes.shop, VISA, Some("111")).await.unwrap();
    assert_eq!(view.cvv_expires_at, None);
    // An old one is ended all the same.
    let card = nodes.two.card_create(&nodes.shop, VISA, None).await.unwrap().row.id;
    nodes.two.vault.cvv_key_renew().await.unwrap();
    nodes.two.cvv_put(&nodes.shop, card, "222").await.unwrap();
    nodes.one.cvv_put(&nodes.shop, card, "111").await.unwrap();
    assert!(!nodes.two.holds_cvv(&nodes.shop, card).await);
    nodes.one.vault.cvv_key_renew().await.unwrap();
    nodes.one.cvv_put(&nodes.shop, card, "111").await.unwrap();
    nodes.one.vault.lease_renew().await.unwrap();
    nodes.two.vault.lease_renew().await.unwrap();
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// A node starts while the place is out of reach, and serves without holding CVVs until it is told what to seal them with.
#[tokio::test]
async fn a_node_starts_without_the_place() {
    let mut nodes = Nodes::new().await;
    nodes.place.cvvs.away_after(0);
    nodes.one_reopened().await;
    nodes.place.cvvs.back();
    assert_eq!(nodes.one.card_create(&nodes.shop, VISA, Some("111")).await.unwrap().cvv_expires_at, None);
    nodes.one.vault.cvv_key_renew().await.unwrap();
    let card = nodes.one.card(&nodes.shop).await;
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// A cache that starts empty has none of the components of before. What is sealed with one is not held, and the answer says so; nodes ask
/// at once, so that the next one is.
#[tokio::test]
async fn a_place_that_lost_all_loses_one_cvv_more_on_each_node() {
    let nodes = Nodes::new().await;
    let lost = nodes.one.card(&nodes.shop).await;
    nodes.place.cvvs.lose();
    for node in [&nodes.one, &nodes.two] {
        let view = node.card_create(&nodes.shop, VISA, Some("111")).await.unwrap();
        assert_eq!(view.cvv_expires_at, None);
        assert!(!node.holds_cvv(&nodes.shop, view.row.id).await);
        assert!(node.card_create(&nodes.shop, VISA, Some("111")).await.unwrap().cvv_expires_at.is_some());
    }
    let card = nodes.one.card(&nodes.shop).await;
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert!(!nodes.two.transact(&nodes.shop, lost, 1_000).await.unwrap().cvv_present);
}

/// What comes back of a cache without its component opens for nobody, the node included that sealed it and has the key in memory.
#[tokio::test]
async fn a_cvv_whose_component_is_gone_counts_as_not_held() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    nodes.place.clock.pass_millis(CVV_KEY_COMPONENT_KEPT_SECONDS * 1000);
    for node in [&nodes.one, &nodes.two] {
        assert!(!node.holds_cvv(&nodes.shop, card).await);
        assert_eq!(node.cards(&nodes.shop).await.unwrap().rows[0].cvv_expires_at, None);
        assert!(!node.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    }
}

/// Lost between the claim and the question what opens it: the CVV goes out with nothing, and not later either.
#[tokio::test]
async fn a_claim_that_nothing_opens_is_void() {
    let mut nodes = Nodes::new().await;
    nodes.let_pass((CVV_KEY_COMPONENT_SECONDS - 1) * 1000);
    nodes.two.vault.lease_renew().await.unwrap();
    let card = nodes.two.card(&nodes.shop).await;
    nodes.one_reopened().await;
    nodes.place.cvvs.components_gone.store(true, Ordering::SeqCst);
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    nodes.place.cvvs.components_gone.store(false, Ordering::SeqCst);
    assert_eq!(nodes.place.cvvs.held_now(), 0);
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}
