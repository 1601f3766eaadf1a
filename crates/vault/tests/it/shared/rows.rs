//! What the store knows of CVVs: how its numbers rise, when its rows go, and that they are held against their tags.

use panvault_model::{CardId, TransactionStatus};
use panvault_store::limits::{CVV_REQUEST_SECONDS, SWEEP_ROWS_MAX};
use panvault_store::{Action, CardCvvRow, Store, StoreFault};
use panvault_vault::VaultError;

use crate::assert_refused;
use crate::shared::{Act, Nodes};
use crate::world::{HOUR_MILLIS, VISA, World};

#[tokio::test]
async fn numbers_begin_with_the_time_and_rise() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let first = nodes.row(card).await.unwrap();
    let now = nodes.one.vault.now().wall;
    assert_eq!(u64::from(first.version), now.unix_seconds());
    assert_eq!((first.number, first.used, first.cvv_until), (first.version, false, now.plus_seconds(3_600)));
    nodes.two.cvv_put(&nodes.shop, card, "222").await.unwrap();
    let second = nodes.row(card).await.unwrap();
    assert_eq!((second.version, second.number, second.used), (first.version + 1, first.version + 1, false));
    nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap();
    let used = nodes.row(card).await.unwrap();
    assert_eq!((used.version, used.number, used.used), (first.version + 2, first.version + 1, true));
    nodes.act(&nodes.two, card, Act::Clear).await.unwrap();
    let ended = nodes.row(card).await.unwrap();
    assert_eq!((ended.version, ended.number, ended.used), (first.version + 3, first.version + 3, true));
    nodes.act(&nodes.two, card, Act::Delete).await.unwrap();
    assert_eq!(nodes.row(card).await, None);
}

#[tokio::test]
async fn one_node_alone_writes_none() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.cvv_put(&shop, card, "222").await.unwrap();
    world.transact(&shop, card, 131).await.unwrap();
    world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!(world.store.card_cvv_read(card).await, Ok(None));
}

/// Cards without a CVV have no row, and what ends none that was there begins one.
#[tokio::test]
async fn a_card_without_a_cvv_has_no_row() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card_create(&nodes.shop, VISA, None).await.unwrap().row.id;
    assert_eq!(nodes.row(card).await, None);
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
    assert_eq!(nodes.row(card).await, None);
    nodes.act(&nodes.two, card, Act::Clear).await.unwrap();
    assert!(nodes.row(card).await.unwrap().used);
}

#[tokio::test]
async fn a_row_goes_when_its_time_and_that_of_requests_is_over() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let first = nodes.row(card).await.unwrap();
    nodes.pass_millis(HOUR_MILLIS + CVV_REQUEST_SECONDS * 1000 - 1).await;
    nodes.one.vault.sweep().await.unwrap();
    assert!(nodes.row(card).await.is_some());
    nodes.pass_millis(1).await;
    nodes.two.vault.sweep().await.unwrap();
    assert!(nodes.row(card).await.is_some(), "the other does");
    nodes.one.vault.sweep().await.unwrap();
    assert_eq!(nodes.row(card).await, None);
    nodes.one.vault.sweep().await.unwrap();
    let before = nodes.one.vault.status().store.sequence;
    nodes.one.vault.sweep().await.unwrap();
    assert_eq!(nodes.one.vault.status().store.sequence, before, "nothing is left to remove");
    let trail =
        nodes.one.store.audit_read(panvault_model::NodeId::from_bytes([1; 12]), 1, 100).await.unwrap();
    let swept = trail.iter().filter(|record| record.note.action == Action::CardCvvSweep);
    assert_eq!(swept.count(), 1, "of nodes that are there one sweeps");

    nodes.one.cvv_put(&nodes.shop, card, "222").await.unwrap();
    assert!(nodes.row(card).await.unwrap().number > first.version);
    assert!(nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// A card whose CVV changes more than once a second has versions that are ahead of the time. Its next row must not begin below them, or
/// an old CVV could have the number of a new one.
#[tokio::test]
async fn a_row_stays_until_the_time_has_passed_its_version() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    for _ in 0..500 {
        nodes.act(&nodes.one, card, Act::Clear).await.unwrap();
    }
    let last = nodes.row(card).await.unwrap().version;
    nodes.pass_millis((CVV_REQUEST_SECONDS + 499) * 1000).await;
    nodes.one.vault.sweep().await.unwrap();
    assert_eq!(nodes.row(card).await.unwrap().version, last);
    nodes.pass_millis(1_000).await;
    nodes.one.vault.sweep().await.unwrap();
    assert_eq!(nodes.row(card).await, None);
    nodes.one.cvv_put(&nodes.shop, card, "222").await.unwrap();
    assert!(nodes.row(card).await.unwrap().version > last);
}

