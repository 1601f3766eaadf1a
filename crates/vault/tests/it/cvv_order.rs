//! In which order a change of a card and of its CVV are done: whatever fails between, no CVV is kept that should be gone.

use core::sync::atomic::Ordering;
use core::task::Poll;
use std::pin::pin;

use panvault_model::CardId;
use panvault_store::StoreFault;
use panvault_vault::{CardChange, CardView, CvvChange, VaultError};

use crate::assert_refused;
use crate::intruder::Stop;
use crate::shared::polled;
use crate::world::{Shop, VISA, World, cvv_change, no_change};

/// How a card loses the CVV that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Cleared,
    Replaced,
    Deleted,
}

const ENDED: [Ended; 3] = [Ended::Cleared, Ended::Replaced, Ended::Deleted];

/// Ends a card's CVV; `None` where the card goes with it.
async fn end(world: &World, shop: &Shop, card: CardId, how: Ended) -> Result<Option<CardView>, VaultError> {
    let change = match how {
        Ended::Cleared => CardChange { cvv: CvvChange::Clear, ..no_change() },
        Ended::Replaced => cvv_change("222"),
        Ended::Deleted => {
            return world.vault.card_delete(&world.permit(&shop.key), card).await.map(|()| None);
        }
    };
    let update = world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None);
    update.await.map(|done| Some(done.value))
}

/// The bug: a CVV was ended after the commit that ended it, so that a request that was cut off between the two kept it. Its cause: the
/// number of the commit was waited for. Its cure: it is ended before the commit too, whatever its number is.
#[tokio::test]
async fn a_request_that_is_cut_off_keeps_no_cvv_that_should_be_gone() {
    for how in ENDED {
        for stop in [Stop::BeforeCard, Stop::AfterCard] {
            let world = World::new().await;
            let shop = world.shop(None).await;
            let card = world.card(&shop).await;
            world.store.plot(|plot| plot.stop = Some(stop));
            {
                let mut ending = pin!(end(&world, &shop, card, how));
                core::future::poll_fn(|context| {
                    assert!(ending.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            world.store.leave();
            assert_eq!(world.vault.status().cvvs.held, 0, "{how:?}, {stop:?}");
        }
    }
}

/// A commit that fails may have ended the CVV. It has not brought one.
#[tokio::test]
async fn a_commit_that_fails_keeps_none() {
    for how in ENDED {
        for fault in [StoreFault::Full, StoreFault::Stopped] {
            let world = World::new().await;
            let shop = world.shop(None).await;
            let card = world.card(&shop).await;
            world.store.plot(|plot| plot.card_fault = Some(fault));
            assert_refused!(end(&world, &shop, card, how).await, VaultError::Store(_));
            world.store.leave();
            assert!(!world.holds_cvv(&shop, card).await, "{how:?}, {fault:?}");
        }
    }
}

/// Of two changes the one whose commit came last decides, however late the other holds or ends its CVV: it finds the mark.
#[tokio::test]
async fn what_comes_late_revives_nothing_and_ends_nothing_younger() {
    for (late, early) in [(Ended::Replaced, Ended::Cleared), (Ended::Cleared, Ended::Replaced)] {
        let mut overtaken = 0;
        for steps in 0.. {
            let world = World::new().await;
            let shop = world.shop(None).await;
            let card = world.card(&shop).await;
            let before = world.vault.status().store.sequence;
            world.store.plot(|plot| plot.yields = true);
            world.cvvs.yields.store(true, Ordering::SeqCst);
            let mut running = pin!(end(&world, &shop, card, late));
            if polled(running.as_mut(), steps).await.is_some() {
                break;
            }
            let is_first = world.vault.status().store.sequence > before;
            end(&world, &shop, card, early).await.unwrap();
            let shown = running.await.unwrap().unwrap().cvv_expires_at;
            let last = if is_first { early } else { late };
            let held = world.holds_cvv(&shop, card).await;
            assert_eq!(held, last == Ended::Replaced, "{late:?} stood still at step {steps}");
            if !is_first {
                assert_eq!(shown.is_some(), held && late == Ended::Replaced, "{late:?}, step {steps}");
            }
            overtaken += usize::from(is_first);
        }
        assert!(overtaken > 1, "{late:?} is overtaken behind its commit");
    }
}

/// What is refused before its plan stands has ended nothing.
#[tokio::test]
async fn a_plan_that_does_not_stand_leaves_the_cvv() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let wrong = [
        cvv_change("2222"),
        CardChange { expiry_year: Some(2020), ..cvv_change("222") },
        CardChange { expiry_year: Some(2020), cvv: CvvChange::Clear, ..no_change() },
    ];
    for change in wrong {
        let update = world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None);
        assert_refused!(update.await, VaultError::Faults(_));
    }
    let stranger = world.shop(None).await;
    assert_refused!(end(&world, &stranger, card, Ended::Deleted).await, VaultError::NotFound(_));
    assert!(world.holds_cvv(&shop, card).await);
}

/// The place that holds CVVs is out of reach before anything is written: nothing is.
#[tokio::test]
async fn what_could_not_be_ended_is_an_error_before_the_commit() {
    for how in ENDED {
        let world = World::new().await;
        let shop = world.shop(None).await;
        let card = world.card(&shop).await;
        let before = (world.card_read(&shop, card).await.unwrap(), world.vault.status().store.sequence);
        world.cvvs.away_after(0);
        assert_refused!(end(&world, &shop, card, how).await, VaultError::CvvUnavailable);
        world.cvvs.back();
        let after = world.card_read(&shop, card).await.unwrap();
        assert_eq!((after.row, after.cvv_expires_at), (before.0.row, before.0.cvv_expires_at), "{how:?}");
        assert_eq!(world.vault.status().store.sequence, before.1, "{how:?}");
    }
}

/// The bug: a card's change was durable, and its answer said that the place that holds CVVs was out of reach, as if nothing were done.
/// Its cause: what was asked of that place after the commit was the request's fault too. Its cure: the answer says what is held.
#[tokio::test]
async fn out_of_reach_after_the_commit_is_no_fault_of_the_request() {
    for how in ENDED {
        let world = World::new().await;
        let shop = world.shop(None).await;
        let card = world.card(&shop).await;
        let before = world.vault.status().store.sequence;
        world.cvvs.away_after(1);
        let view = end(&world, &shop, card, how).await.unwrap();
        assert_eq!(view.and_then(|view| view.cvv_expires_at), None, "{how:?}");
        world.cvvs.back();
        assert_eq!(world.vault.status().store.sequence, before + 1, "{how:?}");
        assert_eq!(world.vault.status().cvvs.held, 0, "{how:?}");
    }
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.cvvs.away_after(0);
    let created = world.card_create(&shop, VISA, Some("111")).await.unwrap();
    assert_eq!(created.cvv_expires_at, None);
    world.cvvs.back();
    assert!(!world.holds_cvv(&shop, created.row.id).await);
}
