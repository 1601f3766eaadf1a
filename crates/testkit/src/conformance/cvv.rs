use panvault_model::{CardId, Now, OrganisationId, Sealed};
use panvault_store::limits::CVV_CLEARED_SECONDS;
use panvault_store::{Claim, CvvStore, HeldCvv, StoreFault};

use crate::conformance::rows::{at, id, organisation};
use crate::conformance::{CvvCase, cases};

pub(super) const CASES: &[CvvCase] = cases! {
    what_is_held_is_claimed
    of_many_claims_one_gets_it
    a_deadline_binds_by_either_clock
    a_clock_that_steps_back_revives_nothing
    what_is_put_back_has_its_old_deadline
    what_is_over_is_not_put_back
    what_was_replaced_is_not_put_back
    what_was_cleared_is_not_put_back
    a_later_step_replaces_an_earlier_one
    an_earlier_step_that_comes_late_is_refused
    a_cvv_that_is_over_ends_the_one_before_it
    cards_do_not_meet
    a_sweep_ends_what_is_over
};

/// A CVV that ends after so many seconds.
fn cvv(marked: u8, ends: u64) -> HeldCvv {
    HeldCvv { sealed: Sealed::from_bytes([marked]), expires_at: at(ends), deadline_millis: ends * 1000 }
}

/// Both clocks, so many seconds on.
const fn now(seconds: u64) -> Now {
    Now { wall: at(seconds), monotonic_millis: seconds * 1000 }
}

fn card(n: u64) -> CardId {
    CardId(id(n))
}

async fn hold(store: &dyn CvvStore, sequence: u64, cvv: HeldCvv) {
    store.cvv_hold(card(1), organisation(1), sequence, cvv, now(0)).await.unwrap();
}

async fn claim(store: &dyn CvvStore, seconds: u64) -> Option<Claim> {
    store.cvv_claim(card(1), now(seconds)).await.unwrap()
}

/// Held, claimed, put back, expired.
fn counts(store: &dyn CvvStore) -> [u64; 4] {
    let counts = store.counts();
    [counts.held, counts.claimed, counts.put_back, counts.expired]
}

/// Which CVV it is.
fn mark(claim: Option<&Claim>) -> Option<u8> {
    claim.map(|claim| claim.cvv.sealed.as_bytes()[0])
}

async fn what_is_held_is_claimed(store: &dyn CvvStore) {
    assert!(claim(store, 0).await.is_none());
    assert_eq!(store.cvv_expires_at(card(1), now(0)).await, Ok(None));
    hold(store, 1, cvv(7, 60)).await;
    assert_eq!(store.cvv_expires_at(card(1), now(1)).await, Ok(Some(at(60))));
    let claimed = claim(store, 1).await;
    assert_eq!(mark(claimed.as_ref()), Some(7));
    assert_eq!(store.cvv_expires_at(card(1), now(1)).await, Ok(None));
    assert!(claim(store, 1).await.is_none());
    store.cvv_discard(claimed.unwrap()).await.unwrap();
    assert!(claim(store, 1).await.is_none());
    assert_eq!(counts(store), [0, 1, 0, 0]);
}

async fn of_many_claims_one_gets_it(store: &dyn CvvStore) {
    for round in 1..=20 {
        hold(store, round, cvv(7, 60)).await;
        let asked: Vec<_> = (0..100).map(|_| store.cvv_claim(card(1), now(1))).collect();
        let mut claims = Vec::new();
        for answer in asked {
            claims.extend(answer.await.unwrap());
        }
        assert_eq!(claims.len(), 1, "round {round}");
    }
}

