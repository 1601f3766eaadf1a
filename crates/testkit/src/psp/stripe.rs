//! Stripe: payment intents with raw card data, their capture, cancellation and refunds, setup intents, and signed events.

mod card;
mod parameters;

use std::collections::BTreeMap;

use panvault_keys::NotificationSecret;
use panvault_model::Timestamp;
use serde_json::{Map, Value, json};

use self::card::Card;
use self::parameters::{CANCEL, CAPTURE, CREATE, REFUND, SETUP};
use super::form::{self, Form};
use super::idempotency::{Idempotency, Known};
use super::{NOW, Notification, Psp, PspAnswer, PspRequest};

/// The one key that is taken, as bearer or as the user name of Basic.
pub const STRIPE_SECRET_KEY: &str = "sk_test_panvaultFake0000000000";
/// What events are signed with.
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_panvaultFake0000000000000";

/// The smallest amount of a payment.
const AMOUNT_MIN: u64 = 50;
/// The largest: eight digits.
const AMOUNT_MAX: u64 = 99_999_999;

/// Stripe, as far as payments with cards go.
pub struct Stripe {
    now: Timestamp,
    intents: BTreeMap<String, Intent>,
    setups: BTreeMap<String, Value>,
    refunds: BTreeMap<String, Refund>,
    idempotency: Idempotency,
    events: Vec<Value>,
    made: u64,
}

struct Intent {
    id: String,
    created: u64,
    amount: u64,
    currency: String,
    is_manual: bool,
    status: &'static str,
    received: u64,
    refunded: u64,
    description: Option<String>,
    cancellation_reason: Option<String>,
    error: Option<Value>,
    metadata: Map<String, Value>,
    card: Card,
}

struct Refund {
    id: String,
    intent: String,
    amount: u64,
    created: u64,
    currency: String,
    reason: Option<String>,
    status: &'static str,
    metadata: Map<String, Value>,
}

type Answered = Result<Value, PspAnswer>;

impl Default for Stripe {
    fn default() -> Self {
        Self {
            now: NOW,
            intents: BTreeMap::new(),
            setups: BTreeMap::new(),
            refunds: BTreeMap::new(),
            idempotency: Idempotency::default(),
            events: Vec::new(),
            made: 0,
        }
    }
}

impl Psp for Stripe {
    fn answer(&mut self, request: &PspRequest) -> PspAnswer {
        self.made += 1;
        let id = format!("req_{:014}", self.made);
        self.judged(request).with("Request-Id", &id).with("Stripe-Version", parameters::VERSION)
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        let at = self.now.unix_seconds();
        core::mem::take(&mut self.events).into_iter().map(|event| signed(&event, at)).collect()
    }
}

