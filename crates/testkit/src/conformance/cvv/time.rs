//! When a CVV ends.

use panvault_store::limits::CVV_REQUEST_SECONDS;

use crate::conformance::cvv::{CvvCase, CvvJudged, Got, card, cvv, judged_cases, ticket};
use crate::conformance::rows::servers_of;

pub(super) const CASES: &[CvvCase] = judged_cases! {
    time_ends_a_cvv_that_nobody_swept
    a_calendar_that_steps_back_revives_nothing
    a_cvv_that_is_over_ends_the_one_before_it
    what_is_over_is_not_put_back
    a_claim_whose_time_is_up_is_not_put_back
    a_sweep_ends_what_is_over
};

async fn time_ends_a_cvv_that_nobody_swept(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    judged.clock.pass_millis(59_999);
    assert_eq!(judged.shown().await.map(|shown| shown.remaining_millis), Some(1));
    assert!(judged.hold(2, cvv(8, 60)).await);
    judged.clock.pass_millis(60_000);
    assert_eq!(judged.claim(1).await, Got::Nothing);
    judged.hold(3, cvv(9, 60)).await;
    judged.pass(60);
    assert_eq!(judged.shown().await, None);
    assert_eq!(judged.counts(), [0, 0, 0, 2]);
}

/// Nothing looks at the CVV before the calendar is set back.
async fn a_calendar_that_steps_back_revives_nothing(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    judged.clock.pass_millis(60_000);
    judged.clock.wall_back_millis(86_400_000);
    assert_eq!(judged.claim(1).await, Got::Nothing);
    judged.hold(2, cvv(8, 60)).await;
    judged.clock.wall_back_millis(86_400_000);
    assert_eq!(judged.shown().await.map(|shown| shown.remaining_millis), Some(60_000));
    judged.pass(60);
    assert_eq!(judged.shown().await, None);
    assert_eq!(judged.claim(1).await, Got::Nothing);
}

async fn a_cvv_that_is_over_ends_the_one_before_it(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    assert!(!judged.hold(2, cvv(8, 0)).await);
    assert_eq!(judged.claim(1).await, Got::Nothing);
    assert!(!judged.hold(2, cvv(8, 60)).await);
    assert!(judged.hold(3, cvv(9, 60)).await);
}

async fn what_is_over_is_not_put_back(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    judged.pass(59);
    let claim = judged.taken(1).await;
    judged.pass(1);
    judged.put_back(claim).await;
    assert_eq!(judged.shown().await, None);
    assert_eq!(judged.claim(2).await, Got::Nothing);
    assert_eq!(judged.counts(), [0, 1, 0, 1]);
}

async fn a_claim_whose_time_is_up_is_not_put_back(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 3600)).await;
    let claim = judged.taken(1).await;
    judged.pass(CVV_REQUEST_SECONDS - 1);
    judged.put_back(claim).await;
    let claim = judged.taken(2).await;
    assert_eq!(claim.cvv.sealed.as_bytes()[0], 7, "just in time");
    judged.pass(CVV_REQUEST_SECONDS);
    judged.put_back(claim).await;
    assert_eq!(judged.shown().await, None);
    assert_eq!(judged.claim(3).await, Got::Nothing);
    assert_eq!(judged.counts(), [0, 2, 1, 0]);
}

async fn a_sweep_ends_what_is_over(judged: CvvJudged<'_>) {
    let store = judged.store;
    for (n, seconds) in [(1, 10), (2, 20), (3, 30), (4, 10)] {
        store.cvv_hold(card(n), servers_of(1), n, cvv(7, seconds)).await.unwrap();
    }
    store.cvv_claim(card(4), ticket(1), None).await.unwrap();
    judged.pass(20);
    store.cvv_sweep().await.unwrap();
    assert_eq!(judged.counts(), [1, 1, 0, 2]);
    let shown = store.cvv_read_many((1..=4).map(card).collect()).await.unwrap();
    let held: Vec<bool> = shown.iter().map(Option::is_some).collect();
    assert_eq!(held, [false, false, true, false]);
}
