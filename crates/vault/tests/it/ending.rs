//! Keys of the vault whose work nobody can do anew are replaced while the vault is used: what they made is known as long as it counts, and then they are gone.

use std::sync::Arc;

use panvault_keys::{KeyState, VaultPurpose};
use panvault_model::OrganisationId;
use panvault_store::limits::CVV_KEY_COMPONENT_KEPT_SECONDS;
use panvault_store::{Action, ApiKeyRow, AuditNote, DocumentKind, Row, Store, StoreFault, Table};
use panvault_testkit::{operator, root_key, vault_header};
use panvault_vault::limits::{IDEMPOTENCY_SECONDS, ROTATION_STORED_SECONDS};
use panvault_vault::{
    CardCreate, CardView, Done, Idempotency, Metadata, Origin, Permit, VaultError, VaultKeyView,
};

use crate::assert_refused;
use crate::vault_rotation::{AT, Place, change, entropy, permit, served, start, states};
use crate::world::{Shop, VAULT, VISA, World, new_card};

const BEFORE: [KeyState; 2] = [KeyState::Active, KeyState::PreActive];
const UNDER_WAY: [KeyState; 2] = [KeyState::OpenOnly, KeyState::Active];
const ENDED: [KeyState; 2] = [KeyState::Destroyed, KeyState::Active];

/// Who has the root key makes another key.
async fn made(world: &World, place: &Arc<Place>, purpose: VaultPurpose) {
    let header = place.header();
    let next = header.key_make(&root_key(1), purpose, AT, &entropy(header.version().into())).unwrap();
    change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
}

fn view(world: &World, purpose: VaultPurpose) -> VaultKeyView {
    let permit = operator(&world.vault, 1).permit().unwrap();
    let keys = world.vault.key_inventory(&permit).unwrap();
    let is_it = |key: &&VaultKeyView| (key.described.purpose, key.described.version) == (purpose, 1);
    keys.iter().find(is_it).unwrap().clone()
}

/// A node over a store that others share, with the keys of a header that is kept.
async fn first_of_several() -> (World, Shop, Arc<Place>) {
    let mut one = World::shared().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut one, &place, 1).await.unwrap();
    // The process before it has ended, and its lease with it.
    one.clock.pass_millis(3_600_000);
    one.vault.documents_follow().await.unwrap();
    one.vault.lease_renew().await.unwrap();
    let shop = one.shop(None).await;
    (one, shop, place)
}

/// Time passes at some nodes, which live on and know what each has changed.
async fn pass_seconds(worlds: &[&World], seconds: u64) {
    worlds.iter().for_each(|world| world.clock.pass_millis(seconds * 1_000));
    for world in worlds.iter().chain(worlds) {
        world.vault.lease_renew().await.unwrap();
        world.vault.documents_follow().await.unwrap();
    }
}

/// Which of them has the duty is all the same.
async fn rotate(worlds: &[&World]) {
    for world in worlds {
        world.vault.documents_follow().await.unwrap();
    }
    for world in worlds {
        world.vault.keys_rotate().await.unwrap();
    }
    for world in worlds {
        world.vault.documents_follow().await.unwrap();
    }
}

async fn create_by(
    world: &World,
    shop: &Shop,
    permit: &Permit<CardCreate>,
    claim: Idempotency,
) -> Result<Done<CardView>, VaultError> {
    let card = new_card(VISA, None);
    world.vault.card_create(permit, shop.organisation, card, Metadata::new(), Some(claim)).await
}

async fn create(world: &World, shop: &Shop, key: &str, body: &str) -> Result<Done<CardView>, VaultError> {
    let permit: Permit<CardCreate> = world.permit(&shop.key);
    let claim = world.idempotency(&permit, key, body);
    create_by(world, shop, &permit, claim).await
}

