//! What a command makes and prints: all of it, or nothing.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use panvault_testkit::{SmallDisk, http_send};
use serde_json::json;

use crate::cli::path;
use crate::serve::vault;
use crate::support::{Dev, assert_healthy, panvault, run_json, run_refused, until};

/// Standard outputs that nobody can read, by name.
const UNREAD: [&str; 3] = ["/dev/full", "a closed pipe", "closed"];

/// A command whose standard output is one of these.
fn unread(out: &str) -> Command {
    let mut command = panvault();
    match out {
        "/dev/full" => {
            command.stdout(File::options().write(true).open(out).unwrap());
        }
        "a closed pipe" => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        }
        _ => {
            command = Command::new("sh");
            command.args(["-c", "exec \"$0\" \"$@\" >&-", env!("CARGO_BIN_EXE_panvault")]);
        }
    }
    command
}

/// Runs a command to its end: its code and what it said on standard error.
fn ended(mut command: Command, args: &[&str]) -> (Option<i32>, String) {
    let output = command.args(args).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn key_args<'a>(data: &'a str, organisation: &'a str) -> Vec<&'a str> {
    let create =
        ["apikey", "create", "--organisation", organisation, "--name", "K", "--role", "MerchantAdmin"];
    [create.as_slice(), &["--data", data]].concat()
}

fn count(kind: &str, data: &Path) -> usize {
    run_json(&[kind, "list", "--json", "--data", path(data)]).as_array().unwrap().len()
}

/// The bug: `apikey create` without anybody who could read it left a live key with all rights that nobody had seen: with exit
/// code 1 on a full disk, with 0 where standard output was closed. Its cause: what was made was printed afterwards. Its cure: it is
/// shown first, and made when that went well.
#[test]
fn what_cannot_be_shown_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let at = path(&data);
    for out in UNREAD {
        let (code, said) = ended(unread(out), &key_args(at, &organisation));
        assert!(said.contains("none was made") || said.contains("nothing was made"), "{out}: {said}");
        assert_eq!(code, Some(1), "{out}");
        assert!(!said.contains("pv_test_"), "{said}");
    }
    let mut null = panvault();
    null.stdout(Stdio::null());
    let (code, said) = ended(null, &key_args(at, &organisation));
    assert!(code == Some(1) && said.contains("/dev/null"), "{said}");
    assert_eq!(count("apikey", &data), 1, "the one that was there");

    for out in ["/dev/full", "a closed pipe"] {
        let organisation = organisation.as_str();
        for args in [
            vec!["organisation", "create", "--name", "Y"],
            vec![
                "processor",
                "create",
                "--organisation",
                organisation,
                "--name",
                "P",
                "--type",
                "card_dummy",
            ],
            vec![
                "account",
                "create",
                "--organisation",
                organisation,
                "--name",
                "A",
                "--currency-code",
                "EUR",
            ],
        ] {
            let (code, said) = ended(unread(out), &[args.as_slice(), &["--data", at]].concat());
            assert!(code == Some(1) && said.contains("nothing was made"), "{args:?}: {said}");
        }
        let made = directory.path().join("made");
        let (code, said) = ended(unread(out), &["init", path(&made)]);
        assert!(code == Some(1) && said.contains("nothing was made"), "{said}");
        let dev = ["dev", "--listen", "127.0.0.1:0", "--data", path(&made)];
        let (code, said) = ended(unread(out), &dev);
        assert!(code == Some(1) && said.contains("nothing was made"), "{said}");
    }
    let counts = ["organisation", "processor", "account"].map(|kind| count(kind, &data));
    assert_eq!(counts, [1, 0, 0]);
    let mut left: Vec<_> =
        directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let of_the_first = ["vault", "vault.settings.toml", "vault.slot-key"];
    assert_eq!(left, of_the_first, "neither a directory, a key nor settings are left");
    assert_healthy(&data);
}

