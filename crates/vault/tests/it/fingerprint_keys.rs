//! The key that makes an organisation's fingerprints is replaced while the vault is used: cards are found by what they had and by what they have, until what they had is
//! forgotten; and then the key before is gone.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use panvault_card::{CustomerDetails, EmailAddress};
use panvault_keys::{KeyState, OrganisationKey, Purpose};
use panvault_model::{CardId, CardKind, CustomerDetail, CustomerId, Fingerprint, Timestamp};
use panvault_store::{
    Action, CardField, CardQuery, CardRow, DocumentKind, FieldValue, Filter, Row, Store, StoreFault, Table,
    Test,
};
use panvault_testkit::operator;
use panvault_vault::limits::{ROTATION_CHUNK_ROWS, ROTATION_STORED_SECONDS};
use panvault_vault::{
    CardChange, CardCreate, Clock, GuardSettings, KeyRotate, KeyView, Metadata, RotationSettings,
    RowVerifier, Vault, VaultError, VaultParts,
};

use crate::assert_refused;
use crate::world::{AMEX, Shop, VISA, World, all, keys, new_card, no_change, opened};

const OTHER: &str = "5555555555554444";
/// The acquirer declines a payment of so much.
const DECLINED: u32 = 121;
const OVERLAP_MILLIS: u64 = RotationSettings::DEFAULT.fingerprint_overlap_seconds * 1_000;

async fn rotate(world: &World, shop: &Shop) -> Result<KeyView, VaultError> {
    let permit = operator(&world.vault, 1).permit::<KeyRotate>().unwrap();
    let made = world.vault.key_rotate(&permit, shop.organisation, Purpose::Fingerprint, None).await;
    made.map(|done| done.value)
}

/// The fingerprint keys of an organisation.
fn fingerprint_keys(world: &World, shop: &Shop) -> Vec<KeyView> {
    let permit = operator(&world.vault, 1).permit().unwrap();
    let mut keys = world.vault.key_list(&permit, shop.organisation).unwrap();
    keys.retain(|key| key.purpose == Purpose::Fingerprint);
    keys
}

fn states(world: &World, shop: &Shop) -> Vec<KeyState> {
    fingerprint_keys(world, shop).iter().map(|key| key.state).collect()
}

async fn card(world: &World, shop: &Shop, number: &str) -> Arc<CardRow> {
    let permit = world.permit(&shop.key);
    let created =
        world.vault.card_create(&permit, shop.organisation, new_card(number, None), Metadata::new(), None);
    created.await.unwrap().value.row
}

/// So many cards of three numbers, one after the other.
async fn cards(world: &World, shop: &Shop, count: usize) -> Vec<Arc<CardRow>> {
    let mut rows = Vec::new();
    for number in [VISA, AMEX, OTHER].into_iter().cycle().take(count) {
        rows.push(card(world, shop, number).await);
    }
    rows
}

async fn stored(world: &World, row: &CardRow) -> Arc<CardRow> {
    world.store.card_read(row.id).await.unwrap().unwrap()
}

/// The cards that are found by a fingerprint.
async fn found_by(world: &World, shop: &Shop, test: Test, fingerprint: Fingerprint) -> BTreeSet<CardId> {
    let values = vec![FieldValue::Text(fingerprint.to_string().into())];
    let filters = vec![Filter { field: CardField::Fingerprint, test, values }];
    let page = world.vault.card_list(&world.permit(&shop.key), CardQuery { filters, ..all() }).await.unwrap();
    page.rows.iter().map(|view| view.row.id).collect()
}

/// Each of these is found, with all that have its number, by whatever fingerprint one of them has or had.
async fn are_found(world: &World, shop: &Shop, rows: &[Arc<CardRow>]) {
    for number in rows.iter().map(|row| row.fingerprint).collect::<BTreeSet<_>>() {
        let (same, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.fingerprint == number);
        let ids = |rows: &[&Arc<CardRow>]| rows.iter().map(|row| row.id).collect::<BTreeSet<_>>();
        let mut values = BTreeSet::from([number]);
        for row in &same {
            values.insert(stored(world, row).await.fingerprint);
        }
        for value in values {
            assert_eq!(found_by(world, shop, Test::Equal, value).await, ids(&same));
            assert_eq!(found_by(world, shop, Test::NotEqual, value).await, ids(&others));
        }
    }
}

