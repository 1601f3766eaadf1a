use std::sync::Arc;
use std::sync::atomic::Ordering;

use panvault_store::checkpoint::TrailMark;
use panvault_store::{Outcome, Store, StoreFault};
use panvault_store_postgres::PostgresStore;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{Turning, VAULT, card};

use crate::support::{Home, all, block_on, is_done, node};

async fn open_with(home: &Home, chain: &Arc<Turning>, n: u64) -> PostgresStore {
    PostgresStore::open(home.connect().await, Arc::clone(chain) as _, node(n)).await.unwrap()
}

/// The audit trail is a chain: what is changed in it, or taken out of it, shows.
#[test]
fn a_trail_that_was_changed_is_not_believed() {
    for (change, what) in [
        (
            "UPDATE audit SET notes = set_byte(notes, 20, 9) WHERE place = 2",
            "changed from outside: a step is not what its tag says",
        ),
        (
            "UPDATE audit SET tag = (SELECT tag FROM audit WHERE place = 1) WHERE place = 2",
            "a step is not what its tag says",
        ),
        ("DELETE FROM audit WHERE place = 2", "steps are missing"),
        ("UPDATE audit SET count = 0, notes = '' WHERE place = 2", "steps are missing"),
    ] {
        let home = Home::new();
        block_on(async {
            let store = home.open_as(node(1)).await;
            for n in 10..13 {
                assert!(is_done(&store.commit(card_insert(&card(n))).await));
            }
            assert_eq!(store.audit_read(node(1), 1, 10).await.map(|trail| trail.len()), Ok(3));
            assert_eq!(store.audit_ends(vec![node(2), node(1)]).await, Ok(vec![0, 3]));
            home.sql(change);
            let Err(StoreFault::Read(said)) = store.audit_read(node(1), 1, 10).await else {
                panic!("{change}")
            };
            assert!(said.contains(what), "{change}: {said}");
        });
    }
}

/// A database that was put back to an older state is another one: nothing is written behind what is not there.
#[test]
fn a_database_that_lost_a_step_is_not_written_to() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        assert!(all(&store, vec![card_insert(&card(10)), card_insert(&card(11))]).await.iter().all(is_done));
        home.sql("DELETE FROM audit WHERE place = (SELECT max(place) FROM audit); DELETE FROM card");
        for n in 12..14 {
            assert_eq!(store.commit(card_insert(&card(n))).await, Err(StoreFault::Stopped));
        }
        assert_eq!(home.sql("SELECT count(*) FROM card"), "0");
        assert_eq!(store.status().fault, Some(StoreFault::Stopped));
        let other = home.open_as(node(2)).await;
        assert_eq!(
            other.commit(card_insert(&card(10))).await,
            Ok(Outcome::Done { order: 1 }),
            "another node goes on"
        );
    });
}

/// A node that goes on under its name goes on with its chain.
#[test]
fn a_chain_goes_on_where_it_ended() {
    let home = Home::new();
    block_on(async {
        for n in 0..3 {
            let store = home.open_as(node(1)).await;
            assert_eq!(store.status().sequence, n * 2);
            for row in [card(10 + n * 2), card(11 + n * 2)] {
                assert!(is_done(&store.commit(card_insert(&row)).await));
            }
            store.close().await.unwrap();
            assert_eq!(store.commit(card_insert(&card(90))).await, Err(StoreFault::Stopped));
        }
        let store = home.open_as(node(2)).await;
        let places: Vec<u64> =
            store.audit_read(node(1), 2, 4).await.unwrap().into_iter().map(|record| record.place).collect();
        assert_eq!(places, [2, 3, 4, 5]);
        assert_eq!(store.audit_writers().await, Ok(vec![node(1)]));
    });
}

