//! What is refused, and that it changes nothing; and what is no reason to stop.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use panvault_testkit::servers::Postgres;
use serde_json::json;

use super::{Mover, contents, id, words};
use crate::cli::path;
use crate::support::{panvault, run_json, run_refused, until};

#[test]
fn what_is_no_move_is_refused_and_changes_nothing() {
    let mover = Mover::make();
    let (data, url) = (mover.data("vault"), mover.database.url.clone());
    let before = contents(&data);
    assert!(mover.refused(path(&data), path(&mover.data("back"))).contains("must be a database"));
    assert!(mover.refused(&url, &url).contains("must be a directory"));
    assert!(mover.refused(path(&mover.data("none")), &url).contains("holds no vault"));
    let said = mover.refused(&url, path(&mover.data("back")));
    assert!(said.contains("holds no vault"), "{said}");

    // A root key that is not there, and that of another vault.
    let slot_key = fs::read(&mover.slot_key).unwrap();
    fs::remove_file(&mover.slot_key).unwrap();
    assert!(mover.refused(path(&data), &url).contains("is missing"));
    run_json(&["init", path(&mover.data("other")), "--mode", "test", "--json"]);
    fs::copy(mover.data("other.slot-key"), &mover.slot_key).unwrap();
    assert!(mover.refused(path(&data), &url).contains("does not belong to the vault"));
    fs::write(&mover.slot_key, slot_key).unwrap();

    let server = mover.serve(&mover.of_directory("vault"));
    assert!(mover.refused(path(&data), &url).contains("in use by process"));
    server.stop();

    // A database with something in it that is nobody's.
    mover.postgres.sql(&mover.database.name, "CREATE TABLE mine (id int8)");
    let other = mover.postgres.database();
    let set = [format!("store={}", other.url), mover.set_password(), "nodes=one".to_owned()];
    let node = mover.data("node2");
    let init = ["init", path(&node), "--mode", "test", "--json", "--store", &other.url];
    run_json(&[&init[..], &["--set", &set[1], "--set", &set[2]]].concat());
    assert!(mover.refused(path(&data), &other.url).contains("holds another vault"));
    mover
        .postgres
        .sql(&other.name, "DELETE FROM vault; INSERT INTO node (id, version, row) VALUES ('x', 1, 'y')");
    assert!(mover.refused(path(&data), &other.url).contains("holds rows and no vault"));

    assert!(!data.join("moved.toml").exists());
    let after = contents(&data);
    assert_eq!(names(&before), names(&after));
    mover.moves(path(&data), &url);

    // Directories that are not free: with something in it, a link, a vault of somebody else's.
    let full = mover.data("full");
    fs::create_dir(&full).unwrap();
    fs::set_permissions(&full, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = mover.refused(&url, path(&full));
    assert!(refused.contains("can be entered by others"), "{refused}");
    fs::set_permissions(&full, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(full.join("note"), "mine").unwrap();
    fs::set_permissions(full.join("note"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&full, mover.data("link")).unwrap();
    for (name, said) in
        [("full", "is not empty"), ("link", "symbolic link"), ("other", "holds a vault already")]
    {
        let refused = mover.refused(&url, path(&mover.data(name)));
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(fs::read(full.join("note")).unwrap(), b"mine");
    let server = mover.serve(&mover.of_database());
    let refused = mover.refused(&url, path(&mover.data("back")));
    assert!(refused.contains("1 nodes serve the vault"), "{refused}");
    server.stop();
    assert!(!mover.data("back").exists());

    // Where the copy is gone, nothing is taken for done.
    let said = run_refused(&words("serve", &mover.of_directory("vault")));
    assert!(said.contains(&format!("was moved to {url}")) && said.contains("panvault move"), "{said}");
    let said = mover.refused(path(&data), &other.url);
    assert!(said.contains(&format!("was moved to {url}")), "{said}");
    mover.postgres.sql(&mover.database.name, "DELETE FROM vault");
    let said = mover.refused(path(&data), &url);
    assert!(said.contains("no vault is there") && said.contains("remove moved.toml"), "{said}");
}

fn names(contents: &[(String, Vec<u8>)]) -> Vec<&str> {
    // What SQLite and the lock keep beside.
    let is_own =
        |name: &&str| !name.starts_with("view.sqlite-") && *name != "lock" && *name != "admin.socket";
    contents.iter().map(|(name, _)| name.as_str()).filter(is_own).collect()
}

/// A row that is not what the vault wrote is named, the source stays as it was and is served, and nothing of the copy is.
#[test]
fn a_damaged_row_is_named_and_nothing_is_moved() {
    let mover = Mover::make();
    let server = mover.serve(&mover.of_directory("vault"));
    let (card, lost) =
        (server.make("/v1/card", &mover.card_body()), server.make("/v1/card", &mover.card_body()));
    server.stop();
    let (url, back) = (mover.database.url.clone(), mover.data("back"));
    mover.moves(path(&mover.data("vault")), &url);
    let change = |last: &str| {
        let id = id(&card);
        let sql = format!("UPDATE card SET row = set_byte(row, 60, {last}) WHERE encode(id, 'hex') = '{id}'");
        mover.postgres.sql(&mover.database.name, &sql);
    };
    let was = format!("SELECT get_byte(row, 60) FROM card WHERE encode(id, 'hex') = '{}'", id(&card));
    let was = mover.postgres.sql(&mover.database.name, &was);
    change(if was == "1" { "2" } else { "1" });
    let said = mover.refused(&url, path(&back));
    assert!(said.contains(&format!("card {} is not what the vault wrote", id(&card))), "{said}");
    change(&was);
    // One that was taken away leaves no bytes to look at: the trail tells of it.
    let keep = "CREATE TABLE kept AS SELECT * FROM card";
    mover.postgres.sql(&mover.database.name, keep);
    let gone = format!("DELETE FROM card WHERE encode(id, 'hex') = '{}'", id(&lost));
    mover.postgres.sql(&mover.database.name, &gone);
    let said = mover.refused(&url, path(&back));
    assert!(said.contains(&format!("card {} is missing", id(&lost))) && said.contains("not moved"), "{said}");
    let said = run_refused(&words("serve", &mover.of_directory("back")));
    assert!(said.contains("is not whole"), "{said}");
    mover
        .postgres
        .sql(&mover.database.name, "INSERT INTO card SELECT * FROM kept ON CONFLICT (id) DO NOTHING");
    // The source is served as before, and what was begun is made anew of what it is by now.
    let server = mover.serve(&mover.of_database());
    let further = server.make("/v1/card", &mover.card_body());
    server.stop();
    mover.moves(&url, path(&back));
    let server = mover.serve(&mover.of_directory("back"));
    for card in [&card, &lost, &further] {
        server.read(&format!("/v1/card/{}", id(card)));
    }
    server.stop();
}

/// A source that was served after a move of it was interrupted: the copy is of what it is now, and not of what it was.
#[test]
fn a_copy_that_was_begun_of_another_state_is_made_anew() {
    let mover = Mover::make();
    let (first, url) = (mover.of_directory("vault"), mover.database.url.clone());
    let server = mover.serve(&first);
    let (kept, deleted) =
        (server.make("/v1/card", &mover.card_body()), server.make("/v1/card", &mover.card_body()));
    server.stop();
    // The tables are there, and the last of them cannot be written to.
    let node = mover.data("other-node");
    let set = mover.set_password();
    run_json(&[
        "init",
        path(&node),
        "--mode",
        "test",
        "--json",
        "--store",
        &url,
        "--set",
        &set,
        "--set",
        "nodes=one",
    ]);
    mover
        .postgres
        .sql(&mover.database.name, "DELETE FROM vault; ALTER TABLE apikey_use RENAME COLUMN row TO rows");
    let said = mover.refused(path(&mover.data("vault")), &url);
    assert!(said.contains("run panvault migrate"), "{said}");
    mover.postgres.sql(&mover.database.name, "ALTER TABLE apikey_use RENAME COLUMN rows TO row");
    let cards = || mover.postgres.sql(&mover.database.name, "SELECT count(*) FROM card");
    assert_eq!(cards(), "2", "it came so far");
    let said = run_refused(&words("serve", &mover.of_database()));
    assert!(said.contains("is not whole"), "{said}");

    let server = mover.serve(&first);
    let changed = json!({ "organisation": mover.organisation, "expiry_year": "38" });
    server.make(&format!("/v1/card/{}", id(&kept)), &changed);
    let url_of = format!("{}/v1/card/{}", server.url, id(&deleted));
    let gone = panvault_testkit::http_send(&url_of, "DELETE", &[("X-APIKEY", &server.key)], None).unwrap();
    assert_eq!(gone.status, 204, "{}", gone.text);
    server.stop();
    assert_eq!(mover.moves(path(&mover.data("vault")), &url)["rows"]["cards"], json!(1));
    let server = mover.serve(&mover.of_database());
    assert_eq!(server.read(&format!("/v1/card/{}", id(&kept)))["expiry_year"], json!("38"));
    server.stop();
}

/// A database that is away for a while is waited for.
#[test]
fn a_database_that_is_cut_off_is_waited_for() {
    let mut mover = Mover::make();
    mover.postgres = Postgres::start().into();
    mover.database = mover.postgres.database();
    let server = mover.serve(&mover.of_directory("vault"));
    for _ in 0..20 {
        server.make("/v1/card", &mover.card_body());
    }
    server.stop();
    let words = mover.words(path(&mover.data("vault")), &mover.database.url);
    let mut child = panvault().args(&words).spawn().unwrap();
    let there = "SELECT CASE WHEN to_regclass('vault') IS NULL THEN 0 ELSE 1 END";
    until("it has begun", || mover.postgres.sql(&mover.database.name, there) == "1");
    mover.postgres.crash();
    mover.postgres.start_again();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    let server = mover.serve(&mover.of_database());
    assert_eq!(server.read("/v1/card").as_array().unwrap().len(), 20);
    server.stop();
}
