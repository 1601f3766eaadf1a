//! The key for row tags is replaced while the vault is used: every row that bears its tag is given another, one that does not is left as it is, and then the key before
//! is gone.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use panvault_keys::{HandOver, KeyState, VaultPurpose};
use panvault_model::{CardId, Tag};
use panvault_store::{Action, CardRow, Commit, Effect, Expect, Row, RowKey, Store, StoreFault, Table};
use panvault_testkit::conformance::note;
use panvault_testkit::{operator, root_key, vault_header};
use panvault_vault::limits::{RETAG_ROWS, ROTATION_STORED_SECONDS};
use panvault_vault::{CardChange, CardCreate, CardUpdate, RowVerifier, VaultError, VaultKeyView};

use crate::vault_rotation::{AT, Place, change, entropy, opened, permit, served, start, states};
use crate::world::{Shop, VAULT, VISA, World, new_card, no_change};

const ROW_TAG: VaultPurpose = VaultPurpose::RowTag;

/// Every row that has a tag of the vault's key for rows.
async fn rows(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Document) {
        rows.extend(world.store.row_page(table, None, 10_000).await.unwrap());
    }
    rows
}

fn tag(row: &mut Row) -> &mut Tag {
    match row {
        Row::Card(row) => &mut Arc::make_mut(row).tag,
        Row::Transaction(row) => &mut Arc::make_mut(row).tag,
        Row::History(row) => &mut Arc::make_mut(row).tag,
        Row::Document(row) => &mut Arc::make_mut(row).tag,
        Row::Idempotency(row) => &mut Arc::make_mut(row).tag,
        Row::CardCvv(row) => &mut Arc::make_mut(row).tag,
        Row::Node(row) => &mut Arc::make_mut(row).tag,
        Row::ApiKeyUse(row) => &mut Arc::make_mut(row).tag,
        Row::Refund(row) => &mut Arc::make_mut(row).tag,
        Row::Customer(row) => &mut Arc::make_mut(row).tag,
        Row::Delivery(row) => &mut Arc::make_mut(row).tag,
        Row::Checkout(row) => &mut Arc::make_mut(row).tag,
    }
}

/// How many rows bear the tag of each of the first two keys.
fn tagged_by(rows: &[Row]) -> [usize; 2] {
    let of = |key| rows.iter().filter(|row| tag(&mut (*row).clone()).key == key).count();
    [of(1), of(2)]
}

fn without_tags(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.iter_mut().for_each(|row| *tag(row) = Tag::NONE);
    rows
}

/// A card with payments, what is kept of a request that may be repeated, and many more cards.
async fn filled(world: &World, shop: &Shop) -> CardId {
    let card = world.card(shop).await;
    for amount in 1..4 {
        world.transact(shop, card, amount * 100).await.unwrap();
    }
    let permit = world.permit::<CardCreate>(&shop.key);
    let once = world.idempotency(&permit, "once", "body");
    world
        .vault
        .card_create(&permit, shop.organisation, new_card(VISA, None), Vec::new(), Some(once))
        .await
        .unwrap();
    for _ in 0..RETAG_ROWS {
        world.card(shop).await;
    }
    card
}

/// Who has the root key makes another key for row tags.
async fn made(world: &World, place: &Arc<Place>) {
    let next = place.header().key_make(&root_key(1), ROW_TAG, AT, &entropy(3)).unwrap();
    change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
}

fn view(world: &World, version: u16) -> VaultKeyView {
    let permit = operator(&world.vault, 1).permit().unwrap();
    let keys = world.vault.key_inventory(&permit).unwrap();
    let is_it = |key: &&VaultKeyView| (key.described.purpose, key.described.version) == (ROW_TAG, version);
    keys.iter().find(is_it).unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn every_row_is_given_another_tag_and_the_key_before_is_gone() {
    let (mut world, shop, place) = served().await;
    let card = filled(&world, &shop).await;
    made(&world, &place).await;
    assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::Active, KeyState::PreActive]);
    world.card(&shop).await;
    let before = rows(&world).await;
    assert_eq!(tagged_by(&before), [before.len(), 0], "nobody tags with it yet");
    let tables = [Table::Card, Table::Transaction, Table::History, Table::Idempotency];
    for table in tables {
        assert!(before.iter().any(|row| row.key().table() == table), "{table:?}");
    }

    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::Destroyed, KeyState::Active]);
    let after = rows(&world).await;
    assert_eq!(tagged_by(&after), [0, before.len()]);
    assert_eq!(
        without_tags(&after),
        without_tags(&before),
        "nothing else of a row is another, its version neither"
    );
    let status = world.vault.status().rotation;
    assert_eq!(status.rows_retagged, before.len() as u64);
    assert_eq!((status.rows_left, status.rows_damaged), (None, 0));
    assert_eq!(view(&world, 1).rows_left, Some(0));
    assert!(opened(&world, &shop, card).await);
    // The trail has a step for many rows, not one for each.
    let trail = world.store.trail(1).await;
    let steps = |action| trail.iter().filter(|record| record.note.action == action).count();
    assert!((2..10).contains(&steps(Action::RowRetag)), "{}", steps(Action::RowRetag));
    assert_eq!([steps(Action::VaultKeyActivate), steps(Action::VaultKeyDestroy)], [1, 1]);

    // The header has the key until it is changed; nobody uses it.
    start(&mut world, &place, 1).await.unwrap();
    assert!(opened(&world, &shop, card).await);
    let named: Vec<_> = world.vault.header_named(&permit(&world.vault, 1).unwrap()).keys().collect();
    let settled = place.header().settle(&root_key(1), &named, &entropy(8)).unwrap();
    change(&world.vault, 1, &settled, &root_key(1)).await.unwrap();
    start(&mut world, &place, 1).await.unwrap();
    assert!(opened(&world, &shop, card).await);
    is_whole(&world, &place).await;
}