/// Everything fits together: what `panvault doctor` looks at.
async fn is_whole(world: &World) {
    let documents = world.store.document_read_all().await.unwrap();
    let verifier = RowVerifier::open(keys(), &documents).unwrap();
    for row in world.store.card_page(CardId::from_bytes([0; 12]), 10_000).await.unwrap() {
        verifier.card(&row).unwrap();
        opened(&world.store, &row).await;
    }
    for row in world.store.row_page(Table::Customer, None, 10_000).await.unwrap() {
        verifier.row_whole(&row).unwrap();
    }
}

/// The keys that made what cards and customers of an organisation are found by, and what cards were found by before.
async fn made_by(world: &World, shop: &Shop) -> BTreeSet<u32> {
    let mut versions = BTreeSet::new();
    for row in world.store.card_page(CardId::from_bytes([0; 12]), 10_000).await.unwrap() {
        if row.organisation == shop.organisation {
            versions.insert(row.fingerprint_key);
            versions.extend(row.fingerprint_before.map(|(_, key)| key));
        }
    }
    for row in world.store.row_page(Table::Customer, None, 10_000).await.unwrap() {
        if let Row::Customer(row) = row
            && row.organisation == shop.organisation
        {
            versions.insert(row.email_key);
        }
    }
    versions
}

async fn customer(world: &World, shop: &Shop) -> CustomerId {
    let mut details = CustomerDetails::new();
    details.put(CustomerDetail::EmailAddress, "ann.lee@shop.example");
    let permit = world.permit(&shop.key);
    let planned = world.vault.customer_plan(&permit, shop.organisation, details);
    let stored = world.vault.customer_create(&permit, planned, None).await.unwrap().value;
    world.vault.customer_view(&permit, stored).unwrap().row.id
}

async fn customers_by_email(world: &World, shop: &Shop) -> Vec<CustomerId> {
    let email = EmailAddress::parse("ann.lee@shop.example").unwrap();
    let page = world.vault.customer_list(world.permit(&shop.key), all(), vec![email]).await.unwrap();
    page.rows.iter().map(|view| view.row.id).collect()
}

