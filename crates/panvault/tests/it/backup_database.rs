//! A vault in a database is lost, and is there again from a dump that is held against its backup.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use panvault_testkit::{SeededRandom, canary_cards};
use serde_json::{Value, json};

use crate::backup::hit_everywhere;
use crate::cli::path;
use crate::node::Node;
use crate::serve::Served;
use crate::support::{panvault, run, run_json, run_refused, until};

/// A vault in a database, with an account and a key, and no node that is served yet.
struct Trial {
    postgres: Arc<Postgres>,
    database: PostgresDatabase,
    directory: tempfile::TempDir,
    organisation: String,
    account: String,
    key: String,
}

impl Trial {
    fn make() -> Self {
        let postgres = Postgres::shared(PostgresVersion::V15);
        let database = postgres.database();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("vault");
        let password = format!("store_password_file={}", path(&database.password_file));
        let init = ["init", path(&data), "--mode", "test", "--json", "--store", &database.url];
        run_json(&[&init[..], &["--set", "nodes=one", "--set", &password]].concat());
        let mut trial = Self {
            postgres,
            database,
            directory,
            organisation: String::new(),
            account: String::new(),
            key: String::new(),
        };
        let id = |made: Value| made["_id"].as_str().unwrap().to_owned();
        trial.organisation = id(trial.command(&["organisation", "create", "--name", "X"]));
        let organisation = trial.organisation.clone();
        let of = ["create", "--organisation", &organisation, "--name", "N"];
        let processor = id(trial.command(&[&["processor"], &of[..], &["--type", "card_dummy"]].concat()));
        let account = ["--currency-code", "EUR", "--processor", &processor];
        trial.account = id(trial.command(&[&["account"], &of[..], &account].concat()));
        trial.key = trial.make_key().1;
        trial
    }

    fn here(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn backups(&self) -> PathBuf {
        self.here("backups")
    }

    /// The settings of a node of this database, with a directory of its own.
    fn settings(&self, database: &PostgresDatabase, node: &str) -> Vec<String> {
        let set = [
            format!("store={}", database.url),
            format!("data_directory={}", path(&self.here(node))),
            format!("slot_key_file={}", path(&self.here("vault.slot-key"))),
        ];
        let mut words = vec!["--config".to_owned(), path(&self.here("vault.settings.toml")).to_owned()];
        words.extend(set.into_iter().flat_map(|set| ["--set".to_owned(), set]));
        words
    }

    fn words(&self, args: &[&str], database: &PostgresDatabase, node: &str) -> Vec<String> {
        args.iter().map(|word| (*word).to_owned()).chain(self.settings(database, node)).collect()
    }

    /// A command beside the first node.
    #[track_caller]
    fn command(&self, args: &[&str]) -> Value {
        run_json(&[args, &["--json", "--config", path(&self.here("vault.settings.toml"))]].concat())
    }

    fn make_key(&self) -> (String, String) {
        let of = ["--organisation", &self.organisation, "--name", "K", "--role", "MerchantAdmin"];
        let key = self.command(&[&["apikey", "create"], &of[..]].concat());
        (key["_id"].as_str().unwrap().to_owned(), key["api_key"].as_str().unwrap().to_owned())
    }

    fn serve(&self, database: &PostgresDatabase, node: &str, more: &[&str]) -> Node {
        let logs = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        let words = self.settings(database, node);
        let listen = ["--listen", "127.0.0.1:0", "--metrics-listen", ""];
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(listen).chain(more.iter().copied()).collect();
        let (served, ready) = Served::start(&logs, &words);
        Node::new(served, &ready, &self.key)
    }

    #[track_caller]
    fn backup(&self) -> Value {
        self.command(&["backup", path(&self.backups())])
    }

    fn dump(&self, name: &str) -> PathBuf {
        let file = self.here(name);
        self.postgres.dump(&self.database.name, "custom", &file);
        file
    }

    /// What restore and verify say of a database.
    fn restore(&self, backup: &str, database: &PostgresDatabase, more: &[&str]) -> crate::support::Ended {
        let words = self.words(&[&["restore", backup], more].concat(), database, "restored");
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn verified(&self, backup: &str, database: &PostgresDatabase) -> Value {
        let ended = self.restore(backup, database, &["--verify", "--json"]);
        assert!(ended.status.success(), "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Why a database is not taken, to be looked at and to be restored.
    #[track_caller]
    fn refused(&self, backup: &str, database: &PostgresDatabase) -> String {
        let verified = self.restore(backup, database, &["--verify"]);
        let restored = self.restore(backup, database, &[]);
        assert_eq!(verified.status.code(), Some(1), "{}", verified.out);
        assert_eq!(restored.status.code(), Some(1), "{}", restored.out);
        assert_eq!(verified.err, restored.err);
        restored.err
    }

    fn doctor(&self, database: &PostgresDatabase) -> Value {
        let words = self.words(&["doctor", "--json"], database, "restored");
        let ended = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err))
    }

    fn card(&self, node: &Node, number: &str) -> String {
        let body = json!({ "card_number": number, "expiry_month": "12", "expiry_year": "2040", "organisation": self.organisation });
        node.make_id("/v1/card", &body)
    }

    fn payment(&self, card: &str) -> Value {
        json!({
            "account": self.account, "amount": 1099, "card": card, "capture_now": true, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Shop", "merchant_reference": "drill", "user_agent": "test",
        })
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// The drill: with a dump that was made while it was served, the backup from before, and a slot.
#[test]
fn a_vault_in_a_database_is_there_again_with_a_dump_a_backup_and_a_slot() {
    let trial = Trial::make();
    let node = trial.serve(&trial.database, "vault", &[]);
    let cards = canary_cards(0xdd, 40);
    let (before, during) = cards.split_at(20);
    let before: Vec<String> = before.iter().map(|one| trial.card(&node, &one.number)).collect();
    let done = AtomicBool::new(false);
    let (made, dump, later) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut made = Vec::new();
            let mut numbers = during.iter().cycle();
            while !done.load(Ordering::SeqCst) || made.is_empty() {
                made.push(trial.card(&node, &numbers.next().unwrap().number));
            }
            made
        });
        let made = trial.backup();
        let dump = trial.dump("dump");
        done.store(true, Ordering::SeqCst);
        (made, dump, sending.join().unwrap())
    });
    assert!(!later.is_empty());
    let after = trial.card(&node, &cards[0].number);
    drop(node);

