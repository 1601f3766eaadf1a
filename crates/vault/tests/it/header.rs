//! What becomes of a vault when its header of keys changes: the root key is replaced, a key is renewed, a header is rolled back.

use std::sync::Arc;

use panvault_card::BinTable;
use panvault_keys::{Header, KeyMode, KeysError, OrganisationKey, Purpose, VaultKeys, VaultPurpose};
use panvault_model::{IssuerFacts, Role, Timestamp};
use panvault_store::{ApiKeyRow, CardRow, DocumentKind, DocumentRow, Store};
use panvault_testkit::{SeededEntropy, operator, root_key, vault_header};
use panvault_vault::{
    CardChange, CardCreate, CardRefresh, Metadata, Origin, Permit, Refreshed, RowVerifier, Vault, VaultError,
    VaultParts,
};

use crate::assert_refused;
use crate::heads;
use crate::world::{Shop, VAULT, VISA, World, keys, new_card, no_change};

fn open(header: &Header) -> VaultKeys {
    header.open(&root_key(1), VAULT, KeyMode::Test).unwrap()
}

fn renewed(header: &Header, purpose: VaultPurpose) -> Header {
    let now = Timestamp::from_unix_millis(1_800_000_000_000);
    header.renew(&root_key(1), purpose, now, &SeededEntropy::new(9)).unwrap()
}

/// The next start, with the keys of this header.
async fn start_with(world: &mut World, header: &Header) -> Result<(), VaultError> {
    let verified = RowVerifier::open(open(header), &world.store.document_read_all().await.unwrap()).map(drop);
    let opened = Vault::open(VaultParts { keys: open(header), ..world.parts() }).await;
    assert_eq!(opened.is_ok(), verified.is_ok(), "a start and an examination agree");
    world.vault = opened?;
    Ok(())
}

/// Changes so far, and the version of the header that the head names.
async fn head(world: &World) -> (u32, u32) {
    let rows = documents(world).await;
    let row = rows.iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    (row.version, heads::opened(&rows).2)
}

async fn documents(world: &World) -> Vec<DocumentRow> {
    world.store.document_read_all().await.unwrap().iter().map(|row| row.as_ref().clone()).collect()
}

/// Documents and header say of each other which is the latest.
#[tokio::test]
async fn the_documents_follow_the_header_and_an_older_one_is_refused() {
    let mut world = World::new().await;
    let first = vault_header(VAULT, 1);
    let rewrap = |header: &Header| header.rewrap(&root_key(1), &root_key(1), &SeededEntropy::new(2)).unwrap();
    let second = rewrap(&first);
    let third = rewrap(&second);
    let fourth = rewrap(&third);
    let older =
        |opened: Result<(), VaultError>| matches!(opened, Err(VaultError::Keys(KeysError::HeaderOlder)));
    let newer =
        |opened: Result<(), VaultError>| matches!(opened, Err(VaultError::Keys(KeysError::HeaderNewer)));

    assert!(start_with(&mut world, &fourth).await.is_ok(), "before the first document none is named");
    assert!(start_with(&mut world, &first).await.is_ok());
    let shop = world.shop(None).await;
    let (version, named) = head(&world).await;
    assert_eq!(named, 1);
    assert!(newer(start_with(&mut world, &third).await));

    start_with(&mut world, &second).await.unwrap();
    let (followed, named) = head(&world).await;
    assert_eq!((followed, named), (version + 1, 2), "in one step of its own, before anything else");
    assert!(older(start_with(&mut world, &first).await));
    assert!(newer(start_with(&mut world, &fourth).await));

    start_with(&mut world, &second).await.unwrap();
    assert_eq!(head(&world).await.0, followed, "there is nothing to follow");
    start_with(&mut world, &third).await.unwrap();
    assert_eq!(head(&world).await.1, 3);
    assert!(older(start_with(&mut world, &second).await));
    // A step that changes documents, with a note like any other: the version of the head counts them.
    world.organisation(Some(shop.organisation)).await;
    assert_eq!(head(&world).await.1, 3);
}

#[tokio::test]
async fn api_keys_work_on_when_the_key_that_hashes_them_is_renewed() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let header = renewed(&vault_header(VAULT, 1), VaultPurpose::ApiKeyHash);
    start_with(&mut world, &header).await.unwrap();
    let new = world.key(shop.organisation, &[Role::MerchantUser]).await;
    assert!(world.vault.caller(&shop.key, Origin::LOCAL).is_ok());
    assert!(world.vault.caller(&new, Origin::LOCAL).is_ok());
    let rows = world.store.document_read_all().await.unwrap();
    let mut versions: Vec<u16> = rows
        .iter()
        .filter(|row| row.kind == DocumentKind::ApiKey)
        .map(|row| ApiKeyRow::decode(&row.body).unwrap().hash_key)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2]);
}

async fn create(world: &World, shop: &Shop, number: &str, body: &str) -> Result<(bool, String), VaultError> {
    let permit: Permit<CardCreate> = world.permit(&shop.key);
    let claim = world.idempotency(&permit, "key", body);
    let card = new_card(number, None);
    let done =
        world.vault.card_create(&permit, shop.organisation, card, Metadata::new(), Some(claim)).await?;
    Ok((done.replayed, done.value.row.id.to_string()))
}

