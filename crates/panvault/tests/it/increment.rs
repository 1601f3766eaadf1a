//! Increments through the server that has the vault, and killed at every step.

use std::fs;
use std::path::Path;

use panvault_testkit::{HttpAnswer, LeakScan, canary_cards, http_send};
use serde_json::{Value, json};

use crate::backup::{hit_everywhere, restored_whole_or_not_at_all};
use crate::cli::path;
use crate::serve::Served;
use crate::support::{Dev, panvault, run, run_json, run_refused, until};

const CARDS: usize = 60;

/// What the log gave up since is in the increment; a number or a CVV is in none of its files.
#[test]
fn increments_of_a_vault_that_is_served_have_all_that_came_since_and_no_number() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let dev = Dev::start(directory.path(), &[]);
    let (organisation, api_key) = (dev.organisation.clone(), dev.key.clone());
    let account = dev.ready["account"].as_str().unwrap().to_owned();
    dev.stop();
    let (data, backups) = (here("vault"), here("backups"));
    let key_file = format!("slot_key_file={}", data.join("slot.key").display());
    let serve = |archive: &str| {
        let mut serve = panvault();
        serve.args(["serve", "--data", path(&data), "--listen", "127.0.0.1:0"]);
        serve.args(["--metrics-listen", "127.0.0.1:0"]);
        serve.args(["--set", &key_file, "--set", &format!("backup_archive_bytes={archive}")]);
        let (served, ready) = Served::start_command(serve, directory.path());
        let url = |name: &str| ready[name].as_str().unwrap().to_owned();
        (served, url("url"), url("metrics_url"))
    };
    let send = |url: &str, method: &str, at: &str, body: Option<&Value>| -> HttpAnswer {
        let headers = [("X-APIKEY", api_key.as_str()), ("Content-Type", "application/json")];
        let body = body.map(ToString::to_string);
        let answer = http_send(&format!("{url}{at}"), method, &headers, body.as_deref()).unwrap();
        assert!(matches!(answer.status, 200 | 204), "{} {}", answer.status, answer.text);
        answer
    };
    let backup = |since: Option<&str>| {
        let mut words = vec!["backup", path(&backups), "--data", path(&data), "--set", &key_file, "--json"];
        words.extend(since.iter().flat_map(|since| ["--since", since]));
        run_json(&words)
    };
    let text = |made: &Value, name: &str| made[name].as_str().map(str::to_owned);
    let cards = canary_cards(0x10c, CARDS);
    let (served, url, metrics) = serve("268435456");
    let full = backup(None);
    let live = |cards: &[panvault_testkit::CanaryCard]| {
        for card in cards {
            let body = json!({
                "card_number": card.number, "cvv": card.cvv, "expiry_month": "12", "expiry_year": "2040",
                "organisation": organisation,
            });
            let id = send(&url, "POST", "/v1/card", Some(&body)).id();
            let paid = json!({
                "account": account, "amount": 100, "card": id, "capture_now": true, "customer_ip": "192.0.2.1",
                "dynamic_descriptor": "Shop", "merchant_reference": "order", "user_agent": "test",
            });
            send(&url, "POST", "/v1/transaction", Some(&paid));
        }
        let new = json!({
            "card_number": cards[0].number, "cvv": cards[0].cvv, "expiry_month": "12", "expiry_year": "2040",
            "organisation": organisation,
        });
        let id = send(&url, "POST", "/v1/card", Some(&new)).id();
        // The segment that has it is given up, and with it all of before.
        let before = archived(&data);
        send(&url, "DELETE", &format!("/v1/card/{id}"), None);
        until("a segment is archived", || archived(&data) > before);
    };
    live(&cards[..CARDS / 2]);
    let words = |command: &'static str, more: &[&'static str]| {
        run(&[
            &[command, "--data", path(&data), "--set", &key_file, "--set", "backup_archive_bytes=268435456"],
            more,
        ]
        .concat())
    };
    let json =
        |command: &'static str| -> Value { serde_json::from_str(&words(command, &["--json"]).out).unwrap() };
    let metric = |name: &str| {
        let page = http_send(&format!("{metrics}/metrics"), "GET", &[], None).unwrap().text;
        let line =
            page.lines().find_map(|line| line.strip_prefix(&format!("panvault_backup_archive_{name} ")));
        line.unwrap().parse::<u64>().unwrap()
    };
    // A file has its name before it is counted.
    until("what is kept is shown", || json("status")["backup_archive_bytes"].as_u64() > Some(0));
    let (status, doctor) = (json("status"), json("doctor"));
    assert_eq!(status["backup_archive_bytes_max"], 268_435_456);
    assert!(
        status["backup_archive_since"].is_string()
            && doctor["archive_since"] == status["backup_archive_since"]
    );
    assert_eq!(doctor["archive_bytes"], status["backup_archive_bytes"]);
    assert!(metric("bytes") > 0 && metric("bytes_max") == 268_435_456);
    let since = format!(
        "an increment can go on from a backup of {} or later",
        status["backup_archive_since"].as_str().unwrap()
    );
    for command in ["status", "doctor"] {
        let said = words(command, &[]).out;
        assert!(said.contains(&since), "{said}");
    }
    let one = backup(Some(path(&backups)));
    assert_eq!((text(&one, "base"), text(&one, "full_because")), (text(&full, "backup"), None), "{one}");
    until("the archive goes with a backup", || archived(&data) == 0);
    let status = json("status");
    assert!(status["backup_archive_bytes"] == 0 && status.get("backup_archive_since").is_none(), "{status}");
    assert_eq!((metric("bytes"), metric("age_seconds")), (0, 0));
    live(&cards[CARDS / 2..]);
    let two = backup(Some(&text(&one, "path").unwrap()));
    assert_eq!(text(&two, "base"), text(&one, "backup"), "{two}");
    assert!(two["bytes"].as_u64() < full["bytes"].as_u64(), "{two} {full}");

    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    assert_eq!(scan.scan_directory(&backups).unwrap().len(), 0);
    let planted = Path::new(&text(&two, "path").unwrap()).join("planted");
    fs::write(&planted, &cards[0].number).unwrap();
    assert!(!scan.scan_directory(&backups).unwrap().is_empty(), "the scan looks there");
    fs::remove_file(&planted).unwrap();

    let restored = here("restored");
    let verified = run_json(&[
        "restore",
        path(&backups),
        "--verify",
        "--data",
        path(&restored),
        "--set",
        &key_file,
        "--json",
    ]);
    assert_eq!(verified["base"], two["base"]);
    assert_eq!(verified["cards"], CARDS);
    assert_eq!(verified["transactions"], CARDS);
    assert!(!restored.exists(), "nothing is made");
    let done = run(&["restore", path(&backups), "--data", path(&restored), "--set", &key_file]);
    assert!(done.status.success(), "{}", done.err);
    let doctor = run(&["doctor", "--data", path(&restored), "--set", &key_file]);
    assert!(doctor.status.success(), "{} {}", doctor.out, doctor.err);
    assert_eq!(scan.scan_directory(&restored).unwrap().len(), 0);

    // Another slot by now, and the first one is gone: the newest header goes with an increment, and is all that is needed.
    drop(served);
    let new = here("new.slot-key");
    let slot = |words: &[&str], key: &str| {
        let done = run(&[&["slot"], words, &["--data", path(&data), "--set", key]].concat());
        assert!(done.status.success(), "{} {}", done.out, done.err);
    };
    let by_new = format!("slot_key_file={}", new.display());
    slot(&["add", "key-file", path(&new), "--label", "second"], &key_file);
    slot(&["remove", "1"], &by_new);
    let since = text(&two, "path").unwrap();
    let words =
        ["backup", path(&backups), "--data", path(&data), "--set", &by_new, "--since", &since, "--json"];
    let three = run_json(&words);
    assert_eq!(text(&three, "base"), text(&two, "backup"), "{three}");
    let verify = |key: &str| {
        ["restore", path(&backups), "--verify", "--data", path(&restored), "--set", key].map(str::to_owned)
    };
    let words = verify(&by_new);
    let done = run(&words.each_ref().map(String::as_str));
    assert!(done.status.success(), "{}", done.err);
    let words = verify(&key_file);
    run_refused(&words.each_ref().map(String::as_str));
}