/// The bug: a rotation that could not show the new key deleted it again, and ended the old one all the same: at once without an overlap.
/// Its cause: only what was made was undone. Its cure: the old key gets its end back too.
#[test]
fn a_rotation_that_cannot_be_shown_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let at = path(&data);
    for end in ["never", "2035-01-31T12:00:00.000Z"] {
        let key = run_json(&[key_args(at, &organisation).as_slice(), &["--json"]].concat());
        let id = key["_id"].as_str().unwrap();
        run_json(&["apikey", "change", id, "--expires-at", end, "--data", at, "--json"]);
        let keys = count("apikey", &data);
        for out in UNREAD {
            let rotate = ["apikey", "rotate", id, "--overlap-seconds", "0", "--data", at];
            let (code, said) = ended(unread(out), &rotate);
            assert!(code == Some(1) && !said.contains("ends all the same"), "{out}: {said}");
            assert!(said.contains("none was made") || said.contains("nothing was made"), "{out}: {said}");
            let shown = run_json(&["apikey", "show", id, "--data", at, "--json"]);
            assert_eq!(shown.get("expires_at").and_then(|at| at.as_str()).unwrap_or("never"), end, "{out}");
            assert_eq!(count("apikey", &data), keys);
        }
        let rotated = ["apikey", "rotate", id, "--expires-at", "never", "--data", at, "--json"];
        assert_eq!(run_json(&rotated).get("expires_at"), None);
        let refused = run_refused(&["apikey", "rotate", id, "--data", at]);
        assert!(refused.contains("another key takes its place already"), "{refused}");
        // The trail tells of each version of each key.
        assert_healthy(&data);
    }
}

/// A key that must go goes, also when nobody reads that it went.
#[test]
fn a_key_is_revoked_whoever_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    for out in UNREAD {
        let args = key_args(path(&data), &organisation);
        let key = run_json(&[args.as_slice(), &["--json"]].concat());
        let delete = ["apikey", "delete", key["_id"].as_str().unwrap(), "--data", path(&data)];
        let (code, said) = ended(unread(out), &delete);
        assert_eq!(code, Some(0), "{out}: {said}");
        assert_eq!(said.contains("the API key is revoked"), out == "/dev/full", "{out}: {said}");
    }
    assert_eq!(count("apikey", &data), 1);
}

/// The bug: `apikey list | head -1` said "Broken pipe" and ended with 1. Its cause: a reader that had seen enough was an error.
/// Its cure: it is none for a command that changes nothing, whose code says what it found.
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    for args in [vec!["apikey", "list"], vec!["doctor"], vec!["config", "print"], vec!["bin", "info"]] {
        let args = [args.as_slice(), &["--data", path(&data)]].concat();
        assert_eq!(ended(unread("a closed pipe"), &args), (Some(0), String::new()), "{args:?}");
        let (code, said) = ended(unread("/dev/full"), &args);
        assert!(code == Some(1) && said.contains("No space left"), "{args:?}: {said}");
        // Which of a command's files has no space was not said.
        assert!(said.starts_with("error: standard output cannot be written to"), "{args:?}: {said}");
    }
    std::fs::remove_file(data.join("view.sqlite")).unwrap();
    let (code, _) = ended(unread("a closed pipe"), &["doctor", "--data", path(&data)]);
    assert_eq!(code, Some(1), "what it found counts, not who reads it");
}

/// The bug: `apikey create` on a full disk failed and left a live key. Its cause: it waited for the view after the key was durable
/// in the log, and took its failure for its own. Its cure: the step in the log is all that is waited for.
#[test]
fn on_a_full_disk_a_key_is_made_and_shown_or_neither() {
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(_mounted) = SmallDisk::mount(&disk, 80) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let (data, organisation, _) = vault(&disk);
    let ballast = disk.join("ballast");
    let mut fill = File::create(&ballast).unwrap();
    while fill.write_all(&[0; 4096]).is_ok() {}
    drop(fill);
    let output = panvault().args(key_args(path(&data), &organisation)).arg("--json").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    let (made, said) = (count("apikey", &data) - 1, String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.success(), made == 1, "{said}");
    assert!(made == 0 || out.contains("pv_test_"), "{out}");
    assert_healthy(&data);
}

