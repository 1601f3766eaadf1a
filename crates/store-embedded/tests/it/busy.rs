//! Another process that writes to the view.

use panvault_store::{Store, StoreFault};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;

use crate::support::{Home, all_of, block_on, done};

/// Waits until lists are refused, for what they miss cannot be carried into the view.
async fn held_up(store: &dyn Store) {
    while store.audit_read(store.audit_writers().await.unwrap()[0], 1, 10).await != Err(StoreFault::Busy) {
        tokio::task::yield_now().await;
    }
}

/// The bug: any process that held `BEGIN IMMEDIATE` on the view for five seconds ended the server. Its cause: that was taken for a write
/// that failed. Its cure: it is waited for.
#[test]
fn another_that_writes_to_the_view_is_waited_for() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let other = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        for n in [10, 20] {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            done(store.commit(card_insert(&card(n))).await.unwrap());
            held_up(&store).await;
            // All else goes on.
            assert_eq!(store.status().fault, None);
            done(store.commit(card_insert(&card(n + 1))).await.unwrap());
            assert_eq!(store.card_read(card(n).id).await.unwrap().as_deref(), Some(&card(n)));
            assert_eq!(store.status().behind, 2);
            other.execute_batch("ROLLBACK").unwrap();
            while store.status().behind > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(all_of(&store).await.cards.len() as u64, n / 5);
        }
        assert_eq!(store.close().await, Ok(()));
    });
    assert_eq!(home.examine().findings, []);
}

/// What the view could not take is in the log, so the end is in order, and the next start has it all.
#[test]
fn the_end_does_not_wait_for_another_that_writes_to_the_view() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let other = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        done(store.commit(card_insert(&card(10))).await.unwrap());
        held_up(&store).await;
        assert_eq!(store.close().await, Ok(()));
        other.execute_batch("ROLLBACK").unwrap();
    });
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 1);
    assert_eq!(home.examine().findings, []);
}