#[tokio::test]
async fn a_request_is_known_again_when_the_key_of_digests_is_renewed() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let (_, card) = create(&world, &shop, VISA, "body").await.unwrap();
    let mut header = vault_header(VAULT, 1);
    for _ in 1..panvault_keys::limits::PURPOSE_VERSIONS_MAX {
        header = renewed(&header, VaultPurpose::Idempotency);
        start_with(&mut world, &header).await.unwrap();
        assert_eq!(create(&world, &shop, VISA, "body").await.unwrap(), (true, card.clone()));
        assert_refused!(create(&world, &shop, VISA, "other").await, VaultError::IdempotencyMismatch);
    }
    world.clock.pass_millis(25 * crate::world::HOUR_MILLIS);
    let (replayed, other) = create(&world, &shop, VISA, "body").await.unwrap();
    assert!(!replayed && other != card, "after its time it is another request");
}

#[tokio::test]
async fn rows_of_an_older_tag_key_are_read_and_changed_under_the_new_one() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let paid = world.transact(&shop, card, 1_000).await.unwrap().id;
    let header = renewed(&vault_header(VAULT, 1), VaultPurpose::RowTag);
    start_with(&mut world, &header).await.unwrap();
    assert_eq!(world.card_read(&shop, card).await.unwrap().row.tag.key, 1);
    let change = CardChange { expiry_year: Some(2032), ..no_change() };
    world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None).await.unwrap();
    assert_eq!(world.card_read(&shop, card).await.unwrap().row.tag.key, 2);
    let read = world.vault.transaction_read(&world.permit(&shop.key), paid).await.unwrap();
    assert_eq!(read.tag.key, 1);
    assert_eq!(world.vault.transaction_history(&world.permit(&shop.key), paid).await.unwrap().len(), 2);
    assert_eq!(world.transact(&shop, card, 1_000).await.unwrap().tag.key, 2);
}

/// What the head covers is hashed with a key of its own. A new one hashes all of it anew, once.
#[tokio::test]
async fn the_head_is_made_anew_when_its_key_is_renewed() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let header = renewed(&vault_header(VAULT, 1), VaultPurpose::DocumentHead);
    start_with(&mut world, &header).await.unwrap();
    let head = async |world: &World| {
        let rows = documents(world).await;
        let row = rows.into_iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
        open(&header).head_open(row.version.into(), &row.body, &mut [0; 64]).unwrap()
    };
    assert_eq!(head(&world).await, 2);
    world.key(shop.organisation, &[Role::MerchantUser]).await;
    start_with(&mut world, &header).await.unwrap();
    let id = world.api_keys().await[0].id;
    world.vault.apikey_delete(&operator(&world.vault, 1).permit().unwrap(), id).await.unwrap();
    assert_eq!(head(&world).await, 2);
    start_with(&mut world, &header).await.unwrap();
    // The head names a key that the header before does not have.
    let older = start_with(&mut world, &vault_header(VAULT, 1)).await;
    assert_refused!(older, VaultError::Keys(KeysError::HeaderOlder));
}

/// A table of issuers that knows nothing, and is newer than any.
struct NewerTable;

impl BinTable for NewerTable {
    fn lookup(&self, _digits: &[u8]) -> IssuerFacts {
        IssuerFacts { table_version: self.version(), ..IssuerFacts::default() }
    }

    fn version(&self) -> u32 {
        u32::MAX
    }
}

/// A card whose key is destroyed is there, verifies, and is gone for whoever opens it. Nothing is written for it.
#[tokio::test]
async fn a_card_whose_data_key_is_destroyed_verifies_and_does_not_open() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let organisation = shop.organisation;
    world.store.plot(|plot| {
        plot.documents = Some(Box::new(move |rows| {
            for row in rows.iter_mut().filter(|row| row.kind == DocumentKind::OrganisationKey) {
                let key = OrganisationKey::decode(&row.body).unwrap();
                if (key.organisation, key.purpose) == (organisation, Purpose::Data) {
                    *row = heads::written(row, key.destroyed(Timestamp::from_unix_millis(1)).encode());
                }
            }
            heads::head_anew(rows);
        }));
    });
    world.reopen().await.unwrap();
    assert!(world.card_read(&shop, card).await.is_ok());
    assert_eq!(world.cards(&shop).await.unwrap().rows.len(), 1);
    let steps = world.store.trail(1).await.len();
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::NotFound(_));
    let change = CardChange { expiry_year: Some(2032), ..no_change() };
    assert_refused!(
        world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None).await,
        VaultError::NotFound(_)
    );
    let row = world.card_read(&shop, card).await.unwrap().row;
    world.vault = Vault::open(VaultParts { bins: Arc::new(NewerTable), ..world.parts() }).await.unwrap();
    let permit: Permit<CardRefresh> = operator(&world.vault, 1).permit().unwrap();
    assert_eq!(world.vault.card_refresh(&permit, Arc::clone(&row)).await.unwrap(), Refreshed::Gone);
    assert_eq!(world.store.trail(1).await.len(), steps, "nothing was written");
    // The CVV alone can still be put, and the card be deleted.
    assert!(world.cvv_put(&shop, card, "111").await.is_ok());
    let documents = world.store.document_read_all().await.unwrap();
    let verifier = RowVerifier::open(keys(), &documents).unwrap();
    assert!(verifier.card(&row).is_ok());
    let changed = CardRow { version: 2, ..CardRow::clone(&row) };
    assert_refused!(verifier.card(&changed), VaultError::Tampered(_));
    assert!(world.vault.card_delete(&world.permit(&shop.key), card).await.is_ok());
}