impl Stripe {
    /// The time that it has.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The status of a payment intent.
    pub fn status(&self, intent: &str) -> Option<&'static str> {
        self.intents.get(intent).map(|intent| intent.status)
    }

    /// Of a payment intent: what was captured, and what was given back.
    pub fn moved(&self, intent: &str) -> Option<(u64, u64)> {
        self.intents.get(intent).map(|intent| (intent.received, intent.refunded))
    }

    /// The ids of its payment intents, oldest first.
    pub fn intents(&self) -> Vec<String> {
        let mut intents: Vec<_> = self.intents.values().collect();
        intents.sort_by_key(|intent| intent.id.len());
        intents.iter().map(|intent| intent.id.clone()).collect()
    }

    /// Ends a refund that is `pending`.
    pub fn end_refund(&mut self, refund: &str, status: &'static str) {
        let found = self.refunds.get_mut(refund).unwrap();
        found.status = status;
        let shown = found.shown();
        self.event(if status == "failed" { "refund.failed" } else { "refund.updated" }, shown);
    }

    fn judged(&mut self, request: &PspRequest) -> PspAnswer {
        if let Some(refused) = unauthorised(request) {
            return refused;
        }
        if request.header("stripe-version").is_some_and(|version| !parameters::is_version(version)) {
            return fault(400, "Invalid Stripe API version.", None, None);
        }
        let key = request.header("idempotency-key").filter(|_| request.method == "POST");
        if let Some(key) = key {
            if key.is_empty() || key.len() > 255 {
                return fault(400, "Idempotency keys must be between 1 and 255 characters long.", None, None);
            }
            match self.idempotency.look(key, request) {
                Known::New => {}
                Known::Same(answer) => return answer.with("Idempotent-Replayed", "true"),
                Known::Other => {
                    let words = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
                    return error(400, json!({ "type": "idempotency_error", "message": words }));
                }
            }
        }
        let answered = self.done(request);
        let (answer, has_begun) = match answered {
            Ok(body) => (PspAnswer::new(200, body), true),
            // What does not get past the check of its parameters is not kept.
            Err(answer) => {
                let has_begun = answer.status == 402;
                (answer, has_begun)
            }
        };
        if let Some(key) = key.filter(|_| has_begun) {
            self.idempotency.keep(key, request, &answer);
        }
        answer
    }

    fn done(&mut self, request: &PspRequest) -> Answered {
        let segments = request.segments();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "payment_intents"]) => self.create(&body(request, CREATE)?),
            ("GET", ["v1", "payment_intents", "search"]) => self.search(request),
            ("GET", ["v1", "payment_intents", id]) => {
                let expands = query(request, &["expand[]"])?.contains_key("expand[]");
                Ok(self.intent(id)?.shown(expands))
            }
            ("POST", ["v1", "payment_intents", id, "capture"]) => self.capture(id, &body(request, CAPTURE)?),
            ("POST", ["v1", "payment_intents", id, "cancel"]) => self.cancel(id, &body(request, CANCEL)?),
            ("POST", ["v1", "refunds"]) => self.refund(&body(request, REFUND)?),
            ("GET", ["v1", "refunds"]) => {
                let asked = query(request, &["payment_intent", "limit"])?;
                let of = asked.get("payment_intent");
                let found =
                    self.refunds.values().filter(|refund| of.is_none_or(|intent| refund.intent == *intent));
                let data: Vec<_> = found.map(Refund::shown).rev().collect();
                Ok(json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/refunds" }))
            }
            ("GET", ["v1", "refunds", id]) => {
                self.refunds.get(*id).map(Refund::shown).ok_or_else(|| missing("refund", "id"))
            }
            ("POST", ["v1", "setup_intents"]) => self.set_up(&body(request, SETUP)?),
            ("GET", ["v1", "setup_intents", id]) => {
                self.setups.get(*id).cloned().ok_or_else(|| missing("setupintent", "intent"))
            }
            _ => Err(fault(404, "Unrecognized request URL.", None, None)),
        }
    }

    fn create(&mut self, form: &Form) -> Answered {
        let amount = amount(form, "amount")?.ok_or_else(|| required("amount"))?;
        if amount < AMOUNT_MIN {
            let words = "Amount must convert to at least 50 cents.";
            return Err(fault(400, words, Some("amount_too_small"), Some("amount")));
        }
        let currency = parameters::currency(form)?;
        let is_manual = match form.get("capture_method").map(String::as_str) {
            Some("manual") => true,
            Some("automatic" | "automatic_async") | None => false,
            Some(_) => return Err(invalid("capture_method")),
        };
        if form.get("confirm").map(String::as_str) != Some("true") {
            return Err(fault(400, "This fake confirms at once: send confirm=true.", None, Some("confirm")));
        }
        let card = Card::read(form, self.now)?;
        let id = self.id("pi");
        let mut intent = Intent {
            id: id.clone(),
            created: self.now.unix_seconds(),
            amount,
            currency,
            is_manual,
            status: "requires_payment_method",
            received: 0,
            refunded: 0,
            description: form.get("description").cloned(),
            cancellation_reason: None,
            error: None,
            metadata: parameters::metadata(form)?,
            card,
        };
        if let Some(refusal) = intent.card.refusal() {
            intent.error = Some(refusal);
        } else if intent.card.needs_authentication() && !intent.card.is_authenticated() {
            intent.status = "requires_action";
        } else if is_manual {
            intent.status = "requires_capture";
        } else {
            (intent.status, intent.received) = ("succeeded", amount);
        }
        let expands = form.contains_key("expand[]") || form.contains_key("expand[0]");
        let shown = intent.shown(expands);
        let event = match intent.status {
            "requires_capture" => "payment_intent.amount_capturable_updated",
            "succeeded" => "payment_intent.succeeded",
            "requires_action" => "payment_intent.requires_action",
            _ => "payment_intent.payment_failed",
        };
        self.event(event, intent.shown(false));
        let refused = intent.error.clone();
        self.intents.insert(id, intent);
        match refused {
            None => Ok(shown),
            Some(mut refused) => {
                refused["payment_intent"] = shown;
                Err(error(402, refused))
            }
        }
    }

    fn capture(&mut self, id: &str, form: &Form) -> Answered {
        let most = amount(form, "amount_to_capture")?;
        let intent = self.intent_mut(id)?;
        if intent.status != "requires_capture" {
            return Err(intent.unexpected());
        }
        let amount = most.unwrap_or(intent.amount);
        if amount > intent.amount {
            let words = "The amount to capture is greater than the capturable amount.";
            return Err(fault(400, words, Some("amount_too_large"), Some("amount_to_capture")));
        }
        intent.metadata.extend(parameters::metadata(form)?);
        (intent.status, intent.received) = ("succeeded", amount);
        let shown = intent.shown(form.contains_key("expand[]") || form.contains_key("expand[0]"));
        self.event("payment_intent.succeeded", shown.clone());
        Ok(shown)
    }

    fn cancel(&mut self, id: &str, form: &Form) -> Answered {
        let reason = form.get("cancellation_reason").cloned();
        let known = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
        if reason.as_deref().is_some_and(|reason| !known.contains(&reason)) {
            return Err(invalid("cancellation_reason"));
        }
        let intent = self.intent_mut(id)?;
        if !matches!(intent.status, "requires_payment_method" | "requires_capture" | "requires_action") {
            return Err(intent.unexpected());
        }
        (intent.status, intent.cancellation_reason) = ("canceled", reason);
        let shown = intent.shown(false);
        self.event("payment_intent.canceled", shown.clone());
        Ok(shown)
    }

    fn refund(&mut self, form: &Form) -> Answered {
        let asked = amount(form, "amount")?;
        let of = form.get("payment_intent").cloned().ok_or_else(|| required("payment_intent"))?;
        let reason = form.get("reason").cloned();
        let known = ["duplicate", "fraudulent", "requested_by_customer"];
        if reason.as_deref().is_some_and(|reason| !known.contains(&reason)) {
            return Err(invalid("reason"));
        }
        let (metadata, created, id) = (parameters::metadata(form)?, self.now.unix_seconds(), self.id("re"));
        let intent = self.intent_mut(&of)?;
        if intent.status != "succeeded" {
            let words = "This PaymentIntent does not have a successful charge to refund.";
            return Err(fault(400, words, Some("payment_intent_unexpected_state"), None));
        }
        let left = intent.received - intent.refunded;
        if left == 0 {
            let words = "The charge has already been refunded.";
            return Err(fault(400, words, Some("charge_already_refunded"), None));
        }
        let amount = asked.unwrap_or(left);
        if amount > left {
            let words = "The refund is greater than the unrefunded amount on the charge.";
            return Err(fault(400, words, None, Some("amount")));
        }
        intent.refunded += amount;
        let (currency, status) = (intent.currency.clone(), intent.card.refund_status());
        let refund = Refund { id, intent: of, amount, created, currency, reason, status, metadata };
        let shown = refund.shown();
        self.refunds.insert(refund.id.clone(), refund);
        self.event("refund.created", shown.clone());
        Ok(shown)
    }

    /// A card is looked at and no money moves.
    fn set_up(&mut self, form: &Form) -> Answered {
        if form.get("confirm").map(String::as_str) != Some("true") {
            return Err(fault(400, "This fake confirms at once: send confirm=true.", None, Some("confirm")));
        }
        let card = Card::read(form, self.now)?;
        let metadata = parameters::metadata(form)?;
        let id = self.id("seti");
        let refusal = card.refusal();
        let status = if refusal.is_some() { "requires_payment_method" } else { "succeeded" };
        let shown = json!({
            "id": id, "object": "setup_intent", "created": self.now.unix_seconds(), "status": status,
            "last_setup_error": refusal, "livemode": false, "metadata": metadata, "next_action": null,
            "payment_method": card.method_id(&id), "latest_attempt": format!("setatt_{id}"), "usage": "off_session",
        });
        self.setups.insert(id, shown.clone());
        match refusal {
            None => Ok(shown),
            Some(mut refused) => {
                refused["setup_intent"] = shown;
                Err(error(402, refused))
            }
        }
    }

    /// Of the query language, `metadata["name"]:"value"` alone.
    fn search(&self, request: &PspRequest) -> Answered {
        let asked = query(request, &["query", "limit"])?;
        let text = asked.get("query").ok_or_else(|| required("query"))?.replace('\'', "\"");
        let parts: Vec<&str> = text.split('"').collect();
        let [before, name, between, value, ""] = parts.as_slice() else { return Err(invalid("query")) };
        if (*before, *between) != ("metadata[", "]:") {
            return Err(invalid("query"));
        }
        let is_found = |intent: &&Intent| intent.metadata.get(*name).is_some_and(|found| found == value);
        let found: Vec<_> =
            self.intents.values().filter(is_found).map(|intent| intent.shown(false)).collect();
        Ok(
            json!({ "object": "search_result", "data": found, "has_more": false, "url": "/v1/payment_intents/search" }),
        )
    }

    fn intent(&self, id: &str) -> Result<&Intent, PspAnswer> {
        self.intents.get(id).ok_or_else(|| missing("payment_intent", "intent"))
    }

    fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, PspAnswer> {
        self.intents.get_mut(id).ok_or_else(|| missing("payment_intent", "intent"))
    }

    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_3Fake{:019}", self.made)
    }

    fn event(&mut self, kind: &str, object: Value) {
        let id = self.id("evt");
        let created = self.now.unix_seconds();
        self.events.push(json!({
            "id": id, "object": "event", "api_version": parameters::VERSION, "created": created,
            "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null }, "type": kind,
        }));
    }
}