/// A chain goes on under a later key, and not back: who has stolen the one before makes nothing behind it. A node that does not have the later one says so.
#[test]
fn a_chain_goes_on_under_a_later_key_and_not_back() {
    let (home, chain) = (Home::new(), Turning::new(VAULT, [1, 1, 2]));
    block_on(async {
        let store = open_with(&home, &chain, 1).await;
        assert!(is_done(&store.commit(card_insert(&card(10))).await));
        chain.active.store(2, Ordering::Relaxed);
        assert!(is_done(&store.commit(card_insert(&card(11))).await));
        store.close().await.unwrap();
        // One that has not heard which is active goes on where the chain has come.
        let behind = Turning::new(VAULT, [1, 1, 2]);
        let store = open_with(&home, &behind, 1).await;
        assert!(is_done(&store.commit(card_insert(&card(12))).await));
        assert_eq!(store.audit_read(node(1), 1, 10).await.map(|trail| trail.len()), Ok(3));
        store.close().await.unwrap();
        let away = open_with(&home, &Turning::new(VAULT, [1, 1, 1]), 2).await;
        let Err(StoreFault::Read(said)) = away.audit_read(node(1), 1, 10).await else { panic!() };
        assert!(said.contains("a key that this node does not have"), "{said}");
        behind.goes_back.store(true, Ordering::Relaxed);
        let thief = open_with(&home, &behind, 1).await;
        assert!(is_done(&thief.commit(card_insert(&card(13))).await));
        let store = open_with(&home, &chain, 3).await;
        assert_eq!(store.audit_read(node(1), 1, 3).await.map(|trail| trail.len()), Ok(3));
        let Err(StoreFault::Read(said)) = store.audit_read(node(1), 1, 10).await else { panic!() };
        assert!(said.contains("a step is not what its tag says"), "{said}");
    });
}

/// The last step of a node that is no more is chained anew, where it is what its tag says: so the key that chained it can go.
#[test]
fn the_last_step_of_a_chain_that_is_over_is_given_to_the_key_of_now() {
    let (home, chain) = (Home::new(), Turning::new(VAULT, [1, 1, 2]));
    block_on(async {
        for n in [1, 2] {
            let store = open_with(&home, &chain, n).await;
            for nth in 0..3 {
                assert!(is_done(&store.commit(card_insert(&card(n * 10 + nth))).await));
            }
            store.close().await.unwrap();
        }
        chain.active.store(2, Ordering::Relaxed);
        let store = open_with(&home, &chain, 3).await;
        let away = open_with(&home, &chain, 1).await;
        assert_eq!(store.chain_key(node(3), 1).await, Ok(None));
        assert_eq!(store.chain_key(node(1), 1).await, Ok(Some(1)));
        let marks = store.audit_marks(vec![(node(1), u64::MAX), (node(2), 3), (node(3), 1)]).await.unwrap();
        let [of_one, of_two, none] = marks[..] else { panic!() };
        assert_eq!((of_one.place, of_two.place, none), (3, 3, TrailMark::NONE));
        assert_eq!(store.chain_renewed(node(1), 1, of_one).await, Ok(None), "there are three");
        assert_eq!(store.chain_renewed(node(1), 3, of_two).await, Ok(None), "it has another tag");
        home.sql(&format!(
            "UPDATE audit SET notes = set_byte(notes, 20, 9) WHERE place = 3 AND writer = '\\x{}'",
            node(2)
        ));
        let Err(StoreFault::Read(said)) = store.chain_renewed(node(2), 3, of_two).await else { panic!() };
        assert!(said.contains("a step is not what its tag says"), "{said}");
        let next = store.chain_renewed(node(1), 3, of_one).await.unwrap().unwrap();
        assert_eq!(store.chain_retag(node(1), of_one, next).await, Ok(false), "it may go on");
        assert_eq!(store.audit_close(node(1), 2).await, Ok(false), "it has gone on");
        assert_eq!(store.audit_close(node(1), 3).await, Ok(true));
        assert_eq!(store.audit_close(node(1), 3).await, Ok(true), "once more");
        assert_eq!(store.chain_retag(node(1), of_two, next).await, Ok(false), "it has another tag");
        assert_eq!(store.chain_retag(node(1), of_one, next).await, Ok(true));
        assert_eq!(store.chain_retag(node(1), of_one, next).await, Ok(false), "it is done");
        assert_eq!(store.chain_key(node(1), 3).await, Ok(Some(2)));
        assert_eq!(away.commit(card_insert(&card(50))).await, Err(StoreFault::Stopped), "its place is taken");
        chain.first.store(2, Ordering::Relaxed);
        assert_eq!(store.audit_read(node(1), 3, 10).await.map(|trail| trail.len()), Ok(1));
        assert!(
            store.audit_read(node(1), 2, 10).await.is_err(),
            "what comes before is under the key that is gone"
        );
    });
}
