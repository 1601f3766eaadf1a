//! What a processor takes and says later, and what it calls what it did.

use std::borrow::Cow;

use panvault_model::{
    ActionState, CvvResult, RecurringType, RefundStatus, TransactionAction, TransactionStatus,
};
use panvault_processor::{Reply, Sent, Verdict};
use panvault_vault::limits::{ASK_AGAIN_SECONDS, PROCESSOR_SECONDS_MAX};
use panvault_vault::{NewRefund, NewTransaction, VaultError};

use crate::assert_refused;
use crate::world::{Shop, World, new_transaction};

fn said(verdict: Verdict, reference: &str) -> Sent {
    Sent::Answered(Reply {
        verdict,
        reason_code: "00".to_owned(),
        status_reason: None,
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        authorization_code: None,
        reference: Some(reference.to_owned()),
        network_transaction_id: Some("MDS0000001".to_owned()),
    })
}

const CANNOT_TELL: Sent = Sent::Unknown { reason: Cow::Borrowed("it cannot tell") };

/// All three names, and each act is told by those that were said before it.
#[tokio::test]
async fn what_an_acquirer_calls_things_is_kept_and_said_back_to_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.processors.answer([
        said(Verdict::Approved, "pay_1"),
        said(Verdict::Declined, "cap_1"),
        CANNOT_TELL,
        said(Verdict::Approved, "cap_2"),
    ]);
    let paid = world.paid(&shop, "order", false).await;
    assert_eq!(paid.processor_reference.as_deref(), Some("pay_1"));
    assert_eq!(paid.network_transaction_id.as_deref(), Some("MDS0000001"));
    let declined = world.act(&shop, paid.id, TransactionAction::Capture, None).await.unwrap();
    assert_eq!(declined.act_reference.as_deref(), Some("cap_1"));
    assert_eq!(world.processors.last_follow_up().reference.as_deref(), Some("pay_1"));
    let unknown = world.act(&shop, paid.id, TransactionAction::Capture, None).await.unwrap();
    assert_eq!((unknown.state, unknown.act_reference.as_deref()), (ActionState::ToAsk, None));
    assert!(unknown.version > declined.version, "no two acts have one number");
    world.vault.sweep().await.unwrap();
    let told = world.read(&shop, paid.id).await;
    assert_eq!(
        (told.status, told.act_reference.as_deref()),
        (TransactionStatus::SettlementRequested, Some("cap_2"))
    );
    assert_eq!(told.processor_reference.as_deref(), Some("pay_1"));
    world.settle().await;
    world.processors.answer([said(Verdict::Pending, "ref_1"), said(Verdict::Approved, "ref_1")]);
    let refund = world.refund(&shop, paid.id, REFUND).await.unwrap();
    assert_eq!(refund.processor_reference.as_deref(), Some("ref_1"));
    assert_eq!(world.processors.last_follow_up().reference.as_deref(), Some("pay_1"));
    world.clock.pass_millis(ASK_AGAIN_SECONDS[0] * 1_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.processors.last_follow_up().act_reference.as_deref(), Some("ref_1"));
    assert_eq!(world.refund_read(&shop, refund.id).await.state, ActionState::Approved);
}

/// It goes out with its CVV, which is gone then, and stands as pending until the processor has made up its mind.
#[tokio::test]
async fn what_is_taken_and_said_later_is_pending_until_then() {
    for (verdict, status) in [
        (Verdict::Approved, TransactionStatus::SettlementRequested),
        (Verdict::Declined, TransactionStatus::Declined),
    ] {
        let world = World::new().await;
        let shop = world.shop(None).await;
        world.processors.answer([
            said(Verdict::Pending, "pay_1"),
            said(Verdict::Pending, "pay_1"),
            CANNOT_TELL,
        ]);
        let taken = world.paid(&shop, "order", true).await;
        assert_eq!((taken.status, taken.state), (TransactionStatus::Pending, ActionState::Awaited));
        assert!(taken.cvv_present && !world.holds_cvv(&shop, taken.card).await);
        assert!(world.act(&shop, taken.id, TransactionAction::Void, None).await.is_err());
        world.vault.sweep().await.unwrap();
        assert_eq!(world.read(&shop, taken.id).await, taken, "it is not asked at once");
        for asks in 1..=2 {
            world.clock.pass_millis(ASK_AGAIN_SECONDS[usize::from(asks) - 1] * 1_000);
            world.vault.sweep().await.unwrap();
            let still = world.read(&shop, taken.id).await;
            assert_eq!((still.status, still.asks), (TransactionStatus::Pending, asks));
            assert_eq!(still.updated_at, taken.updated_at, "nothing has changed");
        }
        world.processors.answer([said(verdict, "pay_1")]);
        world.clock.pass_millis(ASK_AGAIN_SECONDS[2] * 1_000);
        world.vault.sweep().await.unwrap();
        let told = world.read(&shop, taken.id).await;
        assert_eq!((told.status, told.is_open()), (status, false));
    }
}

