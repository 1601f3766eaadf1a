//! A vault that is moved from its directory into a database and back, by commands as an operator runs them.

mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use panvault_testkit::{SeededRandom, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::Served;
use crate::support::{HttpAnswer, panvault, run, run_json, until};

/// A vault that is moved about, and who calls it.
struct Mover {
    postgres: Arc<Postgres>,
    database: PostgresDatabase,
    directory: tempfile::TempDir,
    slot_key: PathBuf,
    organisation: String,
    account: String,
    key: String,
}

/// A server of it, wherever it is.
struct Server {
    served: Served,
    url: String,
    key: String,
}

impl Server {
    fn post(&self, path: &str, body: &Value, idempotency_key: Option<&str>) -> HttpAnswer {
        let mut headers = vec![("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        headers.extend(idempotency_key.map(|key| ("Idempotency-Key", key)));
        let url = format!("{}{path}", self.url);
        answered(|| http_send(&url, "POST", &headers, Some(&body.to_string())).unwrap())
    }

    #[track_caller]
    fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body, None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    #[track_caller]
    fn read(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        let answer = answered(|| http_send(&url, "GET", &[("X-APIKEY", &self.key)], None).unwrap());
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    fn stop(self) {
        self.served.stop();
    }
}

impl Mover {
    /// A vault in `vault`, with an organisation, an account and a key.
    fn make() -> Self {
        let postgres = Postgres::shared(PostgresVersion::V15);
        let database = postgres.database();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("vault");
        let made = run_json(&["init", path(&data), "--mode", "test", "--json"]);
        let config = made["config"].as_str().unwrap().to_owned();
        let command = |args: &[&str]| run_json(&[args, &["--json", "--config", &config]].concat());
        let id = |made: &Value| made["_id"].as_str().unwrap().to_owned();
        let organisation = id(&command(&["organisation", "create", "--name", "X"]));
        let of = ["create", "--organisation", &organisation, "--name", "N"];
        let processor = id(&command(&[&["processor"], &of[..], &["--type", "card_dummy"]].concat()));
        let account = ["--currency-code", "EUR", "--processor", &processor];
        let account = id(&command(&[&["account"], &of[..], &account].concat()));
        let key = command(&[&["apikey"], &of[..], &["--role", "MerchantAdmin"]].concat());
        let key = key["api_key"].as_str().unwrap().to_owned();
        let slot_key = directory.path().join("vault.slot-key");
        Self { postgres, database, directory, slot_key, organisation, account, key }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn set_password(&self) -> String {
        format!("store_password_file={}", path(&self.database.password_file))
    }

    /// The words of `panvault move`.
    fn words(&self, from: &str, to: &str) -> Vec<String> {
        let (password, slot_key) = (self.set_password(), path(&self.slot_key));
        let words = ["move", "--from", from, "--to", to, "--slot-key-file", slot_key, "--set", &password];
        words.into_iter().map(str::to_owned).collect()
    }

    #[track_caller]
    fn moves(&self, from: &str, to: &str) -> Value {
        let words = self.words(from, to);
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        run_json(&words)
    }

    /// What refuses to move it.
    #[track_caller]
    fn refused(&self, from: &str, to: &str) -> String {
        let words = self.words(from, to);
        crate::support::run_refused(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The settings of the vault in the database, as its one node has them.
    fn of_database(&self) -> Vec<String> {
        let set = [
            format!("store={}", self.database.url),
            self.set_password(),
            "nodes=one".to_owned(),
            format!("slot_key_file={}", path(&self.slot_key)),
        ];
        let node = self.data("node");
        let mut words = vec!["--data".to_owned(), path(&node).to_owned()];
        words.extend(set.into_iter().flat_map(|set| ["--set".to_owned(), set]));
        words
    }

    /// The settings of the vault in a directory.
    fn of_directory(&self, name: &str) -> Vec<String> {
        let slot_key = format!("slot_key_file={}", path(&self.slot_key));
        ["--data", path(&self.data(name)), "--set", &slot_key].map(str::to_owned).to_vec()
    }

    #[track_caller]
    fn serve(&self, settings: &[String]) -> Server {
        let logs = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        let listen = ["--listen", "127.0.0.1:0", "--metrics-listen", ""];
        let words: Vec<&str> = settings.iter().map(String::as_str).chain(listen).collect();
        let (served, ready) = Served::start(&logs, &words);
        Server { served, url: ready["url"].as_str().unwrap().to_owned(), key: self.key.clone() }
    }

    #[track_caller]
    fn command(&self, args: &[&str], settings: &[String]) -> Value {
        let words: Vec<&str> = args.iter().copied().chain(settings.iter().map(String::as_str)).collect();
        run_json(&[&words[..], &["--json"]].concat())
    }

    fn card_body(&self) -> Value {
        json!({
            "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040", "cvv": "111",
            "organisation": self.organisation, "metadata": { "order": "7" },
        })
    }

    fn payment_body(&self, card: &str) -> Value {
        json!({
            "account": self.account, "amount": 1099, "card": card, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Example shop", "merchant_reference": "order", "user_agent": "test",
        })
    }
}

/// What is answered in the end: on a machine that has much else to do a node may not see its database for a moment, and says so.
fn answered(ask: impl Fn() -> HttpAnswer) -> HttpAnswer {
    let mut answer = ask();
    until("it is answered", || {
        if answer.status == 503 {
            answer = ask();
        }
        answer.status != 503
    });
    answer
}

fn id(object: &Value) -> &str {
    object["_id"].as_str().unwrap()
}

/// The records that a trail has, the newest last.
fn trail(settings: &[String]) -> Vec<Value> {
    let words: Vec<&str> = settings.iter().map(String::as_str).collect();
    let tail = run(&[&["audit", "tail", "-n", "1000", "--json"], &words[..]].concat());
    assert!(tail.status.success(), "{}", tail.err);
    tail.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything of a directory, by name.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            found.push((entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_vault_is_moved_into_a_database_and_back_and_goes_on() {
    let mover = Mover::make();
    let (first, second) = (mover.of_directory("vault"), mover.of_directory("back"));
    let server = mover.serve(&first);
    let card = server.make("/v1/card", &mover.card_body());
    assert_eq!(card["cvv_present"], json!(true));
    let changed = json!({ "organisation": mover.organisation, "expiry_year": "39" });
    let card = server.make(&format!("/v1/card/{}", id(&card)), &changed);
    let paid = server.post("/v1/transaction", &mover.payment_body(id(&card)), Some("once"));
    assert_eq!(paid.status, 200, "{}", paid.text);
    let paid: Value = serde_json::from_str(&paid.text).unwrap();
    let customer = server.make(
        "/v1/customer",
        &json!({
            "organisation": mover.organisation, "email_address": "a@example.com",
        }),
    );
    server.make("/v1/card", &mover.card_body());
    server.stop();
    let before = trail(&first);

    let moved = mover.moves(path(&mover.data("vault")), &mover.database.url);
    assert_eq!((&moved["rows"]["cards"], &moved["rows"]["transactions"]), (&json!(2), &json!(1)), "{moved}");
    assert_eq!(moved["was_done"], json!(false));
    let again = mover.moves(path(&mover.data("vault")), &mover.database.url);
    assert_eq!(again["was_done"], json!(true), "{again}");

    let shared = mover.of_database();
    let server = mover.serve(&shared);
    checked(&mover, &server, &card, &paid, &customer);
    // In the memory of a process that has ended there is no CVV any more, and nobody says that there is.
    assert_eq!(server.read(&format!("/v1/card/{}", id(&card)))["cvv_present"], json!(false));
    let further = server.make("/v1/card", &mover.card_body());
    assert_eq!(further["cvv_present"], json!(true));
    server.make("/v1/transaction", &mover.payment_body(id(&further)));
    server.stop();
    let verified = mover.command(&["audit", "verify"], &shared);
    assert_eq!(verified["verified"], json!(true), "{verified}");
    assert_eq!(mover.command(&["doctor"], &shared)["findings"], json!([]));
    let middle = trail(&shared);
    assert_eq!(middle[..before.len()], before, "records are as they were, under their own ids");
    assert!(middle.iter().any(|record| record["action"] == json!("vault_move")), "{middle:?}");

    let moved = mover.moves(&mover.database.url, path(&mover.data("back")));
    assert_eq!(moved["rows"]["cards"], json!(3), "{moved}");
    assert!(mover.moves(&mover.database.url, path(&mover.data("back")))["was_done"] == json!(true));
    let said = crate::support::run_refused(&words("serve", &shared));
    assert!(said.contains("was moved to") && said.contains(path(&mover.data("back"))), "{said}");
    let server = mover.serve(&second);
    checked(&mover, &server, &card, &paid, &customer);
    server.make("/v1/transaction", &mover.payment_body(id(&further)));
    server.stop();
    let slot_key = format!("slot_key_file={}", path(&mover.slot_key));
    let report = mover.command(&["doctor"], &second);
    assert_eq!(report["findings"], json!([]), "{report}");
    let verified =
        run_json(&["audit", "verify", "--json", "--data", path(&mover.data("back")), "--set", &slot_key]);
    assert_eq!(verified["verified"], json!(true), "{verified}");
    let after = trail(&second);
    assert_eq!(after[..before.len()], before);
    let kinds = |trail: &[Value]| {
        let mut kinds: Vec<_> = trail.iter().map(|record| record["action"].to_string()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&after[..middle.len()]), kinds(&middle), "all of the nodes' records are there");

    // And once more, into another database: what was a node's is in the vault's chain by now.
    let mut other = mover;
    other.database = other.postgres.database();
    other.moves(path(&other.data("back")), &other.database.url);
    fs::remove_dir_all(other.data("node")).unwrap();
    let shared = other.of_database();
    let server = other.serve(&shared);
    checked(&other, &server, &card, &paid, &customer);
    server.stop();
    let verified = other.command(&["audit", "verify"], &shared);
    assert_eq!(verified["verified"], json!(true), "{verified}");
}

fn words<'a>(command: &'a str, settings: &'a [String]) -> Vec<&'a str> {
    core::iter::once(command).chain(settings.iter().map(String::as_str)).collect()
}

/// What was there before is as it was: a key signs in, a card reads and is paid with, a request is answered again.
#[track_caller]
fn checked(mover: &Mover, server: &Server, card: &Value, paid: &Value, customer: &Value) {
    let read = server.read(&format!("/v1/card/{}", id(card)));
    for name in ["_id", "fingerprint", "last_four", "expiry_year", "metadata", "updated_at"] {
        assert_eq!(read[name], card[name], "{name}");
    }
    assert_eq!(&server.read(&format!("/v1/transaction/{}", id(paid))), paid);
    assert_eq!(&server.read(&format!("/v1/customer/{}", id(customer))), customer);
    let found = server.read(&format!("/v1/card?fingerprint={}", card["fingerprint"].as_str().unwrap()));
    assert!(found.as_array().unwrap().iter().any(|found| found["_id"] == card["_id"]), "{found}");
    let found = server.read("/v1/transaction?merchant_reference=order");
    assert!(!found.as_array().unwrap().is_empty());
    let replayed = server.post("/v1/transaction", &mover.payment_body(id(card)), Some("once"));
    assert!(replayed.status == 200 && replayed.id() == id(paid), "{}", replayed.text);
    server.make("/v1/transaction", &mover.payment_body(id(card)));
}

/// When a move is killed.
enum Moment {
    /// So many microseconds after it began.
    After(u64),
    /// As soon as this file is there.
    With(PathBuf),
}

/// Runs a move that is killed at some moment, unless it is done before.
fn killed(mover: &Mover, from: &str, to: &str, moment: &Moment) {
    let words = mover.words(from, to);
    let said = mover.data("said");
    let stderr = fs::File::create(&said).unwrap();
    let mut child: Child = panvault().args(&words).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let begun = begin();
    let mut ended = None;
    until("it is to be killed", || {
        ended = child.try_wait().unwrap();
        let is_now = match moment {
            Moment::After(micros) => u64::try_from(begun.elapsed().as_micros()).unwrap() >= *micros,
            Moment::With(file) => file.exists(),
        };
        ended.is_some() || is_now
    });
    match ended {
        // What the one before had under way when it was killed may still come through in the database.
        Some(status) => {
            let said = fs::read_to_string(&said).unwrap();
            assert!(status.success() || said.contains("again"), "{said}");
        }
        None => {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a process is killed at some moment of its life")]
fn begin() -> std::time::Instant {
    std::time::Instant::now()
}

/// Whether somebody would serve what is there: a look that needs the whole vault, and changes nothing.
fn is_served(settings: &[String]) -> bool {
    run(&[&["audit", "verify"], &settings.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())
        .status
        .success()
}

/// Killed wherever it is, a move goes on when it is run again, and at no moment both copies are served.
#[test]
fn a_move_that_is_killed_goes_on_and_never_two_copies_are_served() {
    let mover = Mover::make();
    let first = mover.of_directory("vault");
    let server = mover.serve(&first);
    let card = server.make("/v1/card", &mover.card_body());
    for _ in 0..40 {
        server.make("/v1/card", &mover.card_body());
    }
    server.stop();
    let (shared, back) = (mover.of_database(), mover.of_directory("back"));
    let seed = u64::from(std::process::id());
    let mut dice = SeededRandom::new(seed);
    let there = [path(&mover.data("vault")).to_owned(), mover.database.url.clone()];
    let home = [mover.database.url.clone(), path(&mover.data("back")).to_owned()];
    let file = |name: &str, file: &str| Moment::With(mover.data(name).join(file));
    for ([from, to], source, copy, files) in [
        // The source is marked, and the copy not yet a vault.
        (there, &first, &shared, vec![file("vault", "moved.toml")]),
        (
            home,
            &shared,
            &back,
            vec![file("back", "moving.toml"), file("back", "log"), file("back", "vault.toml")],
        ),
    ] {
        let mut at = |most| Moment::After(u64::try_from(dice.below(most)).unwrap());
        let moments = [at(300_000), at(1_000_000), at(3_000_000)];
        for moment in moments.iter().chain(&files) {
            killed(&mover, &from, &to, moment);
            let (is_source, is_copy) = (is_served(source), is_served(copy));
            assert!(!(is_source && is_copy), "both are served, seed {seed}");
        }
        mover.moves(&from, &to);
        assert!(!is_served(source) && is_served(copy), "from {from}, seed {seed}");
    }
    let server = mover.serve(&back);
    assert_eq!(id(&server.read(&format!("/v1/card/{}", id(&card)))), id(&card));
    server.make("/v1/transaction", &mover.payment_body(id(&card)));
    server.stop();
    let healthy = mover.command(&["doctor"], &back);
    assert_eq!((&healthy["findings"], &healthy["cards"]), (&json!([]), &json!(41)), "{healthy}");
}
