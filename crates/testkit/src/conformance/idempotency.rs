use std::sync::Arc;

use panvault_model::{Timestamp, TransactionStatus};
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::{
    CardRow, Commit, Expect, IdempotencyAnswer, IdempotencyClaim, IdempotencyKey, IdempotencyRow, Outcome,
    RowKey, Store,
};

use crate::conformance::rows::{
    at, card, card_answer, card_changed, kept, key, transaction, transaction_answer, transaction_settled,
};
use crate::conformance::{
    StoreCase, card_insert, card_update, cases, claim, done, sweep, transaction_initiate, transaction_settle,
};

pub(super) const CASES: &[StoreCase] = cases! {
    a_repeated_request_is_replayed
    another_body_is_a_mismatch
    a_request_that_runs_is_in_use
    a_record_under_another_name_is_met
    of_requests_with_two_names_one_is_done
    what_changed_nothing_keeps_nothing
    an_expired_record_is_as_none
    of_many_with_one_key_one_is_done
    a_sweep_removes_what_has_expired
    a_sweep_leaves_a_record_that_was_renewed
    a_sweep_has_an_end
};

fn answered(n: u64) -> IdempotencyRow {
    kept(key(1), 0, card_answer(&card(n)))
}

async fn a_repeated_request_is_replayed(store: &dyn Store) {
    let (row, record) = (card(10), answered(10));
    let first = Commit { claim: claim(&record, at(0)), ..card_insert(&row) };
    assert_eq!(store.idempotency_read(record.key).await, Ok(None));
    done(store.commit(first).await.unwrap());
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(record.clone()))));
    // The second is another card with another answer; the first stands.
    let again = Commit { claim: claim(&answered(11), at(1)), ..card_insert(&card(11)) };
    let replayed = store.commit(again).await;
    assert_eq!(replayed, Ok(Outcome::Claimed(Box::new(record.clone()))));
    assert_eq!(store.card_read(card(11).id).await, Ok(None));
    let change = Commit { claim: claim(&answered(11), at(1)), ..card_update(&card_changed(&row)) };
    assert_eq!(store.commit(change).await, Ok(Outcome::Claimed(Box::new(record))));
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))));
    assert_eq!(store.status().sequence, 1);
}

async fn another_body_is_a_mismatch(store: &dyn Store) {
    let record = answered(10);
    let first = Commit { claim: claim(&record, at(0)), ..card_insert(&card(10)) };
    done(store.commit(first).await.unwrap());
    let other = IdempotencyRow { body: [1; 32], ..record.clone() };
    let again = Commit { claim: claim(&other, at(1)), ..card_insert(&card(11)) };
    // What the two bodies mean is the vault's to say.
    assert_eq!(store.commit(again).await, Ok(Outcome::Claimed(Box::new(record.clone()))));
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(record))));
    assert_eq!(store.card_read(card(11).id).await, Ok(None));
}

async fn a_request_that_runs_is_in_use(store: &dyn Store) {
    let card = card(10);
    let row = transaction(20, card.id);
    let running = kept(key(1), 0, IdempotencyAnswer::RUNNING);
    let initiate = |row| Commit { claim: claim(&running, at(0)), ..transaction_initiate(row) };
    done(store.commit(card_insert(&card)).await.unwrap());
    done(store.commit(initiate(&row)).await.unwrap());
    let second = transaction(21, card.id);
    assert_eq!(store.commit(initiate(&second)).await, Ok(Outcome::Claimed(Box::new(running.clone()))));
    let settled = transaction_settled(&row, TransactionStatus::Declined);
    let answer = Box::new(kept(key(1), 0, transaction_answer(&settled)));
    let mut settle = transaction_settle(&settled);
    settle.expects.push(Expect::Version(RowKey::Idempotency(key(1)), 1));
    settle.effects.push(answer.as_ref().clone().into());
    done(store.commit(settle).await.unwrap());
    assert_eq!(store.commit(initiate(&second)).await, Ok(Outcome::Claimed(answer)));
    assert_eq!(store.transaction_read(second.id).await, Ok(None));
}

