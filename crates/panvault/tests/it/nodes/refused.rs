//! What is refused before anything is served, with the command that helps, and what is left of it: nothing.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use serde_json::json;

use crate::cli::path;
use crate::serve::Served;
use crate::support::{panvault, run_json, run_refused, until};

/// What a vault in this database is made and served with, as the only node.
fn flags(database: &PostgresDatabase) -> [String; 3] {
    [
        format!("store={}", database.url),
        format!("store_password_file={}", path(&database.password_file)),
        "nodes=one".to_owned(),
    ]
}

fn init(data: &Path, database: &PostgresDatabase) -> Vec<String> {
    let [_, password, nodes] = flags(database);
    let words =
        ["init", path(data), "--mode", "test", "--json", "--store", &database.url, "--set", &password];
    words.into_iter().map(str::to_owned).chain(["--set".to_owned(), nodes]).collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn a_database_without_a_vault_or_with_other_tables_is_refused_with_what_helps() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let database = postgres.database();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let [store, password, nodes] = flags(&database);
    let by_flags = ["--data", path(&data), "--set", &store, "--set", &password, "--set", &nodes];
    for command in ["serve", "migrate"] {
        let said = run_refused(&[&[command], &by_flags[..]].concat());
        assert!(said.contains("holds no vault") && said.contains("panvault init DIR --store URL"), "{said}");
    }
    assert!(!data.exists(), "nothing is made");
    let made = run_json(&words(&init(&data, &database)));
    assert_eq!((&made["store"], &made["mode"]), (&json!(database.url), &json!("test")));
    let config = made["config"].as_str().unwrap().to_owned();
    assert_eq!(run_json(&["migrate", "--json", "--config", &config])["applied"], json!([]));

    let steps = postgres.sql(&database.name, "SELECT count(*) FROM migration WHERE number > 0");
    let newest: u32 = steps.parse().unwrap();
    for (change, undo, command, said) in [
        (
            "INSERT INTO migration (number, name, checksum, usable_from) SELECT 1001, name, checksum, 1001 FROM migration WHERE number = 1"
                .to_owned(),
            "DELETE FROM migration WHERE number > 1000".to_owned(),
            "migrate",
            "has the tables of a later version (step 1001)",
        ),
        (
            format!("UPDATE migration SET checksum = '\\x00' WHERE number = {newest}"),
            String::new(),
            "migrate",
            "is not the one that this version knows",
        ),
    ] {
        postgres.sql(&database.name, &change);
        for command in ["serve", command] {
            let refused = run_refused(&[command, "--config", &config]);
            assert!(refused.contains(said), "{refused}");
        }
        if !undo.is_empty() {
            postgres.sql(&database.name, &undo);
        }
    }
}

#[test]
fn a_vault_is_made_whole_or_not_at_all() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let database = postgres.database();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let is_empty = || fs::read_dir(directory.path()).unwrap().next().is_none();
    // Nobody could be told where its key is.
    let unseen =
        panvault().args(init(&data, &database)).stdout(fs::File::create("/dev/full").unwrap()).output();
    assert!(!unseen.unwrap().status.success());
    assert!(is_empty());
    let vaults = postgres.sql(&database.name, "SELECT count(*) FROM vault");
    assert_eq!(vaults, "0");
    // Somebody else's files are not overwritten, and stay.
    let config = directory.path().join("vault.settings.toml");
    fs::write(&config, "of another").unwrap();
    assert!(run_refused(&words(&init(&data, &database))).contains("is there already"));
    assert_eq!(fs::read_to_string(&config).unwrap(), "of another");
    fs::remove_file(&config).unwrap();
    assert!(is_empty());

    run_json(&words(&init(&data, &database)));
    let second = directory.path().join("second");
    let refused = run_refused(&words(&init(&second, &database)));
    assert!(refused.contains("holds a vault already"), "{refused}");
    assert!(!second.exists() && !directory.path().join("second.slot-key").exists());
    assert!(!directory.path().join("second.settings.toml").exists());
    // Another root key opens nothing of it.
    let other = postgres.database();
    run_json(&words(&init(&second, &other)));
    let key = directory.path().join("second.slot-key");
    // A new directory: it was taken for one of this vault before the key had opened anything.
    let third = directory.path().join("third");
    let [foreign, new] =
        [format!("slot_key_file={}", path(&key)), format!("data_directory={}", path(&third))];
    let foreign = ["serve", "--config", path(&config), "--set", &foreign, "--set", &new];
    let refused = run_refused(&foreign);
    assert!(!third.exists(), "nothing is made");
    assert!(
        refused.contains("stays sealed") && refused.contains("does not belong to the vault"),
        "{refused}"
    );
    // Nor is a node's directory one of another vault.
    let elsewhere =
        ["serve", "--config", path(&config), "--set", &format!("data_directory={}", path(&second))];
    let refused = run_refused(&elsewhere);
    assert!(refused.contains("is of a node of the vault"), "{refused}");
}

