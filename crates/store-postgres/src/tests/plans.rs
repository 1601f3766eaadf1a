use std::sync::Arc;

use panvault_model::{AccountId, ApiKeyId, CardId, CustomerId, DeliveryId, NodeId, RefundId, TransactionId};
use panvault_store::checkpoint::TrailMark;
use panvault_store::{
    CardField, CardQuery, Count, CustomerField, DeliveryField, DeliveryLane, Direction, DocumentKind,
    FieldValue, Filter, IdempotencyKey, Query, RefundField, Test, TransactionField,
};
use panvault_testkit::conformance::rows::{at, id, organisation};
use panvault_testkit::servers::{Postgres, PostgresOptions};

use super::support::{Made, block_on};
use crate::audit;
use crate::list::Listed;
use crate::table::first_eight;

/// Rows of each table.
const ROWS: u64 = 100_000;
/// Rows that a statement may sort at most, which is as many as a list reads at a time.
const SORTED_MAX: f64 = 10_000.0;

/// Rows whose bytes say nothing, in every table, with ids that rise: statements are planned by what stands beside those.
const FILL: &str = "
    CREATE FUNCTION pg_temp.id(n int8) RETURNS bytea LANGUAGE sql IMMUTABLE
        AS $$ SELECT decode(lpad(to_hex(1700000000 + n), 8, '0') || lpad(to_hex(n), 16, '0'), 'hex') $$;
    CREATE FUNCTION pg_temp.few(n int8, m int8) RETURNS bytea LANGUAGE sql IMMUTABLE
        AS $$ SELECT pg_temp.id(n % m) $$;
    CREATE TEMP TABLE n AS SELECT n::int8 FROM generate_series(1, 100000) AS n;
    INSERT INTO card (version, fingerprint, id, organisation, row)
        SELECT 1, n / 4, pg_temp.id(n), pg_temp.few(n, 20), repeat('x', 200)::bytea FROM n;
    INSERT INTO payment (version, status, open, reference, id, organisation, card, account, row)
        SELECT 1, 1 + n % 5, (n % 1000 = 0)::int::int8, n / 3, pg_temp.id(n), pg_temp.few(n, 20), pg_temp.few(n, 50000),
            pg_temp.few(n, 40), repeat('x', 300)::bytea FROM n;
    INSERT INTO history (version, id, row) SELECT 1, pg_temp.id(n) || '\\x00000001'::bytea, 'x'::bytea FROM n;
    INSERT INTO refund (version, status, open, id, organisation, payment, account, row)
        SELECT 1, 1 + n % 3, (n % 1000 = 0)::int::int8, pg_temp.id(n), pg_temp.few(n, 20), pg_temp.few(n, 50000),
            pg_temp.few(n, 40), repeat('x', 200)::bytea FROM n;
    INSERT INTO customer (version, id, organisation, email, row)
        SELECT 1, pg_temp.id(n), pg_temp.few(n, 20), decode(md5((n / 2)::text), 'hex'), repeat('x', 300)::bytea FROM n;
    INSERT INTO delivery (version, status, waiting, object_version, due_at, id, organisation, account, object, host, row)
        SELECT 1, 1 + n % 3, (n % 100 = 0)::int::int8, n, 1700000000000 + n, pg_temp.id(n), pg_temp.few(n, 20),
            pg_temp.few(n, 40), pg_temp.few(n, 50000), 'shop.example'::bytea, repeat('x', 200)::bytea FROM n;
    INSERT INTO idempotency (version, expires_at, id, row)
        SELECT 1, 1700000000000 + n, decode(md5(n::text), 'hex'), 'x'::bytea FROM n;
    INSERT INTO card_cvv (version, cvv_until, id, row) SELECT 1, 1700000000000 + n, pg_temp.id(n), 'x'::bytea FROM n;
    INSERT INTO apikey_use (version, id, row) SELECT 1, pg_temp.id(n), 'x'::bytea FROM n;
    INSERT INTO document (version, id, row) SELECT 1, '\\x01'::bytea || pg_temp.id(n), 'x'::bytea FROM n;
    INSERT INTO audit (place, count, writer, notes, tag)
        SELECT n, 1, pg_temp.few(n, 3), 'x'::bytea, 'x'::bytea FROM n;
    ANALYZE";