#[tokio::test(start_paused = true)]
async fn every_card_has_another_fingerprint_and_is_found_by_both_for_a_day() {
    let world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    let rows = cards(&world, &shop, 9).await;
    let theirs = cards(&world, &other, 2).await;
    let mut token = new_card(VISA, None);
    token.kind = CardKind::NetworkToken;
    let permit = world.permit(&shop.key);
    let created = world.vault.card_create(&permit, shop.organisation, token, Metadata::new(), None);
    let token = created.await.unwrap().value.row;
    drop(permit);
    let ann = customer(&world, &shop).await;
    world.clock.pass_millis(5_000);

    let made = rotate(&world, &shop).await.unwrap();
    assert_eq!((made.version, made.state), (2, KeyState::PreActive));
    assert_eq!(card(&world, &shop, VISA).await.fingerprint, rows[0].fingerprint, "nobody makes with it yet");
    assert_refused!(rotate(&world, &shop).await, VaultError::WrongState { .. });
    let first = world.vault.status().store.sequence + 1;
    world.vault.keys_rotate().await.unwrap();
    let late = card(&world, &shop, VISA).await;
    let before_and_now = fingerprint_keys(&world, &shop);
    assert_eq!(states(&world, &shop), [KeyState::OpenOnly, KeyState::Active], "it is known for a day");
    assert_eq!(before_and_now[0].rows_left, Some(0));
    let ends_at = before_and_now[0].destroyed_at.unwrap();
    let mut seen = BTreeSet::new();
    for row in rows.iter().chain([&token]) {
        let now = stored(&world, row).await;
        assert_eq!(now.fingerprint_before, Some((row.fingerprint, 1)));
        assert_ne!(now.fingerprint, row.fingerprint);
        let same = CardRow {
            version: 1,
            sealed_version: 1,
            sealed: row.sealed.clone(),
            tag: row.tag,
            fingerprint: row.fingerprint,
            fingerprint_key: 1,
            fingerprint_before: None,
            ..CardRow::clone(&now)
        };
        assert_eq!(same, **row, "also when it last changed");
        seen.insert(now.fingerprint);
    }
    assert_eq!(seen.len(), 4, "equal for equal numbers of one kind, as before");
    assert_eq!(
        (late.fingerprint, late.fingerprint_before),
        (stored(&world, &rows[0]).await.fingerprint, None)
    );
    assert_eq!(stored(&world, &theirs[0]).await, theirs[0], "those of others are left alone");
    let visa = found_by(&world, &shop, Test::Equal, rows[0].fingerprint).await;
    assert_eq!(visa.len(), 5, "with the two that were made meanwhile");
    assert_eq!(found_by(&world, &shop, Test::Equal, late.fingerprint).await, visa);
    assert_eq!(found_by(&world, &shop, Test::Equal, token.fingerprint).await, [token.id].into());
    assert_eq!(customers_by_email(&world, &shop).await, [ann]);
    is_whole(&world).await;

    // Nothing is read or written while it is known.
    world.clock.pass_millis(OVERLAP_MILLIS - 60_000);
    let sequence = world.vault.status().store.sequence;
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(world.vault.status().store.sequence, sequence);
    assert_eq!(found_by(&world, &shop, Test::Equal, rows[0].fingerprint).await, visa);
    world.clock.pass_millis(120_000);
    assert!(world.clock.now().wall > ends_at);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(made_by(&world, &shop).await, [2].into());
    assert_eq!(found_by(&world, &shop, Test::Equal, late.fingerprint).await, visa);
    assert!(found_by(&world, &shop, Test::Equal, rows[0].fingerprint).await.is_empty());
    assert_eq!(customers_by_email(&world, &shop).await, [ann]);
    for row in &rows {
        assert_eq!(stored(&world, row).await.updated_at, row.updated_at);
    }
    is_whole(&world).await;
    let trail = world.store.trail(first).await;
    let of = |action| trail.iter().filter(|record| record.note.action == action).count();
    let counted =
        [Action::KeyActivate, Action::KeyDestroy, Action::CardReseal, Action::CustomerReseal].map(of);
    assert_eq!(counted, [1, 1, 22, 1], "each of eleven cards twice");

    // And again, beside a data key.
    rotate(&world, &shop).await.unwrap();
    let permit = operator(&world.vault, 1).permit::<KeyRotate>().unwrap();
    world.vault.key_rotate(&permit, shop.organisation, Purpose::Data, None).await.unwrap();
    drop(permit);
    world.vault.keys_rotate().await.unwrap();
    world.clock.pass_millis(OVERLAP_MILLIS + 1);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(made_by(&world, &shop).await, [3].into());
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Destroyed, KeyState::Active]);
    is_whole(&world).await;
}

/// A process that dies leaves what the next one goes on with, wherever it was; what is asked meanwhile finds all cards of a number, and what is changed is not lost.
#[tokio::test(start_paused = true)]
async fn a_rotation_goes_on_where_another_process_left_it_and_all_is_found_meanwhile() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let rows = cards(&world, &shop, 3 * ROTATION_CHUNK_ROWS).await;
    rotate(&world, &shop).await.unwrap();
    let slow = RotationSettings { rows_per_second: 16, ..RotationSettings::DEFAULT };
    let (mut seen, mut changed) = (Vec::new(), 0);
    for round in 0..14 {
        world.vault = Vault::open(VaultParts { rotation: slow, ..world.parts() }).await.unwrap();
        let vault = world.vault.clone();
        let rotating = tokio::spawn(async move { vault.keys_rotate().await });
        tokio::time::sleep(Duration::from_millis(700)).await;
        for row in rows.iter().skip(round).step_by(14) {
            let metadata = Some(vec![("round".to_owned(), round.to_string())]);
            let change = CardChange { metadata, ..no_change() };
            let permit = world.permit(&shop.key);
            world.vault.card_update(&permit, row.id, shop.organisation, change, None).await.unwrap();
            changed += 1;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        rotating.abort();
        is_whole(&world).await;
        if states(&world, &shop)[0] == KeyState::Destroyed {
            break;
        }
        are_found(&world, &shop, &rows).await;
        let (mut old, mut both) = (0, 0);
        for row in &rows {
            let row = stored(&world, row).await;
            old += usize::from(row.fingerprint_key == 1);
            both += usize::from(row.fingerprint_before.is_some());
        }
        seen.push((old, both));
        if fingerprint_keys(&world, &shop)[0].destroyed_at.is_some() && old == 0 && both == rows.len() {
            world.clock.pass_millis(OVERLAP_MILLIS + 1);
        }
        assert!(round < 13, "{seen:?}");
    }
    let count = rows.len();
    assert!(
        seen.iter().any(|(old, _)| (1..count).contains(old)),
        "it was cut off while they moved: {seen:?}"
    );
    assert!(seen.iter().any(|(old, both)| *old == 0 && (1..count).contains(both)), "and forgot: {seen:?}");
    assert_eq!(made_by(&world, &shop).await, [2].into());
    let mut kept = 0;
    for row in &rows {
        kept += usize::from(!stored(&world, row).await.metadata.is_empty());
    }
    assert_eq!(kept, changed);
    is_whole(&world).await;
}

