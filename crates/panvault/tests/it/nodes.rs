//! Two nodes over one PostgreSQL and one Redis, as their operators and clients meet them.

mod refused;

use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Instant;

use panvault_testkit::http_send;
use panvault_testkit::servers::{Postgres, PostgresDatabase, Redis, RedisOptions};
use serde_json::{Value, json};

use crate::cli::path;
use crate::node::Node;
use crate::serve::Served;
use crate::support::{Ended, run, run_json, run_refused, until};

/// Requests that race for one CVV.
const RACERS: usize = 40;

/// A vault in a database of its own, with an account and a key, and no node that is served yet.
struct Cluster {
    postgres: Postgres,
    redis: Redis,
    database: PostgresDatabase,
    directory: tempfile::TempDir,
    organisation: String,
    account: String,
    key: String,
}

impl Cluster {
    fn make() -> Self {
        let postgres = Postgres::start();
        let redis = Redis::start(RedisOptions::default());
        let database = postgres.database();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("vault");
        let set = [
            format!("cvv_store={}", redis.url()),
            format!("store_password_file={}", path(&database.password_file)),
        ];
        let init = ["init", path(&data), "--mode", "test", "--json", "--store", &database.url];
        run_json(&[&init[..], &["--set", &set[0], "--set", &set[1]]].concat());
        let mut cluster = Self {
            postgres,
            redis,
            database,
            directory,
            organisation: String::new(),
            account: String::new(),
            key: String::new(),
        };
        let id = |made: Value| made["_id"].as_str().unwrap().to_owned();
        cluster.organisation = id(cluster.command(&["organisation", "create", "--name", "X"]));
        let organisation = cluster.organisation.clone();
        let of = ["create", "--organisation", &organisation, "--name", "N"];
        let processor = [&["processor"], &of[..], &["--type", "card_dummy"]].concat();
        let processor = id(cluster.command(&processor));
        let account =
            [&["account"], &of[..], &["--currency-code", "EUR", "--processor", &processor]].concat();
        cluster.account = id(cluster.command(&account));
        (_, cluster.key) = cluster.make_key();
        cluster
    }

    fn settings(&self) -> PathBuf {
        self.directory.path().join("vault.settings.toml")
    }

    /// A command by the settings that `init` wrote, which are those of the first node.
    fn command(&self, args: &[&str]) -> Value {
        run_json(&[args, &["--json", "--config", path(&self.settings())]].concat())
    }

    /// Makes a key, and gives its id and itself.
    fn make_key(&self) -> (String, String) {
        let key = self.command(&[
            "apikey",
            "create",
            "--organisation",
            &self.organisation,
            "--name",
            "K",
            "--role",
            "MerchantAdmin",
        ]);
        (key["_id"].as_str().unwrap().to_owned(), key["api_key"].as_str().unwrap().to_owned())
    }

    fn serve(&self, name: &str) -> Node {
        let (directory, key_file) =
            (self.directory.path().join(name), self.directory.path().join("vault.slot-key"));
        let logs = self.directory.path().join(format!("{name}.logs"));
        std::fs::create_dir_all(&logs).unwrap();
        let (served, ready) = Served::start(
            &logs,
            &[
                "--config",
                path(&self.settings()),
                "--set",
                &format!("data_directory={}", path(&directory)),
                "--set",
                &format!("slot_key_file={}", path(&key_file)),
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "",
            ],
        );
        Node::new(served, &ready, &self.key)
    }

    fn status(&self) -> Ended {
        run(&["status", "--json", "--config", path(&self.settings())])
    }

    fn card_body(&self, cvv: Option<&str>) -> Value {
        let mut body = json!({
            "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040",
            "organisation": self.organisation,
        });
        if let Some(cvv) = cvv {
            body["cvv"] = json!(cvv);
        }
        body
    }

    fn payment_body(&self, card: &str) -> Value {
        json!({
            "account": self.account, "amount": 1099, "card": card, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Example shop", "merchant_reference": "order", "user_agent": "test",
        })
    }
}

fn id(object: &Value) -> &str {
    object["_id"].as_str().unwrap()
}