/// A claim under the first name of a request that may have another, too.
fn named(first: u8, other: u8, n: u64, now: Timestamp) -> Option<IdempotencyClaim> {
    let claim = claim(&kept(key(first), 0, card_answer(&card(n))), now)?;
    Some(IdempotencyClaim { also: vec![key(other)], ..claim })
}

async fn a_record_under_another_name_is_met(store: &dyn Store) {
    let first = Commit { claim: named(1, 2, 10, at(0)), ..card_insert(&card(10)) };
    done(store.commit(first).await.unwrap());
    let again = Commit { claim: named(2, 1, 11, at(86_399)), ..card_insert(&card(11)) };
    assert_eq!(store.commit(again).await, Ok(Outcome::Claimed(Box::new(answered(10)))));
    assert_eq!(store.card_read(card(11).id).await, Ok(None));
    assert_eq!(store.idempotency_read(key(2)).await, Ok(None), "the other name is nobody's");
    // Its time is up.
    let later = Commit { claim: named(2, 1, 11, at(86_400)), ..card_insert(&card(11)) };
    done(store.commit(later).await.unwrap());
    assert_eq!(store.idempotency_read(key(1)).await, Ok(Some(Box::new(answered(10)))), "it is as it was");
    let other = kept(key(2), 0, card_answer(&card(11)));
    assert_eq!(store.idempotency_read(key(2)).await, Ok(Some(Box::new(other))));
}

async fn of_requests_with_two_names_one_is_done(store: &dyn Store) {
    let commits = (0..16).map(|n| {
        let (first, other) = if n % 2 == 0 { (1, 2) } else { (2, 1) };
        store.commit(Commit { claim: named(first, other, 10 + n, at(0)), ..card_insert(&card(10 + n)) })
    });
    let mut outcomes = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        outcomes.push(commit.await.unwrap());
    }
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done { .. })).count();
    let claimed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Claimed(_))).count();
    assert_eq!((done, claimed), (1, 15), "{outcomes:?}");
}

