//! Requests that are held up on their way.

use std::sync::Arc;

use panvault_store::{CvvFault, CvvStore};
use panvault_testkit::TestClock;
use panvault_testkit::servers::{Redis, RedisOptions};

use crate::proxy::Proxy;
use crate::support::{block_on, card, claim, connected, connected_by, hold, is_ready, settings};

const LATER_MILLIS: u64 = 100_000;

/// What a network holds back arrives when it arrives. A request that came minutes late, when its card's mark was forgotten, would have held a CVV
/// that a later change has ended; it now says until when it counts, and does nothing after that.
#[test]
fn a_request_that_comes_late_does_nothing() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let proxy = Proxy::start(server.port()).await;
        let cvvs = connected(&proxy.url()).await;
        let direct = connected(&server.url()).await;
        assert_eq!(hold(&direct, 2, 1, 7).await, Ok(true));
        let held_back = proxy.hold_back();
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Err(CvvFault::Unavailable));
        assert_eq!(claim(&cvvs, 2, 1).await, Err(CvvFault::Unavailable));
        // Time passes, for the server.
        let now: u64 = server.command(&["GET", "pv:t"]).parse().unwrap();
        server.command(&["SET", "pv:t", &(now + LATER_MILLIS).to_string()]);
        held_back.release().await;
        let direct = connected(&server.url()).await;
        assert_eq!(direct.cvv_read(card(1)).await, Ok(None));
        is_ready(&cvvs).await;
        assert_eq!(hold(&cvvs, 1, 1, 8).await, Ok(true), "not even its number is known");
    });
}

/// A server's calendar may be set back. Its time stands still until that has caught up: what is over stays so.
#[test]
fn a_clock_that_is_set_back_stands_still() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        // As if the calendar had been there, and were set back now.
        let now: u64 = server.command(&["GET", "pv:t"]).parse().unwrap();
        server.command(&["SET", "pv:t", &(now + LATER_MILLIS).to_string()]);
        let direct = connected(&server.url()).await;
        assert_eq!(direct.cvv_read(card(1)).await, Ok(None), "its minute is over");
        assert_eq!(claim(&direct, 1, 1).await, Ok(None));
        assert_eq!(server.command(&["GET", "pv:t"]), (now + LATER_MILLIS).to_string());
        assert_eq!(direct.counts().held, 0);
        assert_eq!(hold(&direct, 1, 2, 8).await, Ok(true));
        let shown = direct.cvv_read(card(1)).await.unwrap().unwrap();
        assert_eq!(shown.remaining_millis, 60_000);
    });
}

/// The bug: a server whose clock was once far ahead kept what was held then until it had caught up, years later. Its cause: its time stood still for however long that
/// took. Its cure: set back by more than ten minutes, it ends all that it holds, and begins anew.
#[test]
fn a_clock_that_was_far_ahead_keeps_nothing() {
    let server = Redis::start(RedisOptions::default());
    let vault = settings(&server.url());
    block_on(async {
        let clock = Arc::new(TestClock::new());
        let right = connected_by(&vault, &clock).await;
        let ahead = Arc::new(TestClock::new());
        ahead.pass_millis(365 * 86_400_000);
        let wrong = connected_by(&vault, &ahead).await;
        assert_eq!(hold(&wrong, 1, 1, 7).await, Ok(true));
        assert_eq!(wrong.counts().held, 1);
        drop(wrong);
        // Set right again. Who asks first, a request or a look, finds it.
        assert!(matches!(right.cvv_read(card(1)).await, Err(CvvFault::Unavailable) | Ok(None)));
        is_ready(&right).await;
        assert_eq!(right.cvv_read(card(1)).await, Ok(None));
        assert_eq!(hold(&right, 1, 2, 8).await, Ok(true));
        assert_eq!(right.counts().held, 1);
        clock.pass_millis(60_001);
        assert_eq!(right.cvv_read(card(1)).await, Ok(None), "time passes");
    });
}
