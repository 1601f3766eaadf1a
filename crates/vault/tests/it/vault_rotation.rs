//! The header of keys is changed while the vault is served: what a removed slot opened opens nothing, nodes know a new key before any uses it, and of two changes at once one is done.

use std::sync::{Arc, Mutex};

use panvault_keys::{
    Header, KeyMode, KeyState, KeysError, NewSlot, OrganisationKey, RootKey, SlotKey, VaultPurpose,
};
use panvault_model::{CardId, Timestamp};
use panvault_store::{Action, DocumentKind, Pending, Store, StoreFault};
use panvault_testkit::{SeededEntropy, root_key, vault_header};
use panvault_vault::{HandOver, HeaderPlace, HeaderUpdate, Origin, Permit, Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::world::{Shop, VAULT, World};

pub(crate) const AT: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

/// Where the header is kept: what two files or a row would be.
pub(crate) struct Place {
    header: Mutex<Vec<u8>>,
    /// How often it has no room.
    full: Mutex<u32>,
}

impl Place {
    pub(crate) fn of(header: &Header) -> Arc<Self> {
        Arc::new(Self { header: Mutex::new(header.encode()), full: Mutex::new(0) })
    }

    pub(crate) fn header(&self) -> Header {
        Header::parse(&self.header.lock().unwrap()).unwrap()
    }
}

impl HeaderPlace for Place {
    fn header_replace(&self, header: Vec<u8>, before: u32) -> Pending<'_, bool> {
        Box::pin(async move {
            let mut full = self.full.lock().unwrap();
            if let Some(left) = full.checked_sub(1) {
                *full = left;
                return Err(StoreFault::Full);
            }
            let mut kept = self.header.lock().unwrap();
            let is_next = Header::parse(&kept).unwrap().version() == before || *kept == header;
            if is_next {
                *kept = header;
            }
            Ok(is_next)
        })
    }
}

/// Whether a card of it can be charged: for that it is opened.
pub(crate) async fn opened(world: &World, shop: &Shop, card: CardId) -> bool {
    world.transact(shop, card, 1_000).await.is_ok()
}

pub(crate) fn entropy(seed: u64) -> SeededEntropy {
    SeededEntropy::new(seed)
}

/// Opens the same store anew with the header that is in this place, under the root key of a seed.
pub(crate) async fn start(world: &mut World, place: &Arc<Place>, root: u64) -> Result<(), VaultError> {
    let header = place.header();
    let root = root_key(root);
    let keys = header.open(&root, VAULT, KeyMode::Test)?;
    let handed = world.store.is_shared().then(|| header.hand_over(&root, &entropy(77)).unwrap());
    let header_place = Some(Arc::clone(place) as Arc<dyn HeaderPlace>);
    let parts = VaultParts { keys, header_place, handed, ..world.parts() };
    world.vault = Vault::open(parts).await?;
    Ok(())
}

/// Where nodes share the store: the process before this one has ended, and its lease with it.
async fn lease_renewed(world: &World) {
    if world.store.is_shared() {
        world.clock.pass_millis(3_600_000);
        world.vault.documents_follow().await.unwrap();
        world.vault.lease_renew().await.unwrap();
    }
}

pub(crate) async fn served() -> (World, Shop, Arc<Place>) {
    let mut world = World::new().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut world, &place, 1).await.unwrap();
    let shop = world.shop(None).await;
    (world, shop, place)
}

pub(crate) fn permit(vault: &Vault, root: u64) -> Result<Permit<HeaderUpdate>, VaultError> {
    vault.operator(&root_key(root).derive_operator_key(VAULT), Origin::LOCAL)?.permit()
}

/// Who has the root key changes the header, as a command does.
pub(crate) async fn change(
    vault: &Vault,
    asked_by: u64,
    next: &Header,
    root: &RootKey,
) -> Result<(), VaultError> {
    let permit = permit(vault, asked_by)?;
    let handed = next.hand_over_after(root, &vault.header_named(&permit), &entropy(5)).unwrap();
    vault.header_change(&permit, next.encode(), handed).await
}