/// A disk that is full delays it; a row that somebody changed keeps the key before, and its fingerprints are known as long.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_or_is_not_what_was_written_keeps_the_key_before() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let rows = cards(&world, &shop, 6).await;
    rotate(&world, &shop).await.unwrap();
    world.store.plot(|plot| plot.card_fault = Some(StoreFault::Full));
    assert_refused!(world.vault.keys_rotate().await, VaultError::Store(StoreFault::Full));
    assert_eq!(fingerprint_keys(&world, &shop)[0].rows_left, Some(6));
    world.store.leave();
    are_found(&world, &shop, &rows).await;
    let id = rows[1].id;
    world.store.plot(|plot| {
        plot.card = Some(Box::new(move |row| {
            if row.id == id {
                row.fingerprint_key = 2;
            }
        }));
    });
    world.vault.keys_rotate().await.unwrap();
    world.clock.pass_millis(OVERLAP_MILLIS + 1);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world, &shop), [KeyState::OpenOnly, KeyState::Active]);
    let kept = &fingerprint_keys(&world, &shop)[0];
    assert_eq!((kept.rows_left, kept.rows_damaged, kept.destroyed_at), (Some(0), Some(1), None));
    assert_eq!(world.vault.status().rotation.rows_damaged, 1);
    world.store.leave();
    are_found(&world, &shop, &rows).await;
    world.vault.keys_rotate().await.unwrap();
    world.clock.pass_millis(OVERLAP_MILLIS + 1);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(made_by(&world, &shop).await, [2].into());
    assert_eq!(world.vault.status().rotation.rows_damaged, 0);
}

/// The bug: whoever waited for the end of a rotation waited for ever where a row bore its tag and did not open, and nothing told that row from those that were still to move. Its cause: it
/// was counted with these. Its cure: what could not be sealed anew is counted by itself.
#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_open_is_told_from_those_that_are_to_move() {
    let mut world = World::new().await;
    let (shop, gone) = (world.shop(None).await, world.shop(None).await);
    cards(&world, &shop, 3).await;
    customer(&world, &gone).await;
    world.store.plot(|plot| {
        plot.documents = Some(Box::new(move |rows| {
            for row in rows.iter_mut().filter(|row| row.kind == DocumentKind::OrganisationKey) {
                let key = OrganisationKey::decode(&row.body).unwrap();
                if (key.organisation, key.purpose) == (gone.organisation, Purpose::Data) {
                    *row = crate::heads::written(row, key.destroyed(Timestamp::from_unix_millis(1)).encode());
                }
            }
            crate::heads::head_anew(rows);
        }));
    });
    world.reopen().await.unwrap();
    for of in [&shop, &gone] {
        rotate(&world, of).await.unwrap();
    }
    world.vault.keys_rotate().await.unwrap();
    let kept = |of| {
        let key = &fingerprint_keys(&world, of)[0];
        (key.rows_left, key.rows_damaged, key.destroyed_at.is_some())
    };
    assert_eq!(kept(&gone), (Some(0), Some(1), false));
    assert_eq!(kept(&shop), (Some(0), Some(0), true), "of another organisation it keeps no key");
    assert_eq!(world.vault.status().rotation.rows_damaged, 1);
}

