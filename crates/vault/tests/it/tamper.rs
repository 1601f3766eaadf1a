//! Somebody with write access to the store changes rows. Whatever they change, the vault says so or knows nothing of the row; it
//! never gives a wrong answer.

use std::sync::Arc;

use panvault_model::{CardId, CardKind, Expiry, OrganisationId, Sealed, Tag};
use panvault_store::{CardRow, DocumentRow, IdempotencyRow, RefundRow, Store, TransactionRow};
use panvault_vault::{
    CardChange, CardCreate, CardUpdate, Metadata, Permit, TransactionCreate, TransactionRead, VaultError,
};

use crate::assert_refused;
use crate::world::{Shop, VISA, World, all_transactions, cvv_change, new_card, new_transaction, no_change};

/// Every row that differs in one byte from `row` and can still be read.
fn flipped<T: PartialEq>(row: &T, encode: fn(&T) -> Vec<u8>, decode: fn(&[u8]) -> Option<T>) -> Vec<T> {
    let bytes = encode(row);
    let mut rows = Vec::new();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x02, 0x10, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= mask;
            rows.extend(decode(&bytes).filter(|changed| changed != row));
        }
    }
    rows
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

pub(crate) fn flipped_cards(row: &CardRow) -> Vec<CardRow> {
    flipped(row, |row| encoded(|out| row.encode(out)), |bytes| CardRow::decode(bytes).ok())
}

pub(crate) fn flipped_transactions(row: &TransactionRow) -> Vec<TransactionRow> {
    flipped(row, |row| encoded(|out| row.encode(out)), |bytes| TransactionRow::decode(bytes).ok())
}

pub(crate) fn flipped_refunds(row: &RefundRow) -> Vec<RefundRow> {
    flipped(row, |row| encoded(|out| row.encode(out)), |bytes| RefundRow::decode(bytes).ok())
}

pub(crate) fn flipped_records(row: &IdempotencyRow) -> Vec<IdempotencyRow> {
    flipped(row, |row| encoded(|out| row.encode(out)), |bytes| IdempotencyRow::decode(bytes).ok())
}

fn flipped_documents(row: &DocumentRow) -> Vec<DocumentRow> {
    flipped(row, |row| encoded(|out| row.encode(out)), |bytes| DocumentRow::decode(bytes).ok())
}

const MISDIRECTED: &str = "a whole other card";

/// Every way in which a card is used, while the store hands out `changed` for it.
///
/// The bug: one that said that it was of somebody else was answered as a stranger's, 404, and so was the whole list that it was in. Its
/// cause: whose a card is was asked of its row before the row was held against its tag. Its cure: the tag comes first.
async fn card_is_refused(world: &World, shop: &Shop, card: CardId, changed: &CardRow, what: &str) {
    let row = changed.clone();
    world.store.plot(|plot| plot.card = Some(Box::new(move |stored| *stored = row.clone())));
    let permit: Permit<CardUpdate> = world.permit(&shop.key);
    let metadata = CardChange { metadata: Some(Metadata::new()), ..no_change() };
    let mut refused = vec![
        world.card_read(shop, card).await.err(),
        world.vault.card_update(&permit, card, shop.organisation, cvv_change("111"), None).await.err(),
        world.vault.card_update(&permit, card, shop.organisation, metadata, None).await.err(),
        world.transact(shop, card, 1_000).await.err(),
    ];
    // A list cannot tell that a whole good row was put in the place of another.
    if what != MISDIRECTED {
        refused.push(world.cards(shop).await.err());
    }
    world.store.leave();
    for (at, error) in refused.into_iter().enumerate() {
        assert!(matches!(error, Some(VaultError::Tampered(_))), "{what}, use {at}: {error:?}");
    }
}

#[tokio::test]
async fn any_changed_byte_of_a_card_is_noticed() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let row = world.card_read(&shop, card).await.unwrap().row;
    let rows = flipped_cards(&row);
    assert!(rows.len() > 700, "{}", rows.len());
    for (at, changed) in rows.iter().enumerate() {
        card_is_refused(&world, &shop, card, changed, &format!("change {at}")).await;
    }
    assert!(world.transact(&shop, card, 1_000).await.unwrap().cvv_present, "nothing used the CVV");
}

