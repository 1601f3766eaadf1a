//! A cache that comes back as it once was, and hands out what was used, replaced or ended.

use panvault_model::{CvvResult, TransactionStatus};
use panvault_testkit::NetworkFaults;
use panvault_vault::limits::CLAIM_TRIES_MAX;

use crate::shared::{Act, Nodes, Place, polled};

#[tokio::test]
async fn what_was_used_is_refused_by_the_store() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    nodes.place.cvvs.revive().await;
    assert_eq!(nodes.place.cvvs.held_now(), 1, "it is back");
    for node in [&nodes.one, &nodes.two] {
        assert!(!node.holds_cvv(&nodes.shop, card).await);
        assert_eq!(node.cards(&nodes.shop).await.unwrap().rows[0].cvv_expires_at, None);
    }
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert_eq!(nodes.place.cvvs.held_now(), 0, "and gone for good");
    nodes.one.cvv_put(&nodes.shop, card, "222").await.unwrap();
    let row = nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap();
    assert_eq!(row.cvv_result, CvvResult::NotMatched);
}

/// The control: where the store does not know of CVVs, what comes back goes out twice.
#[tokio::test]
async fn without_a_row_it_would_go_out_again() {
    let nodes = Nodes::over(Place::unshared(), NetworkFaults::default(), 0).await;
    let card = nodes.one.card(&nodes.shop).await;
    assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    nodes.place.cvvs.revive().await;
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert_eq!(nodes.row(card).await, None);
}

#[tokio::test]
async fn what_was_ended_or_replaced_is_refused_too() {
    for act in [Act::Clear, Act::Delete] {
        let nodes = Nodes::new().await;
        let card = nodes.one.card(&nodes.shop).await;
        nodes.act(&nodes.two, card, act).await.unwrap();
        nodes.place.cvvs.revive().await;
        let sent = nodes.one.transact(&nodes.shop, card, 1_000).await;
        assert!(
            sent.is_err() == (act == Act::Delete)
                && sent.is_ok_and(|row| !row.cvv_present) == (act == Act::Clear)
        );
    }
    // The cache has lost the new one.
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let copy = nodes.place.cvvs.copied();
    nodes.two.cvv_put(&nodes.shop, card, "222").await.unwrap();
    nodes.place.cvvs.copied_put(copy);
    nodes.place.cvvs.revive().await;
    assert!(!nodes.one.holds_cvv(&nodes.shop, card).await);
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// The bug: whoever could write to the place that holds CVVs had a used one go out once more, in the place of the next one of its card and for as long as that. Its
/// cause: a sealed CVV knew its card only, and what was claimed was held against the number in the card's row, which stands beside the seal. Its cure: the seal
/// knows until when the CVV is held, and so does the row.
#[tokio::test]
async fn a_used_one_does_not_go_out_in_the_place_of_the_next() {
    for with_its_time in [false, true] {
        let nodes = Nodes::new().await;
        let card = nodes.one.card(&nodes.shop).await;
        let used = nodes.place.cvvs.copied().unwrap();
        assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
        nodes.pass_millis(1).await;
        nodes.two.cvv_put(&nodes.shop, card, "222").await.unwrap();
        let next = nodes.place.cvvs.copied().unwrap();
        nodes.place.cvvs.copied_put(Some(used.in_place_of(&next, with_its_time)));
        nodes.place.cvvs.revive().await;
        // With both it is found out when it is opened, before anything is sent.
        assert_eq!(nodes.one.holds_cvv(&nodes.shop, card).await, with_its_time);
        let row = nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap();
        let wanted = if with_its_time {
            TransactionStatus::Unavailable
        } else {
            TransactionStatus::SettlementRequested
        };
        assert_eq!((row.status, row.cvv_present), (wanted, false));
        assert_eq!(nodes.carried(card).await, [CvvResult::Matched], "the first, once");
        // The control: what the vault gave goes out, where nothing else has taken its place.
        nodes.place.cvvs.copied_put(Some(next));
        nodes.place.cvvs.revive().await;
        assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
        assert_eq!(nodes.carried(card).await.len(), 2);
    }
}

/// What went back is used by the next one, and then by nobody.
#[tokio::test]
async fn what_was_never_sent_goes_back_and_goes_out_once() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let before = nodes.row(card).await.unwrap();
    let until = nodes.one.card_read(&nodes.shop, card).await.unwrap().cvv_expires_at;
    nodes.pass_millis(1_000).await;
    let row = nodes.two.transact(&nodes.shop, card, 131).await.unwrap();
    assert_eq!((row.status, row.cvv_present), (TransactionStatus::Unavailable, false));
    let after = nodes.row(card).await.unwrap();
    assert_eq!((after.number, after.used, after.cvv_until), (before.number, false, before.cvv_until));
    assert_eq!(after.version, before.version + 2, "used, and not after all");
    assert_eq!(nodes.one.card_read(&nodes.shop, card).await.unwrap().cvv_expires_at, until);
    nodes.place.cvvs.revive().await;
    assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// A request has claimed the CVV and stands still; the cache loses that, and another request claims it too. The store decides: one has it,
/// and the other goes without, whatever step it had come to.
#[tokio::test]
async fn of_two_that_claimed_the_same_one_has_it() {
    let mut went = [0, 0];
    for steps in 0.. {
        let nodes = Nodes::new().await;
        let card = nodes.one.card(&nodes.shop).await;
        nodes.yields();
        let mut running = Box::pin(nodes.act(&nodes.one, card, Act::Transact(1_000)));
        if polled(running.as_mut(), steps).await.is_some() {
            break;
        }
        nodes.place.cvvs.revive().await;
        let second = nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap();
        let first = running.await.unwrap().unwrap();
        assert_eq!(usize::from(first.cvv_present) + usize::from(second.cvv_present), 1, "step {steps}");
        went[usize::from(second.cvv_present)] += 1;
    }
    assert!(went.iter().all(|went| *went > 1), "{went:?}");
}

/// The mark met another one that was taken away again: the claim stands, and is not given up for it.
#[tokio::test]
async fn a_mark_that_was_taken_away_does_not_void_a_claim() {
    let mut met = 0;
    for steps in 0.. {
        let nodes = Nodes::new().await;
        let card = nodes.one.card(&nodes.shop).await;
        nodes.yields();
        let mut running = Box::pin(nodes.act(&nodes.one, card, Act::Transact(1_000)));
        if polled(running.as_mut(), steps).await.is_some() {
            break;
        }
        let before = nodes.row(card).await.unwrap().version;
        nodes.place.cvvs.revive().await;
        let second = nodes.two.transact(&nodes.shop, card, 131).await.unwrap();
        assert_eq!(second.status, TransactionStatus::Unavailable);
        let marked = nodes.row(card).await.unwrap().version == before + 2;
        let first = running.await.unwrap().unwrap();
        assert!(first.cvv_present, "step {steps}");
        met += usize::from(marked);
    }
    assert!(met > 1);
}

/// A cache that brings the same one back at every claim keeps no transaction from going on.
#[tokio::test]
async fn a_cache_that_goes_on_bringing_it_back_stops_nothing() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    for _ in 0..CLAIM_TRIES_MAX * 2 {
        nodes.place.cvvs.revive().await;
        assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    }
}
