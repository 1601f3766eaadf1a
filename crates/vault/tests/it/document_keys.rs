//! The keys that tag documents and seal their head are replaced while the vault is used: what bears its tag is given another, what was changed or put back is left as it is,
//! and of two nodes that change documents meanwhile neither loses anything.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use panvault_card::{BinStatus, BinTable, NoBinTable};
use panvault_keys::{KeyMode, KeyState, KeysError, VaultPurpose};
use panvault_model::{IssuerFacts, Role};
use panvault_store::audit_start::AuditStart;
use panvault_store::{Action, Commit, DocumentKind, DocumentRow, Effect, Expect, RowKey, Store, StoreFault};
use panvault_testkit::conformance::note;
use panvault_testkit::{operator, root_key, vault_header};
use panvault_vault::limits::{RETAG_ROWS, ROTATION_STORED_SECONDS};
use panvault_vault::{
    HeaderPlace, OrganisationChange, RowVerifier, Vault, VaultError, VaultParts, trail_moved, vault_chain,
};

use crate::vault_rotation::{AT, Place, change, entropy, opened, permit, served, start, states};
use crate::world::{Shop, VAULT, World};

const TAG: VaultPurpose = VaultPurpose::DocumentTag;
const HEAD: VaultPurpose = VaultPurpose::DocumentHead;
const REPLACED: [KeyState; 2] = [KeyState::Destroyed, KeyState::Active];

async fn documents(world: &World) -> Vec<Arc<DocumentRow>> {
    world.store.document_read_all().await.unwrap()
}

/// How many documents bear the tag of each of the first two keys.
fn tagged_by(rows: &[Arc<DocumentRow>]) -> [usize; 2] {
    [1, 2].map(|key| rows.iter().filter(|row| row.tag.key == key).count())
}

/// What is kept of documents beside their tags; the head and what nodes are handed change with each step.
fn without_tags(rows: &[Arc<DocumentRow>]) -> Vec<(DocumentKind, panvault_model::Id, u32, Vec<u8>)> {
    let kept =
        rows.iter().filter(|row| !matches!(row.kind, DocumentKind::DocumentHead | DocumentKind::HandOver));
    kept.map(|row| (row.kind, row.id, row.version, row.body.clone())).collect()
}

/// The version of the key that the head is sealed with: format (1) · key version (2).
fn sealed_by(rows: &[Arc<DocumentRow>]) -> u16 {
    let head = rows.iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    u16::from_be_bytes([head.body[1], head.body[2]])
}

/// Who has the root key makes another key of a purpose.
async fn made(world: &World, place: &Arc<Place>, purpose: VaultPurpose) {
    let next = place.header().key_make(&root_key(1), purpose, AT, &entropy(3)).unwrap();
    change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
}

/// More documents than are given another tag in one step.
async fn many(world: &World, shop: &Shop) {
    for _ in 0..=RETAG_ROWS {
        world.key(shop.organisation, &[Role::MerchantUser]).await;
    }
}

async fn is_changed(world: &World, shop: &Shop, name: &str) {
    let change = OrganisationChange { name: Some(name.to_owned()), ..OrganisationChange::default() };
    let permit = operator(&world.vault, 1).permit().unwrap();
    world.vault.organisation_update(&permit, shop.organisation, change, None).await.unwrap();
}

/// All documents fit together by the keys that the header has.
async fn is_whole(world: &World, place: &Arc<Place>) {
    let keys = place.header().open(&root_key(1), VAULT, KeyMode::Test).unwrap();
    RowVerifier::open(keys, &documents(world).await).map(drop).unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_document_is_given_another_tag_and_the_key_before_is_gone() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    many(&world, &shop).await;
    made(&world, &place, TAG).await;
    let before = documents(&world).await;
    assert_eq!(tagged_by(&before), [before.len(), 0], "nobody tags with it yet");

    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, TAG), REPLACED);
    let after = documents(&world).await;
    assert_eq!(tagged_by(&after), [0, before.len()]);
    assert_eq!(without_tags(&after), without_tags(&before), "nothing else is another, versions neither");
    assert_eq!(world.vault.status().rotation.rows_retagged, before.len() as u64);
    assert!(opened(&world, &shop, card).await);
    let trail = world.store.trail(1).await;
    let steps = |action| trail.iter().filter(|record| record.note.action == action).count();
    assert!((2..5).contains(&steps(Action::DocumentRetag)), "{}", steps(Action::DocumentRetag));
    assert_eq!([steps(Action::VaultKeyActivate), steps(Action::VaultKeyDestroy)], [1, 1]);

    is_whole(&world, &place).await;
    start(&mut world, &place, 1).await.unwrap();
    is_changed(&world, &shop, "another").await;
    let named: Vec<_> = world.vault.header_named(&permit(&world.vault, 1).unwrap()).keys().collect();
    let settled = place.header().settle(&root_key(1), &named, &entropy(8)).unwrap();
    change(&world.vault, 1, &settled, &root_key(1)).await.unwrap();
    start(&mut world, &place, 1).await.unwrap();
    assert!(opened(&world, &shop, card).await);
    is_whole(&world, &place).await;
}