/// Versions of the key that made the digests of each record.
async fn digested_by(world: &World) -> Vec<u16> {
    let rows = world.store.row_page(Table::Idempotency, None, 100).await.unwrap();
    let mut by: Vec<_> = rows
        .iter()
        .map(|row| match row {
            Row::Idempotency(row) => row.digest_key,
            other => panic!("{:?}", other.key()),
        })
        .collect();
    by.sort_unstable();
    by
}

const IDEMPOTENCY: VaultPurpose = VaultPurpose::Idempotency;

#[tokio::test(start_paused = true)]
async fn requests_are_known_by_the_key_of_before_for_as_long_as_they_count() {
    let (mut world, shop, place) = served().await;
    let first = create(&world, &shop, "key", "body").await.unwrap().value.row.id;
    made(&world, &place, IDEMPOTENCY).await;
    assert_eq!(states(&world.vault, 1, IDEMPOTENCY), BEFORE);
    assert!(create(&world, &shop, "key", "body").await.unwrap().replayed);
    let meanwhile = create(&world, &shop, "meanwhile", "body").await.unwrap().value.row.id;
    assert_eq!(digested_by(&world).await, [1, 1], "nobody claims with it yet");

    for _ in 0..2 {
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(states(&world.vault, 1, IDEMPOTENCY), UNDER_WAY);
        assert_eq!(view(&world, IDEMPOTENCY).rows_left, Some(2));
        for (key, card) in [("key", first), ("meanwhile", meanwhile)] {
            let again = create(&world, &shop, key, "body").await.unwrap();
            assert!(again.replayed && again.value.row.id == card, "{key}");
            assert_refused!(create(&world, &shop, key, "other").await, VaultError::IdempotencyMismatch);
        }
        // And so it is after a start.
        start(&mut world, &place, 1).await.unwrap();
    }
    world.clock.pass_millis(1_000);
    let later = create(&world, &shop, "later", "body").await.unwrap().value.row.id;
    assert_eq!(digested_by(&world).await, [1, 1, 2]);

    world.clock.pass_millis(IDEMPOTENCY_SECONDS * 1_000 - 1_001);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, IDEMPOTENCY), UNDER_WAY, "they count to the last millisecond");
    assert!(create(&world, &shop, "key", "body").await.unwrap().replayed);
    world.clock.pass_millis(1);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, IDEMPOTENCY), ENDED);
    assert_eq!(view(&world, IDEMPOTENCY).rows_left, Some(0));
    let again = create(&world, &shop, "later", "body").await.unwrap();
    assert!(again.replayed && again.value.row.id == later);
    assert!(!create(&world, &shop, "key", "body").await.unwrap().replayed);
}

/// The process dies after each step that is written, or finds no room: the next one goes on from there, and no request is done twice.
#[tokio::test(start_paused = true)]
async fn a_rotation_of_the_key_for_requests_goes_on_after_each_step() {
    for steps in 0..2 {
        let (mut world, shop, place) = served().await;
        create(&world, &shop, "key", "body").await.unwrap();
        made(&world, &place, IDEMPOTENCY).await;
        if steps == 1 {
            world.vault.keys_rotate().await.unwrap();
            world.clock.pass_millis(IDEMPOTENCY_SECONDS * 1_000);
        }
        world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, 0)));
        assert!(world.vault.keys_rotate().await.is_err(), "after {steps} steps");
        assert_eq!(create(&world, &shop, "key", "body").await.unwrap().replayed, steps == 0);
        world.store.leave();
        start(&mut world, &place, 1).await.unwrap();
        assert!(create(&world, &shop, "key", "body").await.unwrap().replayed, "after {steps} steps");
        world.vault.keys_rotate().await.unwrap();
        assert!(create(&world, &shop, "key", "body").await.unwrap().replayed, "after {steps} steps");
        let after = if steps == 0 { UNDER_WAY } else { ENDED };
        assert_eq!(states(&world.vault, 1, IDEMPOTENCY), after);
    }
}