pub(crate) fn states(vault: &Vault, root: u64, purpose: VaultPurpose) -> Vec<KeyState> {
    let named: HandOver = vault.header_named(&permit(vault, root).unwrap());
    named.keys().filter(|key| key.purpose == purpose).map(|key| key.state).collect()
}

/// Versions of the wrapping keys that keys of organisations are under.
async fn wrapped_by(world: &World) -> Vec<u16> {
    let rows = world.store.document_read_all().await.unwrap();
    let keys = rows.iter().filter(|row| row.kind == DocumentKind::OrganisationKey);
    // Format (1) · purpose (1) · organisation (12) · version (4) · made at (6) · version of the wrapping key (2).
    let mut versions: Vec<_> = keys
        .inspect(|row| assert!(OrganisationKey::decode(&row.body).is_ok()))
        .map(|row| u16::from_be_bytes([row.body[24], row.body[25]]))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

#[tokio::test]
async fn the_root_key_is_replaced_while_the_vault_is_served() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    let first = place.header();
    let next = first.rewrap(&root_key(1), &root_key(2), &entropy(3)).unwrap();
    change(&world.vault, 1, &next, &root_key(2)).await.unwrap();

    // Nobody who uses it sees it, and the root key of before is nobody's.
    assert!(opened(&world, &shop, card).await);
    assert!(permit(&world.vault, 2).is_ok());
    assert_refused!(permit(&world.vault, 1), VaultError::NotAuthenticated);
    let trail = world.store.trail(1).await;
    assert_eq!(trail.iter().filter(|record| record.note.action == Action::HeaderChange).count(), 1);
    // What comes after it names it too.
    let another = world.card(&shop).await;
    start(&mut world, &place, 2).await.unwrap();
    assert!(opened(&world, &shop, card).await && opened(&world, &shop, another).await);
    // A header that was rolled back does not open, though its root key opens it.
    let rolled_back = Place::of(&first);
    let error = start(&mut world, &rolled_back, 1).await;
    assert!(matches!(error, Err(VaultError::Keys(KeysError::HeaderOlder))));
}

