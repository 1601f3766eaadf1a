//! Making a vault by command, and what is refused, with nothing changed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Dev, run, run_json, run_refused};

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file of a directory with its bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_vault_is_made_with_its_key_outside_and_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let made = run_json(&["init", path(&data), "--json"]);
    assert_eq!((&made["mode"], &made["data"]), (&json!("live"), &json!(data)));
    let key = directory.path().join("vault.root-key");
    assert_eq!(made["root_key_file"], json!(key));
    for (file, mode) in [(&data, 0o700), (&key, 0o600), (&data.join("vault.toml"), 0o600)] {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, mode, "{}", file.display());
    }
    for file in contents(&data).keys() {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o077, 0, "{}", file.display());
    }
    let before = contents(directory.path());
    assert!(run_refused(&["init", path(&data)]).contains("is not empty"));
    let other = directory.path().join("other");
    let inside = other.join("root.key");
    assert!(
        run_refused(&["init", path(&other), "--root-key-file", path(&inside)]).contains("must not be in")
    );
    assert!(run_refused(&["init", path(&other), "--root-key-file", path(&key)]).contains("exists already"));
    assert_eq!(contents(directory.path()), before);
    let entries: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 2, "nothing is left of what was refused: {entries:?}");
}

#[test]
fn documents_are_made_and_listed_by_command() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    let at = ["--json", "--data", path(&data)];
    let with = |args: &[&str]| run_json(&[args, &at].concat());
    let organisation = with(&["organisation", "create", "--name", "Example Ltd", "--country-code", "NL"]);
    let organisation = organisation["_id"].as_str().unwrap();
    let branch = with(&["organisation", "create", "--name", "Branch", "--parent", organisation]);
    assert_eq!(branch["parent_id"], json!(organisation));
    let processor = with(&[
        "processor",
        "create",
        "--organisation",
        organisation,
        "--name",
        "Dummy",
        "--type",
        "card_dummy",
        "--configuration",
        "decline_without_cvv=20",
    ]);
    assert_eq!(processor["configuration"], json!({ "_type": "card_dummy", "decline_without_cvv": "20" }));
    let account = with(&[
        "account",
        "create",
        "--organisation",
        organisation,
        "--name",
        "Main",
        "--currency-code",
        "EUR",
        "--processor",
        processor["_id"].as_str().unwrap(),
    ]);
    assert_eq!(account["processors"], json!([processor["_id"]]));
    let key = with(&[
        "apikey",
        "create",
        "--organisation",
        organisation,
        "--name",
        "server",
        "--role",
        "MerchantAdmin",
        "--role",
        "MerchantUser",
        "--expires-at",
        "2099-01-01T00:00:00Z",
    ]);
    assert!(key["api_key"].as_str().unwrap().starts_with("pv_test_"));
    for (command, count) in [("organisation", 2), ("account", 1), ("processor", 1), ("apikey", 1)] {
        let rows = with(&[command, "list"]);
        assert_eq!(rows.as_array().unwrap().len(), count, "{command}");
        assert!(!rows.to_string().contains("pv_test_"), "a key is shown once");
    }
    with(&["apikey", "delete", key["_id"].as_str().unwrap()]);
    assert_eq!(with(&["apikey", "list"]), json!([]));

    let text = run(&["organisation", "list", "--data", path(&data)]);
    assert!(text.out.contains("Example Ltd") && text.status.success(), "{}", text.out);
}

