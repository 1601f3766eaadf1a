//! Checkout.com: payments, their captures, voids and refunds, what became of them, and signed events.

mod card;

use std::collections::BTreeMap;

use panvault_keys::NotificationSecret;
use panvault_model::Timestamp;
use serde_json::{Map, Value, json};

use self::card::Card;
use super::idempotency::{Idempotency, Known};
use super::{NOW, Notification, Psp, PspAnswer, PspRequest, form, is_digits};

/// The one key that is taken, as bearer.
pub const CHECKOUT_SECRET_KEY: &str = "sk_sbox_panvaultfake00000000000000";
/// The one processing channel that there is.
pub const CHECKOUT_CHANNEL: &str = "pc_panvaultfake000000000000000";
/// What events are signed with.
pub const CHECKOUT_WEBHOOK_KEY: &str = "panvault-fake-workflow-key";

const PAYMENT: &[&str] = &[
    "3ds",
    "amount",
    "authorization_type",
    "billing_descriptor",
    "capture",
    "currency",
    "customer",
    "description",
    "failure_url",
    "merchant_initiated",
    "metadata",
    "payment_ip",
    "payment_type",
    "previous_payment_id",
    "processing",
    "processing_channel_id",
    "reference",
    "risk",
    "source",
    "success_url",
];
const CAPTURE: &[&str] = &["amount", "capture_type", "description", "metadata", "reference"];
const VOID: &[&str] = &["metadata", "reference"];
const REFUND: &[&str] = &["amount", "metadata", "reference"];
const PAYMENT_TYPES: [&str; 6] = ["Regular", "Recurring", "MOTO", "Installment", "PayLater", "Unscheduled"];
/// ISO 4217.
const CURRENCIES: [&str; 14] =
    ["AUD", "BHD", "CAD", "CHF", "DKK", "EUR", "GBP", "JPY", "KRW", "KWD", "NOK", "PLN", "SEK", "USD"];
/// The largest amount.
const AMOUNT_MAX: u64 = 9_999_999_999;

/// Checkout.com, as far as payments with cards go.
pub struct Checkout {
    now: Timestamp,
    payments: BTreeMap<String, Payment>,
    idempotency: Idempotency,
    events: Vec<Value>,
    failing: Vec<&'static str>,
    made: u64,
}

struct Payment {
    id: String,
    reference: Option<String>,
    payment_type: String,
    amount: u64,
    currency: String,
    approved: bool,
    response_code: &'static str,
    is_verification: bool,
    voided: u64,
    captured: u64,
    refunded: u64,
    card: Card,
    metadata: Value,
    actions: Vec<Value>,
}

type Object = Map<String, Value>;
type Answered = Result<PspAnswer, PspAnswer>;

impl Default for Checkout {
    fn default() -> Self {
        Self {
            now: NOW,
            payments: BTreeMap::new(),
            idempotency: Idempotency::default(),
            events: Vec::new(),
            failing: Vec::new(),
            made: 0,
        }
    }
}

impl Psp for Checkout {
    fn answer(&mut self, request: &PspRequest) -> PspAnswer {
        self.made += 1;
        let id = format!("{:032}", self.made);
        self.judged(request).with("Cko-Request-Id", &id).with("Cko-Version", "1.0.0")
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        core::mem::take(&mut self.events).iter().map(signed).collect()
    }
}

impl Checkout {
    /// The time that it has.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The next capture, void or refund is taken, and turns out to be declined with this response code.
    pub fn fail_next(&mut self, response_code: &'static str) {
        self.failing.push(response_code);
    }

