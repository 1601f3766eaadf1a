//! The drill: a vault is lost, and is there again on another machine, which has a slot and a backup.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_testkit::{canary_cards, http_send};
use serde_json::json;

use crate::cli::path;
use crate::serve::Served;
use crate::support::{Dev, panvault, run, run_json, run_refused};

#[test]
fn a_vault_that_was_lost_is_there_again_with_a_slot_and_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let key_file = format!("slot_key_file={}", dev.data.join("slot.key").display());
    let backups = directory.path().join("backups");
    let card = |number: &str| {
        let body = json!({ "card_number": number, "expiry_month": "12", "expiry_year": "2040", "organisation": dev.organisation });
        let made = dev.post("/v1/card", &body);
        assert_eq!(made.status, 200, "{}", made.text);
        made.id()
    };
    let cards = canary_cards(0xdb, 60);
    let (before, during) = cards.split_at(20);
    let before: Vec<String> = before.iter().map(|one| card(&one.number)).collect();
    // Requests go on while it is made, and none of them fails.
    let done = AtomicBool::new(false);
    let (made, later) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut made = Vec::new();
            let mut numbers = during.iter().cycle();
            while !done.load(Ordering::SeqCst) || made.is_empty() {
                made.push(card(&numbers.next().unwrap().number));
            }
            made
        });
        let made =
            run_json(&["backup", path(&backups), "--data", path(&dev.data), "--set", &key_file, "--json"]);
        done.store(true, Ordering::SeqCst);
        (made, sending.join().unwrap())
    });
    assert!(!later.is_empty());
    let after = card(&cards[0].number);
    let account = dev.ready["account"].as_str().unwrap().to_owned();
    let api_key = dev.key.clone();

    // Another machine: the backup and the key of a slot, and nothing else.
    let machine = tempfile::tempdir().unwrap();
    let kept = machine.path().join("backup");
    let mut copy = std::process::Command::new("cp");
    let copied = copy.arg("-a").args([made["path"].as_str().unwrap(), path(&kept)]).status().unwrap();
    assert!(copied.success());
    let slot = machine.path().join("vault.slot-key");
    fs::copy(dev.data.join("slot.key"), &slot).unwrap();
    assert!(!kept.join("slot.key").exists(), "no backup has a key");
    dev.kill();
    fs::remove_dir_all(directory.path().join("vault")).unwrap();

    let data = machine.path().join("vault");
    let verified = run_json(&["restore", path(&kept), "--verify", "--data", path(&data), "--json"]);
    assert!(verified["cards"].as_u64().unwrap() >= 20 && verified["order"] == made["order"]);
    assert!(!data.exists(), "nothing is made");
    let restored = run(&["restore", path(&kept), "--data", path(&data)]);
    assert!(restored.status.success(), "{}", restored.err);
    assert!(restored.out.contains("What was done after that is not in it"), "{}", restored.out);
    let doctor = run(&["doctor", "--data", path(&data)]);
    assert!(doctor.status.success(), "{} {}", doctor.out, doctor.err);
    assert!(run_refused(&["restore", path(&kept), "--data", path(&data)]).contains("holds a vault already"));
    let mut serve = panvault();
    serve.args(["serve", "--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""]);
    let (_served, ready) = Served::start_command(serve, machine.path());
    let url = ready["url"].as_str().unwrap();
    let headers = [("X-APIKEY", api_key.as_str()), ("Content-Type", "application/json")];
    for id in &before {
        let body = json!({
            "account": account, "amount": 100, "card": id, "capture_now": true, "customer_ip": "192.0.2.1",
            "dynamic_descriptor": "Shop", "merchant_reference": "drill", "user_agent": "test",
        });
        let paid =
            http_send(&format!("{url}/v1/transaction"), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(paid.status, 200, "{id}: {}", paid.text);
    }
    let lost = http_send(&format!("{url}/v1/card/{after}"), "GET", &headers, None).unwrap();
    assert_eq!(lost.status, 404, "it was made after the backup");
    let trail = run(&["audit", "verify", "--data", path(&data)]);
    assert!(trail.status.success(), "{} {}", trail.out, trail.err);
}

/// A command that is killed at a call, or told there that the disk is full. Whether the call came.
fn hit(call: &str, how: &str, nth: usize, args: &[&str]) -> (bool, String) {
    let mut strace = std::process::Command::new("strace");
    let inject = format!("inject={call}:{how}:when={nth}");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    let output = strace.arg(env!("CARGO_BIN_EXE_panvault")).args(args).output();
    let output = output.expect("this test needs strace: install it, or run `cargo xtask test`");
    (!output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// Restores a backup, killed or out of room at every step: what is there under the name of the vault is whole, and nothing else is left where it was out of room.
pub(crate) fn restored_whole_or_not_at_all(backup: &str, to: &Path, slot: &str) {
    let making = || {
        let names = fs::read_dir(to.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_str().unwrap().contains(".panvault-making-")).collect::<Vec<_>>()
    };
    let restore = ["restore", backup, "--data", path(to), "--set", slot];
    let steps = hit_everywhere(&restore, |how, said| {
        if to.exists() {
            let doctor = run(&["doctor", "--data", path(to), "--set", slot]);
            assert!(doctor.status.success(), "{how}: {} {}", doctor.out, doctor.err);
            fs::remove_dir_all(to).unwrap();
        } else if how == "error=ENOSPC" {
            assert!(said.contains("error: "), "{said}");
            assert!(making().is_empty(), "{said}");
        }
        making().iter().for_each(|path| fs::remove_dir_all(path).unwrap());
    });
    assert!(steps >= 9, "{steps}");
}

/// The steps at which something becomes durable or comes to its place: at every one the process is killed, or the disk is full.
pub(crate) fn hit_everywhere(args: &[&str], mut left: impl FnMut(&str, &str)) -> usize {
    let mut steps = 0;
    for (call, hows) in [
        ("fsync", ["signal=KILL", "error=ENOSPC"]),
        ("rename", ["signal=KILL"; 2]),
        ("renameat", ["signal=KILL"; 2]),
    ] {
        for nth in 1.. {
            let how = hows[nth % 2];
            let (was_hit, said) = hit(call, how, nth, args);
            left(how, &said);
            // A full disk may be met where nothing depends on it; that nothing is killed any more is the end.
            if was_hit {
                steps += 1;
            } else if how == "signal=KILL" {
                break;
            }
        }
    }
    steps
}

/// Whichever step it is killed at, a restore leaves a whole vault or none, and a backup a whole one or what is none; and neither leaves anything where the disk is full.
#[test]
fn a_backup_and_a_restore_that_are_killed_or_find_the_disk_full_leave_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let (vault, to, backups) = (here("vault"), here("restored"), here("backups"));
    run(&["init", path(&vault), "--mode", "test"]);
    run(&["organisation", "create", "--data", path(&vault), "--name", "Shop"]);
    let slot = format!("slot_key_file={}", here("vault.slot-key").display());
    let good = run_json(&["backup", path(&here("good")), "--data", path(&vault), "--json"]);
    restored_whole_or_not_at_all(good["path"].as_str().unwrap(), &to, &slot);
    let steps = hit_everywhere(&["backup", path(&backups), "--data", path(&vault)], |how, said| {
        let made = fs::read_dir(&backups).map_or(0, Iterator::count);
        if made == 0 {
            return;
        }
        let verify = run(&["restore", path(&backups), "--verify", "--data", path(&vault)]);
        assert!(
            verify.status.success() || verify.err.contains("were begun, and have no"),
            "{how}: {}",
            verify.err
        );
        if how == "error=ENOSPC" {
            assert!(verify.status.success(), "nothing is left of it: {said}");
        }
        fs::remove_dir_all(&backups).unwrap();
    });
    assert!(steps >= 7, "{steps}");
    let doctor = run(&["doctor", "--data", path(&vault)]);
    assert!(doctor.status.success(), "{} {}", doctor.out, doctor.err);
}