/// The standby that commits wait for is away while the row of the vault is written: the root key was removed, and then the vault came to be, which
/// nothing opened. Everything is kept, and the same command finishes it.
#[test]
fn a_vault_that_may_come_to_be_keeps_its_slot_key() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    // The tables are there, and no vault.
    let unseen =
        panvault().args(init(&data, &database)).stdout(fs::File::create("/dev/full").unwrap()).output();
    assert!(!unseen.unwrap().status.success());
    postgres.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    postgres.sql("postgres", "SELECT pg_reload_conf()");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let (key, config) =
        (directory.path().join("vault.slot-key"), directory.path().join("vault.settings.toml"));
    std::thread::scope(|scope| {
        // Returns when the standby is no more waited for.
        scope.spawn(|| postgres.sql("postgres", "CREATE TABLE probe (at int)"));
        until("a commit waits", || postgres.sql("postgres", waits) == "1");
        for _ in 0..2 {
            let refused = run_refused(&words(&init(&data, &database)));
            assert!(refused.contains("run the same panvault init once more"), "{refused}");
            assert!(key.exists() && config.exists());
        }
        let mut other = init(&data, &database);
        other.extend(["--set".to_owned(), "stop_grace_seconds=9".to_owned()]);
        let refused = run_refused(&words(&other));
        assert!(refused.contains("says otherwise"), "{refused}");
        postgres.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        postgres.sql("postgres", "SELECT pg_reload_conf()");
    });
    let made = run_json(&words(&init(&data, &database)));
    assert_eq!(made["mode"], json!("test"));
    assert_eq!(postgres.sql(&database.name, "SELECT count(*) FROM vault"), "1");
    run_json(&["organisation", "create", "--name", "X", "--json", "--config", path(&config)]);
    assert!(run_refused(&words(&init(&data, &database))).contains("is there already"));
}

#[test]
fn what_could_not_be_right_is_said_before_any_database_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let store = "postgres://vault@127.0.0.1:1/panvault?sslmode=disable";
    let with = |set: &[&str]| {
        let mut words = vec!["init", path(&data), "--store", store];
        set.iter().for_each(|pair| words.extend(["--set", pair]));
        let output = panvault().args(words).stdout(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(with(&[]).contains("the setting cvv_store (by default) is required with store"));
    assert!(with(&["cvv_store=redis://u:hunter@c"]).contains("it names a user or has a password"));
    assert!(!with(&["cvv_store=redis://u:hunter@c"]).contains("hunter"));
    assert!(with(&["nodes=one", "slot_key_file=k"]).contains("--slot-key-file"));
    assert!(with(&["nodes=one", "data_directory=k"]).contains("DIR"));
    assert!(with(&["nodes=one"]).contains("cannot be used"), "nobody answers there");
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

/// The bug: two nodes that both said that they are the only one served one database, and neither found the CVVs of the other or ended them. Its cause: what the operator
/// says was believed. Its cure: who starts looks for another; and whoever was killed is started again in its directory at once.
#[test]
fn a_second_node_is_refused_where_the_first_holds_cvvs_in_its_process() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let database = postgres.database();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let made = run_json(&words(&init(&data, &database)));
    let config = made["config"].as_str().unwrap();
    let one = ["--config", config, "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let start = || Served::start(directory.path(), &one).0;
    let mut first = start();
    let key = format!("slot_key_file={}", path(&directory.path().join("vault.slot-key")));
    let second = format!("data_directory={}", path(&directory.path().join("second")));
    let words = [&["serve"], &one[..], &["--set", &second, "--set", &key]].concat();
    let refused = run_refused(&words);
    for said in
        ["nodes = \"one\" means that no other process serves", "name cvv_store", "its lease is over in "]
    {
        assert!(refused.contains(said), "{refused}");
    }
    // Commands are done by the node that is served.
    run_json(&["organisation", "create", "--name", "X", "--json", "--config", config]);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(run_refused(&words).contains("its lease is over in "));
    run_json(&["organisation", "create", "--name", "Y", "--json", "--config", config]);
    let again = start();
    assert_eq!(run_json(&["status", "--json", "--config", config])["ready"], json!(true));
    drop(again);
}