async fn what_changed_nothing_keeps_nothing(store: &dyn Store) {
    let row = card(10);
    let change = Commit { claim: claim(&answered(10), at(0)), ..card_update(&card_changed(&row)) };
    assert_eq!(store.commit(change.clone()).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    done(store.commit(card_insert(&row)).await.unwrap());
    let stale = Commit { expects: vec![Expect::Version(RowKey::Card(row.id), 2)], ..change.clone() };
    assert_eq!(store.commit(stale).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    let running = kept(key(1), 0, IdempotencyAnswer::RUNNING);
    let absent = transaction(20, card(11).id);
    let initiate = Commit { claim: claim(&running, at(0)), ..transaction_initiate(&absent) };
    assert_eq!(store.commit(initiate).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    done(store.commit(change).await.unwrap());
}

async fn an_expired_record_is_as_none(store: &dyn Store) {
    let record = answered(10);
    let first = Commit { claim: claim(&record, at(0)), ..card_insert(&card(10)) };
    done(store.commit(first).await.unwrap());
    let later = IdempotencyRow { body: [1; 32], expires_at: at(200_000), ..answered(11) };
    let step = |now| Commit { claim: claim(&later, now), ..card_insert(&card(11)) };
    assert_eq!(store.commit(step(at(86_399))).await, Ok(Outcome::Claimed(Box::new(record.clone()))));
    done(store.commit(step(at(86_400))).await.unwrap());
    assert_eq!(store.idempotency_read(record.key).await, Ok(Some(Box::new(later))));
}

async fn of_many_with_one_key_one_is_done(store: &dyn Store) {
    let step = |n| Commit { claim: claim(&answered(n), at(0)), ..card_insert(&card(n)) };
    let asked: Vec<_> = (10..60).map(|n| store.commit(step(n))).collect();
    let (mut done, mut claimed) = (0, Vec::new());
    for answer in asked {
        match answer.await.unwrap() {
            Outcome::Done { .. } => done += 1,
            Outcome::Claimed(row) => claimed.push(row),
            Outcome::Unmet(at) => panic!("expectation {at} does not hold"),
        }
    }
    assert_eq!((done, claimed.len()), (1, 49));
    for row in claimed {
        let card = CardRow::decode(&row.answer.bytes).unwrap();
        assert!(store.card_read(card.id).await.unwrap().is_some());
    }
}

/// Reads what has expired and removes it, as the vault does; says how many went.
async fn swept(store: &dyn Store, now: Timestamp) -> usize {
    let keys = store.idempotency_expired(now, SWEEP_ROWS_MAX).await.unwrap();
    if !keys.is_empty() {
        done(store.commit(sweep(&keys, now)).await.unwrap());
    }
    keys.len()
}

async fn a_sweep_removes_what_has_expired(store: &dyn Store) {
    for (n, expires) in [(1, 100), (2, 200), (3, 300)] {
        let record = IdempotencyRow { key: key(n), expires_at: at(expires), ..answered(10) };
        let step = Commit { claim: claim(&record, at(0)), ..card_insert(&card(u64::from(n))) };
        done(store.commit(step).await.unwrap());
    }
    assert_eq!(swept(store, at(99)).await, 0);
    assert_eq!(swept(store, at(200)).await, 2);
    assert_eq!(swept(store, at(200)).await, 0);
    assert_eq!(store.idempotency_read(key(1)).await, Ok(None));
    assert_eq!(store.idempotency_read(key(2)).await, Ok(None));
    assert!(store.idempotency_read(key(3)).await.unwrap().is_some());
}

/// A record that was read as expired may be renewed before it is removed: then its request could be done twice.
async fn a_sweep_leaves_a_record_that_was_renewed(store: &dyn Store) {
    let claimed = |n: u64, expires, now| {
        let record = IdempotencyRow { expires_at: at(expires), ..answered(n) };
        Commit { claim: claim(&record, at(now)), ..card_insert(&card(n)) }
    };
    for round in 0..20 {
        let n = round * 3;
        done(store.commit(claimed(n, n + 10, n)).await.unwrap());
        let expired = store.idempotency_expired(at(n + 10), 10).await.unwrap();
        assert_eq!(expired, [key(1)]);
        let between = store.commit(card_insert(&card(n + 1)));
        let renewed = store.commit(claimed(n + 2, n + 13, n + 10));
        let removed = store.commit(sweep(&expired, at(n + 10)));
        done(between.await.unwrap());
        done(renewed.await.unwrap());
        assert_eq!(removed.await, Ok(Outcome::Unmet(0)), "round {round}");
        assert!(store.idempotency_read(key(1)).await.unwrap().is_some(), "round {round}");
        assert_eq!(store.idempotency_expired(at(n + 10), 10).await, Ok(Vec::new()), "round {round}");
        assert_eq!(swept(store, at(n + 13)).await, 1);
    }
}

async fn a_sweep_has_an_end(store: &dyn Store) {
    let count = SWEEP_ROWS_MAX as u64 + 1;
    let asked: Vec<_> = (0..count)
        .map(|n| {
            let key = IdempotencyKey(u128::from(n).to_be_bytes());
            let record = kept(key, 0, card_answer(&card(n)));
            store.commit(Commit { claim: claim(&record, at(0)), ..card_insert(&card(n)) })
        })
        .collect();
    for answer in asked {
        done(answer.await.unwrap());
    }
    assert_eq!(swept(store, at(86_400)).await, SWEEP_ROWS_MAX);
    assert_eq!(swept(store, at(86_400)).await, 1);
    assert_eq!(swept(store, at(86_400)).await, 0);
}
