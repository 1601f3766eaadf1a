use panvault_model::TransactionStatus;
use panvault_store::checkpoint::TrailMark;
use panvault_store::{AuditRecord, Outcome, Store, StoreFault};

use crate::conformance::rows::{card, card_changed, document, transaction, transaction_settled};
use crate::conformance::{
    StoreCase, card_delete, card_insert, card_update, cases, document_put, documents_commit, done,
    transaction_initiate, transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    every_commit_has_its_note_and_place
    the_trail_is_read_in_parts
};

async fn every_commit_has_its_note_and_place(store: &dyn Store) {
    let row = card(10);
    let changed = card_changed(&row);
    let paid = transaction(20, row.id);
    let settled = transaction_settled(&paid, TransactionStatus::Declined);
    let document = document(panvault_store::DocumentKind::Account, 1, 1);
    assert_eq!(store.audit_writers().await, Ok(Vec::new()));
    assert_eq!(store.commit(card_delete(&row)).await, Ok(Outcome::Unmet(0)));
    let commits = [
        card_insert(&row),
        card_update(&changed),
        transaction_initiate(&paid),
        transaction_settle(&settled),
        documents_commit(vec![document_put(document)]),
        card_delete(&changed),
    ];
    let mut notes = Vec::new();
    for commit in commits {
        notes.push(commit.audit);
        done(store.commit(commit.clone()).await.unwrap());
        assert!(matches!(store.commit(commit).await, Ok(Outcome::Unmet(_))));
    }
    let writers = store.audit_writers().await.unwrap();
    let [writer] = writers[..] else { panic!("one wrote: {writers:?}") };
    let record = |(place, note)| AuditRecord { writer, place, note };
    let trail: Vec<_> = (1..).zip(notes).map(record).collect();
    assert_eq!(store.status().sequence, 6);
    let nobody = panvault_model::NodeId::from_bytes([0xee; 12]);
    assert_eq!(store.audit_ends(vec![nobody, writer]).await, Ok(vec![0, 6]), "where each has come to");
    let marks = vec![(nobody, u64::MAX), (writer, u64::MAX), (writer, 6), (writer, 0)];
    let marks = store.audit_marks(marks).await.unwrap();
    let [of_nobody, last, sixth, before] = marks[..] else { panic!("{marks:?}") };
    assert_eq!((of_nobody, before, last.place), (TrailMark::NONE, TrailMark::NONE, 6));
    assert_eq!(last, sixth, "a place that is there and all that come are of one step");
    assert_eq!(store.audit_read(writer, 1, 100).await, Ok(trail));
    assert_eq!(store.audit_read(nobody, 1, 100).await, Ok(Vec::new()));
}

async fn the_trail_is_read_in_parts(store: &dyn Store) {
    for n in 10..20 {
        done(store.commit(card_insert(&card(n))).await.unwrap());
    }
    let writer = store.audit_writers().await.unwrap()[0];
    let read = async |first, limit| -> Result<Vec<u64>, StoreFault> {
        let records = store.audit_read(writer, first, limit).await?;
        Ok(records.into_iter().map(|record| record.place).collect())
    };
    assert_eq!(read(0, 2).await, Ok(vec![1, 2]));
    assert_eq!(read(4, 3).await, Ok(vec![4, 5, 6]));
    assert_eq!(read(9, 100).await, Ok(vec![9, 10]));
    assert_eq!(read(10, 1).await, Ok(vec![10]));
    for (first, limit) in [(11, 100), (u64::MAX, 100), (1, 0)] {
        assert_eq!(read(first, limit).await, Ok(Vec::new()), "from {first}, {limit} of them");
    }
}

/// What is forgotten of the trail is gone, and the rest is chained as it was. The store is empty at first. A view that is made anew of the log has all that the log has, so this is no
/// case of every store's suite.
pub async fn what_is_forgotten_is_gone(store: &dyn Store) {
    for n in 10..20 {
        done(store.commit(card_insert(&card(n))).await.unwrap());
    }
    let writer = store.audit_writers().await.unwrap()[0];
    let read = async |first, limit| -> Vec<u64> {
        let records = store.audit_read(writer, first, limit).await.unwrap();
        records.into_iter().map(|record| record.place).collect()
    };
    let nobody = panvault_model::NodeId::from_bytes([0xee; 12]);
    for (of, first) in [(writer, 0), (writer, 1), (nobody, 9)] {
        assert_eq!(store.audit_forget(of, first).await, Ok(()));
        assert_eq!(read(1, 100).await, (1..=10).collect::<Vec<_>>(), "nothing is before {first}");
    }
    for first in [6, 6, 4] {
        assert_eq!(store.audit_forget(writer, first).await, Ok(()));
        assert_eq!(read(6, 100).await, [6, 7, 8, 9, 10]);
        assert_eq!(read(8, 2).await, [8, 9]);
    }
    // A step may be kept that others hang on, and no more than one.
    let before = store.audit_read(writer, 1, 100).await.unwrap_or_default();
    assert!(before.iter().all(|record| record.place >= 5), "{before:?}");
    assert_eq!(store.audit_ends(vec![writer]).await, Ok(vec![10]));
    assert_eq!(store.audit_forget(writer, u64::MAX).await, Ok(()));
    assert_eq!(read(10, 1).await, [10], "the last stays");
    done(store.commit(card_insert(&card(20))).await.unwrap());
    assert_eq!(read(10, 100).await, [10, 11]);
    assert_eq!(store.audit_ends(vec![writer]).await, Ok(vec![11]));
}