/// Of two nodes one goes by the next key already and the other does not: of two requests that are the same one is done, whichever comes first, and also when both
/// look for a record before either has one.
#[tokio::test(start_paused = true)]
async fn of_twins_at_two_nodes_one_is_done_while_the_key_changes() {
    let (one, shop, place) = first_of_several().await;
    let two = one.beside_later(8, 3_600_000).await;
    two.vault.documents_follow().await.unwrap();
    made(&one, &place, IDEMPOTENCY).await;
    rotate(&[&one, &two]).await;
    assert_eq!(states(&two.vault, 1, IDEMPOTENCY), BEFORE, "a claim of before may still come");
    pass_seconds(&[&one, &two], ROTATION_STORED_SECONDS + 1).await;
    // What a node has begun before it saw the change.
    let behind: Permit<CardCreate> = two.permit(&shop.key);
    let claims = ["first", "second", "at once"].map(|key| two.idempotency(&behind, key, "body"));
    rotate(&[&one, &two]).await;
    assert_eq!(states(&one.vault, 1, IDEMPOTENCY), UNDER_WAY);

    assert!(!create(&one, &shop, "first", "body").await.unwrap().replayed);
    assert!(create_by(&two, &shop, &behind, claims[0]).await.unwrap().replayed);
    assert!(!create_by(&two, &shop, &behind, claims[1]).await.unwrap().replayed);
    assert!(create(&one, &shop, "second", "body").await.unwrap().replayed);
    assert_refused!(create(&one, &shop, "second", "other").await, VaultError::IdempotencyMismatch);
    for world in [&one, &two] {
        world.store.plot(|plot| plot.yields = true);
    }
    let (ours, theirs) =
        tokio::join!(create(&one, &shop, "at once", "body"), create_by(&two, &shop, &behind, claims[2]));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_ne!(ours.replayed, theirs.replayed);
    assert_eq!(ours.value.row.id, theirs.value.row.id);
    assert_eq!(one.cards(&shop).await.unwrap().total, 3);
    drop(behind);

    pass_seconds(&[&one, &two], IDEMPOTENCY_SECONDS + 1).await;
    rotate(&[&one, &two]).await;
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, IDEMPOTENCY), ENDED);
    }
}

/// Of a key of which a rotation is under way no other is made, whoever asks for it.
#[tokio::test(start_paused = true)]
async fn a_second_rotation_of_a_key_is_refused_while_one_is_under_way() {
    let (world, shop, place) = served().await;
    made(&world, &place, IDEMPOTENCY).await;
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, IDEMPOTENCY), ENDED, "nothing was claimed with the first");
    create(&world, &shop, "key", "body").await.unwrap();
    made(&world, &place, IDEMPOTENCY).await;
    world.vault.keys_rotate().await.unwrap();
    let header = place.header();
    let next = header.key_make(&root_key(1), IDEMPOTENCY, AT, &entropy(4)).unwrap();
    let refused = change(&world.vault, 1, &next, &root_key(1)).await;
    assert!(matches!(refused, Err(VaultError::WrongState { reason }) if reason.contains("under way")));
    assert_eq!(place.header().version(), header.version());
    // Of another purpose there may be one.
    made(&world, &place, CVV_CACHE).await;
}

const API_KEY_HASH: VaultPurpose = VaultPurpose::ApiKeyHash;

/// The rows of API keys, and their versions.
async fn api_keys(world: &World) -> Vec<(ApiKeyRow, u32)> {
    let rows = world.store.document_read_all().await.unwrap();
    let keys = rows.iter().filter(|row| row.kind == DocumentKind::ApiKey);
    keys.map(|row| (ApiKeyRow::decode(&row.body).unwrap(), row.version)).collect()
}

