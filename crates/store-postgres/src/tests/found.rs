use std::sync::Arc;

use panvault_model::{CardId, Tag, TransactionId};
use panvault_store::{
    CardField, CardQuery, CardRow, DeliveryRow, FieldValue, Filter, RowFault, RowKey, StoreFault, Test,
};
use panvault_testkit::conformance::rows::{
    at, card, card_cvv, delivery, id, node, organisation, transaction,
};

use super::support::{Made, block_on, hex_of};

fn misplaced<T>(row: RowKey) -> Result<T, StoreFault> {
    Err(StoreFault::Damaged { row: Some(row), fault: RowFault::Misplaced })
}

/// Whoever can write to the database moves no row to another organisation, account or card, and makes none found by what it is not.
#[test]
fn a_row_that_is_found_by_what_it_does_not_say_is_damaged() {
    block_on(async {
        let made = Made::new().await;
        made.put([card(10), card(11)]).await;
        made.put([transaction(20, card(10).id)]).await;
        let (card_key, paid_key) = (RowKey::Card(card(10).id), RowKey::Transaction(TransactionId(id(20))));
        assert_eq!(made.reads.card_read(CardId(id(10))).await, Ok(Some(Arc::new(card(10)))));
        for (column, value) in [("organisation", "'\\x01'"), ("fingerprint", "7"), ("version", "2")] {
            let of = format!("WHERE id = {}", hex_of(card_key));
            let kept = made.sql(&format!("SELECT quote_literal({column}) FROM card {of}"));
            made.sql(&format!("UPDATE card SET {column} = {value} {of}"));
            assert_eq!(made.reads.card_read(CardId(id(10))).await, misplaced(card_key), "{column}");
            made.sql(&format!("UPDATE card SET {column} = {kept} {of}"));
        }
        made.sql(&format!(
            "UPDATE card SET organisation = {} WHERE id = {}",
            hex_of(RowKey::Card(CardId(organisation(2).0))),
            hex_of(card_key)
        ));
        let theirs = CardQuery::newest(vec![organisation(2)], 10);
        assert_eq!(made.reads.list(theirs).await.map(|page| page.total), misplaced(card_key));
        for (column, value) in [("status", "2"), ("open", "0"), ("reference", "NULL"), ("account", "'\\x02'")]
        {
            let of = format!("WHERE id = {}", hex_of(paid_key));
            let kept = made.sql(&format!("SELECT quote_nullable({column}) FROM payment {of}"));
            made.sql(&format!("UPDATE payment SET {column} = {value} {of}"));
            let read = made.reads.transaction_read(TransactionId(id(20))).await;
            assert_eq!(read, misplaced(paid_key), "{column}");
            made.sql(&format!("UPDATE payment SET {column} = {kept} {of}"));
        }
        // A row under another's id; and bytes that are none.
        made.sql(&format!(
            "DELETE FROM card WHERE id = {ten}; UPDATE card SET id = {ten} WHERE id = {eleven}",
            ten = hex_of(card_key),
            eleven = hex_of(RowKey::Card(card(11).id))
        ));
        assert_eq!(made.reads.card_read(CardId(id(10))).await, misplaced(card_key));
        made.sql("UPDATE card SET row = '\\xff'");
        let unread = StoreFault::Damaged { row: Some(card_key), fault: RowFault::Value };
        assert_eq!(made.reads.card_read(CardId(id(10))).await, Err(unread));
    });
}

/// One delivery that cannot be read keeps nothing else that is over from being removed.
#[test]
fn what_is_over_is_found_past_what_is_damaged() {
    block_on(async {
        let made = Made::new().await;
        let over = |n| DeliveryRow { status: panvault_model::DeliveryStatus::Failed, ..delivery(n, n) };
        made.put((1..=6).map(over)).await;
        for n in [1, 2, 4] {
            let key = hex_of(RowKey::Delivery(over(n).id));
            made.sql(&format!("UPDATE delivery SET row = '\\xff' WHERE id = {key}"));
        }
        let found = async |after, rows| {
            let found = made.reads.delivery_over(at(9), after, rows).await.unwrap();
            found.into_iter().map(|row| row.object_version).collect::<Vec<_>>()
        };
        assert_eq!(found(None, 9).await, [3, 5, 6]);
        assert_eq!(found(None, 2).await, [3, 5]);
        assert_eq!(found(None, 1).await, [3]);
        assert_eq!(found(None, 0).await, [0; 0]);
        assert_eq!(found(Some(over(3).place()), 9).await, [5, 6]);
        // Nor does a host that is no text, of what waits.
        made.put([delivery(7, 7), DeliveryRow { host: "a.example".to_owned(), ..delivery(8, 8) }]).await;
        made.sql(&format!(
            "UPDATE delivery SET host = '\\xff' WHERE id = {}",
            hex_of(RowKey::Delivery(delivery(7, 7).id))
        ));
        let lanes = made.reads.delivery_lanes(at(9), None, 9).await.unwrap();
        assert_eq!(lanes.into_iter().map(|lane| lane.host).collect::<Vec<_>>(), ["a.example"]);
    });
}

