//! What comes late.

use panvault_store::limits::CVV_REQUEST_SECONDS;

use crate::conformance::cvv::{CvvCase, CvvJudged, Got, cvv, judged_cases};

pub(super) const CASES: &[CvvCase] = judged_cases! {
    a_greater_number_replaces_a_lesser_one
    a_lesser_number_that_comes_late_is_refused
    a_number_comes_once
    a_clear_ends_up_to_its_number
    a_clear_without_a_number_ends_what_is_there
    a_mark_is_kept_for_a_request
};

async fn a_greater_number_replaces_a_lesser_one(judged: CvvJudged<'_>) {
    assert!(judged.hold(1, cvv(7, 60)).await);
    assert!(judged.hold(2, cvv(8, 90)).await);
    assert_eq!(judged.store.counts().held, 1);
    judged.pass(60);
    assert_eq!(judged.shown().await.map(|shown| (shown.number, shown.remaining_millis)), Some((2, 30_000)));
    assert_eq!(judged.claim(1).await, Got::Taken(8));
}

/// A CVV that was used forgot which number it had, so that a lesser one that arrived late was held in its stead. What is
/// used is now remembered for as long as what is cleared.
async fn a_lesser_number_that_comes_late_is_refused(judged: CvvJudged<'_>) {
    assert!(judged.hold(5, cvv(8, 600)).await);
    assert!(!judged.hold(4, cvv(7, 600)).await);
    judged.clear(3).await;
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.as_bytes()[0], 8, "after a hold");
    assert!(!judged.hold(4, cvv(7, 600)).await);
    assert_eq!(judged.claim(2).await, Got::Nothing, "after a claim");
    judged.discard(claim).await;
    assert!(!judged.hold(4, cvv(7, 600)).await);
    assert_eq!(judged.claim(2).await, Got::Nothing, "after use");
    judged.clear(7).await;
    assert!(!judged.hold(6, cvv(7, 600)).await);
    assert!(!judged.hold(7, cvv(7, 600)).await);
    assert_eq!(judged.claim(2).await, Got::Nothing, "after a clear");
    judged.clear_now().await;
    assert!(!judged.hold(7, cvv(7, 600)).await);
    assert_eq!(judged.claim(2).await, Got::Nothing, "after a clear without a number");
    assert!(judged.hold(8, cvv(9, 600)).await);
    assert_eq!(judged.claim(2).await, Got::Taken(9));
}

/// A hold whose delivery is repeated says whether its CVV is there, and changes nothing.
async fn a_number_comes_once(judged: CvvJudged<'_>) {
    assert!(judged.hold(5, cvv(8, 60)).await);
    judged.pass(10);
    assert!(judged.hold(5, cvv(8, 60)).await);
    assert_eq!(judged.shown().await.map(|shown| shown.remaining_millis), Some(50_000));
    let claim = judged.taken(1).await;
    assert!(!judged.hold(5, cvv(8, 60)).await);
    assert_eq!(judged.claim(2).await, Got::Nothing);
    judged.put_back(claim).await;
    assert!(judged.hold(5, cvv(8, 60)).await);
    assert_eq!(judged.claim(2).await, Got::Taken(8));
    assert_eq!(judged.counts(), [0, 2, 1, 0]);
}

async fn a_clear_ends_up_to_its_number(judged: CvvJudged<'_>) {
    judged.hold(5, cvv(7, 60)).await;
    judged.clear(4).await;
    assert_eq!(judged.shown().await.map(|shown| shown.number), Some(5));
    judged.clear(5).await;
    assert_eq!(judged.shown().await, None);
    judged.hold(6, cvv(7, 60)).await;
    judged.clear(9).await;
    assert_eq!(judged.shown().await, None);
    assert!(!judged.hold(9, cvv(7, 60)).await);
    assert!(judged.hold(10, cvv(8, 60)).await);
    // A lesser one is not told of a greater claim either.
    let claim = judged.taken(1).await;
    judged.clear(9).await;
    judged.put_back(claim).await;
    assert_eq!(judged.claim(2).await, Got::Taken(8));
}

/// Before a commit its number is not known; what it brings is held when it is done.
async fn a_clear_without_a_number_ends_what_is_there(judged: CvvJudged<'_>) {
    judged.clear_now().await;
    judged.hold(5, cvv(7, 60)).await;
    judged.clear_now().await;
    judged.clear_now().await;
    assert_eq!(judged.shown().await, None);
    assert!(!judged.hold(5, cvv(7, 60)).await);
    assert!(judged.hold(6, cvv(8, 60)).await);
    assert_eq!(judged.claim(1).await, Got::Taken(8));
    assert_eq!(judged.counts(), [0, 1, 0, 0]);
}

/// A CVV of a few seconds was forgotten with its time, and a repeat of its hold, on its way for longer than that, held it
/// anew. The number is kept for as long as a request may be on its way.
async fn a_mark_is_kept_for_a_request(judged: CvvJudged<'_>) {
    judged.hold(5, cvv(7, 3)).await;
    judged.pass(CVV_REQUEST_SECONDS - 1);
    judged.store.cvv_sweep().await.unwrap();
    assert!(!judged.hold(5, cvv(7, 3)).await, "its time is up");
    assert_eq!(judged.claim(1).await, Got::Nothing);
    judged.clear(6).await;
    judged.pass(CVV_REQUEST_SECONDS - 1);
    judged.store.cvv_sweep().await.unwrap();
    assert!(!judged.hold(6, cvv(7, 60)).await, "cleared");
    judged.hold(7, cvv(7, 60)).await;
    let claim = judged.taken(1).await;
    judged.discard(claim).await;
    judged.pass(CVV_REQUEST_SECONDS - 1);
    judged.store.cvv_sweep().await.unwrap();
    assert!(!judged.hold(7, cvv(7, 60)).await, "used");
    // One that was held for long is followed by a mark all the same.
    judged.hold(8, cvv(8, 3600)).await;
    judged.pass(3599);
    assert_eq!(judged.claim(2).await, Got::Taken(8));
    judged.pass(CVV_REQUEST_SECONDS - 1);
    assert!(!judged.hold(8, cvv(7, 60)).await, "used at last");
    assert_eq!(judged.store.counts().held, 0);
}
