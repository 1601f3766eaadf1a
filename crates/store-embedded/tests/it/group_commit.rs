use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use panvault_store::Store;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;

use crate::support::{Home, all_of, block_on, done};
use crate::watched::{Call, Watched};

/// While one step is being flushed, others come in; all of those are then flushed at once.
#[test]
fn what_waits_for_a_flush_shares_the_next() {
    let home = Home::new();
    let (flushes, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new((Mutex::new(false), Condvar::new())));
    let (counted, door) = (Arc::clone(&flushes), Arc::clone(&gate));
    let files = Watched::new(move |call, thread| {
        if call == Call::Flush && thread == "panvault-writer" {
            counted.fetch_add(1, Ordering::SeqCst);
            let open = door.0.lock().unwrap();
            drop(door.1.wait_while(open, |open| !*open).unwrap());
        }
        Ok(())
    });
    let store = home.open_with(files).unwrap();
    let first = store.card_insert(card_insert(&card(0)));
    while flushes.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let rest: Vec<_> = (1..=500).map(|n| store.card_insert(card_insert(&card(n)))).collect();
    assert_eq!(store.status().waiting, 500);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    block_on(async {
        done(first.await.unwrap());
        for answer in rest {
            done(answer.await.unwrap());
        }
        assert_eq!(flushes.load(Ordering::SeqCst), 2);
        let all = all_of(&store).await;
        assert_eq!(all.cards.len(), 501);
        assert!(all.audit.iter().map(|record| record.sequence).eq(1..=501));
    });
}