/// Every statement that reads, with the values that it is sent with, and the plan that the server made of it.
#[test]
fn no_read_goes_through_a_table_or_sorts_all_of_it() {
    block_on(async {
        let preload = ("session_preload_libraries", "auto_explain".to_owned());
        let settings = vec![
            preload,
            ("auto_explain.log_min_duration", "0".to_owned()),
            ("auto_explain.log_analyze", "on".to_owned()),
            ("auto_explain.log_timing", "off".to_owned()),
        ];
        let server =
            Arc::new(Postgres::start_with(&PostgresOptions { settings, ..PostgresOptions::default() }));
        let database = server.database();
        let made = Made::at(server, database).await;
        made.sql(FILL);
        made.sql("VACUUM");
        let filled = plans(&made, 0).len();
        assert!(filled > 0, "nothing is logged");
        let before = made.server.log().len();
        by_key(&made).await;
        of_lists(&made).await;
        let of_reads = plans(&made, before);
        assert!(of_reads.len() > 300, "{} plans were logged", of_reads.len());
        for statement in
            ["count(*)", "card WHERE id = ANY", "payment WHERE id = ANY", "delivery WHERE id = ANY"]
        {
            assert!(
                of_reads.iter().any(|plan| plan.contains(statement)),
                "no plan of {statement} was logged"
            );
        }
        let whole: Vec<_> = of_reads.iter().filter(|plan| is_of_all(plan)).collect();
        assert!(whole.is_empty(), "{whole:?}");
        // What would be found is found.
        for statement in
            ["SELECT id FROM history WHERE version = 2", "SELECT row, id FROM card ORDER BY row, id"]
        {
            let before = made.server.log().len();
            made.reads.database.query(statement, &[]).await.unwrap();
            let found = plans(&made, before);
            assert!(found.iter().any(|plan| is_of_all(plan)), "{found:?}");
        }
    });
}

/// Whether a plan goes through a table or sorts more than a page. There are few nodes.
fn is_of_all(plan: &str) -> bool {
    let is_whole = |line: &str| line.contains("Seq Scan on ") && !line.contains("Seq Scan on node");
    let is_sort = |line: &str| line.contains("Sort  (") && rows(line).is_none_or(|rows| rows > SORTED_MAX);
    plan.lines().any(|line| is_whole(line) || is_sort(line))
}

/// The plans that were logged from a place on, each with its statement.
fn plans(made: &Made, from: usize) -> Vec<String> {
    const LAST: &str = "SELECT 'all before this is logged'";
    made.sql(LAST);
    let log = loop {
        let log = made.server.log();
        if log[from..].contains(LAST) {
            break log;
        }
        std::thread::yield_now();
    };
    let parts = log[from..].split("LOG:  duration: ").skip(1);
    parts.filter(|part| part.contains("Query Text: ") && !part.contains(LAST)).map(str::to_owned).collect()
}

/// Rows that a node of a plan really gave.
fn rows(line: &str) -> Option<f64> {
    let (_, actual) = line.split_once("(actual rows=")?;
    actual.split_whitespace().next()?.parse().ok()
}

async fn by_key(made: &Made) {
    let reads = &made.reads;
    let (one, now) = (id(7), at(50_000));
    // Their bytes are none: they are found, and then not read.
    assert!(reads.card_read(CardId(one)).await.is_err());
    assert!(reads.card_page(CardId(one), 100).await.is_err());
    assert!(reads.card_cvv_read_many(vec![CardId(one), CardId(id(8))]).await.is_err());
    // What is done by itself leaves them out.
    assert_eq!(reads.card_cvv_expired(now, 100).await, Ok(Vec::new()));
    assert!(reads.transaction_read(TransactionId(one)).await.is_err());
    assert!(reads.transaction_history(TransactionId(one)).await.is_err());
    assert_eq!(reads.transaction_open().await, Ok(Vec::new()));
    assert!(reads.refund_read(RefundId(one)).await.is_err());
    assert_eq!(reads.refund_open().await, Ok(Vec::new()));
    assert!(reads.customer_read(CustomerId(one)).await.is_err());
    assert!(reads.delivery_read(DeliveryId(one)).await.is_err());
    let lanes = reads.delivery_lanes(now, None, 100).await.unwrap();
    assert!(!lanes.is_empty());
    assert_eq!(reads.delivery_lanes(now, lanes.first().cloned(), 100).await.unwrap(), lanes[1..]);
    let lane = DeliveryLane { organisation: organisation(0), host: "shop.example".to_owned() };
    assert_eq!(reads.delivery_due(lane, now, None, 100).await, Ok(Vec::new()));
    assert!(reads.delivery_first(id(100)).await.is_err());
    assert_eq!(reads.delivery_waiting().await, Ok(1000));
    assert_eq!(reads.delivery_over(at(500), None, 100).await, Ok(Vec::new()));
    assert!(reads.api_key_use_read_many(vec![ApiKeyId(one)]).await.is_err());
    assert!(reads.document_read_many(vec![(DocumentKind::Organisation, one)]).await.is_err());
    assert_eq!(reads.idempotency_read(IdempotencyKey([7; 16])).await, Ok(None));
    assert_eq!(reads.idempotency_expired(now, 100).await, Ok(Vec::new()));
    assert_eq!(reads.node_read_all().await, Ok(Vec::new()));
    let totals = reads.totals().await.unwrap();
    assert_eq!((totals.cards, totals.transactions, totals.refunds), (ROWS, ROWS, ROWS));
    let database = &reads.database;
    assert_eq!(audit::writers(database).await.unwrap().len(), 3);
    assert_eq!(audit::ends(database, vec![NodeId(id(1)), NodeId(id(9))]).await, Ok(vec![ROWS, 0]));
    let marks = audit::marks(database, vec![(NodeId(id(1)), 50_000), (NodeId(id(9)), u64::MAX)]).await;
    assert_eq!(marks.unwrap()[1], TrailMark::NONE);
    let mark = TrailMark { place: 50_000, tag: [0; 34] };
    assert_eq!(audit::retag(database, NodeId(id(1)), mark, &[1; 34]).await, Ok(false));
    assert!(audit::read(database, made.chain(), NodeId(id(1)), 50_000, 100).await.is_err());
}

