//! Making a vault by command, and what is refused, with nothing changed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use panvault_testkit::SmallDisk;
use serde_json::json;

use crate::support::{Dev, assert_healthy, doctor, run, run_json, run_refused};

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
    let key = directory.path().join("vault.slot-key");
    assert_eq!(made["slot_key_file"], json!(key));
    let files = ["vault.toml", "keys.1", "keys.2"].map(|name| (data.join(name), 0o600));
    for (file, mode) in [(data.clone(), 0o700), (key.clone(), 0o600)].into_iter().chain(files) {
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, mode, "{}", file.display());
    }
    for file in contents(&data).keys() {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o077, 0, "{}", file.display());
    }
    let before = contents(directory.path());
    let refused = run_refused(&["init", path(&data)]);
    let settings = directory.path().join("vault.settings.toml");
    let serve = format!("holds a vault already: serve it with panvault serve --config {}", path(&settings));
    assert!(refused.contains(&serve), "{refused}");
    let other = directory.path().join("other");
    let inside = other.join("slot.key");
    assert!(
        run_refused(&["init", path(&other), "--slot-key-file", path(&inside)]).contains("must not be in")
    );
    assert!(run_refused(&["init", path(&other), "--slot-key-file", path(&key)]).contains("exists already"));
    assert_eq!(contents(directory.path()), before);
    let entries: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 3, "nothing is left of what was refused: {entries:?}");
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
    let tried = with(&["processor", "try", processor["_id"].as_str().unwrap()]);
    assert_eq!(
        (&tried["status"], &tried["amount"], &tried["cvv_present"]),
        (&json!("AUTHORIZED"), &json!(0), &json!(true))
    );
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
        // Which id it was that names nothing was not said.
        (vec!["organisation", "create", "--name", "Y", "--parent", &none], "--parent names nothing"),
        (
            vec!["account", "create", "--organisation", &none, "--name", "A", "--currency-code", "EUR"],
            "--organisation names nothing that you may use",
        ),
        (
            vec![
                "account",
                "create",
                "--organisation",
                id,
                "--name",
                "A",
                "--currency-code",
                "EUR",
                "--processor",
                &none,
            ],
            "--processor names nothing that you may use",
        ),
        (vec!["organisation", "create", "--name", "Y", "--country-code", "nl"], "--country-code"),
        (
            vec!["processor", "create", "--organisation", id, "--name", "D", "--type", "card_dummy"],
            "--type is one that only a test vault allows; a vault that takes card_dummy is made by panvault init --mode test",
        ),
        (
            vec!["processor", "create", "--organisation", id, "--name", "D", "--type", "x"],
            "--type must be card_dummy",
        ),
        (
            vec!["account", "create", "--organisation", id, "--name", "A", "--currency-code", "euro"],
            "--currency-code must be three capital letters",
        ),
        (
            vec!["apikey", "create", "--organisation", id, "--name", "K", "--role", "God"],
            "--role must be ProviderAdmin",
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
            "--expires-at is in the past",
        ),
        (vec!["apikey", "delete", &none], "ID names nothing that you may use; the list commands"),
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
    let key = directory.path().join("vault.slot-key");
    let other_key = directory.path().join("other.slot-key");
    let before = contents(directory.path());
    let refused = |said: &str, set: &[&str]| {
        for command in [["serve", "--set", "listen=127.0.0.1:0"].as_slice(), &["organisation", "list"]] {
            let told = run_refused(&[command, &["--data", path(&data)], set].concat());
            assert!(told.contains(said), "{command:?}: {told}");
        }
    };
    refused("does not belong to the vault", &["--set", &format!("slot_key_file={}", path(&other_key))]);
    refused("is missing", &["--set", "slot_key_file=/nonexistent/key"]);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused("can be read by others (mode 0644); run chmod 600", &[]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    refused("can be entered by others (mode 0755); run chmod 700", &[]);
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();

    let file = data.join("vault.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (bad, said) in [
        (good.replace("mode = \"test\"", "mode = \"live\""), "they do not belong to the vault"),
        (good.replace("format = 3", "format = 4"), "has format 4, which this version does not know"),
        (
            good.replace("format = 3", "format = 2") + "slot_key_file = \"../vault.slot-key\"\n",
            "this vault is of format 2, which this version does not read",
        ),
        (good.clone() + "slot_key_file = \"slot.key\"\n", "is not what panvault wrote"),
        (good.replace("vault = \"", "vault = \"x"), "is not what panvault wrote"),
        (String::new(), "is not what panvault wrote"),
        (fs::read_to_string(other.join("vault.toml")).unwrap(), "they do not belong"),
    ] {
        fs::write(&file, bad).unwrap();
        refused(said, &[]);
    }
    fs::write(&file, good).unwrap();
    assert_eq!(contents(directory.path()), before, "nothing was changed");
    assert!(run_refused(&["serve", "--data", path(directory.path())]).contains("holds no vault"));

    // The log of another vault, with keys that fit vault.toml.
    fs::remove_dir_all(data.join("log")).unwrap();
    let copied =
        std::process::Command::new("cp").arg("-r").arg(other.join("log")).arg(data.join("log")).status();
    assert!(copied.unwrap().success());
    refused("belongs to another vault", &[]);
}

