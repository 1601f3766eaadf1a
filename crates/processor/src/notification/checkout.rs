use std::borrow::Cow;

use panvault_keys::NotificationSecret;
use panvault_model::{Timestamp, TransactionAction};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Notice, Notification, NotificationFault, Ours, SUCCESS, currency, name, only, words};
use crate::Verdict;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    action_id: Cow<'a, str>,
    #[serde(borrow, default)]
    reference: Option<Cow<'a, str>>,
    #[serde(default)]
    amount: Option<u64>,
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_summary: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    processed_on: Option<Cow<'a, str>>,
}

pub(super) fn read(
    notification: Notification<'_>,
    secret: &NotificationSecret,
) -> Result<Vec<Notice>, NotificationFault> {
    if !secret.verifies_hex(&[notification.body], only(notification.signatures)?) {
        return Err(NotificationFault::Signature);
    }
    let event: Event<'_> = serde_json::from_slice(notification.body).map_err(|_| NotificationFault::Shape)?;
    Ok(notice(&event)?.into_iter().collect())
}

fn notice(event: &Event<'_>) -> Result<Option<Notice>, NotificationFault> {
    let (act, verdict) = match event.kind.as_ref() {
        "payment_approved" | "card_verified" => (TransactionAction::Authorise, Verdict::Approved),
        "payment_declined" | "card_verification_declined" => {
            (TransactionAction::Authorise, Verdict::Declined)
        }
        "payment_captured" => (TransactionAction::Capture, Verdict::Approved),
        "payment_capture_declined" => (TransactionAction::Capture, Verdict::Declined),
        "payment_voided" => (TransactionAction::Void, Verdict::Approved),
        "payment_void_declined" => (TransactionAction::Void, Verdict::Declined),
        "payment_refunded" => (TransactionAction::Refund, Verdict::Approved),
        "payment_refund_declined" => (TransactionAction::Refund, Verdict::Declined),
        _ => return Ok(None),
    };
    let data: Data<'_> = serde_json::from_str(event.data.get()).map_err(|_| NotificationFault::Shape)?;
    let Ours { transaction, try_number, refund, attempt } =
        Ours::parse(data.reference.as_deref().unwrap_or_default());
    let is_done = verdict == Verdict::Approved;
    Ok(Some(Notice {
        event: name(&event.id)?,
        transaction,
        try_number,
        refund,
        attempt,
        reference: Some(name(&data.id)?),
        act,
        act_reference: Some(name(&data.action_id)?),
        amount: data.amount,
        currency: data.currency.as_deref().map(currency).transpose()?,
        account: None,
        verdict,
        reason_code: match is_done {
            true => SUCCESS.to_owned(),
            false => name(data.response_code.as_deref().unwrap_or("declined"))?,
        },
        status_reason: data.response_summary.as_deref().filter(|_| !is_done).and_then(words),
        occurred_at: data.processed_on.as_deref().and_then(|text| Timestamp::parse(text).ok()),
    }))
}
