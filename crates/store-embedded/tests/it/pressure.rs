//! More work than the disk can do.

use std::sync::{Arc, Condvar, Mutex};

use panvault_store::{Store, StoreFault};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, card, chain};

use crate::support::{Home, all_of, block_on, done, settings};
use crate::watched::{Call, Watched};

const QUEUE: usize = 50;
const ASKED: u64 = 10_000;

/// What is too much is refused at once and changes nothing; what was accepted is done, and then there is room again.
#[test]
fn the_excess_is_refused_and_what_was_accepted_is_done() {
    let home = Home::new();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let door = Arc::clone(&gate);
    let files = Watched::new(move |call, thread| {
        if call == Call::Flush && thread == "panvault-writer" {
            let open = door.0.lock().unwrap();
            drop(door.1.wait_while(open, |open| !*open).unwrap());
        }
        Ok(())
    });
    let settings = Settings { queue_steps_max: QUEUE, ..settings() };
    let store = EmbeddedStore::open_with(home.path(), VAULT, chain(VAULT), settings, files).unwrap();
    let first = store.commit(card_insert(&card(0)));
    // The writer has it, and waits for the disk.
    while store.status().waiting > 0 {
        std::thread::yield_now();
    }
    let asked: Vec<_> = (1..=ASKED).map(|n| (n, store.commit(card_insert(&card(n))))).collect();
    assert_eq!(store.status().waiting, QUEUE);
    block_on(async {
        let asked_for = asked.len();
        let (mut accepted, mut refused) = (Vec::new(), 0);
        for (n, answer) in asked {
            if n <= QUEUE as u64 {
                accepted.push(answer);
            } else {
                assert_eq!(answer.await, Err(StoreFault::Busy), "the disk has not answered yet");
                refused += 1;
            }
        }
        assert_eq!(accepted.len() + refused, asked_for);
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        done(first.await.unwrap());
        for answer in accepted {
            done(answer.await.unwrap());
        }
        assert_eq!(all_of(&store).await.cards.len(), 1 + QUEUE);
        done(store.commit(card_insert(&card(ASKED + 1))).await.unwrap());
        assert_eq!(store.status().fault, None);
    });
}