/// The bug: the first log line that could not be written ended the thread that logged it. Its cause: the library said so on the
/// same standard error, and panicked. Its cure: it says nothing.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let full = Path::new("/dev/full");
    let dev = Dev::start_by(panvault(), directory.path(), full, &["--log-level", "debug"]);
    let card = dev.make_card("4111111111111111", Some("111"));
    dev.signal("-HUP");
    dev.signal("-USR1");
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(true));
    assert_eq!(http_send(&format!("{}/livez", dev.url), "GET", &[], None).unwrap().status, 200);
    dev.stop();
}

/// The bug: with a full pipe as standard error that nobody read, requests timed out, SIGTERM did nothing, and a panic hung. Its
/// cause: whoever had a line to log wrote it, under a lock. Its cure: a thread of its own writes lines, which waits for nobody else.
#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut ours = File::options();
    let ours = ours.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
    let fill = |bytes: usize| while (&ours).write_all(&vec![b'.'; bytes]).is_ok() {};
    fill(4096);
    fill(1);
    let dev = Dev::start_by(panvault(), directory.path(), &pipe, &["--log-level", "trace"]);
    for _ in 0..20 {
        dev.make_card("4111111111111111", Some("111"));
    }
    dev.signal("-USR1");
    dev.stop();
    // The control: it was full to the end, and had something to say.
    assert!((&ours).write_all(b".").is_err());
}

/// What a log loses is seen by who watches.
#[test]
fn a_metric_counts_the_lines_that_are_lost() {
    let directory = tempfile::tempdir().unwrap();
    let dropped = |log: &Path| {
        let args = ["--log-level", "debug", "--metrics-listen", "127.0.0.1:0"];
        let dev = Dev::start_by(panvault(), directory.path(), log, &args);
        dev.make_card("4111111111111111", None);
        let page = format!("{}/metrics", dev.ready["metrics_url"].as_str().unwrap());
        let count = || {
            let page = http_send(&page, "GET", &[], None).unwrap().text;
            let line = page.lines().find_map(|line| line.strip_prefix("panvault_log_lines_dropped_total "));
            line.unwrap().parse::<u64>().unwrap()
        };
        if log == Path::new("/dev/full") {
            until("lines are counted", || count() > 0);
        }
        let counted = count();
        dev.stop();
        counted
    };
    assert!(dropped(Path::new("/dev/full")) > 0);
    assert_eq!(dropped(&directory.path().join("stderr")), 0);
}

