use core::time::Duration;
use std::sync::Arc;

use panvault_store::{Store, StoreFault};
use panvault_store_postgres::PostgresStore;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;
use panvault_testkit::conformance::rows::{VAULT, chain};
use panvault_testkit::servers::{Network, PgBouncer, Postgres, PostgresOptions};

use crate::support::{Home, block_on, is_done, node};

const EARLY: StoreFault = StoreFault::Read(
    "the database acknowledges what it has not written: set fsync and synchronous_commit to on",
);

/// A database that crashes is said not to be reached, and used again when it is back, without anything being lost or done twice.
#[test]
fn a_database_that_crashes_is_used_again_when_it_is_back() {
    let home = Home::of(Arc::new(Postgres::start()));
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        home.postgres.crash();
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Unreachable));
        assert_eq!(store.status().fault, Some(StoreFault::Unreachable));
        home.postgres.start_again();
        // By itself, without anybody asking.
        while store.status().fault.is_some() {
            tokio::task::yield_now().await;
        }
        assert!(is_done(&store.commit(card_insert(&card(11))).await));
        assert_eq!(home.sql("SELECT count(*) FROM card"), "2");
        assert_eq!(store.audit_read(node(1), 1, 10).await.map(|trail| trail.len()), Ok(2));
    });
}

/// A database that acknowledges what it has not written would lose what was answered.
#[test]
fn a_database_that_acknowledges_too_early_is_refused() {
    let home = Home::new();
    block_on(async {
        let name = &home.database.name;
        home.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = off"));
        let opened = PostgresStore::open(home.connect().await, chain(VAULT), node(1)).await;
        assert_eq!(opened.err(), Some(EARLY));
        home.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = local"));
        assert!(PostgresStore::open(home.connect().await, chain(VAULT), node(1)).await.is_ok());
    });
}

/// The bug: a node went on over a database whose administrator let it acknowledge early while nodes ran, and a crash then took what was answered. Its cause: that was
/// looked at when a node started. Its cure: each commit says itself that it is to be flushed.
#[test]
fn what_is_set_while_a_node_runs_makes_no_commit_early() {
    for through_pool in [false, true] {
        let slow = ["wal_writer_delay", "wal_writer_flush_after"]
            .into_iter()
            .zip(["10s".to_owned(), "0".to_owned()]);
        let options = PostgresOptions { settings: slow.collect(), ..PostgresOptions::default() };
        let home = Home::of(Arc::new(Postgres::start_with(&options)));
        let bouncer = through_pool.then(|| PgBouncer::start(&home.postgres, 20));
        let port = bouncer
            .as_ref()
            .map_or(home.postgres.port(), |bouncer| bouncer.database(&home.postgres, &home.database).port);
        block_on(async {
            let store = home.open_through(port, node(1)).await;
            let name = &home.database.name;
            let mut committed = 0;
            for of in ["ROLE postgres", &format!("DATABASE {name}"), "SYSTEM"] {
                home.sql(&format!("ALTER {of} SET synchronous_commit = off"));
                home.sql("SELECT pg_reload_conf()");
                // What is set for a user or a database is taken up by new connections.
                home.sql(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                ));
                while home.sql("SHOW synchronous_commit") != "off" {}
                for _ in 0..3 {
                    committed += 1;
                    while store.commit(card_insert(&card(10 + committed))).await.is_err() {}
                }
                home.postgres.crash();
                home.postgres.start_again();
                assert_eq!(home.sql("SELECT count(*) FROM card"), committed.to_string(), "{of}");
                home.sql(&format!("ALTER {of} RESET synchronous_commit"));
            }
            while store.status().fault.is_some() {
                tokio::task::yield_now().await;
            }
            home.sql("ALTER SYSTEM SET fsync = off");
            home.sql("SELECT pg_reload_conf()");
            while home.sql("SHOW fsync") != "off" {}
            let refused = || store.commit(card_insert(&card(99)));
            while refused().await != Err(EARLY) {}
            assert_eq!(home.sql("SELECT count(*) FROM card"), committed.to_string());
            home.sql("ALTER SYSTEM RESET fsync");
            home.sql("SELECT pg_reload_conf()");
            while !is_done(&store.commit(card_insert(&card(99))).await) {}
            assert_eq!(home.sql("SELECT count(*) FROM card"), (committed + 1).to_string());
        });
    }
}

/// What was the primary takes no writes: nothing is done, and the node goes on where writes are taken.
#[test]
fn a_database_that_takes_no_writes_is_not_reached() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        let name = &home.database.name;
        home.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Unreachable));
        home.postgres.sql("postgres", &format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
        while store.status().fault.is_some() {
            tokio::task::yield_now().await;
        }
        assert!(is_done(&store.commit(card_insert(&card(11))).await));
        assert_eq!(home.sql("SELECT count(*) FROM card"), "1");
    });
}

/// Commits that wait for a standby that is not there: whoever asked is told that nobody knows, and what waits in the database does not become more
/// with every look. When the standby is not waited for any more, everything is as it was answered.
#[test]
fn what_waits_for_a_standby_does_not_pile_up() {
    let home = Home::of(Arc::new(Postgres::start()));
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        home.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        home.sql("SELECT pg_reload_conf()");
        while home.sql("SHOW synchronous_standby_names") != "nobody" {}
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Unresolved));
        assert_eq!(store.commit(card_insert(&card(12))).await, Err(StoreFault::Unreachable));
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'panvault' AND state = 'active'";
        let waiting: u32 = home.sql(waiting).parse().unwrap();
        assert!(waiting <= 3, "{waiting} wait in the database");
        home.sql("ALTER SYSTEM RESET synchronous_standby_names");
        home.sql("SELECT pg_reload_conf()");
        while store.status().fault.is_some() {
            tokio::task::yield_now().await;
        }
        assert!(is_done(&store.commit(card_insert(&card(12))).await));
        let trail = store.audit_read(node(1), 1, 10).await.unwrap();
        assert_eq!(home.sql("SELECT count(*) FROM card"), trail.len().to_string(), "each is noted once");
    });
}

/// The bug: after the database's machine had gone without a word and another had its address, a node met one dead connection after the other, each for seconds.
/// Its cause: a read that was not answered gave up its own connection alone. Its cure: where none was answered meanwhile, all are.
#[test]
fn connections_to_a_database_that_has_gone_without_a_word_are_given_up_together() {
    let home = Home::new();
    block_on(async {
        let network = Network::start(home.postgres.port());
        let store = Arc::new(home.open_through(network.port(), node(1)).await);
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        let readers = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'panvault'";
        while home.sql(readers).parse::<u32>().unwrap() < 8 {
            let read = |_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.card_read(card(10).id).await })
            };
            let reads: Vec<_> = (0..32).map(read).collect();
            for read in reads {
                assert!(read.await.unwrap().unwrap().is_some());
            }
        }
        network.forsake();
        let read = || tokio::time::timeout(Duration::from_secs(1), store.card_read(card(10).id));
        assert!(read().await.is_err(), "nobody answers there");
        assert!(read().await.unwrap().unwrap().is_some(), "and is asked no more");
    });
}