async fn hashed_by(world: &World, organisation: OrganisationId) -> Vec<(u16, u32)> {
    let keys = api_keys(world).await.into_iter();
    let mut by: Vec<_> = keys
        .filter(|(row, _)| row.organisation == organisation)
        .map(|(row, version)| (row.hash_key, version))
        .collect();
    by.sort_unstable();
    by
}

#[tokio::test(start_paused = true)]
async fn an_api_key_is_hashed_anew_when_it_is_next_used() {
    let (mut world, shop, place) = served().await;
    let unused = world.shop_of(shop.organisation, shop.account).await;
    let of = shop.organisation;
    made(&world, &place, API_KEY_HASH).await;
    world.caller(&shop.key);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, API_KEY_HASH), UNDER_WAY);
    assert_eq!(hashed_by(&world, of).await, [(1, 1), (1, 1)], "it was used before");
    assert_eq!(view(&world, API_KEY_HASH).rows_left, Some(2));

    let before = api_keys(&world).await;
    for _ in 0..3 {
        world.caller(&shop.key);
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(hashed_by(&world, of).await, [(1, 1), (2, 2)], "once");
    }
    let writers = world.store.audit_writers().await.unwrap();
    let trail = world.store.audit_read(writers[0], 1, usize::MAX).await.unwrap();
    let told =
        |note: &AuditNote| (note.action, note.outcome) == (Action::DocumentUpdate, AuditNote::REHASHED);
    assert_eq!(
        trail.iter().filter(|record| told(&record.note)).count(),
        1,
        "whoever restores leaves it its key"
    );
    let after = api_keys(&world).await;
    let without_hash = |rows: &[(ApiKeyRow, u32)]| {
        let rows = rows.iter().map(|(row, _)| ApiKeyRow { hash_key: 0, hash: [0; 32], ..row.clone() });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(without_hash(&before), without_hash(&after), "nothing else of it is another");
    assert_eq!(states(&world.vault, 1, API_KEY_HASH), UNDER_WAY);
    let left = view(&world, API_KEY_HASH);
    let unused_id = after.iter().find(|(row, _)| row.hash_key == 1).unwrap().0.id;
    assert_eq!((left.rows_left, left.needed_by), (Some(1), vec![unused_id]));
    // A wrong key is no key, and has nothing stored.
    assert!(world.vault.caller("pv_test_wrong", Origin::LOCAL).is_err());

    // After a start both are known, and a key that is made now is by the next.
    start(&mut world, &place, 1).await.unwrap();
    world.caller(&shop.key);
    let new = world.shop_of(of, shop.account).await;
    assert_eq!(hashed_by(&world, of).await, [(1, 1), (2, 1), (2, 2)]);
    world.caller(&unused.key);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, API_KEY_HASH), ENDED);
    start(&mut world, &place, 1).await.unwrap();
    for key in [&shop.key, &unused.key, &new.key] {
        world.caller(key);
    }
    let named: Vec<_> = world.vault.header_named(&permit(&world.vault, 1).unwrap()).keys().collect();
    let settled = place.header().settle(&root_key(1), &named, &entropy(8)).unwrap();
    change(&world.vault, 1, &settled, &root_key(1)).await.unwrap();
    start(&mut world, &place, 1).await.unwrap();
    world.caller(&unused.key);
}

/// A key that nobody uses keeps the key before, until it is revoked.
#[tokio::test(start_paused = true)]
async fn the_key_for_hashes_goes_when_who_needs_it_is_revoked() {
    let (mut world, shop, place) = served().await;
    made(&world, &place, API_KEY_HASH).await;
    world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, 0)));
    assert!(world.vault.keys_rotate().await.is_err());
    world.store.leave();
    start(&mut world, &place, 1).await.unwrap();
    world.vault.keys_rotate().await.unwrap();
    world.clock.pass_millis(365 * 24 * 3_600_000);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, API_KEY_HASH), UNDER_WAY);
    for id in view(&world, API_KEY_HASH).needed_by {
        let permit = operator(&world.vault, 1).permit().unwrap();
        world.vault.apikey_delete(&permit, id).await.unwrap();
    }
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, API_KEY_HASH), ENDED);
    assert!(world.vault.caller(&shop.key, Origin::LOCAL).is_err());
}

