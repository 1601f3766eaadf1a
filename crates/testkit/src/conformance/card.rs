use std::sync::Arc;

use panvault_model::CardId;
use panvault_store::{CardDelete, CardRow, CardUpdate, Outcome, Store};

use crate::conformance::rows::{card, card_changed, id, organisation};
use crate::conformance::{StoreCase, card_delete, card_insert, card_noted, card_update, cases, done};

pub(super) const CASES: &[StoreCase] = cases! {
    a_new_card_is_read_back
    a_new_card_does_not_take_the_place_of_another
    a_card_changes_by_the_version_that_was_read
    a_card_changes_for_its_organisation_only
    a_change_may_leave_the_card_as_it_is
    a_deleted_card_is_gone
    a_card_is_deleted_for_its_organisation_only
    steps_are_done_in_the_order_they_are_asked
    of_many_changes_of_one_version_one_is_done
};

async fn a_new_card_is_read_back(store: &dyn Store) {
    let row = Arc::new(card(10));
    assert_eq!(done(store.card_insert(card_insert(&row)).await.unwrap()), (Arc::clone(&row), 1));
    assert_eq!(store.card_read(row.id).await, Ok(Some(row)));
    assert_eq!(store.card_read(CardId(id(11))).await, Ok(None));
    assert_eq!(done(store.card_insert(card_insert(&card(11))).await.unwrap()).1, 2);
}

async fn a_new_card_does_not_take_the_place_of_another(store: &dyn Store) {
    let first = Arc::new(card(10));
    done(store.card_insert(card_insert(&first)).await.unwrap());
    let second = CardRow { organisation: organisation(2), ..card(10) };
    assert_eq!(store.card_insert(card_insert(&second)).await, Ok(Outcome::Stale));
    assert_eq!(store.card_read(first.id).await, Ok(Some(first)));
}

async fn a_card_changes_by_the_version_that_was_read(store: &dyn Store) {
    let row = card(10);
    let (second, third) = (Arc::new(card_changed(&row)), card_changed(&card_changed(&row)));
    done(store.card_insert(card_insert(&row)).await.unwrap());
    assert_eq!(done(store.card_update(card_update(&second)).await.unwrap()), (Arc::clone(&second), 2));
    assert_eq!(store.card_update(card_update(&second)).await, Ok(Outcome::Stale));
    let ahead = CardUpdate { version: 3, ..card_update(&third) };
    assert_eq!(store.card_update(ahead).await, Ok(Outcome::Stale));
    assert_eq!(store.card_read(row.id).await, Ok(Some(second)));
    assert_eq!(done(store.card_update(card_update(&third)).await.unwrap()).1, 3);
}

async fn a_card_changes_for_its_organisation_only(store: &dyn Store) {
    let row = card(10);
    done(store.card_insert(card_insert(&row)).await.unwrap());
    let change = card_update(&card_changed(&row));
    let foreign = CardUpdate { organisation: organisation(2), ..change.clone() };
    assert_eq!(store.card_update(foreign).await, Ok(Outcome::NotFound));
    let unknown = CardUpdate { id: CardId(id(11)), ..change };
    assert_eq!(store.card_update(unknown).await, Ok(Outcome::NotFound));
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))));
}

async fn a_change_may_leave_the_card_as_it_is(store: &dyn Store) {
    let row = Arc::new(card(10));
    done(store.card_insert(card_insert(&row)).await.unwrap());
    let noted = card_noted(&row);
    assert_eq!(done(store.card_update(noted.clone()).await.unwrap()), (row, 2));
    assert_eq!(store.card_update(CardUpdate { version: 2, ..noted }).await, Ok(Outcome::Stale));
}

async fn a_deleted_card_is_gone(store: &dyn Store) {
    let row = card(10);
    done(store.card_insert(card_insert(&row)).await.unwrap());
    assert_eq!(done(store.card_delete(card_delete(&row)).await.unwrap()), ((), 2));
    assert_eq!(store.card_read(row.id).await, Ok(None));
    assert_eq!(store.card_delete(card_delete(&row)).await, Ok(Outcome::NotFound));
    assert_eq!(store.card_update(card_update(&card_changed(&row))).await, Ok(Outcome::NotFound));
}

async fn a_card_is_deleted_for_its_organisation_only(store: &dyn Store) {
    let row = card(10);
    done(store.card_insert(card_insert(&row)).await.unwrap());
    let foreign = CardDelete { organisation: organisation(2), ..card_delete(&row) };
    assert_eq!(store.card_delete(foreign).await, Ok(Outcome::NotFound));
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))));
}

async fn steps_are_done_in_the_order_they_are_asked(store: &dyn Store) {
    let row = card(10);
    let changed = card_changed(&row);
    let inserted = store.card_insert(card_insert(&row));
    let updated = store.card_update(card_update(&changed));
    let stale = store.card_update(card_update(&changed));
    let deleted = store.card_delete(card_delete(&row));
    let gone = store.card_update(card_update(&card_changed(&changed)));
    assert_eq!(done(inserted.await.unwrap()).1, 1);
    assert_eq!(done(updated.await.unwrap()).1, 2);
    assert_eq!(stale.await, Ok(Outcome::Stale));
    assert_eq!(done(deleted.await.unwrap()).1, 3);
    assert_eq!(gone.await, Ok(Outcome::NotFound));
    assert_eq!(store.card_read(row.id).await, Ok(None));
}

async fn of_many_changes_of_one_version_one_is_done(store: &dyn Store) {
    let row = card(10);
    done(store.card_insert(card_insert(&row)).await.unwrap());
    let changed = card_changed(&row);
    let asked: Vec<_> = (0..20).map(|_| store.card_update(card_update(&changed))).collect();
    let mut changes = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Outcome::Done { .. } => changes += 1,
            other => assert_eq!(other, Outcome::Stale),
        }
    }
    assert_eq!(changes, 1);
}
