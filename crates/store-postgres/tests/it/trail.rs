use panvault_store::{Outcome, Store, StoreFault};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;

use crate::support::{Home, all, block_on, is_done, node};

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