/// A card that a node makes which does not know the next key yet is found with the others, and moves on with them.
#[tokio::test(start_paused = true)]
async fn a_card_of_a_node_that_goes_by_the_key_before_is_found_and_moves_on() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let mut rows = cards(&one, &shop, 6).await;
    let stood_still = two.permit::<CardCreate>(&shop.key);
    rotate(&one, &shop).await.unwrap();
    one.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&one, &shop), [KeyState::OpenOnly, KeyState::Active]);
    assert!(fingerprint_keys(&one, &shop)[0].destroyed_at.is_none(), "a commit may be on its way");
    let created =
        two.vault.card_create(&stood_still, shop.organisation, new_card(VISA, None), Metadata::new(), None);
    rows.push(created.await.unwrap().value.row);
    assert_eq!(rows[6].fingerprint, rows[0].fingerprint);
    drop(stood_still);
    // It knows the next key, and not yet that another makes with it.
    are_found(&two, &shop, &rows).await;
    for world in [&one, &two] {
        world.vault.documents_follow().await.unwrap();
        are_found(world, &shop, &rows).await;
    }
    let pass = async |millis| {
        one.clock.pass_millis(millis);
        two.clock.pass_millis(millis);
        for world in [&one, &two] {
            world.vault.lease_renew().await.unwrap();
            world.vault.documents_follow().await.unwrap();
        }
        for world in [&one, &two] {
            world.vault.keys_rotate().await.unwrap();
            world.vault.documents_follow().await.unwrap();
        }
        one.vault.documents_follow().await.unwrap();
    };
    pass((ROTATION_STORED_SECONDS + 60) * 1_000).await;
    assert!(fingerprint_keys(&two, &shop)[0].destroyed_at.is_some());
    for world in [&one, &two] {
        are_found(world, &shop, &rows).await;
    }
    pass(OVERLAP_MILLIS + 60_000).await;
    for world in [&one, &two] {
        assert_eq!(states(world, &shop), [KeyState::Destroyed, KeyState::Active]);
        is_whole(world).await;
    }
    assert_eq!(made_by(&one, &shop).await, [2].into());
}

/// An overlap that is made shorter while it runs ends by the shorter one, and one that is made longer does not end later than it was said to.
#[tokio::test(start_paused = true)]
async fn an_overlap_that_is_made_shorter_while_it_runs_ends_earlier() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let rows = cards(&world, &shop, 3).await;
    rotate(&world, &shop).await.unwrap();
    world.vault.keys_rotate().await.unwrap();
    let ends_at = |world: &World| fingerprint_keys(world, &shop)[0].destroyed_at.unwrap();
    let said = ends_at(&world);
    for (seconds, is_earlier) in [(7 * 86_400, false), (600, true), (3_600, true)] {
        let rotation = RotationSettings { fingerprint_overlap_seconds: seconds, ..RotationSettings::DEFAULT };
        world.vault = Vault::open(VaultParts { rotation, ..world.parts() }).await.unwrap();
        world.clock.pass_millis(1_000);
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(ends_at(&world) < said, is_earlier, "{seconds}");
        assert!(ends_at(&world) <= world.clock.now().wall.plus_seconds(seconds), "{seconds}");
    }
    world.clock.pass_millis(500_000);
    world.vault.keys_rotate().await.unwrap();
    are_found(&world, &shop, &rows).await;
    assert_eq!(made_by(&world, &shop).await, [1, 2].into(), "not before");
    world.clock.pass_millis(100_000);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(made_by(&world, &shop).await, [2].into());
    assert!(found_by(&world, &shop, Test::Equal, rows[0].fingerprint).await.is_empty());
}

