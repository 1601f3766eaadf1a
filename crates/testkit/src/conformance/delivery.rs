use std::sync::Arc;

use panvault_model::{AccountId, DeliveryId, DeliveryStatus, OrganisationId, Timestamp};
use panvault_store::{
    Action, Commit, DeliveryField, DeliveryLane, DeliveryQuery, DeliveryRow, Effect, Expect, FieldValue,
    Filter, Outcome, RowKey, Store, Test,
};

use crate::conformance::rows::{at, delivery, id, organisation};
use crate::conformance::{StoreCase, cases, done, note};

pub(super) const CASES: &[StoreCase] = cases! {
    what_is_due_is_found_by_its_lane_and_longest_due_first
    the_first_that_waits_of_an_object_is_that_of_its_earliest_version
    a_delivery_that_is_over_waits_no_more_and_is_removed_in_its_time
    deliveries_are_listed_newest_first
    deliveries_are_found_by_account_status_and_object
};

fn put(row: &DeliveryRow) -> Commit {
    let key = RowKey::Delivery(row.id);
    let expects =
        vec![if row.version == 1 { Expect::Absent(key) } else { Expect::Version(key, row.version - 1) }];
    let audit = note(Action::WebhookDeliver, row.id.0);
    Commit { claim: None, expects, effects: vec![row.clone().into()], audit }
}

fn next(row: &DeliveryRow, status: DeliveryStatus, due_at: Timestamp) -> DeliveryRow {
    DeliveryRow { version: row.version + 1, attempts: row.attempts + 1, status, due_at, ..row.clone() }
}

async fn filled(store: &dyn Store, rows: &[DeliveryRow]) {
    for row in rows {
        done(store.commit(put(row)).await.unwrap());
    }
}

async fn due(store: &dyn Store, lane: &DeliveryLane, now: u64, limit: usize) -> Vec<Arc<DeliveryRow>> {
    store.delivery_due(lane.clone(), at(now), None, limit).await.unwrap()
}

async fn what_is_due_is_found_by_its_lane_and_longest_due_first(store: &dyn Store) {
    let of = |n, whose, host: &str, due| DeliveryRow {
        organisation: organisation(whose),
        host: host.to_owned(),
        due_at: at(due),
        ..delivery(n, 10)
    };
    let rows =
        [of(30, 1, "a", 9), of(31, 1, "a", 7), of(32, 1, "a", 90), of(33, 1, "b", 8), of(34, 2, "a", 5)];
    assert_eq!(store.delivery_lanes(at(100), None, 9).await, Ok(Vec::new()));
    filled(store, &rows).await;
    let [one, _, _, other, foreign] = rows.clone().map(|row| row.lane());
    let lanes =
        |now, after: Option<&DeliveryLane>, limit| store.delivery_lanes(at(now), after.cloned(), limit);
    assert_eq!(lanes(10, None, 9).await, Ok(vec![one.clone(), other.clone(), foreign.clone()]));
    assert_eq!(lanes(10, None, 2).await, Ok(vec![one.clone(), other.clone()]));
    assert_eq!(lanes(10, Some(&other), 9).await, Ok(vec![foreign.clone()]));
    assert_eq!(lanes(6, None, 9).await, Ok(vec![foreign.clone()]));
    let [first, second, third, ..] = rows.map(Arc::new);
    assert_eq!(due(store, &one, 10, 9).await, vec![Arc::clone(&second), Arc::clone(&first)]);
    assert_eq!(due(store, &one, 100, 9).await, vec![Arc::clone(&second), Arc::clone(&first), third]);
    assert_eq!(due(store, &one, 10, 1).await, vec![Arc::clone(&second)]);
    let behind = store.delivery_due(one.clone(), at(10), Some(second.place()), 9);
    assert_eq!(behind.await, Ok(vec![Arc::clone(&first)]));
    assert_eq!(store.delivery_waiting().await, Ok(5));
    // What is tried again later is found where it is then.
    let later = next(&second, DeliveryStatus::Waiting, at(95));
    assert_eq!(
        store.commit(put(&next(&later, DeliveryStatus::Waiting, at(96)))).await,
        Ok(Outcome::Unmet(0))
    );
    done(store.commit(put(&later)).await.unwrap());
    assert_eq!(due(store, &one, 10, 9).await, vec![first]);
    assert_eq!(due(store, &one, 96, 9).await.last(), Some(&Arc::new(later.clone())));
    assert_eq!(store.delivery_read(later.id).await, Ok(Some(Arc::new(later))));
    assert_eq!(store.delivery_waiting().await, Ok(5));
}

async fn the_first_that_waits_of_an_object_is_that_of_its_earliest_version(store: &dyn Store) {
    // What is made in one millisecond has ids in any order.
    let first = DeliveryRow { object_version: 1, ..delivery(31, 10) };
    let rows = [delivery(30, 10), first, delivery(29, 11)];
    filled(store, &rows).await;
    let [later, first, other] = rows;
    assert_eq!(store.delivery_first(first.object).await, Ok(Some(Arc::new(first.clone()))));
    assert_eq!(store.delivery_first(other.object).await, Ok(Some(Arc::new(other))));
    assert_eq!(store.delivery_first(id(12)).await, Ok(None));
    done(store.commit(put(&next(&first, DeliveryStatus::Waiting, at(500)))).await.unwrap());
    assert_eq!(store.delivery_first(later.object).await.unwrap().map(|row| row.id), Some(first.id));
    let over = DeliveryRow { version: 3, ..next(&first, DeliveryStatus::Failed, at(500)) };
    done(store.commit(put(&over)).await.unwrap());
    assert_eq!(store.delivery_first(later.object).await, Ok(Some(Arc::new(later))));
}

