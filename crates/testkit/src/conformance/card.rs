use std::sync::Arc;

use panvault_model::CardId;
use panvault_store::{CardRow, Commit, Effect, Expect, Outcome, RowKey, Store};

use crate::conformance::rows::{card, card_changed, id, organisation};
use crate::conformance::{StoreCase, card_delete, card_insert, card_noted, card_update, cases, done};

pub(super) const CASES: &[StoreCase] = cases! {
    a_new_card_is_read_back
    a_new_card_does_not_take_the_place_of_another
    a_card_changes_by_the_version_that_was_read
    a_change_may_leave_the_card_as_it_is
    a_deleted_card_is_gone
    a_card_is_deleted_for_its_organisation_only
    commits_are_done_in_the_order_they_are_called
    of_many_changes_of_one_version_one_is_done
};

async fn a_new_card_is_read_back(store: &dyn Store) {
    let row = Arc::new(card(10));
    done(store.commit(card_insert(&row)).await.unwrap());
    assert_eq!(store.card_read(row.id).await, Ok(Some(row)));
    assert_eq!(store.card_read(CardId(id(11))).await, Ok(None));
    done(store.commit(card_insert(&card(11))).await.unwrap());
}

async fn a_new_card_does_not_take_the_place_of_another(store: &dyn Store) {
    let first = Arc::new(card(10));
    done(store.commit(card_insert(&first)).await.unwrap());
    let second = CardRow { organisation: organisation(2), ..card(10) };
    assert_eq!(store.commit(card_insert(&second)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.card_read(first.id).await, Ok(Some(first)));
}

async fn a_card_changes_by_the_version_that_was_read(store: &dyn Store) {
    let row = card(10);
    let (second, third) = (Arc::new(card_changed(&row)), card_changed(&card_changed(&row)));
    done(store.commit(card_insert(&row)).await.unwrap());
    done(store.commit(card_update(&second)).await.unwrap());
    assert_eq!(store.commit(card_update(&second)).await, Ok(Outcome::Unmet(0)));
    let ahead = Commit { expects: vec![Expect::Version(RowKey::Card(row.id), 3)], ..card_update(&third) };
    assert_eq!(store.commit(ahead).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.card_read(row.id).await, Ok(Some(second)));
    done(store.commit(card_update(&third)).await.unwrap());
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(third))));
}

async fn a_change_may_leave_the_card_as_it_is(store: &dyn Store) {
    let row = Arc::new(card(10));
    done(store.commit(card_insert(&row)).await.unwrap());
    done(store.commit(card_noted(&row)).await.unwrap());
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::clone(&row))));
    assert_eq!(store.commit(card_noted(&card_changed(&row))).await, Ok(Outcome::Unmet(0)));
}

async fn a_deleted_card_is_gone(store: &dyn Store) {
    let row = card(10);
    done(store.commit(card_insert(&row)).await.unwrap());
    done(store.commit(card_delete(&row)).await.unwrap());
    assert_eq!(store.card_read(row.id).await, Ok(None));
    assert_eq!(store.commit(card_delete(&row)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.commit(card_update(&card_changed(&row))).await, Ok(Outcome::Unmet(0)));
}

async fn a_card_is_deleted_for_its_organisation_only(store: &dyn Store) {
    let row = card(10);
    done(store.commit(card_insert(&row)).await.unwrap());
    let foreign = CardRow { organisation: organisation(2), ..row.clone() };
    assert_eq!(store.commit(card_delete(&foreign)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))));
}

async fn commits_are_done_in_the_order_they_are_called(store: &dyn Store) {
    let row = card(10);
    let changed = card_changed(&row);
    let inserted = store.commit(card_insert(&row));
    let updated = store.commit(card_update(&changed));
    let stale = store.commit(card_update(&changed));
    let deleted = store.commit(card_delete(&row));
    let gone = store.commit(card_update(&card_changed(&changed)));
    let first = done(inserted.await.unwrap());
    let second = done(updated.await.unwrap());
    assert_eq!(stale.await, Ok(Outcome::Unmet(0)));
    let third = done(deleted.await.unwrap());
    assert_eq!(gone.await, Ok(Outcome::Unmet(0)));
    assert!(first < second && second < third, "of one card: {first}, {second}, {third}");
    // A card that is made again under the same name has later orders still.
    let again = Commit { effects: vec![Effect::from(row.clone())], ..card_insert(&row) };
    assert!(third < done(store.commit(again).await.unwrap()));
}

async fn of_many_changes_of_one_version_one_is_done(store: &dyn Store) {
    let row = card(10);
    done(store.commit(card_insert(&row)).await.unwrap());
    let changed = card_changed(&row);
    let asked: Vec<_> = (0..20).map(|_| store.commit(card_update(&changed))).collect();
    let mut changes = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Outcome::Done { .. } => changes += 1,
            other => assert_eq!(other, Outcome::Unmet(0)),
        }
    }
    assert_eq!(changes, 1);
}