/// Every field by name: a new field does not compile here until it is looked after.
#[tokio::test]
async fn every_field_of_a_card_is_bound() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let other = world.card_create(&shop, "378282246310005", None).await.unwrap().row;
    let card = world.card(&shop).await;
    let row = CardRow::clone(&world.card_read(&shop, card).await.unwrap().row);
    let CardRow {
        id,
        organisation,
        version,
        kind: _,
        brand,
        bin,
        last_four,
        expiry: _,
        facts,
        fingerprint,
        fingerprint_key: _,
        fingerprint_before: _,
        metadata: _,
        created_at: _,
        updated_at: _,
        sealed_version: _,
        sealed_at: _,
        sealed,
        tag,
    } = CardRow::clone(&other);
    assert!(id != row.id && organisation == row.organisation && version == row.version);
    let later = row.created_at.plus_seconds(1);
    let changes = [
        CardRow { id, ..row.clone() },
        CardRow { organisation: OrganisationId::from_bytes([1; 12]), ..row.clone() },
        CardRow { version: 2, ..row.clone() },
        CardRow { kind: CardKind::NetworkToken, ..row.clone() },
        CardRow { brand, ..row.clone() },
        CardRow { brand: None, ..row.clone() },
        CardRow { bin, ..row.clone() },
        CardRow { last_four, ..row.clone() },
        CardRow { expiry: Expiry::new(2031, 12).unwrap(), ..row.clone() },
        CardRow { facts, ..row.clone() },
        CardRow { facts: panvault_model::IssuerFacts::default(), ..row.clone() },
        CardRow { fingerprint, ..row.clone() },
        CardRow { fingerprint_key: 2, ..row.clone() },
        CardRow { fingerprint_before: Some((fingerprint, 2)), ..row.clone() },
        CardRow { metadata: vec![("a".to_owned(), "b".to_owned())], ..row.clone() },
        CardRow { created_at: later, ..row.clone() },
        CardRow { updated_at: later, ..row.clone() },
        CardRow { sealed_at: later, ..row.clone() },
        CardRow { sealed_version: 2, ..row.clone() },
        CardRow { sealed, ..row.clone() },
        CardRow { sealed: Sealed::from_bytes([]), ..row.clone() },
        CardRow { tag, ..row.clone() },
        CardRow { tag: Tag { key: 2, ..row.tag }, ..row.clone() },
        CardRow { tag: Tag::NONE, ..row.clone() },
    ];
    for (at, changed) in changes.iter().enumerate() {
        card_is_refused(&world, &shop, card, changed, &format!("field {at}")).await;
    }
}

/// A whole good row of another card is handed out, as a disk that reads the wrong block does.
#[tokio::test]
async fn a_card_is_not_answered_for_another() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let other = world.card_create(&shop, VISA, None).await.unwrap().row;
    let card = world.card(&shop).await;
    card_is_refused(&world, &shop, card, &other, MISDIRECTED).await;
}

/// The caller sees both organisations, so that only the seal can tell.
#[tokio::test]
async fn a_card_cannot_be_moved_to_another_organisation() {
    let world = World::new().await;
    let top = world.shop(None).await;
    let below = world.shop(Some(top.organisation)).await;
    let card = world.card(&below).await;
    let row = CardRow::clone(&world.card_read(&top, card).await.unwrap().row);
    world.store.plot(|plot| {
        plot.card = Some(Box::new(move |stored| stored.organisation = top.organisation));
    });
    assert_refused!(world.card_read(&top, card).await, VaultError::Tampered(_));
    assert_refused!(world.card_read(&below, card).await, VaultError::Tampered(_));
    assert_refused!(world.vault.card_delete(&world.permit(&below.key), card).await, VaultError::Tampered(_));
    assert_refused!(world.cards(&below).await, VaultError::Tampered(_));
    assert_refused!(world.transact(&top, card, 1_000).await, VaultError::Tampered(_));
    world.store.leave();
    assert_eq!(*world.card_read(&below, card).await.unwrap().row, row);
}

