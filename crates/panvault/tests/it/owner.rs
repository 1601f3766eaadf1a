//! Commands of users that a vault does not belong to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::cli::path;
use crate::support::{panvault, run, run_json, run_refused};

/// A user that every machine has.
const NOBODY: u32 = 65_534;
/// One that none has.
const NAMELESS: u32 = 12_345;

fn give(path: &Path, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), owner));
    }
}

/// What a command says that may not do it.
fn refused_as(user: u32, args: &[&str]) -> String {
    let output = panvault().args(args).uid(user).gid(user).output().unwrap();
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The bug: root was told of twelve files that they "belong to another user", of no user's name, to `chown` each, and that `chmod -R go=`
/// mends all of them; who obeyed took the vault from its server. A user without rights was told of "os error 13" only. Its cause: each
/// file was held against this process, and the owner was never looked up. Its cure: one line says whose the vault is and how to run it.
#[test]
fn who_does_not_own_a_vault_is_told_who_does() {
    let directory = tempfile::tempdir().unwrap();
    let (data, list) = (directory.path().join("vault"), directory.path().join("list.csv"));
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    if fs::metadata(&data).unwrap().uid() != 0 {
        eprintln!("skipped: giving a vault to another user needs root");
        return;
    }
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(&list, "bin\n411111\n").unwrap();
    give(&data, NOBODY);
    let import = ["bin", "import", path(&list), "--format", "csv", "--columns", "bin=bin", "--source", "s"];
    let import = [import.as_slice(), &["--licence", "l"]].concat();
    let whose = format!("{} belongs to nobody: run it as that user: sudo -u nobody panvault …", path(&data));
    for command in [
        ["organisation", "list"].as_slice(),
        &["serve", "--listen", "127.0.0.1:0"],
        &import,
        &["bin", "restore"],
        &["bin", "remove"],
    ] {
        let refused = run_refused(&[command, &["--data", path(&data)]].concat());
        assert_eq!(refused, format!("error: {whose}"), "{command:?}");
    }
    let found = |part: &str| {
        let told = run(&["doctor", "--data", path(&data)]).out;
        told.lines().filter(|line| line.starts_with("directory: ") && line.contains(part)).count()
    };
    assert_eq!((found(""), found(&whose)), (1, 1));

    // A file that another left in it, with modes that chmod mends and the owner does not.
    let keys = data.join("keys.1");
    lchown(&keys, Some(NAMELESS), None).unwrap();
    let other = format!("belongs to the user with the number {NAMELESS}, and the vault to nobody");
    assert_eq!((found(""), found(&other), found(&format!("chown {NOBODY} {}", path(&keys)))), (2, 1, 1));
    for number in 0..12 {
        let extra = data.join(format!("extra-{number}"));
        fs::write(&extra, "").unwrap();
        fs::set_permissions(&extra, Permissions::from_mode(0o644)).unwrap();
        lchown(&extra, Some(NOBODY), None).unwrap();
    }
    let many = run(&["serve", "--data", path(&data), "--listen", "127.0.0.1:0"]).err;
    let all = format!("and 4 more; chmod -R go= {} mends all that others can use", path(&data));
    assert!(many.contains(&all) && many.contains(&other) && many.contains(&whose), "{many}");

    // Who may not even look.
    let settings = directory.path().join("vault.settings.toml");
    fs::set_permissions(&settings, Permissions::from_mode(0o644)).unwrap();
    for from in [["--data", path(&data)], ["--config", path(&settings)]] {
        let refused = refused_as(NAMELESS, &[["organisation", "list"], from].concat());
        assert!(refused.contains("vault.toml cannot be read: Permission denied"), "{refused}");
        assert!(refused.contains(&whose), "{refused}");
    }
    fs::set_permissions(&settings, Permissions::from_mode(0o600)).unwrap();
    let refused = refused_as(NAMELESS, &["doctor", "--config", path(&settings)]);
    assert!(refused.contains("vault.settings.toml belongs to root: run it as root"), "{refused}");
    lchown(directory.path().join("vault.slot-key"), Some(0), None).unwrap();
    give(&data, NAMELESS);
    let refused = refused_as(NAMELESS, &["organisation", "list", "--data", path(&data)]);
    assert!(refused.contains("vault.slot-key: cannot be used: Permission denied"), "{refused}");
    assert!(refused.contains("vault.slot-key belongs to root"), "{refused}");
}