    let database = trial.postgres.put_back(&dump);
    let backup = text(&made, "path");
    let verified = trial.verified(&backup, &database);
    assert!(verified["cards"].as_u64().unwrap() >= 20 && verified["order"] == made["order"], "{verified}");
    let restored = trial.restore(path(&trial.backups()), &database, &[]);
    assert!(restored.status.success(), "{}", restored.err);
    assert!(restored.out.contains("What was done after that is not in it"), "{}", restored.out);
    let report = trial.doctor(&database);
    assert_eq!(report["healthy"], json!(true), "{report}");
    // A directory of before is told by the trail that this was a restore, and serves.
    let node = trial.serve(&database, "vault", &[]);
    for card in &before {
        node.make_id("/v1/transaction", &trial.payment(card));
    }
    assert_eq!(node.ask("GET", &format!("/v1/card/{after}"), None).status, 404, "it was made after the dump");
    node.stop();
    let words = trial.words(&["audit", "verify", "--json"], &database, "vault");
    let trail = run_json(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(trail["verified"], json!(true), "{trail}");
    // The backup of before still fits what goes on from it.
    trial.verified(&backup, &database);
}

/// The same with a copy of the whole server that `pg_basebackup` makes while it is served.
#[test]
fn a_vault_in_a_database_is_there_again_with_a_base_backup_of_its_server() {
    let trial = Trial::make();
    let node = trial.serve(&trial.database, "vault", &[]);
    let cards = canary_cards(0xde, 20);
    let before: Vec<String> = cards.iter().map(|one| trial.card(&node, &one.number)).collect();
    let made = trial.backup();
    let done = AtomicBool::new(false);
    let copy = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                trial.card(&node, &cards[0].number);
            }
        });
        let copy = trial.postgres.base_copy();
        done.store(true, Ordering::SeqCst);
        copy
    });
    node.stop();
    copy.start_again();
    let database = copy.through(&trial.database, copy.port());
    let backup = text(&made, "path");
    let verified = trial.verified(&backup, &database);
    assert!(verified["cards"].as_u64() >= Some(20), "{verified}");
    // What somebody changed in the copy shows as it does in a dump.
    let changed = copy.copy(&database);
    copy.sql(&changed.name, &format!("DELETE FROM card WHERE id = '\\x{}'", before[3]));
    let refused = trial.refused(&backup, &changed);
    assert!(refused.contains(&format!("card {} is gone", before[3])), "{refused}");
    let restored = trial.restore(&backup, &database, &[]);
    assert!(restored.status.success(), "{}", restored.err);
    let report = trial.doctor(&database);
    assert_eq!(report["healthy"], json!(true), "{report}");
    let node = trial.serve(&database, "restored", &[]);
    for card in &before {
        node.make_id("/v1/transaction", &trial.payment(card));
    }
    node.stop();
}