/// What was before is forgotten in time, also while rows of another organisation are gone through.
#[tokio::test(start_paused = true)]
async fn what_was_before_is_forgotten_while_another_sweep_runs() {
    let mut world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    cards(&world, &shop, 3).await;
    let rotation = RotationSettings {
        rows_per_second: u32::try_from(ROTATION_CHUNK_ROWS).unwrap(),
        fingerprint_overlap_seconds: 600,
        ..RotationSettings::DEFAULT
    };
    world.vault = Vault::open(VaultParts { rotation, ..world.parts() }).await.unwrap();
    rotate(&world, &shop).await.unwrap();
    world.vault.keys_rotate().await.unwrap();
    // Behind the others.
    world.clock.pass_millis(5_000);
    cards(&world, &other, 20 * ROTATION_CHUNK_ROWS).await;
    rotate(&world, &other).await.unwrap();
    let vault = world.vault.clone();
    let sweep = tokio::spawn(async move { vault.keys_rotate().await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.clock.pass_millis(596_000);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(made_by(&world, &shop).await, [2].into());
    assert_eq!(made_by(&world, &other).await, [1, 2].into(), "the other goes on yet");
    sweep.await.unwrap().unwrap();
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
}

/// The bug: what a key made was known for hours longer than it should be, while rows were moved for another. Its cause: the sweep in which its end was written down was not ended by that. Its cure: a sweep
/// is not for a key that waits for its end.
#[tokio::test(start_paused = true)]
async fn what_was_before_is_forgotten_during_the_sweep_that_found_it_moved() {
    let mut world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    cards(&world, &other, 20 * ROTATION_CHUNK_ROWS).await;
    let rotation = RotationSettings {
        rows_per_second: u32::try_from(ROTATION_CHUNK_ROWS).unwrap(),
        fingerprint_overlap_seconds: 600,
        ..RotationSettings::DEFAULT
    };
    world.vault = Vault::open(VaultParts { rotation, ..world.parts() }).await.unwrap();
    rotate(&world, &shop).await.unwrap();
    rotate(&world, &other).await.unwrap();
    let vault = world.vault.clone();
    let sweep = tokio::spawn(async move { vault.keys_rotate().await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(states(&world, &shop), [KeyState::OpenOnly, KeyState::Active]);
    assert!(
        fingerprint_keys(&world, &shop)[0].destroyed_at.is_some(),
        "it has no card, and its end is written down"
    );
    world.clock.pass_millis(601_000);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(made_by(&world, &other).await, [1, 2].into(), "the other goes on yet");
    sweep.await.unwrap().unwrap();
}

/// Payments with a number that fail are counted under every fingerprint that it has: another token of it is no way around.
#[tokio::test(start_paused = true)]
async fn failed_payments_with_a_number_count_under_each_of_its_fingerprints() {
    let mut world = World::new().await;
    let guards =
        GuardSettings { card_guesses_per_day: 0, card_declines_per_hour: 2, declines_percent_max: 0 };
    let rotation = RotationSettings { fingerprint_overlap_seconds: 60, ..RotationSettings::DEFAULT };
    world.vault = Vault::open(VaultParts { guards, rotation, ..world.parts() }).await.unwrap();
    let shop = world.shop(None).await;
    let (old, older) = (card(&world, &shop, VISA).await, card(&world, &shop, AMEX).await);
    let is_refused = async |card| {
        assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::Blocked { .. });
    };
    for _ in 0..2 {
        world.transact(&shop, older.id, DECLINED).await.unwrap();
    }
    is_refused(older.id).await;
    rotate(&world, &shop).await.unwrap();
    // No card moves on: both keys are there, and the cards have what they had.
    world.store.plot(|plot| plot.card_fault = Some(StoreFault::Full));
    assert!(world.vault.keys_rotate().await.is_err());
    world.store.leave();
    assert_eq!(states(&world, &shop), [KeyState::OpenOnly, KeyState::Active]);
    let (new, newer) = (card(&world, &shop, VISA).await, card(&world, &shop, AMEX).await);
    assert_ne!(new.fingerprint, old.fingerprint);
    assert_eq!(stored(&world, &old).await.fingerprint_key, 1);
    // What failed before there were two counts for a card that has the next one only.
    is_refused(newer.id).await;
    // One with each: neither fingerprint of its own card would have been counted twice.
    world.transact(&shop, old.id, DECLINED).await.unwrap();
    world.transact(&shop, new.id, DECLINED).await.unwrap();
    for card in [old.id, new.id] {
        is_refused(card).await;
    }
    let other = card(&world, &shop, OTHER).await;
    assert!(world.transact(&shop, other.id, 1_000).await.is_ok());
    // What failed with a card that had the one of before only counts when that is forgotten.
    world.vault.keys_rotate().await.unwrap();
    world.clock.pass_millis(61_000);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world, &shop), [KeyState::Destroyed, KeyState::Active]);
    for card in [old.id, new.id] {
        is_refused(card).await;
    }
}
