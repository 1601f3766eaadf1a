use std::sync::{Arc, Mutex};

use panvault_card::CardBlock;
use panvault_keys::Place;
use panvault_model::{OrganisationId, VaultId};
use panvault_store::{CardRow, Store};
use panvault_testkit::{SeededEntropy, vault_keys};
use panvault_vault::{NewRefund, Permit, RowVerifier, TransactionCreate, VaultError};

use crate::assert_refused;
use crate::tamper::{flipped_cards, flipped_records, flipped_refunds, flipped_transactions};
use crate::world::{AMEX, VAULT, VISA, World, key_ring, keys, new_transaction, place};

async fn verifier(world: &World) -> RowVerifier {
    RowVerifier::open(keys(), &world.store.document_read_all().await.unwrap()).unwrap()
}

#[tokio::test]
async fn accepts_what_the_vault_wrote_and_nothing_else() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let verifier = verifier(&world).await;

    let row = world.store.card_read(card).await.unwrap().unwrap();
    assert!(verifier.card(&row).is_ok());
    for changed in flipped_cards(&row) {
        assert_refused!(verifier.card(&changed), VaultError::Tampered(_));
    }

    let record = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&record);
    let permit: Permit<TransactionCreate> = world.permit(&shop.key);
    let claim = world.idempotency(&permit, "key", "body");
    let mut rows = Vec::new();
    for _ in 0..2 {
        let new = new_transaction(shop.account, card, 1_000);
        rows.push(world.vault.transaction_create(&permit, new, Some(claim)).await.unwrap().value);
        let keep = Arc::clone(&keep);
        world.store.plot(|plot| {
            plot.idempotency = Some(Box::new(move |row| *keep.lock().unwrap() = Some(row.clone())))
        });
    }
    assert!(verifier.transaction(&rows[0]).is_ok());
    for changed in flipped_transactions(&rows[0]) {
        assert_refused!(verifier.transaction(&changed), VaultError::Tampered(_));
    }
    world.settle().await;
    let refund = NewRefund { amount: None, reason: None, merchant_reference: None };
    let refund =
        world.vault.refund_create(&world.permit(&shop.key), rows[0].id, refund, None).await.unwrap().value;
    assert!(verifier.refund(&refund).is_ok());
    for changed in flipped_refunds(&refund) {
        assert_refused!(verifier.refund(&changed), VaultError::Tampered(_));
    }
    let record = record.lock().unwrap().take().unwrap();
    assert!(verifier.idempotency(&record).is_ok());
    for changed in flipped_records(&record) {
        assert_refused!(verifier.idempotency(&changed), VaultError::Tampered(_));
    }
    for step in world.store.transaction_history(rows[0].id).await.unwrap() {
        assert!(verifier.history(&step).is_ok());
        let mut changed = step.as_ref().clone();
        changed.status_reason = Some("other".to_owned());
        assert_refused!(verifier.history(&changed), VaultError::Tampered(_));
    }
}

/// The row's seal is good, but its organisation is not among the documents.
#[tokio::test]
async fn a_card_of_an_organisation_that_does_not_exist_is_refused() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let row = world.store.card_read(card).await.unwrap().unwrap();
    let moved = CardRow { organisation: OrganisationId::from_bytes([9; 12]), ..CardRow::clone(&row) };
    assert_refused!(verifier(&world).await.card(&moved), VaultError::Tampered(_));
}

#[tokio::test]
async fn another_vault_s_keys_do_not_open() {
    let world = World::new().await;
    world.shop(None).await;
    let documents = world.store.document_read_all().await.unwrap();
    assert!(RowVerifier::open(keys(), &documents).is_ok());
    for other in [vault_keys(VAULT, 2), vault_keys(VaultId::from_bytes([0; 12]), 2)] {
        assert_refused!(RowVerifier::open(other, &documents), VaultError::Tampered(_));
    }
}

/// The seal is good and the fingerprint is bound to it, but it is another number's.
#[tokio::test]
async fn a_fingerprint_of_another_number_is_refused() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let row = world.card_create(&shop, VISA, None).await.unwrap().row;
    let other = world.card_create(&shop, AMEX, None).await.unwrap().row;
    let ring = key_ring(&world.store).await;
    let mut block = CardBlock::empty();
    ring.card_open(&place(&row, &mut Vec::new()), &row.sealed, block.expose_bytes_mut()).unwrap();
    let sealed = |row: &CardRow| {
        let dice = SeededEntropy::new(3);
        let (mut clear, mut tagged) = (Vec::new(), Vec::new());
        let place = place(row, &mut clear);
        let sealed = ring.card_seal(&place, block.expose_bytes(), &dice).unwrap();
        row.encode_clear(&mut tagged);
        row.encode_tagged_only(&mut tagged);
        let tag = keys().card_tag(&Place { row_version: row.version, clear: &tagged, ..place }, &sealed);
        CardRow { sealed, tag, ..row.clone() }
    };
    let verifier = verifier(&world).await;
    assert!(verifier.card(&sealed(&row)).is_ok());
    let wrong = CardRow { fingerprint: other.fingerprint, ..CardRow::clone(&row) };
    assert_refused!(verifier.card(&sealed(&wrong)), VaultError::Tampered(_));
}
