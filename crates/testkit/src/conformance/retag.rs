//! A row is given another tag: its version stays, and so does all that finds it.

use std::sync::Arc;

use panvault_model::{RefundStatus, Tag, TransactionStatus};
use panvault_store::{
    CardRow, Commit, CustomerRow, Effect, Expect, Outcome, RefundRow, Row, Store, Table, TransactionRow,
};

use crate::conformance::commit::{one_of_each, plain};
use crate::conformance::rows::{
    card, card_changed, customer, customer_changed, refund, refund_settled, transaction, transaction_settled,
};
use crate::conformance::{
    StoreCase, card_delete, card_insert, card_update, cases, customer_delete, customer_update, done,
    refund_settle, transaction_initiate, transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    rows_of_every_table_are_given_another_tag
    a_row_is_given_another_tag_with_the_commit_that_brought_it
    a_row_that_changed_meanwhile_keeps_its_tag
};

const NEW: Tag = Tag { key: 7, bytes: [7; 16] };

fn retagged(row: &Row) -> Row {
    match row {
        Row::Card(row) => CardRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Transaction(row) => TransactionRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::History(row) => panvault_store::HistoryRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Document(row) => panvault_store::DocumentRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Idempotency(row) => panvault_store::IdempotencyRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::CardCvv(row) => panvault_store::CardCvvRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Node(row) => panvault_store::NodeRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::ApiKeyUse(row) => panvault_store::ApiKeyUseRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Refund(row) => RefundRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Customer(row) => CustomerRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Delivery(row) => panvault_store::DeliveryRow { tag: NEW, ..row.as_ref().clone() }.into(),
        Row::Checkout(row) => panvault_store::CheckoutRow { tag: NEW, ..row.as_ref().clone() }.into(),
    }
}

fn retag(rows: &[Row]) -> Commit {
    let expects = rows.iter().map(|row| Expect::Version(row.key(), row.version())).collect();
    plain(expects, rows.iter().map(|row| Effect::Retag(retagged(row))).collect())
}

async fn rows_of_every_table_are_given_another_tag(store: &dyn Store) {
    let rows = one_of_each(store).await;
    // What is there is in the view of it by then.
    for table in Table::ALL {
        store.row_page(table, None, 10).await.unwrap();
    }
    let totals = store.totals().await;
    done(store.commit(retag(&rows)).await.unwrap());
    for row in &rows {
        let page = store.row_page(row.key().table(), None, 1000).await.unwrap();
        assert!(page.contains(&retagged(row)), "{row:?}");
        assert!(!page.contains(row), "{row:?}");
    }
    assert_eq!(store.totals().await, totals);
    // Each changes, and goes, from the version in which it was.
    let paid = TransactionRow { tag: NEW, ..transaction(20, card(10).id) };
    let settled = transaction_settled(&paid, TransactionStatus::Authorized);
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    let returned = RefundRow { tag: NEW, ..refund(30, paid.id) };
    done(store.commit(refund_settle(&refund_settled(&returned, RefundStatus::Processed))).await.unwrap());
    let known = customer_changed(&CustomerRow { tag: NEW, ..customer(50, 1) }, Some(2));
    done(store.commit(customer_update(&known)).await.unwrap());
    done(store.commit(customer_delete(&known)).await.unwrap());
    done(store.commit(card_delete(&card(10))).await.unwrap());
    assert_eq!(store.transaction_read(paid.id).await, Ok(Some(Arc::new(settled))));
    assert_eq!(store.card_read(card(10).id).await, Ok(None));
}

/// Nobody waits in between: both are on their way at once.
async fn a_row_is_given_another_tag_with_the_commit_that_brought_it(store: &dyn Store) {
    let cards: Vec<_> = (10..30).map(|n| (n, card(n))).collect();
    let steps: Vec<_> = cards
        .iter()
        .map(|(n, card)| {
            let paid = transaction(n + 100, card.id);
            let rows = [Row::from(card.clone()), paid.clone().into()];
            let brought = (store.commit(card_insert(card)), store.commit(transaction_initiate(&paid)));
            let changed = store.commit(retag(&rows));
            (brought, changed, store.commit(card_update(&card_changed(card))))
        })
        .collect();
    for ((card, paid), retagged, changed) in steps {
        for step in [card, paid, retagged, changed] {
            done(step.await.unwrap());
        }
    }
    for (_, card) in &cards {
        assert_eq!(store.card_read(card.id).await, Ok(Some(Arc::new(card_changed(card)))));
    }
    let page = store.row_page(Table::Transaction, None, 100).await.unwrap();
    assert_eq!(page.len(), cards.len());
    assert!(page.iter().all(|row| matches!(row, Row::Transaction(row) if row.tag == NEW)));
    assert_eq!(store.row_page(Table::Card, None, 100).await.map(|page| page.len()), Ok(cards.len()));
}

async fn a_row_that_changed_meanwhile_keeps_its_tag(store: &dyn Store) {
    let first = card(10);
    done(store.commit(card_insert(&first)).await.unwrap());
    let changed = card_changed(&first);
    done(store.commit(card_update(&changed)).await.unwrap());
    assert_eq!(store.commit(retag(&[first.clone().into()])).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.card_read(first.id).await, Ok(Some(Arc::new(changed))));
}
