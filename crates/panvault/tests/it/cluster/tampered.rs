//! What somebody does who can write to the database, or to the server of CVVs, and has no key: no node gives a wrong answer for it, none ends, and what can be found out
//! is. SECURITY.md says what cannot.

use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::json;

use crate::cluster::nodes::{Cluster, NODES};
use crate::support::until;

/// An id as the database has it.
fn sql_id(id: &str) -> String {
    format!("'\\x{id}'::bytea")
}

/// Neither the card nor its digits.
#[track_caller]
fn is_refused(answer: &HttpAnswer, what: &str) {
    assert!(answer.status >= 500, "{what}: {} {}", answer.status, answer.text);
    assert!(
        !answer.text.contains("last_four") && !answer.text.contains("authorization"),
        "{what}: {}",
        answer.text
    );
}

/// The trail as a command verifies it: whether it is whole, and what is said.
fn verified(cluster: &Cluster) -> (bool, String) {
    let ended = cluster.ended(&["audit", "verify"]);
    (ended.status.success(), format!("{}{}", ended.out, ended.err))
}

#[test]
fn rows_that_were_moved_or_changed_are_refused_by_every_node() {
    let cluster = Cluster::start();
    let [one, two] = &canary_cards(0x7a1, 2)[..] else { panic!("two") };
    let (card, other) = (cluster.make_card(0, &one.number, None), cluster.make_card(1, &two.number, None));
    cluster.sql("CREATE TABLE kept AS SELECT * FROM card");
    let (id, from) = (sql_id(&card), sql_id(&other));
    for (what, change) in [
        (
            "another's row",
            format!("UPDATE card SET row = (SELECT row FROM card WHERE id = {from}) WHERE id = {id}"),
        ),
        (
            "a byte",
            format!(
                "UPDATE card SET row = set_byte(row, length(row) - 20, get_byte(row, length(row) - 20) # 1) WHERE id = {id}"
            ),
        ),
        ("an end", format!("UPDATE card SET row = substring(row for length(row) - 1) WHERE id = {id}")),
        ("nothing", format!("UPDATE card SET row = '' WHERE id = {id}")),
        (
            "a megabyte",
            format!("UPDATE card SET row = row || decode(repeat('00', 1000000), 'hex') WHERE id = {id}"),
        ),
        (
            "an organisation",
            format!("UPDATE card SET organisation = '\\x000000000000000000000001' WHERE id = {id}"),
        ),
        ("a version", format!("UPDATE card SET version = 7 WHERE id = {id}")),
        ("a fingerprint", format!("UPDATE card SET fingerprint = fingerprint + 1 WHERE id = {id}")),
    ] {
        cluster.sql(&change);
        for node in 0..NODES {
            is_refused(&cluster.get(node, &format!("/v1/card/{card}")), what);
            is_refused(&cluster.post(node, "/v1/transaction", &cluster.transaction_body(&card, 500)), what);
            assert_eq!(
                cluster.get(node, &format!("/v1/card/{other}")).status,
                200,
                "{what}: the other is there"
            );
        }
        cluster.sql("DELETE FROM card; INSERT INTO card SELECT * FROM kept");
    }
    assert_eq!(cluster.get(0, "/v1/transaction").json(), json!([]), "nothing was sent");
    for node in 0..NODES {
        assert_eq!(cluster.get(node, &format!("/v1/card/{card}")).status, 200, "the control");
    }
}

/// Triggers, rules, columns and types that the migrations did not make: what is not done is not answered as done, and nodes go on once it is as it was.
#[test]
fn a_schema_that_was_changed_acknowledges_nothing_and_ends_no_node() {
    let mut cluster = Cluster::start();
    let [one, two] = &canary_cards(0x7a2, 2)[..] else { panic!("two") };
    let card = cluster.make_card(0, &one.number, None);
    cluster.sql("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    for (change, undo, is_made, is_read) in [
        (
            "CREATE TRIGGER swallow BEFORE INSERT ON card FOR EACH ROW EXECUTE FUNCTION swallow()",
            "DROP TRIGGER swallow ON card",
            false,
            true,
        ),
        (
            "CREATE RULE swallow AS ON INSERT TO card DO INSTEAD NOTHING",
            "DROP RULE swallow ON card",
            false,
            true,
        ),
        (
            "CREATE TRIGGER swallow BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION swallow()",
            "DROP TRIGGER swallow ON audit",
            false,
            true,
        ),
        // What is written fits, and what is read is not of its type.
        ("ALTER TABLE card ALTER version TYPE int4", "ALTER TABLE card ALTER version TYPE int8", true, false),
        ("ALTER TABLE card RENAME row TO rows", "ALTER TABLE card RENAME rows TO row", false, false),
        ("ALTER TABLE card RENAME TO cards", "ALTER TABLE cards RENAME TO card", false, false),
        ("ALTER TABLE card ADD more int8 NOT NULL DEFAULT 1", "ALTER TABLE card DROP more", true, true),
    ] {
        let before = cluster.sql("SELECT count(*) FROM audit");
        cluster.sql(change);
        let made = cluster.post(0, "/v1/card", &cluster.card_body(&two.number, None));
        assert_eq!(made.status == 200, is_made, "{change}: {}", made.text);
        let read = cluster.get(1, &format!("/v1/card/{card}"));
        assert_eq!(read.status == 200, is_read, "{change}: {}", read.text);
        cluster.sql(undo);
        for node in 0..NODES {
            until("the node goes on", || {
                cluster.post(node, "/v1/card", &cluster.card_body(&two.number, None)).status == 200
            });
        }
        assert_ne!(cluster.sql("SELECT count(*) FROM audit"), before);
    }
    for node in 0..NODES {
        cluster.is_ready(node);
    }
    let (is_whole, said) = verified(&cluster);
    assert!(is_whole, "{said}");
}