#[test]
fn what_one_node_makes_and_revokes_is_so_on_the_other() {
    let cluster = Cluster::make();
    let (one, other) = (cluster.serve("vault"), cluster.serve("second"));
    let card = one.make("/v1/card", &cluster.card_body(None));
    let read = other.get(&format!("/v1/card/{}", id(&card)));
    assert_eq!(read.status, 200, "{}", read.text);
    assert_eq!(serde_json::from_str::<Value>(&read.text).unwrap(), card);
    let paid = other.make("/v1/transaction", &cluster.payment_body(id(&card)));
    let seen = one.get(&format!("/v1/transaction/{}", id(&paid)));
    assert_eq!((seen.status, serde_json::from_str::<Value>(&seen.text).unwrap()), (200, paid));
    let listed = one.get("/v1/card?_limit=10");
    assert!(listed.status == 200 && listed.text.contains(id(&card)), "{}", listed.text);

    // The command asks the first node, whose directory the settings name.
    let (key_id, key) = cluster.make_key();
    until("the other node knows the key", || other.get_with("/v1/card", &key).status == 200);
    let settings = cluster.settings();
    let begun = begin();
    run_json(&["apikey", "revoke", &key_id, "--json", "--config", path(&settings)]);
    assert_eq!(one.get_with("/v1/card", &key).status, 401);
    let revoked = begin();
    until("the other node refuses the key", || other.get_with("/v1/card", &key).status == 401);
    // Two seconds, and what the machine needs for a request beside other tests.
    assert!(revoked.elapsed().as_secs() < 3, "{:?} after {:?}", revoked.elapsed(), begun.elapsed());

    let status = cluster.status();
    let said: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(
        (status.status.code(), &said["served"], &said["ready"]),
        (Some(0), &json!(true), &json!(true))
    );
    assert_eq!(said["nodes"].as_array().unwrap().len(), 2, "{said}");
    assert!(said["nodes"].as_array().unwrap().contains(&said["node"]), "{said}");
    assert_eq!((&said["replication"], &said["database"]), (&json!("none"), &json!(cluster.database.url)));
    let trail = cluster.command(&["audit", "verify"]);
    assert_eq!((&trail["verified"], &trail["noted"]), (&json!(true), &json!(true)), "{trail}");
    let report = cluster.command(&["doctor"]);
    assert_eq!((&report["healthy"], &report["findings"]), (&json!(true), &json!([])), "{report}");
}

#[test]
fn of_payments_that_race_over_two_nodes_one_has_the_cvv() {
    let cluster = Cluster::make();
    let nodes = [cluster.serve("vault"), cluster.serve("second")];
    for round in 0..3 {
        let card = nodes[round % 2].make("/v1/card", &cluster.card_body(Some("111")));
        assert_eq!(card["cvv_present"], json!(true), "{card}");
        let body = cluster.payment_body(id(&card));
        let start = Barrier::new(RACERS);
        let with_cvv = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let (node, body, start) = (&nodes[racer % 2], &body, &start);
                    scope.spawn(move || {
                        start.wait();
                        node.make("/v1/transaction", body)["cvv_present"] == json!(true)
                    })
                })
                .collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap().then_some(())).count()
        });
        assert_eq!(with_cvv, 1, "round {round}");
    }
}

#[test]
fn a_node_that_is_killed_is_missed_by_nobody() {
    let cluster = Cluster::make();
    let (mut one, other) = (cluster.serve("vault"), cluster.serve("second"));
    let card = one.make("/v1/card", &cluster.card_body(Some("111")));
    one.served.child.kill().unwrap();
    one.served.child.wait().unwrap();
    // Its CVV is held elsewhere.
    let paid = other.make("/v1/transaction", &cluster.payment_body(id(&card)));
    assert_eq!((&paid["cvv_present"], &paid["status"]), (&json!(true), &json!("SETTLEMENT_REQUESTED")));
    other.make("/v1/card", &cluster.card_body(Some("222")));
    assert!(other.is_ready());
    let status = cluster.status();
    assert_eq!(status.status.code(), Some(1), "{}", status.out);
    assert!(status.out.contains("the last one was killed or has crashed"), "{}", status.out);
    // A command without a server is a node itself for as long as it takes.
    cluster.make_key();
    // Its directory is as it left it, and is used again.
    let again = cluster.serve("vault");
    assert_eq!(again.get(&format!("/v1/transaction/{}", id(&paid))).status, 200);
}

#[test]
fn without_the_database_nothing_is_answered_wrongly_and_it_is_back_by_itself() {
    let cluster = Cluster::make();
    let nodes = [cluster.serve("vault"), cluster.serve("second")];
    let card = nodes[0].make("/v1/card", &cluster.card_body(None));
    cluster.postgres.crash();
    for node in &nodes {
        for answer in
            [node.post("/v1/card", &cluster.card_body(None)), node.get(&format!("/v1/card/{}", id(&card)))]
        {
            assert_eq!(answer.status, 503, "{}", answer.text);
        }
        until("it is not ready", || !node.is_ready());
    }
    let status = cluster.status();
    assert_eq!(status.status.code(), Some(2), "{} {}", status.out, status.err);
    cluster.postgres.start_again();
    for node in &nodes {
        until("it is ready again", || node.is_ready());
        until("it answers again", || node.get(&format!("/v1/card/{}", id(&card))).status == 200);
        node.make("/v1/card", &cluster.card_body(Some("111")));
    }
    assert_eq!(cluster.status().status.code(), Some(0));
}

