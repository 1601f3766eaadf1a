use std::borrow::Cow;
use std::sync::Arc;

use panvault_model::{CardId, TransactionStatus};
use panvault_store::{
    CardField, CardQuery, CardRow, Field, FieldValue, Filter, Store, Test, TransactionField,
    TransactionQuery, TransactionRow,
};

use super::{all_cards, all_transactions, found, found_transactions, insert};
use crate::conformance::rows::{at, card, id, organisation, transaction, transaction_settled};
use crate::conformance::{card_delete, card_update, done, transaction_initiate, transaction_settle};

fn text(text: &str) -> FieldValue<'static> {
    FieldValue::Text(Cow::Owned(text.to_owned()))
}

fn cards_where(filters: &[(CardField, Test, &[FieldValue<'static>])]) -> CardQuery {
    let filters = filters.iter().map(|(field, test, values)| Filter {
        field: *field,
        test: *test,
        values: values.to_vec(),
    });
    CardQuery { filters: filters.collect(), ..all_cards() }
}

fn transactions_where(field: TransactionField, test: Test, value: FieldValue<'static>) -> TransactionQuery {
    TransactionQuery { filters: vec![Filter { field, test, values: vec![value] }], ..all_transactions() }
}

pub(super) async fn every_card_field_finds_its_card(store: &dyn Store) {
    insert(store, &[card(10), card(11)]).await;
    for field in CardField::ALL {
        let value = field.value(&card(10)).into_owned();
        let (numbers, total) = found(store, cards_where(&[(*field, Test::Equal, &[value])])).await;
        assert!(numbers.contains(&10) && total == numbers.len() as u64, "{field:?}");
        let (numbers, total) = found(store, cards_where(&[(*field, Test::Equal, &[text("none")])])).await;
        assert!(numbers.is_empty() && total == 0, "{field:?}");
    }
    for field in [CardField::Id, CardField::LastFour, CardField::Fingerprint, CardField::ExpiryMonth] {
        let value = field.value(&card(10)).into_owned();
        assert_eq!(found(store, cards_where(&[(field, Test::Equal, &[value])])).await, (vec![10], 1));
    }
}

pub(super) async fn every_transaction_field_finds_its_transaction(store: &dyn Store) {
    insert(store, &[card(10), card(11)]).await;
    let rows = [transaction(20, CardId(id(10))), transaction(21, CardId(id(11)))];
    for row in &rows {
        done(store.commit(transaction_initiate(row)).await.unwrap());
    }
    let settled = transaction_settled(&rows[0], TransactionStatus::Authorized);
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    for field in TransactionField::ALL {
        let value = field.value(&settled).into_owned();
        let query = transactions_where(*field, Test::Equal, value);
        let (numbers, total) = found_transactions(store, query).await;
        assert!(numbers.contains(&20) && total == numbers.len() as u64, "{field:?}");
        let query = transactions_where(*field, Test::Equal, text("none"));
        assert_eq!(found_transactions(store, query).await, (vec![], 0), "{field:?}");
    }
    for field in [TransactionField::Id, TransactionField::Card, TransactionField::Status] {
        let query = transactions_where(field, Test::Equal, field.value(&settled).into_owned());
        assert_eq!(found_transactions(store, query).await, (vec![20], 1));
    }
}

pub(super) async fn a_filter_takes_any_of_its_values(store: &dyn Store) {
    insert(store, &[card(10), card(11), card(12)]).await;
    let any =
        |field, values: &[FieldValue<'static>]| found(store, cards_where(&[(field, Test::Equal, values)]));
    assert_eq!(any(CardField::LastFour, &[text("0123"), text("2123")]).await, (vec![12, 10], 2));
    assert_eq!(any(CardField::LastFour, &[text("0123"), text("0123")]).await, (vec![10], 1));
    assert_eq!(any(CardField::LastFour, &[]).await, (vec![], 0));
    let prints = [10, 12, 10].map(|n| text(&card(n).fingerprint.to_string()));
    assert_eq!(any(CardField::Fingerprint, &prints).await, (vec![12, 10], 2), "the same one twice");
}

pub(super) async fn a_filter_leaves_out_all_of_its_values(store: &dyn Store) {
    let unknown = CardRow { brand: None, ..card(12) };
    insert(store, &[card(10), card(11), unknown]).await;
    let none =
        |field, values: &[FieldValue<'static>]| found(store, cards_where(&[(field, Test::NotEqual, values)]));
    assert_eq!(none(CardField::LastFour, &[text("0123"), text("2123")]).await, (vec![11], 1));
    assert_eq!(none(CardField::Brand, &[text("Visa")]).await, (vec![12], 1), "what is absent is unequal");
    assert_eq!(none(CardField::Brand, &[]).await, (vec![12, 11, 10], 3));
}

pub(super) async fn a_filter_bounds_what_is_known(store: &dyn Store) {
    let mut unknown = card(13);
    unknown.facts.issuer_name = None;
    insert(store, &[card(10), card(11), card(12), unknown]).await;
    let time = |n| FieldValue::Number(at(n).unix_millis());
    let list = |filters: &[(CardField, Test, &[FieldValue<'static>])]| found(store, cards_where(filters));
    let field = CardField::CreatedAt;
    assert_eq!(list(&[(field, Test::AtLeast, &[time(12)])]).await, (vec![13, 12], 2));
    assert_eq!(list(&[(field, Test::AtMost, &[time(11)])]).await, (vec![11, 10], 2));
    assert_eq!(list(&[(field, Test::AtLeast, &[time(10), time(12)])]).await, (vec![13, 12], 2), "all bounds");
    let between: [(_, _, &[_]); 2] =
        [(field, Test::AtLeast, &[time(11)]), (field, Test::AtMost, &[time(12)])];
    assert_eq!(list(&between).await, (vec![12, 11], 2));
    let name = CardField::IssuerName;
    assert_eq!(list(&[(name, Test::AtMost, &[text("Z")])]).await, (vec![12, 11, 10], 3));
    assert_eq!(list(&[(name, Test::AtLeast, &[text("")])]).await, (vec![12, 11, 10], 3));
}

pub(super) async fn filters_hold_together(store: &dyn Store) {
    insert(store, &[card(10), card(11), card(20)]).await;
    let list = |filters: &[(CardField, Test, &[FieldValue<'static>])]| found(store, cards_where(filters));
    let four: &[_] = &[text("0123")];
    assert_eq!(list(&[(CardField::LastFour, Test::Equal, four)]).await, (vec![20, 10], 2));
    let newer: &[_] = &[FieldValue::Number(at(15).unix_millis())];
    let both = [(CardField::LastFour, Test::Equal, four), (CardField::CreatedAt, Test::AtLeast, newer)];
    assert_eq!(list(&both).await, (vec![20], 1));
    let print: &[_] = &[text(&card(10).fingerprint.to_string())];
    let other: &[_] = &[text(&card(11).fingerprint.to_string())];
    let never = [(CardField::Fingerprint, Test::Equal, print), (CardField::Fingerprint, Test::Equal, other)];
    assert_eq!(list(&never).await, (vec![], 0));
}

pub(super) async fn what_is_absent_equals_nothing(store: &dyn Store) {
    let unknown = CardRow { brand: None, ..card(11) };
    insert(store, &[card(10), unknown]).await;
    let query = cards_where(&[(CardField::Brand, Test::Equal, &[text("Visa"), text("Amex")])]);
    assert_eq!(found(store, query).await, (vec![10], 1));
}

/// An index that goes by fingerprint or card sees rows of every organisation.
pub(super) async fn an_index_shows_no_other_organisation(store: &dyn Store) {
    let same = |n, owner| {
        let fingerprint = card(10).fingerprint;
        CardRow { organisation: organisation(owner), fingerprint, ..card(n) }
    };
    insert(store, &[same(10, 1), same(11, 2), same(12, 1)]).await;
    let print: &[_] = &[text(&card(10).fingerprint.to_string())];
    let query = cards_where(&[(CardField::Fingerprint, Test::Equal, print)]);
    assert_eq!(found(store, query).await, (vec![12, 10], 2));
    for (n, owner) in [(20, 1), (21, 2)] {
        let row = TransactionRow { organisation: organisation(owner), ..transaction(n, CardId(id(10))) };
        done(store.commit(transaction_initiate(&row)).await.unwrap());
    }
    let query = transactions_where(TransactionField::Card, Test::Equal, text(&CardId(id(10)).to_string()));
    assert_eq!(found_transactions(store, query.clone()).await, (vec![20], 1));
    let theirs = TransactionQuery { organisations: vec![organisation(2)], ..query };
    let page = store.transaction_list(theirs).await.unwrap();
    let theirs = TransactionRow { organisation: organisation(2), ..transaction(21, CardId(id(10))) };
    assert_eq!(page.rows, [Arc::new(theirs)]);
}

/// While the key for fingerprints is another than before, a card has two: it is found by both, whichever of them it came with, and by none that it has no more.
pub(super) async fn a_card_is_found_by_its_fingerprint_and_the_one_before(store: &dyn Store) {
    let (first, next, last) = (card(90).fingerprint, card(91).fingerprint, card(92).fingerprint);
    let changed = |row: &CardRow, fingerprint, fingerprint_key, fingerprint_before| CardRow {
        version: row.version + 1,
        fingerprint,
        fingerprint_key,
        fingerprint_before,
        ..row.clone()
    };
    let rows = [10, 11, 12].map(|n| CardRow { fingerprint: first, ..card(n) });
    let made_with_both =
        CardRow { fingerprint: next, fingerprint_key: 2, fingerprint_before: Some((first, 1)), ..card(13) };
    insert(store, &[&rows[..], core::slice::from_ref(&made_with_both)].concat()).await;
    let found_by = async |values: &[panvault_model::Fingerprint]| {
        let values: Vec<_> = values.iter().map(|print| text(&print.to_string())).collect();
        let equal = found(store, cards_where(&[(CardField::Fingerprint, Test::Equal, &values)])).await;
        let others = found(store, cards_where(&[(CardField::Fingerprint, Test::NotEqual, &values)])).await;
        assert_eq!((equal.1, equal.1 + others.1), (equal.0.len() as u64, 4));
        equal.0
    };
    assert_eq!(found_by(&[first]).await, [13, 12, 11, 10]);
    assert_eq!(found_by(&[next]).await, [13]);
    let moved = [0, 1].map(|n| changed(&rows[n], next, 2, Some((first, 1))));
    for row in &moved {
        done(store.commit(card_update(row)).await.unwrap());
    }
    assert_eq!(found_by(&[first]).await, [13, 12, 11, 10]);
    assert_eq!(found_by(&[next]).await, [13, 11, 10]);
    assert_eq!(found_by(&[first, next]).await, [13, 12, 11, 10], "each once");
    for row in [&moved[0], &made_with_both] {
        done(store.commit(card_update(&changed(row, next, 2, None))).await.unwrap());
    }
    assert_eq!(found_by(&[first]).await, [12, 11]);
    assert_eq!(found_by(&[next]).await, [13, 11, 10]);
    // Once more, as another key comes after that.
    let again = changed(&moved[1], last, 3, Some((next, 2)));
    done(store.commit(card_update(&again)).await.unwrap());
    assert_eq!(found_by(&[first]).await, [12]);
    assert_eq!(found_by(&[next]).await, [13, 11, 10]);
    assert_eq!(found_by(&[last]).await, [11]);
    done(store.commit(card_delete(&again)).await.unwrap());
    let gone = |print: panvault_model::Fingerprint| {
        found(store, cards_where(&[(CardField::Fingerprint, Test::Equal, &[text(&print.to_string())])]))
    };
    assert_eq!((gone(last).await.1, gone(next).await.0), (0, vec![13, 10]));
}

/// A store may know from an id when its row was made, and look nowhere else.
pub(super) async fn a_list_of_times_has_what_was_made_then(store: &dyn Store) {
    insert(store, &(10..20).map(card).collect::<Vec<_>>()).await;
    let (equal, from, to) = (Test::Equal, Test::AtLeast, Test::AtMost);
    let created = |tests: &[(Test, &[u64])]| {
        let moments = |seconds: &[u64]| {
            seconds.iter().map(|n| FieldValue::Number(at(*n).unix_millis())).collect::<Vec<_>>()
        };
        let filters = tests.iter().map(|(test, seconds)| Filter {
            field: CardField::CreatedAt,
            test: *test,
            values: moments(seconds),
        });
        let filters = filters.collect();
        async move { found(store, CardQuery { filters, ..all_cards() }).await }
    };
    assert_eq!(created(&[(from, &[17])]).await, (vec![19, 18, 17], 3));
    assert_eq!(created(&[(to, &[11])]).await, (vec![11, 10], 2));
    assert_eq!(created(&[(from, &[12, 14]), (to, &[16, 15])]).await, (vec![15, 14], 2), "all hold");
    assert_eq!(created(&[(equal, &[18, 12])]).await, (vec![18, 12], 2), "any of them");
    assert_eq!(created(&[(equal, &[18, 12]), (to, &[15])]).await, (vec![12], 1));
    assert_eq!(created(&[(Test::NotEqual, &[18]), (from, &[17])]).await, (vec![19, 17], 2));
    assert_eq!(created(&[(from, &[16]), (to, &[15])]).await, (vec![], 0));
    let far = FieldValue::Number(999_999_999_999_999);
    for (test, expected) in [(from, 0), (to, 10), (equal, 0)] {
        let filters = vec![Filter { field: CardField::CreatedAt, test, values: vec![far.clone()] }];
        assert_eq!(found(store, CardQuery { filters, ..all_cards() }).await.1, expected, "behind every id");
    }
}
