use panvault_model::Timestamp;
use panvault_store::Store;
use panvault_store::StoreFault;
use panvault_store_postgres::{
    Applied, Change, ConnectError, Database, MigrateError, Migration, Password, PostgresSettings,
    PostgresUrl, SchemaState, VaultRow,
};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, at, card};

use crate::support::{Home, block_on, connect, is_done};

/// What a later program does: it adds, and last takes away.
const ADDED: Migration = Migration {
    number: 2,
    name: "noted",
    usable_from: 1,
    change: Change::Statements("ALTER TABLE card ADD COLUMN noted bytea"),
};
const INDEXED: Migration = Migration {
    number: 3,
    name: "card_by_noted",
    usable_from: 1,
    change: Change::Index { name: "card_by_noted", on: "card (noted, id) WHERE noted IS NOT NULL" },
};
const TAKEN: Migration = Migration {
    number: 4,
    name: "unnoted",
    usable_from: 3,
    change: Change::Statements("ALTER TABLE card DROP COLUMN noted"),
};

/// The steps that a program knows, and these.
fn later(more: &[Migration]) -> Vec<Migration> {
    [Database::migrations(), more].concat()
}

#[test]
fn a_schema_is_made_once_by_however_many_try() {
    let home = Home::new();
    block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(connect(&home.database, 64).await);
        }
        assert_eq!(nodes[0].schema().await, Ok(SchemaState::Empty));
        assert_eq!(
            nodes[0].vault_read().await,
            Err(StoreFault::Read("the database has not the tables of this version; run panvault migrate"))
        );
        let tries: Vec<_> =
            nodes.iter().cloned().map(|node| tokio::spawn(async move { node.migrate().await })).collect();
        let mut applied = Vec::new();
        for tried in tries {
            applied.extend(tried.await.unwrap().unwrap());
        }
        assert_eq!(applied, [Applied { number: 1, name: "tables" }], "one of them did it");
        assert_eq!(nodes[0].schema().await, Ok(SchemaState::Current));
        assert_eq!(nodes[0].migrate().await, Ok(Vec::new()));
    });
}

#[test]
fn a_schema_that_is_not_known_is_left_alone() {
    let home = Home::new();
    block_on(async {
        let database = home.connect().await;
        home.sql("INSERT INTO migration (number, name, checksum, usable_from) VALUES (2, 'later', 'x', 2)");
        assert_eq!(database.schema().await, Ok(SchemaState::Ahead { at: 2 }));
        assert_eq!(database.migrate().await, Err(MigrateError::Ahead));
        home.sql(
            "DELETE FROM migration WHERE number = 2; UPDATE migration SET checksum = 'x' WHERE number = 1",
        );
        assert_eq!(database.schema().await, Ok(SchemaState::Changed { number: 1 }));
        assert_eq!(database.migrate().await, Err(MigrateError::Changed));
    });
}