#[tokio::test(start_paused = true)]
async fn the_head_is_sealed_with_the_next_key_in_one_change() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    let first = place.header();
    made(&world, &place, HEAD).await;
    is_changed(&world, &shop, "before").await;
    assert_eq!(sealed_by(&documents(&world).await), 1, "nobody seals with it yet");
    let before = documents(&world).await;

    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, HEAD), REPLACED);
    assert_eq!(sealed_by(&documents(&world).await), 2);
    assert_eq!(without_tags(&documents(&world).await), without_tags(&before));
    is_whole(&world, &place).await;
    is_changed(&world, &shop, "after").await;
    start(&mut world, &place, 1).await.unwrap();
    assert!(opened(&world, &shop, card).await);
    is_changed(&world, &shop, "after a start").await;
    is_whole(&world, &place).await;
    // Documents of before the change, which are genuine and fit together, are not taken for those of now.
    let now = documents(&world).await;
    let rolled_back = before.iter().map(|row| row.as_ref().clone()).collect::<Vec<_>>();
    world.store.plot(|plot| plot.documents = Some(Box::new(move |rows| rows.clone_from(&rolled_back))));
    let named: Vec<_> = world.vault.header_named(&permit(&world.vault, 1).unwrap()).keys().collect();
    let settled = place.header().settle(&root_key(1), &named, &entropy(8)).unwrap();
    change(&world.vault, 1, &settled, &root_key(1)).await.unwrap();
    let error = start(&mut world, &place, 1).await;
    assert!(matches!(error, Err(VaultError::Tampered(_))), "{error:?}");
    world.store.leave();
    start(&mut world, &place, 1).await.unwrap();
    assert_eq!(without_tags(&documents(&world).await), without_tags(&now));
    // Nor is a header of before it.
    let error = start(&mut world, &Place::of(&first), 1).await;
    assert!(matches!(error, Err(VaultError::Keys(KeysError::HeaderOlder))), "{error:?}");
}

/// The process dies after each step that is written, or finds no room: the next one goes on from there.
#[tokio::test(start_paused = true)]
async fn a_rotation_of_a_key_of_documents_goes_on_after_each_step() {
    for purpose in [TAG, HEAD] {
        for steps in 0..4 {
            let (mut world, shop, place) = served().await;
            let card = world.card(&shop).await;
            many(&world, &shop).await;
            made(&world, &place, purpose).await;
            world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, steps)));
            let rotated = world.vault.keys_rotate().await;
            assert_eq!(rotated.is_ok(), purpose == HEAD && steps >= 2, "{purpose:?} after {steps} steps");
            assert!(opened(&world, &shop, card).await);
            is_changed(&world, &shop, "meanwhile").await;
            is_whole(&world, &place).await;
            world.store.leave();
            start(&mut world, &place, 1).await.unwrap();
            is_changed(&world, &shop, "after a start").await;
            world.vault.keys_rotate().await.unwrap();
            assert_eq!(states(&world.vault, 1, purpose), REPLACED);
            let all = documents(&world).await;
            assert_eq!(tagged_by(&all)[0] == 0, purpose == TAG);
            assert!(opened(&world, &shop, card).await);
            is_whole(&world, &place).await;
        }
    }
}

/// Puts a document in the place of another, as somebody does who can write to the store and has no key.
async fn forged(world: &World, row: DocumentRow) {
    let key = RowKey::Document(row.kind, row.id);
    let there = world.store.document_read_many(vec![(row.kind, row.id)]).await.unwrap();
    let expects = vec![Expect::Version(key, there[0].as_ref().unwrap().version)];
    let audit = note(Action::DocumentUpdate, row.id);
    world
        .store
        .commit(Commit { claim: None, expects, effects: vec![Effect::from(row)], audit })
        .await
        .unwrap();
}

