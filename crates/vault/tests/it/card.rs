use core::sync::atomic::Ordering;

use panvault_card::{Holder, NewCard};
use panvault_model::{Brand, CardId, CardType, IssuerFacts};
use panvault_store::{Action, Store};
use panvault_testkit::{LeakScan, canary_cards};
use panvault_vault::{
    CardChange, CardCreate, CardView, CvvChange, Metadata, Permit, RowVerifier, VaultError,
};

use crate::assert_refused;
use crate::world::{AMEX, Shop, VISA, World, cvv_change, keys, new_card, no_change, opened};

async fn update(
    world: &World,
    shop: &Shop,
    card: CardId,
    change: CardChange,
) -> Result<CardView, VaultError> {
    let permit = world.permit(&shop.key);
    world.vault.card_update(&permit, card, shop.organisation, change, None).await.map(|done| done.value)
}

#[tokio::test]
async fn a_card_is_stored_with_what_is_known_of_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let metadata = vec![("order".to_owned(), "17".to_owned())];
    let card = NewCard { holder: Some(Holder::parse("Ann Lee").unwrap()), ..new_card(VISA, Some("123")) };
    let permit = world.permit(&shop.key);
    let created = world.vault.card_create(&permit, shop.organisation, card, metadata.clone(), None);
    let view = created.await.unwrap().value;
    let row = &view.row;
    assert_eq!((row.organisation, row.version, row.brand), (shop.organisation, 1, Some(Brand::Visa)));
    assert_eq!((row.bin.unwrap().as_str(), row.last_four.as_str()), ("411111", "1111"));
    assert_eq!((row.expiry.month(), row.expiry.year(), &row.metadata), (12, 2030, &metadata));
    let facts = &row.facts;
    assert_eq!(
        (facts.issuer_name.as_deref(), facts.variant.as_deref()),
        (Some("TEST BANK VISA NL"), Some("CLASSIC"))
    );
    assert_eq!((facts.card_type, facts.table_version), (Some(CardType::Credit), 1));
    assert_eq!(row.created_at.to_string(), "2026-03-01T12:00:00.000Z");
    assert_eq!(
        (row.updated_at, row.id.as_bytes()[..4].to_vec()),
        (row.created_at, vec![0x69, 0xa4, 0x2a, 0x40])
    );
    assert_eq!(world.card_read(&shop, row.id).await.unwrap().row.as_ref(), row.as_ref());
}

#[tokio::test]
async fn what_no_table_knows_is_absent() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let row = world.card_create(&shop, "4999990000000007", None).await.unwrap().row;
    assert_eq!((row.brand, &row.facts), (Some(Brand::Visa), &IssuerFacts::default()));
}

#[tokio::test]
async fn a_change_keeps_the_rest_and_the_number() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let before = world.card_create(&shop, AMEX, Some("1234")).await.unwrap();
    let card = before.row.id;
    world.clock.pass_millis(5_000);
    let metadata = vec![("a".to_owned(), "b".to_owned())];
    let changes = [
        CardChange { expiry_month: Some(6), ..no_change() },
        CardChange { expiry_year: Some(2033), ..no_change() },
        CardChange { metadata: Some(metadata.clone()), ..no_change() },
        CardChange { holder: Some(Holder::parse("Bob Roe").unwrap()), ..no_change() },
    ];
    for (version, change) in (2..).zip(changes) {
        let view = update(&world, &shop, card, change).await.unwrap();
        assert_eq!((view.row.version, view.cvv_expires_at), (version, before.cvv_expires_at));
    }
    let after = world.card_read(&shop, card).await.unwrap().row;
    assert_eq!((after.expiry.month(), after.expiry.year(), &after.metadata), (6, 2033, &metadata));
    assert_eq!(
        (after.id, after.fingerprint, after.created_at),
        (card, before.row.fingerprint, before.row.created_at)
    );
    assert_eq!(after.updated_at.to_string(), "2026-03-01T12:00:05.000Z");
    let documents = world.store.document_read_all().await.unwrap();
    assert!(RowVerifier::open(keys(), &documents).unwrap().card(&after).is_ok(), "still the same number");
    assert_ne!(after.sealed, before.row.sealed);
}