#[tokio::test]
async fn a_sweep_removes_any_number() {
    let nodes = Nodes::new().await;
    for _ in 0..=SWEEP_ROWS_MAX {
        nodes.one.card(&nodes.shop).await;
    }
    // The use of the key is written down.
    nodes.one.vault.sweep().await.unwrap();
    nodes.pass_millis(HOUR_MILLIS + CVV_REQUEST_SECONDS * 1000).await;
    let before = nodes.one.vault.status().store.sequence;
    nodes.one.vault.sweep().await.unwrap();
    assert_eq!(nodes.one.vault.status().store.sequence, before + 2);
    assert_eq!(nodes.one.store.card_cvv_expired(nodes.one.vault.now().wall, 1).await, Ok(Vec::new()));
}

/// A row that was renewed since it was read as expired stays, and both nodes may sweep at once.
#[tokio::test]
async fn a_sweep_leaves_what_was_renewed() {
    for steps in 0.. {
        let nodes = Nodes::new().await;
        let (old, renewed) = (nodes.one.card(&nodes.shop).await, nodes.one.card(&nodes.shop).await);
        nodes.pass_millis(HOUR_MILLIS + CVV_REQUEST_SECONDS * 1000).await;
        nodes.yields();
        let mut sweeping = Box::pin(nodes.one.vault.sweep());
        let over = crate::shared::polled(sweeping.as_mut(), steps).await.is_some();
        nodes.two.cvv_put(&nodes.shop, renewed, "222").await.unwrap();
        nodes.two.vault.sweep().await.unwrap();
        if !over {
            sweeping.await.unwrap();
        }
        assert_eq!(nodes.row(old).await, None);
        assert!(nodes.two.transact(&nodes.shop, renewed, 1_000).await.unwrap().cvv_present, "step {steps}");
        if over {
            break;
        }
    }
}

/// Whoever changes a row, to have a CVV used again, is found out before anything is sent.
#[tokio::test]
async fn a_row_that_was_changed_is_refused() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap();
    let changes: [fn(&mut CardCvvRow); 6] = [
        |row| row.used = false,
        |row| row.number -= 1,
        |row| row.version -= 1,
        |row| row.cvv_until = row.cvv_until.plus_seconds(1),
        |row| row.card = CardId::from_bytes([9; 12]),
        |row| row.tag.bytes[0] ^= 1,
    ];
    for change in changes {
        nodes.place.cvvs.revive().await;
        nodes.two.store.plot(|plot| plot.card_cvv = Some(Box::new(change)));
        assert_refused!(nodes.two.transact(&nodes.shop, card, 1_000).await, VaultError::Tampered(_));
        assert_refused!(nodes.two.card_read(&nodes.shop, card).await, VaultError::Tampered(_));
        assert_refused!(nodes.two.cards(&nodes.shop).await, VaultError::Tampered(_));
        assert_refused!(nodes.two.cvv_put(&nodes.shop, card, "222").await, VaultError::Tampered(_));
        nodes.two.store.leave();
    }
    assert_eq!(nodes.carried(card).await.len(), 1);
    nodes.two.store.plot(|plot| plot.card_cvv = Some(Box::new(changes[0])));
    assert!(nodes.act(&nodes.two, card, Act::Delete).await.is_ok(), "it can still be deleted");
}

