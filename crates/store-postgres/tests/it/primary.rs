//! Which host is taken for the database where a URL names several, and what an old primary still answers.

use core::time::Duration;
use std::net::TcpListener;
use std::sync::Arc;

use panvault_store::{DocumentKind, Store, StoreFault};
use panvault_store_postgres::{Database, Password, PostgresSettings, PostgresUrl};
use panvault_testkit::conformance::rows::{document, id};
use panvault_testkit::conformance::{document_put, documents_commit};
use panvault_testkit::servers::{Postgres, PostgresOptions};
use tokio::time::timeout;

use crate::support::{Home, block_on, is_done, node, waiting};

/// The head of documents.
const HEAD: DocumentKind = DocumentKind::DocumentHead;

/// Reaches a database of these ports.
async fn reach(ports: &[u16], home: &Home) -> Database {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("postgres://postgres@{}/{}?sslmode=disable", hosts.join(","), home.database.name);
    let password = Password::new(home.database.password.clone().into());
    let settings = PostgresSettings::new(PostgresUrl::parse(&url).unwrap(), Some(password));
    Database::connect(settings).await.unwrap()
}

/// A server that goes on as a standby would that was promoted.
fn promoted() -> Home {
    let settings = vec![("promote_trigger_file", "take_over".to_owned())];
    let postgres = Postgres::start_with(&PostgresOptions { settings, ..PostgresOptions::default() });
    let home = Home::of(Arc::new(postgres));
    home.postgres.crash();
    for name in ["standby.signal", "take_over"] {
        std::fs::write(home.postgres.data().join(name), "").unwrap();
    }
    home.postgres.start_again();
    home
}

/// The bug: where the first host of a URL was silent, as one whose machine is gone, no other was ever reached. Its cause: the library asks one after the other, and
/// the time for a connection was over before the second. Its cure: all are asked at once.
#[test]
fn a_host_that_is_silent_keeps_nobody_from_the_primary() {
    let home = Home::new();
    // Connections are taken by the system, and nobody ever says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    block_on(async {
        let ports = [silent.local_addr().unwrap().port(), home.database.port];
        assert!(reach(&ports, &home).await.clock().await.is_ok());
    });
}

/// The bug: a node went back to an old primary that was cut off from its standbys and not ended, for that was named first and took writes. Its cause: the first that does is
/// taken. Its cure: of several the one is taken that was promoted last.
#[test]
fn of_two_that_take_writes_the_one_is_taken_that_was_promoted_last() {
    let (old, new) = (Home::new(), promoted());
    assert_eq!(new.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), "00000002");
    // Both have a database of that name.
    let name = &new.database.name;
    old.postgres.sql("postgres", &format!("DROP DATABASE IF EXISTS {name}"));
    old.postgres.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
    block_on(async {
        drop(reach(&[old.database.port, new.database.port], &new).await.migrate().await.unwrap());
    });
    let is_there = "SELECT to_regclass('document') IS NOT NULL";
    assert_eq!((new.sql(is_there).as_str(), old.postgres.sql(name, is_there).as_str()), ("t", "f"));
}

/// The bug: an old primary whose standby had been promoted in its place still said what the documents were, so that a node that was cut off with it went on
/// with keys that had been revoked. Its cause: a read waits for no standby. Its cure: a look at the head holds its row, and so its answer waits as a
/// commit does.
#[test]
fn a_primary_without_its_standby_does_not_say_what_the_documents_are() {
    let home = Home::of(Arc::new(Postgres::start()));
    block_on(async {
        let store = home.open_as(node(1)).await;
        let head = document_put(document(HEAD, 1, 1));
        assert!(is_done(&store.commit(documents_commit(vec![head])).await));
        let look = || store.document_read_many(vec![(HEAD, id(1))]);
        assert!(look().await.unwrap()[0].is_some());
        home.lose_standby().await;
        for _ in 0..5 {
            assert_eq!(look().await, Err(StoreFault::Unreachable));
        }
        // That of the test, and what was given up last.
        assert!(waiting(&home) <= 2, "{} backends wait", waiting(&home));
        home.standby_back();
        let seen = async { while look().await.is_err() {} };
        timeout(Duration::from_secs(60), seen).await.expect("it is seen again");
    });
}
