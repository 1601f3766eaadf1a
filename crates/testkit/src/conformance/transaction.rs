use std::sync::Arc;

use panvault_model::{ActionState, CardId, TransactionId, TransactionStatus};
use panvault_store::{Commit, Expect, Outcome, RowKey, Store, TransactionRow};

use crate::conformance::rows::{card, history, id, organisation, transaction, transaction_settled};
use crate::conformance::{
    StoreCase, card_delete, card_insert, cases, done, transaction_initiate, transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    a_transaction_is_initiated_with_a_card_that_is_there
    a_transaction_is_not_initiated_without_its_card
    a_transaction_is_settled_by_the_version_that_was_read
    history_is_newest_first
    open_transactions_are_those_without_an_outcome
    a_transaction_outlives_its_card
};

async fn a_transaction_is_initiated_with_a_card_that_is_there(store: &dyn Store) {
    let card = card(10);
    let row = Arc::new(transaction(20, card.id));
    done(store.commit(card_insert(&card)).await.unwrap());
    done(store.commit(transaction_initiate(&row)).await.unwrap());
    assert_eq!(store.transaction_history(row.id).await, Ok(vec![Arc::new(history(&row))]));
    assert_eq!(store.transaction_read(row.id).await, Ok(Some(row)));
    assert_eq!(store.transaction_read(TransactionId(id(21))).await, Ok(None));
    assert_eq!(store.transaction_history(TransactionId(id(21))).await, Ok(Vec::new()));
}

async fn a_transaction_is_not_initiated_without_its_card(store: &dyn Store) {
    let card = card(10);
    done(store.commit(card_insert(&card)).await.unwrap());
    let row = transaction(20, card.id);
    let expects = vec![Expect::Owned(RowKey::Card(card.id), organisation(2))];
    let foreign = Commit { expects, ..transaction_initiate(&row) };
    assert_eq!(store.commit(foreign).await, Ok(Outcome::Unmet(0)));
    let unknown = transaction_initiate(&transaction(20, CardId(id(11))));
    assert_eq!(store.commit(unknown).await, Ok(Outcome::Unmet(0)));
    done(store.commit(card_delete(&card)).await.unwrap());
    assert_eq!(store.commit(transaction_initiate(&row)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.transaction_read(row.id).await, Ok(None));
    assert_eq!(store.transaction_history(row.id).await, Ok(Vec::new()));
}

async fn a_transaction_is_settled_by_the_version_that_was_read(store: &dyn Store) {
    let card = card(10);
    let row = transaction(20, card.id);
    let settled = Arc::new(transaction_settled(&row, TransactionStatus::Authorized));
    let third = transaction_settled(&settled, TransactionStatus::SettlementRequested);
    done(store.commit(card_insert(&card)).await.unwrap());
    assert_eq!(store.commit(transaction_settle(&settled)).await, Ok(Outcome::Unmet(0)));
    done(store.commit(transaction_initiate(&row)).await.unwrap());
    assert_eq!(store.commit(transaction_settle(&third)).await, Ok(Outcome::Unmet(0)));
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    assert_eq!(store.commit(transaction_settle(&settled)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.transaction_read(row.id).await, Ok(Some(settled)));
}

async fn history_is_newest_first(store: &dyn Store) {
    let card = card(10);
    let mut row = transaction(20, card.id);
    done(store.commit(card_insert(&card)).await.unwrap());
    done(store.commit(transaction_initiate(&row)).await.unwrap());
    // Another's steps are not among them.
    done(store.commit(transaction_initiate(&transaction(21, card.id))).await.unwrap());
    let mut steps = vec![Arc::new(history(&row))];
    let statuses =
        [TransactionStatus::Pending, TransactionStatus::Authorized, TransactionStatus::AuthorizationVoided];
    for status in statuses {
        row = transaction_settled(&row, status);
        done(store.commit(transaction_settle(&row)).await.unwrap());
        steps.insert(0, Arc::new(history(&row)));
    }
    assert_eq!(store.transaction_history(row.id).await, Ok(steps));
}

async fn open_transactions_are_those_without_an_outcome(store: &dyn Store) {
    let card = card(10);
    let rows = [20, 22, 21].map(|n| transaction(n, card.id));
    done(store.commit(card_insert(&card)).await.unwrap());
    assert_eq!(store.transaction_open().await, Ok(Vec::new()));
    for row in &rows {
        done(store.commit(transaction_initiate(row)).await.unwrap());
    }
    let [first, third, second] = rows.map(Arc::new);
    let open = vec![Arc::clone(&first), Arc::clone(&second), Arc::clone(&third)];
    assert_eq!(store.transaction_open().await, Ok(open));
    for row in [&second, &third] {
        let settled = transaction_settled(row, TransactionStatus::Declined);
        done(store.commit(transaction_settle(&settled)).await.unwrap());
    }
    assert_eq!(store.transaction_open().await, Ok(vec![Arc::clone(&first)]));
    // Of which the processor is to be asked, it is as open as before it was sent; and what is done with it next opens it again.
    let unknown = transaction_settled(&first, TransactionStatus::Unknown);
    let unknown = Arc::new(TransactionRow { state: ActionState::ToAsk, ..unknown });
    let declined = transaction_settled(&second, TransactionStatus::Declined);
    let again = transaction_settled(&declined, TransactionStatus::Pending);
    let again = Arc::new(TransactionRow { state: ActionState::InHand, ..again });
    for row in [&unknown, &again] {
        done(store.commit(transaction_settle(row)).await.unwrap());
    }
    assert_eq!(store.transaction_open().await, Ok(vec![Arc::clone(&unknown), Arc::clone(&again)]));
    let cannot_tell = transaction_settled(&unknown, TransactionStatus::Unknown);
    done(store.commit(transaction_settle(&cannot_tell)).await.unwrap());
    assert_eq!(store.transaction_open().await, Ok(vec![again]));
}

async fn a_transaction_outlives_its_card(store: &dyn Store) {
    let card = card(10);
    let row = transaction(20, card.id);
    done(store.commit(card_insert(&card)).await.unwrap());
    done(store.commit(transaction_initiate(&row)).await.unwrap());
    done(store.commit(card_delete(&card)).await.unwrap());
    let settled = transaction_settled(&row, TransactionStatus::Authorized);
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    assert_eq!(store.transaction_read(row.id).await, Ok(Some(Arc::new(settled))));
}
