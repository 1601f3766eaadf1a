use panvault_model::{AccountId, CardId, TransactionStatus};
use panvault_store::{
    Count, FieldValue, Filter, Store, Test, TransactionField, TransactionQuery, TransactionRow,
};

use super::{all_transactions, insert, number};
use crate::conformance::rows::{card, id, organisation, transaction, transaction_settled};
use crate::conformance::{done, transaction_initiate, transaction_settle};

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
