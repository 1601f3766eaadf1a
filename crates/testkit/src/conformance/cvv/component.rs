//! What CVVs are sealed with, where nodes share them.

use core::num::NonZeroU32;

use panvault_model::{SEALED_CVV_BLOCK_BYTES, SealedCvvBlock};
use panvault_store::limits::{CVV_KEY_COMPONENT_KEPT_SECONDS, CVV_KEY_COMPONENT_SECONDS};
use panvault_store::{CvvFault, CvvKeyComponent, HeldCvv};

use crate::conformance::cvv::{CvvCase, CvvJudged, Got, card, cvv, judged_cases};
use crate::conformance::rows::servers_of;

pub(super) const CASES: &[CvvCase] = judged_cases! {
    a_component_is_current_for_an_hour
    an_earlier_component_is_there_as_long_as_its_cvvs
    an_offer_with_a_number_that_is_taken_is_none
    the_hour_may_change_between_hold_and_claim
    what_no_component_opens_is_not_held
    a_component_that_goes_takes_its_cvvs_along
};

/// What a node offers: a number that was drawn, and bytes that were.
fn offer(n: u8) -> CvvKeyComponent {
    CvvKeyComponent::new(number(n), [n; 32].into())
}

fn number(n: u8) -> NonZeroU32 {
    NonZeroU32::new(u32::from(n)).unwrap()
}

/// A CVV that was sealed with this component.
fn sealed_with(n: u8, seconds: u64) -> HeldCvv {
    let sealed = SealedCvvBlock::new(Some(number(n)), [n; SEALED_CVV_BLOCK_BYTES]);
    HeldCvv { sealed, ..cvv(n, seconds) }
}

impl CvvJudged<'_> {
    /// The current component, and milliseconds that are left of its time.
    async fn current(&self, offered: u8) -> (u8, u64) {
        let current = self.store.cvv_key_current(offer(offered)).await.unwrap();
        let [n, ..] = *current.component.as_bytes();
        assert!(current.component.number() == number(n) && *current.component.as_bytes() == [n; 32]);
        (n, current.remaining_millis)
    }

    /// Whether there is this component.
    async fn has(&self, n: u8) -> bool {
        let found = self.store.cvv_key_component(number(n)).await.unwrap();
        found.is_some_and(|found| found.number() == number(n) && *found.as_bytes() == [n; 32])
    }

    async fn hold_sealed(&self, card_number: u64, number: u64, cvv: HeldCvv) -> Result<bool, CvvFault> {
        self.store.cvv_hold(card(card_number), servers_of(1), number, cvv).await
    }
}

async fn a_component_is_current_for_an_hour(judged: CvvJudged<'_>) {
    let hour = CVV_KEY_COMPONENT_SECONDS * 1000;
    assert!(!judged.has(7).await);
    assert_eq!(judged.current(7).await, (7, hour));
    assert_eq!(judged.current(8).await, (7, hour), "another node is told the same");
    judged.clock.pass_millis(hour - 1);
    assert_eq!(judged.current(9).await, (7, 1));
    assert!(!judged.has(8).await && !judged.has(9).await, "what was not taken is not kept");
    judged.clock.pass_millis(1);
    assert_eq!(judged.current(10).await, (10, hour));
    // The calendar is no matter of a store's.
    judged.clock.wall_back_millis(86_400_000);
    assert_eq!(judged.current(11).await, (10, hour));
}

async fn an_earlier_component_is_there_as_long_as_its_cvvs(judged: CvvJudged<'_>) {
    judged.current(7).await;
    judged.pass(CVV_KEY_COMPONENT_SECONDS);
    judged.current(8).await;
    assert!(judged.has(7).await && judged.has(8).await);
    judged.pass(CVV_KEY_COMPONENT_KEPT_SECONDS - CVV_KEY_COMPONENT_SECONDS - 1);
    assert!(judged.has(7).await);
    judged.pass(1);
    assert!(!judged.has(7).await && judged.has(8).await, "also if nothing sweeps");
}

async fn an_offer_with_a_number_that_is_taken_is_none(judged: CvvJudged<'_>) {
    judged.current(7).await;
    assert_eq!(judged.current(7).await.0, 7);
    judged.pass(CVV_KEY_COMPONENT_SECONDS);
    let again = judged.store.cvv_key_current(offer(7)).await;
    assert_eq!(again.err(), Some(CvvFault::Unavailable), "its time would begin anew");
    assert_eq!(judged.current(8).await.0, 8);
}

async fn the_hour_may_change_between_hold_and_claim(judged: CvvJudged<'_>) {
    judged.current(7).await;
    judged.pass(CVV_KEY_COMPONENT_SECONDS - 1);
    assert!(judged.hold(1, sealed_with(7, 600)).await);
    judged.pass(1);
    judged.current(8).await;
    // Of a node that has not asked again.
    assert_eq!(judged.hold_sealed(2, 1, sealed_with(7, 600)).await, Ok(true));
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.component(), Some(number(7)), "a claim says what opens it");
    judged.put_back(claim).await;
    assert_eq!(judged.taken(2).await.cvv.sealed.component(), Some(number(7)));
    assert!(judged.hold(2, sealed_with(8, 600)).await);
    assert_eq!(judged.taken(3).await.cvv.sealed.component(), Some(number(8)));
}

async fn what_no_component_opens_is_not_held(judged: CvvJudged<'_>) {
    judged.current(7).await;
    assert!(judged.hold(1, sealed_with(7, 60)).await);
    assert_eq!(judged.hold_sealed(1, 2, sealed_with(8, 60)).await, Err(CvvFault::ComponentGone));
    assert_eq!(judged.shown().await, None, "what was to be replaced is ended");
    assert_eq!(judged.claim(1).await, Got::Nothing);
    assert!(!judged.hold(2, sealed_with(7, 60)).await, "its number is the mark");
    assert_eq!(judged.hold_sealed(1, 3, sealed_with(8, 0)).await, Ok(false), "what is over needs none");
    assert!(judged.hold(4, sealed_with(7, 60)).await);
    assert_eq!(judged.counts()[0], 1);
}

/// None that keeps to the limits is held so long: a cache may lose what it has.
async fn a_component_that_goes_takes_its_cvvs_along(judged: CvvJudged<'_>) {
    judged.current(7).await;
    let seconds = 2 * CVV_KEY_COMPONENT_KEPT_SECONDS;
    for n in 1..=3 {
        assert_eq!(judged.hold_sealed(n, 1, sealed_with(7, seconds)).await, Ok(true));
    }
    judged.pass(CVV_KEY_COMPONENT_KEPT_SECONDS - 1);
    let claim = judged.taken(1).await;
    judged.pass(1);
    judged.put_back(claim).await;
    assert_eq!(judged.shown().await, None);
    let shown = judged.store.cvv_read_many(vec![card(1), card(2), card(3)]).await.unwrap();
    assert_eq!(shown, [None, None, None]);
    assert_eq!(judged.claim(2).await, Got::Nothing);
    judged.store.cvv_sweep().await.unwrap();
    assert_eq!(judged.counts()[0], 0);
}