/// Whatever of it was changed, taken away, put in place of another or is of another moment is named, and nothing is changed.
#[test]
fn what_is_not_the_vaults_last_word_is_refused_by_name() {
    let trial = Trial::make();
    let node = trial.serve(&trial.database, "vault", &[]);
    let card = trial.card(&node, "4111111111111111");
    let gone = trial.card(&node, "4111111111111111");
    let paid = node.make_id("/v1/transaction", &trial.payment(&card));
    trial.command(&["settle"]);
    let refund = node.make_id(&format!("/v1/transaction/{paid}/refund"), &json!({ "amount": 100 }));
    let (revoked, _) = trial.make_key();
    node.stop();
    let older = trial.dump("older");
    let of_then = trial.postgres.put_back(&older);
    let node = trial.serve(&trial.database, "vault", &[]);
    let changed = json!({ "organisation": trial.organisation, "expiry_year": "39" });
    node.make_id(&format!("/v1/card/{card}"), &changed);
    assert_eq!(node.ask("DELETE", &format!("/v1/card/{gone}"), None).status, 204);
    trial.command(&["apikey", "revoke", &revoked]);
    let made = trial.backup();
    node.stop();
    let backup = text(&made, "path");
    let good = trial.postgres.put_back(&trial.dump("good"));
    trial.verified(&backup, &good);

    // Rows of then are put in the place of those of now.
    let of_then = |table: &str, id: &str| {
        let columns = "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = ";
        let columns = trial.postgres.sql(&of_then.name, &format!("{columns}'{table}'"));
        let values = columns
            .split(", ")
            .map(|column| format!("quote_nullable({column})"))
            .collect::<Vec<_>>()
            .join(" || ', ' || ");
        let row =
            trial.postgres.sql(&of_then.name, &format!("SELECT {values} FROM {table} WHERE id = '\\x{id}'"));
        format!("DELETE FROM {table} WHERE id = '\\x{id}'; INSERT INTO {table} ({columns}) VALUES ({row})")
    };
    let key_row = trial.postgres.sql(
        &trial.postgres.put_back(&older).name,
        &format!("SELECT encode(id, 'hex') FROM document WHERE position('\\x{revoked}'::bytea in id) > 0 ORDER BY id LIMIT 1"),
    );
    let flip = |table: &str| {
        format!(
            "UPDATE {table} SET row = set_byte(row, 60, get_byte(row, 60) # 1) WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT 1)"
        )
    };
    for (what, sql, said) in [
        ("a flipped card", flip("card"), format!("card {card}")),
        ("a flipped payment", flip("payment"), format!("transaction {paid}")),
        ("a missing card", format!("DELETE FROM card WHERE id = '\\x{card}'"), format!("card {card} is gone")),
        ("a missing payment", "DELETE FROM payment".to_owned(), "is of a transaction that is gone".to_owned()),
        ("a missing step", "DELETE FROM history WHERE id IN (SELECT id FROM history LIMIT 1)".to_owned(), "steps of transactions, and the audit trail tells of".to_owned()),
        ("a missing refund", "DELETE FROM refund".to_owned(), "there are 0 refunds".to_owned()),
        ("a flipped refund", flip("refund"), format!("refund {refund}")),
        ("a card of before", of_then("card", &card), format!("card {card} is not as it was last")),
        ("a deleted card", of_then("card", &gone), format!("card {gone} was deleted, and is there again")),
        ("a revoked key", of_then("document", &key_row), "document".to_owned()),
        ("a missing document", format!("DELETE FROM document WHERE position('\\x{}'::bytea in id) > 0", trial.account), "document".to_owned()),
        ("a step of the trail", "UPDATE audit SET notes = set_byte(notes, 3, get_byte(notes, 3) # 1) WHERE (writer, place) IN (SELECT writer, place FROM audit ORDER BY writer, place LIMIT 1)".to_owned(), "does not verify".to_owned()),
        ("the end of the trail", "DELETE FROM audit WHERE (writer, place) IN (SELECT writer, max(place) FROM audit GROUP BY writer)".to_owned(), "is older than backup".to_owned()),
        ("a missing table", "DROP TABLE refund".to_owned(), "its tables refund are missing".to_owned()),
    ] {
        let copy = trial.postgres.copy(&good);
        trial.postgres.sql(&copy.name, &sql);
        let refused = trial.refused(&backup, &copy);
        assert!(refused.contains(&said), "{what}: {refused}");
    }
    let refused = trial.refused(&backup, &trial.postgres.put_back(&older));
    assert!(refused.contains("is older than backup"), "{refused}");
    let stranger = Trial::make();
    let refused = trial.refused(&backup, &stranger.database);
    assert!(refused.contains("holds vault"), "{refused}");
    let empty = trial.postgres.database();
    assert!(trial.refused(&backup, &empty).contains("holds no vault"));

    // The manifest, byte for byte.
    let manifest = Path::new(&backup).join("manifest.json");
    let bytes = fs::read(&manifest).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 24) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&manifest, flipped).unwrap();
        let refused = trial.restore(&backup, &good, &["--verify"]);
        assert!(
            !refused.status.success() && refused.err.contains("manifest.json"),
            "byte {at}: {}",
            refused.err
        );
    }
    fs::write(&manifest, &bytes).unwrap();
    // A backup of the one kind is none of the other.
    let slot = format!("slot_key_file={}", path(&trial.here("vault.slot-key")));
    let data = trial.here("as-directory");
    assert!(
        run_refused(&["restore", &backup, "--data", path(&data), "--set", &slot])
            .contains("is of a vault in a database")
    );
    trial.verified(&backup, &good);
}

