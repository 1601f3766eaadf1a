use core::time::Duration;
use std::sync::Arc;

use panvault_store::{Commit, Store, StoreFault};
use panvault_store_postgres::PostgresStore;
use panvault_testkit::conformance::rows::{self, VAULT, card, card_changed, chain};
use panvault_testkit::conformance::{card_insert, card_update};
use panvault_testkit::servers::Postgres;
use tokio::time::timeout;

use crate::support::{Home, all, block_on, connect, is_done, node, waiting};

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(90);

/// Somebody holds a row and does not let go: a commit that wants it is refused, and no other.
///
/// A statement waited for the row until its connection was given up, was then taken for lost, and sent again and again: nobody was ever
/// answered, and each left a backend that waited. Now the database undoes what waits for too long, and those of a step that was undone go one by one.
#[test]
fn a_row_that_is_held_holds_up_nobody_else() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        let other = home.client().await;
        other.batch_execute("BEGIN; SELECT 1 FROM card FOR UPDATE").await.unwrap();
        // The first goes alone. The others wait meanwhile, and then go together.
        let mut commits = vec![card_update(&card_changed(&card(10)))];
        commits.extend((20..30).map(|n| card_insert(&card(n))));
        commits.push(card_update(&card_changed(&card(10))));
        commits.extend((30..40).map(|n| card_insert(&card(n))));
        let answers = timeout(LONG, all(&store, commits)).await.expect("all are answered");
        for (at, answer) in answers.iter().enumerate() {
            if at == 0 || at == 11 {
                assert_eq!(*answer, Err(StoreFault::Busy), "{at}");
            } else {
                assert!(is_done(answer), "{at}: {answer:?}");
            }
        }
        assert_eq!(waiting(&home), 0, "no backend waits for the row any more");
        other.batch_execute("ROLLBACK").await.unwrap();
        assert!(is_done(&store.commit(card_update(&card_changed(&card(10)))).await));
        assert_eq!(store.audit_read(node(1), 1, 100).await.map(|trail| trail.len()), Ok(22));
    });
}

/// The standby that commits wait for is away: whoever asked is told in time that nobody knows, whoever comes then is refused, and when it is back it
/// is found out what was done, and goes on.
///
/// A step whose fate was unknown and whose place showed nothing was sent again without end, with no fault shown and a backend left behind each time.
#[test]
fn a_standby_that_is_away_is_waited_for_in_time_only() {
    let home = Home::of(Arc::new(Postgres::start()));
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        home.lose_standby().await;
        let lost = timeout(LONG, store.commit(card_insert(&card(11)))).await.expect("it is answered");
        assert_eq!(lost, Err(StoreFault::Unresolved));
        assert_eq!(store.status().fault, Some(StoreFault::Unreachable));
        let refused = timeout(LONG, store.commit(card_insert(&card(12)))).await.expect("it is answered");
        assert_eq!(refused, Err(StoreFault::Unreachable));
        // That of the commit, one that holds its place against it, and those whose connections were just given up.
        assert!(waiting(&home) <= 6, "{} backends wait", waiting(&home));
        home.standby_back();
        let resolved = async {
            while store.status().fault.is_some() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, resolved).await.expect("it is found out");
        assert!(is_done(&store.commit(card_insert(&card(12))).await));
        let cards: usize = home.sql("SELECT count(*) FROM card").parse().unwrap();
        assert_eq!(store.audit_read(node(1), 1, 10).await.map(|trail| trail.len()), Ok(cards));
    });
}

/// However long a step takes, no more wait than may: the engine took everything out of the bounded queue at every step.
#[test]
fn the_queue_has_its_bound_at_every_step() {
    let home = Home::new();
    block_on(async {
        drop(home.connect().await);
        let database = connect(&home.database, 1).await;
        let store = PostgresStore::open(database, chain(VAULT), node(1)).await.unwrap();
        for n in [10, 11] {
            assert!(is_done(&store.commit(card_insert(&card(n))).await));
        }
        let holders = [home.client().await, home.client().await];
        for (holder, n) in holders.iter().zip([10, 11]) {
            let id = hex::encode(card(n).id.as_bytes());
            let hold = format!("BEGIN; SELECT 1 FROM card WHERE id = '\\x{id}' FOR UPDATE");
            holder.batch_execute(&hold).await.unwrap();
        }
        let held: Vec<_> = [10, 11].map(|n| store.commit(card_update(&card_changed(&card(n))))).into();
        let mut taken = Vec::new();
        let fill = |taken: &mut Vec<_>| {
            let before = taken.len();
            while store.status().waiting < panvault_store_postgres::limits::QUEUE_COMMITS_MAX {
                taken.push(store.commit(card_insert(&card(1_000 + taken.len() as u64))));
            }
            taken.len() - before
        };
        let first = fill(&mut taken);
        assert!(first > 4_000, "{first}");
        holders[0].batch_execute("COMMIT").await.unwrap();
        let mut held = held.into_iter();
        assert!(is_done(&held.next().unwrap().await));
        while waiting(&home) == 0 {
            tokio::task::yield_now().await;
        }
        let more = fill(&mut taken);
        assert!(more < 1_000, "{more} more were taken");
        holders[1].batch_execute("COMMIT").await.unwrap();
        assert!(is_done(&held.next().unwrap().await));
    });
}

/// The bug: a node whose commits stood in line could not renew its lease, and told the trail of each renewal. Its cause: a renewal was a commit like any other. Its
/// cure: it is a statement of its own, beside them.
#[test]
fn a_lease_is_renewed_while_commits_wait() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        let (row, next) = (rows::node(1, 1), rows::node(1, 2));
        let begun = Commit { effects: vec![row.clone().into()], ..card_insert(&card(11)) };
        assert!(is_done(&store.commit(begun).await));
        let other = home.client().await;
        other.batch_execute("BEGIN; SELECT 1 FROM card FOR UPDATE").await.unwrap();
        let held = store.commit(card_update(&card_changed(&card(10))));
        while waiting(&home) == 0 {
            tokio::task::yield_now().await;
        }
        let more: Vec<_> = (100..600).map(|n| store.commit(card_insert(&card(n)))).collect();
        assert_eq!(store.node_renew(next.clone(), 1).await, Ok(true));
        assert!(store.status().waiting > 0, "the commits still wait");
        assert_eq!(store.node_read_all().await, Ok(vec![Arc::new(next)]));
        other.batch_execute("ROLLBACK").await.unwrap();
        assert!(is_done(&held.await));
        for commit in more {
            assert!(is_done(&commit.await));
        }
        assert_eq!(store.audit_read(node(1), 1, 1_000).await.map(|trail| trail.len()), Ok(503));
    });
}

/// Whoever asks again and again while the standby is away leaves no backend behind for each time.
#[test]
fn renewals_that_are_not_answered_do_not_pile_up() {
    let home = Home::of(Arc::new(Postgres::start()));
    block_on(async {
        let store = home.open_as(node(1)).await;
        let begun = Commit { effects: vec![rows::node(1, 1).into()], ..card_insert(&card(11)) };
        assert!(is_done(&store.commit(begun).await));
        home.lose_standby().await;
        let lost = timeout(LONG, store.node_renew(rows::node(1, 2), 1)).await.expect("it is answered");
        assert_eq!(lost, Err(StoreFault::Unresolved));
        while waiting(&home) > 0 {
            tokio::task::yield_now().await;
        }
        home.standby_back();
    });
}