async fn a_deadline_binds_by_either_clock(store: &dyn CvvStore) {
    let cases = [
        (now(59), true),
        (now(60), false),
        // The calendar is set ahead, or back.
        (Now { wall: at(60), monotonic_millis: 1000 }, false),
        (Now { wall: at(0), monotonic_millis: 60_000 }, false),
        (Now { wall: at(0), monotonic_millis: 59_999 }, true),
    ];
    for ((now, held), sequence) in cases.into_iter().zip(1..) {
        hold(store, sequence, cvv(7, 60)).await;
        assert_eq!(store.cvv_claim(card(1), now).await.unwrap().is_some(), held, "{now:?}");
        hold(store, sequence, cvv(7, 60)).await;
        let expires_at = store.cvv_expires_at(card(1), now).await.unwrap();
        assert_eq!(expires_at, held.then_some(at(60)), "{now:?}");
    }
}

async fn a_clock_that_steps_back_revives_nothing(store: &dyn CvvStore) {
    let back = Now { wall: at(1), monotonic_millis: 2000 };
    let over = Now { wall: at(60), monotonic_millis: 1000 };
    hold(store, 1, cvv(7, 60)).await;
    assert_eq!(store.cvv_expires_at(card(1), over).await, Ok(None));
    assert!(store.cvv_claim(card(1), back).await.unwrap().is_none(), "seen to be over by a look");
    hold(store, 2, cvv(7, 60)).await;
    assert!(store.cvv_claim(card(1), over).await.unwrap().is_none());
    assert!(store.cvv_claim(card(1), back).await.unwrap().is_none(), "seen to be over by a claim");
    hold(store, 3, cvv(7, 60)).await;
    store.cvv_sweep(over).await.unwrap();
    assert!(store.cvv_claim(card(1), back).await.unwrap().is_none(), "seen to be over by a sweep");
    hold(store, 4, cvv(7, 60)).await;
    let claimed = store.cvv_claim(card(1), now(1)).await.unwrap().unwrap();
    store.cvv_put_back(claimed, over).await.unwrap();
    assert!(store.cvv_claim(card(1), back).await.unwrap().is_none(), "seen to be over when put back");
}

async fn what_is_put_back_has_its_old_deadline(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    let claimed = claim(store, 30).await.unwrap();
    store.cvv_put_back(claimed, now(50)).await.unwrap();
    assert_eq!(store.cvv_expires_at(card(1), now(59)).await, Ok(Some(at(60))));
    let again = claim(store, 59).await;
    assert_eq!(mark(again.as_ref()), Some(7));
    store.cvv_put_back(again.unwrap(), now(59)).await.unwrap();
    assert!(claim(store, 60).await.is_none());
    assert_eq!(counts(store), [0, 2, 2, 1]);
}

async fn what_is_over_is_not_put_back(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    let claimed = claim(store, 59).await.unwrap();
    store.cvv_put_back(claimed, now(60)).await.unwrap();
    assert!(claim(store, 59).await.is_none());
    assert_eq!(counts(store), [0, 1, 0, 1]);
}

async fn what_was_replaced_is_not_put_back(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    let first = claim(store, 1).await.unwrap();
    hold(store, 2, cvv(8, 60)).await;
    store.cvv_put_back(first, now(1)).await.unwrap();
    let second = claim(store, 1).await;
    assert_eq!(mark(second.as_ref()), Some(8));
    assert!(claim(store, 1).await.is_none());
    // Neither ends the other's: the first claim of a card is not the second.
    hold(store, 3, cvv(9, 60)).await;
    store.cvv_discard(second.unwrap()).await.unwrap();
    assert_eq!(mark(claim(store, 1).await.as_ref()), Some(9));
}

async fn what_was_cleared_is_not_put_back(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    let claimed = claim(store, 1).await.unwrap();
    store.cvv_clear(card(1), 2, now(1)).await.unwrap();
    store.cvv_put_back(claimed, now(1)).await.unwrap();
    assert!(claim(store, 1).await.is_none());
    hold(store, 3, cvv(8, 60)).await;
    store.cvv_clear(card(1), 4, now(1)).await.unwrap();
    assert!(claim(store, 1).await.is_none());
    assert_eq!(counts(store), [0, 1, 0, 0]);
}

