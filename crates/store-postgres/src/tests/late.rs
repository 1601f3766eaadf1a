use core::future::Future;
use core::task::Poll;
use std::sync::Arc;

use panvault_store::{CardQuery, StoreFault};
use panvault_testkit::conformance::rows::{card, organisation};
use panvault_testkit::servers::{Postgres, PostgresOptions};

use super::support::{Made, block_on};

fn all() -> CardQuery {
    CardQuery::newest(vec![organisation(1)], 10)
}

/// A list that takes too long is ended there too, and what waits behind it goes on.
#[test]
fn a_list_ends_in_its_time_and_leaves_nothing_behind() {
    block_on(async {
        let made = Made::with(|settings| settings.list_seconds = 1).await;
        made.put([card(10)]).await;
        let other = made.reads.database.committer().await.unwrap();
        other.batch_execute("BEGIN; LOCK TABLE card").await.unwrap();
        assert_eq!(made.reads.list(all()).await.map(|page| page.total), Err(StoreFault::TimedOut));
        // Nobody waits for the list any more.
        let mut dropped = Box::pin(made.reads.list(all()));
        core::future::poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context).is_ready())).await;
        drop(dropped);
        other.batch_execute("ROLLBACK").await.unwrap();
        for _ in 0..20 {
            assert_eq!(made.reads.list(all()).await.map(|page| page.total), Ok(1));
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        assert_eq!(made.sql(waiting), "0");
    });
}

/// A list that is refused for what it asks costs no connection.
#[test]
fn a_refused_list_gives_its_connection_back() {
    block_on(async {
        let made = Made::with(|settings| settings.connections_max = 1).await;
        made.put((10..20).map(card)).await;
        let process = async || {
            let rows = made.reads.database.query("SELECT pg_backend_pid()::int8", &[]).await.unwrap();
            crate::read::number(&rows).unwrap()
        };
        let before = process().await;
        let sort = Some((panvault_store::CardField::LastFour, panvault_store::Direction::Ascending));
        let refused = CardQuery { sort, examined_max: 3, ..all() };
        assert_eq!(made.reads.list(refused).await, Err(StoreFault::TooManyExamined));
        assert_eq!(process().await, before);
        assert_eq!(made.reads.list(all()).await.map(|page| page.total), Ok(10));
    });
}

/// Reads say that the database is not reached while that is so, and go on by themselves.
#[test]
fn reads_go_on_when_the_database_is_back() {
    block_on(async {
        let server = Arc::new(Postgres::start_with(&PostgresOptions::default()));
        let database = server.database();
        let made = Made::at(Arc::clone(&server), database).await;
        made.put([card(10)]).await;
        assert_eq!(made.reads.card_read(card(10).id).await, Ok(Some(Arc::new(card(10)))));
        server.crash();
        assert_eq!(made.reads.card_read(card(10).id).await, Err(StoreFault::Unreachable));
        assert_eq!(made.reads.list(all()).await, Err(StoreFault::Unreachable));
        server.start_again();
        assert_eq!(made.reads.card_read(card(10).id).await, Ok(Some(Arc::new(card(10)))));
        // Connections that nobody used meanwhile are lost, and nobody notices.
        server.crash();
        server.start_again();
        assert_eq!(made.reads.list(all()).await.map(|page| page.total), Ok(1));
        assert_eq!(made.reads.card_read(card(10).id).await, Ok(Some(Arc::new(card(10)))));
    });
}
