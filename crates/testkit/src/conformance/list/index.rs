use panvault_model::{AccountId, CardId, RefundStatus, TransactionStatus};
use panvault_store::{
    Count, FieldValue, Filter, RefundField, RefundQuery, RefundRow, Store, Test, TransactionField,
    TransactionQuery, TransactionRow,
};

use super::{all_transactions, insert, number};
use crate::conformance::rows::{
    card, id, organisation, refund, refund_settled, refunded, transaction, transaction_settled,
};
use crate::conformance::{done, refund_create, refund_settle, transaction_initiate, transaction_settle};

/// What has these values, of organisations 1 and 2, without examining any.
fn with(field: TransactionField, values: &[&str]) -> TransactionQuery {
    let values = values.iter().map(|value| FieldValue::Text((*value).to_owned().into())).collect();
    TransactionQuery {
        organisations: vec![organisation(1), organisation(2)],
        filters: vec![Filter { field, test: Test::Equal, values }],
        examined_max: 0,
        ..all_transactions()
    }
}

/// The numbers of the transactions of a page, how many match, and whether that is all.
async fn page(store: &dyn Store, query: TransactionQuery) -> (Vec<u64>, u64, bool) {
    let page = store.transaction_list(query).await.unwrap();
    (page.rows.iter().map(|row| number(row.id.0)).collect(), page.total, page.is_exact)
}

pub(super) async fn transactions_of_an_account_or_a_status_are_found_without_examining(store: &dyn Store) {
    insert(store, &[card(10)]).await;
    let account = |n| AccountId(id(n));
    let rows: Vec<TransactionRow> = (20..26)
        .map(|n| TransactionRow {
            organisation: organisation(1 + n % 2),
            account: account(n % 3),
            ..transaction(n, CardId(id(10)))
        })
        .collect();
    for row in &rows {
        done(store.commit(transaction_initiate(row)).await.unwrap());
    }
    let name = |n| account(n).to_string();
    let of_account = |values: &[&str]| with(TransactionField::Account, values);
    assert_eq!(page(store, of_account(&[&name(0)])).await, (vec![24, 21], 2, true));
    assert_eq!(page(store, of_account(&[&name(2), &name(0), &name(2)])).await.0, [24, 23, 21, 20]);
    assert_eq!(page(store, of_account(&[&name(9), "none"])).await, (vec![], 0, true));
    let theirs = TransactionQuery { organisations: vec![organisation(1)], ..of_account(&[&name(0)]) };
    assert_eq!(page(store, theirs).await, (vec![24], 1, true), "nothing of another organisation");
    let part = TransactionQuery { skip: 1, limit: 1, ..of_account(&[&name(0), &name(1), &name(2)]) };
    assert_eq!(page(store, part.clone()).await, (vec![24], 6, true));
    let few = TransactionQuery { count: Count::UpTo(3), ..part.clone() };
    assert_eq!(page(store, few).await, (vec![24], 3, false));
    assert_eq!(page(store, TransactionQuery { after: Some(id(24)), ..part }).await.0, [22]);

    let of_status = |status: TransactionStatus| with(TransactionField::Status, &[status.as_str()]);
    let [initiated, authorized] = [TransactionStatus::Initiated, TransactionStatus::Authorized];
    assert_eq!(page(store, of_status(initiated)).await, (vec![25, 24, 23, 22, 21, 20], 6, true));
    let settled = transaction_settled(&rows[2], authorized);
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    assert_eq!(page(store, of_status(initiated)).await, (vec![25, 24, 23, 21, 20], 5, true));
    assert_eq!(page(store, of_status(authorized)).await, (vec![22], 1, true));
    let either = with(TransactionField::Status, &[initiated.as_str(), authorized.as_str()]);
    assert_eq!(page(store, either).await, (vec![25, 24, 23, 22, 21, 20], 6, true));
    let mut both = of_status(initiated);
    both.filters.extend(of_account(&[&name(0)]).filters);
    assert_eq!(page(store, TransactionQuery { examined_max: u64::MAX, ..both }).await.0, [24, 21]);
}

