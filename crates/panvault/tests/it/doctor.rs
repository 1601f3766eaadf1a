//! A data directory that somebody has changed: never a wrong answer, and doctor says where.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, params};
use serde_json::json;

use crate::cli::path;
use crate::support::{Dev, doctor, run_refused};

/// Changes the view of a vault that is not served.
type Tamper = fn(&Connection, card: &[u8], other: &[u8]);

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn row(view: &Connection, id: &[u8]) -> Vec<u8> {
    view.query_row("SELECT row FROM card WHERE id = ?", [id], |row| row.get(0)).unwrap()
}

fn put(view: &Connection, id: &[u8], row: &[u8]) {
    view.execute("UPDATE card SET row = ? WHERE id = ?", params![row, id]).unwrap();
}

fn find(row: &[u8], part: &[u8]) -> usize {
    row.windows(part.len()).position(|window| window == part).unwrap()
}

/// Changes a byte of the sealed part; the second time it is as it was.
fn flip(view: &Connection, card: &[u8]) {
    let mut row = row(view, card);
    let last = row.len() - 20;
    row[last] ^= 1;
    put(view, card, &row);
}

/// The same of a card of a vault that is not served.
pub(crate) fn card_flip(data: &Path, card: &str) {
    flip(&Connection::open(data.join("view.sqlite")).unwrap(), &bytes(card));
}

/// What is done to the row of `card`, and the name of it.
const ROWS: &[(&str, Tamper)] = &[
    ("a flipped byte of the sealed part", |view, card, _| flip(view, card)),
    ("a changed last four", |view, card, _| {
        let mut row = row(view, card);
        let bin_and_last_four = find(&row, b"4111111111");
        row[bin_and_last_four + 6] = b'2';
        put(view, card, &row);
    }),
    ("the other card's row", |view, card, other| {
        let other = row(view, other);
        put(view, card, &other);
    }),
    ("the other card's sealed part", |view, card, other| {
        let (mut row, other) = (row(view, card), row(view, other));
        let (at, from) = (row.len() - 109, other.len() - 109);
        row[at..].copy_from_slice(&other[from..]);
        put(view, card, &row);
    }),
    ("a row that ends too soon", |view, card, _| {
        let row = row(view, card);
        // Into what comes before the sealed part, which has no length of its own.
        put(view, card, &row[..row.len() - 110]);
    }),
];

/// What is done elsewhere, and the part that doctor finds it in.
const ELSEWHERE: &[(&str, &str)] = &[
    ("DELETE FROM card_by_organisation WHERE id = (SELECT min(id) FROM card_by_organisation)", "index"),
    ("DELETE FROM fingerprint_tail WHERE id = (SELECT max(id) FROM fingerprint_tail)", "index"),
    ("DELETE FROM payment_by_card", "index"),
    ("DELETE FROM payment_by_account", "index"),
    ("DELETE FROM payment_by_status", "index"),
    ("DELETE FROM fingerprint_tail WHERE id = (SELECT max(id) FROM payment)", "index"),
    ("UPDATE tally SET row = CAST(substr(row, 1, 63) || x'41' AS BLOB)", "index"),
    ("UPDATE chain SET notes = x'' WHERE first_sequence = 3", "audit"),
    (
        "UPDATE chain SET notes = (SELECT notes FROM chain WHERE first_sequence = 2) WHERE first_sequence = 3",
        "audit",
    ),
    ("DELETE FROM chain WHERE first_sequence = (SELECT max(first_sequence) FROM chain)", "audit"),
    // A random byte is nought in one of 256 vaults: then another is put there.
    (
        "UPDATE payment SET row = CAST(substr(row, 1, 40) || iif(substr(row, 41, 1) = x'00', x'01', x'00') \
         || substr(row, 42) AS BLOB)",
        "row",
    ),
    (
        "UPDATE history SET row = CAST(substr(row, 1, 40) || x'0102' || substr(row, 43) AS BLOB) WHERE version = 2",
        "row",
    ),
];

