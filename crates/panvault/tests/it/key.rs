//! Keys of organisations from the command line, and a data key that is replaced under load while its process is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_testkit::canary_cards;
use serde_json::{Value, json};

use crate::bin::{import, list};
use crate::cli::path;
use crate::support::{Dev, assert_healthy, panvault, run, run_json, run_refused, until};

const WRITERS: u64 = 4;
const CARDS: usize = 150;

/// The data keys of the organisation, the oldest first.
fn data_keys(dev: &Dev) -> Vec<Value> {
    let of = ["key", "list", "--organisation", &dev.organisation, "--json", "--data", path(&dev.data)];
    let keys = run_json(&of);
    keys.as_array().unwrap().iter().filter(|key| key["purpose"] == "data").cloned().collect()
}

fn states(dev: &Dev) -> Vec<String> {
    data_keys(dev).iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// Makes cards until it may not any more or the server is gone. Nothing fails but what may be tried again.
fn write(dev: &Dev, seed: u64, cards: &Mutex<BTreeSet<String>>, goes_on: &AtomicBool) {
    for canary in canary_cards(seed, 5_000) {
        let Some(made) = dev.try_post("/v1/card", &dev.card_body(&canary.number)) else { return };
        assert!(matches!(made.status, 200 | 503), "{}", made.text);
        if made.status == 200 {
            cards.lock().unwrap().insert(made.id());
        }
        if !goes_on.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Lets writers write while something is done.
fn under_load(dev: &Dev, seed: u64, cards: &Mutex<BTreeSet<String>>, work: impl FnOnce()) {
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let goes_on = &goes_on;
            scope.spawn(move || write(dev, seed * 100 + writer, cards, goes_on));
        }
        work();
        goes_on.store(false, Ordering::SeqCst);
    });
}

#[test]
fn a_data_key_is_replaced_under_load_and_kill() {
    let directory = tempfile::tempdir().unwrap();
    let cards = Mutex::new(BTreeSet::new());
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    let count = || cards.lock().unwrap().len();
    under_load(&dev, 1, &cards, || until("there are cards", || count() >= CARDS));
    let organisation = dev.organisation.clone();
    let rotate = ["key", "rotate", "data", "--organisation", &organisation, "--data", path(&data), "--json"];
    let made = run_json(&rotate);
    assert_eq!((&made["version"], &made["purpose"]), (&json!(2), &json!("data")));
    let again = run(&rotate);
    // The first may have ended by now.
    assert!(
        again.err.contains("a rotation of this key is under way") || again.status.success(),
        "{}",
        again.err
    );
    let mut killed = 0;
    let mut dev = dev;
    for round in 2..8 {
        let resealed = || dev.get("/v1/status").json()["key_rows_resealed"].as_u64().unwrap_or_default();
        under_load(&dev, round, &cards, || {
            until("rows move on, or all have", || {
                resealed() > 20 || states(&dev).iter().filter(|state| *state != "destroyed").count() == 1
            });
            dev.signal("-KILL");
        });
        dev.kill();
        killed += 1;
        assert_healthy(&data);
        dev = Dev::start(directory.path(), &[]);
        if killed >= 2 && states(&dev).iter().filter(|state| *state != "destroyed").count() == 1 {
            break;
        }
    }
    under_load(&dev, 9, &cards, || {
        until("the old key is destroyed", || {
            let states = states(&dev);
            let (last, before) = states.split_last().unwrap();
            last == "active" && before.iter().all(|state| state == "destroyed")
        });
    });
    let keys = data_keys(&dev);
    assert!(keys[0]["destroyed_at"].is_string() && keys[0]["active_until"].is_string(), "{}", keys[0]);
    assert_eq!(keys[0]["rows_left"], json!(0));
    let cards = cards.into_inner().unwrap();
    assert!(cards.len() >= CARDS);
    // What opens nobody sees but who is paid with it.
    for card in &cards {
        let paid = dev.post("/v1/transaction", &dev.transaction_body(card, 1099));
        assert_eq!(paid.status, 200, "{card}: {}", paid.text);
    }
    dev.stop();
    assert_healthy(&data);
    let refused = run_refused(&rotate);
    assert!(refused.contains("nobody serves this vault"), "{refused}");
}