/// What somebody changed, or put back from an earlier moment, is never given a tag that says that it was not; and no key is destroyed while there is such a document.
#[tokio::test(start_paused = true)]
async fn a_document_that_was_changed_or_put_back_keeps_its_tag_and_the_rotation_stays_open() {
    for is_put_back in [false, true] {
        let (world, shop, place) = served().await;
        let of_shop = async || {
            let rows = documents(&world).await;
            let is_it = |row: &&Arc<DocumentRow>| {
                row.kind == DocumentKind::Organisation && row.id == shop.organisation.0
            };
            rows.iter().find(is_it).unwrap().as_ref().clone()
        };
        let earlier = of_shop().await;
        is_changed(&world, &shop, "another").await;
        let written = of_shop().await;
        let mut changed = if is_put_back { earlier } else { written.clone() };
        changed.tag.bytes[0] ^= u8::from(!is_put_back);
        made(&world, &place, TAG).await;
        forged(&world, changed.clone()).await;
        for _ in 0..2 {
            world.vault.keys_rotate().await.unwrap();
            assert_eq!(states(&world.vault, 1, TAG), [KeyState::OpenOnly, KeyState::Active]);
            let status = world.vault.status().rotation;
            assert_eq!((status.rows_left, status.rows_damaged), (Some(0), 1), "put back: {is_put_back}");
        }
        assert_eq!(of_shop().await, changed, "it is as it was found");
        assert_eq!(tagged_by(&documents(&world).await)[0], 1, "the others are tagged anew");
        // As it was, it is given its tag, and the rotation ends.
        forged(&world, written).await;
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(states(&world.vault, 1, TAG), REPLACED);
        is_whole(&world, &place).await;
    }
}

/// Two nodes over one store, of which both change documents while one replaces their keys: no change is lost, both follow, and one that was away says that it needs a later
/// header.
#[tokio::test(start_paused = true)]
async fn nodes_change_documents_while_their_keys_are_replaced() {
    for purpose in [TAG, HEAD] {
        let mut one = World::shared().await;
        let place = Place::of(&vault_header(VAULT, 1));
        start(&mut one, &place, 1).await.unwrap();
        one.clock.pass_millis(3_600_000);
        one.vault.documents_follow().await.unwrap();
        one.vault.lease_renew().await.unwrap();
        let (two, away) = (one.beside(8).await, one.beside(9).await);
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        many(&one, &shop).await;
        for world in [&two, &away] {
            world.vault.documents_follow().await.unwrap();
        }
        let versions = async |world: &World| {
            let rows = documents(world).await;
            rows.iter().find(|row| row.id == shop.organisation.0).unwrap().version
        };
        let begun = versions(&one).await;
        made(&one, &place, purpose).await;
        two.vault.documents_follow().await.unwrap();
        let is_over = AtomicBool::new(false);
        let rotates = async {
            // Which of them has the duty is all the same.
            one.vault.keys_rotate().await.unwrap();
            two.vault.keys_rotate().await.unwrap();
            is_over.store(true, Ordering::Relaxed);
        };
        let changes = async {
            let mut changes = 0;
            while !is_over.load(Ordering::Relaxed) {
                let node = if changes % 2 == 0 { &one } else { &two };
                is_changed(node, &shop, &format!("change {changes}")).await;
                changes += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            changes
        };
        let ((), changes) = tokio::join!(rotates, changes);
        assert_eq!(versions(&one).await - begun, changes, "no change is lost");
        for world in [&one, &two] {
            world.vault.documents_follow().await.unwrap();
            world.clock.pass_millis((ROTATION_STORED_SECONDS + 60) * 1_000);
        }
        for world in [&one, &two, &one] {
            world.vault.lease_renew().await.unwrap();
            world.vault.documents_follow().await.unwrap();
            world.vault.keys_rotate().await.unwrap();
        }
        two.vault.documents_follow().await.unwrap();
        for world in [&one, &two] {
            assert_eq!(states(&world.vault, 1, purpose), REPLACED, "{purpose:?}");
            assert!(opened(world, &shop, card).await);
            is_changed(world, &shop, "after it").await;
            is_whole(world, &place).await;
        }
        let all = documents(&one).await;
        match purpose {
            TAG => assert_eq!(tagged_by(&all)[0], 0),
            _ => assert_eq!(sealed_by(&all), 2),
        }
        let error = away.vault.documents_follow().await;
        assert!(matches!(error, Err(VaultError::Keys(KeysError::HeaderOlder))), "{purpose:?}: {error:?}");
    }
}

/// A node was away from the moment at which the head came under another key until the key before was gone: it asked for a hash with that, and followed nothing any more.
#[tokio::test(start_paused = true)]
async fn a_node_that_was_away_while_the_head_changed_its_key_follows() {
    let mut one = World::shared().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut one, &place, 1).await.unwrap();
    one.clock.pass_millis(3_600_000);
    one.vault.lease_renew().await.unwrap();
    let late = one.beside(8).await;
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    made(&one, &place, HEAD).await;
    late.vault.documents_follow().await.unwrap();
    for _ in 0..3 {
        one.vault.keys_rotate().await.unwrap();
        one.clock.pass_millis((ROTATION_STORED_SECONDS + 60) * 1_000);
        one.vault.lease_renew().await.unwrap();
    }
    assert_eq!(states(&one.vault, 1, HEAD), REPLACED);
    late.clock.pass_millis(3 * (ROTATION_STORED_SECONDS + 60) * 1_000);
    late.vault.documents_follow().await.unwrap();
    late.vault.lease_renew().await.unwrap();
    assert!(opened(&late, &shop, card).await);
    is_changed(&late, &shop, "by the one that was away").await;
    is_whole(&late, &place).await;
}