#[test]
fn a_changed_row_is_an_error_and_not_a_wrong_answer() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", None);
    let other = dev.make_card("5555555555554444", None);
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 1099)).id();
    let (organisation, account) = (dev.organisation.clone(), dev.ready["account"].clone());
    dev.stop();
    for (what, tamper) in ROWS {
        let copy = copied(directory.path());
        let view = Connection::open(copy.path().join("vault/view.sqlite")).unwrap();
        tamper(&view, &bytes(&card), &bytes(&other));
        drop(view);
        let report = doctor(&copy.path().join("vault"));
        assert_eq!(report["healthy"], json!(false), "{what}: {report}");
        let dev = Dev::start(copy.path(), &[]);
        let id = format!("/v1/card/{card}");
        let update = json!({ "organisation": organisation, "expiry_year": "40", "cvv": "111" });
        let transact = json!({
            "account": account, "amount": 1, "card": card, "customer_ip": "203.0.113.7", "dynamic_descriptor": "x",
            "merchant_reference": "x", "user_agent": "x",
        });
        for answer in [
            dev.get(&id),
            dev.post(&id, &update),
            dev.post("/v1/transaction", &transact),
            dev.get("/v1/card"),
            // Also where it does not say what is asked for: it may have said so before.
            dev.get("/v1/card/count?last_four=0000"),
            dev.get("/v1/card?_sort=last_four&_limit=1"),
        ] {
            // The other card's row bears another id, in an organisation that the caller sees.
            assert_eq!((answer.status, answer.code()), (500, 100), "{what}: {}", answer.text);
        }
        assert_eq!(dev.get(&format!("/v1/card/{other}")).status, 200, "{what}: the others are served");
        assert_eq!(dev.get("/v1/transaction/count").json()["count"], json!(1), "{what}: nothing was sent");
        // A row that cannot be read does not say whose it is.
        let deleted = if *what == "a row that ends too soon" { 500 } else { 204 };
        assert_eq!(dev.delete(&id).status, deleted, "{what}: what can be read can still be deleted");
    }
    for (sql, part) in ELSEWHERE {
        let copy = copied(directory.path());
        let view = Connection::open(copy.path().join("vault/view.sqlite")).unwrap();
        view.execute_batch(sql).unwrap();
        drop(view);
        let report = doctor(&copy.path().join("vault"));
        let found = report["findings"].as_array().unwrap();
        assert!(found.iter().any(|finding| finding["part"] == json!(part)), "{sql}: {report}");
        if part == &"row" {
            let dev = Dev::start(copy.path(), &[]);
            let answers = [
                dev.get(&format!("/v1/transaction/{paid}")),
                dev.get(&format!("/v1/transaction/{paid}/history")),
            ];
            assert!(answers.iter().any(|answer| answer.code() == 100), "{sql}");
        }
    }
}

/// What a server says that does not start on a vault of `panvault dev`.
fn serve_refused(vault: &Path) -> String {
    let key = format!("slot_key_file={}", path(&vault.join("slot.key")));
    run_refused(&["serve", "--set", "listen=127.0.0.1:0", "--set", &key, "--data", path(vault)])
}

#[test]
fn changed_documents_and_a_damaged_log_are_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    for _ in 0..3 {
        dev.make_card("4111111111111111", None);
    }
    dev.stop();
    for sql in [
        "UPDATE document SET row = CAST(substr(row, 1, 50) || x'41' || substr(row, 52) AS BLOB) WHERE kind = 1",
        "UPDATE document SET row = CAST(substr(row, 1, 60) || x'41' || substr(row, 62) AS BLOB) WHERE kind = 7",
        "UPDATE document SET row = CAST(substr(row, 1, 60) || x'41' || substr(row, 62) AS BLOB) WHERE kind = 8",
        "DELETE FROM document WHERE kind = 4",
        "DELETE FROM document WHERE id = (SELECT max(id) FROM document WHERE kind = 7)",
        "DELETE FROM document WHERE kind = 8",
    ] {
        let copy = copied(directory.path());
        let vault = copy.path().join("vault");
        Connection::open(vault.join("view.sqlite")).unwrap().execute_batch(sql).unwrap();
        let refused = serve_refused(&vault);
        assert!(refused.contains("run panvault doctor"), "{refused}");
        assert_eq!(doctor(&vault)["healthy"], json!(false));
    }
    let copy = copied(directory.path());
    let vault = copy.path().join("vault");
    let segment = vault.join("log/0000000000000001.seg");
    let mut log = fs::read(&segment).unwrap();
    // In the first frame, behind the block of the segment's header.
    log[4096 + 80] ^= 1;
    fs::write(&segment, &log).unwrap();
    let refused = serve_refused(&vault);
    assert!(refused.contains("the log is damaged: segment 1"), "{refused}");
    assert!(refused.contains("restore the data directory from a backup"), "{refused}");
    assert_eq!(fs::read(&segment).unwrap(), log, "nothing was changed");
}

/// The view is thrown away: it is rebuilt from the log.
#[test]
fn a_missing_view_is_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", None);
    let before = dev.get(&format!("/v1/card/{card}")).json();
    dev.stop();
    for file in ["view.sqlite", "view.sqlite-wal", "view.sqlite-shm"] {
        drop(fs::remove_file(directory.path().join("vault").join(file)));
    }
    let dev = Dev::start(directory.path(), &[]);
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json(), before);
    dev.stop();
    crate::support::assert_healthy(&directory.path().join("vault"));
}

