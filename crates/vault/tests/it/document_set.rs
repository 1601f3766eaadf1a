//! Documents are exactly those that the vault left there.
//!
//! Each document bore a tag, so none could be changed; but one that was deleted could be put back from a backup, and one that was
//! there be taken away, by somebody without any key: a revoked API key worked again. A set now lists all documents and their
//! versions, and bears a tag too.

use std::collections::HashSet;
use std::sync::Arc;

use panvault_model::{Id, Role};
use panvault_store::{Action, DocumentKind, DocumentRow, DocumentSetRow, Store};
use panvault_vault::{ApiKeyDelete, NewApiKey, NewOrganisation, Origin, Permit, RowVerifier, VaultError};

use crate::assert_refused;
use crate::world::{Shop, World, keys};

async fn documents(world: &World) -> Vec<DocumentRow> {
    world.store.document_read_all().await.unwrap().iter().map(|row| row.as_ref().clone()).collect()
}

fn shared(rows: &[DocumentRow]) -> Vec<Arc<DocumentRow>> {
    rows.iter().cloned().map(Arc::new).collect()
}

/// The next start finds these documents and no others.
async fn start_with(world: &mut World, rows: Vec<DocumentRow>) -> Result<(), VaultError> {
    let verified = RowVerifier::open(keys(), &shared(&rows)).map(drop);
    world.store.plot(|plot| plot.documents = Some(Box::new(move |there| there.clone_from(&rows))));
    let opened = world.reopen().await;
    world.store.leave();
    assert_eq!(opened.is_ok(), verified.is_ok(), "a start and an examination agree");
    opened
}

async fn revoke(world: &World, shop: &Shop) {
    let id = world.vault.apikey_list(&world.vault.operator().permit().unwrap());
    let id = id.iter().find(|row| row.organisation == shop.organisation).unwrap().id;
    let permit: Permit<ApiKeyDelete> = world.vault.operator().permit().unwrap();
    world.vault.apikey_delete(&permit, id).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_that_is_put_back_keeps_the_vault_shut() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let before = documents(&world).await;
    revoke(&world, &shop).await;
    let now = documents(&world).await;
    let key = before.iter().find(|row| row.kind == DocumentKind::ApiKey).unwrap().clone();
    let with_key: Vec<_> = now.iter().cloned().chain([key]).collect();
    assert_refused!(start_with(&mut world, with_key.clone()).await, VaultError::Tampered);
    // Nor does the vault follow while it runs.
    world.store.plot(|plot| plot.documents = Some(Box::new(move |rows| rows.clone_from(&with_key))));
    let new = NewOrganisation { name: "New".to_owned(), ..NewOrganisation::default() };
    let made = world.vault.organisation_create(&world.vault.operator().permit().unwrap(), new).await;
    assert_refused!(made, VaultError::Tampered);
    assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    world.store.leave();
    assert!(start_with(&mut world, now).await.is_ok());
}

#[tokio::test]
async fn a_document_that_is_taken_away_keeps_the_vault_shut() {
    let mut world = World::new().await;
    world.shop(None).await;
    let rows = documents(&world).await;
    let kinds: HashSet<_> = rows.iter().map(|row| row.kind).collect();
    assert_eq!((rows.len(), kinds.len()), (6, 6), "one of each kind");
    for missing in 0..rows.len() {
        let mut rows = rows.clone();
        rows.remove(missing);
        assert_refused!(start_with(&mut world, rows).await, VaultError::Tampered);
    }
    let twice: Vec<_> = rows.iter().cloned().chain([rows[0].clone()]).collect();
    assert_refused!(start_with(&mut world, twice).await, VaultError::Tampered);
    let set_twice = rows.iter().chain(rows.iter().filter(|row| row.kind == DocumentKind::DocumentSet));
    assert_refused!(start_with(&mut world, set_twice.cloned().collect()).await, VaultError::Tampered);
}

/// With nothing left to disagree, it is the steps that were done which say that there were documents.
#[tokio::test]
async fn a_vault_that_lost_all_documents_does_not_open_as_a_new_one() {
    let mut world = World::new().await;
    assert!(world.reopen().await.is_ok(), "before the first change there are none, and no set");
    assert_eq!(documents(&world).await, []);
    world.organisation(None).await;
    world.store.plot(|plot| plot.documents = Some(Box::new(Vec::clear)));
    assert_refused!(world.reopen().await, VaultError::Tampered);
}

/// An older set, or an older registry, is as genuine as the newer one.
#[tokio::test]
async fn a_document_that_is_rolled_back_keeps_the_vault_shut() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let before = documents(&world).await;
    world.organisation(Some(shop.organisation)).await;
    let now = documents(&world).await;
    for kind in [DocumentKind::KeyRegistry, DocumentKind::DocumentSet] {
        let old = before.iter().find(|row| row.kind == kind).unwrap();
        let rows = now.iter().map(|row| if row.kind == kind { old } else { row }).cloned().collect();
        assert_refused!(start_with(&mut world, rows).await, VaultError::Tampered);
    }
}

/// Doctor holds one against the other: documents that were rolled back all together agree among themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_version_of_the_set_counts_the_changes_of_documents() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
            let new = NewApiKey {
                organisation: shop.organisation,
                name: "Key".to_owned(),
                roles: vec![Role::MerchantUser],
                expires_at: None,
            };
            tokio::spawn(async move { vault.apikey_create(&permit, new).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    revoke(&world, &shop).await;
    let trail = world.store.trail(1).await;
    let changes = trail.iter().filter(|record| {
        [Action::DocumentCreate, Action::DocumentUpdate, Action::DocumentDelete].contains(&record.note.action)
    });
    let rows = documents(&world).await;
    let set = rows.iter().find(|row| row.kind == DocumentKind::DocumentSet).unwrap();
    assert_eq!((set.id, usize::try_from(set.version).unwrap()), (Id::from_bytes([0; 12]), changes.count()));
    let listed = DocumentSetRow::decode(&set.body).unwrap().entries;
    let others = rows.iter().filter(|row| row.kind != DocumentKind::DocumentSet);
    assert!(listed.into_iter().eq(others.map(|row| (row.kind, row.id, row.version))));
}
