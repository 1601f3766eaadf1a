use std::sync::Arc;

use panvault_model::{CardId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock};
use panvault_store::{CvvClaimed, CvvFault, CvvStore, CvvTicket, HeldCvv, MemoryCvvs};
use panvault_testkit::conformance::rows::{at, id, servers_of};
use panvault_testkit::conformance::{
    CvvJudged, cvv_cases, cvv_model, room_ends_at, room_is_shared, room_of_browsers_is_their_own,
};
use panvault_testkit::{NetworkCvvs, NetworkFaults, SharedCvvs, TestClock};
use panvault_vault::Clock;

use crate::block_on;

/// A CVV that ends after a minute.
fn cvv() -> HeldCvv {
    let sealed = SealedCvvBlock::new(None, [7; SEALED_CVV_BLOCK_BYTES]);
    HeldCvv { sealed, expires_at: at(60), remaining_millis: 60_000 }
}

/// A store and its clock.
type Made = (Arc<dyn CvvStore>, Arc<TestClock>);

fn in_process(held_max: u64) -> Made {
    let clock = Arc::new(TestClock::new());
    let its = Arc::clone(&clock);
    (Arc::new(MemoryCvvs::new(held_max, move || its.monotonic_millis())), clock)
}

fn shared(held_max: u64) -> Made {
    let store = SharedCvvs::new(held_max);
    let clock = Arc::clone(store.clock());
    (Arc::new(store), clock)
}

/// Over a network that delivers every other request twice at once: the suite sees no difference.
fn twice(held_max: u64) -> Made {
    let (store, clock) = shared(held_max);
    let weather = NetworkFaults { echoed: 50, slow: 50, ..NetworkFaults::default() };
    (Arc::new(NetworkCvvs::new(store, Arc::clone(&clock), weather, 7)), clock)
}

fn conforms(make: fn(u64) -> Made) {
    for (name, case) in cvv_cases() {
        println!("{name}");
        let (store, clock) = make(1000);
        block_on(case(CvvJudged { store: store.as_ref(), clock: &clock }));
    }
}

fn shares_room(make: fn(u64) -> Made) {
    for held_max in [2, 3, 10] {
        let (store, clock) = make(held_max);
        block_on(room_ends_at(CvvJudged { store: store.as_ref(), clock: &clock }, held_max));
    }
    for held_max in [4, 5, 64] {
        let (store, clock) = make(held_max);
        block_on(room_is_shared(CvvJudged { store: store.as_ref(), clock: &clock }, held_max));
    }
    for held_max in [8, 64] {
        let (store, clock) = make(held_max);
        block_on(room_of_browsers_is_their_own(CvvJudged { store: store.as_ref(), clock: &clock }, held_max));
    }
}

#[test]
fn cvvs_in_this_process_conform() {
    conforms(in_process);
    shares_room(in_process);
    assert!(!in_process(1).0.is_shared());
}

#[test]
fn cvvs_that_vaults_share_conform() {
    conforms(shared);
    shares_room(shared);
    assert!(shared(1).0.is_shared());
}

#[test]
fn cvvs_over_a_network_that_repeats_conform() {
    conforms(twice);
}

/// The suite asks from one thread; here many claim at the same moment.
#[test]
fn of_claims_from_many_threads_one_gets_the_cvv() {
    let (cvvs, _) = in_process(1000);
    let card = CardId(id(1));
    for round in 1..=200 {
        assert!(block_on(cvvs.cvv_hold(card, servers_of(1), round, cvv())).unwrap());
        let start = std::sync::Barrier::new(8);
        let claims: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let (cvvs, start) = (&cvvs, &start);
                    scope.spawn(move || {
                        let ticket = CvvTicket::from_bytes((u128::from(round) * 8 + n).to_be_bytes());
                        start.wait();
                        let claimed = block_on(cvvs.cvv_claim(card, ticket, None)).unwrap();
                        usize::from(matches!(claimed, CvvClaimed::Taken(_)))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(claims, 1, "round {round}");
    }
}

/// Each seed is a history of its own; a failure prints its seed.
#[test]
fn whatever_a_network_does_a_cvv_goes_out_once() {
    for seed in 0..300 {
        for make in [in_process, shared] {
            let (store, clock) = make(1000);
            block_on(cvv_model(store, &clock, seed));
        }
    }
}

/// What is done to requests is what was asked for, and the same for the same seed.
#[test]
fn a_network_loses_delays_and_repeats() {
    let (card, its) = (CardId(id(1)), servers_of(1));
    let bad = [
        (NetworkFaults { lost: 100, ..NetworkFaults::default() }, Err(CvvFault::Unavailable), 0),
        (NetworkFaults { unanswered: 100, ..NetworkFaults::default() }, Err(CvvFault::Unavailable), 1),
        (NetworkFaults { late: 100, ..NetworkFaults::default() }, Err(CvvFault::Unavailable), 0),
        (NetworkFaults { echoed: 100, ..NetworkFaults::default() }, Ok(true), 1),
        (NetworkFaults { repeated: 100, slow: 100, ..NetworkFaults::default() }, Ok(true), 1),
    ];
    for (weather, answer, held) in bad {
        let (store, clock) = shared(10);
        let network = NetworkCvvs::new(Arc::clone(&store), clock, weather, 1);
        assert_eq!(block_on(network.cvv_hold(card, its, 1, cvv())), answer, "{weather:?}");
        assert_eq!(store.counts().held, held, "{weather:?}");
    }
    let fates = |seed| {
        let (store, clock) = shared(1000);
        let weather = NetworkFaults { lost: 20, unanswered: 20, late: 20, ..NetworkFaults::default() };
        let network = NetworkCvvs::new(Arc::clone(&store), clock, weather, seed);
        let answers: Vec<_> =
            (1..50).map(|n| block_on(network.cvv_hold(CardId(id(n)), its, n, cvv()))).collect();
        (answers, store.counts().held)
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    let (answers, held) = fates(1);
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(held > u64::try_from(answered).unwrap(), "some arrived whose answer was lost, or late");
}
