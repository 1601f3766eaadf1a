use std::sync::Arc;

use panvault_store::CvvStore;
use panvault_store_redis::RedisCvvs;
use panvault_testkit::TestClock;
use panvault_testkit::conformance::{
    CvvJudged, cvv_cases, cvv_model, room_ends_at, room_is_shared, room_of_browsers_is_their_own,
};
use panvault_testkit::servers::{Redis, RedisKind, RedisOptions};

use crate::support::{block_on, connected_by, settings};

const SEEDS: u64 = 30;

/// An empty store on a server that others have used.
async fn made(server: &Redis, held_max: u64) -> (RedisCvvs, Arc<TestClock>) {
    server.command(&["FLUSHDB"]);
    let clock = Arc::new(TestClock::new());
    let settings = panvault_store_redis::RedisSettings { held_max, ..settings(&server.url()) };
    (connected_by(&settings, &clock).await, clock)
}

fn start(kind: RedisKind) -> Redis {
    Redis::start(RedisOptions { kind, ..RedisOptions::default() })
}

#[test]
fn cvvs_on_a_server_conform() {
    for kind in RedisKind::ALL {
        let server = start(kind);
        for (name, case) in cvv_cases() {
            println!("{kind:?}: {name}");
            block_on(async {
                let (store, clock) = made(&server, 1000).await;
                case(CvvJudged { store: &store, clock: &clock }).await;
                assert!(store.is_shared());
            });
        }
    }
}

#[test]
fn room_on_a_server_is_shared_out() {
    RedisKind::ALL.into_iter().for_each(room_is_shared_out_on);
}

fn room_is_shared_out_on(kind: RedisKind) {
    let server = start(kind);
    block_on(async {
        for held_max in [2, 3, 10] {
            let (store, clock) = made(&server, held_max).await;
            room_ends_at(CvvJudged { store: &store, clock: &clock }, held_max).await;
        }
        for held_max in [4, 5, 64] {
            let (store, clock) = made(&server, held_max).await;
            room_is_shared(CvvJudged { store: &store, clock: &clock }, held_max).await;
        }
        for held_max in [8, 64] {
            let (store, clock) = made(&server, held_max).await;
            room_of_browsers_is_their_own(CvvJudged { store: &store, clock: &clock }, held_max).await;
        }
    });
}

/// Each seed is a history of its own; a failure prints its seed.
#[test]
fn whatever_a_network_does_a_cvv_goes_out_once() {
    for kind in RedisKind::ALL {
        let server = start(kind);
        for seed in 0..SEEDS {
            println!("{kind:?}");
            block_on(async {
                let (store, clock) = made(&server, 1000).await;
                cvv_model(Arc::new(store), &clock, seed).await;
            });
        }
    }
}
