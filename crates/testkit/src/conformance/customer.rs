use std::sync::Arc;

use panvault_model::{CustomerId, OrganisationId};
use panvault_store::{
    Action, Commit, CustomerField, CustomerQuery, CustomerRow, Direction, Effect, Expect, FieldValue, Filter,
    Outcome, RowKey, Store, Test,
};

use super::rows::{customer, customer_changed, id, organisation};
use super::{StoreCase, cases, customer_delete, customer_insert, customer_update, done, note};

pub(super) const CASES: &[StoreCase] = cases! {
    a_customer_is_read_as_it_was_written
    customers_are_found_by_their_address_as_it_is_now
    an_erased_customer_is_gone_from_every_list
    a_customer_is_changed_by_one_of_two
};

async fn found(store: &dyn Store, query: CustomerQuery) -> (Vec<CustomerId>, u64) {
    let page = store.customer_list(query).await.unwrap();
    (page.rows.iter().map(|row| row.id).collect(), page.total)
}

fn all(organisations: &[OrganisationId]) -> CustomerQuery {
    CustomerQuery::newest(organisations.to_vec(), 100)
}

fn with_email(bytes: &[u8]) -> CustomerQuery {
    let digest = |byte: &u8| FieldValue::Text(format!("{byte:02x}").repeat(16).into());
    let values = bytes.iter().map(digest).collect();
    let filters = vec![Filter { field: CustomerField::Email, test: Test::Equal, values }];
    CustomerQuery { filters, ..all(&[organisation(1), organisation(2)]) }
}

fn named(n: u64) -> CustomerId {
    CustomerId(id(n))
}

async fn a_customer_is_read_as_it_was_written(store: &dyn Store) {
    let first = Arc::new(customer(20, 1));
    done(store.commit(customer_insert(&first)).await.unwrap());
    assert_eq!(store.customer_read(first.id).await, Ok(Some(Arc::clone(&first))));
    assert_eq!(store.customer_read(named(21)).await, Ok(None));
    assert_eq!(store.commit(customer_insert(&first)).await, Ok(Outcome::Unmet(0)), "an id is one customer's");
    let second = Arc::new(customer_changed(&first, None));
    done(store.commit(customer_update(&second)).await.unwrap());
    assert_eq!(store.customer_read(first.id).await, Ok(Some(Arc::clone(&second))));
    let page = store.customer_list(all(&[organisation(1)])).await.unwrap();
    assert_eq!((page.rows, page.total), (vec![second], 1));
}

async fn customers_are_found_by_their_address_as_it_is_now(store: &dyn Store) {
    let rows = [(20, 1), (21, 2), (22, 1)].map(|(n, email)| customer(n, email));
    let other = CustomerRow { organisation: organisation(2), ..customer(23, 1) };
    let none = CustomerRow { email: None, email_key: 0, ..customer(24, 9) };
    for row in rows.iter().chain([&other, &none]) {
        done(store.commit(customer_insert(row)).await.unwrap());
    }
    assert_eq!(found(store, with_email(&[1])).await, (vec![named(23), named(22), named(20)], 3));
    assert_eq!(
        found(store, with_email(&[1, 2])).await,
        (vec![named(23), named(22), named(21), named(20)], 4)
    );
    assert_eq!(found(store, with_email(&[])).await, (vec![], 0), "no address is nobody's");
    let ours = CustomerQuery { organisations: vec![organisation(1)], ..with_email(&[1]) };
    assert_eq!(found(store, ours).await, (vec![named(22), named(20)], 2));
    let second = CustomerQuery { skip: 1, limit: 1, ..with_email(&[1]) };
    assert_eq!(found(store, second).await, (vec![named(22)], 3));
    let oldest = CustomerQuery {
        sort: Some((CustomerField::CreatedAt, Direction::Ascending)),
        ..all(&[organisation(1)])
    };
    assert_eq!(found(store, oldest).await, (vec![named(20), named(21), named(22), named(24)], 4));
    let [first, second, _] = &rows;
    done(store.commit(customer_update(&customer_changed(first, Some(2)))).await.unwrap());
    done(store.commit(customer_update(&customer_changed(second, None))).await.unwrap());
    assert_eq!(found(store, with_email(&[1])).await, (vec![named(23), named(22)], 2));
    assert_eq!(found(store, with_email(&[2])).await, (vec![named(20)], 1));
}

async fn an_erased_customer_is_gone_from_every_list(store: &dyn Store) {
    let rows = [20, 21].map(|n| customer(n, 1));
    for row in &rows {
        done(store.commit(customer_insert(row)).await.unwrap());
    }
    let [first, second] = &rows;
    let strangers = Commit {
        expects: vec![Expect::Owned(RowKey::Customer(first.id), organisation(2))],
        ..customer_delete(first)
    };
    assert_eq!(store.commit(strangers).await, Ok(Outcome::Unmet(0)));
    done(store.commit(customer_delete(first)).await.unwrap());
    assert_eq!(store.customer_read(first.id).await, Ok(None));
    assert_eq!(found(store, with_email(&[1])).await, (vec![named(21)], 1));
    assert_eq!(found(store, all(&[organisation(1)])).await, (vec![named(21)], 1));
    assert_eq!(store.commit(customer_delete(first)).await, Ok(Outcome::Unmet(0)));
    let both = Commit {
        effects: vec![Effect::Delete(RowKey::Customer(second.id)), customer(22, 1).into()],
        ..customer_delete(second)
    };
    done(store.commit(both).await.unwrap());
    assert_eq!(found(store, with_email(&[1])).await, (vec![named(22)], 1));
}

async fn a_customer_is_changed_by_one_of_two(store: &dyn Store) {
    let first = customer(20, 1);
    done(store.commit(customer_insert(&first)).await.unwrap());
    let (one, other) = (customer_changed(&first, Some(2)), customer_changed(&first, Some(3)));
    done(store.commit(customer_update(&one)).await.unwrap());
    assert_eq!(store.commit(customer_update(&other)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.customer_read(first.id).await, Ok(Some(Arc::new(one))));
    let absent = Commit {
        expects: vec![Expect::Absent(RowKey::Customer(first.id))],
        effects: Vec::new(),
        claim: None,
        audit: note(Action::CustomerUpdate, first.id.0),
    };
    assert_eq!(store.commit(absent).await, Ok(Outcome::Unmet(0)));
}