async fn a_later_step_replaces_an_earlier_one(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    hold(store, 2, cvv(8, 90)).await;
    assert_eq!(store.counts().held, 1);
    assert_eq!(store.cvv_expires_at(card(1), now(60)).await, Ok(Some(at(90))));
    assert_eq!(mark(claim(store, 60).await.as_ref()), Some(8));
}

/// A CVV that was used forgot which step it was of, so that the CVV of an earlier step that arrived late was held in its
/// stead. What is used is now remembered for as long as what is cleared.
async fn an_earlier_step_that_comes_late_is_refused(store: &dyn CvvStore) {
    hold(store, 5, cvv(8, 600)).await;
    hold(store, 4, cvv(7, 600)).await;
    store.cvv_clear(card(1), 3, now(1)).await.unwrap();
    let claimed = claim(store, 1).await;
    assert_eq!(mark(claimed.as_ref()), Some(8), "after a hold");
    hold(store, 4, cvv(7, 600)).await;
    assert!(claim(store, 1).await.is_none(), "after a claim");
    store.cvv_discard(claimed.unwrap()).await.unwrap();
    hold(store, 4, cvv(7, 600)).await;
    assert!(claim(store, 1).await.is_none(), "after use");
    store.cvv_clear(card(1), 7, now(1)).await.unwrap();
    hold(store, 6, cvv(7, 600)).await;
    store.cvv_sweep(now(CVV_CLEARED_SECONDS)).await.unwrap();
    hold(store, 6, cvv(7, 600)).await;
    assert!(claim(store, 2).await.is_none(), "after it was cleared");
    hold(store, 8, cvv(9, 600)).await;
    assert_eq!(mark(claim(store, 2).await.as_ref()), Some(9));
}

/// A CVV whose time was up when it arrived was ignored, and the one that it was to replace stayed. It now ends it.
async fn a_cvv_that_is_over_ends_the_one_before_it(store: &dyn CvvStore) {
    hold(store, 1, cvv(7, 60)).await;
    store.cvv_hold(card(1), organisation(1), 2, cvv(8, 1), now(1)).await.unwrap();
    assert!(claim(store, 1).await.is_none());
    assert_eq!(store.counts().held, 0);
}

async fn cards_do_not_meet(store: &dyn CvvStore) {
    for n in 1..=100_u64 {
        let [.., low] = n.to_be_bytes();
        store.cvv_hold(card(n), organisation(1), n, cvv(low, 60), now(0)).await.unwrap();
    }
    store.cvv_clear(card(50), 101, now(1)).await.unwrap();
    for n in 1..=100_u64 {
        let [.., low] = n.to_be_bytes();
        let claimed = store.cvv_claim(card(n), now(1)).await.unwrap();
        assert_eq!(mark(claimed.as_ref()), (n != 50).then_some(low));
    }
}

async fn a_sweep_ends_what_is_over(store: &dyn CvvStore) {
    for (n, ends) in [(1, 10), (2, 20), (3, 30), (4, 10)] {
        store.cvv_hold(card(n), organisation(1), n, cvv(7, ends), now(0)).await.unwrap();
    }
    let claimed = store.cvv_claim(card(4), now(1)).await.unwrap().unwrap();
    store.cvv_sweep(now(9)).await.unwrap();
    assert_eq!(counts(store), [3, 1, 0, 0]);
    store.cvv_sweep(now(20)).await.unwrap();
    assert_eq!(counts(store), [1, 1, 0, 2]);
    store.cvv_put_back(claimed, now(9)).await.unwrap();
    assert!(store.cvv_claim(card(4), now(9)).await.unwrap().is_none(), "its claim was swept");
    assert!(store.cvv_claim(card(3), now(20)).await.unwrap().is_some());
}