fn copied(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-a").arg(directory.join("vault")).arg(copy.path()).status().unwrap();
    assert!(done.success());
    copy
}

/// The bug: a card whose organisation was changed in the files read 404, and a deleted one that was put back made counts and lists what
/// somebody without a key wanted. Its cure: a row is held against its tag first, and all of them against what was counted.
#[test]
fn what_an_intruder_without_a_key_does_to_whole_rows_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", None);
    let gone = dev.make_card("5555555555554444", None);
    let organisation = bytes(&dev.organisation);
    dev.stop();
    let before = copied(directory.path());
    let dev = Dev::start(directory.path(), &[]);
    assert_eq!(dev.delete(&format!("/v1/card/{gone}")).status, 204);
    assert_eq!(dev.get("/readyz").json()["status"], json!("ready"));
    dev.stop();

    // Of somebody else, as it says.
    let copy = copied(directory.path());
    let view = Connection::open(copy.path().join("vault/view.sqlite")).unwrap();
    let mut changed = row(&view, &bytes(&card));
    let at = find(&changed, &organisation);
    changed[at + 11] ^= 1;
    put(&view, &bytes(&card), &changed);
    drop(view);
    assert_eq!(doctor(&copy.path().join("vault"))["healthy"], json!(false));
    let dev = Dev::start(copy.path(), &[]);
    for path in [format!("/v1/card/{card}"), "/v1/card".to_owned(), "/v1/card?brand=Visa".to_owned()] {
        let answer = dev.get(&path);
        assert_eq!((answer.status, answer.code()), (500, 100), "{path}: {}", answer.text);
    }
    dev.kill();

    // A deleted one, with all that it had.
    let copy = copied(directory.path());
    let view = Connection::open(copy.path().join("vault/view.sqlite")).unwrap();
    let attach = format!("ATTACH '{}' AS b", before.path().join("vault/view.sqlite").display());
    view.execute_batch(&attach).unwrap();
    for table in ["card", "card_by_organisation", "fingerprint_tail"] {
        view.execute_batch(&format!("INSERT OR IGNORE INTO {table} SELECT * FROM b.{table}")).unwrap();
    }
    drop(view);
    let dev = Dev::start(copy.path(), &[]);
    crate::support::until("it is found", || dev.get("/readyz").text.contains("somebody changed view.sqlite"));
    for path in ["/v1/card", "/v1/card/count", "/v1/card?brand=Visa"] {
        assert_eq!(dev.get(path).code(), 100, "{path}");
    }
    assert_eq!(dev.get(&format!("/v1/card/{card}")).status, 200, "what is whole is served");
    assert_eq!(dev.get("/v1/transaction/count").status, 200);
    dev.make_card("4111111111111111", None);
    let said = fs::read_to_string(&dev.log).unwrap();
    assert!(said.contains("view.rows_forged"), "{said}");
    dev.kill();
}

/// The bug: with the last commit of the log broken, which the view had not taken up, a card that was acknowledged was gone, and doctor said
/// that everything agreed. Nothing tells that from what a crash leaves, and doctor now says what it may be.
#[test]
fn a_log_that_ends_in_no_whole_commit_is_not_all_well() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.make_card("4111111111111111", None);
    dev.stop();
    let (vault, early) = (directory.path().join("vault"), directory.path().join("early"));
    fs::copy(vault.join("view.sqlite"), &early).unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.make_card("5555555555554444", None);
    dev.stop();
    fs::copy(&early, vault.join("view.sqlite")).unwrap();
    let said = |vault: &Path| crate::support::run(&["doctor", "--data", path(vault)]).out;
    assert!(said(&vault).contains("\nEverything agrees.\n"), "the control: a view that is behind");

    let segment = vault.join("log/0000000000000001.seg");
    let mut log = fs::read(&segment).unwrap();
    let end = log.iter().rposition(|byte| *byte != 0).unwrap();
    log[end] ^= 1;
    fs::write(&segment, &log).unwrap();
    let told = said(&vault);
    assert!(told.contains("normal after a crash") && !told.contains("Everything agrees."), "{told}");
    assert_eq!(doctor(&vault)["torn_tail"], json!(true));
    let dev = Dev::start(directory.path(), &[]);
    let log = fs::read_to_string(&dev.log).unwrap();
    assert!(log.contains("log.torn_tail_dropped"), "{log}");
    dev.stop();
    assert!(said(&vault).contains("\nEverything agrees.\n"), "it is dropped");
}
