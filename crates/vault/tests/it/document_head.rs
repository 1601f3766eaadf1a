//! Documents are exactly those that the vault left there.
//!
//! Each document bore a tag, so none could be changed; but one that was deleted could be put back from a backup, and one that was
//! there be taken away, by somebody without any key: a revoked API key worked again. A head now covers all documents and their
//! versions: sealed, how many they are and the exclusive or of keyed hashes of them.

use std::collections::HashSet;
use std::sync::Arc;

use panvault_model::{Id, Role};
use panvault_store::{Action, Commit, DocumentKind, DocumentRow, Outcome, Store};
use panvault_testkit::operator;
use panvault_vault::{
    ApiKeyDelete, Named, NewApiKey, Origin, Permit, RowVerifier, Vault, VaultError, documents_differ,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use crate::assert_refused;
use crate::heads;
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
    let keys = world.api_keys().await;
    let id = keys.iter().find(|row| row.organisation == shop.organisation).unwrap().id;
    let permit: Permit<ApiKeyDelete> = operator(&world.vault, 1).permit().unwrap();
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
    assert_refused!(start_with(&mut world, with_key.clone()).await, VaultError::Tampered(_));
    // Nor does the vault follow while it runs.
    assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    assert!(start_with(&mut world, now).await.is_ok());
    // Not even when the row stands in the files again: what is made then covers what should be there.
    let back = Commit {
        claim: None,
        expects: Vec::new(),
        effects: vec![with_key.last().unwrap().clone().into()],
        audit: world.store.trail(1).await[0].note,
    };
    assert!(matches!(world.store.commit(back).await, Ok(Outcome::Done { .. })));
    world.organisation(None).await;
    assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    assert_refused!(world.reopen().await, VaultError::Tampered(_));
}

#[tokio::test]
async fn a_document_that_is_taken_away_keeps_the_vault_shut() {
    let mut world = World::new().await;
    world.shop(None).await;
    let rows = documents(&world).await;
    let kinds: HashSet<_> = rows.iter().map(|row| row.kind).collect();
    assert_eq!((rows.len(), kinds.len()), (7, 6), "one of each kind, and two keys");
    for missing in 0..rows.len() {
        let mut rows = rows.clone();
        rows.remove(missing);
        assert_refused!(start_with(&mut world, rows).await, VaultError::Tampered(_));
    }
    let twice: Vec<_> = rows.iter().cloned().chain([rows[0].clone()]).collect();
    assert_refused!(start_with(&mut world, twice).await, VaultError::Tampered(_));
    let head_twice = rows.iter().chain(rows.iter().filter(|row| row.kind == DocumentKind::DocumentHead));
    assert_refused!(start_with(&mut world, head_twice.cloned().collect()).await, VaultError::Tampered(_));
}

/// With nothing left to disagree, it is the steps that were done which say that there were documents.
#[tokio::test]
async fn a_vault_that_lost_all_documents_does_not_open_as_a_new_one() {
    let mut world = World::new().await;
    assert!(world.reopen().await.is_ok(), "before the first change there are none, and no head");
    assert_eq!(documents(&world).await, []);
    world.organisation(None).await;
    world.store.plot(|plot| plot.documents = Some(Box::new(Vec::clear)));
    assert_refused!(world.reopen().await, VaultError::Tampered(_));
}

/// An older head is as genuine as the newer one.
#[tokio::test]
async fn a_head_that_is_rolled_back_keeps_the_vault_shut() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let before = documents(&world).await;
    world.organisation(Some(shop.organisation)).await;
    let now = documents(&world).await;
    let old = before.iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    let rows = now.iter().map(|row| if row.kind == old.kind { old } else { row }).cloned().collect();
    assert_refused!(start_with(&mut world, rows).await, VaultError::Tampered(_));
}