#[tokio::test]
async fn a_name_can_be_given_and_replaced_and_outlives_other_changes() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card_create(&shop, AMEX, None).await.unwrap().row.id;
    let name = |text| CardChange { holder: Some(Holder::parse(text).unwrap()), ..no_change() };
    let steps = [
        (no_change(), None),
        (name("Ann Lee"), Some("Ann Lee")),
        (CardChange { expiry_month: Some(6), ..no_change() }, Some("Ann Lee")),
        (name("Bob Roe"), Some("Bob Roe")),
    ];
    for (change, holder) in steps {
        let row = update(&world, &shop, card, change).await.unwrap().row;
        assert_eq!(opened(&world.store, &row).await, (AMEX.to_owned(), holder.map(str::to_owned)));
    }
}

#[tokio::test]
async fn a_cvv_alone_leaves_the_row_as_it_is() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let before = world.card_create(&shop, VISA, None).await.unwrap();
    let after = update(&world, &shop, before.row.id, cvv_change("123")).await.unwrap();
    assert_eq!(after.row, before.row);
    assert!(after.cvv_expires_at.is_some());
}

#[tokio::test]
async fn an_expiry_is_neither_past_nor_far_ahead() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let expiry = |month, year| CardChange { expiry_month: month, expiry_year: year, ..no_change() };
    for (month, year) in
        [(Some(2), Some(2026)), (None, Some(2025)), (Some(4), Some(2046)), (None, Some(2046))]
    {
        assert_refused!(update(&world, &shop, card, expiry(month, year)).await, VaultError::Faults(_));
    }
    for (month, year) in [(Some(3), Some(2026)), (Some(3), Some(2046))] {
        let row = update(&world, &shop, card, expiry(month, year)).await.unwrap().row;
        assert_eq!((Some(row.expiry.month()), Some(row.expiry.year())), (month, year));
    }
    assert!(world.holds_cvv(&shop, card).await, "refused changes did not touch the CVV");
}

#[tokio::test]
async fn a_refused_change_does_not_replace_the_cvv() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.clock.pass_millis(1_000);
    let before = world.card_read(&shop, card).await.unwrap();
    let change = CardChange { expiry_year: Some(2020), ..cvv_change("222") };
    assert_refused!(update(&world, &shop, card, change).await, VaultError::Faults(_));
    assert_eq!(world.card_read(&shop, card).await.unwrap().cvv_expires_at, before.cvv_expires_at);
}

#[tokio::test]
async fn a_deleted_card_is_gone() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.vault.card_delete(&world.permit(&shop.key), card).await.unwrap();
    assert_refused!(world.card_read(&shop, card).await, VaultError::NotFound(_));
    assert_refused!(world.vault.card_delete(&world.permit(&shop.key), card).await, VaultError::NotFound(_));
    assert_refused!(world.cvv_put(&shop, card, "111").await, VaultError::NotFound(_));
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::NotFound(_));
    assert_eq!(world.cards(&shop).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_that_overtake_each_other_are_all_made() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.yields = true);
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let metadata = Some(vec![("number".to_owned(), number.to_string())]);
            let change = CardChange { metadata, ..no_change() };
            let permit = world.permit(&shop.key);
            tokio::spawn(world.vault.card_update(&permit, card, shop.organisation, change, None))
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap().unwrap().value.row.version);
    }
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5, 6, 7]);
}

/// The trail tells of a row's version, so its notes say which changes are of the row.
#[tokio::test]
async fn the_trail_tells_changes_of_the_row_from_those_of_the_cvv() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.cvv_put(&shop, card, "222").await.unwrap();
    update(&world, &shop, card, CardChange { expiry_year: Some(2031), ..no_change() }).await.unwrap();
    update(&world, &shop, card, CardChange { expiry_year: Some(2032), ..cvv_change("111") }).await.unwrap();
    let trail = world.store.trail(1).await;
    let updates = trail.iter().filter(|record| record.note.action == Action::CardUpdate);
    assert_eq!(updates.map(|record| record.note.outcome).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(world.card_read(&shop, card).await.unwrap().row.version, 3);
}

/// Where there was no room, the caller was told that the vault was busy, as if it need only try again. It is now told what there is
/// no room for.
#[tokio::test]
async fn without_room_for_a_cvv_nothing_is_begun() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.cvvs.full.store(true, Ordering::SeqCst);
    assert_refused!(world.card_create(&shop, VISA, Some("111")).await, VaultError::CvvFull);
    assert_refused!(world.cvv_put(&shop, card, "222").await, VaultError::CvvFull);
    assert!(world.card_create(&shop, VISA, None).await.is_ok());
    assert_eq!(world.cards(&shop).await.unwrap().total, 2);
    assert!(world.holds_cvv(&shop, card).await);
}

