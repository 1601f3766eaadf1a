use std::borrow::Cow;

use panvault_keys::NotificationSecret;
use panvault_model::{Timestamp, TransactionAction};
use serde::Deserialize;

use super::{NOTIFICATION_ITEMS_MAX, Notice, NotificationFault, Ours, SUCCESS, currency, name, words};
use crate::Verdict;

/// What joins the signed fields.
const SEPARATOR: &str = ":";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a> {
    #[serde(borrow)]
    notification_items: Vec<Wrapped<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapped<'a> {
    #[serde(borrow)]
    notification_request_item: Item<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    psp_reference: Cow<'a, str>,
    #[serde(borrow, default)]
    original_reference: Cow<'a, str>,
    #[serde(borrow)]
    merchant_account_code: Cow<'a, str>,
    #[serde(borrow, default)]
    merchant_reference: Cow<'a, str>,
    #[serde(borrow)]
    amount: Money<'a>,
    #[serde(borrow)]
    event_code: Cow<'a, str>,
    #[serde(borrow)]
    success: Cow<'a, str>,
    #[serde(borrow)]
    additional_data: Additional<'a>,
    #[serde(borrow, default)]
    event_date: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Money<'a> {
    value: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Additional<'a> {
    #[serde(borrow, default)]
    hmac_signature: Cow<'a, str>,
}

pub(super) fn read(body: &[u8], secret: &NotificationSecret) -> Result<Vec<Notice>, NotificationFault> {
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|_| NotificationFault::Shape)?;
    let items: Vec<_> = batch.notification_items.iter().map(|item| &item.notification_request_item).collect();
    if items.len() > NOTIFICATION_ITEMS_MAX {
        return Err(NotificationFault::TooLarge);
    }
    if items.is_empty() {
        return Err(NotificationFault::Shape);
    }
    // All of them, before one is read.
    if !items.iter().all(|item| item.is_signed(secret)) {
        return Err(NotificationFault::Signature);
    }
    items.iter().filter_map(|item| item.notice().transpose()).collect()
}

impl Item<'_> {
    fn is_signed(&self, secret: &NotificationSecret) -> bool {
        let value = self.amount.value.to_string();
        let joined = self.signed(&value).join(SEPARATOR);
        if secret.verifies_base64(&[joined.as_bytes()], &self.additional_data.hmac_signature) {
            return true;
        }
        // The description escapes what joins the fields, the provider's own libraries do not: it may come either way.
        if !self.is_ambiguous() {
            return false;
        }
        let escaped = self.signed(&value).map(|field| field.replace('\\', "\\\\").replace(':', "\\:"));
        secret.verifies_base64(&[escaped.join(SEPARATOR).as_bytes()], &self.additional_data.hmac_signature)
    }

    fn signed<'a>(&'a self, value: &'a str) -> [&'a str; 8] {
        [
            &self.psp_reference,
            &self.original_reference,
            &self.merchant_account_code,
            &self.merchant_reference,
            value,
            &self.amount.currency,
            &self.event_code,
            &self.success,
        ]
    }

    /// Whether the signature would be the same with the fields cut elsewhere. None of ours is so: our references have neither of these.
    fn is_ambiguous(&self) -> bool {
        self.signed("").iter().any(|field| field.contains(['\\', ':']))
    }

    fn notice(&self) -> Result<Option<Notice>, NotificationFault> {
        let is_done = match self.success.as_ref() {
            "true" => true,
            "false" => false,
            _ => return Err(NotificationFault::Shape),
        };
        let (act, is_done) = match self.event_code.as_ref() {
            _ if self.is_ambiguous() => return Ok(None),
            "AUTHORISATION" => (TransactionAction::Authorise, is_done),
            "CAPTURE" => (TransactionAction::Capture, is_done),
            "CANCELLATION" => (TransactionAction::Void, is_done),
            "REFUND" => (TransactionAction::Refund, is_done),
            // These say that what was told to be done is not.
            "CAPTURE_FAILED" if is_done => (TransactionAction::Capture, false),
            "REFUND_FAILED" | "REFUNDED_REVERSED" if is_done => (TransactionAction::Refund, false),
            // Of a reversal. Which of two it was, a cancellation or a refund, stands under no signature; by either the capture is taken back.
            "CANCEL_OR_REFUND" => (TransactionAction::VoidCapture, is_done),
            _ => return Ok(None),
        };
        let units = u64::try_from(self.amount.value).map_err(|_| NotificationFault::Shape)?;
        let psp_reference = name(&self.psp_reference)?;
        let Ours { transaction, try_number, refund, attempt } = Ours::parse(&self.merchant_reference);
        let (reference, act_reference) = match act {
            TransactionAction::Authorise => (Some(psp_reference.clone()), None),
            _ => {
                let original = Some(self.original_reference.as_ref()).filter(|text| !text.is_empty());
                (original.map(name).transpose()?, Some(psp_reference.clone()))
            }
        };
        Ok(Some(Notice {
            event: name(&[&psp_reference, ":", &self.event_code, ":", &self.success].concat())?,
            transaction,
            try_number,
            refund,
            attempt,
            reference,
            act,
            act_reference,
            amount: Some(units),
            currency: Some(currency(&self.amount.currency)?),
            account: Some(name(&self.merchant_account_code)?),
            verdict: match (is_done, act) {
                (true, _) => Verdict::Approved,
                (false, TransactionAction::Authorise) => Verdict::Declined,
                (false, _) => Verdict::Failed,
            },
            reason_code: if is_done { SUCCESS } else { "refused" }.to_owned(),
            // Of a payment that was authorised it is no reason: digits and expiry of the card stand there.
            status_reason: self.reason.as_deref().filter(|_| !is_done).and_then(words),
            occurred_at: self.event_date.as_deref().and_then(|text| Timestamp::parse(text).ok()),
        }))
    }
}
