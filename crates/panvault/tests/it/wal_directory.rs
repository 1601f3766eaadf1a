//! A write-ahead log in a directory of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::path;
use crate::support::{run, run_json, run_refused};

/// A vault whose log is elsewhere, and its settings.
struct Vault {
    around: tempfile::TempDir,
}

impl Vault {
    fn new() -> Self {
        let vault = Self { around: tempfile::tempdir().unwrap() };
        let (data, wal) = (vault.data(), vault.wal());
        run_json(&["init", path(&data), "--mode", "test", "--wal-directory", path(&wal), "--json"]);
        vault
    }

    fn data(&self) -> PathBuf {
        self.around.path().join("vault")
    }

    fn wal(&self) -> PathBuf {
        self.around.path().join("other-disk")
    }

    fn settings(&self) -> PathBuf {
        self.around.path().join("vault.settings.toml")
    }

    /// A command that takes the vault and asks nothing of it.
    fn list<'a>(&self, settings: &'a Path) -> [&'a str; 4] {
        ["organisation", "list", "--config", path(settings)]
    }

    fn doctor(&self) -> Value {
        serde_json::from_str(&run(&["doctor", "--json", "--config", path(&self.settings())]).out).unwrap()
    }

    /// Every command refuses it, and says the same as doctor does.
    #[track_caller]
    fn assert_refused(&self, says: &str) {
        let said = run_refused(&self.list(&self.settings()));
        assert!(said.contains(says), "{said}");
        let report = self.doctor();
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.iter().any(|found| found["what"].as_str().unwrap().contains(says)), "{report}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_vault_is_made_used_and_looked_at_with_its_log_elsewhere() {
    let vault = Vault::new();
    assert!(!names(&vault.data()).contains(&"log".to_owned()));
    assert!(names(&vault.wal()).iter().any(|name| name.ends_with(".seg")));
    assert_eq!(fs::metadata(vault.wal()).unwrap().permissions().mode() & 0o777, 0o700);
    let settings = vault.settings();
    run_json(&["organisation", "create", "--name", "X", "--json", "--config", path(&settings)]);
    let shown = run_json(&["config", "print", "--json", "--config", path(&settings)]);
    assert_eq!(shown["wal_directory"]["value"], path(&vault.wal()), "{shown}");
    let report = vault.doctor();
    assert_eq!(report["healthy"], true, "{report}");
    assert!(report["steps"].as_u64().unwrap() > 0);
    // Another vault is not made over it, and nothing of that one is left.
    let second = vault.around.path().join("second");
    let said = run_refused(&["init", path(&second), "--mode", "test", "--wal-directory", path(&vault.wal())]);
    assert!(said.contains("holds a store already"), "{said}");
    assert!(!second.exists() && !vault.around.path().join("second.slot-key").exists());
    assert_eq!(vault.doctor()["healthy"], true);
    let inside = vault.around.path().join("third/log");
    let said = run_refused(&["init", path(inside.parent().unwrap()), "--wal-directory", path(&inside)]);
    assert!(said.contains("leave --wal-directory out"), "{said}");
}

/// The directory of the log is looked at as the vault's own is.
#[test]
fn what_others_can_use_of_a_log_elsewhere_is_refused_by_name() {
    let vault = Vault::new();
    let segment =
        vault.wal().join(names(&vault.wal()).into_iter().find(|name| name.ends_with(".seg")).unwrap());
    for (what, good, bad) in [(vault.wal(), 0o700, 0o755), (segment.clone(), 0o600, 0o640)] {
        fs::set_permissions(&what, Permissions::from_mode(bad)).unwrap();
        vault.assert_refused(&format!("run chmod {good:o} {}", what.display()));
        fs::set_permissions(&what, Permissions::from_mode(good)).unwrap();
    }
    let away = vault.around.path().join("away.seg");
    fs::rename(&segment, &away).unwrap();
    symlink(&away, &segment).unwrap();
    vault.assert_refused(&format!("{} is a symbolic link", segment.display()));
    fs::remove_file(&segment).unwrap();
    fs::create_dir(&segment).unwrap();
    vault.assert_refused(&format!("{} is a directory, where a vault has a file", segment.display()));
    fs::remove_dir(&segment).unwrap();
    fs::rename(&away, &segment).unwrap();
    assert_eq!(vault.doctor()["healthy"], true);
}

/// A disk that is not mounted, settings that were not changed with a move, and a log that was copied: what to do is said, and nothing is
/// made in the place of what is missing.
#[test]
fn a_log_that_is_not_there_is_named_with_what_to_do() {
    let vault = Vault::new();
    let inside = vault.data().join("log");
    let bare = vault.around.path().join("bare.toml");
    fs::write(&bare, "data_directory = \"vault\"\nslot_key_file = \"vault.slot-key\"\n").unwrap();
    fs::set_permissions(&bare, Permissions::from_mode(0o600)).unwrap();
    let said = run_refused(&vault.list(&bare));
    assert!(said.contains("name the log's with wal_directory if it was moved"), "{said}");
    let away = vault.around.path().join("away");
    fs::rename(vault.wal(), &away).unwrap();
    vault.assert_refused("see that its disk is mounted");
    fs::rename(&away, &inside).unwrap();
    vault.assert_refused(&format!("move {} there", inside.display()));
    assert!(!vault.wal().exists());
    // Where it always was, it needs no setting.
    assert!(run(&vault.list(&bare)).status.success());
    fs::DirBuilder::new().mode(0o700).create(vault.wal()).unwrap();
    vault.assert_refused("look which one the view belongs to");
}