/// The bug: a directory said in `vault.toml` which root key opens it, so that whoever could write there put another vault in its place,
/// with a key of their own, and that was served. Its cause: the key was looked for where the vault said. Its cure: it is where the operator
/// says, or beside the vault by the path that the operator gives; the one inside is for commands on a vault that has none beside it, as
/// `panvault dev` makes it.
#[test]
fn a_vault_does_not_name_its_own_key() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let serve = ["serve", "--data", path(&data), "--listen", "127.0.0.1:0"];
    let list = ["organisation", "list", "--json", "--data", path(&data)];
    let dev = Dev::start(directory.path(), &[]);
    dev.stop();
    let theirs = directory.path().join("theirs");
    fs::rename(&data, &theirs).unwrap();

    // A vault of an operator, and another in its place.
    run_json(&["init", path(&data), "--json"]);
    assert_eq!(run_json(&list), json!([]));
    fs::rename(&data, directory.path().join("ours")).unwrap();
    fs::rename(&theirs, &data).unwrap();
    for args in [serve.as_slice(), &list, &["apikey", "list", "--data", path(&data)]] {
        let refused = run_refused(args);
        assert!(refused.contains("vault.slot-key does not belong to the vault"), "{args:?}: {refused}");
    }
    let told = run(&["doctor", "--data", path(&data)]);
    assert!(!told.status.success() && told.out.contains("does not belong to the vault"), "{}", told.out);
    let settings = directory.path().join("vault.settings.toml");
    let refused = run_refused(&["serve", "--config", path(&settings), "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("vault.slot-key does not belong to the vault"), "{refused}");

    // Where no key is beside it, it is one of `panvault dev`: commands take its own key, a server only by name.
    fs::rename(directory.path().join("vault.slot-key"), directory.path().join("kept")).unwrap();
    assert_eq!(run_json(&list).as_array().unwrap().len(), 1);
    let refused = run_refused(&serve);
    let named = format!("slot_key_file={}", path(&data.join("slot.key")));
    assert!(refused.contains(&format!("add --set {named}")), "{refused}");
    let named = [serve.as_slice(), &["--metrics-listen", "", "--set", &named]].concat();
    drop(crate::serve::Served::start(directory.path(), &named[1..]));
    // And one that says that it is live never is.
    let file = data.join("vault.toml");
    let said = fs::read_to_string(&file).unwrap();
    fs::write(&file, said.replace("mode = \"test\"", "mode = \"live\"")).unwrap();
    let refused = run_refused(&list);
    assert!(refused.contains("vault.slot-key: is missing"), "{refused}");
}

/// The bug: a vault whose files others could read or change was served, though it is said to be refused. Its cause: only the
/// directory itself was looked at. Its cure: so is everything in it, at start and by doctor.
#[test]
fn what_others_can_use_is_refused_at_start_and_found_by_doctor() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    assert_healthy(&data);
    let mend = || {
        let done = std::process::Command::new("chmod").args(["-R", "go=", path(&data)]).status();
        assert!(done.unwrap().success());
    };
    let (log, segment) = (data.join("log"), data.join("log/0000000000000001.seg"));
    for (file, mode, said) in [
        (&data, 0o711, "can be entered by others (mode 0711); run chmod 700"),
        (&data.join("vault.toml"), 0o644, "can be read or changed by others (mode 0644); run chmod 600"),
        (&log, 0o777, "can be entered by others (mode 0777); run chmod 700"),
        (&log, 0o755, "can be entered by others (mode 0755); run chmod 700"),
        (&segment, 0o666, "can be read or changed by others (mode 0666); run chmod 600"),
        (&data.join("view.sqlite"), 0o640, "can be read or changed by others (mode 0640); run chmod 600"),
        (&data.join("keys.1"), 0o604, "can be read or changed by others (mode 0604); run chmod 600"),
    ] {
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        let said = format!("{} {said} {}", path(file), path(file));
        // The one that ends in any case comes first.
        for command in [["organisation", "list"].as_slice(), &["serve", "--set", "listen=127.0.0.1:0"]] {
            let refused = run_refused(&[command, &["--data", path(&data)]].concat());
            assert!(refused.contains(&said), "{command:?}: {refused}");
        }
        assert_eq!(doctor(&data)["findings"], json!([{ "part": "directory", "what": said }]));
        let told = run(&["doctor", "--data", path(&data)]).out;
        assert!(told.ends_with("Do what these lines say, then run panvault doctor again.\n"), "{told}");
        // SQLite gives its log the mode of the view, so that there may be more to mend.
        mend();
    }
    for number in 0..12 {
        fs::write(data.join(format!("extra-{number}")), "").unwrap();
        fs::set_permissions(data.join(format!("extra-{number}")), Permissions::from_mode(0o644)).unwrap();
    }
    let many = run(&["serve", "--data", path(&data)]).err;
    let all = format!("and 2 more; chmod -R go= {} mends all of them", path(&data));
    assert!(many.contains(&all) && many.matches("can be read or changed").count() == 10, "{many}");
    mend();
    assert_healthy(&data);
}

