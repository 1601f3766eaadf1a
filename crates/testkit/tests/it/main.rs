//! The conformance suite on the stores in memory, which are its specification.

#![cfg(test)]

use panvault_model::{CardId, Now, Sealed};
use panvault_store::{CvvStore, HeldCvv, MemoryCvvs, MemoryStore};
use panvault_testkit::conformance::rows::{at, id, organisation};
use panvault_testkit::conformance::{cvv_cases, room_ends_at, room_is_shared, store_cases};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn the_store_in_memory_conforms() {
    for (name, case) in store_cases() {
        println!("{name}");
        block_on(case(&MemoryStore::new()));
    }
}

#[test]
fn cvvs_in_memory_conform() {
    for (name, case) in cvv_cases() {
        println!("{name}");
        block_on(case(&MemoryCvvs::new(1000)));
    }
    for held_max in [2, 3, 10] {
        block_on(room_ends_at(&MemoryCvvs::new(held_max), held_max));
    }
    for held_max in [4, 5, 64] {
        block_on(room_is_shared(&MemoryCvvs::new(held_max), held_max));
    }
}

/// The suite asks from one thread; here many claim at the same moment.
#[test]
fn of_claims_from_many_threads_one_gets_the_cvv() {
    let cvvs = MemoryCvvs::new(1000);
    let (card, now) = (CardId(id(1)), Now { wall: at(0), monotonic_millis: 0 });
    for round in 1..=200 {
        let cvv = HeldCvv { sealed: Sealed::from_bytes([7]), expires_at: at(60), deadline_millis: 60_000 };
        block_on(cvvs.cvv_hold(card, organisation(1), round, cvv, now)).unwrap();
        let start = std::sync::Barrier::new(8);
        let claims: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        usize::from(block_on(cvvs.cvv_claim(card, now)).unwrap().is_some())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(claims, 1, "round {round}");
    }
}
