//! Servers that end, stand still, or were never there.

use core::task::Poll;

use panvault_store::{CvvFault, CvvStore};
use panvault_store_redis::{RedisCvvs, RedisState};
use panvault_testkit::servers::{Redis, RedisOptions};

use crate::proxy::Proxy;
use crate::support::{block_on, card, claim, connected, hold, is_ready, settings};

async fn is_unreachable(cvvs: &RedisCvvs) {
    cvvs.wait_for(|state| state == RedisState::Unreachable).await;
}

#[test]
fn a_server_that_ends_is_out_of_reach_and_comes_back_empty() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let cvvs = connected(&server.url()).await;
        for round in 1..=3 {
            assert_eq!(hold(&cvvs, 1, round, 7).await, Ok(true));
            server.crash();
            assert_eq!(hold(&cvvs, 1, 10 + round, 7).await, Err(CvvFault::Unavailable));
            assert_eq!(claim(&cvvs, 1, 1).await, Err(CvvFault::Unavailable));
            assert_eq!(cvvs.cvv_read(card(1)).await, Err(CvvFault::Unavailable));
            assert_eq!(cvvs.cvv_admits().await, Err(CvvFault::Unavailable));
            is_unreachable(&cvvs).await;
            server.start_again();
            is_ready(&cvvs).await;
            assert_eq!(cvvs.cvv_admits().await, Ok(()), "what was said while it was away is not said again");
            assert_eq!(claim(&cvvs, 1, 1).await, Ok(None), "what was held is gone");
            assert_eq!(cvvs.counts().held, 0);
        }
    });
    let names: Vec<_> = std::fs::read_dir(server.data()).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
}

/// A node that starts while the server is away starts.
#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    let server = Redis::start(RedisOptions::default());
    server.crash();
    block_on(async {
        let cvvs = RedisCvvs::connect(&settings(&server.url())).await.unwrap();
        is_unreachable(&cvvs).await;
        assert_eq!(claim(&cvvs, 1, 1).await, Err(CvvFault::Unavailable));
        server.start_again();
        is_ready(&cvvs).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
    });
}

/// It takes connections and answers nothing: requests end all the same, and what was asked before is there once it goes on.
#[test]
fn a_server_that_stands_still_is_out_of_reach() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        assert_eq!(hold(&cvvs, 2, 1, 8).await, Ok(true));
        server.pause();
        assert_eq!(claim(&cvvs, 1, 1).await, Err(CvvFault::Unavailable));
        is_unreachable(&cvvs).await;
        server.resume();
        is_ready(&cvvs).await;
        // The claim was delivered. Its ticket alone gets the CVV.
        assert_eq!(claim(&cvvs, 1, 2).await, Ok(None));
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(Some(7)));
        assert_eq!(claim(&cvvs, 2, 3).await, Ok(Some(8)));
    });
}

/// A card that came with a CVV asked the server by itself whether it is there, before it was written: a script for each card, which took as much of the server as
/// holding the CVV. All who ask at the same time now share one question, that is sent after they have asked.
#[test]
fn whether_it_is_reached_is_asked_once_for_many() {
    const ASK: usize = 64;
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let cvvs = connected(&server.url()).await;
        let scripts = || -> u64 {
            let stats = server.command(&["INFO", "commandstats"]);
            let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
            calls.and_then(|calls| calls.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
        };
        let before = scripts();
        let mut all: Vec<_> = (0..ASK).map(|_| Box::pin(cvvs.cvv_admits())).collect();
        std::future::poll_fn(|context| {
            all.retain_mut(|one| match one.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    assert_eq!(answer, Ok(()));
                    false
                }
                Poll::Pending => true,
            });
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // The link looks at the server once a second by a script, too, and a machine that has much to do takes seconds.
        let asked = scripts() - before;
        assert!((1..ASK as u64 / 2).contains(&asked), "{asked} scripts for {ASK} who ask");
        // The answer from before is not that of who asks later.
        server.crash();
        assert_eq!(cvvs.cvv_admits().await, Err(CvvFault::Unavailable));
    });
}

/// Of a claim whose answer is lost nobody knows whether it was done: it is, once, for who asks again with its ticket.
#[test]
fn a_claim_whose_answer_is_lost_is_its_tickets() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let proxy = Proxy::start(server.port()).await;
        let cvvs = connected(&proxy.url()).await;
        for round in 1..=10 {
            assert_eq!(hold(&cvvs, 1, u64::from(round), round).await, Ok(true));
            proxy.cut_before_answer();
            assert_eq!(claim(&cvvs, 1, round).await, Err(CvvFault::Unavailable));
            is_ready(&cvvs).await;
            assert_eq!(claim(&cvvs, 1, 100 + round).await, Ok(None), "round {round}");
            assert_eq!(claim(&cvvs, 1, round).await, Ok(Some(round)), "round {round}");
        }
    });
}