/// Only what was asked for is read: a reference may be that of any number of transactions, and a card may pay for as many.
pub(super) async fn transactions_of_a_reference_or_a_card_are_found_without_examining(store: &dyn Store) {
    insert(store, &[card(10), card(11)]).await;
    let reference = |n: u64| ["", "order-1", "order-2"][usize::try_from(n % 3).unwrap()].to_owned();
    let rows: Vec<TransactionRow> = (20..32)
        .map(|n| TransactionRow {
            organisation: organisation(1 + n / 3 % 2),
            merchant_reference: reference(n),
            ..transaction(n, CardId(id(10 + n % 2)))
        })
        .collect();
    for row in &rows {
        done(store.commit(transaction_initiate(row)).await.unwrap());
    }
    let of = |values: &[&str]| with(TransactionField::MerchantReference, values);
    assert_eq!(page(store, of(&["order-1"])).await, (vec![31, 28, 25, 22], 4, true));
    assert_eq!(page(store, of(&["order-2", "order-1", "order-2"])).await.0, [31, 29, 28, 26, 25, 23, 22, 20]);
    assert_eq!(page(store, of(&["order-3", "Order-1", "order-"])).await, (vec![], 0, true));
    assert_eq!(page(store, of(&[""])).await, (vec![], 0, true), "what is absent equals nothing");
    let theirs = TransactionQuery { organisations: vec![organisation(1)], ..of(&["order-1"]) };
    assert_eq!(page(store, theirs).await, (vec![31, 25], 2, true), "nothing of another organisation");
    let part = TransactionQuery { skip: 1, limit: 1, ..of(&["order-1"]) };
    assert_eq!(page(store, part.clone()).await, (vec![28], 4, true));
    let few = TransactionQuery { count: Count::UpTo(3), ..part.clone() };
    assert_eq!(page(store, few).await, (vec![28], 3, false));
    let exact = TransactionQuery { count: Count::UpTo(5), ..part.clone() };
    assert_eq!(page(store, exact).await, (vec![28], 4, true));
    assert_eq!(page(store, TransactionQuery { after: Some(id(28)), ..part }).await.0, [22]);
    let made = FieldValue::Number(rows[5].created_at.unix_millis());
    let mut since = of(&["order-1"]);
    since.filters.push(Filter {
        field: TransactionField::CreatedAt,
        test: Test::AtLeast,
        values: vec![made],
    });
    assert_eq!(page(store, TransactionQuery { examined_max: 3, ..since }).await.0, [31, 28, 25]);
    let settled = transaction_settled(&rows[2], TransactionStatus::Authorized);
    done(store.commit(transaction_settle(&settled)).await.unwrap());
    assert_eq!(page(store, of(&["order-1"])).await.0, [31, 28, 25, 22], "a change is no further entry");

    let card = |n| CardId(id(n)).to_string();
    let of_card = |values: &[&str]| with(TransactionField::Card, values);
    assert_eq!(page(store, of_card(&[&card(10)])).await, (vec![30, 28, 26, 24, 22, 20], 6, true));
    let few = TransactionQuery { limit: 2, count: Count::UpTo(3), ..of_card(&[&card(11), &card(10)]) };
    assert_eq!(page(store, few).await, (vec![31, 30], 3, false));
    let theirs = TransactionQuery { organisations: vec![organisation(2)], ..of_card(&[&card(10)]) };
    assert_eq!(page(store, theirs).await, (vec![28, 22], 2, true));
}

/// The numbers of the refunds of a page, how many match, and whether that is all.
async fn refunds(store: &dyn Store, field: RefundField, values: &[&str]) -> (Vec<u64>, u64, bool) {
    let values = values.iter().map(|value| FieldValue::Text((*value).to_owned().into())).collect();
    let page = store.refund_list(RefundQuery {
        filters: vec![Filter { field, test: Test::Equal, values }],
        examined_max: 0,
        ..RefundQuery::newest(vec![organisation(1)], 100)
    });
    let page = page.await.unwrap();
    (page.rows.iter().map(|row| number(row.id.0)).collect(), page.total, page.is_exact)
}

/// Whoever settled read every refund there was, to find those that were pending.
pub(super) async fn refunds_of_an_account_or_a_status_are_found_without_examining(store: &dyn Store) {
    insert(store, &[card(10)]).await;
    let mut of = transaction(20, CardId(id(10)));
    done(store.commit(transaction_initiate(&of)).await.unwrap());
    let mut rows = Vec::new();
    for n in 30..36 {
        let row = RefundRow { account: AccountId(id(n % 2)), ..refund(n, of.id) };
        of = refunded(&of);
        done(store.commit(refund_create(&row, &of)).await.unwrap());
        rows.push(row);
    }
    let account = |n| AccountId(id(n)).to_string();
    let by = RefundField::Account;
    assert_eq!(refunds(store, by, &[&account(0)]).await, (vec![34, 32, 30], 3, true));
    assert_eq!(refunds(store, by, &[&account(0), &account(1)]).await.1, 6);
    assert_eq!(refunds(store, by, &[&account(2), "none"]).await, (vec![], 0, true));
    let [pending, processed] = [RefundStatus::Pending, RefundStatus::Processed];
    let by = RefundField::Status;
    assert_eq!(refunds(store, by, &[pending.as_str()]).await, (vec![35, 34, 33, 32, 31, 30], 6, true));
    let approved = refund_settled(&rows[1], pending);
    done(store.commit(refund_settle(&approved)).await.unwrap());
    assert_eq!(refunds(store, by, &[pending.as_str()]).await.1, 6, "a change is no further entry");
    done(store.commit(refund_settle(&refund_settled(&approved, processed))).await.unwrap());
    assert_eq!(refunds(store, by, &[pending.as_str()]).await, (vec![35, 34, 33, 32, 30], 5, true));
    assert_eq!(refunds(store, by, &[processed.as_str()]).await, (vec![31], 1, true));
    assert_eq!(refunds(store, by, &[processed.as_str(), pending.as_str()]).await.1, 6);
}
