//! Adyen: payments of the Checkout API, and modifications that are taken at once and whose outcome a notification says.

mod card;
mod fields;

use std::collections::BTreeMap;

use panvault_keys::NotificationSecret;
use panvault_model::Timestamp;
use serde_json::{Map, Value, json};

use self::fields::{MODIFICATION, PAYMENT, required, text};
use super::idempotency::{Idempotency, Known};
use super::{NOW, Notification, Psp, PspAnswer, PspRequest};

/// The one key that is taken.
pub const ADYEN_API_KEY: &str = "AQEfakePanvaultApiKey0000000000";
/// The one merchant account that there is.
pub const ADYEN_MERCHANT_ACCOUNT: &str = "PanvaultECOM";
/// What notifications are signed with, in hexadecimal digits.
pub const ADYEN_HMAC_KEY: &str = "6A09E667F3BCC908B2FB1366EA957D3E3ADEC17512775099DA2F590B0667322A";

/// The version of the API that is spoken.
const VERSION: &str = "v71";
/// Characters of an idempotency key at most.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 64;

/// Adyen, as far as payments with cards go.
pub struct Adyen {
    now: Timestamp,
    payments: BTreeMap<String, Payment>,
    idempotency: Idempotency,
    due: Vec<Value>,
    failing: Vec<&'static str>,
    batch: usize,
    made: u64,
}

struct Payment {
    reference: String,
    amount: u64,
    currency: String,
    status: &'static str,
    captured: u64,
    refunded: u64,
    /// What its capture is called here and there.
    capture: Option<[String; 2]>,
}

type Object = Map<String, Value>;
type Answered = Result<Value, PspAnswer>;

impl Default for Adyen {
    fn default() -> Self {
        Self {
            now: NOW,
            payments: BTreeMap::new(),
            idempotency: Idempotency::default(),
            due: Vec::new(),
            failing: Vec::new(),
            batch: 1,
            made: 0,
        }
    }
}

impl Psp for Adyen {
    fn answer(&mut self, request: &PspRequest) -> PspAnswer {
        self.made += 1;
        let answer = self.judged(request);
        let reference = answer.body.get("pspReference").and_then(Value::as_str).map(str::to_owned);
        let reference = reference.unwrap_or_else(|| format!("FAKEREQ{:09}", self.made));
        let answer = answer.with("pspReference", &reference);
        match request.header("idempotency-key") {
            Some(key) => answer.with("idempotency-key", key),
            None => answer,
        }
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        let due = core::mem::take(&mut self.due);
        due.chunks(self.batch.max(1))
            .map(|items| {
                let items: Vec<_> =
                    items.iter().map(|item| json!({ "NotificationRequestItem": item })).collect();
                let body = json!({ "live": "false", "notificationItems": items }).to_string();
                Notification { headers: Vec::new(), body }
            })
            .collect()
    }
}

impl Adyen {
    /// The time that it has.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// A notification has as many items.
    pub fn set_batch(&mut self, items: usize) {
        self.batch = items;
    }

    /// The next modification is taken, and turns out not to be possible, for this reason.
    pub fn fail_next(&mut self, reason: &'static str) {
        self.failing.push(reason);
    }

    /// The card's scheme rejects the capture of a payment after all.
    pub fn reject_capture(&mut self, payment: &str) {
        let found = &self.payments[payment];
        let [id, reference] = found.capture.as_ref().unwrap();
        let about = (found.captured, reference.as_str());
        let reason = Some("Capture Failed");
        let item = self.item("CAPTURE_FAILED", id, Some(payment), found, about, true, reason);
        self.due.push(item);
    }

