//! Who gets a CVV, and what becomes of it then.

use panvault_store::limits::{CVV_CLAIMS_MAX, CVV_REQUEST_SECONDS};
use panvault_store::{CvvClaim, CvvClaimed};

use crate::conformance::cvv::{CvvCase, CvvJudged, Got, again, card, cvv, digest, judged_cases, ticket};
use crate::conformance::rows::{at, servers_of};

pub(super) const CASES: &[CvvCase] = judged_cases! {
    what_is_held_is_claimed
    of_many_claims_one_gets_it
    a_claim_that_is_repeated_gets_the_same
    a_repeat_gets_nothing_once_its_cvv_is_gone
    a_twin_is_told_from_a_stranger
    a_twin_is_known_whatever_becomes_of_the_cvv
    what_is_put_back_is_held_as_before
    what_was_replaced_is_not_put_back
    what_was_cleared_is_not_put_back
    what_was_discarded_is_not_put_back
    cards_do_not_meet
};

async fn what_is_held_is_claimed(judged: CvvJudged<'_>) {
    assert_eq!(judged.claim(1).await, Got::Nothing);
    assert_eq!(judged.shown().await, None);
    assert!(judged.hold(5, cvv(7, 60)).await);
    judged.pass(1);
    let shown = judged.shown().await.unwrap();
    assert_eq!((shown.number, shown.expires_at, shown.remaining_millis), (5, at(60), 59_000));
    judged.pass(1);
    let CvvClaim { card: of, ticket: by, number, cvv } = judged.taken(2).await;
    assert_eq!((of, by, number, cvv.sealed.as_bytes()[0]), (card(1), ticket(2), 5, 7));
    assert_eq!((cvv.expires_at, cvv.remaining_millis), (at(60), 58_000));
    assert_eq!(judged.shown().await, None);
    assert_eq!(judged.claim(3).await, Got::Nothing);
    judged.discard(judged.taken(2).await).await;
    assert_eq!(judged.claim(3).await, Got::Nothing);
    assert_eq!(judged.counts(), [0, 1, 0, 0]);
}

async fn of_many_claims_one_gets_it(judged: CvvJudged<'_>) {
    for round in 1..=20 {
        judged.hold(round, cvv(7, 60)).await;
        let asked: Vec<_> = (0..100).map(|n| judged.store.cvv_claim(card(1), ticket(n), digest(n))).collect();
        let mut taken = 0;
        for answer in asked {
            taken += usize::from(matches!(answer.await.unwrap(), CvvClaimed::Taken(_)));
        }
        assert_eq!(taken, 1, "round {round}");
        judged.pass(CVV_REQUEST_SECONDS);
    }
}

/// The answer to a claim may be lost, and the request asks again.
async fn a_claim_that_is_repeated_gets_the_same(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    let first = judged.taken(1).await;
    assert_eq!(judged.claim(2).await, Got::Nothing);
    judged.pass(20);
    let second = judged.taken(1).await;
    assert_eq!((first.number, second.number), (1, 1));
    assert_eq!((first.cvv.remaining_millis, second.cvv.remaining_millis), (60_000, 40_000));
    assert_eq!(second.cvv.sealed.as_bytes()[0], 7);
    assert_eq!(judged.claim(2).await, Got::Nothing);
    // Either answer ends it, once.
    judged.put_back(first).await;
    judged.put_back(second).await;
    assert_eq!(judged.counts(), [1, 1, 1, 0]);
    assert_eq!(judged.claim(2).await, Got::Taken(7));
}

/// A repeat that comes when its request has gone on would take a CVV that nobody uses.
async fn a_repeat_gets_nothing_once_its_cvv_is_gone(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 600)).await;
    let first = judged.taken(1).await;
    judged.put_back(again(&first)).await;
    assert_eq!(judged.claim(1).await, Got::Nothing, "put back");
    let second = judged.taken(2).await;
    assert_eq!(judged.claim(1).await, Got::Nothing, "claimed by another since");
    judged.put_back(first).await;
    assert_eq!(judged.shown().await, None, "and the other's is not put back by it");
    judged.put_back(second).await;
    assert_eq!(judged.claim(1).await, Got::Nothing, "given back by another since");
    let third = judged.taken(3).await;
    judged.discard(third).await;
    assert_eq!(judged.claim(3).await, Got::Nothing, "discarded");
    for (number, ended) in [(2, "cleared"), (3, "replaced"), (4, "cleared now")] {
        let by = u8::try_from(number).unwrap() * 10;
        judged.hold(number * 10, cvv(8, 600)).await;
        assert_eq!(judged.claim(by).await, Got::Taken(8));
        match number {
            2 => judged.clear(number * 10).await,
            3 => assert!(judged.hold(number * 10 + 1, cvv(9, 600)).await),
            _ => judged.clear_now().await,
        }
        assert_eq!(judged.claim(by).await, Got::Nothing, "{ended}");
    }
    judged.hold(50, cvv(9, 30)).await;
    assert_eq!(judged.claim(50).await, Got::Taken(9));
    judged.pass(30);
    assert_eq!(judged.claim(50).await, Got::Nothing, "its time is up");
}