    /// The status of a payment, such as `Authorized`.
    pub fn status(&self, payment: &str) -> Option<&'static str> {
        self.payments.get(payment).map(Payment::status)
    }

    /// Of a payment: what was captured, and what was given back.
    pub fn moved(&self, payment: &str) -> Option<(u64, u64)> {
        self.payments.get(payment).map(|payment| (payment.captured, payment.refunded))
    }

    /// The ids of its payments, oldest first.
    pub fn payments(&self) -> Vec<String> {
        self.payments.keys().cloned().collect()
    }

    fn judged(&mut self, request: &PspRequest) -> PspAnswer {
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if bearer != Some(CHECKOUT_SECRET_KEY) {
            return PspAnswer::new(401, json!({}));
        }
        let key = request.header("cko-idempotency-key").filter(|_| request.method == "POST");
        if let Some(key) = key {
            match self.idempotency.look(key, request) {
                Known::New => {}
                Known::Same(answer) => return answer,
                // That it is refused is documented, the code of it is not.
                Known::Other => return invalid("idempotency_key_reused"),
            }
        }
        match (self.done(request), key) {
            (Ok(answer), Some(key)) => {
                self.idempotency.keep(key, request, &answer);
                answer
            }
            (Ok(answer), None) | (Err(answer), _) => answer,
        }
    }

    fn done(&mut self, request: &PspRequest) -> Answered {
        let segments = request.segments();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["payments"]) => self.pay(&body(request, PAYMENT)?),
            ("GET", ["payments"]) => self.list(request),
            ("GET", ["payments", id]) => Ok(PspAnswer::new(200, self.payment(id)?.shown())),
            ("GET", ["payments", id, "actions"]) => {
                let actions: Vec<_> = self.payment(id)?.actions.iter().rev().cloned().collect();
                Ok(PspAnswer::new(200, Value::Array(actions)))
            }
            ("POST", ["payments", id, "captures"]) => self.act("Capture", id, &body(request, CAPTURE)?),
            ("POST", ["payments", id, "voids"]) => self.act("Void", id, &body(request, VOID)?),
            ("POST", ["payments", id, "refunds"]) => self.act("Refund", id, &body(request, REFUND)?),
            _ => Err(PspAnswer::new(404, json!({}))),
        }
    }

    fn pay(&mut self, body: &Object) -> Answered {
        let amount = amount(body)?.unwrap_or(0);
        let currency = text(body, "currency", 3)?.ok_or_else(|| invalid("currency_required"))?;
        if !CURRENCIES.contains(&currency.as_str()) {
            return Err(invalid("currency_invalid"));
        }
        if text(body, "processing_channel_id", 30)?.is_some_and(|channel| channel != CHECKOUT_CHANNEL) {
            return Err(invalid("processing_channel_id_invalid"));
        }
        let payment_type = text(body, "payment_type", 20)?.unwrap_or_else(|| "Regular".to_owned());
        if !PAYMENT_TYPES.contains(&payment_type.as_str()) {
            return Err(invalid("payment_type_invalid"));
        }
        let flag = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(invalid(&format!("{name}_invalid"))),
        };
        if flag("merchant_initiated")? == Some(true) && payment_type == "Regular" {
            return Err(invalid("payment_type_invalid"));
        }
        let captures = flag("capture")?.unwrap_or(true);
        let reference = text(body, "reference", 80)?;
        let card = Card::read(body, self.now)?;
        let response_code = card::response_code(amount);
        let (approved, is_verification) = (response_code == "10000", amount == 0);
        let captured = if approved && captures { amount } else { 0 };
        let (id, action) = (self.id("pay"), self.id("act"));
        let kind = if is_verification { "Card Verification" } else { "Authorization" };
        let mut actions = vec![self.action(&action, kind, amount, response_code, reference.as_deref())];
        if captured > 0 {
            let capture = self.id("act");
            actions.push(self.action(&capture, "Capture", amount, "10000", None));
        }
        let metadata = body.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let payment = Payment {
            id: id.clone(),
            reference,
            payment_type,
            amount,
            currency,
            approved,
            response_code,
            is_verification,
            voided: 0,
            captured,
            refunded: 0,
            card,
            metadata,
            actions,
        };
        let mut shown = payment.shown();
        // The capture follows: the answer knows nothing of it yet.
        shown["status"] = json!(match (approved, is_verification) {
            (false, _) => "Declined",
            (true, true) => "Card Verified",
            (true, false) => "Authorized",
        });
        shown["action_id"] = json!(action);
        shown["processed_on"] = json!(self.now.to_string());
        let kind = match (approved, is_verification) {
            (true, true) => "card_verified",
            (false, true) => "card_verification_declined",
            (true, false) => "payment_approved",
            (false, false) => "payment_declined",
        };
        self.event(kind, &payment, &payment.actions[0].clone());
        if let Some(capture) = payment.actions.get(1).cloned() {
            self.event("payment_captured", &payment, &capture);
        }
        self.payments.insert(id, payment);
        Ok(PspAnswer::new(201, shown))
    }

    fn act(&mut self, kind: &str, id: &str, body: &Object) -> Answered {
        let asked = amount(body)?;
        let reference = text(body, "reference", 80)?;
        let action = self.id("act");
        let payment = self.payment(id)?;
        let left = match kind {
            "Refund" => payment.captured - payment.refunded,
            _ => payment.amount - payment.captured - payment.voided,
        };
        if !payment.approved || payment.is_verification || left == 0 {
            return Err(PspAnswer::new(403, json!({})));
        }
        let amount = asked.unwrap_or(left);
        if amount == 0 || amount > left {
            return Err(invalid(match kind {
                "Refund" => "refund_amount_exceeds_balance",
                _ => "capture_value_greater_than_remaining_authorized",
            }));
        }
        let failed = if self.failing.is_empty() { None } else { Some(self.failing.remove(0)) };
        let made = self.action(&action, kind, amount, failed.unwrap_or("10000"), reference.as_deref());
        let Some(payment) = self.payments.get_mut(id) else { return Err(PspAnswer::new(404, json!({}))) };
        payment.actions.push(made.clone());
        if failed.is_none() {
            match kind {
                "Capture" => {
                    payment.captured += amount;
                    // Unless it is said to be not the last, the rest is released.
                    if body.get("capture_type") != Some(&json!("NonFinal")) {
                        payment.voided = payment.amount - payment.captured;
                    }
                }
                "Void" => payment.voided += amount,
                _ => payment.refunded += amount,
            }
        }
        let event = match (kind, failed.is_none()) {
            ("Capture", true) => "payment_captured",
            ("Capture", false) => "payment_capture_declined",
            ("Void", true) => "payment_voided",
            ("Void", false) => "payment_void_declined",
            (_, true) => "payment_refunded",
            (_, false) => "payment_refund_declined",
        };
        if let Some(payment) = self.payments.remove(id) {
            self.event(event, &payment, &made);
            self.payments.insert(id.to_owned(), payment);
        }
        let mut shown =
            json!({ "action_id": action, "_links": { "payment": { "href": format!("/payments/{id}") } } });
        if let Some(reference) = reference {
            shown["reference"] = json!(reference);
        }
        Ok(PspAnswer::new(202, shown))
    }

    fn list(&self, request: &PspRequest) -> Answered {
        let asked = form::read(&request.query).ok_or_else(|| invalid("query_invalid"))?;
        if asked.keys().any(|name| !["limit", "skip", "reference"].contains(&name.as_str())) {
            return Err(invalid("query_invalid"));
        }
        let number = |name: &str, usual: u64| match asked.get(name) {
            None => Ok(usual),
            Some(text) => {
                let number = text.parse().ok().filter(|_| is_digits(text, 1..=4));
                number.ok_or_else(|| invalid(&format!("{name}_invalid")))
            }
        };
        let (limit, skip) = (number("limit", 10)?, number("skip", 0)?);
        let reference = asked.get("reference").ok_or_else(|| invalid("reference_required"))?;
        let found: Vec<_> = self
            .payments
            .values()
            .filter(|payment| payment.reference.as_ref() == Some(reference))
            .map(Payment::shown)
            .collect();
        let page = |skip: u64| usize::try_from(skip).unwrap_or(usize::MAX);
        let data: Vec<_> = found.iter().rev().skip(page(skip)).take(page(limit)).collect();
        Ok(PspAnswer::new(
            200,
            json!({ "limit": limit, "skip": skip, "total_count": found.len(), "data": data }),
        ))
    }

    fn payment(&self, id: &str) -> Result<&Payment, PspAnswer> {
        self.payments.get(id).ok_or_else(|| PspAnswer::new(404, json!({})))
    }

    /// A prefix and 26 characters.
    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_fake{:022}", self.made)
    }

    fn action(&self, id: &str, kind: &str, amount: u64, code: &str, reference: Option<&str>) -> Value {
        let mut action = json!({
            "id": id, "type": kind, "processed_on": self.now.to_string(), "amount": amount, "approved": code == "10000",
            "response_code": code, "response_summary": card::summary(code),
        });
        if let Some(reference) = reference {
            action["reference"] = json!(reference);
        }
        action
    }

    fn event(&mut self, kind: &str, payment: &Payment, action: &Value) {
        let id = self.id("evt");
        // The reference of an action, where it has one, else that of the payment.
        let reference =
            action.get("reference").cloned().or_else(|| payment.reference.clone().map(Value::String));
        let mut data = json!({
            "id": payment.id, "action_id": action["id"], "amount": action["amount"], "currency": payment.currency,
            "processed_on": action["processed_on"], "response_code": action["response_code"],
            "response_summary": action["response_summary"], "balances": payment.balances(), "metadata": payment.metadata,
        });
        if let Some(reference) = reference {
            data["reference"] = reference;
        }
        self.events.push(json!({
            "id": id, "type": kind, "version": "1.0.0", "created_on": self.now.to_string(), "data": data,
            "_links": { "payment": { "href": format!("/payments/{}", payment.id) } },
        }));
    }
}