/// Whatever is put together of rows that the vault has ever written, it is taken up if it is all that was there at one moment, and
/// otherwise it is not: one row or several, put back, taken away, twice, or in the place of others.
#[tokio::test]
async fn only_what_was_there_at_one_moment_is_taken_up() {
    let world = World::new().await;
    let mut moments = vec![Vec::new()];
    let mut shops = Vec::new();
    for _ in 0..3 {
        shops.push(world.shop(None).await);
        moments.push(documents(&world).await);
    }
    for shop in &shops {
        revoke(&world, shop).await;
        moments.push(documents(&world).await);
        world.key(shop.organisation, &[Role::MerchantUser]).await;
        moments.push(documents(&world).await);
    }
    let mut pool: Vec<DocumentRow> = Vec::new();
    for row in moments.iter().flatten() {
        if !pool.contains(row) {
            pool.push(row.clone());
        }
    }
    let sorted = |rows: &[DocumentRow]| {
        let mut names: Vec<_> =
            rows.iter().map(|row| (row.kind, row.id, row.version, row.tag.bytes)).collect();
        names.sort_unstable();
        names
    };
    let genuine: Vec<_> = moments.iter().map(|rows| sorted(rows)).collect();
    let (mut taken_up, mut refused) = (0, 0);
    let mut runner = TestRunner::new(Config { cases: 2_000, ..Config::default() });
    let swaps = proptest::collection::vec((0..3_u8, 0..pool.len(), 0..pool.len()), 0..4);
    let mut judge = |moment: usize, swaps: &[(u8, usize, usize)]| {
        let mut rows: Vec<DocumentRow> = moments[moment].clone();
        for (what, from, to) in swaps {
            match what {
                0 => rows.push(pool[*from].clone()),
                1 if !rows.is_empty() => drop(rows.remove(from % rows.len())),
                _ if !rows.is_empty() => {
                    let at = to % rows.len();
                    rows[at] = pool[*from].clone();
                }
                _ => {}
            }
        }
        let opened = RowVerifier::open(keys(), &shared(&rows)).is_ok();
        assert_eq!(opened, genuine.contains(&sorted(&rows)), "{swaps:?} of moment {moment}");
        *if opened { &mut taken_up } else { &mut refused } += 1;
    };
    (0..moments.len()).for_each(|moment| judge(moment, &[]));
    for _ in 0..2_000 {
        let case = (0..moments.len(), &swaps).new_tree(&mut runner).unwrap().current();
        judge(case.0, &case.1);
    }
    assert!(taken_up > 20 && refused > 1_000, "{taken_up} and {refused}");
}

/// The head says that something is wrong; which it is, is said as far as it can be.
#[tokio::test]
async fn an_examination_says_which_documents_are_wrong() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let rows = documents(&world).await;
    let differ = |rows: &[DocumentRow]| documents_differ(&keys(), &shared(rows));
    assert!(differ(&[]).is_empty() && differ(&rows).is_empty());
    let at = |kind| rows.iter().position(|row| row.kind == kind).unwrap();
    let without = |kind| {
        let mut rows = rows.clone();
        rows.remove(at(kind));
        differ(&rows)
    };
    let organisation = shop.organisation;
    for (findings, said) in [
        (without(DocumentKind::Organisation), format!("there are keys of organisation {organisation},")),
        (without(DocumentKind::DocumentHead), "there are 0 heads of documents".to_owned()),
        (without(DocumentKind::OrganisationKey), format!("organisation {organisation} has no ")),
        (
            differ(&[rows.clone(), vec![rows[0].clone()]].concat()),
            format!("organisation {organisation} is there twice"),
        ),
    ] {
        assert!(findings.len() == 1 && findings[0].starts_with(&said), "{said}: {findings:?}");
    }
    assert!(without(DocumentKind::ApiKey).is_empty(), "the trail knows which");
    for (place, row) in rows.iter().enumerate() {
        let mut changed = rows.clone();
        changed[place].body[0] ^= 1;
        let said = format!("{} is not what the vault wrote", row.id);
        assert!(differ(&changed).iter().any(|finding| finding.ends_with(&said)), "{place}");
    }
}

/// Doctor holds one against the other: documents that were rolled back all together agree among themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_version_of_the_head_counts_the_changes_of_documents() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
            let new = new_key(&shop);
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
    let head = rows.iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    assert_eq!((head.id, usize::try_from(head.version).unwrap()), (Id::from_bytes([0; 12]), changes.count()));
    assert!(heads::agrees(&rows));
}