/// Each node knows a key by both hashes, whichever stored the next one.
#[tokio::test(start_paused = true)]
async fn nodes_hash_an_api_key_anew_once() {
    let (one, shop, place) = first_of_several().await;
    let two = one.beside_later(8, 3_600_000).await;
    two.vault.documents_follow().await.unwrap();
    made(&one, &place, API_KEY_HASH).await;
    rotate(&[&one, &two]).await;
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, API_KEY_HASH), UNDER_WAY);
        world.caller(&shop.key);
    }
    rotate(&[&one, &two]).await;
    assert_eq!(hashed_by(&one, shop.organisation).await, [(2, 2)]);
    rotate(&[&one, &two]).await;
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, API_KEY_HASH), ENDED);
        world.caller(&shop.key);
    }
}

const CVV_CACHE: VaultPurpose = VaultPurpose::CvvCache;

/// A CVV that is held opens at each node while the key changes, and the key before stays as long as one may be held under it.
#[tokio::test(start_paused = true)]
async fn held_cvvs_open_while_the_key_for_them_changes() {
    let (one, shop, place) = first_of_several().await;
    let two = one.beside_later(8, 3_600_000).await;
    for world in [&one, &two] {
        world.vault.documents_follow().await.unwrap();
        world.vault.cvv_key_renew().await.unwrap();
    }
    let mut cards = vec![one.card(&shop).await];
    made(&one, &place, CVV_CACHE).await;
    two.vault.documents_follow().await.unwrap();
    cards.push(two.card(&shop).await);
    rotate(&[&one, &two]).await;
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, CVV_CACHE), UNDER_WAY);
    }
    // One of them has asked for what it seals with since, and the other has not.
    one.vault.cvv_key_renew().await.unwrap();
    cards.push(one.card(&shop).await);
    cards.push(two.card(&shop).await);
    two.vault.cvv_key_renew().await.unwrap();
    cards.push(two.card(&shop).await);
    for (at, card) in cards.iter().enumerate() {
        let world = if at % 2 == 0 { &two } else { &one };
        let paid = world.transact(&shop, *card, 1_000).await.unwrap();
        assert!(paid.cvv_present, "{at}");
    }

    pass_seconds(&[&one, &two], CVV_KEY_COMPONENT_KEPT_SECONDS - 60).await;
    rotate(&[&one, &two]).await;
    assert_eq!(states(&one.vault, 1, CVV_CACHE), UNDER_WAY);
    pass_seconds(&[&one, &two], 60).await;
    rotate(&[&one, &two]).await;
    for world in [&one, &two] {
        assert_eq!(states(&world.vault, 1, CVV_CACHE), ENDED);
        world.vault.cvv_key_renew().await.unwrap();
    }
    let card = one.card(&shop).await;
    assert!(two.transact(&shop, card, 1_000).await.unwrap().cvv_present);
}

/// Since when another has its place is noted with the keys, so that a server that starts every day comes to the end.
#[tokio::test(start_paused = true)]
async fn a_restart_does_not_begin_the_time_of_a_key_anew() {
    let (mut world, _shop, place) = served().await;
    made(&world, &place, CVV_CACHE).await;
    world.vault.keys_rotate().await.unwrap();
    for _ in 0..2 {
        assert_eq!(states(&world.vault, 1, CVV_CACHE), UNDER_WAY);
        world.clock.pass_millis(CVV_KEY_COMPONENT_KEPT_SECONDS * 500);
        start(&mut world, &place, 1).await.unwrap();
        world.vault.keys_rotate().await.unwrap();
    }
    assert_eq!(states(&world.vault, 1, CVV_CACHE), ENDED);
}
