use std::sync::Arc;

use panvault_model::{ActionState, RefundId, RefundStatus, TransactionId};
use panvault_store::{
    Field, FieldValue, Filter, Outcome, Query, RefundField, RefundQuery, RefundRow, Store, Test,
    TransactionRow,
};

use crate::conformance::rows::{card, id, organisation, refund, refund_settled, refunded, transaction};
use crate::conformance::{
    StoreCase, card_insert, cases, done, refund_create, refund_settle, transaction_initiate,
};

pub(super) const CASES: &[StoreCase] = cases! {
    a_refund_comes_with_its_transaction
    of_refunds_onto_one_version_one_is_made
    a_refund_is_settled_by_the_version_that_was_read
    open_refunds_are_those_without_an_outcome
    refunds_come_newest_first_and_by_organisation
    every_refund_field_finds_its_refund
    refunds_of_a_transaction_are_found_by_it
};

/// Transactions with these numbers, of organisation 1.
async fn paid<const N: usize>(store: &dyn Store, numbers: [u64; N]) -> [TransactionRow; N] {
    let card = card(10);
    done(store.commit(card_insert(&card)).await.unwrap());
    let rows = numbers.map(|n| transaction(n, card.id));
    for row in &rows {
        done(store.commit(transaction_initiate(row)).await.unwrap());
    }
    rows
}

async fn a_refund_comes_with_its_transaction(store: &dyn Store) {
    let [of] = paid(store, [20]).await;
    let (row, with) = (Arc::new(refund(30, of.id)), Arc::new(refunded(&of)));
    assert_eq!(store.refund_read(row.id).await, Ok(None));
    done(store.commit(refund_create(&row, &with)).await.unwrap());
    assert_eq!(store.refund_read(row.id).await, Ok(Some(row)));
    assert_eq!(store.transaction_read(of.id).await, Ok(Some(with)));
    assert_eq!(store.refund_read(RefundId(id(31))).await, Ok(None));
    // One has a place of its own beside a transaction with its id.
    assert_eq!(store.transaction_read(TransactionId(id(30))).await, Ok(None));
}

async fn of_refunds_onto_one_version_one_is_made(store: &dyn Store) {
    let [of] = paid(store, [20]).await;
    let with = refunded(&of);
    done(store.commit(refund_create(&refund(30, of.id), &with)).await.unwrap());
    let late = refund_create(&refund(31, of.id), &with);
    assert_eq!(store.commit(late).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.refund_read(RefundId(id(31))).await, Ok(None));
    let twice = refund_create(&refund(30, of.id), &refunded(&with));
    assert_eq!(store.commit(twice).await, Ok(Outcome::Unmet(1)), "there is one with its id");
    assert_eq!(store.transaction_read(of.id).await, Ok(Some(Arc::new(with))));
}

