use std::sync::Arc;

use panvault_model::TransactionStatus;
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::{
    Answer, CardInsert, CardUpdate, IdempotencyKey, IdempotencyRow, Outcome, Store, TransactionInitiate,
    TransactionSettle,
};

use crate::conformance::rows::{at, card, card_changed, kept, key, transaction, transaction_settled};
use crate::conformance::steps::plan;
use crate::conformance::{
    StoreCase, card_insert, card_update, cases, done, sweep, transaction_initiate, transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    a_repeated_request_is_replayed
    another_body_is_a_mismatch
    a_request_that_runs_is_in_use
    what_changed_nothing_keeps_nothing
    an_expired_record_is_as_none
    of_many_with_one_key_one_is_done
    a_sweep_removes_what_has_expired
    a_sweep_of_nothing_is_no_step
    a_sweep_leaves_a_record_that_was_renewed
    a_sweep_has_an_end
};

fn answered(n: u64) -> IdempotencyRow {
    let row = card(n).without_sealed();
    kept(key(1), 0, Answer::Card(Box::new(row), Some(at(3600))))
}

async fn a_repeated_request_is_replayed(store: &dyn Store) {
    let (row, record) = (card(10), answered(10));
    let first = CardInsert { idempotency: plan(&record, at(0)), ..card_insert(&row) };
    assert_eq!(store.idempotency_read(record.key).await, Ok(None));
    assert_eq!(done(store.card_insert(first).await.unwrap()).1, 1);
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(record.clone()))));
    // The second is another card with another answer; the first stands.
    let again = CardInsert { idempotency: plan(&answered(11), at(1)), ..card_insert(&card(11)) };
    let replayed = store.card_insert(again).await;
    assert_eq!(replayed, Ok(Outcome::Replayed(Box::new(record.clone()))));
    assert_eq!(store.card_read(card(11).id).await, Ok(None));
    let change = CardUpdate { idempotency: plan(&answered(11), at(1)), ..card_update(&card_changed(&row)) };
    assert_eq!(store.card_update(change).await, Ok(Outcome::Replayed(Box::new(record))));
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))));
    assert_eq!(store.status().sequence, 1);
}

async fn another_body_is_a_mismatch(store: &dyn Store) {
    let record = answered(10);
    let first = CardInsert { idempotency: plan(&record, at(0)), ..card_insert(&card(10)) };
    done(store.card_insert(first).await.unwrap());
    let other = IdempotencyRow { body: [1; 32], ..record.clone() };
    let again = CardInsert { idempotency: plan(&other, at(1)), ..card_insert(&card(11)) };
    assert_eq!(store.card_insert(again).await, Ok(Outcome::Mismatch));
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(record))));
    assert_eq!(store.card_read(card(11).id).await, Ok(None));
}

async fn a_request_that_runs_is_in_use(store: &dyn Store) {
    let card = card(10);
    let row = transaction(20, card.id);
    let running = kept(key(1), 0, Answer::Running);
    let initiate =
        |row| TransactionInitiate { idempotency: plan(&running, at(0)), ..transaction_initiate(row) };
    done(store.card_insert(card_insert(&card)).await.unwrap());
    done(store.transaction_initiate(initiate(&row)).await.unwrap());
    let second = transaction(21, card.id);
    assert_eq!(store.transaction_initiate(initiate(&second)).await, Ok(Outcome::InUse));
    let other = IdempotencyRow { body: [1; 32], ..running.clone() };
    let other = TransactionInitiate { idempotency: plan(&other, at(0)), ..transaction_initiate(&second) };
    assert_eq!(store.transaction_initiate(other).await, Ok(Outcome::Mismatch));
    let settled = transaction_settled(&row, TransactionStatus::Declined);
    let answer = Box::new(kept(key(1), 0, Answer::Transaction(Box::new(settled.clone()))));
    let settle = TransactionSettle { answer: Some(answer.clone()), ..transaction_settle(&settled) };
    done(store.transaction_settle(settle).await.unwrap());
    assert_eq!(store.transaction_initiate(initiate(&second)).await, Ok(Outcome::Replayed(answer)));
    assert_eq!(store.transaction_read(second.id).await, Ok(None));
}

async fn what_changed_nothing_keeps_nothing(store: &dyn Store) {
    let row = card(10);
    let change = CardUpdate { idempotency: plan(&answered(10), at(0)), ..card_update(&card_changed(&row)) };
    assert_eq!(store.card_update(change.clone()).await, Ok(Outcome::NotFound));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    done(store.card_insert(card_insert(&row)).await.unwrap());
    let stale = CardUpdate { version: 2, ..change.clone() };
    assert_eq!(store.card_update(stale).await, Ok(Outcome::Stale));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    let running = kept(key(1), 0, Answer::Running);
    let absent = transaction(20, card(11).id);
    let initiate =
        TransactionInitiate { idempotency: plan(&running, at(0)), ..transaction_initiate(&absent) };
    assert_eq!(store.transaction_initiate(initiate).await, Ok(Outcome::NotFound));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    done(store.card_update(change).await.unwrap());
}