/// The bug: a vault that had lost a file was said to be none, with the advice to make one in its place, also by doctor. Its
/// cause: the first missing file was taken for a directory without a vault. Its cure: what is there is looked at, and what to
/// do is said for each part.
#[test]
fn a_missing_part_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    let (file, log, view) = (data.join("vault.toml"), data.join("log"), data.join("view.sqlite"));
    let away = directory.path().join("away");
    let at = ["--data", path(&data)];

    fs::rename(&file, &away).unwrap();
    for command in [["serve"].as_slice(), &["organisation", "list"], &["doctor"]] {
        let refused = run_refused(&[command, &at].concat());
        assert!(refused.contains("vault.toml is missing"), "{command:?}: {refused}");
        assert!(
            refused.contains("restore vault.toml from a backup") && !refused.contains("init"),
            "{refused}"
        );
    }
    fs::rename(&away, &file).unwrap();

    fs::rename(&log, &away).unwrap();
    let refused = run_refused(&[["serve"].as_slice(), &at].concat());
    assert!(refused.contains("log is missing; restore the directory from a backup"), "{refused}");
    let report = doctor(&data);
    assert_eq!((&report["healthy"], &report["cards"]), (&json!(false), &json!(null)));
    assert!(report["findings"][0]["what"].as_str().unwrap().contains("restore the directory"), "{report}");
    fs::rename(&away, &log).unwrap();

    fs::rename(&view, &away).unwrap();
    let report = doctor(&data);
    assert_eq!(report["healthy"], json!(false));
    assert!(
        report["findings"].to_string().contains("view.sqlite is missing; panvault serve makes it anew"),
        "{report}"
    );
    let told = run(&["doctor", "--data", path(&data)]);
    assert_eq!((told.status.code(), told.out.contains("panvault init")), (Some(1), false), "{}", told.out);
    run_json(&["organisation", "list", "--json", "--data", path(&data)]);
    assert_healthy(&data);
}

#[test]
fn one_process_writes_and_others_may_look() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.make_card("4111111111111111", None);
    let data = path(&dev.data).to_owned();
    // A second server is refused at once, and a command asks the first.
    let key = format!("slot_key_file={data}/slot.key");
    let refused = run_refused(&["serve", "--data", &data, "--listen", "127.0.0.1:0", "--set", &key]);
    assert!(refused.contains("is in use by process"), "{refused}");
    run_json(&["organisation", "create", "--name", "X", "--json", "--data", &data]);
    let report = assert_healthy(&dev.data);
    assert_eq!(report["mode"], json!("test"));
    dev.make_card("4111111111111111", None);
    dev.stop();
}

/// The bug: `init` on a link to an empty directory told of a vault and of its next steps, and then ended with "Not a directory". Its
/// cause: the link was read as what it leads to, until the vault was to take its place. Its cure: a link is known as one before
/// anything is made or said, and so is what to name.
#[test]
fn a_link_is_refused_with_the_directory_to_name_instead() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("target"), directory.path().join("link"));
    fs::create_dir(&target).unwrap();
    for leads_to in ["target", "nowhere"] {
        std::os::unix::fs::symlink(leads_to, &link).unwrap();
        let with_slash = format!("{}/", path(&link));
        for args in
            [["init", path(&link)].as_slice(), &["init", &with_slash], &["dev", "--data", path(&link)]]
        {
            let ended = run(args);
            let said = format!("name the directory that it leads to, {}/{leads_to}", path(directory.path()));
            assert!(
                ended.err.contains(&said) && ended.out.is_empty(),
                "{args:?}: {} {}",
                ended.out,
                ended.err
            );
            assert_eq!(ended.status.code(), Some(1));
        }
        fs::remove_file(&link).unwrap();
    }
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["target"]);
    run_json(&["init", path(&target), "--json"]);
}

/// The bug: `init` on a mount point ended with "Device or resource busy". Its cause: a vault is made beside its place and moved
/// there. Its cure: a mount point is known as one, with or without what a new file system has in it, and what to name is said.
#[test]
fn a_mount_point_is_refused_with_the_directory_to_name_instead() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let Some(_mounted) = SmallDisk::mount(&mount, 80) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let inside = mount.join("vault");
    for _ in 0..2 {
        for args in [["init", path(&mount)].as_slice(), &["dev", "--data", path(&mount)]] {
            let refused = run_refused(args);
            assert!(refused.contains(&format!("a file system is mounted on {}", path(&mount))), "{refused}");
            assert!(
                refused.contains(&format!("name a directory in it, such as {}", path(&inside))),
                "{refused}"
            );
        }
        fs::create_dir_all(mount.join("lost+found")).unwrap();
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 1, "nothing was made");
    run_json(&["init", path(&inside), "--json"]);
    assert_healthy(&inside);
}