impl Intent {
    fn shown(&self, with_charge: bool) -> Value {
        let capturable = if self.status == "requires_capture" { self.amount } else { 0 };
        let charge = match (with_charge, self.status) {
            (_, "requires_action") => Value::Null,
            (true, _) => self.charge(),
            (false, _) => Value::String(self.charge_id()),
        };
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": capturable,
            "amount_received": self.received, "cancellation_reason": self.cancellation_reason,
            "capture_method": if self.is_manual { "manual" } else { "automatic" },
            "client_secret": format!("{}_secret_fake", self.id), "confirmation_method": "automatic",
            "created": self.created, "currency": self.currency, "customer": null, "description": self.description,
            "last_payment_error": self.error, "latest_charge": charge, "livemode": false, "metadata": self.metadata,
            "next_action": (self.status == "requires_action").then(|| json!({ "type": "use_stripe_sdk" })),
            "payment_method": self.card.method_id(&self.id), "payment_method_types": ["card"], "status": self.status,
        })
    }

    fn charge_id(&self) -> String {
        self.id.replacen("pi_", "ch_", 1)
    }

    fn charge(&self) -> Value {
        json!({
            "id": self.charge_id(), "object": "charge", "amount": self.amount, "amount_captured": self.received,
            "amount_refunded": self.refunded, "captured": self.received > 0, "currency": self.currency,
            "outcome": self.card.outcome(), "paid": self.error.is_none(), "payment_intent": self.id,
            "payment_method_details": { "type": "card", "card": self.card.details(&self.id) },
            "status": if self.error.is_none() { "succeeded" } else { "failed" },
        })
    }

    fn unexpected(&self) -> PspAnswer {
        let words = format!("This PaymentIntent has a status of {}, which does not allow this.", self.status);
        let mut body = json!({
            "type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": words,
        });
        body["payment_intent"] = self.shown(false);
        error(400, body)
    }
}

