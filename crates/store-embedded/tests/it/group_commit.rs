use std::sync::{Arc, Condvar, Mutex};

use panvault_store::Store;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::card;

use crate::support::{Home, LEADER, all_of, block_on, done, led};
use crate::watched::{Call, Watched};

/// Held closed, it keeps whoever comes to it.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn set_open(&self, open: bool) {
        self.state.lock().unwrap().0 = open;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        drop(self.changed.wait_while(state, |(open, _)| !*open).unwrap());
    }

    fn came(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

/// A step that comes alone is written by whoever brings it, and while the disk takes its time over that, other tasks go on even
/// if one thread has all of them.
#[test]
fn a_step_that_comes_alone_holds_up_nobody() {
    let home = Home::new();
    let (gate, leaders) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
    let (door, names) = (Arc::clone(&gate), Arc::clone(&leaders));
    let files = Watched::new(move |call, thread| {
        if call == Call::Flush && [LEADER, "panvault-writer"].contains(&thread) {
            names.lock().unwrap().push(thread.to_owned());
            door.pass();
        }
        Ok(())
    });
    let store = Arc::new(home.open_with(files).unwrap());
    gate.set_open(true);
    led(async move {
        done(store.commit(card_insert(&card(0))).await.unwrap());
        // The writer's thread may still be about to put its commit down.
        let mut led = 0;
        while led == 0 {
            let n = gate.came() as u64;
            done(store.commit(card_insert(&card(n))).await.unwrap());
            led = leaders.lock().unwrap().iter().filter(|name| *name == LEADER).count();
        }
        gate.set_open(false);
        let (n, theirs) = (gate.came(), Arc::clone(&store));
        let slow = tokio::spawn(async move { theirs.commit(card_insert(&card(n as u64))).await });
        while gate.came() == n {
            tokio::task::yield_now().await;
        }
        assert!(store.card_read(card(0).id).await.unwrap().is_some());
        assert!(!slow.is_finished());
        gate.set_open(true);
        done(slow.await.unwrap().unwrap());
    });
}

/// While one step is being flushed, others come in; all of those are then flushed at once.
#[test]
fn what_waits_for_a_flush_shares_the_next() {
    let home = Home::new();
    let gate = Arc::new(Gate::default());
    let door = Arc::clone(&gate);
    let files = Watched::new(move |call, thread| {
        if call == Call::Flush && thread == "panvault-writer" {
            door.pass();
        }
        Ok(())
    });
    let store = home.open_with(files).unwrap();
    let first = store.commit(card_insert(&card(0)));
    while gate.came() == 0 {
        std::thread::yield_now();
    }
    let rest: Vec<_> = (1..=500).map(|n| store.commit(card_insert(&card(n)))).collect();
    assert_eq!(store.status().waiting, 500);
    gate.set_open(true);
    block_on(async {
        done(first.await.unwrap());
        for answer in rest {
            done(answer.await.unwrap());
        }
        assert_eq!(gate.came(), 2);
        let all = all_of(&store).await;
        assert_eq!(all.cards.len(), 501);
        assert!(all.audit.iter().map(|record| record.place).eq(1..=501));
    });
}
