use panvault_model::CardId;
use panvault_store::{
    CardField, CardQuery, Count, Cursor, Direction, FieldValue, Filter, Store, StoreFault, Test,
    TransactionField, TransactionQuery,
};

use super::{all_cards, all_transactions, found, insert, number, of};
use crate::conformance::rows::{card, id, organisation, transaction};
use crate::conformance::{done, transaction_initiate};

/// Six cards, of two organisations in turn.
async fn six(store: &dyn Store) {
    let rows: Vec<_> = (10..16).map(|n| of(n, organisation(1 + n % 2))).collect();
    insert(store, &rows).await;
}

fn both() -> CardQuery {
    CardQuery { organisations: vec![organisation(1), organisation(2)], ..all_cards() }
}

/// A condition that every card meets, and of which no index says which cards they are.
fn last_four() -> Vec<Filter<CardField>> {
    vec![Filter {
        field: CardField::LastFour,
        test: Test::NotEqual,
        values: vec![FieldValue::Text("none".into())],
    }]
}

/// The numbers of the cards of a page, how many match, and whether that is all.
async fn page(store: &dyn Store, query: CardQuery) -> (Vec<u64>, u64, bool) {
    let page = store.card_list(query).await.unwrap();
    (page.rows.iter().map(|row| number(row.id.0)).collect(), page.total, page.is_exact)
}

pub(super) async fn a_page_begins_behind_an_id(store: &dyn Store) {
    six(store).await;
    let after = |n: u64| CardQuery { after: Some(id(n)), ..both() };
    assert_eq!(page(store, after(13)).await, (vec![12, 11, 10], 6, true), "the total is of all");
    assert_eq!(page(store, CardQuery { skip: 1, limit: 1, ..after(13) }).await, (vec![11], 6, true));
    assert_eq!(page(store, after(100)).await, (vec![15, 14, 13, 12, 11, 10], 6, true), "of nobody");
    assert_eq!(page(store, after(10)).await, (vec![], 6, true));
    let one = CardQuery { organisations: vec![organisation(1)], ..after(13) };
    assert_eq!(page(store, one).await, (vec![12, 10], 3, true), "behind another's");
    let narrowed = CardQuery { filters: last_four(), ..after(13) };
    assert_eq!(page(store, narrowed).await, (vec![12, 11, 10], 3, false), "at least so many");
    let times = Filter {
        field: CardField::CreatedAt,
        test: Test::AtMost,
        values: vec![FieldValue::Number(card(12).created_at.unix_millis())],
    };
    let made = CardQuery { filters: vec![times], ..after(15) };
    let (rows, ..) = page(store, made.clone()).await;
    assert_eq!(rows, page(store, CardQuery { after: None, ..made.clone() }).await.0, "times come first");
    assert_eq!(page(store, CardQuery { after: Some(id(11)), ..made }).await.0, [10]);
    let found_by = Filter {
        field: CardField::Fingerprint,
        test: Test::Equal,
        values: vec![FieldValue::Text(card(11).fingerprint.to_string().into())],
    };
    let by_index = |n| CardQuery { filters: vec![found_by.clone()], ..after(n) };
    assert_eq!(found(store, by_index(12)).await.0, [11]);
    assert_eq!(found(store, by_index(11)).await.0, [0; 0]);
    for n in 20..23 {
        done(store.commit(transaction_initiate(&transaction(n, CardId(id(10))))).await.unwrap());
    }
    let of_card = Filter {
        field: TransactionField::Card,
        test: Test::Equal,
        values: vec![FieldValue::Text(CardId(id(10)).to_string().into())],
    };
    let behind = TransactionQuery { after: Some(id(22)), filters: vec![of_card], ..all_transactions() };
    let rows = store.transaction_list(behind).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| number(row.id.0)).collect::<Vec<_>>(), [21, 20]);
}

pub(super) async fn a_count_has_an_end(store: &dyn Store) {
    six(store).await;
    let count = |limit, most| CardQuery { limit, count: Count::UpTo(most), filters: last_four(), ..both() };
    assert_eq!(page(store, count(2, 4)).await, (vec![15, 14], 4, false));
    assert_eq!(page(store, count(5, 4)).await, (vec![15, 14, 13, 12, 11], 5, false), "as far as the page");
    assert_eq!(page(store, count(2, 7)).await, (vec![15, 14], 6, true));
    assert_eq!(page(store, count(0, 4)).await, (vec![], 4, false));
    let all = CardQuery { limit: 2, count: Count::UpTo(4), ..both() };
    assert_eq!(page(store, all).await, (vec![15, 14], 6, true), "what is counted already");
    let sorted = CardQuery { sort: Some((CardField::LastFour, Direction::Ascending)), ..count(2, 4) };
    assert_eq!(page(store, sorted).await.1, 6, "what was gone through is counted");
}

/// Who asked for all of a list took a page with fewer rows than it asked for to be the last.
pub(super) async fn a_page_says_where_its_list_goes_on(store: &dyn Store) {
    six(store).await;
    let behind = |n| Some(Cursor { after: id(n), skip: 0 });
    for filters in [vec![], last_four()] {
        let of = |limit| CardQuery { limit, filters: filters.clone(), ..both() };
        for (query, next) in [
            (of(2), behind(14)),
            (CardQuery { skip: 1, ..of(2) }, behind(13)),
            (CardQuery { after: Some(id(13)), ..of(2) }, behind(11)),
            (CardQuery { count: Count::PageEnd, ..of(2) }, behind(14)),
            (of(6), behind(10)),
            (of(7), None),
            (of(0), None),
            (CardQuery { after: Some(id(10)), ..of(2) }, None),
            (CardQuery { sort: Some((CardField::LastFour, Direction::Ascending)), ..of(2) }, None),
            (CardQuery { sort: Some((CardField::Id, Direction::Descending)), ..of(2) }, behind(14)),
        ] {
            assert_eq!(store.card_list(query.clone()).await.unwrap().next, next, "{query:?}");
        }
    }
}