    /// The status of a payment: `authorised`, `refused`, `error`, `captured`, `cancelled` or `refunded`.
    pub fn status(&self, payment: &str) -> Option<&'static str> {
        self.payments.get(payment).map(|payment| payment.status)
    }

    /// Of a payment: what was captured, and what was given back.
    pub fn moved(&self, payment: &str) -> Option<(u64, u64)> {
        self.payments.get(payment).map(|payment| (payment.captured, payment.refunded))
    }

    /// The PSP references of its payments, oldest first.
    pub fn payments(&self) -> Vec<String> {
        self.payments.keys().cloned().collect()
    }

    fn judged(&mut self, request: &PspRequest) -> PspAnswer {
        match request.header("x-api-key") {
            Some(key) if key == ADYEN_API_KEY => {}
            Some(_) | None => return error(401, "000", "HTTP Status Response - Unauthorized", "security"),
        }
        let mut segments = request.segments();
        // Live end points have one more.
        if segments.first() == Some(&"checkout") {
            segments.remove(0);
        }
        let [version, "payments", rest @ ..] = segments.as_slice() else {
            return error(404, "000", "HTTP Status Response - Not Found", "internal");
        };
        if *version != VERSION {
            return error(404, "000", "HTTP Status Response - Not Found", "internal");
        }
        if request.method != "POST" {
            return error(405, "000", "HTTP Status Response - Method Not Allowed", "internal");
        }
        if request.media_type() != "application/json" {
            return error(415, "000", "HTTP Status Response - Unsupported Media Type", "internal");
        }
        let key = request.header("idempotency-key");
        if let Some(key) = key {
            if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX {
                return error(422, "703", "Invalid idempotency key", "validation");
            }
            match self.idempotency.look(key, request) {
                Known::New => {}
                Known::Same(answer) => return answer,
                Known::Other => return error(422, "704", "Request already processed", "validation"),
            }
        }
        let answered = match rest {
            [] => self.pay(request).map(|body| PspAnswer::new(200, body)),
            [payment, what] => self.modify(request, payment, what).map(|body| PspAnswer::new(201, body)),
            _ => Err(error(404, "000", "HTTP Status Response - Not Found", "internal")),
        };
        match (answered, key) {
            (Ok(answer), Some(key)) => {
                self.idempotency.keep(key, request, &answer);
                answer
            }
            (Ok(answer), None) | (Err(answer), _) => answer,
        }
    }

    fn pay(&mut self, request: &PspRequest) -> Answered {
        let body = fields::read(request, "PaymentRequest", PAYMENT)?;
        fields::merchant(&body)?;
        let (amount, currency) = fields::amount(&body)?;
        let reference = text(&body, "reference")?.ok_or_else(|| required("130", "Reference Missing"))?;
        if text(&body, "returnUrl")?.is_none() {
            return Err(required("14_004", "Missing returnUrl"));
        }
        let card = card::read(&body, self.now)?;
        let outcome = card::outcome(&body, &card)?;
        let id = self.reference();
        let additional = body.get("additionalData").and_then(Value::as_object);
        let is_manual = additional.and_then(|data| data.get("manualCapture")) == Some(&json!("true"));
        let is_captured = outcome.result == "Authorised" && !is_manual && amount > 0;
        let status = match outcome.result {
            "Authorised" if is_captured => "captured",
            "Authorised" => "authorised",
            "Refused" => "refused",
            _ => "error",
        };
        let captured = if is_captured { amount } else { 0 };
        let payment = Payment {
            reference: reference.clone(),
            amount,
            currency,
            status,
            captured,
            refunded: 0,
            capture: None,
        };
        let success = outcome.result == "Authorised";
        let item =
            self.item("AUTHORISATION", &id, None, &payment, (amount, &reference), success, outcome.reason);
        self.due.push(item);
        let mut shown = json!({
            "additionalData": {
                "cvcResult": card.cvc_result, "cvcResultRaw": "M", "avsResult": "4 AVS not supported for this card type",
                "cardSummary": card.last_four, "expiryDate": card.expiry, "paymentMethod": card.brand,
            },
            "pspReference": id, "resultCode": outcome.result, "merchantReference": reference,
            "amount": { "currency": payment.currency, "value": amount },
        });
        if success {
            shown["additionalData"]["authCode"] = json!("072583");
            shown["additionalData"]["networkTxReference"] = json!(format!("0{:014}", self.made));
        }
        if let Some(reason) = outcome.reason {
            shown["refusalReason"] = json!(reason);
            shown["refusalReasonCode"] = json!(outcome.code.to_string());
        }
        self.payments.insert(id, payment);
        Ok(shown)
    }

    /// Whatever is asked for is taken; a notification says what became of it.
    fn modify(&mut self, request: &PspRequest, of: &str, what: &str) -> Answered {
        let body = fields::read(request, "PaymentModificationRequest", MODIFICATION)?;
        fields::merchant(&body)?;
        let asked = match what {
            "captures" | "refunds" => Some(fields::amount(&body)?),
            "cancels" | "reversals" if !body.contains_key("amount") => None,
            "cancels" | "reversals" => return Err(unknown("PaymentModificationRequest")),
            _ => return Err(error(404, "000", "HTTP Status Response - Not Found", "internal")),
        };
        if !self.payments.contains_key(of) {
            let words = "Original pspReference required for this operation";
            return Err(error(422, "167", words, "validation"));
        }
        let reference = text(&body, "reference")?;
        let id = self.reference();
        let failing = if self.failing.is_empty() { None } else { Some(self.failing.remove(0)) };
        let Some(payment) = self.payments.get_mut(of) else { return Ok(Value::Null) };
        let currency_differs = asked.as_ref().is_some_and(|(_, currency)| *currency != payment.currency);
        let amount = asked.as_ref().map_or(payment.amount, |(amount, _)| *amount);
        let reason = match failing {
            Some(reason) => Some(reason),
            None if currency_differs => Some("Currency does not match that of the payment"),
            None => payment.change(what, amount),
        };
        let code = match what {
            "captures" => "CAPTURE",
            "cancels" => "CANCELLATION",
            "refunds" => "REFUND",
            _ => "CANCEL_OR_REFUND",
        };
        let said = reference.clone().unwrap_or_else(|| payment.reference.clone());
        if what == "captures" && reason.is_none() {
            payment.capture = Some([id.clone(), said.clone()]);
        }
        if let Some(payment) = self.payments.get(of) {
            let item = self.item(code, &id, Some(of), payment, (amount, &said), reason.is_none(), reason);
            self.due.push(item);
        }
        let mut shown = json!({
            "merchantAccount": ADYEN_MERCHANT_ACCOUNT, "paymentPspReference": of, "pspReference": id, "status": "received",
        });
        if let Some(reference) = reference {
            shown["reference"] = json!(reference);
        }
        if let Some((amount, currency)) = asked {
            shown["amount"] = json!({ "currency": currency, "value": amount });
        }
        Ok(shown)
    }

    #[expect(clippy::too_many_arguments, reason = "an item of a notification has as many parts")]
    fn item(
        &self,
        code: &str,
        id: &str,
        original: Option<&str>,
        payment: &Payment,
        (amount, reference): (u64, &str),
        success: bool,
        reason: Option<&str>,
    ) -> Value {
        let success = if success { "true" } else { "false" };
        let signed = [
            id,
            original.unwrap_or_default(),
            ADYEN_MERCHANT_ACCOUNT,
            reference,
            &amount.to_string(),
            &payment.currency,
            code,
            success,
        ];
        let mut item = json!({
            "additionalData": { "hmacSignature": signature(&signed.join(":")) },
            "amount": { "currency": payment.currency, "value": amount }, "eventCode": code,
            "eventDate": self.now.to_string(), "merchantAccountCode": ADYEN_MERCHANT_ACCOUNT,
            "merchantReference": reference, "paymentMethod": "visa", "pspReference": id,
            "reason": reason.unwrap_or_default(), "success": success,
        });
        if let Some(original) = original {
            item["originalReference"] = json!(original);
        }
        item
    }

    /// 16 characters, capitals and digits.
    fn reference(&mut self) -> String {
        self.made += 1;
        format!("FAKE{:012}", self.made)
    }
}