async fn an_expired_record_is_as_none(store: &dyn Store) {
    let record = answered(10);
    let first = CardInsert { idempotency: plan(&record, at(0)), ..card_insert(&card(10)) };
    done(store.card_insert(first).await.unwrap());
    let later = IdempotencyRow { body: [1; 32], expires_at: at(200_000), ..answered(11) };
    let step = |now| CardInsert { idempotency: plan(&later, now), ..card_insert(&card(11)) };
    assert_eq!(store.card_insert(step(at(86_399))).await, Ok(Outcome::Mismatch));
    done(store.card_insert(step(at(86_400))).await.unwrap());
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(later))));
}

async fn of_many_with_one_key_one_is_done(store: &dyn Store) {
    let step = |n| CardInsert { idempotency: plan(&answered(n), at(0)), ..card_insert(&card(n)) };
    let asked: Vec<_> = (10..60).map(|n| store.card_insert(step(n))).collect();
    let (mut cards, mut replayed) = (Vec::new(), Vec::new());
    for answer in asked {
        match answer.await.unwrap() {
            Outcome::Done { value, .. } => cards.push(value.id),
            Outcome::Replayed(row) => replayed.push(row),
            other => panic!("neither done nor replayed: {other:?}"),
        }
    }
    assert_eq!((cards.len(), replayed.len()), (1, 49));
    for row in replayed {
        let Answer::Card(card, _) = row.answer else { panic!("another answer") };
        assert_eq!(card.id, cards[0]);
    }
}

async fn a_sweep_removes_what_has_expired(store: &dyn Store) {
    for (n, expires) in [(1, 100), (2, 200), (3, 300)] {
        let record = IdempotencyRow { key: key(n), expires_at: at(expires), ..answered(10) };
        let step = CardInsert { idempotency: plan(&record, at(0)), ..card_insert(&card(u64::from(n))) };
        done(store.card_insert(step).await.unwrap());
    }
    assert_eq!(store.idempotency_sweep(sweep(at(99))).await, Ok(0));
    assert_eq!(store.idempotency_sweep(sweep(at(200))).await, Ok(2));
    assert_eq!(store.idempotency_sweep(sweep(at(200))).await, Ok(0));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    assert_eq!(store.idempotency_read(key(2)).await, Ok(None));
    assert!(store.idempotency_read(key(3)).await.unwrap().is_some());
}

async fn a_sweep_of_nothing_is_no_step(store: &dyn Store) {
    assert_eq!(store.idempotency_sweep(sweep(at(0))).await, Ok(0));
    assert_eq!(store.status().sequence, 0);
    assert_eq!(store.audit_read(1, 10).await, Ok(Vec::new()));
}

/// A sweep in the commit that renewed an expired record removed the new one, so that its request could be done twice: the
/// store looked at what was durable before without seeing that the commit had put something newer over it. It now leaves
/// out every record that the commit itself touches.
async fn a_sweep_leaves_a_record_that_was_renewed(store: &dyn Store) {
    let step = |n: u64, expires, now| {
        let record = IdempotencyRow { expires_at: at(expires), ..answered(n) };
        CardInsert { idempotency: plan(&record, at(now)), ..card_insert(&card(n)) }
    };
    for round in 0..20 {
        let n = round * 3;
        done(store.card_insert(step(n, n + 10, n)).await.unwrap());
        let between = store.card_insert(card_insert(&card(n + 1)));
        let renewed = store.card_insert(step(n + 2, n + 13, n + 10));
        let swept = store.idempotency_sweep(sweep(at(n + 10)));
        done(between.await.unwrap());
        done(renewed.await.unwrap());
        assert_eq!(swept.await, Ok(0), "round {round}");
        assert!(store.idempotency_read(key(1)).await.unwrap().is_some(), "round {round}");
        assert_eq!(store.idempotency_sweep(sweep(at(n + 13))).await, Ok(1));
    }
}

async fn a_sweep_has_an_end(store: &dyn Store) {
    let count = SWEEP_ROWS_MAX as u64 + 1;
    let asked: Vec<_> = (0..count)
        .map(|n| {
            let key = IdempotencyKey(u128::from(n).to_be_bytes());
            let record = kept(key, 0, Answer::Card(Box::new(card(n).without_sealed()), None));
            store.card_insert(CardInsert { idempotency: plan(&record, at(0)), ..card_insert(&card(n)) })
        })
        .collect();
    for answer in asked {
        done(answer.await.unwrap());
    }
    assert_eq!(store.idempotency_sweep(sweep(at(86_400))).await, Ok(SWEEP_ROWS_MAX));
    assert_eq!(store.idempotency_sweep(sweep(at(86_400))).await, Ok(1));
    assert_eq!(store.idempotency_sweep(sweep(at(86_400))).await, Ok(0));
}