/// The bug: of a vault in which nothing was made yet every change of the header was refused. Its cause: where no document names a header it is the one whose keys are open, and those
/// had just taken up the next. Its cure: the documents name the header first.
#[tokio::test(start_paused = true)]
async fn keys_of_a_vault_in_which_nothing_was_made_yet_are_replaced() {
    let purposes = VaultPurpose::ALL.into_iter().filter(|purpose| *purpose != VaultPurpose::SetHash);
    for (purpose, is_shared) in purposes.flat_map(|purpose| [(purpose, false), (purpose, true)]) {
        let mut world = if is_shared { World::shared().await } else { World::new().await };
        let place = Place::of(&vault_header(VAULT, 1));
        start(&mut world, &place, 1).await.unwrap();
        lease_renewed(&world).await;
        let next = place.header().key_make(&root_key(1), purpose, AT, &entropy(3)).unwrap();
        change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
        assert_eq!(states(&world.vault, 1, purpose), [KeyState::Active, KeyState::PreActive]);
        world.vault.keys_rotate().await.unwrap();
        // A claim of another node may be on its way for a minute.
        if !(is_shared && purpose == VaultPurpose::Idempotency) {
            assert_eq!(states(&world.vault, 1, purpose)[1], KeyState::Active, "{purpose:?}");
        }
        start(&mut world, &place, 1).await.unwrap();
        lease_renewed(&world).await;
        let shop = world.shop(None).await;
        let card = world.card(&shop).await;
        assert!(opened(&world, &shop, card).await, "{purpose:?}");
    }
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_done() {
    let (mut world, _shop, place) = served().await;
    let first = place.header();
    let ours = first.rewrap(&root_key(1), &root_key(2), &entropy(3)).unwrap();
    let theirs = first.rewrap(&root_key(1), &root_key(3), &entropy(4)).unwrap();
    let hand = |header: &Header, root| header.hand_over(&root_key(root), &entropy(5)).unwrap();
    let permits = (permit(&world.vault, 1).unwrap(), permit(&world.vault, 1).unwrap());
    let (ours, theirs) = tokio::join!(
        world.vault.header_change(&permits.0, ours.encode(), hand(&ours, 2)),
        world.vault.header_change(&permits.1, theirs.encode(), hand(&theirs, 3))
    );
    ours.unwrap();
    assert_refused!(theirs, VaultError::WrongState { .. });
    // The same once more, and one after next.
    let again = first.rewrap(&root_key(1), &root_key(3), &entropy(4)).unwrap();
    assert_refused!(change(&world.vault, 2, &again, &root_key(3)).await, VaultError::WrongState { .. });
    let next = place.header().rewrap(&root_key(2), &root_key(2), &entropy(6)).unwrap();
    let after_next = next.rewrap(&root_key(2), &root_key(2), &entropy(6)).unwrap();
    assert_refused!(change(&world.vault, 2, &after_next, &root_key(2)).await, VaultError::WrongState { .. });
    assert_eq!(place.header().version(), 2);
    start(&mut world, &place, 2).await.unwrap();
}

/// Whatever part of a change cannot be written, the vault goes on, opens, and the change can be made once more.
#[tokio::test]
async fn a_change_that_has_no_room_is_made_later() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    let next = place.header().rewrap(&root_key(1), &root_key(2), &entropy(3)).unwrap();
    *place.full.lock().unwrap() = 1;
    assert_refused!(change(&world.vault, 1, &next, &root_key(2)).await, VaultError::Store(StoreFault::Full));
    assert_eq!(place.header().version(), 1);
    assert!(permit(&world.vault, 1).is_ok() && opened(&world, &shop, card).await);
    start(&mut world, &place, 1).await.unwrap();

    // The header is in its place, and the documents do not name it.
    world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, 0)));
    assert_refused!(change(&world.vault, 1, &next, &root_key(2)).await, VaultError::Store(StoreFault::Full));
    assert_eq!(place.header().version(), 2);
    assert!(opened(&world, &shop, card).await);
    world.store.leave();
    change(&world.vault, 2, &next, &root_key(2)).await.unwrap();
    start(&mut world, &place, 2).await.unwrap();

    // The process dies between the two: the next one goes on.
    let third = place.header().rewrap(&root_key(2), &root_key(4), &entropy(3)).unwrap();
    assert!(place.header_replace(third.encode(), 2).await.unwrap());
    start(&mut world, &place, 4).await.unwrap();
    assert!(opened(&world, &shop, card).await);
    let rolled_back = Place::of(&next);
    assert!(matches!(
        start(&mut world, &rolled_back, 2).await,
        Err(VaultError::Keys(KeysError::HeaderOlder))
    ));
}

/// The bug: a change of the header that was begun before the key for the head was destroyed, and not ended, could not be ended, nor another begun, until the next start. Its cause: what the header
/// hands over was under the key that it calls active. Its cure: it is under the one that the documents do.
#[tokio::test]
async fn a_change_that_straddles_the_end_of_the_key_for_the_head_is_ended() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    let head = VaultPurpose::DocumentHead;
    let next = place.header().key_make(&root_key(1), head, AT, &entropy(3)).unwrap();
    change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
    // The header is in its place, and the documents do not name it.
    let begun = next.key_make(&root_key(1), VaultPurpose::Wrapping, AT, &entropy(4)).unwrap();
    assert!(place.header_replace(begun.encode(), 2).await.unwrap());
    let of_before = begun.hand_over(&root_key(1), &entropy(5)).unwrap();
    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, head), [KeyState::Destroyed, KeyState::Active]);
    let asked = permit(&world.vault, 1).unwrap();
    let refused = world.vault.header_change(&asked, begun.encode(), of_before).await;
    assert_refused!(refused, VaultError::WrongState { .. });
    // No request sees documents of before by then.
    drop(asked);

    change(&world.vault, 1, &begun, &root_key(1)).await.unwrap();
    world.vault.keys_rotate().await.unwrap();
    let third = place.header().rewrap(&root_key(1), &root_key(2), &entropy(6)).unwrap();
    change(&world.vault, 1, &third, &root_key(2)).await.unwrap();
    assert_eq!(wrapped_by(&world).await, [2]);
    start(&mut world, &place, 2).await.unwrap();
    assert!(opened(&world, &shop, card).await);
}