impl Refund {
    fn shown(&self) -> Value {
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "charge": self.intent.replacen("pi_", "ch_", 1),
            "created": self.created, "currency": self.currency, "metadata": self.metadata, "payment_intent": self.intent,
            "reason": self.reason, "status": self.status,
            "failure_reason": (self.status == "failed").then_some("unknown"),
        })
    }
}

fn unauthorised(request: &PspRequest) -> Option<PspAnswer> {
    let basic = |text: &str| form_of_basic(text).is_some_and(|user| user == STRIPE_SECRET_KEY);
    let words = match request.header("authorization").and_then(|value| value.split_once(' ')) {
        Some(("Bearer", key)) if key == STRIPE_SECRET_KEY => return None,
        Some(("Basic", text)) if basic(text) => return None,
        Some(_) => "Invalid API Key provided.",
        None => "You did not provide an API key.",
    };
    Some(error(401, json!({ "type": "invalid_request_error", "message": words })))
}

/// The user name of Basic: the key, and an empty password.
fn form_of_basic(text: &str) -> Option<String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits: u32 = 0;
    let mut bytes = Vec::new();
    for (count, digit) in text.trim_end_matches('=').bytes().enumerate() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        if count % 4 != 0 {
            let shift = 6 - 2 * (count % 4);
            bytes.push(u8::try_from(bits >> shift & 0xff).ok()?);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    text.strip_suffix(':').map(str::to_owned)
}