/// Rows of nodes that were taken away, forged or put back, a trail that was taken away, rows of another vault: payments go on, once each, and the trail tells.
#[test]
fn leases_that_were_stolen_and_trails_that_were_taken_away_show() {
    let mut cluster = Cluster::start();
    let [one] = &canary_cards(0x7a3, 1)[..] else { panic!("one") };
    let card = cluster.make_card(0, &one.number, Some(&one.cvv));
    let (is_whole, said) = verified(&cluster);
    assert!(is_whole, "the control: {said}");
    cluster.sql("CREATE TABLE kept AS SELECT * FROM node");
    for theft in [
        "DELETE FROM node",
        "INSERT INTO node SELECT * FROM kept ON CONFLICT DO NOTHING",
        // An older row in the place of a newer.
        "UPDATE node SET version = kept.version, row = kept.row FROM kept WHERE node.id = kept.id",
        "INSERT INTO node VALUES (1, '\\x000000000000000000000001', '\\xdeadbeef'), (1, '\\x00', '\\x')",
        "INSERT INTO node SELECT 1, '\\x000000000000000000000002', row FROM kept LIMIT 1",
    ] {
        cluster.sql(theft);
        for node in 0..NODES {
            until("it pays", || {
                let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(&card, 500));
                assert!(paid.status == 200 || paid.status == 503, "{theft}: {}", paid.text);
                paid.status == 200
            });
        }
    }
    let transactions = cluster.transactions(1, &card);
    let with_cvv = transactions.iter().filter(|transaction| transaction["cvv_present"] == json!(true));
    assert_eq!(with_cvv.count(), 1);
    assert!(transactions.iter().all(|transaction| transaction["status"] == json!("SETTLEMENT_REQUESTED")));

    // The chain of the command that made the vault: it ended long ago, and nobody misses it.
    let writer = cluster.sql("SELECT writer FROM audit GROUP BY writer ORDER BY count(*) LIMIT 1");
    cluster.sql(&format!("CREATE TABLE cut AS SELECT * FROM audit WHERE writer = '{writer}'; DELETE FROM audit WHERE writer = '{writer}'"));
    let (is_whole, said) = verified(&cluster);
    assert!(!is_whole && said.contains(&writer.replace("\\x", "")), "{said}");
    cluster.sql("INSERT INTO audit SELECT * FROM cut");
    assert!(verified(&cluster).0, "it is whole again");
    // A record of nobody's, and one of another vault's.
    cluster
        .sql("INSERT INTO audit SELECT 1, count, '\\x0000000000000000000000ff', notes, tag FROM cut LIMIT 1");
    let (is_whole, said) = verified(&cluster);
    assert!(!is_whole && said.contains("0000000000000000000000ff"), "{said}");
    for node in 0..NODES {
        cluster.is_ready(node);
    }
}