/// A row of another card is whole, and not this card's.
#[tokio::test]
async fn a_row_is_not_moved_to_another_card() {
    let nodes = Nodes::new().await;
    let (used, unused) = (nodes.one.card(&nodes.shop).await, nodes.one.card(&nodes.shop).await);
    nodes.one.transact(&nodes.shop, used, 1_000).await.unwrap();
    let row = nodes.row(unused).await.unwrap();
    nodes.one.cvv_put(&nodes.shop, used, "222").await.unwrap();
    nodes.two.store.plot(|plot| plot.card_cvv = Some(Box::new(move |other| *other = row.as_ref().clone())));
    assert_refused!(nodes.two.transact(&nodes.shop, used, 1_000).await, VaultError::Tampered(_));
}

/// Refused before `INITIATED` is written: nothing is marked, and the CVV is where it was.
#[tokio::test]
async fn what_is_refused_marks_nothing() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    let before = nodes.row(card).await;
    nodes.two.store.plot(|plot| plot.initiate_fault = Some(StoreFault::Full));
    assert_refused!(nodes.two.transact(&nodes.shop, card, 1_000).await, VaultError::Store(StoreFault::Full));
    nodes.two.store.leave();
    assert_eq!(nodes.row(card).await, before);
    assert!(nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// An outcome that cannot be written leaves the mark, and the CVV does not go back.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_written_leaves_the_mark() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    nodes.two.store.plot(|plot| plot.settle_faults = Some((StoreFault::Full, usize::MAX)));
    let row = nodes.two.transact(&nodes.shop, card, 131).await.unwrap();
    assert_eq!(row.status, TransactionStatus::Unknown);
    assert!(nodes.row(card).await.unwrap().used);
    assert!(!nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// The bug: while the place that holds CVVs was out of reach, no card could be paid with, also not one that never had a CVV. Its cause: the
/// place alone was asked. Its cure: where the store knows that there is no CVV that could be used, nobody has to be asked.
#[tokio::test]
async fn a_card_that_can_have_no_cvv_is_paid_with_while_the_place_is_out_of_reach() {
    let nodes = Nodes::new().await;
    let (one, shop) = (&nodes.one, &nodes.shop);
    let without = one.card_create(shop, VISA, None).await.unwrap().row.id;
    let (used, held) = (one.card(shop).await, one.card(shop).await);
    assert!(one.transact(shop, used, 1_000).await.unwrap().cvv_present);
    nodes.place.cvvs.away_after(0);
    for card in [without, used] {
        let row = one.transact(shop, card, 1_000).await.unwrap();
        assert_eq!((row.cvv_present, row.status), (false, TransactionStatus::SettlementRequested));
    }
    assert_refused!(one.transact(shop, held, 1_000).await, VaultError::CvvUnavailable);
    assert_refused!(one.card_create(shop, VISA, Some("111")).await, VaultError::CvvUnavailable);
    assert_eq!(one.cards(shop).await.unwrap().rows.len(), 3, "and is not stored");
    // Cards are shown; whether one that may have a CVV has it is not known.
    for (card, is_known) in [(without, true), (used, true), (held, false)] {
        let seen = one.card_read(shop, card).await.unwrap();
        assert_eq!((seen.cvv_expires_at, seen.is_cvv_known), (None, is_known));
    }
    let listed = one.cards(shop).await.unwrap().rows;
    let known = |card| listed.iter().find(|seen| seen.row.id == card).unwrap().is_cvv_known;
    assert_eq!((known(without), known(used), known(held)), (true, true, false));
    nodes.let_pass(HOUR_MILLIS);
    one.vault.lease_renew().await.unwrap();
    assert!(!one.transact(shop, held, 1_000).await.unwrap().cvv_present, "its time is over");
    nodes.place.cvvs.back();
    let again = one.card(shop).await;
    assert!(one.transact(shop, again, 1_000).await.is_ok());
}
