//! What processors tell by themselves: it settles what is open, once, and nothing else.

use std::borrow::Cow;
use std::sync::Arc;

use panvault_model::{
    ActionState, Amount, ApiKeyId, CvvResult, Id, ProcessorId, TransactionAction, TransactionId,
    TransactionStatus,
};
use panvault_processor::{Notice, Notification, NotificationFault, Reply, Sent, Verdict};
use panvault_store::Store;
use panvault_testkit::operator;
use panvault_vault::{
    Action, AuditList, AuditQuery, AuditRecord, DeliveryQuery, DeliveryRow, GuardSettings, NewRefund,
    NewTransaction, NoticeOutcome, NotificationRefusal, Origin, Permit, RefundRow, TransactionRow, Vault,
    VaultError, VaultParts,
};

use crate::action::amount;
use crate::processors::{OURS, SIGNED};
use crate::route::{AGAIN, Routed, declined, routed};
use crate::shared::polled;
use crate::world::{Shop, World, all, new_transaction};

const REFUND: NewRefund = NewRefund { amount: None, reason: None, merchant_reference: None };

fn said(verdict: Verdict, reference: Option<&str>) -> Sent {
    Sent::Answered(Reply {
        verdict,
        reason_code: "00".to_owned(),
        status_reason: None,
        cvv_result: CvvResult::Matched,
        avs_result: 7,
        authorization_code: Some("072583".to_owned()),
        reference: reference.map(str::to_owned),
        network_transaction_id: None,
    })
}

/// What a processor would tell that has done the last act of a transaction.
fn told(row: &TransactionRow) -> Notice {
    let captured = row.action == TransactionAction::Capture;
    Notice {
        event: format!("event {} {}", row.id, row.version),
        transaction: Some(row.id),
        try_number: Some(row.try_number),
        refund: None,
        attempt: row.attempt().filter(|_| row.action != TransactionAction::Authorise),
        reference: row.processor_reference.clone(),
        act: row.action,
        act_reference: row.act_reference.clone(),
        amount: Some(if captured { row.captured } else { row.amount }.minor_units().into()),
        currency: Some(row.currency),
        account: Some(OURS.to_owned()),
        verdict: Verdict::Approved,
        reason_code: "00".to_owned(),
        status_reason: None,
        occurred_at: None,
    }
}

fn refunded(row: &RefundRow) -> Notice {
    Notice {
        event: format!("event {}", row.id),
        transaction: Some(row.transaction),
        try_number: Some(1),
        refund: Some(row.id.0),
        attempt: None,
        reference: None,
        act: TransactionAction::Refund,
        act_reference: row.processor_reference.clone(),
        amount: Some(row.amount.minor_units().into()),
        currency: Some(row.currency),
        account: Some(OURS.to_owned()),
        verdict: Verdict::Approved,
        reason_code: "00".to_owned(),
        status_reason: None,
        occurred_at: None,
    }
}

fn failed(notice: Notice) -> Notice {
    Notice { event: format!("{} failed", notice.event), verdict: Verdict::Failed, ..notice }
}