#[tokio::test]
async fn an_older_version_with_its_own_seal_is_not_passed_off_as_newer() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let old = CardRow::clone(&world.card_read(&shop, card).await.unwrap().row);
    let change = CardChange { expiry_year: Some(2032), ..no_change() };
    world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None).await.unwrap();
    let new = CardRow::clone(&world.card_read(&shop, card).await.unwrap().row);
    for changed in [
        CardRow { version: new.version, ..old.clone() },
        CardRow { sealed: old.sealed.clone(), ..new.clone() },
        CardRow { sealed: old.sealed.clone(), tag: old.tag, ..new.clone() },
        CardRow { version: old.version, ..new.clone() },
    ] {
        card_is_refused(&world, &shop, card, &changed, "version").await;
    }
}

#[tokio::test]
async fn a_tampered_card_can_still_be_deleted() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.card = Some(Box::new(|row| row.sealed = Sealed::from_bytes([0; 109]))));
    assert!(world.vault.card_delete(&world.permit(&shop.key), card).await.is_ok());
    world.store.leave();
    assert_refused!(world.card_read(&shop, card).await, VaultError::NotFound(_));
}

#[tokio::test]
async fn any_changed_byte_of_a_transaction_is_noticed() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    let rows = flipped_transactions(&row);
    assert!(rows.len() > 500, "{}", rows.len());
    for (at, changed) in rows.into_iter().enumerate() {
        world.store.plot(|plot| plot.transaction = Some(Box::new(move |stored| *stored = changed.clone())));
        let permit: Permit<TransactionRead> = world.permit(&shop.key);
        for error in [
            world.vault.transaction_read(&permit, row.id).await.err(),
            world.vault.transaction_history(&permit, row.id).await.err(),
            world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.err(),
        ] {
            assert!(matches!(error, Some(VaultError::Tampered(_))), "change {at}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_history_is_whole_and_unchanged() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let (row, other) =
        (world.transact(&shop, card, 1_000).await.unwrap(), world.transact(&shop, card, 121).await.unwrap());
    let foreign = world.store.transaction_history(other.id).await.unwrap();
    let later = row.created_at.plus_seconds(1);
    type Change = Box<dyn Fn(&mut Vec<panvault_store::HistoryRow>) + Send>;
    let changes: Vec<Change> = vec![
        Box::new(|steps| steps[0].status = panvault_model::TransactionStatus::Declined),
        Box::new(|steps| steps[1].status_reason = Some("other".to_owned())),
        Box::new(move |steps| steps[0].created_at = later),
        Box::new(|steps| steps[0].version = 3),
        Box::new(|steps| steps[0].id = panvault_model::Id::from_bytes([1; 12])),
        Box::new(|steps| steps[0].tag.bytes[0] ^= 1),
        Box::new(|steps| steps.reverse()),
        Box::new(|steps| drop(steps.remove(0))),
        Box::new(|steps| drop(steps.pop())),
        Box::new(Vec::clear),
        Box::new(|steps| steps.push(steps[1].clone())),
        Box::new(move |steps| *steps = foreign.iter().map(|step| step.as_ref().clone()).collect()),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        world.store.plot(|plot| plot.history = Some(change));
        match world.vault.transaction_history(&world.permit(&shop.key), row.id).await {
            Err(VaultError::Tampered(_)) => {}
            answer => panic!("change {at}: {answer:?}"),
        }
    }
    world.store.leave();
    assert_eq!(world.vault.transaction_history(&world.permit(&shop.key), row.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_changed_document_keeps_the_vault_shut() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    world.shop(Some(shop.organisation)).await;
    let documents = world.store.document_read_all().await.unwrap();
    assert_eq!(documents.len(), 13, "two of each kind, their four keys and the head");
    for (place, document) in documents.iter().enumerate() {
        for changed in flipped_documents(document).into_iter().step_by(3) {
            world.store.plot(|plot| {
                plot.documents = Some(Box::new(move |rows| rows[place] = changed.clone()));
            });
            assert_refused!(world.reopen().await, VaultError::Tampered(_));
        }
    }
    world.store.leave();
    assert!(world.reopen().await.is_ok());
}

#[tokio::test]
async fn organisations_and_their_keys_do_not_go_missing_alone() {
    let mut world = World::new().await;
    world.organisation(None).await;
    let documents = world.store.document_read_all().await.unwrap();
    for missing in 0..documents.len() {
        world.store.plot(|plot| plot.documents = Some(Box::new(move |rows| drop(rows.remove(missing)))));
        assert_refused!(world.reopen().await, VaultError::Tampered(_));
    }
}

/// A change must not be followed by the vault either: it goes on with what it has, and what it writes agrees with that.
#[tokio::test]
async fn a_changed_document_is_not_taken_up_while_the_vault_runs() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.documents = Some(Box::new(|rows| rows[0].tag.bytes[0] ^= 1)));
    let new = world.organisation(Some(shop.organisation)).await;
    assert!(world.card_read(&shop, card).await.is_ok());
    assert_refused!(world.reopen().await, VaultError::Tampered(_));
    world.store.leave();
    world.reopen().await.unwrap();
    assert!(world.permit::<CardCreate>(&shop.key).within(new, panvault_vault::Named::Subject).is_ok());
}

#[tokio::test]
async fn a_changed_idempotency_record_is_never_an_answer() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card_create(&shop, VISA, None).await.unwrap().row.id;
    let record = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&record);
    let seen = move |row: &mut IdempotencyRow| *keep.lock().unwrap() = Some(row.clone());
    for operation in ["card_create", "card_update", "transaction_create"] {
        assert!(repeat(&world, &shop, card, operation).await.is_none());
        world.store.plot(|plot| plot.idempotency = Some(Box::new(seen.clone())));
        assert!(repeat(&world, &shop, card, operation).await.is_none(), "{operation} is repeated");
        let record = record.lock().unwrap().take().unwrap();
        for (at, changed) in flipped_records(&record).into_iter().enumerate() {
            world.store.plot(|plot| plot.idempotency = Some(Box::new(move |row| *row = changed.clone())));
            let error = repeat(&world, &shop, card, operation).await;
            assert!(matches!(error, Some(VaultError::Tampered(_))), "{operation}, change {at}: {error:?}");
        }
        world.store.leave();
    }
}

