//! A server whose memory is full.

use panvault_store::{CvvFault, CvvStore};
use panvault_testkit::conformance::rows::servers_of;
use panvault_testkit::servers::{Redis, RedisKind, RedisOptions};

use crate::support::{block_on, card, claim, connected, cvv, hold};

/// It admits no other CVV. What ends one or uses it needs no memory, and is done: a server that is full takes no payment that it could not take otherwise. Nor
/// does what was admitted before it was full, for its card is stored by then.
#[test]
fn a_full_server_holds_no_more_and_ends_what_it_has() {
    RedisKind::ALL.into_iter().for_each(a_full_one_holds_no_more);
}

fn a_full_one_holds_no_more(kind: RedisKind) {
    let server = Redis::start(RedisOptions { kind, ..RedisOptions::default() });
    block_on(async {
        let cvvs = connected(&server.url()).await;
        for n in 1..=4 {
            assert_eq!(hold(&cvvs, n, 1, 7).await, Ok(true));
        }
        server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
        assert_eq!(cvvs.cvv_admits().await, Err(CvvFault::NoRoom));
        assert_eq!(hold(&cvvs, 9, 1, 7).await, Ok(true), "it was admitted");
        assert_eq!(hold(&cvvs, 1, 2, 8).await, Ok(true));
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(Some(8)));
        assert_eq!(claim(&cvvs, 2, 1).await, Ok(Some(7)));
        let panvault_store::CvvClaimed::Taken(claimed) =
            cvvs.cvv_claim(card(3), crate::support::ticket(1), None).await.unwrap()
        else {
            panic!("not taken")
        };
        cvvs.cvv_put_back(claimed).await.unwrap();
        assert_eq!(claim(&cvvs, 3, 2).await, Ok(Some(7)), "put back");
        cvvs.cvv_clear(card(4), 5).await.unwrap();
        assert_eq!(cvvs.cvv_read_many((1..=4).map(card).collect()).await, Ok(vec![None; 4]));
        cvvs.cvv_sweep().await.unwrap();
        assert_eq!(cvvs.cvv_admits().await, Err(CvvFault::NoRoom));
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(cvvs.cvv_admits().await, Ok(()), "by itself");
        assert_eq!(hold(&cvvs, 4, 5, 7).await, Ok(false), "its number was told");
        assert_eq!(hold(&cvvs, 9, 2, 7).await, Ok(true));
    });
}

/// What a CVV takes of a server's memory.
#[test]
fn a_held_cvv_takes_little() {
    const COUNT: u64 = 20_000;
    let server = Redis::start(RedisOptions::default());
    let settings = panvault_store_redis::RedisSettings {
        held_max: 10 * COUNT,
        ..crate::support::settings(&server.url())
    };
    let used = || {
        let info = server.command(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    block_on(async {
        let cvvs = panvault_store_redis::RedisCvvs::connect(&settings).await.unwrap();
        let before = used();
        for n in 0..COUNT {
            assert_eq!(cvvs.cvv_hold(card(n), servers_of(n % 100), 1, cvv(7)).await, Ok(true));
        }
        let each = (used() - before) / COUNT;
        println!("{each} bytes a CVV");
        assert!(each <= panvault_store_redis::limits::CVV_SERVER_BYTES, "{each} bytes");
        assert_eq!(cvvs.counts().held, COUNT);
    });
}