/// Everything fits together by the keys that the header has.
async fn is_whole(world: &World, place: &Arc<Place>) {
    let documents = world.store.document_read_all().await.unwrap();
    let keys = place.header().open(&root_key(1), VAULT, panvault_keys::KeyMode::Test).unwrap();
    let verifier = RowVerifier::open(keys, &documents).unwrap();
    for row in rows(world).await {
        verifier.row_whole(&row).unwrap();
    }
}

/// The process dies after each step that is written, or finds no room: the next one goes on from there.
#[tokio::test(start_paused = true)]
async fn a_rotation_goes_on_after_each_step() {
    for steps in 0..5 {
        let (mut world, shop, place) = served().await;
        let card = filled(&world, &shop).await;
        made(&world, &place).await;
        world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, steps)));
        assert!(world.vault.keys_rotate().await.is_err(), "after {steps} steps");
        assert!(opened(&world, &shop, card).await, "after {steps} steps");
        world.store.leave();
        start(&mut world, &place, 1).await.unwrap();
        assert!(opened(&world, &shop, card).await, "after {steps} steps and a start");
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::Destroyed, KeyState::Active]);
        let all = rows(&world).await;
        assert_eq!(tagged_by(&all), [0, all.len()]);
        assert!(opened(&world, &shop, card).await);
        is_whole(&world, &place).await;
    }
}

/// Puts a row in the place of another, as somebody does who can write to the store and has no key.
async fn forged(world: &World, row: CardRow) {
    let key = RowKey::Card(row.id);
    let audit = note(Action::CardUpdate, row.id.0);
    let (expects, effects) = (vec![Expect::Version(key, row.version)], vec![Effect::from(row)]);
    world.store.commit(Commit { claim: None, expects, effects, audit }).await.unwrap();
}

/// What somebody changed is never given a tag that says that it was not, whichever key it names; and no key is destroyed while there is such a row.
#[tokio::test(start_paused = true)]
async fn a_row_that_was_changed_keeps_its_tag_and_the_rotation_stays_open() {
    for key in [1, 2] {
        let (world, shop, place) = served().await;
        let card = filled(&world, &shop).await;
        let written = world.store.card_read(card).await.unwrap().unwrap();
        let mut changed = CardRow::clone(&written);
        changed.tag.key = key;
        changed.tag.bytes[0] ^= u8::from(key == 1);
        made(&world, &place).await;
        forged(&world, changed.clone()).await;
        for _ in 0..2 {
            world.vault.keys_rotate().await.unwrap();
            assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::OpenOnly, KeyState::Active]);
            assert_eq!(world.vault.status().rotation.rows_damaged, 1);
            assert_eq!(view(&world, 1).rows_left, Some(0));
        }
        assert_eq!(*world.store.card_read(card).await.unwrap().unwrap(), changed, "it is as it was found");
        let all = rows(&world).await;
        let of_card = |row: &&Row| row.key() != RowKey::Card(card);
        let others: Vec<_> = all.iter().filter(of_card).cloned().collect();
        assert_eq!(tagged_by(&others), [0, others.len()], "the others are tagged anew");
        // As it was, it is given its tag, and the rotation ends.
        forged(&world, CardRow::clone(&written)).await;
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::Destroyed, KeyState::Active]);
        assert_eq!(world.vault.status().rotation.rows_damaged, 0);
        assert!(opened(&world, &shop, card).await);
    }
}