/// Commands that move or restore a vault have the header alone, which goes on calling a key active that the documents say is destroyed.
#[tokio::test(start_paused = true)]
async fn who_has_the_header_alone_tags_with_the_key_that_the_documents_call_active() {
    let (world, _, place) = served().await;
    made(&world, &place, TAG).await;
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, TAG), REPLACED);
    let keys = place.header().open(&root_key(1), VAULT, KeyMode::Test).unwrap();
    let writer = vault_chain(&keys);
    let end = world.store.audit_ends(vec![writer]).await.unwrap()[0];
    let mut told = AuditStart::default();
    told.documents = 1;
    trail_moved(&*world.store, &keys, end, &told, AT).await.unwrap();
    let rows = world.store.document_read_many(vec![(DocumentKind::AuditStart, writer.0)]).await.unwrap();
    assert_eq!(rows[0].as_ref().unwrap().tag.key, 2);
}

/// A table of issuers whose file is given no other tag than that of the first key, for a time; or behind which another file is there.
struct Stuck {
    is_old: AtomicBool,
    is_of_now: AtomicBool,
}

impl BinTable for Stuck {
    fn lookup(&self, digits: &[u8]) -> IssuerFacts {
        NoBinTable.lookup(digits)
    }

    fn version(&self) -> u32 {
        1
    }

    fn tag_key(&self) -> Option<u16> {
        Some(if self.is_old.load(Ordering::Relaxed) { 1 } else { 2 })
    }

    fn is_of_now(&self) -> bool {
        self.is_of_now.load(Ordering::Relaxed)
    }

    fn status(&self) -> BinStatus {
        NoBinTable.status()
    }
}

/// The bug: whoever waited for a rotation waited for ever where the table of issuers could not be written anew. Its cause: nobody was told that nothing else keeps the key. Its cure: the key says so, until
/// the table is another.
#[tokio::test(start_paused = true)]
async fn a_table_of_issuers_that_keeps_a_key_is_told() {
    let (mut world, _shop, place) = served().await;
    let bins = Arc::new(Stuck { is_old: AtomicBool::new(true), is_of_now: AtomicBool::new(true) });
    let keys = place.header().open(&root_key(1), VAULT, KeyMode::Test).unwrap();
    let header_place = Some(Arc::clone(&place) as Arc<dyn HeaderPlace>);
    let parts =
        VaultParts { keys, header_place, bins: Arc::clone(&bins) as Arc<dyn BinTable>, ..world.parts() };
    world.vault = Vault::open(parts).await.unwrap();
    made(&world, &place, TAG).await;
    world.vault.keys_rotate().await.unwrap();
    let first = |world: &World| {
        let keys = world.vault.key_inventory(&operator(&world.vault, 1).permit().unwrap()).unwrap();
        let key = keys.into_iter().find(|key| (key.described.purpose, key.described.version) == (TAG, 1));
        key.map(|key| (key.described.state, key.rows_left, key.rows_damaged, key.is_needed_by_bins)).unwrap()
    };
    assert_eq!(first(&world), (KeyState::OpenOnly, Some(0), Some(0), true));
    bins.is_old.store(false, Ordering::Relaxed);
    // A list that was imported within the last second was under the key that was destroyed, and used no more.
    bins.is_of_now.store(false, Ordering::Relaxed);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(first(&world), (KeyState::OpenOnly, Some(0), Some(0), true));
    bins.is_of_now.store(true, Ordering::Relaxed);
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, TAG), REPLACED);
    assert!(!first(&world).3);
}