async fn a_twin_is_told_from_a_stranger(judged: CvvJudged<'_>) {
    assert_eq!(judged.claim_of(1, digest(1)).await, Got::Nothing);
    judged.hold(1, cvv(7, 600)).await;
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Taken(7), "the first found none, and left nothing");
    assert_eq!(judged.claim_of(3, digest(1)).await, Got::Twin);
    assert_eq!(judged.claim_of(4, digest(2)).await, Got::Nothing);
    assert_eq!(judged.claim(5).await, Got::Nothing);
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Taken(7), "the one that has it");
    judged.pass(CVV_REQUEST_SECONDS - 1);
    assert_eq!(judged.claim_of(3, digest(1)).await, Got::Twin);
    judged.pass(1);
    assert_eq!(judged.claim_of(3, digest(1)).await, Got::Nothing);
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Nothing, "its request is over");
}

async fn a_twin_is_known_whatever_becomes_of_the_cvv(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 600)).await;
    let CvvClaimed::Taken(claim) = judged.claimed(1, digest(1)).await else { panic!("not taken") };
    judged.discard(claim).await;
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Twin, "discarded");
    judged.clear(2).await;
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Twin, "cleared");
    judged.hold(3, cvv(8, 600)).await;
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Twin, "another is held");
    let CvvClaimed::Taken(claim) = judged.claimed(3, digest(3)).await else { panic!("not taken") };
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Twin, "another is claimed");
    judged.put_back(claim).await;
    assert_eq!(judged.claim_of(4, digest(3)).await, Got::Taken(8), "who gave it back makes no twins");
    assert_eq!(judged.claim_of(2, digest(1)).await, Got::Twin);
    for (number, by) in (4..).zip(10..).take(CVV_CLAIMS_MAX) {
        judged.hold(number, cvv(9, 600)).await;
        assert_eq!(judged.claim_of(by, digest(by)).await, Got::Taken(9));
    }
    assert_eq!(judged.claim_of(99, digest(10)).await, Got::Twin, "so many are remembered");
    assert_eq!(judged.claim_of(99, digest(1)).await, Got::Nothing, "and no more");
}

async fn what_is_put_back_is_held_as_before(judged: CvvJudged<'_>) {
    judged.hold(5, cvv(7, 60)).await;
    judged.pass(30);
    let claim = judged.taken(1).await;
    judged.pass(20);
    judged.put_back(claim).await;
    let shown = judged.shown().await.unwrap();
    assert_eq!((shown.number, shown.expires_at, shown.remaining_millis), (5, at(60), 10_000));
    assert!(!judged.hold(4, cvv(6, 600)).await);
    judged.pass(9);
    let claim = judged.taken(2).await;
    assert_eq!((claim.number, claim.cvv.sealed.as_bytes()[0]), (5, 7));
    judged.put_back(claim).await;
    judged.pass(1);
    assert_eq!(judged.claim(3).await, Got::Nothing);
    assert_eq!(judged.counts(), [0, 2, 2, 1]);
}

async fn what_was_replaced_is_not_put_back(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    let first = judged.taken(1).await;
    judged.hold(2, cvv(8, 60)).await;
    judged.put_back(again(&first)).await;
    let second = judged.taken(2).await;
    assert_eq!(second.cvv.sealed.as_bytes()[0], 8);
    judged.put_back(first).await;
    assert_eq!(judged.claim(3).await, Got::Nothing);
    // Neither ends the other's: the first claim of a card is not the second.
    judged.hold(3, cvv(9, 60)).await;
    judged.discard(second).await;
    assert_eq!(judged.claim(3).await, Got::Taken(9));
    assert_eq!(judged.counts(), [0, 3, 0, 0]);
}

async fn what_was_cleared_is_not_put_back(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    let claim = judged.taken(1).await;
    judged.clear(1).await;
    judged.put_back(claim).await;
    assert_eq!(judged.claim(2).await, Got::Nothing);
    judged.hold(3, cvv(8, 60)).await;
    let claim = judged.taken(3).await;
    judged.clear_now().await;
    judged.put_back(claim).await;
    assert_eq!(judged.claim(4).await, Got::Nothing);
    assert_eq!(judged.counts(), [0, 2, 0, 0]);
}

async fn what_was_discarded_is_not_put_back(judged: CvvJudged<'_>) {
    judged.hold(1, cvv(7, 60)).await;
    let claim = judged.taken(1).await;
    judged.discard(again(&claim)).await;
    judged.discard(again(&claim)).await;
    judged.put_back(claim).await;
    assert_eq!(judged.claim(2).await, Got::Nothing);
}

async fn cards_do_not_meet(judged: CvvJudged<'_>) {
    for n in 1..=3 {
        let mark = u8::try_from(n).unwrap();
        judged.store.cvv_hold(card(n), servers_of(1), n, cvv(mark, 60)).await.unwrap();
    }
    judged.store.cvv_clear(card(2), 10).await.unwrap();
    let cards = vec![card(3), card(2), card(9), card(1)];
    let shown = judged.store.cvv_read_many(cards).await.unwrap();
    assert_eq!(
        shown.iter().map(|shown| shown.map(|shown| shown.number)).collect::<Vec<_>>(),
        [Some(3), None, None, Some(1)]
    );
    for (n, got) in [(1, Got::Taken(1)), (2, Got::Nothing), (3, Got::Taken(3))] {
        let claimed = judged.store.cvv_claim(card(n), ticket(1), digest(1)).await.unwrap();
        assert_eq!(Got::from(&claimed), got, "card {n}");
    }
}