/// A key is revoked, and somebody puts the documents back to what they were before.
#[test]
fn a_revoked_key_does_not_come_back_unseen() {
    let mut cluster = Cluster::start();
    let (id, key) = cluster.make_key();
    let asks = |cluster: &Cluster, node| {
        panvault_testkit::http_send(&cluster.url(node, "/v1/card"), "GET", &[("X-APIKEY", &key)], None)
            .unwrap()
            .status
    };
    let is_refused =
        |cluster: &Cluster, node| asks(cluster, node) >= 500 && cluster.get(node, "/v1/card").status == 503;
    until("the nodes know the key", || (0..NODES).all(|node| asks(&cluster, node) == 200));
    // All but how far the trails have come, which is written every few seconds.
    cluster.sql("CREATE TABLE kept AS SELECT * FROM document");
    let revoked = cluster.ended(&["apikey", "revoke", &id]);
    assert!(revoked.status.success(), "{}", revoked.err);
    until("the nodes refuse it", || (0..NODES).all(|node| asks(&cluster, node) == 401));
    cluster.sql("CREATE TABLE revoked AS SELECT * FROM document");

    let same = "document.id = kept.id AND document.row <> kept.row";
    let changed = "SELECT kept.id FROM kept JOIN revoked USING (id) WHERE kept.row <> revoked.row UNION SELECT id FROM kept WHERE id NOT IN (SELECT id FROM revoked)";
    // Its row alone: nodes have what they know in memory, and one that starts does not.
    cluster.sql(&format!(
        "INSERT INTO document SELECT * FROM kept WHERE id IN ({changed}) ON CONFLICT DO NOTHING; \
         UPDATE document SET version = kept.version, row = kept.row FROM kept WHERE {same} AND substring(document.id from 2) = {}",
        sql_id(&id)
    ));
    assert!((0..NODES).all(|node| asks(&cluster, node) == 401));
    let report = cluster.ended(&["doctor"]);
    assert!(!report.status.success(), "{}", report.out);
    cluster.kill_node(2);
    cluster.start_node(2);
    until("it does not start", || cluster.has_ended(2));

    // All of them, as they were: nodes remember that there were later ones, and refuse; and the trail tells of them.
    cluster.sql(&format!(
        "UPDATE document SET version = kept.version, row = kept.row FROM kept WHERE {same} AND document.id IN ({changed}) \
         AND get_byte(document.id, 0) NOT IN ({CHECKPOINT}, {AUDIT_END})"
    ));
    until("the nodes refuse all", || (0..2).all(|node| is_refused(&cluster, node)));
    let (is_whole, said) = verified(&cluster);
    assert!(!is_whole && said.contains("changes, and the trail tells of"), "{said}");
}

/// Kinds of documents that are beside the others.
const CHECKPOINT: u8 = 9;
const AUDIT_END: u8 = 10;

/// The header of keys is changed or taken from another vault: one copy serves, and without any nothing is opened.
#[test]
fn a_header_that_was_replaced_opens_nothing() {
    let mut cluster = Cluster::start();
    cluster.sql("CREATE TABLE kept AS SELECT * FROM vault; UPDATE vault SET header_1 = set_byte(header_1, 40, get_byte(header_1, 40) # 1)");
    let report = cluster.ended(&["doctor"]);
    assert!(!report.status.success() && report.out.contains("copy"), "{}", report.out);
    cluster.kill_node(1);
    cluster.start_node(1);
    cluster.is_ready(1);
    cluster.sql("UPDATE vault SET header_1 = '\\x00', header_2 = '\\x00'");
    cluster.kill_node(1);
    cluster.start_node(1);
    until("it does not start", || cluster.has_ended(1));
    cluster.sql("UPDATE vault SET header_1 = kept.header_1, header_2 = kept.header_2 FROM kept");
    cluster.start_node(1);
    cluster.is_ready(1);
}

/// Values are exchanged between cards on the server of CVVs, and made to last longer: no CVV goes out with a card or at a time that it was not brought for.
#[test]
fn a_cvv_that_was_exchanged_or_prolonged_does_not_go_out() {
    let cluster = Cluster::start();
    let [one, two, three] = &canary_cards(0x7a4, 3)[..] else { panic!("three") };
    let cards = [one, two, three].map(|card| cluster.make_card(0, &card.number, Some(&card.cvv)));
    let exchange = "local a, b = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) \
                    redis.call('SET', KEYS[1], b) redis.call('SET', KEYS[2], a)";
    let key = |card: &str| {
        let bytes =
            (0..12).map(|at| format!("string.char(0x{})", &card[at * 2..at * 2 + 2])).collect::<Vec<_>>();
        format!("'pv:c' .. {}", bytes.join(" .. "))
    };
    let with_keys = |script: &str, cards: &[&str]| {
        let keys = cards.iter().map(|card| key(card)).collect::<Vec<_>>().join(", ");
        format!("local KEYS = {{ {keys} }} {script}")
    };
    cluster.redis.command(&["EVAL", &with_keys(exchange, &[&cards[0], &cards[1]]), "0"]);
    // Until when it is held, by the calendar: behind number, mark, state, component and deadline.
    let prolong = "redis.call('SETRANGE', KEYS[1], 29, struct.pack('>I8', 4102444800000)) redis.call('PERSIST', KEYS[1])";
    cluster.redis.command(&["EVAL", &with_keys(prolong, &[&cards[2]]), "0"]);
    for (node, card) in cards.iter().enumerate() {
        let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(card, 1099));
        let transactions = cluster.transactions((node + 1) % NODES, card);
        assert!(
            transactions.iter().all(|transaction| transaction["cvv_present"] == json!(false)),
            "{}",
            paid.text
        );
    }
    // The control: put anew, it goes out. The others' numbers were exchanged with them, and one that is not above is not held.
    let body = json!({ "cvv": three.cvv, "organisation": cluster.organisation });
    assert_eq!(cluster.post(1, &format!("/v1/card/{}", cards[2]), &body).status, 200);
    let paid = cluster.post(2, "/v1/transaction", &cluster.transaction_body(&cards[2], 1099));
    assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
}
