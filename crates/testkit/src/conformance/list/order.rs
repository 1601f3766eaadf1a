use panvault_model::{Amount, CardId};
use panvault_store::{
    CardField, CardQuery, CardRow, Count, Direction, FieldValue, Filter, Store, Test, TransactionField,
    TransactionQuery,
};

use super::{all_cards, all_transactions, found, found_transactions, insert};
use crate::conformance::rows::{card, id, transaction};
use crate::conformance::{done, transaction_initiate};

/// Cards with names `b`, none, `a`, `b`, from oldest to newest.
async fn named(store: &dyn Store) {
    let rows = [Some("b"), None, Some("a"), Some("b")].into_iter().zip(10..).map(|(name, n)| {
        let mut row = card(n);
        row.facts.issuer_name = name.map(Into::into);
        row
    });
    insert(store, &rows.collect::<Vec<CardRow>>()).await;
}

fn by(field: CardField, direction: Direction) -> CardQuery {
    CardQuery { sort: Some((field, direction)), ..all_cards() }
}

pub(super) async fn rows_are_sorted_and_ties_are_newest_first(store: &dyn Store) {
    named(store).await;
    let name = CardField::IssuerName;
    assert_eq!(found(store, by(name, Direction::Ascending)).await, (vec![11, 12, 13, 10], 4));
    assert_eq!(found(store, by(name, Direction::Descending)).await, (vec![13, 10, 12, 11], 4));
    let created = CardField::CreatedAt;
    assert_eq!(found(store, by(created, Direction::Ascending)).await, (vec![10, 11, 12, 13], 4));
    for (n, cents) in [(20, 300), (21, 9), (22, 300)] {
        let mut row = transaction(n, CardId(id(10)));
        row.amount = Amount::new(cents).unwrap();
        done(store.commit(transaction_initiate(&row)).await.unwrap());
    }
    let sort = Some((TransactionField::Amount, Direction::Ascending));
    let amounts = TransactionQuery { sort, ..all_transactions() };
    assert_eq!(found_transactions(store, amounts).await, (vec![21, 22, 20], 3), "as numbers, not as text");
}

pub(super) async fn a_sorted_list_has_parts_and_a_total(store: &dyn Store) {
    named(store).await;
    let query = by(CardField::IssuerName, Direction::Ascending);
    let part = |skip, limit| found(store, CardQuery { skip, limit, ..query.clone() });
    assert_eq!(part(1, 2).await, (vec![12, 13], 4));
    assert_eq!(part(3, 2).await, (vec![10], 4));
    assert_eq!(part(4, 2).await, (vec![], 4));
    assert_eq!(part(0, 0).await, (vec![], 4));
}

pub(super) async fn the_newest_first_is_also_a_sort(store: &dyn Store) {
    named(store).await;
    for field in [CardField::CreatedAt, CardField::Id] {
        assert_eq!(
            found(store, by(field, Direction::Descending)).await,
            (vec![13, 12, 11, 10], 4),
            "{field:?}"
        );
        let part = CardQuery { skip: 1, limit: 2, ..by(field, Direction::Descending) };
        assert_eq!(found(store, part).await, (vec![12, 11], 4), "{field:?}");
        let part = CardQuery { skip: 1, limit: 2, ..by(field, Direction::Ascending) };
        assert_eq!(found(store, part).await, (vec![11, 12], 4), "{field:?}");
    }
}

/// Whoever asks whether there is anything needs no count of all of it.
pub(super) async fn a_count_ends_with_its_page(store: &dyn Store) {
    named(store).await;
    let count = Count::PageEnd;
    let name = CardField::IssuerName;
    let named = Filter { field: name, test: Test::Equal, values: vec![FieldValue::Text("b".into())] };
    let questions = [
        CardQuery { count, ..all_cards() },
        CardQuery { count, filters: vec![named], ..all_cards() },
        CardQuery { count, ..by(name, Direction::Ascending) },
    ];
    for (query, all) in questions.into_iter().zip([4_u64, 2, 4]) {
        for (skip, limit, total) in [(0, 1, 1), (1, 1, 2), (0, 100, all), (50, 1, all), (0, 0, 0)] {
            let (rows, counted) = found(store, CardQuery { skip, limit, ..query.clone() }).await;
            assert_eq!((rows.len() as u64, counted), (total.min(all).saturating_sub(skip), total));
        }
    }
}