impl Payment {
    fn status(&self) -> &'static str {
        match (self.approved, self.is_verification) {
            (false, _) => return "Declined",
            (true, true) => return "Card Verified",
            (true, false) => {}
        }
        match (self.captured, self.refunded, self.voided) {
            (0, _, 0) => "Authorized",
            (0, _, _) => "Voided",
            (captured, 0, voided) if captured + voided < self.amount => "Partially Captured",
            (_, 0, _) => "Captured",
            (captured, refunded, _) if refunded < captured => "Partially Refunded",
            _ => "Refunded",
        }
    }

    fn balances(&self) -> Value {
        let left = self.amount - self.captured - self.voided;
        json!({
            "total_authorized": self.amount, "total_voided": self.voided, "available_to_void": left,
            "total_captured": self.captured, "available_to_capture": left, "total_refunded": self.refunded,
            "available_to_refund": self.captured - self.refunded,
        })
    }

    fn shown(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "amount": self.amount, "currency": self.currency, "approved": self.approved, "status": self.status(),
            "payment_type": self.payment_type, "response_code": self.response_code,
            "response_summary": card::summary(self.response_code), "source": self.card.shown(),
            "risk": { "flagged": false }, "balances": self.balances(), "metadata": self.metadata,
            "_links": { "self": { "href": format!("/payments/{}", self.id) } },
        });
        if let Some(reference) = &self.reference {
            shown["reference"] = json!(reference);
        }
        if self.approved {
            shown["auth_code"] = json!("643381");
            // What the card's network calls the payment.
            shown["scheme_id"] = json!(format!("4{}", self.id.get(self.id.len() - 14..).unwrap_or_default()));
        }
        shown
    }
}

