//! Nodes are replaced, and tables added to, while requests come.

use panvault_store_postgres::{
    Change, Database, Migration, Password, PostgresSettings, PostgresUrl, SchemaState,
};
use panvault_testkit::{canary_cards, http_send};
use serde_json::json;

use crate::cluster::load::under_load;
use crate::cluster::nodes::{Cluster, NODES, is_soak, signal};
use crate::support::until;

/// The bug: a node that was told to stop took no new connection from that moment on, while whoever shared requests out went on sending them there until it
/// had asked the next time. Its cause: it said that it was not ready when it had stopped listening already. Its cure: it says so first, answers for a
/// while, and ends the connections of what it answers.
#[test]
fn a_node_that_is_told_to_stop_is_served_to_until_that_was_seen() {
    let [canary] = &canary_cards(0xd1, 1)[..] else { panic!("one") };
    let mut cluster = Cluster::prepare();
    cluster.set(0, "drain_seconds=3600".to_owned());
    cluster.start_node(0);
    cluster.is_ready(0);
    let process = cluster.process(0);
    signal(process, "-TERM");
    let ready = cluster.url(0, "/readyz");
    until("it says that it stops", || {
        let answer = http_send(&ready, "GET", &[], None).unwrap();
        assert!(answer.status == 200 || answer.json()["status"] == json!("stopping"), "{}", answer.text);
        answer.status == 503
    });
    let body = cluster.card_body(&canary.number, Some(&canary.cvv));
    let made = cluster.post(0, "/v1/card", &body);
    assert_eq!((made.status, made.header("connection")), (200, Some("close")), "{}", made.text);
    let paid = cluster.post(0, "/v1/transaction", &cluster.transaction_body(&made.id(), 500));
    assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
    // Whoever does not want to wait says so once more.
    cluster.stop_node(0);
}

#[test]
fn nodes_are_replaced_one_after_the_other_and_no_request_fails() {
    let mut cluster = Cluster::prepare();
    if !is_soak() {
        (0..NODES).for_each(|node| cluster.set(node, "drain_seconds=2".to_owned()));
    }
    cluster.start_nodes();
    let haproxy = cluster.balanced();
    let (load, ()) = under_load(&mut cluster, &haproxy.url, 0xd2, |cluster| {
        for _ in 0..if is_soak() { 10 } else { 1 } {
            for node in 0..NODES {
                cluster.stop_node(node);
                cluster.start_node(node);
                cluster.is_ready(node);
            }
        }
    });
    load.is_whole("nodes replaced");
}

/// What a later version does to the tables of this one.
static EXPANDED: [Migration; 2] = [
    Migration {
        number: 2,
        name: "noted",
        usable_from: 1,
        change: Change::Statements(
            "ALTER TABLE card ADD COLUMN noted bytea; ALTER TABLE payment ADD COLUMN noted int8",
        ),
    },
    Migration {
        number: 3,
        name: "card_by_noted",
        usable_from: 1,
        change: Change::Index { name: "card_by_noted", on: "card (noted, id)" },
    },
];

/// What the version after that does.
static CONTRACTED: Migration =
    Migration { number: 4, name: "contracted", usable_from: 2, change: Change::Statements("SELECT 1") };

#[test]
fn tables_are_added_to_under_nodes_of_before_and_no_request_fails() {
    let mut cluster = Cluster::start();
    let haproxy = cluster.balanced();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = PostgresUrl::parse(&cluster.database.url).unwrap();
    let password = Password::new(cluster.database.password.clone().into());
    let settings = PostgresSettings::new(url, Some(password));
    let database = runtime.block_on(Database::connect(settings)).unwrap();
    let steps = [Database::migrations(), &EXPANDED].concat();
    let (load, ()) = under_load(&mut cluster, &haproxy.url, 0xd3, |cluster| {
        let applied = runtime.block_on(database.migrate_by(&steps)).unwrap();
        assert_eq!(applied.iter().map(|step| step.number).collect::<Vec<_>>(), [2, 3]);
        // A node of before that ends comes back, and a command of before has nothing to do.
        cluster.stop_node(0);
        let nothing = cluster.command(&["migrate"]);
        assert_eq!(nothing["applied"], json!([]), "{nothing}");
        cluster.start_node(0);
        cluster.is_ready(0);
    });
    load.is_whole("tables added to");
    assert_eq!(runtime.block_on(database.schema()), Ok(SchemaState::Expanded { at: 3 }));
    // Nodes of the next version would serve now; then what nobody uses any more goes.
    runtime.block_on(database.migrate_by(&[&steps, std::slice::from_ref(&CONTRACTED)].concat())).unwrap();
    let refused = cluster.refused(&["migrate"]);
    assert!(
        refused.contains("has the tables of a later version (step 4), which this one cannot use"),
        "{refused}"
    );
}
