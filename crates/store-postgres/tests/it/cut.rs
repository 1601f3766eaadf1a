use panvault_store::{Outcome, Store, StoreFault};
use panvault_testkit::conformance::rows::{card, card_changed};
use panvault_testkit::conformance::{card_delete, card_insert, card_update};

use crate::proxy::{Cut, Proxy};
use crate::support::{Home, all, block_on, is_done, node};

/// What is sent when a step is done in one statement.
const IN_ONE: &str = "AS (INSERT INTO audit (writer, place, count, notes, tag)";
/// What is sent when each commit was decided by itself.
const WITH_CARE: &str = "COMMIT\0";

/// A connection that is lost exactly at the commit, before the database hears of it or after it has done it: the answer is right, and
/// nothing is done twice.
#[test]
fn a_connection_that_is_lost_at_the_commit_decides_nothing() {
    for (words, cut) in
        [(IN_ONE, Cut::Before), (IN_ONE, Cut::After), (WITH_CARE, Cut::Before), (WITH_CARE, Cut::After)]
    {
        let home = Home::new();
        block_on(async {
            let proxy = Proxy::start(home.postgres.port()).await;
            let store = home.open_through(proxy.port, node(1)).await;
            assert!(is_done(&store.commit(card_insert(&card(10))).await));
            for round in 0..5 {
                proxy.cut(words, cut, 1);
                // With one of them that is not as it is expected, each is decided by itself.
                let mut commits: Vec<_> = (0..10).map(|n| card_insert(&card(100 + 10 * round + n))).collect();
                if words == WITH_CARE {
                    commits.push(card_delete(&card(5)));
                    commits.push(card_insert(&card(10)));
                }
                let answers = all(&store, commits).await;
                assert_eq!(proxy.left(), 0, "{words} {cut:?}: it was cut");
                assert!(answers[..10].iter().all(is_done), "{words} {cut:?}: {answers:?}");
                assert!(answers[10..].iter().all(|answer| *answer == Ok(Outcome::Unmet(0))), "{answers:?}");
            }
            assert_eq!(home.sql("SELECT count(*) FROM card"), "51", "{words} {cut:?}");
            let trail = store.audit_read(node(1), 1, 100).await.unwrap();
            assert_eq!(trail.len(), 51, "{words} {cut:?}: each was noted once");
            let mut objects: Vec<_> = trail.iter().map(|record| record.note.object).collect();
            objects.sort();
            objects.dedup();
            assert_eq!(objects.len(), 51, "{words} {cut:?}");
        });
    }
}

