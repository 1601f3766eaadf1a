use std::sync::Arc;

use panvault_model::{CardId, OrganisationId, TransactionId};
use panvault_store::{
    Action, CheckoutEnd, CheckoutField, CheckoutQuery, CheckoutRow, Commit, Effect, Expect, FieldValue,
    Filter, Outcome, RowKey, Store, Test,
};

use crate::conformance::rows::{at, checkout, id, organisation};
use crate::conformance::{StoreCase, cases, done, note};

pub(super) const CASES: &[StoreCase] = cases! {
    a_checkout_is_changed_by_one_of_those_that_race
    a_checkout_is_removed_in_its_time
    checkouts_are_listed_newest_first
};

fn put(row: &CheckoutRow) -> Commit {
    let key = RowKey::Checkout(row.id);
    let expects =
        vec![if row.version == 1 { Expect::Absent(key) } else { Expect::Version(key, row.version - 1) }];
    let audit = note(Action::CheckoutCreate, row.id.0);
    Commit { claim: None, expects, effects: vec![row.clone().into()], audit }
}

async fn filled(store: &dyn Store, rows: &[CheckoutRow]) {
    for row in rows {
        done(store.commit(put(row)).await.unwrap());
    }
}

async fn a_checkout_is_changed_by_one_of_those_that_race(store: &dyn Store) {
    let row = checkout(45, at(900));
    assert_eq!(store.checkout_read(row.id).await, Ok(None));
    filled(store, std::slice::from_ref(&row)).await;
    assert_eq!(store.commit(put(&row)).await, Ok(Outcome::Unmet(0)), "it is there");
    let bound = CheckoutRow { version: 2, card: Some(CardId(id(7))), cards: 1, ..row.clone() };
    let begun = CheckoutRow { version: 2, attempts: 1, transaction: Some(TransactionId(id(8))), ..row };
    done(store.commit(put(&begun)).await.unwrap());
    assert_eq!(store.commit(put(&bound)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.checkout_read(begun.id).await, Ok(Some(Arc::new(begun.clone()))));
    let owned = Expect::Owned(RowKey::Checkout(begun.id), organisation(2));
    let foreign = Commit { expects: vec![owned], ..put(&begun) };
    assert_eq!(store.commit(foreign).await, Ok(Outcome::Unmet(0)), "it is of another organisation");
}

async fn a_checkout_is_removed_in_its_time(store: &dyn Store) {
    let rows = [checkout(45, at(900)), checkout(46, at(700)), checkout(47, at(901))];
    filled(store, &rows).await;
    let ended = CheckoutRow { version: 2, end: Some(CheckoutEnd::Tokenised), ..rows[0].clone() };
    done(store.commit(put(&ended)).await.unwrap());
    assert_eq!(store.checkout_over(at(699), 9).await, Ok(Vec::new()));
    let [first, second] = [rows[1].clone(), ended.clone()].map(Arc::new);
    assert_eq!(store.checkout_over(at(900), 9).await, Ok(vec![Arc::clone(&first), second]));
    assert_eq!(store.checkout_over(at(900), 1).await, Ok(vec![first]));
    let key = RowKey::Checkout(rows[1].id);
    let gone =
        Commit { expects: vec![Expect::Version(key, 1)], effects: vec![Effect::Delete(key)], ..put(&ended) };
    done(store.commit(gone).await.unwrap());
    assert_eq!(store.checkout_read(rows[1].id).await, Ok(None));
    let left = store.checkout_over(at(9_999), 9).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[0].id, rows[2].id]);
    let all = CheckoutQuery::newest(vec![organisation(1)], 10);
    let listed = store.checkout_list(all).await.unwrap().rows;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[2].id, rows[0].id]);
}

async fn checkouts_are_listed_newest_first(store: &dyn Store) {
    let foreign = CheckoutRow { organisation: organisation(2), ..checkout(48, at(900)) };
    let rows = [checkout(45, at(900)), checkout(46, at(900)), checkout(47, at(900)), foreign];
    filled(store, &rows).await;
    let [first, second, third, foreign] = rows.map(Arc::new);
    let list = |organisations: Vec<OrganisationId>, skip, limit, filters: Vec<Filter<CheckoutField>>| {
        let query = CheckoutQuery { skip, filters, ..CheckoutQuery::newest(organisations, limit) };
        async { store.checkout_list(query).await.map(|page| (page.rows, page.total)).unwrap() }
    };
    let (one, both) = (vec![organisation(1)], vec![organisation(1), organisation(2)]);
    let all = vec![Arc::clone(&third), Arc::clone(&second), Arc::clone(&first)];
    assert_eq!(list(one.clone(), 0, 10, Vec::new()).await, (all.clone(), 3));
    assert_eq!(list(one.clone(), 1, 1, Vec::new()).await, (vec![Arc::clone(&second)], 3));
    let everything: Vec<_> = [foreign].into_iter().chain(all).collect();
    assert_eq!(list(both, 0, 10, Vec::new()).await, (everything, 4));
    let equal = |field, text: String| Filter {
        field,
        test: Test::Equal,
        values: vec![FieldValue::Text(text.into())],
    };
    let named = equal(CheckoutField::Id, second.id.to_string());
    assert_eq!(list(one.clone(), 0, 10, vec![named]).await, (vec![Arc::clone(&second)], 1));
    let reference = equal(CheckoutField::MerchantReference, "order 45".to_owned());
    assert_eq!(list(one, 0, 10, vec![reference]).await, (vec![first], 1));
}
