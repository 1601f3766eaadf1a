//! Threads of the store that end otherwise than planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panvault_store::{Store, StoreFault};
use panvault_store_embedded::EmbeddedStore;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;

use crate::support::{Home, LEADER, all_of, block_on, led};
use crate::watched::Watched;

/// The machine's files, at one call of which a thread panics.
fn panicking(thread: &'static str, at: usize) -> Arc<Watched> {
    let calls = AtomicUsize::new(0);
    Watched::new(move |_, caller| {
        assert!(caller != thread || calls.fetch_add(1, Ordering::SeqCst) != at, "injected");
        Ok(())
    })
}

/// Stores cards until the store has ended, and says how many were acknowledged.
async fn until_ended(store: EmbeddedStore) -> u64 {
    for n in 10.. {
        match store.commit(card_insert(&card(n))).await {
            Ok(_) => {}
            Err(fault) => {
                assert_eq!(fault, StoreFault::Stopped);
                store.stopped().await;
                assert_eq!(store.status().fault, Some(StoreFault::Stopped));
                assert_eq!(store.commit(card_insert(&card(n + 1))).await, Err(StoreFault::Stopped));
                assert_eq!(
                    store.close().await,
                    Err(StoreFault::Stopped),
                    "so that the process ends with a failure"
                );
                return n - 10;
            }
        }
    }
    unreachable!("it takes cards for ever")
}

/// The bug: a panic in the thread that commits left a vault that said that it was ready, answered nothing and could not be stopped; one
/// in the thread that applies ended the process with 0. Its cause: nobody looked at how threads end. Its cure: one that ends
/// otherwise than planned ends the store.
#[test]
fn a_thread_that_panics_ends_the_store() {
    let applier = ("panvault-applier", 0);
    let spare = [("panvault-spare", 0), ("panvault-spare", 2)];
    let committing = [("panvault-writer", 0), ("panvault-writer", 1), ("panvault-writer", 6)];
    for (thread, at) in committing.into_iter().chain(spare).chain([applier]) {
        let home = Home::new();
        let store = home.open_with(panicking(thread, at)).unwrap();
        let acknowledged = block_on(until_ended(store));
        assert_kept(&home, acknowledged, thread);
    }
    for at in [1, 4] {
        let home = Home::new();
        let store = home.open_with(panicking(LEADER, at)).unwrap();
        let acknowledged = led(until_ended(store));
        assert_kept(&home, acknowledged, LEADER);
    }
}

/// All that was acknowledged is there at the next start, and at most one step more.
fn assert_kept(home: &Home, acknowledged: u64, thread: &str) {
    let there = block_on(async { all_of(&home.open()).await }).cards.len() as u64;
    assert!((acknowledged..=acknowledged + 1).contains(&there), "{thread}: {there} of {acknowledged}");
    assert_eq!(home.examine().findings, [], "{thread}");
}

/// The control: as many steps without a panic are taken, and the end is in order.
#[test]
fn without_a_panic_the_store_goes_on() {
    let home = Home::new();
    block_on(async {
        let store = home.open_with(panicking("nobody", 0)).unwrap();
        for n in 10..40 {
            store.commit(card_insert(&card(n))).await.unwrap();
        }
        assert_eq!(store.status().fault, None);
        assert_eq!(store.close().await, Ok(()));
    });
}