/// The bug: a node that stood still took a row that another had tagged with a key of after that for one that somebody had changed, and answered 500. Its cause: a tag of a key that
/// was not there matched nothing. Its cure: a later key than all that are there is another node's, and who asked asks again.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_know_a_key_for_tags_says_so() {
    let mut one = World::shared().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut one, &place, 1).await.unwrap();
    one.clock.pass_millis(3_600_000);
    one.vault.documents_follow().await.unwrap();
    one.vault.lease_renew().await.unwrap();
    let two = one.beside(8).await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    two.vault.documents_follow().await.unwrap();
    let stood_still = two.permit::<CardUpdate>(&shop.key);
    made(&one, &place).await;
    one.vault.keys_rotate().await.unwrap();
    assert_eq!(one.store.card_read(card).await.unwrap().unwrap().tag.key, 2);
    let change = CardChange { expiry_year: Some(2032), ..no_change() };
    let error = two.vault.card_update(&stood_still, card, shop.organisation, change, None).await.unwrap_err();
    assert!(error.is_of_later_key() && error.row() == Some(RowKey::Card(card)), "{error:?}");
    // A tag that names an earlier key, and is not of it, was made by nobody.
    let mut changed = CardRow::clone(&*one.store.card_read(card).await.unwrap().unwrap());
    changed.tag.key = 1;
    forged(&one, changed).await;
    let error = two.card_read(&shop, card).await.unwrap_err();
    assert!(matches!(error, VaultError::Tampered(_)), "{error:?}");
}

/// Two nodes over one store, of which both change rows while one tags them anew: none is lost, none keeps the tag of before, and the key before is there until
/// a commit that may still come has come.
#[tokio::test(start_paused = true)]
async fn nodes_change_rows_while_these_are_tagged_anew() {
    let mut one = World::shared().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut one, &place, 1).await.unwrap();
    one.clock.pass_millis(3_600_000);
    one.vault.documents_follow().await.unwrap();
    one.vault.lease_renew().await.unwrap();
    let two = one.beside(8).await;
    let shop = one.shop(None).await;
    let mut cards = Vec::new();
    for _ in 0..100 {
        cards.push(one.card(&shop).await);
    }
    two.vault.documents_follow().await.unwrap();
    made(&one, &place).await;
    two.vault.documents_follow().await.unwrap();
    let handed = |rows: &[Arc<panvault_store::DocumentRow>]| {
        let row = rows.iter().find(|row| row.kind == panvault_store::DocumentKind::HandOver).unwrap();
        HandOver::decode(&row.body).unwrap().hands()
    };
    assert!(handed(&one.store.document_read_all().await.unwrap()));
    let is_over = AtomicBool::new(false);
    let rotates = async {
        // Which of them has the duty is all the same.
        one.vault.keys_rotate().await.unwrap();
        two.vault.keys_rotate().await.unwrap();
        is_over.store(true, Ordering::Relaxed);
    };
    let changes = async {
        let mut changes = 0_u32;
        while !is_over.load(Ordering::Relaxed) {
            for (at, card) in cards.iter().enumerate() {
                let node = if at % 2 == 0 { &one } else { &two };
                let permit = node.permit::<CardUpdate>(&shop.key);
                let change =
                    CardChange { expiry_year: Some(2032 + u16::from(changes / 100 % 2 == 1)), ..no_change() };
                node.vault.card_update(&permit, *card, shop.organisation, change, None).await.unwrap();
                drop(permit);
                changes += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        changes
    };
    let ((), changes) = tokio::join!(rotates, changes);
    let all = rows(&one).await;
    assert_eq!(tagged_by(&all), [0, all.len()]);
    let mut versions = 0;
    for card in &cards {
        let row = one.store.card_read(*card).await.unwrap().unwrap();
        versions += row.version - 1;
        assert!(opened(&two, &shop, *card).await);
    }
    assert_eq!(versions, changes, "no change is lost");
    assert_eq!(
        states(&one.vault, 1, ROW_TAG),
        [KeyState::OpenOnly, KeyState::Active],
        "a commit may be on its way"
    );
    for world in [&one, &two] {
        world.clock.pass_millis((ROTATION_STORED_SECONDS + 60) * 1_000);
    }
    for world in [&one, &two, &one] {
        world.vault.lease_renew().await.unwrap();
        world.vault.documents_follow().await.unwrap();
        world.vault.keys_rotate().await.unwrap();
    }
    two.vault.documents_follow().await.unwrap();
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, ROW_TAG), [KeyState::Destroyed, KeyState::Active]);
        assert!(opened(world, &shop, cards[0]).await);
    }
}
