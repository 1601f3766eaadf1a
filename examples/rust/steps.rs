//! A card's life with Panvault, and the check of a webhook.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

type Fallible<T> = Result<T, Box<dyn Error>>;

struct Client {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Client {
    /// The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Fallible<(u16, Value)> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("X-APIKEY", &self.key)
            .header("Content-Type", "application/json");
        if method == "POST" {
            request = request.header("Idempotency-Key", uuid::Uuid::new_v4().to_string());
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut answer = match text.is_empty() {
            true => self.agent.run(request.body(())?)?,
            false => self.agent.run(request.body(text)?)?,
        };
        Ok((answer.status().as_u16(), answer.body_mut().read_json()?))
    }

    /// The same, of what has to succeed.
    fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Fallible<Value> {
        match self.call(method, path, body)? {
            (200, answer) => Ok(answer),
            (status, answer) => Err(format!("{method} {path}: {status} {answer}").into()),
        }
    }

    fn post(&self, path: &str, body: Value) -> Fallible<Value> {
        self.done("POST", path, Some(&body))
    }

    /// Reads until the status is reached. A shop waits for a webhook instead.
    fn when(&self, path: &str, status: &str) -> Fallible<Value> {
        for _ in 0..150 {
            let found = self.done("GET", path, None)?;
            if found["status"] == status {
                return Ok(found);
            }
            sleep(Duration::from_millis(200));
        }
        Err(format!("{path} is still not {status}").into())
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off.
fn is_genuine(secret: &str, headers: &HashMap<&str, String>, body: &str, now: u64) -> Fallible<bool> {
    let [id, sent_at, signatures] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| headers[name].as_str());
    if now.abs_diff(sent_at.parse()?) > 300 {
        return Ok(false);
    }
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret))?;
    for signature in signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")) {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
        mac.update(format!("{id}.{sent_at}.{body}").as_bytes());
        // Compared in constant time.
        if mac.verify_slice(&BASE64_STANDARD.decode(signature)?).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn main() -> Fallible<()> {
    let (organisation, account) = (env::var("ORGANISATION")?, env::var("ACCOUNT")?);
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(40)));
    let client = Client { agent: config.build().into(), url: env::var("PANVAULT")?, key: env::var("KEY")? };
    let pay = |card: &str, amount: u32| json!({ "account": account, "card": card, "amount": amount });
    let reserve = |card: &str, amount: u32| {
        json!({ "account": account, "card": card, "amount": amount, "capture_now": false })
    };

    // Step 1 and 2: post the card once, keep its token.
    let mut number = json!({
        "card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "35",
        "organisation": organisation,
    });
    let card = client.post("/v1/card", number.clone())?;
    let token = text(&card, "_id");
    let (brand, masked) = (text(&card, "brand"), text(&card, "masked_card_number"));
    println!("card: {brand} {masked}, CVV held: {}", card["cvv_present"]);

    // Step 3: pay with the token. The CVV goes along once.
    let paid = client.post("/v1/transaction", pay(token, 1000))?;
    println!("paid: {}, with CVV: {}", text(&paid, "status"), paid["cvv_present"]);
    let paid = client.post("/v1/transaction", pay(token, 1000))?;
    println!("paid again: {}, with CVV: {}", text(&paid, "status"), paid["cvv_present"]);

    // Reusing the id: put a CVV back.
    let updated = client.post(&format!("/v1/card/{token}"), json!({ "cvv": "111", "organisation": organisation }))?;
    println!("CVV put back, the same token: {}", updated["_id"] == token && updated["cvv_present"] == true);
    let paid = client.post("/v1/transaction", pay(token, 1000))?;
    println!("paid once more: {}, with CVV: {}", text(&paid, "status"), paid["cvv_present"]);

    // What goes wrong has a code, and a transaction that was made all the same is in its details.
    let (_, declined) = client.call("POST", "/v1/transaction", Some(&pay(token, 1121)))?;
    println!("declined: code {}, {}", declined["code"], text(&declined["details"], "status"));
    number["card_number"] = "4111111111111112".into();
    let (_, refused) = client.call("POST", "/v1/card", Some(&number))?;
    println!("refused before anything was sent: code {}", refused["code"]);

    // Reserve, capture a part, and give back a part of that once it is settled.
    let reserved = client.post("/v1/transaction", reserve(token, 1000))?;
    let path = format!("/v1/transaction/{}", text(&reserved, "_id"));
    println!("reserved: {}", text(&reserved, "status"));
    let captured = client.post(&format!("{path}/capture"), json!({ "amount": 600 }))?;
    println!("captured: {} of {}", captured["captured_amount"], captured["amount"]);
    println!("settled: {}", text(&client.when(&path, "SETTLEMENT_COMPLETED")?, "status"));
    let refund = client.post(&format!("{path}/refund"), json!({ "amount": 250 }))?;
    println!("refund of {}: {}", refund["amount"], text(&refund, "status"));
    let refund = client.when(&format!("/v1/refund/{}", text(&refund, "_id")), "PROCESSED")?;
    println!("refund of {}: {}", refund["amount"], text(&refund, "status"));

    // Which way money is given back is chosen by the status.
    let reserved = client.post("/v1/transaction", reserve(token, 500))?;
    let path = format!("/v1/transaction/{}", text(&reserved, "_id"));
    let way = match text(&client.done("GET", &path, None)?, "status") {
        "AUTHORIZED" => "void",
        "SETTLEMENT_REQUESTED" => "void_capture",
        _ => "refund",
    };
    let given_back = client.done("POST", &format!("{path}/{way}"), None)?;
    println!("given back by {way}: {}", text(&given_back, "status"));

    // What a receiver does with each webhook, before it reads the body.
    let received = HashMap::from([
        ("webhook-id", env::var("WEBHOOK_ID")?),
        ("webhook-timestamp", env::var("WEBHOOK_TIMESTAMP")?),
        ("webhook-signature", env::var("WEBHOOK_SIGNATURE")?),
    ]);
    let (secret, body) = (env::var("WEBHOOK_SECRET")?, env::var("WEBHOOK_BODY")?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for (words, sent) in [("webhook", body.clone()), ("webhook with another body", format!("{body} "))] {
        let genuine = is_genuine(&secret, &received, &sent, now)?;
        println!("{words}: {}", if genuine { "genuine" } else { "not genuine" });
    }
    Ok(())
}