/// By its number and what protects it, also where it was changed while nobody served the vault: what it is called may be anything that an operator wrote.
#[tokio::test]
async fn a_slot_that_comes_or_goes_is_named_in_the_trail() {
    let (mut world, _shop, place) = served().await;
    let slot = NewSlot::of_key_file(&SlotKey::make(&entropy(9)).unwrap(), "4111111111111111").unwrap();
    let more = place.header().slot_add(&root_key(1), slot, AT, &entropy(3)).unwrap();
    change(&world.vault, 1, &more, &root_key(1)).await.unwrap();
    let less = more.slot_remove(&root_key(1), &root_key(2), 1, &entropy(4)).unwrap();
    assert!(place.header_replace(less.encode(), 2).await.unwrap());
    start(&mut world, &place, 2).await.unwrap();
    let trail = world.store.trail(1).await;
    let is_of_slot = |action| matches!(action, Action::SlotAdd | Action::SlotRemove | Action::HeaderChange);
    let told = trail.iter().filter(|record| is_of_slot(record.note.action));
    let told: Vec<_> = told.map(|record| (record.note.action, *record.note.object.as_bytes())).collect();
    let object = |number| [0, number, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(told, [(Action::SlotAdd, object(2)), (Action::SlotRemove, object(1))]);
    // What the documents keep of it says no more.
    let rows = world.store.document_read_all().await.unwrap();
    assert!(rows.iter().all(|row| !row.body.windows(16).any(|bytes| bytes == b"4111111111111111")));
}

#[tokio::test]
async fn the_wrapping_key_is_replaced_while_the_vault_is_served() {
    let (mut world, shop, place) = served().await;
    let card = world.card(&shop).await;
    let wrapping = VaultPurpose::Wrapping;
    let next = place.header().key_make(&root_key(1), wrapping, AT, &entropy(3)).unwrap();
    change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
    assert_eq!(states(&world.vault, 1, wrapping), [KeyState::Active, KeyState::PreActive]);
    // A process that dies at any step leaves what the next one goes on with.
    start(&mut world, &place, 1).await.unwrap();
    let _other = world.organisation(None).await;
    assert_eq!(wrapped_by(&world).await, [1], "nobody uses it yet");

    world.vault.keys_rotate().await.unwrap();
    assert_eq!(states(&world.vault, 1, wrapping), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(wrapped_by(&world).await, [2]);
    assert!(opened(&world, &shop, card).await);
    // The header has both until it is changed: what the documents say of them holds.
    start(&mut world, &place, 1).await.unwrap();
    let _after = world.organisation(None).await;
    assert_eq!(wrapped_by(&world).await, [2]);
    assert!(opened(&world, &shop, card).await);

    let named: Vec<_> = world.vault.header_named(&permit(&world.vault, 1).unwrap()).keys().collect();
    let settled = place.header().settle(&root_key(1), &named, &entropy(8)).unwrap();
    change(&world.vault, 1, &settled, &root_key(1)).await.unwrap();
    start(&mut world, &place, 1).await.unwrap();
    assert_eq!(states(&world.vault, 1, wrapping), [KeyState::Destroyed, KeyState::Active]);
    assert!(opened(&world, &shop, card).await);
    // The header with the key that was destroyed is one of before.
    let error = start(&mut world, &Place::of(&next), 1).await;
    assert!(matches!(error, Err(VaultError::Keys(KeysError::HeaderOlder))));
}

/// The process dies after each step of the rotation that is written: the next one goes on from there.
#[tokio::test]
async fn a_rotation_of_the_wrapping_key_goes_on_after_each_step() {
    for steps in 0..4 {
        let (mut world, shop, place) = served().await;
        let card = world.card(&shop).await;
        let wrapping = VaultPurpose::Wrapping;
        let next = place.header().key_make(&root_key(1), wrapping, AT, &entropy(3)).unwrap();
        change(&world.vault, 1, &next, &root_key(1)).await.unwrap();
        world.store.plot(|plot| plot.vault_key_fault = Some((StoreFault::Full, steps)));
        let rotated = world.vault.keys_rotate().await;
        assert_eq!(rotated.is_ok(), steps == 3, "after {steps} steps");
        assert!(opened(&world, &shop, card).await, "after {steps} steps");
        world.store.leave();
        start(&mut world, &place, 1).await.unwrap();
        assert!(opened(&world, &shop, card).await, "after {steps} steps and a start");
        world.vault.keys_rotate().await.unwrap();
        assert_eq!(states(&world.vault, 1, wrapping), [KeyState::Destroyed, KeyState::Active]);
        assert_eq!(wrapped_by(&world).await, [2]);
        assert!(opened(&world, &shop, card).await);
    }
}

/// Nodes have no root key: each takes up what is handed over, and one that was away while it was refuses rather than fails.
#[tokio::test(start_paused = true)]
async fn every_node_knows_a_key_before_any_uses_it() {
    let mut one = World::shared().await;
    let place = Place::of(&vault_header(VAULT, 1));
    start(&mut one, &place, 1).await.unwrap();
    lease_renewed(&one).await;
    let (two, away) = (one.beside(8).await, one.beside(9).await);
    let shop = one.shop(None).await;
    let card = one.card(&shop).await;
    two.vault.documents_follow().await.unwrap();
    away.vault.documents_follow().await.unwrap();

    let wrapping = VaultPurpose::Wrapping;
    let next = place.header().key_make(&root_key(1), wrapping, AT, &entropy(3)).unwrap();
    change(&one.vault, 1, &next, &root_key(1)).await.unwrap();
    two.vault.documents_follow().await.unwrap();
    let rows = one.store.document_read_all().await.unwrap();
    let handed = |rows: &[Arc<panvault_store::DocumentRow>]| {
        let row = rows.iter().find(|row| row.kind == DocumentKind::HandOver).unwrap();
        HandOver::decode(&row.body).unwrap().hands()
    };
    assert!(handed(&rows));

    // Which of them has the duty is all the same.
    one.vault.keys_rotate().await.unwrap();
    two.vault.keys_rotate().await.unwrap();
    two.vault.documents_follow().await.unwrap();
    one.vault.documents_follow().await.unwrap();
    assert_eq!(states(&two.vault, 1, wrapping), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(wrapped_by(&one).await, [2]);
    let rows = one.store.document_read_all().await.unwrap();
    assert!(!handed(&rows), "no key is in the database any more");
    assert!(opened(&two, &shop, card).await);
    let _new = two.organisation(None).await;
    one.vault.documents_follow().await.unwrap();
    assert_eq!(wrapped_by(&one).await, [2]);
    // This one cannot unwrap what the others wrapped, and says so before anybody asks it for something.
    let error = away.vault.documents_follow().await;
    assert!(matches!(error, Err(VaultError::Keys(KeysError::HeaderOlder))));
    // Another root key is another operator key, at every node.
    let root = place.header().rewrap(&root_key(1), &root_key(2), &entropy(3)).unwrap();
    change(&one.vault, 1, &root, &root_key(2)).await.unwrap();
    two.vault.documents_follow().await.unwrap();
    assert!(permit(&two.vault, 2).is_ok() && permit(&two.vault, 1).is_err());
}
