use panvault_model::Timestamp;
use panvault_store::StoreFault;
use panvault_store_postgres::{
    Applied, ConnectError, Database, MigrateError, Password, PostgresSettings, PostgresUrl, SchemaState,
    VaultRow,
};
use panvault_testkit::conformance::rows::{VAULT, at};

use crate::support::{Home, block_on, connect};

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
        home.sql("INSERT INTO migration (number, name, checksum) VALUES (2, 'later', 'x')");
        assert_eq!(database.schema().await, Ok(SchemaState::Ahead { at: 2 }));
        assert_eq!(database.migrate().await, Err(MigrateError::Ahead));
        home.sql(
            "DELETE FROM migration WHERE number = 2; UPDATE migration SET checksum = 'x' WHERE number = 1",
        );
        assert_eq!(database.schema().await, Ok(SchemaState::Changed { number: 1 }));
        assert_eq!(database.migrate().await, Err(MigrateError::Changed));
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
    assert_eq!(tried(&verified, "hunter2"), ConnectError::Unreachable, "it offers no TLS");
}