/// All of a list was gone through at once, however few of its rows match.
pub(super) async fn a_part_ends_where_so_many_were_examined(store: &dyn Store) {
    six(store).await;
    let is = |n: u64, test| {
        let values = vec![FieldValue::Text(CardId(id(n)).to_string().into())];
        Filter { field: CardField::Id, test, values }
    };
    let part = |filters, examined_max| {
        let count = Count::PageEnd;
        CardQuery { limit: 2, is_part: true, count, examined_max, filters, ..both() }
    };
    let behind = |n, skip| Some(Cursor { after: id(n), skip });
    let but_first = || vec![is(15, Test::NotEqual), is(14, Test::NotEqual)];
    let oldest = || vec![is(10, Test::AtMost)];
    for (query, numbers, next) in [
        (part(oldest(), 4), &[][..], behind(12, 0)),
        (CardQuery { skip: 3, ..part(oldest(), 4) }, &[], behind(12, 3)),
        (CardQuery { after: Some(id(12)), ..part(oldest(), 4) }, &[10], None),
        (part(oldest(), 5), &[], behind(11, 0)),
        (part(oldest(), 6), &[10], None),
        (part(but_first(), 3), &[13], behind(13, 0)),
        (CardQuery { skip: 2, ..part(but_first(), 3) }, &[], behind(13, 1)),
        (part(but_first(), 4), &[13, 12], behind(12, 0)),
    ] {
        let page = store.card_list(query.clone()).await.unwrap();
        let found: Vec<_> = page.rows.iter().map(|row| number(row.id.0)).collect();
        assert_eq!((found.as_slice(), page.next), (numbers, next), "{query:?}");
    }
    let sort = Some((CardField::LastFour, Direction::Ascending));
    for refused in [part(last_four(), 0), CardQuery { sort, ..part(last_four(), 4) }] {
        assert_eq!(store.card_list(refused).await, Err(StoreFault::TooManyExamined));
    }
}

pub(super) async fn a_list_examines_so_many_rows_and_no_more(store: &dyn Store) {
    six(store).await;
    let examining = |limit, examined_max| CardQuery { limit, examined_max, filters: last_four(), ..both() };
    assert_eq!(page(store, examining(2, 4)).await, (vec![15, 14], 4, false), "the page is full");
    assert_eq!(page(store, examining(2, 6)).await, (vec![15, 14], 6, true));
    assert_eq!(page(store, examining(0, 4)).await, (vec![], 4, false), "a count has no page to fill");
    let refused = [
        examining(5, 4),
        CardQuery { skip: 3, ..examining(2, 4) },
        CardQuery { sort: Some((CardField::LastFour, Direction::Ascending)), ..examining(2, 4) },
        CardQuery {
            filters: vec![],
            sort: Some((CardField::LastFour, Direction::Ascending)),
            ..examining(2, 5)
        },
    ];
    for query in refused {
        assert_eq!(store.card_list(query.clone()).await, Err(StoreFault::TooManyExamined), "{query:?}");
    }
    let all = CardQuery { filters: vec![], ..examining(6, 1) };
    assert_eq!(page(store, all).await, (vec![15, 14, 13, 12, 11, 10], 6, true), "nothing is asked of them");
    let one = CardQuery { organisations: vec![organisation(1)], ..examining(3, 3) };
    assert_eq!(page(store, one).await.0, [14, 12, 10], "others' are not among them");
}

/// Each row of the first ten thousand was read and held against its tag, for a total: what was made since yesterday took half a second.
pub(super) async fn what_was_made_then_is_counted_without_examining(store: &dyn Store) {
    six(store).await;
    let at = |n: u64| FieldValue::Number(card(n).created_at.unix_millis());
    let made = |test, values| Filter { field: CardField::CreatedAt, test, values };
    let of = |filters| CardQuery { filters, examined_max: 0, ..both() };
    let since = of(vec![made(Test::AtLeast, vec![at(12)])]);
    assert_eq!(page(store, since.clone()).await, (vec![15, 14, 13, 12], 4, true));
    let few = CardQuery { limit: 1, count: Count::UpTo(3), ..since };
    assert_eq!(page(store, few).await, (vec![15], 3, false));
    let between = of(vec![made(Test::AtLeast, vec![at(11)]), made(Test::AtMost, vec![at(14), at(13)])]);
    assert_eq!(page(store, between).await, (vec![13, 12, 11], 3, true));
    assert_eq!(page(store, of(vec![made(Test::Equal, vec![at(14)])])).await, (vec![14], 1, true));
    let print = FieldValue::Text(card(13).fingerprint.to_string().into());
    let print = Filter { field: CardField::Fingerprint, test: Test::Equal, values: vec![print] };
    let with_index = |moment| of(vec![made(Test::AtMost, vec![moment]), print.clone()]);
    assert_eq!(page(store, with_index(at(13))).await, (vec![13], 1, true));
    assert_eq!(page(store, with_index(at(12))).await, (vec![], 0, true));
    for filter in [made(Test::Equal, vec![at(11), at(14)]), made(Test::NotEqual, vec![at(11)])] {
        assert_eq!(store.card_list(of(vec![filter])).await, Err(StoreFault::TooManyExamined));
    }
}