/// What ended after the dump ends again before anything is served, and the export goes on behind it.
#[test]
fn what_has_ended_since_the_dump_ends_in_the_database_that_was_put_back() {
    let trial = Trial::make();
    let export = trial.here("trail.jsonl");
    let exports = format!("trail_file={}", path(&export));
    let exporting = ["--set", &exports];
    let node = trial.serve(&trial.database, "vault", &exporting);
    let (kept, erased) = (trial.card(&node, "4111111111111111"), trial.card(&node, "4111111111111111"));
    let (revoked, secret) = trial.make_key();
    node.stop();
    // Records that no checkpoint has signed, of several chains.
    trial.make_key();
    let made = trial.backup();
    let database = trial.postgres.put_back(&trial.dump("dump"));
    let node = trial.serve(&trial.database, "vault", &exporting);
    assert_eq!(node.ask("DELETE", &format!("/v1/card/{erased}"), None).status, 204);
    trial.command(&["apikey", "revoke", &revoked]);
    let lost = trial.card(&node, "4111111111111111");
    node.stop();
    let keys = trial.command(&["audit", "key"]);
    let key = text(&keys["keys"][0], "public_key");
    let (backup, id) = (text(&made, "path"), text(&made, "backup"));
    let beside = ["--trail", path(&export), "--key", &key];
    // As if nothing had happened, nobody serves it from a directory that knows better.
    let words = trial.words(&["serve", "--listen", "127.0.0.1:0"], &database, "vault");
    let refused = run_refused(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(refused.contains("is older than it was") && refused.contains("panvault restore"), "{refused}");
    let refused = trial.restore(&backup, &database, &beside);
    assert!(refused.err.contains(&format!("give --accept-older {id}")), "{}", refused.err);
    let accepted = [&beside[..], &["--accept-older", &id, "--json"]].concat();
    let restored = trial.restore(&backup, &database, &accepted);
    assert!(restored.status.success(), "{}", restored.err);
    let said: Value = serde_json::from_str(&restored.out).unwrap();
    let applied = &said["trail"]["applied"];
    assert_eq!((&applied["deleted cards"], &applied["revoked API keys"]), (&json!(1), &json!(1)), "{said}");

    let node = trial.serve(&database, "vault", &exporting);
    assert_eq!(node.ask("GET", &format!("/v1/card/{kept}"), None).status, 200);
    for absent in [&erased, &lost] {
        assert_eq!(node.ask("GET", &format!("/v1/card/{absent}"), None).status, 404);
    }
    let revoked = Node { key: secret, url: node.url.clone(), served: node.served };
    assert_eq!(revoked.ask("GET", "/v1/card", None).status, 401);
    revoked.stop();
    let report = trial.doctor(&database);
    assert_eq!(report["healthy"], json!(true), "{report}");
    // The trail goes on in the same file, and says where.
    let proved = run(&["audit", "verify", path(&export), "--key", &key]);
    assert!(proved.status.success(), "{} {}", proved.out, proved.err);
    assert!(proved.out.contains(&id), "{}", proved.out);
}

/// Nobody is to have a vault changed below a node that serves it.
#[test]
fn a_database_that_is_served_is_not_restored() {
    let trial = Trial::make();
    let node = trial.serve(&trial.database, "vault", &[]);
    let backup = text(&trial.backup(), "path");
    let refused = trial.restore(&backup, &trial.database, &[]);
    assert!(
        !refused.status.success() && refused.err.contains("serves the vault in the database"),
        "{}",
        refused.err
    );
    node.make_id("/v1/card", &json!({ "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040", "organisation": trial.organisation }));
    node.stop();
}

/// Killed anywhere, a restore goes on when it is run again, is said once, and nothing is served before it is done; and a backup is whole or none.
#[test]
fn a_backup_and_a_restore_of_a_database_that_are_killed_leave_all_or_nothing() {
    let trial = Trial::make();
    let export = trial.here("trail.jsonl");
    let exports = format!("trail_file={}", path(&export));
    let node = trial.serve(&trial.database, "vault", &["--set", &exports]);
    let cards: Vec<String> = (0..6).map(|_| trial.card(&node, "4111111111111111")).collect();
    node.stop();
    let made = trial.backup();
    let dump = trial.dump("dump");
    let node = trial.serve(&trial.database, "vault", &["--set", &exports]);
    cards[1..].iter().for_each(|card| {
        assert_eq!(node.ask("DELETE", &format!("/v1/card/{card}"), None).status, 204);
    });
    node.stop();
    let key = text(&trial.command(&["audit", "key"])["keys"][0], "public_key");
    let (backup, id) = (text(&made, "path"), text(&made, "backup"));
    let beside = ["restore", &backup, "--trail", path(&export), "--key", &key, "--accept-older", &id];
    let seed = u64::from(std::process::id());
    let mut dice = SeededRandom::new(seed);
    let database = trial.postgres.put_back(&dump);
    let words = trial.words(&beside, &database, "restored");
    let mut is_done = false;
    for most in [200_000, 400_000, 800_000, 1_500_000, 3_000_000] {
        let micros = u64::try_from(dice.below(most)).unwrap();
        is_done |= killed(&words, micros);
        let serve = trial.words(&["audit", "verify"], &database, "restored");
        let state = trial.postgres.sql(&database.name, "SELECT convert_from(mode, 'UTF8') FROM vault");
        let looked = run(&serve.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(looked.status.success(), state == "test", "seed {seed}: {state}: {}", looked.err);
        if is_done {
            break;
        }
    }
    if !is_done {
        let restored = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(restored.status.success(), "seed {seed}: {}", restored.err);
    }
    let tail = trial.words(
        &["audit", "tail", "-n", "1000", "--action", "vault_restore", "--json"],
        &database,
        "restored",
    );
    let tail = run(&tail.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(tail.out.lines().count(), 1, "seed {seed}: {}", tail.out);
    let node = trial.serve(&database, "restored", &[]);
    assert_eq!(node.ask("GET", &format!("/v1/card/{}", cards[0]), None).status, 200);
    for card in &cards[1..] {
        assert_eq!(node.ask("GET", &format!("/v1/card/{card}"), None).status, 404, "seed {seed}");
    }
    node.stop();
    let report = trial.doctor(&database);
    assert_eq!(report["healthy"], json!(true), "seed {seed}: {report}");

    let to = trial.here("killed");
    let words = trial.words(&["backup", path(&to)], &trial.database, "vault");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let steps = hit_everywhere(&words, |how, said| {
        let made = fs::read_dir(&to).map_or(0, Iterator::count);
        if made == 0 {
            return;
        }
        let verify = trial.restore(path(&to), &trial.database, &["--verify"]);
        let is_whole = verify.status.success();
        assert!(is_whole || verify.err.contains("were begun, and have no"), "{how}: {}", verify.err);
        assert!(is_whole || how != "error=ENOSPC", "nothing is left of it: {said}");
        fs::remove_dir_all(&to).unwrap();
    });
    assert!(steps >= 7, "{steps}");
}

/// Runs a command that is killed so many microseconds after it began. Whether it was done before.
fn killed(words: &[String], micros: u64) -> bool {
    let mut child: Child =
        panvault().args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = begin();
    let mut ended = None;
    until("it is to be killed", || {
        ended = child.try_wait().unwrap();
        ended.is_some() || u64::try_from(begun.elapsed().as_micros()).unwrap() >= micros
    });
    if ended.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ended.is_some_and(|status| status.success())
}

#[expect(clippy::disallowed_methods, reason = "a process is killed at some moment of its life")]
fn begin() -> std::time::Instant {
    std::time::Instant::now()
}