#[test]
fn every_fault_of_the_arguments_is_said_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let refused = |args: &[&str], parts: &[&str]| {
        let (code, said) = ended(panvault(), &[args, &["--data", path(&data)]].concat());
        assert_eq!(code, Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    refused(
        &["apikey", "create", "--organisation", "x", "--name", " ", "--role", "God", "--expires-at", "never"],
        &[
            "--name must not",
            "--organisation must be an id",
            "--role must be ProviderAdmin",
            "--expires-at must be",
        ],
    );
    refused(
        &["organisation", "create", "--name", "", "--parent", "x", "--country-code", "UK"],
        &["--name must not", "--parent must be an id", "--country-code must be", "the United Kingdom is GB"],
    );
    refused(
        &["processor", "create", "--organisation", "x", "--name", " ", "--type", "y"],
        &["--organisation must be an id", "--name must not"],
    );
    refused(
        &["processor", "create", "--organisation", "x", "--name", "P", "--type", "y", "--configuration", "z"],
        &["--configuration takes NAME=VALUE"],
    );
    // Of two settings only the first was said, and of a currency nothing beside anything else.
    refused(
        &[
            "processor",
            "create",
            "--organisation",
            &organisation,
            "--name",
            "",
            "--type",
            "card_dummy",
            "--configuration",
            "colour=1",
            "--configuration",
            "decline_without_cvv=101",
        ],
        &["--name must not be empty", "--configuration colour is not expected here"],
    );
    refused(
        &["account", "create", "--organisation", &organisation, "--name", "", "--currency-code", "XTS"],
        &["--name must not be empty", "--currency-code must be the code of a currency in use"],
    );
    let none = "0".repeat(24);
    refused(
        &[
            "account",
            "create",
            "--organisation",
            &organisation,
            "--name",
            "A",
            "--currency-code",
            "XTS",
            "--processor",
            &none,
        ],
        &["--currency-code must be", "--processor names nothing"],
    );
    refused(
        &[
            "apikey",
            "create",
            "--organisation",
            &none,
            "--name",
            "",
            "--role",
            "MerchantAdmin",
            "--expires-at",
            "2020-01-01T00:00:00Z",
        ],
        &["--organisation names nothing", "--name must not be empty", "--expires-at is in the past"],
    );
    assert!(run_refused(&["apikey", "delete", "x", "--data", path(&data)]).contains("ID must be an id"));
    assert_eq!(count("organisation", &data), 1);
}

/// The bug: a card number or a key in the wrong place of a command line was repeated on standard error, where logs are made of. Its
/// cause: the reader of the command line repeats what it does not know. Its cure: values are left out, and names stay.
#[test]
fn a_command_line_that_cannot_be_read_is_not_repeated() {
    for (args, stays) in [
        (vec!["bin", "lookup", "411111", "4111111111111111"], "unexpected argument"),
        (vec!["4111111111111111"], "unrecognized subcommand"),
        (vec!["apikey", "delete", "x", "pv_live_4111"], "unexpected argument"),
        (vec!["dev", "--listen", "4111111111111111"], "--listen <ADDR>"),
        (vec!["dev", "--cvv-ttl-seconds", "pv_live_4111"], "--cvv-ttl-seconds <SECONDS>"),
        (vec!["init", "v", "--mode", "pv_live_4111"], "[possible values: test, live]"),
        (vec!["dev", "--lisen=4111111111111111"], "unexpected argument '--lisen'"),
        (vec!["organisation", "make"], "unrecognized subcommand 'make'"),
    ] {
        let (code, said) = ended(panvault(), &args);
        assert!(code == Some(2) && said.contains(stays), "{stays}: {said}");
        assert!(!said.contains("4111"), "{said}");
    }
}

#[test]
fn settings_are_printed_as_json_with_where_they_are_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.toml");
    std::fs::write(&file, "data_directory = \"vault\"\ncvv_ttl_seconds = 60\n").unwrap();
    let print = ["config", "print", "--json", "--config", path(&file)];
    let printed = run_json(&[print.as_slice(), &["--set", "behind_proxy=true"]].concat());
    for (name, value, source) in [
        ("data_directory", json!(directory.path().join("vault")), "file"),
        ("cvv_ttl_seconds", json!(60), "file"),
        ("behind_proxy", json!(true), "flag"),
        ("log_level", json!("info"), "default"),
    ] {
        assert_eq!(printed[name], json!({ "value": value, "source": source }), "{printed}");
    }
    // Faults are said as without it.
    let refused = run_refused(&[print.as_slice(), &["--set", "cvv_ttl_seconds=x"]].concat());
    assert!(refused.contains("the setting cvv_ttl_seconds (from a flag) must be"), "{refused}");
}

/// The bug: `audit tail | head -1` was an error. Its cause: its lines were written as what must be seen before it is done. Its cure: they are
/// those of a command that changes nothing.
#[test]
fn a_reader_of_the_trail_may_go_away() {
    let directory = tempfile::tempdir().unwrap();
    let (data, ..) = vault(directory.path());
    for (out, expected) in [("a closed pipe", Some(0)), ("/dev/full", Some(1))] {
        assert_eq!(ended(unread(out), &["audit", "tail", "--data", path(&data)]).0, expected, "{out}");
    }
}