impl World {
    /// A processor tells one thing.
    async fn tell(&self, processor: ProcessorId, notice: &Notice) -> Result<NoticeOutcome, VaultError> {
        self.processors.tell(vec![notice.clone()]);
        let notification = Notification { body: SIGNED, signatures: &[] };
        match self.vault.notification_take(processor, notification, Origin::LOCAL).await {
            Ok(taken) => Ok(taken.outcomes[0]),
            Err(NotificationRefusal::Vault(error)) => Err(error),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    /// A payment that was reserved, of which something is taken and told of later.
    async fn awaited(&self, shop: &Shop, action: TransactionAction) -> Arc<TransactionRow> {
        let paid = self.notified(shop, action == TransactionAction::VoidCapture).await;
        self.processors.can_be_asked(false);
        self.processors.answer([said(Verdict::Pending, Some("act_1"))]);
        self.processors.can_be_asked(false);
        let part = (action == TransactionAction::Capture).then(|| amount(700)).flatten();
        let taken = self.act(shop, paid.id, action, part).await.unwrap();
        assert_eq!((taken.status, taken.state), (TransactionStatus::Pending, ActionState::Awaited));
        taken
    }

    /// A payment whose merchant has a webhook.
    async fn notified(&self, shop: &Shop, capture_now: bool) -> Arc<TransactionRow> {
        self.processors.answer([said(Verdict::Approved, Some("pay_1"))]);
        let new = NewTransaction {
            capture_now,
            webhook_transaction_update: Some("https://shop.example/hook".to_owned()),
            ..new_transaction(shop.account, self.card(shop).await, 1_000)
        };
        self.vault.transaction_create(&self.permit(&shop.key), new, None).await.unwrap().value
    }

    async fn webhooks(&self, shop: &Shop, object: Id) -> Vec<Arc<DeliveryRow>> {
        let query = DeliveryQuery { organisations: vec![shop.organisation], ..all() };
        let mut rows = self.store.delivery_list(query).await.unwrap().rows;
        rows.retain(|row| row.object == object);
        rows
    }

    async fn trail(&self, object: Id, action: Action) -> Vec<AuditRecord> {
        let permit: Permit<AuditList> = operator(&self.vault, 1).permit().unwrap();
        let query = AuditQuery::newest(Vec::new(), u32::MAX);
        let mut records = self.vault.audit_list(&permit, &query).await.unwrap();
        records.retain(|record| record.note.object == object && record.note.action == action);
        records
    }

    async fn steps_of(&self, shop: &Shop, id: TransactionId) -> usize {
        self.vault.transaction_history(&self.permit(&shop.key), id).await.unwrap().len()
    }
}

/// Each is a step of the history, a record of the trail whose actor is the processor, and one webhook; told again, nothing at all.
#[tokio::test]
async fn what_is_awaited_is_told_once() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (action, verdict, status, captured) in [
        (TransactionAction::Capture, Verdict::Approved, TransactionStatus::SettlementRequested, 700),
        (TransactionAction::Capture, Verdict::Failed, TransactionStatus::Authorized, 0),
        (TransactionAction::Void, Verdict::Approved, TransactionStatus::AuthorizationVoided, 0),
        (TransactionAction::Void, Verdict::Failed, TransactionStatus::Authorized, 0),
        (TransactionAction::VoidCapture, Verdict::Approved, TransactionStatus::SettlementCancelled, 1_000),
        (TransactionAction::VoidCapture, Verdict::Failed, TransactionStatus::SettlementRequested, 1_000),
    ] {
        let taken = world.awaited(&shop, action).await;
        let (steps, webhooks) =
            (world.steps_of(&shop, taken.id).await, world.webhooks(&shop, taken.id.0).await);
        let notice = Notice { verdict, ..told(&taken) };
        assert_eq!(world.tell(taken.processor, &notice).await.unwrap(), NoticeOutcome::Settled, "{action}");
        let row = world.read(&shop, taken.id).await;
        assert_eq!((row.status, row.captured.minor_units()), (status, captured), "{action}");
        assert_eq!((row.version, row.is_open()), (taken.version + 1, false));
        assert_eq!(
            (row.cvv_result, row.avs_result),
            (CvvResult::Matched, 7),
            "what was said of the card stays"
        );
        assert_eq!(row.authorization_code.as_deref(), Some("072583"));
        let records = world.trail(row.id.0, Action::TransactionSettle).await;
        assert_eq!(records[0].note.actor, Some(ApiKeyId(taken.processor.0)));
        assert_eq!(records[0].note.outcome, status.code());
        let after = world.webhooks(&shop, row.id.0).await.len();
        assert_eq!((world.steps_of(&shop, row.id).await, after), (steps + 1, webhooks.len() + 1));
        let sequence = world.store.status().sequence;
        for _ in 0..3 {
            assert_eq!(world.tell(taken.processor, &notice).await.unwrap(), NoticeOutcome::Known);
        }
        assert_eq!(world.store.status().sequence, sequence, "nothing was written");
        assert_eq!(world.read(&shop, row.id).await, row);
    }
}

/// A payment that the processor makes up its mind about later.
#[tokio::test]
async fn a_payment_ends_as_it_is_told() {
    for (verdict, status) in [
        (Verdict::Approved, TransactionStatus::SettlementRequested),
        (Verdict::Declined, TransactionStatus::Declined),
    ] {
        let world = World::new().await;
        let shop = world.shop(None).await;
        world.processors.answer([said(Verdict::Pending, None)]);
        world.processors.can_be_asked(false);
        let taken = world.paid(&shop, "order", true).await;
        let notice = Notice { verdict, reference: Some("pay_1".to_owned()), ..told(&taken) };
        assert_eq!(world.tell(taken.processor, &notice).await.unwrap(), NoticeOutcome::Settled);
        let row = world.read(&shop, taken.id).await;
        assert_eq!((row.status, row.processor_reference.as_deref()), (status, Some("pay_1")));
    }
}

/// The answer of the send may still come: it is told again, and changes nothing until then.
#[tokio::test]
async fn what_is_in_hand_is_told_again() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.notified(&shop, false).await;
    world.processors.answer([said(Verdict::Pending, Some("act_1"))]);
    world.processors.after().close();
    let acting = world.act(&shop, paid.id, TransactionAction::Capture, None);
    let mut acting = Box::pin(acting);
    assert!(polled(acting.as_mut(), 50).await.is_none());
    world.processors.after().is_reached_by(1).await;
    let in_hand = world.read(&shop, paid.id).await;
    assert_eq!(in_hand.state, ActionState::InHand);
    let notice = Notice { act_reference: Some("act_1".to_owned()), ..told(&in_hand) };
    assert_eq!(world.tell(paid.processor, &notice).await.unwrap(), NoticeOutcome::InHand);
    assert_eq!(world.read(&shop, paid.id).await, in_hand);
    // One of before says nothing of it.
    let before = Notice { act: TransactionAction::Authorise, attempt: None, ..notice.clone() };
    assert_eq!(world.tell(paid.processor, &before).await.unwrap(), NoticeOutcome::Ignored);
    world.processors.after().open();
    acting.await.unwrap();
    assert_eq!(world.tell(paid.processor, &notice).await.unwrap(), NoticeOutcome::Settled);
    assert_eq!(world.read(&shop, paid.id).await.status, TransactionStatus::SettlementRequested);
}