/// A record that is whole, but of another request.
#[tokio::test]
async fn a_record_is_not_moved_to_another_key() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card_create(&shop, VISA, None).await.unwrap().row.id;
    let permit: Permit<TransactionCreate> = world.permit(&shop.key);
    let send = async |key: &str| {
        let claim = world.idempotency(&permit, key, "body");
        let new = new_transaction(shop.account, card, 1_000);
        world.vault.transaction_create(&permit, new, Some(claim)).await
    };
    send("mine").await.unwrap();
    let record = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&record);
    world
        .store
        .plot(|plot| plot.idempotency = Some(Box::new(move |row| *keep.lock().unwrap() = Some(row.clone()))));
    send("mine").await.unwrap();
    world.store.leave();
    send("yours").await.unwrap();
    let mine = record.lock().unwrap().take().unwrap();
    world.store.plot(|plot| plot.idempotency = Some(Box::new(move |row| *row = mine.clone())));
    assert_refused!(send("yours").await, VaultError::Tampered(_));
}

async fn repeat(world: &World, shop: &Shop, card: CardId, operation: &str) -> Option<VaultError> {
    match operation {
        "card_create" => {
            let permit: Permit<CardCreate> = world.permit(&shop.key);
            let claim = world.idempotency(&permit, operation, "body");
            let new = new_card(VISA, None);
            world.vault.card_create(&permit, shop.organisation, new, Metadata::new(), Some(claim)).await.err()
        }
        "card_update" => {
            let permit: Permit<CardUpdate> = world.permit(&shop.key);
            let claim = world.idempotency(&permit, operation, "body");
            let change = cvv_change("111");
            world.vault.card_update(&permit, card, shop.organisation, change, Some(claim)).await.err()
        }
        _ => {
            let permit: Permit<TransactionCreate> = world.permit(&shop.key);
            let claim = world.idempotency(&permit, operation, "body");
            let new = new_transaction(shop.account, card, 1_000);
            world.vault.transaction_create(&permit, new, Some(claim)).await.err()
        }
    }
}