#[test]
fn without_the_server_of_cvvs_cards_are_kept_and_paid_with() {
    let cluster = Cluster::make();
    let node = cluster.serve("vault");
    cluster.redis.crash();
    let card = node.make("/v1/card", &cluster.card_body(None));
    node.make("/v1/transaction", &cluster.payment_body(id(&card)));
    let refused = node.post("/v1/card", &cluster.card_body(Some("111")));
    assert_eq!(refused.status, 503, "{}", refused.text);
    let read = node.get(&format!("/v1/card/{}", id(&card)));
    assert!(read.status == 200 && read.text.contains("\"cvv_present\":false"), "{}", read.text);
    assert!(!refused.text.contains("4111"), "{}", refused.text);
    // Also a node that starts meanwhile serves.
    let other = cluster.serve("second");
    other.make("/v1/transaction", &cluster.payment_body(id(&card)));
    cluster.redis.start_again();
    for node in [&node, &other] {
        let body = cluster.card_body(Some("111"));
        until("CVVs are held again", || {
            let answer = node.post("/v1/card", &body);
            answer.status == 200 && answer.text.contains("\"cvv_present\":true")
        });
    }
}

/// A database that has lost what a node had committed, as a standby that lagged and was promoted: the node stopped writing, and its process lived on, ready for
/// nothing. It ends with a failure, and started anew it serves.
#[test]
fn a_node_whose_commits_are_lost_ends_and_is_started_anew() {
    let cluster = Cluster::make();
    let mut node = cluster.serve("vault");
    node.make("/v1/card", &cluster.card_body(None));
    cluster.postgres.sql(&cluster.database.name, "DELETE FROM audit WHERE place > 1; DELETE FROM card");
    let mut ended = None;
    until("it ends", || {
        // Whatever is written next shows it.
        drop(http_send(&format!("{}/readyz", node.url), "GET", &[], None));
        ended = node.served.child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(1));
    let log = std::fs::read_to_string(cluster.directory.path().join("vault.logs/log.json")).unwrap();
    assert!(log.contains("may have lost what was acknowledged last") && !log.contains("is kept"), "{log}");
    let node = cluster.serve("vault");
    node.make("/v1/card", &cluster.card_body(None));
}

#[expect(clippy::disallowed_methods, reason = "what is promised is a time")]
fn begin() -> Instant {
    Instant::now()
}

/// Nodes have no root key: all of them take up what a command beside one of them changes, and go on.
#[test]
fn slots_and_keys_of_the_vault_are_changed_while_three_nodes_serve() {
    let cluster = Cluster::make();
    let settings = cluster.settings();
    let (old, new) =
        (cluster.directory.path().join("vault.slot-key"), cluster.directory.path().join("new.key"));
    let config = ["--config", path(&settings)];
    let nodes = ["vault", "second", "third"].map(|name| cluster.serve(name));
    let card = nodes[0].make("/v1/card", &cluster.card_body(None));
    let all_serve = || nodes.iter().all(|node| node.get(&format!("/v1/card/{}", id(&card))).status == 200);
    let add = [&["slot", "add", "key-file", path(&new), "--label", "second"][..], &config].concat();
    let added = run(&add);
    assert!(added.status.success() && all_serve(), "{}", added.err);
    let by_new = format!("slot_key_file={}", path(&new));
    let removed = run(&[&["slot", "remove", "1", "--set", &by_new][..], &config].concat());
    assert!(removed.status.success() && removed.out.contains("slot 1 is removed"), "{}", removed.err);
    let refused = run_refused(&[&["slot", "list"][..], &config].concat());
    assert!(refused.contains("does not belong to the vault"), "{refused}");
    std::fs::rename(&new, &old).unwrap();
    assert!(all_serve());

    let rotated = run(&[&["key", "rotate", "wrapping", "--wait", "--json"][..], &config].concat());
    assert!(rotated.status.success() && rotated.out.contains("active"), "{}", rotated.err);
    assert!(all_serve());
    nodes.iter().for_each(|node| drop(node.make("/v1/card", &cluster.card_body(None))));
    // One that starts now has nobody to hand it anything.
    let fourth = cluster.serve("fourth");
    assert_eq!(fourth.get(&format!("/v1/card/{}", id(&card))).status, 200);
    assert!(cluster.status().status.success());
}

/// The bug: rows that whoever writes to the database took away, put back or changed were noticed by nobody until they were read. Its cause: nothing counted them, and `doctor` read
/// documents alone. Its cure: it reads every row, and holds those that are there against the audit trail.
#[test]
fn doctor_finds_rows_that_were_taken_away_put_back_or_changed() {
    let cluster = Cluster::make();
    let node = cluster.serve("vault");
    let cards: Vec<_> = (0..5).map(|_| node.make("/v1/card", &cluster.card_body(None))).collect();
    let paid = node.make("/v1/transaction", &cluster.payment_body(id(&cards[0])));
    let sql = |statement: &str| cluster.postgres.sql(&cluster.database.name, statement);
    let config = cluster.settings();
    let doctor = || {
        let ended = run(&["doctor", "--json", "--config", path(&config)]);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let report = doctor();
    assert_eq!((&report["healthy"], &report["rows"]["cards"]), (&json!(true), &json!(5)), "{report}");
    sql(&format!("CREATE TABLE kept AS SELECT * FROM card WHERE id = '\\x{}'", id(&cards[1])));
    let deleted = http_send(
        &format!("{}/v1/card/{}", node.url, id(&cards[1])),
        "DELETE",
        &[("X-APIKEY", node.key.as_str())],
        None,
    );
    assert!(deleted.unwrap().status < 300);
    assert_eq!(doctor()["healthy"], json!(true), "a card that was deleted is missed by nobody");
    sql("INSERT INTO card SELECT * FROM kept");
    sql(&format!("DELETE FROM card WHERE id = '\\x{}'", id(&cards[2])));
    sql(&format!("UPDATE card SET fingerprint = fingerprint + 1 WHERE id = '\\x{}'", id(&cards[3])));
    sql(&format!("DELETE FROM payment WHERE id = '\\x{}'", id(&paid)));
    let report = doctor();
    let said = report["findings"].to_string();
    for wanted in [
        format!("card {} was deleted, and is there again", id(&cards[1])),
        format!("card {} is gone, and the audit trail tells of nobody who deleted it", id(&cards[2])),
        format!("card {} cannot be read, or is not where its columns say", id(&cards[3])),
        format!("transaction {} is gone", id(&paid)),
        format!("step of transaction {} is of a transaction that is gone", id(&paid)),
    ] {
        assert!(said.contains(&wanted), "{wanted}: {said}");
    }
    assert!(!said.contains(id(&cards[4])), "{said}");
}

/// Records that somebody wrote to the database in the name of a node that never was keep nobody from the others, and are named wherever the vault says how it is.
#[test]
fn records_in_the_name_of_a_node_that_never_was_are_named_and_not_shown() {
    let cluster = Cluster::make();
    let node = cluster.serve("vault");
    node.make("/v1/card", &cluster.card_body(None));
    let config = cluster.settings();
    let tail = || {
        let ended = run(&["audit", "tail", "-n", "1000", "--json", "--config", path(&config)]);
        assert!(ended.status.success(), "{}", ended.err);
        ended.out
    };
    let list = |name: &str| cluster.command(&["status"])[name].as_array().cloned().unwrap_or_default();
    let before = tail();
    assert!(list("trail_refused").is_empty(), "the control");
    let never = "ffffffffffffffffffffffff";
    let forged = format!(
        "INSERT INTO audit (place, count, writer, notes, tag) SELECT place, count, '\\x{never}', notes, tag FROM audit"
    );
    let forged = format!("{forged} WHERE writer = (SELECT writer FROM audit ORDER BY writer DESC LIMIT 1)");
    cluster.postgres.sql(&cluster.database.name, &forged);
    let after = tail();
    assert!(!after.contains(never) && after.lines().count() >= before.lines().count(), "{after}");
    assert!(before.contains("card_create"), "{before}");
    assert_eq!(list("trail_refused"), [json!(never)]);
    let said = run(&["status", "--config", path(&config)]);
    assert!(said.out.contains(&format!("records of the trail in the name of {never}")), "{}", said.out);
    let report = run(&["doctor", "--json", "--config", path(&config)]);
    assert!(
        report.out.contains(&format!("the trail of node {never} is named by no other")),
        "{}",
        report.out
    );
    let log = std::fs::read_to_string(cluster.directory.path().join("vault.logs/log.json")).unwrap();
    assert_eq!(log.matches("audit.refused").count(), 1, "once");
}