/// A store that takes so many, at least 2, takes no more; and what is replaced needs no room. Each CVV here is of an
/// organisation of its own.
///
/// A CVV that was to replace another was refused when the store was full, and the old one stayed: the next transaction
/// would have gone out with it. It is now replaced; and where a claim was to be replaced and there is no room, that claim
/// no longer comes back.
pub async fn room_ends_at(store: &dyn CvvStore, held_max: u64) {
    let hold =
        |n, sequence, cvv, seconds| store.cvv_hold(card(n), organisation(n), sequence, cvv, now(seconds));
    for n in 1..=held_max {
        assert!(store.cvv_room(organisation(n)));
        hold(n, n, cvv(7, 60), 0).await.unwrap();
    }
    assert_eq!((store.counts().held, store.counts().held_max), (held_max, held_max));
    let sequence = held_max + 1;
    assert!(!store.cvv_room(organisation(1)) && !store.cvv_room(organisation(sequence)));
    assert_eq!(hold(sequence, sequence, cvv(7, 60), 0).await, Err(StoreFault::Busy));
    assert!(store.cvv_claim(card(sequence), now(1)).await.unwrap().is_none());
    hold(1, sequence, cvv(8, 60), 0).await.unwrap();
    let claimed = claim(store, 1).await;
    assert_eq!(mark(claimed.as_ref()), Some(8));
    assert!(store.cvv_room(organisation(1)));
    hold(sequence, sequence, cvv(7, 60), 0).await.unwrap();
    assert_eq!(hold(1, sequence + 1, cvv(9, 60), 1).await, Err(StoreFault::Busy));
    store.cvv_put_back(claimed.unwrap(), now(1)).await.unwrap();
    assert!(claim(store, 1).await.is_none(), "what was to be replaced has come back");
}

/// In a store that takes so many, at least 4, no organisation takes the room of the others.
///
/// One organisation could fill the store, with its browsers' key even, because all took from one room; then nobody else's
/// CVV was held. An organisation now gets as many as there is room left for.
pub async fn room_is_shared(store: &dyn CvvStore, held_max: u64) {
    let (half, rest) = (held_max.div_ceil(2), held_max / 2);
    let first = filled(store, organisation(1), 0).await;
    assert_eq!(first, half, "alone it gets half");
    let second = filled(store, organisation(2), first).await;
    assert_eq!(second, rest.div_ceil(2), "the next one gets half of the rest");
    assert!(store.cvv_room(organisation(3)), "and there is some left");

    let mine = |seconds, sequence, mark| {
        store.cvv_hold(card(1), organisation(1), sequence, cvv(mark, 60), now(seconds))
    };
    mine(1, 1_000, 8).await.unwrap();
    assert!(!store.cvv_room(organisation(1)), "what was replaced took no room");
    let claimed = claim(store, 1).await;
    assert_eq!(mark(claimed.as_ref()), Some(8));
    store.cvv_put_back(claimed.unwrap(), now(1)).await.unwrap();
    assert!(!store.cvv_room(organisation(1)), "what came back takes its room again");
    for n in 1..=first {
        store.cvv_clear(card(n), 2_000, now(1)).await.unwrap();
    }
    assert!(store.cvv_room(organisation(1)) && store.cvv_room(organisation(2)), "what has gone leaves room");
    store.cvv_sweep(now(60)).await.unwrap();
    assert_eq!(store.counts().held, 0);
    assert_eq!(filled(store, organisation(2), 3_000).await, half, "what is over leaves room");
}

/// Holds CVVs of an organisation until there is no room, and says how many.
async fn filled(store: &dyn CvvStore, organisation: OrganisationId, after: u64) -> u64 {
    let mut count = 0;
    loop {
        let n = after + count + 1;
        let room = store.cvv_room(organisation);
        match store.cvv_hold(card(n), organisation, n, cvv(7, 60), now(0)).await {
            Ok(()) => assert!(room, "held without room"),
            Err(fault) => {
                assert_eq!((fault, room), (StoreFault::Busy, false));
                return count;
            }
        }
        count += 1;
    }
}
