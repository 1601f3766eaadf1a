//! Disks that fail and disks that are full: nothing is acknowledged that is not kept, and the log says what to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use panvault_testkit::{SmallDisk, canary_cards};
use serde_json::json;

use crate::support::{Dev, HttpAnswer, assert_healthy, panvault, until};

/// Posts cards from several threads until each has met an answer that is not 200; gives the ids that were acknowledged,
/// and the refusals.
fn fill(dev: &Dev, seed: u64) -> (Vec<String>, Vec<HttpAnswer>) {
    let padding =
        json!({ "a": "x".repeat(400), "b": "x".repeat(400), "c": "x".repeat(400), "d": "x".repeat(400) });
    let results: Vec<(Vec<String>, Option<HttpAnswer>)> = std::thread::scope(|scope| {
        let fillers: Vec<_> = (0..4)
            .map(|filler| {
                let padding = &padding;
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for canary in canary_cards(seed + filler, 20_000) {
                        let mut body = dev.card_body(&canary.number);
                        body["metadata"] = padding.clone();
                        match dev.try_post("/v1/card", &body) {
                            Some(answer) if answer.status == 200 => kept.push(answer.id()),
                            refused => return (kept, refused),
                        }
                    }
                    panic!("the disk did not fill up")
                })
            })
            .collect();
        fillers.into_iter().map(|filler| filler.join().unwrap()).collect()
    });
    let mut ids = Vec::new();
    let mut refusals = Vec::new();
    for (kept, refused) in results {
        ids.extend(kept);
        refusals.extend(refused);
    }
    (ids, refusals)
}

/// Under a limit of file size, writes begin to fail at some moment.
#[test]
fn a_failing_write_ends_the_server_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    Dev::start(directory.path(), &[]).stop();
    let mut limited = Command::new("sh");
    // 9216 blocks of 512 bytes: more than a segment, less than the view grows to under load.
    limited.args(["-c", "ulimit -f 9216; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_panvault")]);
    let dev = Dev::start_by(limited, directory.path(), &directory.path().join("stderr"), &[]);
    let (kept, refusals) = fill(&dev, 1);
    let said = || fs::read_to_string(&dev.log).unwrap();
    assert!(!kept.is_empty(), "{:?} {}", refusals.first().map(|refused| &refused.text), said());
    for refused in &refusals {
        assert_eq!((refused.status, refused.code()), (500, 100), "{}", refused.text);
    }
    let log = dev.log.clone();
    let (status, _) = dev.ended();
    assert_eq!(status.code(), Some(1), "it ends by itself, and says that it failed");
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("write_failed") && said.contains("advice="), "{said}");
    let dev = Dev::start(directory.path(), &[]);
    for id in &kept {
        assert_eq!(dev.get(&format!("/v1/card/{id}")).status, 200, "{id}");
    }
    dev.stop();
    assert_healthy(&directory.path().join("vault"));
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_takes_writes_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = SmallDisk::mount(&disk, 40) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let dev = Dev::start_by(panvault(), &disk, &directory.path().join("stderr"), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    // What is left is less than the next segment needs.
    let ballast = disk.join("ballast");
    let mut taken = Vec::new();
    while fs::write(&ballast, &taken).is_ok() {
        taken.resize(taken.len() + (1 << 20), 0);
    }
    fs::write(&ballast, &taken[..taken.len() - (3 << 20)]).unwrap();
    let (kept, refusals) = fill(&dev, 7);
    for refused in &refusals {
        assert_eq!((refused.status, refused.code()), (503, 144), "{}", refused.text);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    let ready = panvault_testkit::http_send(&format!("{}/readyz", dev.url), "GET", &[], None);
    let ready = ready.unwrap_or_else(|_| panic!("it ended: {}", fs::read_to_string(&dev.log).unwrap()));
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(true), "reads go on");
    for id in kept.iter().rev().take(50) {
        assert_eq!(dev.get(&format!("/v1/card/{id}")).status, 200, "{id}");
    }
    let said = fs::read_to_string(&dev.log).unwrap();
    assert!(said.contains("no_room") && said.contains("free space"), "{said}");

    fs::remove_file(&ballast).unwrap();
    let resumed = || dev.post("/v1/transaction", &dev.transaction_body(&card, 1099)).status == 200;
    until("writes resume", resumed);
    for id in &kept {
        assert_eq!(dev.get(&format!("/v1/card/{id}")).status, 200, "{id}");
    }
    dev.stop();
    assert_healthy(&disk.join("vault"));
}

/// The bug: with room for the log and none for the view, `/readyz` said that writes were refused while thousands of them were done. Its
/// cause: one fault stood for both. Its cure: ready is what takes writes, and being behind is said apart.
#[test]
fn without_room_for_the_view_it_is_ready_as_long_as_it_takes_writes() {
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = SmallDisk::mount(&disk, 80) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    Dev::start(&disk, &[]).stop();
    // The log moves to a disk of its own.
    let (log, moved) = (disk.join("vault/log"), directory.path().join("log"));
    fs::create_dir(&moved).unwrap();
    let copied = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
    };
    copied(&log, &moved);
    let _log = SmallDisk::mount(&log, 20).unwrap();
    copied(&moved, &log);
    let metrics = ["--metrics-listen", "127.0.0.1:0"];
    let dev = Dev::start_by(panvault(), &disk, &directory.path().join("stderr"), &metrics);
    let ballast = disk.join("ballast");
    let mut taken = vec![0; 80 << 20];
    while fs::write(&ballast, &taken).is_err() {
        taken.truncate(taken.len().saturating_sub(1 << 16));
    }

    let metrics_url = format!("{}/metrics", dev.ready["metrics_url"].as_str().unwrap());
    let shows = |line: &str| {
        let page = panvault_testkit::http_send(&metrics_url, "GET", &[], None).unwrap();
        page.text.lines().any(|found| found == line)
    };
    let lists_full = || shows("panvault_store_lists_full 1");
    let mut cards = canary_cards(5, 40_000).into_iter();
    let mut make = || {
        let mut body = dev.card_body(&cards.next().unwrap().number);
        body["metadata"] = json!({ "a": "x".repeat(400), "b": "x".repeat(400) });
        dev.post("/v1/card", &body).status
    };
    let ready = || {
        let answer = panvault_testkit::http_send(&format!("{}/readyz", dev.url), "GET", &[], None).unwrap();
        (answer.status, answer.text)
    };
    while !lists_full() {
        for _ in 0..50 {
            assert_eq!(make(), 200, "the log has room");
        }
    }
    assert_eq!(make(), 200);
    let (status, said) = ready();
    assert!(status == 200 && said.contains("lists are refused"), "{status} {said}");
    assert!(shows("panvault_ready 1"));
    assert_eq!(dev.get("/v1/card").status, 503, "what cannot be shown whole is not shown");
    while make() == 200 {}
    assert_eq!(ready().0, 503, "now the log is full too");

    fs::remove_file(&ballast).unwrap();
    until("lists resume", || dev.get("/v1/card").status == 200);
    until("writes resume", || make() == 200);
    assert_eq!(ready().0, 200);
    dev.stop();
}