/// Where the processor says it by itself, and cannot be asked.
#[tokio::test]
async fn what_comes_by_itself_is_not_asked_for() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.processors.answer([said(Verdict::Pending, "pay_1")]);
    world.processors.can_be_asked(false);
    let taken = world.paid(&shop, "order", true).await;
    assert_eq!((taken.state, taken.is_open()), (ActionState::Awaited, false));
    world.clock.pass_millis(ASK_AGAIN_SECONDS[11] * 1_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, taken.id).await, taken);
    assert_eq!(world.processors.follow_ups(), 0);
}

/// Also by a node that begins anew, for what is kept says how often and when.
#[tokio::test]
async fn who_cannot_tell_is_asked_less_and_less_often_and_then_left_to_people() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    world.processors.answer([CANNOT_TELL]);
    let paid = world.paid(&shop, "order", true).await;
    let refunded = world.completed(&shop).await;
    world.processors.answer([CANNOT_TELL]);
    let refund = world.refund(&shop, refunded.id, REFUND).await.unwrap();
    assert_eq!((paid.state, refund.state), (ActionState::ToAsk, ActionState::ToAsk));
    let before = world.processors.follow_ups();
    for asks in 1..=ASK_AGAIN_SECONDS.len() {
        world.processors.answer([CANNOT_TELL, CANNOT_TELL]);
        world.vault.sweep().await.unwrap();
        assert_eq!(world.processors.follow_ups(), before + 2 * asks);
        world.vault.sweep().await.unwrap();
        assert_eq!(world.processors.follow_ups(), before + 2 * asks, "not before its time");
        if asks == 3 {
            world.reopen().await.unwrap();
        }
        let wait = ASK_AGAIN_SECONDS.get(asks).copied().unwrap_or(0);
        world.clock.pass_millis(wait * 1_000);
    }
    let (paid, refund) = (world.read(&shop, paid.id).await, world.refund_read(&shop, refund.id).await);
    assert_eq!(
        (paid.status, paid.state, paid.ask_at),
        (TransactionStatus::Unknown, ActionState::Unknown, None)
    );
    assert_eq!(
        (refund.status, refund.state, refund.ask_at),
        (RefundStatus::Pending, ActionState::Unknown, None)
    );
    world.clock.pass_millis(ASK_AGAIN_SECONDS[11] * 1_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.processors.follow_ups(), before + 2 * ASK_AGAIN_SECONDS.len());
}

/// It may not have come there yet.
#[tokio::test]
async fn never_heard_of_it_settles_nothing_before_the_time_of_the_processor_is_over() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.processors.answer([CANNOT_TELL]);
    let paid = world.paid(&shop, "order", true).await;
    world.processors.answer([said(Verdict::Failed, "none")]);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, paid.id).await, paid);
    world.clock.pass_millis(PROCESSOR_SECONDS_MAX * 1_000);
    world.processors.answer([said(Verdict::Failed, "none")]);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, paid.id).await.status, TransactionStatus::Failed);
}

/// By the card, in the organisation of the account alone; and what a 3-D Secure has shown goes along.
#[tokio::test]
async fn a_later_payment_of_a_series_names_its_first() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let pay = async |shop: &Shop, card, recurring_type, extras: &[(&str, &str)]| {
        let extras = extras.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let new = NewTransaction { recurring_type, extras, ..new_transaction(shop.account, card, 1_000) };
        world.vault.transaction_create(&world.permit(&shop.key), new, None).await.map(|done| done.value)
    };
    let eci = ("threed_authentication.eci_flag", "05");
    world.processors.answer([said(Verdict::Approved, "pay_1")]);
    pay(&shop, card, Some(RecurringType::First), &[eci]).await.unwrap();
    let first = world.processors.last_order();
    assert_eq!(first.network_transaction_id, None);
    assert_eq!(first.threed_authentication.map(|result| result.eci).as_deref(), Some("05"));
    // One that nobody has named does not hide it.
    pay(&shop, card, Some(RecurringType::First), &[]).await.unwrap();
    pay(&shop, card, Some(RecurringType::Repeat), &[]).await.unwrap();
    let repeat = world.processors.last_order();
    assert_eq!(repeat.network_transaction_id.as_deref(), Some("MDS0000001"));
    assert_eq!(repeat.threed_authentication, None);
    pay(&shop, card, None, &[]).await.unwrap();
    assert_eq!(world.processors.last_order().network_transaction_id, None, "no series");
    let other = world.card(&shop).await;
    pay(&shop, other, Some(RecurringType::Repeat), &[]).await.unwrap();
    assert_eq!(world.processors.last_order().network_transaction_id, None, "of another card");
    let wrong = pay(&shop, card, None, &[("threed_authentication.eci_flag", "5")]).await;
    assert_refused!(wrong, VaultError::Faults(_));
}

const REFUND: NewRefund = NewRefund { amount: None, reason: None, merchant_reference: None };