/// One organisation could take all the room there is, if only with the key in its web page, and no CVV of another was held. Room is
/// now shared.
#[tokio::test]
async fn one_organisation_does_not_take_the_room_of_another() {
    let world = World::with_cvvs(8).await;
    let (greedy, other) = (world.shop(None).await, world.shop(None).await);
    for _ in 0..4 {
        world.card(&greedy).await;
    }
    assert_refused!(world.card_create(&greedy, VISA, Some("111")).await, VaultError::CvvFull);
    let card = world.card(&other).await;
    assert!(world.holds_cvv(&other, card).await);
    assert_eq!((world.vault.status().cvvs.held, world.vault.status().cvvs.held_max), (5, 8));
    world.transact(&greedy, world.cards(&greedy).await.unwrap().rows[0].row.id, 1_000).await.unwrap();
    world.card(&greedy).await;
}

/// A repeated request was refused where there was no room any more, though it needs none: its card was stored, and the answer is kept.
#[tokio::test]
async fn a_repeated_request_needs_no_room() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let create = async |key: &str| {
        let permit: Permit<CardCreate> = world.permit(&shop.key);
        let claim = world.idempotency(&permit, key, "body");
        let new = new_card(VISA, Some("111"));
        world.vault.card_create(&permit, shop.organisation, new, Metadata::new(), Some(claim)).await
    };
    let card = create("first").await.unwrap().value.row.id;
    world.cvvs.full.store(true, Ordering::SeqCst);
    let again = create("first").await.unwrap();
    assert!(again.replayed && again.value.row.id == card);
    assert_refused!(create("second").await, VaultError::CvvFull);
}

/// There was room when the request began, and none when the card was durable. The caller was once told that the card was not
/// stored.
#[tokio::test]
async fn a_card_whose_cvv_finds_no_room_is_answered_as_stored() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let held = world.card(&shop).await;
    world.cvvs.full_later.store(true, Ordering::SeqCst);
    let created = world.card_create(&shop, VISA, Some("111")).await.unwrap();
    assert_eq!(created.cvv_expires_at, None);
    assert!(!world.holds_cvv(&shop, created.row.id).await);
    assert_eq!(world.cvv_put(&shop, held, "222").await.unwrap().cvv_expires_at, None);
    let row = world.transact(&shop, held, 1_000).await.unwrap();
    assert!(!row.cvv_present, "the CVV that was to be replaced is not used in its place");
}

#[tokio::test]
async fn number_and_name_are_kept_sealed() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let canary = &canary_cards(1, 1)[0].number;
    let card = NewCard { holder: Some(Holder::parse("ANN EXAMPLE LEE").unwrap()), ..new_card(canary, None) };
    let permit = world.permit(&shop.key);
    let row = world
        .vault
        .card_create(&permit, shop.organisation, card, Metadata::new(), None)
        .await
        .unwrap()
        .value
        .row;
    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    assert!(!bytes.windows(7).any(|window| window == b"EXAMPLE"));
    assert_eq!(LeakScan::new([canary]).scan("row", &bytes), []);
}

/// `updated_at` stood still when only the CVV changed, though a shop asks by it what is new of its cards. It moves, while the card's sealed part stays as it is.
#[tokio::test]
async fn a_cvv_moves_when_a_card_was_updated() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let before = world.card_create(&shop, AMEX, Some("1234")).await.unwrap().row;
    let changes = [cvv_change("4321"), CardChange { cvv: CvvChange::Clear, ..no_change() }];
    for (change, seconds) in changes.into_iter().zip(1..) {
        world.clock.pass_millis(1_000);
        let told = update(&world, &shop, before.id, change).await.unwrap().row;
        assert_eq!(told.updated_at, before.created_at.plus_seconds(seconds));
        let read = world.card_read(&shop, before.id).await.unwrap().row;
        assert_eq!((&read, read.sealed_at), (&told, before.created_at));
        assert_eq!((read.version, read.sealed_version), (told.version, 1));
        assert_eq!(read.sealed, before.sealed);
    }
    let later = before.created_at.plus_seconds(2);
    world.clock.pass_millis(1_000);
    update(&world, &shop, before.id, no_change()).await.unwrap();
    assert_eq!(
        world.card_read(&shop, before.id).await.unwrap().row.updated_at,
        later,
        "nothing of it was changed"
    );
    // It is opened for a change of its row, by what it was sealed with.
    let month = CardChange { expiry_month: Some(6), ..no_change() };
    let changed = update(&world, &shop, before.id, month).await.unwrap().row;
    assert_eq!(
        (changed.updated_at, changed.sealed_at),
        (before.created_at.plus_seconds(3), changed.updated_at)
    );
}