async fn of_lists(made: &Made) {
    let text = |text: String| FieldValue::Text(text.into());
    let account = || text(AccountId(id(5)).to_string());
    let other = || text(id(70).to_string());
    listed(made, CardField::Id, vec![other()]).await;
    let print = panvault_model::Fingerprint::from_bytes([0, 0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(first_eight(print.as_bytes()), 0x909);
    listed(made, CardField::Fingerprint, vec![text(print.to_string())]).await;
    listed(made, CardField::LastFour, vec![text("4242".to_owned())]).await;
    listed(made, CardField::CreatedAt, vec![FieldValue::Number(at(500).unix_millis())]).await;
    for field in [TransactionField::Id, TransactionField::Card] {
        listed(made, field, vec![other(), text(id(71).to_string())]).await;
    }
    listed(made, TransactionField::MerchantReference, vec![text("order 7".to_owned())]).await;
    listed(made, TransactionField::Account, vec![account()]).await;
    let statuses = vec![text("AUTHORIZED".to_owned()), text("DECLINED".to_owned())];
    listed(made, TransactionField::Status, statuses).await;
    listed(made, TransactionField::Amount, vec![FieldValue::Number(7)]).await;
    listed(made, RefundField::Transaction, vec![other()]).await;
    listed(made, RefundField::Account, vec![account()]).await;
    listed(made, RefundField::Status, vec![text("PENDING".to_owned())]).await;
    let email = panvault_model::EmailDigest::from_bytes([9; 16]);
    listed(made, CustomerField::Email, vec![text(email.to_string())]).await;
    listed(made, DeliveryField::Transaction, vec![other()]).await;
    listed(made, DeliveryField::Account, vec![account()]).await;
    listed(made, DeliveryField::Status, vec![text("WAITING".to_owned())]).await;
    let all = CardQuery {
        count: Count::UpTo(100_000),
        ..CardQuery::newest((0..20).map(organisation).collect(), 0)
    };
    assert_eq!(made.reads.list(all.clone()).await.unwrap().total, ROWS);
    assert!(made.reads.list(CardQuery { skip: 50_000, limit: 100, ..all }).await.is_err());
}

/// Asks of one organisation and of many for what has a value, for all of it, for a count, and sorted by it.
async fn listed<F: Listed>(made: &Made, field: F, values: Vec<FieldValue<'static>>) {
    for organisations in [vec![organisation(3)], (0..20).map(organisation).collect()] {
        let all = Query::<F>::newest(organisations, 100);
        let filters = vec![Filter { field, test: Test::Equal, values: values.clone() }];
        let counted =
            Query { limit: 0, count: Count::UpTo(100_000), filters: filters.clone(), ..all.clone() };
        let sorted = Query { sort: Some((field, Direction::Ascending)), ..all.clone() };
        let behind = Query { after: Some(id(60_000)), filters: filters.clone(), ..all.clone() };
        for query in [Query { filters, ..all.clone() }, counted, sorted, behind, all] {
            // Where a row is read this fails: what counts is how it was found.
            drop(made.reads.list(query).await);
        }
    }
}