/// A row with the tag of nobody counts for no condition.
#[test]
fn what_the_vault_did_not_write_is_found_by_nothing() {
    block_on(async {
        let made = Made::new().await;
        made.put([card(10), CardRow { tag: Tag::NONE, ..card(11) }]).await;
        let values = vec![FieldValue::Text("EUR".into())];
        let filters = vec![Filter { field: CardField::Currency, test: Test::Equal, values }];
        let query = CardQuery { filters, ..CardQuery::newest(vec![organisation(1)], 10) };
        let forged = StoreFault::Damaged { row: Some(RowKey::Card(card(11).id)), fault: RowFault::Forged };
        assert_eq!(made.reads.list(query.clone()).await, Err(forged));
        made.sql(&format!("DELETE FROM card WHERE id = {}", hex_of(RowKey::Card(card(11).id))));
        assert_eq!(made.reads.list(query).await.map(|page| page.total), Ok(1));
    });
}

/// One row that somebody damaged failed all that is done for each by itself: no lease was seen, nothing was recovered, swept or delivered. It is left out, also one
/// whose key is none.
#[test]
fn what_is_done_for_each_is_done_past_what_is_damaged() {
    block_on(async {
        let made = Made::new().await;
        let (paid, paid_later) = (transaction(20, card(10).id), transaction(21, card(10).id));
        made.put([paid.clone(), paid_later.clone()]).await;
        made.put([node(30, 1), node(31, 1)]).await;
        made.put([card_cvv(40, 1), card_cvv(41, 1)]).await;
        made.put((1..=4).map(|n| delivery(n, n))).await;
        let reads = &made.reads;
        let late = at(1_000_000);
        let lane = reads.delivery_lanes(late, None, 9).await.unwrap().swap_remove(0);
        let due = async || {
            let due = reads.delivery_due(lane.clone(), late, None, 2).await.unwrap();
            due.into_iter().map(|row| row.object_version).collect::<Vec<_>>()
        };
        assert_eq!(due().await, [1, 2]);
        assert_eq!(reads.transaction_open().await.unwrap().len(), 2);
        assert_eq!(reads.node_read_all().await.unwrap().len(), 2);
        assert_eq!(reads.card_cvv_expired(late, 9).await.unwrap().len(), 2);
        for (table, key) in [
            ("payment", RowKey::Transaction(paid.id)),
            ("node", RowKey::Node(node(30, 1).id)),
            ("card_cvv", RowKey::CardCvv(card_cvv(40, 1).card)),
            ("delivery", RowKey::Delivery(delivery(1, 1).id)),
            ("delivery", RowKey::Delivery(delivery(2, 2).id)),
        ] {
            made.sql(&format!("UPDATE {table} SET row = '\\xff' WHERE id = {}", hex_of(key)));
        }
        // Under a key that is none, among the first of those that are due.
        for table in ["payment", "node", "card_cvv", "delivery"] {
            let columns =
                "array_to_string(array_agg(column_name::text) FILTER (WHERE column_name <> 'id'), ', ')";
            let rest = made.sql(&format!(
                "SELECT {columns} FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = 'public'"
            ));
            made.sql(&format!(
                "INSERT INTO {table} (id, {rest}) SELECT '\\x00', {rest} FROM {table} ORDER BY id LIMIT 1"
            ));
        }
        assert_eq!(reads.transaction_open().await, Ok(vec![Arc::new(paid_later)]));
        assert_eq!(reads.node_read_all().await, Ok(vec![Arc::new(node(31, 1))]));
        assert_eq!(reads.card_cvv_expired(late, 9).await, Ok(vec![Arc::new(card_cvv(41, 1))]));
        assert_eq!(due().await, [3, 4], "as many as were asked for");
        // What may not be missed is not left out.
        assert!(reads.transaction_read(paid.id).await.is_err());
        assert!(reads.delivery_first(delivery(1, 1).object).await.is_err());
    });
}