/// The body, an object with fields that are known; none at all is an empty one.
fn body(request: &PspRequest, known: &[&str]) -> Result<Object, PspAnswer> {
    if request.body.is_empty() {
        return Ok(Object::new());
    }
    if request.media_type() != "application/json" {
        return Err(PspAnswer::new(415, json!({})));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) if body.keys().all(|name| known.contains(&name.as_str())) => Ok(body),
        Ok(Value::Object(_)) => Err(invalid("request_body_unknown_field")),
        Ok(_) | Err(_) => Err(invalid("request_body_malformed")),
    }
}

fn amount(body: &Object) -> Result<Option<u64>, PspAnswer> {
    match body.get("amount") {
        None => Ok(None),
        Some(value) => match value.as_u64().filter(|amount| *amount <= AMOUNT_MAX) {
            Some(amount) => Ok(Some(amount)),
            None => Err(invalid("amount_invalid")),
        },
    }
}

fn text(object: &Object, name: &str, chars_max: usize) -> Result<Option<String>, PspAnswer> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= chars_max => Ok(Some(text.clone())),
        Some(_) => Err(invalid(&format!("{name}_invalid"))),
    }
}

fn invalid(code: &str) -> PspAnswer {
    let body = json!({ "request_id": "0fake", "error_type": "request_invalid", "error_codes": [code] });
    PspAnswer::new(422, body)
}

/// HMAC-SHA-256 over the body, in hexadecimal digits.
fn signed(event: &Value) -> Notification {
    let body = event.to_string();
    let secret = NotificationSecret::of_text(CHECKOUT_WEBHOOK_KEY.as_bytes()).unwrap();
    let mac = secret.sign(&[body.as_bytes()]);
    let digits = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Notification { headers: vec![("cko-signature", digits)], body }
}

#[cfg(test)]
mod tests;