/// The keys of the vault of these purposes, the oldest of each first, with what may be done with them.
fn vault_states(dev: &Dev, purpose: &str) -> Vec<String> {
    let keys = run_json(&["key", "inventory", "--json", "--data", path(&dev.data)]);
    let keys = keys["vault"].as_array().unwrap().iter().filter(|key| key["purpose"] == purpose);
    keys.map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

fn chain_is_active(dev: &Dev) {
    let last = || vault_states(dev, "audit_chain").pop();
    until("the chain has its last key", || last().is_some_and(|last| last == "active"));
}

/// Rows and documents are given other tags, and the head and the chain another key, while requests come and the process is killed. In the end the keys of before are in no header, and what
/// `panvault doctor` reads bears tags of those that are: nothing is left that another made. A backup from before opens by the keys that are in it.
#[test]
fn keys_that_tag_are_replaced_under_load_and_kill() {
    const PURPOSES: [&str; 3] = ["row_tag", "document_tag", "document_head"];
    let directory = tempfile::tempdir().unwrap();
    let cards = Mutex::new(BTreeSet::new());
    let mut dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    import(&data, &list(directory.path(), "BANK ONE"));
    let count = || cards.lock().unwrap().len();
    under_load(&dev, 1, &cards, || until("there are cards", || count() >= CARDS));
    let backups = directory.path().join("backups");
    let slot = format!("slot_key_file={}", data.join("slot.key").display());
    let backup = run_json(&["backup", path(&backups), "--data", path(&data), "--set", &slot, "--json"]);
    let rotate = |purpose: &str, more: &[&str]| {
        run(&[&["key", "rotate", purpose, "--data", path(&data), "--json"], more].concat())
    };
    for purpose in PURPOSES {
        let made = rotate(purpose, &[]);
        assert!(made.status.success(), "{purpose}: {}", made.err);
    }
    // The one before of the chain stays with the records that it chained.
    let chained = rotate("audit_chain", &["--wait"]);
    assert!(chained.status.success(), "{}", chained.err);
    assert_eq!(vault_states(&dev, "audit_chain"), ["open_only", "active"]);
    for round in 2..4 {
        let retagged = || dev.get("/v1/status").json()["key_rows_retagged"].as_u64().unwrap_or_default();
        under_load(&dev, round, &cards, || {
            until("rows are tagged anew, or all are", || {
                retagged() > 20 || PURPOSES.iter().all(|of| vault_states(&dev, of) == ["destroyed", "active"])
            });
            dev.signal("-KILL");
        });
        dev.kill();
        assert_healthy(&data);
        dev = Dev::start(directory.path(), &[]);
        chain_is_active(&dev);
        let chained = rotate("audit_chain", &[]);
        assert!(chained.status.success(), "{}", chained.err);
    }
    under_load(&dev, 5, &cards, || {
        chain_is_active(&dev);
        assert_eq!(vault_states(&dev, "audit_chain"), ["open_only", "open_only", "open_only", "active"]);
        for purpose in PURPOSES {
            let ended = rotate(purpose, &["--wait"]);
            assert!(ended.status.success(), "{purpose}: {}", ended.err);
        }
    });
    for purpose in PURPOSES {
        let states = vault_states(&dev, purpose);
        let (last, before) = states.split_last().unwrap();
        assert!(last == "active" && before.iter().all(|state| state == "destroyed"), "{purpose}: {states:?}");
    }
    for card in cards.lock().unwrap().iter() {
        let paid = dev.post("/v1/transaction", &dev.transaction_body(card, 1099));
        assert_eq!(paid.status, 200, "{card}: {}", paid.text);
    }
    let card = dev.make_card("4111111111111111", None);
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["issuer_name"], json!("BANK ONE"));
    dev.stop();
    assert_healthy(&data);
    // Version (2) · tag (16) at the end of the file.
    let table = fs::read(data.join("bins.table")).unwrap();
    assert!(u16::from_be_bytes([table[table.len() - 18], table[table.len() - 17]]) > 1);
    let (backup, elsewhere) = (backup["path"].as_str().unwrap(), directory.path().join("restored"));
    run_json(&["restore", backup, "--verify", "--data", path(&elsewhere), "--set", &slot, "--json"]);
}

/// Nobody knows when who has an API key comes again: what keeps the key before is named, and not waited for.
#[test]
fn api_keys_that_nobody_uses_are_named_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let rotate = ["key", "rotate", "api_key_hash", "--wait", "--data", path(&dev.data), "--json"];
    let mut needed = Value::Null;
    // The second goes on with the rotation that the first began.
    for _ in 0..2 {
        let ended = run(&rotate);
        assert!(ended.status.success(), "{}", ended.err);
        assert!(ended.err.contains("API keys keep the key before"), "{}", ended.err);
        let said: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(said["state"], json!("active"));
        needed = said["needed_by"].clone();
        assert_eq!(said["rows_left"], json!(needed.as_array().unwrap().len()));
        assert_eq!(vault_states(&dev, "api_key_hash"), ["open_only", "active"]);
    }
    let used = dev.get("/v1/organisation").status;
    assert!(used < 500, "{used}");
    let still_needed = || -> BTreeSet<String> {
        let keys = run_json(&["key", "inventory", "--json", "--data", path(&dev.data)]);
        let keys = keys["vault"].as_array().unwrap().iter();
        let needed = keys.filter_map(|key| key["needed_by"].as_array()).flatten();
        needed.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let all: BTreeSet<String> =
        needed.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    until("the one that was used does not need it", || still_needed().len() < all.len());
    for id in still_needed() {
        run_json(&["apikey", "revoke", &id, "--data", path(&dev.data), "--json"]);
    }
    until("the key before is destroyed", || vault_states(&dev, "api_key_hash") == ["destroyed", "active"]);
    assert_eq!(dev.get("/v1/card").status, 200, "who uses theirs has it");
}

/// What is destroyed is asked for twice, and nothing opens any more.
#[test]
fn the_keys_of_an_organisation_are_destroyed_by_who_says_so_twice() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", None);
    let destroy = |typed: &str| {
        let args =
            ["key", "destroy", "--organisation", &dev.organisation, "--data", path(&dev.data), "--json"];
        let mut command = panvault();
        let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let refused = destroy("65f1c0d00b5e6f708192a3b4");
    assert!(!refused.status.success() && states(&dev) == ["active"]);
    assert_eq!(dev.post("/v1/transaction", &dev.transaction_body(&card, 1099)).status, 200);
    let done = destroy(&dev.organisation);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).contains("backups made before still open"));
    assert_eq!(states(&dev), ["destroyed"]);
    assert_eq!(dev.get(&format!("/v1/card/{card}")).status, 401, "its keys are nobody's");
    let data = dev.data.clone();
    dev.stop();
    assert_healthy(&data);
}