fn archived(data: &Path) -> usize {
    let names = fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|end| end == "archived")).count()
}

/// Whichever step it is killed at, an increment is whole or none, and what it goes on from is as it was; and so is what is made of them. Each has its own segments of the
/// log, which are archived until it is finished: killed before or after that, the next goes on from the newest that is whole.
#[test]
fn an_increment_and_its_restore_that_are_killed_or_find_the_disk_full_leave_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let (vault, to, chain) = (here("vault"), here("restored"), here("chain"));
    let data = ["--data", path(&vault), "--set", "backup_archive_bytes=268435456"];
    let with = |words: &[&'static str]| [words, &data[..]].concat();
    run(&["init", path(&vault), "--mode", "test"]);
    run_json(&[&["backup", path(&chain), "--json"], &data[..]].concat());
    run(&with(&["organisation", "create", "--name", "Shop"]));
    let backup = [&["backup", path(&chain), "--since", path(&chain)], &data[..]].concat();
    let first = run_json(&[&backup[..], &["--json"]].concat());
    assert!(first["base"].is_string(), "{first}");
    let slot = format!("slot_key_file={}", here("vault.slot-key").display());
    restored_whole_or_not_at_all(path(&chain), &to, &slot);
    let mut known = names(&chain);
    let mut was_archived = false;
    let steps = hit_everywhere(&backup, |how, said| {
        was_archived |= archived(&vault) > 0;
        let made: Vec<_> = names(&chain).into_iter().filter(|name| !known.contains(name)).collect();
        for name in made {
            let one = chain.join(&name);
            if one.join("manifest.json").exists() {
                assert!(one.join("frames.log").exists(), "{how}: it goes on from the one before: {said}");
                known.push(name);
                let verify = run(&[&["restore", path(&chain), "--verify"], &data[..]].concat());
                assert!(verify.status.success(), "{how}: {}", verify.err);
            } else {
                assert_eq!(how, "signal=KILL", "nothing is left of it: {said}");
                fs::remove_dir_all(&one).unwrap();
            }
        }
    });
    assert!(steps >= 7 && was_archived, "{steps}");
    let last = run_json(&[&backup[..], &["--json"]].concat());
    assert!(last["base"].is_string() && archived(&vault) == 0, "{last}");
    let doctor = run(&with(&["doctor"]));
    assert!(doctor.status.success(), "{} {}", doctor.out, doctor.err);
}

/// What is in a directory.
fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}
