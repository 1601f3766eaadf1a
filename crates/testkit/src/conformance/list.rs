//! Lists: which rows, in what order, which part of them.

mod bounds;
mod filter;
mod index;
mod order;

use panvault_model::{CardId, Id, OrganisationId, RefundStatus};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{CardQuery, CardRow, Store, Totals, TransactionQuery};

use crate::conformance::rows::{
    card, card_changed, id, organisation, refund, refund_settled, refunded, transaction,
};
use crate::conformance::{
    StoreCase, card_delete, card_insert, card_update, cases, done, refund_create, refund_settle,
    transaction_initiate,
};

pub(super) const CASES: &[StoreCase] = cases! {
    cards_come_newest_first
    cards_come_by_organisation
    all_cards_come_page_by_page_in_the_order_of_their_ids
    a_list_has_parts_and_a_total
    a_list_follows_every_change
    totals_are_of_all_organisations_and_follow_every_change
    transactions_come_by_organisation
    a_page_has_an_end
    every_card_field_finds_its_card
    every_transaction_field_finds_its_transaction
    a_filter_takes_any_of_its_values
    a_filter_leaves_out_all_of_its_values
    a_filter_bounds_what_is_known
    filters_hold_together
    what_is_absent_equals_nothing
    an_index_shows_no_other_organisation
    a_card_is_found_by_its_fingerprint_and_the_one_before
    rows_are_sorted_and_ties_are_newest_first
    a_sorted_list_has_parts_and_a_total
    the_newest_first_is_also_a_sort
    a_count_ends_with_its_page
    a_page_begins_behind_an_id
    a_count_has_an_end
    a_page_says_where_its_list_goes_on
    a_part_ends_where_so_many_were_examined
    a_list_examines_so_many_rows_and_no_more
    what_was_made_then_is_counted_without_examining
    transactions_of_an_account_or_a_status_are_found_without_examining
    transactions_of_a_reference_or_a_card_are_found_without_examining
    refunds_of_an_account_or_a_status_are_found_without_examining
    a_list_of_times_has_what_was_made_then
};

use bounds::{
    a_count_has_an_end, a_list_examines_so_many_rows_and_no_more, a_page_begins_behind_an_id,
    a_page_says_where_its_list_goes_on, a_part_ends_where_so_many_were_examined,
    what_was_made_then_is_counted_without_examining,
};
use filter::{
    a_card_is_found_by_its_fingerprint_and_the_one_before, a_filter_bounds_what_is_known,
    a_filter_leaves_out_all_of_its_values, a_filter_takes_any_of_its_values,
    a_list_of_times_has_what_was_made_then, an_index_shows_no_other_organisation,
    every_card_field_finds_its_card, every_transaction_field_finds_its_transaction, filters_hold_together,
    what_is_absent_equals_nothing,
};
use index::{
    refunds_of_an_account_or_a_status_are_found_without_examining,
    transactions_of_a_reference_or_a_card_are_found_without_examining,
    transactions_of_an_account_or_a_status_are_found_without_examining,
};
use order::{
    a_count_ends_with_its_page, a_sorted_list_has_parts_and_a_total,
    rows_are_sorted_and_ties_are_newest_first, the_newest_first_is_also_a_sort,
};

/// Every card of organisation 1, newest first.
fn all_cards() -> CardQuery {
    CardQuery::newest(vec![organisation(1)], 100)
}

/// Every transaction of organisation 1, newest first.
fn all_transactions() -> TransactionQuery {
    TransactionQuery::newest(vec![organisation(1)], 100)
}

async fn insert(store: &dyn Store, rows: &[CardRow]) {
    for row in rows {
        done(store.commit(card_insert(row)).await.unwrap());
    }
}

/// The numbers of the cards that a question finds, and how many match in all.
async fn found(store: &dyn Store, query: CardQuery) -> (Vec<u64>, u64) {
    let page = store.card_list(query).await.unwrap();
    (page.rows.iter().map(|row| number(row.id.0)).collect(), page.total)
}

/// The numbers of the transactions that a question finds, and how many match in all.
async fn found_transactions(store: &dyn Store, query: TransactionQuery) -> (Vec<u64>, u64) {
    let page = store.transaction_list(query).await.unwrap();
    (page.rows.iter().map(|row| number(row.id.0)).collect(), page.total)
}

/// The number that an id was made of.
fn number(id: Id) -> u64 {
    let [_, _, _, _, low @ ..] = *id.as_bytes();
    u64::from_be_bytes(low)
}

fn of(n: u64, organisation: OrganisationId) -> CardRow {
    CardRow { organisation, ..card(n) }
}

async fn cards_come_newest_first(store: &dyn Store) {
    assert_eq!(found(store, all_cards()).await, (vec![], 0));
    insert(store, &[card(12), card(10), card(11)]).await;
    assert_eq!(found(store, all_cards()).await, (vec![12, 11, 10], 3));
}

