use panvault_model::TransactionStatus;
use panvault_store::{AuditRecord, DocumentChange, DocumentKind, Outcome, Store, StoreFault};

use crate::conformance::rows::{card, card_changed, document, transaction, transaction_settled};
use crate::conformance::{
    StoreCase, card_delete, card_insert, card_update, cases, documents_commit, done, transaction_initiate,
    transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    every_step_has_its_note_and_number
    the_trail_is_read_in_parts
};

async fn every_step_has_its_note_and_number(store: &dyn Store) {
    let row = card(10);
    let changed = card_changed(&row);
    let paid = transaction(20, row.id);
    let settled = transaction_settled(&paid, TransactionStatus::Declined);
    let documents = documents_commit(vec![DocumentChange::Put(document(DocumentKind::Account, 1, 1))]);
    let mut trail = Vec::new();
    let mut add = |sequence, note| trail.push(AuditRecord { sequence, note });

    assert_eq!(store.card_delete(card_delete(&row)).await, Ok(Outcome::NotFound));
    add(done(store.card_insert(card_insert(&row)).await.unwrap()).1, card_insert(&row).audit);
    add(done(store.card_update(card_update(&changed)).await.unwrap()).1, card_update(&changed).audit);
    assert_eq!(store.card_update(card_update(&changed)).await, Ok(Outcome::Stale));
    let initiate = transaction_initiate(&paid);
    add(done(store.transaction_initiate(initiate.clone()).await.unwrap()).1, initiate.audit);
    let settle = transaction_settle(&settled);
    add(done(store.transaction_settle(settle.clone()).await.unwrap()).1, settle.audit);
    add(done(store.document_commit(documents.clone()).await.unwrap()).1, documents.audit);
    assert_eq!(store.document_commit(documents).await, Ok(Outcome::Stale));
    add(done(store.card_delete(card_delete(&changed)).await.unwrap()).1, card_delete(&changed).audit);

    assert!(trail.iter().map(|record| record.sequence).eq(1..=6), "numbered without gaps: {trail:?}");
    assert_eq!(store.status().sequence, 6);
    assert_eq!(store.audit_read(1, 100).await, Ok(trail));
}

async fn the_trail_is_read_in_parts(store: &dyn Store) {
    for n in 10..20 {
        done(store.card_insert(card_insert(&card(n))).await.unwrap());
    }
    let read = async |first, limit| -> Result<Vec<u64>, StoreFault> {
        let records = store.audit_read(first, limit).await?;
        Ok(records.into_iter().map(|record| record.sequence).collect())
    };
    assert_eq!(read(0, 2).await, Ok(vec![1, 2]));
    assert_eq!(read(4, 3).await, Ok(vec![4, 5, 6]));
    assert_eq!(read(9, 100).await, Ok(vec![9, 10]));
    assert_eq!(read(10, 1).await, Ok(vec![10]));
    for (first, limit) in [(11, 100), (u64::MAX, 100), (1, 0)] {
        assert_eq!(read(first, limit).await, Ok(Vec::new()), "from {first}, {limit} of them");
    }
}