#[test]
fn bad_arguments_are_refused_by_name_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--json"]);
    let at = ["--data", path(&data)];
    let organisation = run_json(&["organisation", "create", "--name", "X", "--json", "--data", path(&data)]);
    let id = organisation["_id"].as_str().unwrap();
    let none = "0".repeat(24);
    for (args, said) in [
        (vec!["organisation", "create", "--name", " "], "name must not be empty"),
        (
            vec!["organisation", "create", "--name", "4111 1111 1111 1111"],
            "looks like it holds a card number",
        ),
        (vec!["organisation", "create", "--name", "Y", "--parent", "x"], "--parent must be an id"),
        (vec!["organisation", "create", "--name", "Y", "--parent", &none], "names nothing in this vault"),
        (vec!["organisation", "create", "--name", "Y", "--country-code", "nl"], "--country-code"),
        (
            vec!["processor", "create", "--organisation", id, "--name", "D", "--type", "card_dummy"],
            "is of a type that only a test vault allows",
        ),
        (
            vec!["processor", "create", "--organisation", id, "--name", "D", "--type", "x"],
            "configuration the type",
        ),
        (
            vec!["account", "create", "--organisation", id, "--name", "A", "--currency-code", "euro"],
            "--currency-code must be three capital letters",
        ),
        (
            vec!["apikey", "create", "--organisation", id, "--name", "K", "--role", "God"],
            "--role must be one of ProviderAdmin",
        ),
        (
            vec![
                "apikey",
                "create",
                "--organisation",
                id,
                "--name",
                "K",
                "--role",
                "MerchantUser",
                "--expires-at",
                "2020-01-01T00:00:00Z",
            ],
            "expires_at is in the past",
        ),
        (vec!["apikey", "delete", &none], "names nothing in this vault"),
    ] {
        let refused = run_refused(&[args.as_slice(), &at].concat());
        assert!(refused.contains(said), "{args:?}: {refused}");
        assert!(!refused.contains("1111"), "{refused}");
    }
    assert_eq!(
        run_json(&["organisation", "list", "--json", "--data", path(&data)]).as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_wrong_or_exposed_key_or_directory_is_refused_and_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (data, other) = (directory.path().join("vault"), directory.path().join("other"));
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    run_json(&["init", path(&other), "--mode", "test", "--json"]);
    let key = directory.path().join("vault.root-key");
    let other_key = directory.path().join("other.root-key");
    let before = contents(directory.path());
    let refused = |said: &str, set: &[&str]| {
        for command in [["serve", "--set", "listen=127.0.0.1:0"].as_slice(), &["organisation", "list"]] {
            let told = run_refused(&[command, &["--data", path(&data)], set].concat());
            assert!(told.contains(said), "{command:?}: {told}");
        }
    };
    refused("does not belong to the vault", &["--set", &format!("root_key_file={}", path(&other_key))]);
    refused("is missing", &["--set", "root_key_file=/nonexistent/key"]);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused("can be read by others (mode 0644); run chmod 600", &[]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    refused("can be entered by others (mode 0755); run chmod 700", &[]);
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();

    let file = data.join("vault.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (bad, said) in [
        (good.replace("mode = \"test\"", "mode = \"live\""), "does not belong to the vault"),
        (good.replace("format = 1", "format = 2"), "has format 2, which this version does not know"),
        (good.replace("vault = \"", "vault = \"x"), "is not what panvault wrote"),
        (String::new(), "is not what panvault wrote"),
        (
            fs::read_to_string(other.join("vault.toml")).unwrap().replace("other.root-key", "vault.root-key"),
            "does not belong",
        ),
    ] {
        fs::write(&file, bad).unwrap();
        refused(said, &[]);
    }
    fs::write(&file, good).unwrap();
    assert_eq!(contents(directory.path()), before, "nothing was changed");
    assert!(run_refused(&["serve", "--data", path(directory.path())]).contains("holds no vault"));

    // The log of another vault, with a key that fits vault.toml.
    fs::remove_dir_all(data.join("log")).unwrap();
    let copied =
        std::process::Command::new("cp").arg("-r").arg(other.join("log")).arg(data.join("log")).status();
    assert!(copied.unwrap().success());
    refused("belongs to another vault", &[]);
}

#[test]
fn one_process_writes_and_others_may_look() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.make_card("4111111111111111", None);
    let data = path(&dev.data).to_owned();
    let refused = run_refused(&["organisation", "create", "--name", "X", "--data", &data]);
    assert!(refused.contains("is in use by process"), "{refused}");
    let report = crate::support::assert_healthy(&dev.data);
    assert_eq!(report["mode"], json!("test"));
    dev.make_card("4111111111111111", None);
    dev.stop();
}