/// What was sent reaches the database long after the connection was lost, and after all was tried again: it comes too late.
#[test]
fn what_reaches_the_database_late_comes_too_late() {
    let home = Home::new();
    block_on(async {
        let proxy = Proxy::start(home.postgres.port()).await;
        let store = home.open_through(proxy.port, node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        proxy.cut(IN_ONE, Cut::Late, 1);
        assert!(is_done(&store.commit(card_update(&card_changed(&card(10)))).await), "tried again");
        proxy.let_through().await;
        assert_eq!(home.sql("SELECT version FROM card"), "2");
        assert_eq!(store.audit_read(node(1), 1, 100).await.map(|trail| trail.len()), Ok(2));
        assert!(is_done(&store.commit(card_insert(&card(11))).await), "the chain goes on");
    });
}

/// The commit is lost on its way, and meanwhile it cannot be done any more: whoever asked is told so, and what is still on its way
/// must not do it later, though it could again by then.
///
/// The place in the node's chain is marked before the answer. Without that, what came late would find its place free.
#[test]
fn what_was_answered_is_not_done_later() {
    let home = Home::new();
    block_on(async {
        let proxy = Proxy::start(home.postgres.port()).await;
        let store = home.open_through(proxy.port, node(1)).await;
        let other = home.open_as(node(2)).await;
        proxy.cut(IN_ONE, Cut::Late, 1);
        let lost = store.commit(card_insert(&card(10)));
        while proxy.left() > 0 {
            tokio::task::yield_now().await;
        }
        // Somebody else has made the card by the time at which it is tried again.
        proxy.close();
        assert!(is_done(&other.commit(card_insert(&card(10))).await));
        proxy.open();
        assert_eq!(lost.await, Ok(Outcome::Unmet(0)));
        assert!(is_done(&other.commit(card_delete(&card(10))).await));
        proxy.let_through().await;
        assert_eq!(home.sql("SELECT count(*) FROM card"), "0", "it was answered that it was not done");
        assert_eq!(store.audit_read(node(1), 1, 10).await, Ok(Vec::new()));
        for n in 11..14 {
            assert!(is_done(&store.commit(card_insert(&card(n))).await), "the chain goes on over the mark");
        }
        assert_eq!(store.audit_read(node(1), 1, 10).await.map(|trail| trail.len()), Ok(3));
        assert_eq!(home.sql("SELECT count(*) FROM audit WHERE count = 0"), "0");
    });
}

/// Cut off for good at the commit: whoever asked is told that nobody knows, whoever comes then is refused and nothing of theirs is done; and when
/// the database is back it is found out, and goes on.
#[test]
fn what_cannot_be_found_out_in_time_is_said_so() {
    // Most of it is waiting.
    std::thread::scope(|scope| {
        for cut in [Cut::Before, Cut::After] {
            scope.spawn(move || cut_off(cut));
        }
    });
}

fn cut_off(cut: Cut) {
    let home = Home::new();
    block_on(async {
        let proxy = Proxy::start(home.postgres.port()).await;
        let store = home.open_through(proxy.port, node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        proxy.cut(IN_ONE, cut, 1);
        let lost = store.commit(card_insert(&card(11)));
        while proxy.left() > 0 {
            tokio::task::yield_now().await;
        }
        proxy.close();
        assert_eq!(lost.await, Err(StoreFault::Unresolved), "{cut:?}");
        assert_eq!(store.commit(card_insert(&card(12))).await, Err(StoreFault::Unreachable));
        assert_eq!(store.status().fault, Some(StoreFault::Unreachable));
        proxy.open();
        while store.status().fault.is_some() {
            tokio::task::yield_now().await;
        }
        assert!(is_done(&store.commit(card_insert(&card(12))).await));
        let cards = if cut == Cut::Before { "2" } else { "3" };
        assert_eq!(home.sql("SELECT count(*) FROM card"), cards, "{cut:?}");
        let places = store.audit_read(node(1), 1, 10).await.map(|trail| trail.len().to_string());
        assert_eq!(places, Ok(cards.to_owned()), "{cut:?}: the trail has what is there");
    });
}

/// A standby that was promoted has all steps of a node, and not the mark that it had set: the node ended with "another was quicker" at every commit, for
/// ever. It stops, as where a step is missing, and its process is started anew.
#[test]
fn where_its_mark_is_missing_a_node_stops() {
    let home = Home::new();
    block_on(async {
        let proxy = Proxy::start(home.postgres.port()).await;
        let store = home.open_through(proxy.port, node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(9))).await));
        let other = home.open_as(node(2)).await;
        // Lost on its way, it cannot be done when it is tried again, and the place is marked before that is said.
        assert!(is_done(&other.commit(card_insert(&card(10))).await));
        proxy.cut(IN_ONE, Cut::Before, 1);
        assert_eq!(store.commit(card_insert(&card(10))).await, Ok(Outcome::Unmet(0)));
        assert_eq!(home.sql("DELETE FROM audit WHERE count = 0 RETURNING 1"), "1", "it was marked");
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Stopped));
        store.stopped().await;
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Stopped));
        assert_eq!(store.close().await, Err(StoreFault::Stopped));
        assert_eq!(home.sql("SELECT count(*) FROM card"), "2");
    });
}

/// A database that has lost what this node had committed, as a standby that was behind when it was promoted, is not written to, and whoever
/// serves it is told, so that the process can end.
#[test]
fn where_its_steps_are_missing_a_node_stops() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        home.sql("DELETE FROM audit; DELETE FROM card");
        assert_eq!(store.commit(card_insert(&card(11))).await, Err(StoreFault::Stopped));
        store.stopped().await;
        assert_eq!(store.close().await, Err(StoreFault::Stopped));
        assert_eq!(home.sql("SELECT count(*) FROM card"), "0");
        let anew = home.open_as(node(2)).await;
        assert!(is_done(&anew.commit(card_insert(&card(11))).await));
        assert_eq!(anew.close().await, Ok(()));
    });
}

/// The server is told to end while it is unknown what became of the last step, and the database does not come back: whoever asked is answered, and it ends.
#[test]
fn a_store_whose_last_step_is_unknown_is_closed_in_time() {
    let home = Home::new();
    block_on(async {
        let proxy = Proxy::start(home.postgres.port()).await;
        let store = home.open_through(proxy.port, node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        proxy.cut(IN_ONE, Cut::After, 1);
        let lost = store.commit(card_insert(&card(11)));
        while proxy.left() > 0 {
            tokio::task::yield_now().await;
        }
        proxy.close();
        let closed = tokio::time::timeout(core::time::Duration::from_secs(60), store.close()).await;
        assert_eq!(closed, Ok(Ok(())));
        assert_eq!(lost.await, Err(StoreFault::Unresolved));
    });
}