/// The first capture fails; the answer to the second is lost, so that only our own name tells the two apart.
#[tokio::test]
async fn an_earlier_act_says_nothing_of_a_later_one() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let first = world.awaited(&shop, TransactionAction::Capture).await;
    let first_failed = failed(told(&first));
    assert_eq!(world.tell(first.processor, &first_failed).await.unwrap(), NoticeOutcome::Settled);
    world.processors.answer([Sent::Unknown { reason: Cow::Borrowed("it is lost") }]);
    world.processors.can_be_asked(false);
    let second = world.act(&shop, first.id, TransactionAction::Capture, None).await.unwrap();
    assert_eq!((second.state, second.act_reference.as_deref()), (ActionState::Unknown, None));
    assert_eq!(world.tell(first.processor, &first_failed).await.unwrap(), NoticeOutcome::Ignored);
    // Nor what names no act of ours.
    let nameless = Notice { attempt: None, act_reference: Some("act_9".to_owned()), ..told(&second) };
    assert_eq!(world.tell(first.processor, &nameless).await.unwrap(), NoticeOutcome::Ignored);
    assert_eq!(world.read(&shop, first.id).await, second);
    let second_told = Notice { act_reference: Some("act_2".to_owned()), ..told(&second) };
    assert_ne!(second_told.attempt, first_failed.attempt);
    assert_eq!(world.tell(first.processor, &second_told).await.unwrap(), NoticeOutcome::Settled);
    let row = world.read(&shop, first.id).await;
    assert_eq!(
        (row.status, row.act_reference.as_deref()),
        (TransactionStatus::SettlementRequested, Some("act_2"))
    );
    // Of what was settled the first says nothing either.
    assert_eq!(world.tell(first.processor, &first_failed).await.unwrap(), NoticeOutcome::Ignored);
    assert_eq!(world.read(&shop, first.id).await, row);
}

/// However often it was asked in vain in between, and whoever gave up.
#[tokio::test]
async fn an_act_keeps_its_number_while_it_is_asked_about() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.notified(&shop, false).await;
    world.processors.answer([Sent::Unknown { reason: Cow::Borrowed("it is lost") }]);
    let lost = world.act(&shop, paid.id, TransactionAction::Capture, None).await.unwrap();
    assert_eq!((lost.state, lost.attempt()), (ActionState::ToAsk, Some(paid.version + 1)));
    for answer in [
        Sent::Unknown { reason: Cow::Borrowed("it cannot tell") },
        said(Verdict::Pending, None),
        said(Verdict::Pending, None),
        Sent::Unknown { reason: Cow::Borrowed("it cannot tell") },
    ] {
        world.processors.answer([answer]);
        world.clock.pass_millis(3_600_000);
        world.vault.sweep().await.unwrap();
        let row = world.read(&shop, paid.id).await;
        assert_eq!(row.attempt(), lost.attempt(), "{:?}", row.state);
        assert_eq!(world.processors.last_follow_up().attempt, paid.version + 1);
    }
    world.processors.answer([Sent::Unknown { reason: Cow::Borrowed("it cannot tell") }]);
    world.processors.can_be_asked(false);
    world.clock.pass_millis(3_600_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.read(&shop, paid.id).await.attempt(), lost.attempt());
}