impl Payment {
    /// Does it; or says why it cannot be done.
    fn change(&mut self, what: &str, amount: u64) -> Option<&'static str> {
        match (what, self.status) {
            // One capture, and the rest is released; more than one is for those who asked for it.
            ("captures", "authorised") if amount <= self.amount => {
                (self.status, self.captured) = ("captured", amount);
                None
            }
            ("captures", "authorised") => Some("Insufficient balance on payment"),
            ("captures", _) => Some("Payment is not in a state to be captured"),
            ("cancels" | "reversals", "authorised") => {
                self.status = "cancelled";
                None
            }
            ("cancels", _) => Some("Transaction not found or already captured or cancelled"),
            ("refunds", "captured") if amount <= self.captured - self.refunded => {
                self.refunded += amount;
                if self.refunded == self.captured {
                    self.status = "refunded";
                }
                None
            }
            ("refunds", "captured" | "refunded") => Some("Insufficient balance on payment"),
            ("refunds", _) => Some("Transaction hasn't been captured, refund not possible"),
            (_, "captured") => {
                (self.status, self.refunded) = ("refunded", self.captured);
                None
            }
            _ => Some("Payment cannot be reversed"),
        }
    }
}

fn signature(text: &str) -> String {
    signature_by(&NotificationSecret::of_hex(ADYEN_HMAC_KEY.as_bytes()).unwrap(), text)
}

/// HMAC-SHA-256 in base 64.
fn signature_by(secret: &NotificationSecret, text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mac = secret.sign(&[text.as_bytes()]);
    let mut encoded = String::new();
    for piece in mac.chunks(3) {
        let bits = piece.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - piece.len()));
        for place in 0..=piece.len() {
            let digit = DIGITS.get(bits >> (18 - 6 * place) & 63).copied().unwrap_or(b'=');
            encoded.push(char::from(digit));
        }
    }
    // 32 bytes end in a piece of two.
    encoded.push('=');
    encoded
}

fn error(status: u16, code: &str, message: &str, kind: &str) -> PspAnswer {
    let body = json!({ "status": status, "errorCode": code, "message": message, "errorType": kind });
    PspAnswer::new(status, body)
}

fn unknown(of: &str) -> PspAnswer {
    // A real one repeats the names. A number could stand in them.
    error(400, "702", &format!("Structure of {of} contains unknown fields"), "validation")
}

#[cfg(test)]
mod tests;
