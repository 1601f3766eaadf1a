//! What stands in the place of a file of the store, and is none of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use panvault_store_embedded::{EmbeddedStore, OpenFault};
use panvault_testkit::conformance::rows::{VAULT, chain};

use crate::support::{Home, settings};

/// Puts something in the place of a file, which leads to the key if it leads anywhere.
type Put = fn(&Path, &Path);

const KEY: &str = "a root key, which must stay as it is";

/// Every file of a store that a start opens, and the directory of its log.
const NAMES: [&str; 7] = [
    "lock",
    "log",
    "log/0000000000000001.seg",
    "view.sqlite",
    "view.sqlite-wal",
    "view.sqlite-shm",
    "view.sqlite-journal",
];

/// The files of log and view, with their bytes. Nothing is read that is none.
fn files(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let log = fs::read_dir(home.path().join("log")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let all = log.chain([home.path().join("view.sqlite")]);
    let mut files: Vec<_> = all
        .filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_file()))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn error_of(home: &Home) -> String {
    let fault = home.try_open().err().unwrap();
    assert!(matches!(fault, OpenFault::Io { .. }), "{fault:?}");
    let source = std::error::Error::source(&fault).map(ToString::to_string);
    format!("{fault}: {}", source.unwrap_or_default())
}

/// The bug: a `lock` that led to the root key had the key cut short at start. Its cause: what has the name was opened as it was. Its
/// cure: it must be a file with one name.
#[test]
fn what_leads_elsewhere_is_refused_by_name_and_changes_nothing() {
    let stands: [(&str, Put); 4] = [
        ("is a symbolic link", |path, key| symlink(key, path).unwrap()),
        ("has 2 names", |path, key| fs::hard_link(key, path).unwrap()),
        ("a pipe", |path, _| {
            assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
        }),
        ("a directory", |path, _| fs::create_dir(path).unwrap()),
    ];
    for name in NAMES {
        for (said, put) in stands {
            if name == "log" && said == "a directory" {
                continue;
            }
            let home = Home::new();
            let around = tempfile::tempdir_in(home.path().parent().unwrap()).unwrap();
            let key = around.path().join("key");
            fs::write(&key, KEY).unwrap();
            let path = home.path().join(name);
            let away = around.path().join("away");
            if path.symlink_metadata().is_ok() {
                fs::rename(&path, &away).unwrap();
            }
            put(&path, &key);
            let before = files(&home);
            let refused = error_of(&home);
            let said =
                if name == "log" && said != "is a symbolic link" { "is not a directory" } else { said };
            assert!(refused.contains(name) && refused.contains(said), "{name}, {said}: {refused}");
            assert_eq!(fs::read_to_string(&key).unwrap(), KEY, "{name}, {said}");
            assert_eq!(files(&home), before, "{name}, {said}");
            // Nothing of it is left when it is gone.
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            if away.symlink_metadata().is_ok() {
                fs::rename(&away, &path).unwrap();
            }
            drop(home.open());
        }
    }
}

/// The bug: a `view.sqlite-journal` that somebody put there stopped every start with SQLite's words and the advice to move the view away.
/// Its cause: SQLite takes it for what a crash left, and wants to write it back. Its cure: a vault has none, so it is refused by name.
#[test]
fn a_rollback_journal_is_refused_by_name() {
    let home = Home::new();
    drop(home.open());
    let path = home.path().join("view.sqlite-journal");
    for bytes in [&b""[..], b"X", &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]] {
        fs::write(&path, bytes).unwrap();
        let before = files(&home);
        let refused = error_of(&home);
        assert!(refused.contains("view.sqlite-journal") && refused.contains("Remove it"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(files(&home), before);
        fs::remove_file(&path).unwrap();
        drop(home.open());
    }
}

/// The bug: where an erased segment's file was a link to the root key, the key was filled with zeroes, and the server ran on. Its cause
/// and its cure: as above. What cannot be erased is said, and left for the next start.
#[test]
fn what_is_to_be_erased_is_not_erased_elsewhere() {
    for hard in [false, true] {
        for name in ["0000000000000001.old", "spare"] {
            let home = Home::new();
            let key = home.path().join("key");
            fs::write(&key, KEY).unwrap();
            let path = home.path().join("log").join(name);
            if hard {
                fs::hard_link(&key, &path).unwrap();
            } else {
                symlink(&key, &path).unwrap();
            }
            let store = home.open();
            drop(store);
            assert_eq!(fs::read_to_string(&key).unwrap(), KEY, "{name}");
        }
    }
}

/// The bug: when somebody had removed `lock`, a second process opened the store that a first one wrote to, and the log was damaged for
/// good. Its cause: the lock was that file's. Its cure: it is the directory's and the log's, and no file frees it.
#[test]
fn no_file_that_is_removed_frees_the_lock() {
    let home = Home::new();
    let store = home.open();
    let refused = |path: &Path| {
        matches!(EmbeddedStore::open(path, VAULT, chain(VAULT), settings()), Err(OpenFault::InUse { .. }))
    };
    assert!(refused(home.path()));
    fs::remove_file(home.path().join("lock")).unwrap();
    assert!(refused(home.path()));
    assert!(!home.path().join("lock").exists(), "whoever is refused changes nothing");
    // What stands there by now is not repeated.
    fs::write(home.path().join("lock"), "4111").unwrap();
    let said = home.try_open().err().unwrap().to_string();
    assert!(said.contains("in use by process 4111"), "{said}");
    fs::write(home.path().join("lock"), "a secret").unwrap();
    let said = home.try_open().err().unwrap().to_string();
    assert!(said.contains("in use by process of unknown number"), "{said}");
    // Another directory with the same log.
    let other: PathBuf = home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::rename(home.path().join("log"), other.join("log")).unwrap();
    assert!(refused(&other));
    fs::rename(other.join("log"), home.path().join("log")).unwrap();
    drop(store);
    drop(home.open());
}