async fn all_cards_come_page_by_page_in_the_order_of_their_ids(store: &dyn Store) {
    let page = async |after: u64, limit| {
        let rows = store.card_page(CardId(id(after)), limit).await.unwrap();
        rows.iter().map(|row| number(row.id.0)).collect::<Vec<_>>()
    };
    const NONE: [u64; 0] = [];
    assert_eq!(page(0, 10).await, NONE);
    let [one, two] = [1, 2].map(organisation);
    insert(store, &[of(12, one), of(10, two), of(13, one), of(11, two)]).await;
    assert_eq!(page(0, 10).await, [10, 11, 12, 13]);
    assert_eq!(page(0, 3).await, [10, 11, 12]);
    assert_eq!(page(12, 3).await, [13]);
    assert_eq!(page(13, 3).await, NONE);
    assert_eq!(page(0, 0).await, NONE);
    done(store.commit(card_delete(&of(11, two))).await.unwrap());
    assert_eq!(page(10, 10).await, [12, 13]);
}

async fn cards_come_by_organisation(store: &dyn Store) {
    let [one, two, three] = [1, 2, 3].map(organisation);
    insert(store, &[of(10, one), of(11, two), of(12, one), of(13, three)]).await;
    let list = |organisations: &[OrganisationId]| {
        found(store, CardQuery { organisations: organisations.to_vec(), ..all_cards() })
    };
    assert_eq!(list(&[one]).await, (vec![12, 10], 2));
    assert_eq!(list(&[two, one]).await, (vec![12, 11, 10], 3));
    assert_eq!(list(&[one, one]).await, (vec![12, 10], 2), "named twice");
    assert_eq!(list(&[organisation(4)]).await, (vec![], 0));
    assert_eq!(list(&[]).await, (vec![], 0));
}

async fn a_list_has_parts_and_a_total(store: &dyn Store) {
    let rows: Vec<_> = (10..20).map(|n| of(n, organisation(1 + n % 2))).collect();
    insert(store, &rows).await;
    let organisations = vec![organisation(1), organisation(2)];
    let part = |skip, limit| {
        found(store, CardQuery { skip, limit, organisations: organisations.clone(), ..all_cards() })
    };
    assert_eq!(part(0, 3).await, (vec![19, 18, 17], 10));
    assert_eq!(part(3, 3).await, (vec![16, 15, 14], 10));
    assert_eq!(part(9, 3).await, (vec![10], 10));
    for (skip, limit) in [(10, 3), (u64::MAX, 3), (0, 0), (u64::MAX, u32::MAX)] {
        assert_eq!(part(skip, limit).await, (vec![], 10), "skip {skip}, limit {limit}");
    }
}

async fn a_list_follows_every_change(store: &dyn Store) {
    insert(store, &[card(10), card(11)]).await;
    let changed = card_changed(&card(10));
    done(store.commit(card_update(&changed)).await.unwrap());
    let page = store.card_list(all_cards()).await.unwrap();
    assert_eq!((page.rows[1].as_ref(), page.total), (&changed, 2));
    done(store.commit(card_delete(&card(11))).await.unwrap());
    assert_eq!(found(store, all_cards()).await, (vec![10], 1));
    insert(store, &[card(12)]).await;
    assert_eq!(found(store, all_cards()).await, (vec![12, 10], 2));
}

async fn totals_are_of_all_organisations_and_follow_every_change(store: &dyn Store) {
    let totals = async || {
        let Totals { cards, transactions, refunds } = store.totals().await.unwrap();
        (cards, transactions, refunds)
    };
    assert_eq!(totals().await, (0, 0, 0));
    let other = CardRow { organisation: organisation(2), ..card(12) };
    insert(store, &[card(10), card(11), other.clone()]).await;
    let paid = transaction(20, card(10).id);
    done(store.commit(transaction_initiate(&paid)).await.unwrap());
    assert_eq!(totals().await, (3, 1, 0));
    let row = refund(30, paid.id);
    done(store.commit(refund_create(&row, &refunded(&paid))).await.unwrap());
    assert_eq!(totals().await, (3, 1, 1));
    done(store.commit(refund_settle(&refund_settled(&row, RefundStatus::Failed))).await.unwrap());
    assert_eq!(totals().await, (3, 1, 1));
    done(store.commit(card_update(&card_changed(&card(10)))).await.unwrap());
    assert_eq!(totals().await, (3, 1, 1), "a change is no further row");
    done(store.commit(card_delete(&other)).await.unwrap());
    assert_eq!(totals().await, (2, 1, 1));
}

async fn transactions_come_by_organisation(store: &dyn Store) {
    insert(store, &[card(10)]).await;
    for (n, owner) in [(20, 1), (22, 2), (21, 1)] {
        let mut row = transaction(n, CardId(id(10)));
        row.organisation = organisation(owner);
        done(store.commit(transaction_initiate(&row)).await.unwrap());
    }
    assert_eq!(found_transactions(store, all_transactions()).await, (vec![21, 20], 2));
    let organisations = vec![organisation(2), organisation(1)];
    let both = TransactionQuery { organisations, skip: 1, limit: 1, ..all_transactions() };
    assert_eq!(found_transactions(store, both).await, (vec![21], 3));
}

async fn a_page_has_an_end(store: &dyn Store) {
    let count = u64::from(LIST_ROWS_MAX) + 1;
    let asked: Vec<_> = (0..count).map(|n| store.commit(card_insert(&card(n)))).collect();
    for answer in asked {
        done(answer.await.unwrap());
    }
    let page = store.card_list(CardQuery { limit: u32::MAX, ..all_cards() }).await.unwrap();
    assert_eq!((page.rows.len() as u64, page.total), (count - 1, count));
}