/// The bug: whatever a later program had added, no node of before could be started again, so that one that ended while others were replaced stayed away.
/// Its cause: any step that was not known was taken for one that cannot be lived with. Its cure: each says since which step a program must know it.
#[test]
fn what_a_later_program_only_added_is_used_by_the_one_before() {
    let home = Home::new();
    block_on(async {
        let database = home.connect().await;
        let applied = database.migrate_by(&later(&[ADDED, INDEXED])).await.unwrap();
        assert_eq!(applied.iter().map(|step| step.number).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(database.schema().await, Ok(SchemaState::Expanded { at: 3 }));
        assert_eq!(database.migrate().await, Ok(Vec::new()), "it has nothing to do");
        assert!(is_done(&home.open().await.commit(card_insert(&card(1))).await));
        assert_eq!(database.schema_for(&later(&[ADDED])).await, Ok(SchemaState::Expanded { at: 3 }));
        database.migrate_by(&later(&[ADDED, INDEXED, TAKEN])).await.unwrap();
        assert_eq!(database.schema().await, Ok(SchemaState::Ahead { at: 4 }));
        assert_eq!(database.schema_for(&later(&[ADDED, INDEXED])).await, Ok(SchemaState::Expanded { at: 4 }));
    });
}

/// The bug: a step that changed a table waited for a dump that was reading it, and every commit of every node waited behind the step, until it was given up.
/// Its cause: whoever asks for a table that is in use keeps all who come later waiting, also those that would not wait for the dump. Its cure: a step
/// waits for a moment, and is tried again.
#[test]
fn a_step_that_waits_for_a_table_keeps_no_node_waiting() {
    let home = Home::new();
    block_on(async {
        let database = home.connect().await;
        let store = home.open().await;
        let reader = home.client().await;
        reader.batch_execute("BEGIN; SELECT count(*) FROM card").await.unwrap();
        let migrating = tokio::spawn(async move { database.migrate_by(&later(&[ADDED])).await });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() \
                     AND query LIKE '%ADD COLUMN noted%'";
        let mut n = 1;
        for _ in 0..3 {
            while home.sql(waits) == "0" {
                tokio::task::yield_now().await;
            }
            let begun = tokio::time::Instant::now();
            assert!(is_done(&store.commit(card_insert(&card(n))).await));
            n += 1;
            assert!(begun.elapsed().as_millis() < 2_000, "{:?}", begun.elapsed());
        }
        assert!(!migrating.is_finished());
        reader.batch_execute("COMMIT").await.unwrap();
        assert_eq!(migrating.await.unwrap(), Ok(vec![Applied { number: 2, name: "noted" }]));
        assert!(is_done(&store.commit(card_insert(&card(n))).await));
    });
}

/// A process that ends while it makes an index leaves one that serves nothing; one that made it and did not come to note it leaves one that serves.
#[test]
fn an_index_that_was_not_finished_is_made_anew() {
    let home = Home::new();
    block_on(async {
        let database = home.connect().await;
        database.migrate_by(&later(&[ADDED])).await.unwrap();
        let index =
            "SELECT indisvalid, indexrelid FROM pg_index WHERE indexrelid = 'card_by_noted'::regclass";
        home.sql("CREATE INDEX card_by_noted ON card (noted, id) WHERE noted IS NOT NULL");
        let before = home.sql(index);
        home.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'card_by_noted'::regclass");
        database.migrate_by(&later(&[ADDED, INDEXED])).await.unwrap();
        let made = home.sql(index);
        assert!(made.starts_with("t|") && made != before, "{before} {made}");
        home.sql("DELETE FROM migration WHERE number = 3");
        let applied = database.migrate_by(&later(&[ADDED, INDEXED])).await.unwrap();
        assert_eq!(applied, [Applied { number: 3, name: "card_by_noted" }]);
        assert_eq!(home.sql(index), made, "it was there");
    });
}

#[test]
fn there_is_one_vault_and_its_header_changes_by_version() {
    let home = Home::new();
    block_on(async {
        let database = home.connect().await;
        assert_eq!(database.vault_read().await, Ok(None));
        let row = VaultRow {
            vault: VAULT,
            mode: "test".to_owned(),
            created_at: at(7),
            header: [vec![1; 40], vec![2; 40]],
            version: 1,
        };
        assert_eq!(database.vault_create(&row).await, Ok(true));
        let other = VaultRow { mode: "live".to_owned(), ..row.clone() };
        assert_eq!(database.vault_create(&other).await, Ok(false), "there is one");
        assert_eq!(database.vault_read().await, Ok(Some(row.clone())));
        assert_eq!(database.header_replace(0, &[3; 41], 2).await, Ok(false), "in another version");
        assert_eq!(database.header_replace(0, &[3; 41], 1).await, Ok(true));
        assert_eq!(database.header_replace(1, &[4; 42], 2).await, Ok(true));
        let changed = VaultRow { header: [vec![3; 41], vec![4; 42]], version: 3, ..row };
        assert_eq!(database.vault_read().await, Ok(Some(changed)));
        let replication = database.replication().await.unwrap();
        assert_eq!((replication.standbys, replication.synchronous), (0, false));
        assert!(database.clock().await.unwrap() > Timestamp::from_unix_millis(1_700_000_000_000));
    });
}

#[test]
fn why_there_is_no_connection_is_said_without_what_was_set() {
    let home = Home::new();
    let tried = |url: &str, password: &str| {
        let url = PostgresUrl::parse(url).unwrap();
        let password = Some(Password::new(password.to_owned().into()));
        block_on(Database::connect(PostgresSettings::new(url, password))).err().unwrap()
    };
    let (port, url) = (home.database.port, home.database.url.as_str());
    assert_eq!(tried(url, "hunter2"), ConnectError::Refused("28P01".to_owned()));
    let nowhere = format!("postgres://postgres@127.0.0.1:{port}/nowhere?sslmode=disable");
    assert_eq!(tried(&nowhere, &home.database.password), ConnectError::Refused("3D000".to_owned()));
    let closed = "postgres://postgres@127.0.0.1:1/t?sslmode=disable";
    assert_eq!(tried(closed, "hunter2"), ConnectError::Unreachable);
    let verified = format!("postgres://postgres@127.0.0.1:{port}/t");
    assert_eq!(tried(&verified, "hunter2"), ConnectError::NoTls);
}