/// Two of one amount, told in the other order, one of them failed.
#[tokio::test]
async fn refunds_of_one_transaction_are_told_apart() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let paid = world.completed(&shop).await;
    let half = NewRefund { amount: amount(500), ..REFUND };
    let mut refunds = Vec::new();
    for reference in ["ref_1", "ref_2"] {
        world.processors.answer([said(Verdict::Pending, Some(reference))]);
        world.processors.can_be_asked(false);
        refunds.push(world.refund(&shop, paid.id, half.clone()).await.unwrap());
    }
    let [one, two] = refunds.as_slice() else { panic!() };
    let swapped = Notice { act_reference: two.processor_reference.clone(), ..refunded(one) };
    assert_eq!(world.tell(paid.processor, &swapped).await.unwrap(), NoticeOutcome::Ignored);
    let two_failed = failed(refunded(two));
    for expected in [NoticeOutcome::Settled, NoticeOutcome::Known] {
        assert_eq!(world.tell(paid.processor, &two_failed).await.unwrap(), expected);
        assert_eq!(world.refund_read(&shop, two.id).await.state, ActionState::Failed);
        assert_eq!(world.refund_read(&shop, one.id).await.state, ActionState::Awaited);
        assert_eq!(world.read(&shop, paid.id).await.refunded, amount(500).unwrap(), "taken out once");
    }
    for expected in [NoticeOutcome::Settled, NoticeOutcome::Known] {
        assert_eq!(world.tell(paid.processor, &refunded(one)).await.unwrap(), expected);
        assert_eq!(world.refund_read(&shop, one.id).await.state, ActionState::Approved);
    }
    let records = world.trail(one.id.0, Action::RefundSettle).await;
    assert_eq!(records[0].note.actor, Some(ApiKeyId(paid.processor.0)));
    // It is taken back long after: people are told, once, and the sum stays.
    let back = failed(refunded(one));
    assert_eq!(world.tell(paid.processor, &back).await.unwrap(), NoticeOutcome::Contradicted);
    assert_eq!(world.tell(paid.processor, &back).await.unwrap(), NoticeOutcome::Known);
    assert_eq!(world.refund_read(&shop, one.id).await.state, ActionState::Approved);
    assert_eq!(world.read(&shop, paid.id).await.refunded, amount(500).unwrap());
    assert_eq!(world.trail(one.id.0, Action::NotificationContradict).await.len(), 1);
}

/// The bug: a notification of another amount that came behind the answer passed for what was known. Its cause: only what was open was held against its amount. Its cure:
/// so is what is done. People are told, once; it may be money.
#[tokio::test]
async fn what_is_done_and_told_of_another_amount_is_for_people() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let taken = world.awaited(&shop, TransactionAction::Capture).await;
    let notice = told(&taken);
    world.tell(taken.processor, &notice).await.unwrap();
    let captured = world.read(&shop, taken.id).await;
    let other = |event: &str| Notice { event: event.to_owned(), ..notice.clone() };
    for (late, outcome) in [
        (other("the same"), NoticeOutcome::Known),
        (Notice { amount: None, ..other("no amount") }, NoticeOutcome::Known),
        (Notice { amount: Some(701), ..other("more") }, NoticeOutcome::Contradicted),
        (Notice { amount: Some(701), ..other("more") }, NoticeOutcome::Known),
        (Notice { account: Some("theirs".to_owned()), ..other("theirs") }, NoticeOutcome::Contradicted),
        (
            Notice { amount: Some(701), act_reference: Some("act_2".to_owned()), ..other("of another act") },
            NoticeOutcome::Ignored,
        ),
    ] {
        assert_eq!(world.tell(taken.processor, &late).await.unwrap(), outcome, "{}", late.event);
        assert_eq!(world.read(&shop, taken.id).await, captured);
    }
    assert_eq!(world.trail(taken.id.0, Action::NotificationContradict).await.len(), 2);
}