fn new_key(shop: &Shop) -> NewApiKey {
    NewApiKey {
        organisation: shop.organisation,
        name: "Key".to_owned(),
        roles: vec![Role::MerchantUser],
        allowed_origins: Vec::new(),
        expires_at: None,
    }
}

/// Two processes over one store: each takes up what the other did, at the latest with its own next change.
#[tokio::test]
async fn a_change_of_another_process_is_taken_up_and_planned_upon() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let other = Vault::open(world.parts()).await.unwrap();
    let make = async |vault: &Vault| {
        let permit = operator(vault, 1).permit().unwrap();
        vault.apikey_create(&permit, new_key(&shop)).await.unwrap().1.expose_text().to_owned()
    };
    let (first, second) = (make(&world.vault).await, make(&other).await);
    assert!(other.caller(&first, Origin::LOCAL).is_ok() && other.caller(&second, Origin::LOCAL).is_ok());
    let third = make(&world.vault).await;
    assert!(world.vault.caller(&second, Origin::LOCAL).is_ok());
    assert!(world.vault.caller(&third, Origin::LOCAL).is_ok());
    // What the other revoked is not revoked again.
    let id = other.caller(&third, Origin::LOCAL);
    assert_refused!(id.map(drop), VaultError::NotAuthenticated);
    let id = world.caller(&third).api_key().unwrap();
    world.vault.apikey_delete(&operator(&world.vault, 1).permit().unwrap(), id).await.unwrap();
    let again = other.apikey_delete(&operator(&other, 1).permit().unwrap(), id).await;
    assert_refused!(again, VaultError::NotFound(_));
    assert!(heads::agrees(&documents(&world).await));
}

/// A request sees the documents as they were when it came, whatever changes meanwhile.
#[tokio::test]
async fn a_request_sees_one_moment() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let before: Permit<ApiKeyDelete> = world.permit(&shop.key);
    let new = world.organisation(Some(shop.organisation)).await;
    assert_refused!(before.within(new, Named::Subject), VaultError::NotFound(_));
    assert!(world.permit::<ApiKeyDelete>(&shop.key).within(new, Named::Subject).is_ok());
}

/// Whoever asked may go: what is durable is taken up all the same.
#[tokio::test]
async fn a_key_that_is_revoked_is_refused_although_nobody_waited() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let id = world.caller(&shop.key).api_key().unwrap();
    let permit: Permit<ApiKeyDelete> = operator(&world.vault, 1).permit().unwrap();
    {
        let mut revoking = Box::pin(world.vault.apikey_delete(&permit, id));
        let polled = core::future::poll_fn(|context| {
            core::task::Poll::Ready(revoking.as_mut().poll(context).is_ready())
        });
        assert!(!polled.await, "it is under way");
    }
    // The next change waits for that one.
    world.organisation(None).await;
    assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
}

/// What a change costs does not grow with what is there: the rows of one commit, their bytes, and no reading of all documents.
#[tokio::test]
async fn a_change_writes_its_own_rows_and_the_head() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let counted = world.store.clone();
    let read = counted.documents_read();
    let mut written = Vec::new();
    for n in 0..2_000 {
        let before = counted.written();
        let organisation = world.organisation(Some(shop.organisation)).await;
        world.account(organisation, 0).await;
        world.key(organisation, &[Role::MerchantUser]).await;
        let after = counted.written();
        if n == 9 || n == 1_999 {
            written.push((
                after.commits - before.commits,
                after.rows - before.rows,
                after.bytes - before.bytes,
            ));
        }
    }
    assert_eq!(written[0], written[1], "the 10th and the 2,000th");
    // Four changes: an organisation with two keys, a processor, an account and an API key, each with the head.
    assert_eq!((written[0].0, written[0].1), (4, 6 + 4));
    assert_eq!(counted.documents_read(), read, "nothing was read again");
    assert!(heads::agrees(&documents(&world).await));
}
