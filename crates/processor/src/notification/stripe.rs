use std::borrow::Cow;

use panvault_keys::NotificationSecret;
use panvault_model::{Id, Timestamp, TransactionAction, TransactionId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    NOTIFICATION_AGE_SECONDS_MAX, NOTIFICATION_SIGNATURES_MAX, Notice, Notification, NotificationFault, Ours,
    SUCCESS, currency, name, only, words,
};
use crate::Verdict;

/// Digits of the seconds of a time at most.
const TIME_DIGITS_MAX: usize = 12;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    created: u64,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Intent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    amount: u64,
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(default)]
    amount_received: u64,
    #[serde(borrow)]
    capture_method: Cow<'a, str>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    last_payment_error: Option<PaymentError<'a>>,
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    amount: u64,
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    payment_intent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    failure_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
}

/// Of the metadata that our requests have.
#[derive(Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    transaction: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    refund: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PaymentError<'a> {
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    decline_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

pub(super) fn read(
    notification: Notification<'_>,
    secret: &NotificationSecret,
    now: Timestamp,
) -> Result<Vec<Notice>, NotificationFault> {
    let header = Header::parse(only(notification.signatures)?)?;
    let parts = [header.time.as_bytes(), b".", notification.body];
    if !header.signatures.iter().any(|signature| secret.verifies_hex(&parts, signature)) {
        return Err(NotificationFault::Signature);
    }
    if header.seconds.abs_diff(now.unix_seconds()) > NOTIFICATION_AGE_SECONDS_MAX {
        return Err(NotificationFault::Time);
    }
    let event: Event<'_> = serde_json::from_slice(notification.body).map_err(|_| NotificationFault::Shape)?;
    Ok(notice(&event)?.into_iter().collect())
}

/// `t=1492774577,v1=…`; what stands there beside is for others.
struct Header<'a> {
    time: &'a str,
    seconds: u64,
    signatures: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, NotificationFault> {
        let mut times = Vec::new();
        let mut signatures = Vec::new();
        for pair in text.split(',') {
            match pair.trim().split_once('=') {
                Some(("t", time)) => times.push(time),
                Some(("v1", signature)) => signatures.push(signature),
                Some(_) => {}
                None => return Err(NotificationFault::Signature),
            }
        }
        let [time] = times.as_slice() else { return Err(NotificationFault::Signature) };
        let is_time = time.len() <= TIME_DIGITS_MAX && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = time.parse().ok().filter(|_| is_time).ok_or(NotificationFault::Signature)?;
        if signatures.len() > NOTIFICATION_SIGNATURES_MAX {
            return Err(NotificationFault::TooLarge);
        }
        Ok(Self { time, seconds, signatures })
    }
}

fn notice(event: &Event<'_>) -> Result<Option<Notice>, NotificationFault> {
    let verdict = match event.kind.as_ref() {
        "payment_intent.amount_capturable_updated"
        | "payment_intent.succeeded"
        | "payment_intent.canceled" => Verdict::Approved,
        "payment_intent.payment_failed" => Verdict::Declined,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            return refunded(event);
        }
        _ => return Ok(None),
    };
    let intent: Intent<'_> = object(event)?;
    let is_manual = intent.capture_method == "manual";
    let (act, units) = match event.kind.as_ref() {
        "payment_intent.canceled" => (TransactionAction::Void, intent.amount),
        // Of a sale it says that the sale is done.
        "payment_intent.succeeded" if is_manual => (TransactionAction::Capture, intent.amount_received),
        _ => (TransactionAction::Authorise, intent.amount),
    };
    let (transaction, try_number, _) = of(intent.metadata.as_ref());
    let error = intent.last_payment_error.filter(|_| verdict == Verdict::Declined);
    let code = match &error {
        Some(error) => error.decline_code.as_deref().or(error.code.as_deref()).unwrap_or("declined"),
        None if verdict == Verdict::Approved => SUCCESS,
        None => "declined",
    };
    let reference = name(&intent.id)?;
    Ok(Some(Notice {
        event: name(&event.id)?,
        transaction,
        try_number,
        refund: None,
        attempt: None,
        reference: Some(reference),
        act,
        act_reference: None,
        amount: Some(units),
        currency: intent.currency.as_deref().map(currency).transpose()?,
        account: None,
        verdict,
        reason_code: name(code)?,
        status_reason: error.and_then(|error| words(error.message.as_deref().unwrap_or_default())),
        occurred_at: Some(Timestamp::from_unix_millis(event.created.saturating_mul(1000))),
    }))
}

fn refunded(event: &Event<'_>) -> Result<Option<Notice>, NotificationFault> {
    let refund: Refund<'_> = object(event)?;
    let verdict = match refund.status.as_ref() {
        "succeeded" => Verdict::Approved,
        "failed" | "canceled" => Verdict::Failed,
        // It is not over.
        _ => return Ok(None),
    };
    let (transaction, try_number, of_metadata) = of(refund.metadata.as_ref());
    // An id; where somebody expands it, an object, which is of no use here.
    let intent = refund.payment_intent.and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok());
    let failure = refund.failure_reason.as_deref().filter(|_| verdict == Verdict::Failed);
    Ok(Some(Notice {
        event: name(&event.id)?,
        transaction,
        try_number,
        refund: of_metadata,
        attempt: None,
        reference: intent.as_deref().map(name).transpose()?,
        act: TransactionAction::Refund,
        act_reference: Some(name(&refund.id)?),
        amount: Some(refund.amount),
        currency: refund.currency.as_deref().map(currency).transpose()?,
        account: None,
        verdict,
        reason_code: match verdict {
            Verdict::Approved => SUCCESS.to_owned(),
            _ => name(failure.unwrap_or("failed"))?,
        },
        status_reason: failure.and_then(words),
        occurred_at: Some(Timestamp::from_unix_millis(event.created.saturating_mul(1000))),
    }))
}

fn object<'a, T: Deserialize<'a>>(event: &Event<'a>) -> Result<T, NotificationFault> {
    serde_json::from_str(event.data.object.get()).map_err(|_| NotificationFault::Shape)
}

fn of(metadata: Option<&Metadata<'_>>) -> (Option<TransactionId>, Option<u8>, Option<Id>) {
    let Some(metadata) = metadata else { return (None, None, None) };
    let Ours { transaction, try_number, .. } =
        Ours::parse(metadata.transaction.as_deref().unwrap_or_default());
    let refund = metadata.refund.as_deref().and_then(|text| Id::parse(text).ok());
    (transaction, try_number, refund)
}