/// Closed is closed: people are told, once.
#[tokio::test]
async fn a_capture_that_fails_behind_its_success_changes_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let taken = world.awaited(&shop, TransactionAction::Capture).await;
    let notice = told(&taken);
    world.tell(taken.processor, &notice).await.unwrap();
    let captured = world.read(&shop, taken.id).await;
    let late = failed(notice);
    assert_eq!(world.tell(taken.processor, &late).await.unwrap(), NoticeOutcome::Contradicted);
    assert_eq!(world.tell(taken.processor, &late).await.unwrap(), NoticeOutcome::Known);
    assert_eq!(world.read(&shop, taken.id).await, captured);
    let records = world.trail(taken.id.0, Action::NotificationContradict).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].note.actor, Some(ApiKeyId(taken.processor.0)));
    // Also where it has been settled since, and of a sale, whose capture has no act of its own.
    world.settle().await;
    let later = Notice { event: "later".to_owned(), ..late };
    assert_eq!(world.tell(taken.processor, &later).await.unwrap(), NoticeOutcome::Contradicted);
    let sale = world.notified(&shop, true).await;
    let undone = Notice { act: TransactionAction::Capture, ..failed(told(&sale)) };
    assert_eq!(world.tell(sale.processor, &undone).await.unwrap(), NoticeOutcome::Contradicted);
    assert_eq!(world.read(&shop, sale.id).await, sale);
}