async fn a_delivery_that_is_over_waits_no_more_and_is_removed_in_its_time(store: &dyn Store) {
    let row = delivery(30, 10);
    filled(store, &[row.clone(), delivery(31, 11)]).await;
    let over = next(&row, DeliveryStatus::Delivered, at(700));
    done(store.commit(put(&over)).await.unwrap());
    assert_eq!(store.delivery_waiting().await, Ok(1));
    assert_eq!(due(store, &row.lane(), 9_999, 9).await, vec![Arc::new(delivery(31, 11))]);
    assert_eq!(store.delivery_over(at(699), None, 9).await, Ok(Vec::new()));
    assert_eq!(store.delivery_over(at(700), None, 9).await, Ok(vec![Arc::new(over.clone())]));
    assert_eq!(store.delivery_over(at(700), Some(over.place()), 9).await, Ok(Vec::new()));
    let key = RowKey::Delivery(row.id);
    let removed = Commit {
        expects: vec![Expect::Version(key, over.version)],
        effects: vec![Effect::Delete(key)],
        ..put(&over)
    };
    done(store.commit(removed).await.unwrap());
    assert_eq!(store.delivery_read(row.id).await, Ok(None));
    assert_eq!(store.delivery_over(at(9_999), None, 9).await, Ok(Vec::new()));
    let all = DeliveryQuery::newest(vec![organisation(1)], 10);
    assert_eq!(store.delivery_list(all).await.unwrap().rows, vec![Arc::new(delivery(31, 11))]);
}

async fn deliveries_are_listed_newest_first(store: &dyn Store) {
    let foreign = DeliveryRow { organisation: organisation(2), ..delivery(33, 12) };
    let rows = [delivery(30, 10), delivery(31, 11), delivery(32, 10), foreign];
    filled(store, &rows).await;
    let [first, second, third, foreign] = rows.map(Arc::new);
    let list = |organisations: Vec<OrganisationId>, skip, limit, filters: Vec<Filter<DeliveryField>>| {
        let query = DeliveryQuery { skip, filters, ..DeliveryQuery::newest(organisations, limit) };
        async { store.delivery_list(query).await.map(|page| (page.rows, page.total)).unwrap() }
    };
    let (one, both) = (vec![organisation(1)], vec![organisation(1), organisation(2)]);
    let all = vec![Arc::clone(&third), Arc::clone(&second), Arc::clone(&first)];
    assert_eq!(list(one.clone(), 0, 10, Vec::new()).await, (all.clone(), 3));
    assert_eq!(list(one.clone(), 1, 1, Vec::new()).await, (vec![Arc::clone(&second)], 3));
    let everything: Vec<_> = [foreign].into_iter().chain(all).collect();
    assert_eq!(list(both, 0, 10, Vec::new()).await, (everything, 4));
    let values = vec![FieldValue::Text(first.object.to_string().into())];
    let of_object = Filter { field: DeliveryField::Transaction, test: Test::Equal, values };
    let of_refund = Filter { field: DeliveryField::Refund, ..of_object.clone() };
    assert_eq!(list(one.clone(), 0, 10, vec![of_object]).await, (vec![Arc::clone(&third), first], 2));
    assert_eq!(list(one, 0, 10, vec![of_refund]).await, (Vec::new(), 0), "it is a transaction's id");
}

/// What an index finds is examined by nobody: one row may be examined here, and there are many.
async fn deliveries_are_found_by_account_status_and_object(store: &dyn Store) {
    let account = AccountId(id(77));
    let rows: Vec<_> = (30..36)
        .map(|n| match n {
            30 | 32 => DeliveryRow { account, ..delivery(n, n) },
            _ => delivery(n, n),
        })
        .collect();
    filled(store, &rows).await;
    let mut over = next(&rows[3], DeliveryStatus::Delivered, at(700));
    done(store.commit(put(&over)).await.unwrap());
    let found = |field, value: String| {
        let values = vec![FieldValue::Text(value.into())];
        let filters = vec![Filter { field, test: Test::Equal, values }];
        let query =
            DeliveryQuery { filters, examined_max: 1, ..DeliveryQuery::newest(vec![organisation(1)], 10) };
        async { ids_of(store.delivery_list(query).await.unwrap().rows) }
    };
    let of = |numbers: &[usize]| numbers.iter().map(|n| rows[*n].id).collect::<Vec<_>>();
    assert_eq!(found(DeliveryField::Account, account.to_string()).await, of(&[2, 0]));
    assert_eq!(found(DeliveryField::Transaction, rows[1].object.to_string()).await, of(&[1]));
    assert_eq!(found(DeliveryField::Status, "DELIVERED".to_owned()).await, of(&[3]));
    assert_eq!(found(DeliveryField::Status, "WAITING".to_owned()).await, of(&[5, 4, 2, 1, 0]));
    // One that is to be sent again is found as such, and as nothing else.
    over = next(&over, DeliveryStatus::Waiting, at(500));
    done(store.commit(put(&over)).await.unwrap());
    assert_eq!(found(DeliveryField::Status, "DELIVERED".to_owned()).await, of(&[]));
    assert_eq!(found(DeliveryField::Status, "WAITING".to_owned()).await, of(&[5, 4, 3, 2, 1, 0]));
}

fn ids_of(rows: Vec<Arc<DeliveryRow>>) -> Vec<DeliveryId> {
    rows.into_iter().map(|row| row.id).collect()
}