async fn a_refund_is_settled_by_the_version_that_was_read(store: &dyn Store) {
    let [of] = paid(store, [20]).await;
    let row = refund(30, of.id);
    let settled = Arc::new(refund_settled(&row, RefundStatus::Pending));
    let third = refund_settled(&settled, RefundStatus::Processed);
    assert_eq!(store.commit(refund_settle(&settled)).await, Ok(Outcome::Unmet(0)));
    done(store.commit(refund_create(&row, &refunded(&of))).await.unwrap());
    assert_eq!(store.commit(refund_settle(&third)).await, Ok(Outcome::Unmet(0)));
    done(store.commit(refund_settle(&settled)).await.unwrap());
    assert_eq!(store.commit(refund_settle(&settled)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.refund_read(row.id).await, Ok(Some(settled)));
}

async fn open_refunds_are_those_without_an_outcome(store: &dyn Store) {
    let [mut of] = paid(store, [20]).await;
    assert_eq!(store.refund_open().await, Ok(Vec::new()));
    let [first, second, third] = [30, 31, 32].map(|n| Arc::new(refund(n, of.id)));
    for row in [&first, &third, &second] {
        of = refunded(&of);
        done(store.commit(refund_create(row, &of)).await.unwrap());
    }
    assert_eq!(store.refund_open().await, Ok(vec![Arc::clone(&first), Arc::clone(&second), third.clone()]));
    for row in [&second, &third] {
        done(store.commit(refund_settle(&refund_settled(row, RefundStatus::Failed))).await.unwrap());
    }
    assert_eq!(store.refund_open().await, Ok(vec![Arc::clone(&first)]));
    let asked = RefundRow { state: ActionState::ToAsk, ..refund_settled(&first, RefundStatus::Pending) };
    let asked = Arc::new(asked);
    done(store.commit(refund_settle(&asked)).await.unwrap());
    assert_eq!(store.refund_open().await, Ok(vec![Arc::clone(&asked)]), "somebody is to be asked");
    let unknown = RefundRow { state: ActionState::Unknown, ..refund_settled(&asked, RefundStatus::Pending) };
    done(store.commit(refund_settle(&unknown)).await.unwrap());
    assert_eq!(store.refund_open().await, Ok(Vec::new()), "nobody can tell");
}

/// Refunds of organisation 1, newest first.
fn all_refunds() -> RefundQuery {
    RefundQuery::newest(vec![organisation(1)], 100)
}

fn refunds_where(field: RefundField, value: FieldValue<'static>) -> RefundQuery {
    let filters = vec![Filter { field, test: Test::Equal, values: vec![value] }];
    Query { filters, ..all_refunds() }
}

/// The ids of the refunds that a question finds, and how many match in all.
async fn found(store: &dyn Store, query: RefundQuery) -> (Vec<RefundId>, u64) {
    let page = store.refund_list(query).await.unwrap();
    (page.rows.iter().map(|row| row.id).collect(), page.total)
}

fn ids<const N: usize>(numbers: [u64; N]) -> Vec<RefundId> {
    numbers.into_iter().map(|n| RefundId(id(n))).collect()
}

async fn refunds_come_newest_first_and_by_organisation(store: &dyn Store) {
    let [mut of] = paid(store, [20]).await;
    for (n, owner) in [(30, 1), (32, 2), (31, 1)] {
        of = refunded(&of);
        let row = RefundRow { organisation: organisation(owner), ..refund(n, of.id) };
        done(store.commit(refund_create(&row, &of)).await.unwrap());
    }
    assert_eq!(found(store, all_refunds()).await, (ids([31, 30]), 2));
    let both = vec![organisation(2), organisation(1)];
    let query = RefundQuery { organisations: both, skip: 1, limit: 1, ..all_refunds() };
    assert_eq!(found(store, query).await, (ids([31]), 3));
    let nobody = RefundQuery { organisations: vec![organisation(3)], ..all_refunds() };
    assert_eq!(found(store, nobody).await, (ids([]), 0));
}

async fn every_refund_field_finds_its_refund(store: &dyn Store) {
    let [one, other] = paid(store, [20, 21]).await;
    let row = refund(30, one.id);
    done(store.commit(refund_create(&row, &refunded(&one))).await.unwrap());
    done(store.commit(refund_create(&refund(31, other.id), &refunded(&other))).await.unwrap());
    let settled = refund_settled(&row, RefundStatus::Processed);
    done(store.commit(refund_settle(&settled)).await.unwrap());
    for field in RefundField::ALL {
        let (found_ids, total) =
            found(store, refunds_where(*field, field.value(&settled).into_owned())).await;
        assert!(found_ids.contains(&row.id) && total == found_ids.len() as u64, "{field:?}");
        let none = refunds_where(*field, FieldValue::Text("none".into()));
        assert_eq!(found(store, none).await, (ids([]), 0), "{field:?}");
    }
    for field in [RefundField::Id, RefundField::Transaction, RefundField::Status] {
        let query = refunds_where(field, field.value(&settled).into_owned());
        assert_eq!(found(store, query).await, (ids([30]), 1), "{field:?}");
    }
}

async fn refunds_of_a_transaction_are_found_by_it(store: &dyn Store) {
    let [mut one, other] = paid(store, [20, 21]).await;
    for n in [30, 33, 31] {
        one = refunded(&one);
        done(store.commit(refund_create(&refund(n, one.id), &one)).await.unwrap());
    }
    let theirs = RefundRow { organisation: organisation(2), ..refund(34, one.id) };
    done(store.commit(refund_create(&theirs, &refunded(&one))).await.unwrap());
    done(store.commit(refund_create(&refund(32, other.id), &refunded(&other))).await.unwrap());
    let of = |of: &TransactionRow| FieldValue::Text(of.id.to_string().into());
    let query = refunds_where(RefundField::Transaction, of(&one));
    assert_eq!(found(store, query).await, (ids([33, 31, 30]), 3), "another organisation's is not among them");
    let query = refunds_where(RefundField::Transaction, of(&other));
    assert_eq!(found(store, query).await, (ids([32]), 1));
}