/// The body, with parameters that are known.
fn body(request: &PspRequest, known: &[&str]) -> Result<Form, PspAnswer> {
    let words = "Invalid request (check that your POST content type is application/x-www-form-urlencoded).";
    if !request.body.is_empty() && request.media_type() != "application/x-www-form-urlencoded" {
        return Err(fault(400, words, None, None));
    }
    let text = core::str::from_utf8(&request.body).ok();
    let form = text.and_then(form::read).ok_or_else(|| fault(400, words, None, None))?;
    parameters::are_known(&form, known)?;
    Ok(form)
}

fn query(request: &PspRequest, known: &[&str]) -> Result<Form, PspAnswer> {
    let form = form::read(&request.query).ok_or_else(|| fault(400, "Invalid query.", None, None))?;
    parameters::are_known(&form, known)?;
    Ok(form)
}

fn amount(form: &Form, name: &'static str) -> Result<Option<u64>, PspAnswer> {
    let Some(text) = form.get(name) else { return Ok(None) };
    let read = text.parse().ok().filter(|_| super::is_digits(text, 1..=12));
    let amount: u64 =
        read.ok_or_else(|| fault(400, "Invalid integer.", Some("parameter_invalid_integer"), Some(name)))?;
    match amount {
        0 => {
            let words = "This value must be greater than or equal to 1.";
            Err(fault(400, words, Some("parameter_invalid_integer"), Some(name)))
        }
        AMOUNT_MAX.. => Err(fault(400, "Amount is too large.", Some("amount_too_large"), Some(name))),
        _ => Ok(Some(amount)),
    }
}

fn error(status: u16, body: Value) -> PspAnswer {
    PspAnswer::new(status, json!({ "error": body }))
}

fn fault(status: u16, message: &str, code: Option<&str>, parameter: Option<&str>) -> PspAnswer {
    let mut body = json!({ "type": "invalid_request_error", "message": message });
    for (name, value) in [("code", code), ("param", parameter)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    error(status, body)
}

fn invalid(parameter: &str) -> PspAnswer {
    fault(400, &format!("Invalid {parameter}."), None, Some(parameter))
}

fn required(parameter: &str) -> PspAnswer {
    let words = format!("Missing required param: {parameter}.");
    fault(400, &words, Some("parameter_missing"), Some(parameter))
}

fn missing(what: &str, parameter: &str) -> PspAnswer {
    fault(404, &format!("No such {what}."), Some("resource_missing"), Some(parameter))
}

/// `t=…,v1=…`: HMAC-SHA-256 in hexadecimal digits over time, full stop and body.
fn signed(event: &Value, at: u64) -> Notification {
    let body = event.to_string();
    let secret = NotificationSecret::of_text(STRIPE_WEBHOOK_SECRET.as_bytes()).unwrap();
    let mac = secret.sign(&[at.to_string().as_bytes(), b".", body.as_bytes()]);
    let digits: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Notification { headers: vec![("stripe-signature", format!("t={at},v1={digits}"))], body }
}

#[cfg(test)]
mod tests;