#[tokio::test]
async fn what_is_about_something_else_settles_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let taken = world.awaited(&shop, TransactionAction::Capture).await;
    let right = told(&taken);
    let other = world.shop(None).await;
    let theirs = world.paid(&other, "order", false).await.processor;
    assert_ne!(theirs, taken.processor);
    assert_eq!(world.tell(theirs, &right).await.unwrap(), NoticeOutcome::Ignored, "another's secret");
    for (notice, expected) in [
        (Notice { transaction: None, ..right.clone() }, NoticeOutcome::Ignored),
        // Of another try, at the same PSP perhaps.
        (Notice { try_number: Some(2), ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { try_number: None, ..right.clone() }, NoticeOutcome::Ignored),
        (
            Notice { transaction: Some(TransactionId(Id::from_bytes([7; 12]))), ..right.clone() },
            NoticeOutcome::Ignored,
        ),
        (Notice { refund: Some(taken.id.0), ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { act: TransactionAction::Void, ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { act: TransactionAction::Refund, ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { reference: Some("pay_2".to_owned()), ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { act_reference: Some("act_2".to_owned()), ..right.clone() }, NoticeOutcome::Ignored),
        (Notice { amount: Some(1_000), event: "1".to_owned(), ..right.clone() }, NoticeOutcome::Contradicted),
        (Notice { amount: None, event: "2".to_owned(), ..right.clone() }, NoticeOutcome::Contradicted),
        (Notice { currency: None, event: "3".to_owned(), ..right.clone() }, NoticeOutcome::Contradicted),
        (Notice { account: None, event: "4".to_owned(), ..right.clone() }, NoticeOutcome::Contradicted),
    ] {
        assert_eq!(world.tell(taken.processor, &notice).await.unwrap(), expected, "{notice:?}");
        assert_eq!(world.read(&shop, taken.id).await, taken);
    }
    assert_eq!(world.trail(taken.id.0, Action::NotificationContradict).await.len(), 4);
    assert_eq!(world.tell(taken.processor, &right).await.unwrap(), NoticeOutcome::Settled);
}

/// The bug: nobody was told that a payment which was declined, and paid at another processor then, was done at the first after all: the shopper had paid twice. Its cause: what
/// a processor told of an earlier try was passed over, whatever it said. Its cure: that such a try is done contradicts what is written down.
#[tokio::test]
async fn an_earlier_try_that_is_done_after_all_contradicts() {
    let world = World::new().await;
    let Routed { shop, processors } = routed(&world, &[AGAIN, &[]]).await;
    let card = world.card(&shop).await;
    world.processors.answer([declined("05"), said(Verdict::Approved, Some("pay_2"))]);
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!((row.processor, row.try_number), (processors[1], 2));
    let done = Notice {
        event: "done".to_owned(),
        try_number: Some(1),
        reference: Some("pay_1".to_owned()),
        ..told(&row)
    };
    let stranger = world.shop(None).await;
    let theirs = world.paid(&stranger, "order", false).await.processor;
    for (processor, notice, expected) in [
        (processors[0], Notice { verdict: Verdict::Declined, ..done.clone() }, NoticeOutcome::Ignored),
        (processors[0], Notice { act: TransactionAction::Void, ..done.clone() }, NoticeOutcome::Ignored),
        (processors[0], Notice { try_number: None, ..done.clone() }, NoticeOutcome::Ignored),
        (processors[0], Notice { try_number: Some(2), ..done.clone() }, NoticeOutcome::Ignored),
        (theirs, done.clone(), NoticeOutcome::Ignored),
        (processors[0], done.clone(), NoticeOutcome::Contradicted),
        (processors[0], done.clone(), NoticeOutcome::Known),
        // Two routes may lead to one PSP.
        (processors[1], done.clone(), NoticeOutcome::Contradicted),
    ] {
        assert_eq!(world.tell(processor, &notice).await.unwrap(), expected, "{notice:?}");
        assert_eq!(world.read(&shop, row.id).await, row);
    }
    assert_eq!(world.trail(row.id.0, Action::NotificationContradict).await.len(), 2);
}

#[tokio::test]
async fn who_has_not_signed_says_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let taken = world.awaited(&shop, TransactionAction::Capture).await;
    world.processors.tell(vec![told(&taken)]);
    let forged = Notification { body: b"forged", signatures: &[] };
    let refused = world.vault.notification_take(taken.processor, forged, Origin::LOCAL).await;
    assert!(
        matches!(refused, Err(NotificationRefusal::Fault(_, NotificationFault::Signature))),
        "{refused:?}"
    );
    let nobody = ProcessorId(Id::from_bytes([9; 12]));
    let refused = world.vault.notification_take(nobody, forged, Origin::LOCAL).await;
    assert!(matches!(refused, Err(NotificationRefusal::Nobody)), "{refused:?}");
    assert_eq!(world.read(&shop, taken.id).await, taken);
}

/// At every place where one may be ahead of the other.
#[tokio::test]
async fn told_at_two_nodes_at_once_it_settles_once() {
    for steps in 0..12 {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let taken = one.awaited(&shop, TransactionAction::Capture).await;
        let before = one.webhooks(&shop, taken.id.0).await.len();
        let two = one.beside(2).await;
        for node in [&one, &two] {
            node.store.plot(|plot| plot.yields = true);
        }
        let (notice, late) = (told(&taken), failed(told(&taken)));
        let mut first = Box::pin(one.tell(taken.processor, &notice));
        let ahead = polled(first.as_mut(), steps).await;
        let second = two.tell(taken.processor, &notice).await.unwrap();
        let first = match ahead {
            Some(first) => first.unwrap(),
            None => first.await.unwrap(),
        };
        let mut outcomes = [first, second];
        outcomes.sort_by_key(|outcome| *outcome == NoticeOutcome::Known);
        // Nobody's clock has moved: what both would write may be the same row, which is then written once.
        assert_eq!(outcomes[0], NoticeOutcome::Settled, "{steps}");
        assert!(matches!(outcomes[1], NoticeOutcome::Known | NoticeOutcome::Settled), "{steps}");
        let row = two.store.transaction_read(taken.id).await.unwrap().unwrap();
        assert_eq!((row.version, row.status), (taken.version + 1, TransactionStatus::SettlementRequested));
        assert_eq!(one.webhooks(&shop, taken.id.0).await.len(), before + 1, "{steps}");
        assert_eq!(two.tell(taken.processor, &late).await.unwrap(), NoticeOutcome::Contradicted);
        assert_eq!(one.tell(taken.processor, &late).await.unwrap(), NoticeOutcome::Known);
        assert_eq!(Amount::new(700), Some(row.captured));
    }
}

/// Who tries cards learns nothing by it; one whose outcome is not known counts, as before.
#[tokio::test]
async fn a_payment_that_ends_later_is_no_failure_of_its_card() {
    for (answer, blocked) in
        [(said(Verdict::Pending, None), 0), (Sent::Unknown { reason: Cow::Borrowed("it is lost") }, 3)]
    {
        let mut world = World::new().await;
        let guards =
            GuardSettings { card_guesses_per_day: 0, card_declines_per_hour: 2, declines_percent_max: 0 };
        let parts = world.parts();
        world.vault = Vault::open(VaultParts { guards, ..parts }).await.unwrap();
        let shop = world.shop(None).await;
        let mut refused = 0;
        for _ in 0..5 {
            world.processors.answer([answer.clone()]);
            world.processors.can_be_asked(false);
            let card = world.card(&shop).await;
            match world.transact(&shop, card, 1_000).await {
                Ok(_) => {}
                Err(VaultError::Blocked { field: "card", .. }) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(refused, blocked);
    }
}
