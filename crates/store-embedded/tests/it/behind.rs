//! Between a step's flush and its place in the view.

use panvault_model::{RefundStatus, TransactionStatus};
use panvault_store::{Commit, DocumentKind, Expect, Outcome, RowKey, Store, StoreFault};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_testkit::conformance::rows::{
    VAULT, at, card, card_answer, card_changed, chain, document, id, kept, key, refund, refund_settled,
    refunded, transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    card_delete, card_insert, card_update, claim, document_delete, document_put, documents_commit,
    refund_create, refund_settle, sweep, transaction_initiate, transaction_settle,
};

use crate::support::{Home, all_of, block_on, done, settings};

/// Holds the view, so that nothing is applied, and looks at what is read and decided meanwhile.
#[test]
fn what_is_durable_is_read_and_decided_on_before_the_view_has_it() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let record = kept(key(1), 0, card_answer(&card(10)));
        let claim = claim(&record, at(0));
        done(store.commit(Commit { claim, ..card_insert(&card(10)) }).await.unwrap());
        done(store.commit(card_insert(&card(11))).await.unwrap());
        let paid = transaction(20, card(11).id);
        done(store.commit(transaction_initiate(&paid)).await.unwrap());
        let made = vec![document_put(document(DocumentKind::Account, 1, 1))];
        done(store.commit(documents_commit(made)).await.unwrap());
        while store.status().behind > 0 {
            tokio::task::yield_now().await;
        }

        let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        view.execute_batch("BEGIN IMMEDIATE").unwrap();
        let changed = card_changed(&card(11));
        let settled = transaction_settled(&paid, TransactionStatus::Declined);
        done(store.commit(card_delete(&card(10))).await.unwrap());
        done(store.commit(card_update(&changed)).await.unwrap());
        done(store.commit(transaction_settle(&settled)).await.unwrap());
        let (returned, with) = (refund(30, paid.id), refunded(&settled));
        done(store.commit(refund_create(&returned, &with)).await.unwrap());
        let processed = refund_settled(&returned, RefundStatus::Processed);
        done(store.commit(refund_settle(&processed)).await.unwrap());
        done(store.commit(sweep(&[key(1)], at(86_400))).await.unwrap());
        let gone = vec![document_delete(DocumentKind::Account, id(1), 1)];
        done(store.commit(documents_commit(gone)).await.unwrap());
        assert_eq!(store.status().behind, 7);

        assert_eq!(store.card_read(card(10).id).await, Ok(None));
        assert_eq!(store.card_read(changed.id).await.unwrap().as_deref(), Some(&changed));
        assert_eq!(store.transaction_read(paid.id).await.unwrap().as_deref(), Some(&with));
        assert_eq!(store.refund_read(returned.id).await.unwrap().as_deref(), Some(&processed));
        assert_eq!(store.commit(refund_settle(&processed)).await, Ok(Outcome::Unmet(0)));
        assert_eq!(store.commit(refund_create(&refund(31, paid.id), &with)).await, Ok(Outcome::Unmet(0)));
        assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
        assert_eq!(store.commit(card_delete(&card(10))).await, Ok(Outcome::Unmet(0)));
        assert_eq!(store.commit(card_update(&changed)).await, Ok(Outcome::Unmet(0)));
        assert_eq!(store.commit(transaction_settle(&settled)).await, Ok(Outcome::Unmet(0)));
        let renewed = vec![Expect::Version(RowKey::Idempotency(key(1)), 2)];
        let renewed = Commit { expects: renewed, ..sweep(&[], at(86_400)) };
        assert_eq!(store.commit(renewed).await, Ok(Outcome::Unmet(0)));
        let again = vec![document_put(document(DocumentKind::Account, 1, 2))];
        assert_eq!(store.commit(documents_commit(again)).await, Ok(Outcome::Unmet(0)));

        view.execute_batch("ROLLBACK").unwrap();
        let all = all_of(&store).await;
        assert_eq!((all.cards.len(), all.open.len(), all.documents.len(), all.audit.len()), (1, 0, 0, 11));
        assert_eq!((all.refunds.len(), all.refunds_open.len()), (1, 0));
    });
    assert_eq!(home.examine().findings, []);
}

/// The bug: two hundred thousand steps might wait for the view, of whatever size, and take gigabytes. Its cause: they were counted, and their
/// bytes were not. Its cure: both are.
#[test]
fn so_many_bytes_wait_for_the_view_and_more_are_refused() {
    let home = Home::new();
    block_on(async {
        let settings = Settings { behind_bytes_max: 8192, ..settings() };
        let store = EmbeddedStore::open(home.path(), VAULT, chain(VAULT), settings).unwrap();
        let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        view.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut taken = 0;
        let refused = loop {
            match store.commit(card_insert(&card(taken))).await {
                Ok(outcome) => done(outcome),
                Err(fault) => break fault,
            };
            taken += 1;
        };
        assert_eq!(refused, StoreFault::Busy);
        assert!((8..200).contains(&taken), "{taken}");
        assert!(store.card_read(card(taken - 1).id).await.unwrap().is_some());
        view.execute_batch("ROLLBACK").unwrap();
        while store.status().behind > 0 {
            tokio::task::yield_now().await;
        }
        done(store.commit(card_insert(&card(taken))).await.unwrap());
    });
    assert_eq!(home.examine().findings, []);
}
