//! Checkouts through the whole program: killed in the middle of a payment, and what it then keeps and says.

use std::fs;

use panvault_testkit::{HttpAnswer, http_send};
use serde_json::{Value, json};

use crate::support::{Dev, assert_healthy, until};

const NUMBER: &str = "4111111111111111";

fn act(dev: &Dev, checkout: &str, what: &str, body: &Value) -> Option<HttpAnswer> {
    let headers = [("Origin", dev.url.as_str()), ("Content-Type", "application/json")];
    let url = format!("{}/v1/checkout/{checkout}/{what}", dev.url);
    http_send(&url, "POST", &headers, Some(&body.to_string())).ok()
}

fn bring(dev: &Dev, checkout: &str) {
    let year = dev.card_body(NUMBER)["expiry_year"].clone();
    let card = json!({ "card_number": NUMBER, "expiry_month": "12", "expiry_year": year, "cvv": "111" });
    let brought = act(dev, checkout, "card", &card).unwrap();
    assert_eq!(brought.status, 200, "{}", brought.text);
}

fn made(dev: &Dev, reference: &str) -> String {
    let body = json!({
        "account": dev.ready["account"], "amount": 1_250, "merchant_reference": reference,
        "return_url": "https://shop.example/thanks",
    });
    let made = dev.post("/v1/checkout", &body);
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.json()["url"], format!("{}/v1/checkout/view/{}.html", dev.url, made.id()));
    made.id()
}

/// The dummy never answers: `INITIATED` is written, and the process is killed.
#[test]
fn a_payment_that_was_cut_off_is_not_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--log-level", "trace"]);
    let checkout = made(&dev, "please 170");
    bring(&dev, &checkout);
    std::thread::scope(|scope| {
        let paying = scope.spawn(|| act(&dev, &checkout, "pay", &json!({ "attempt": 0 })));
        until("it is initiated", || {
            dev.get("/v1/transaction").json().as_array().is_some_and(|all| all.len() == 1)
        });
        let again = act(&dev, &checkout, "pay", &json!({ "attempt": 0 })).unwrap();
        assert_eq!((again.status, &again.json()["status"]), (200, &json!("processing")), "{}", again.text);
        dev.signal("-KILL");
        assert!(paying.join().unwrap().is_none());
    });
    dev.kill();
    let dev = Dev::start(directory.path(), &["--log-level", "trace"]);
    let all = dev.get("/v1/transaction").json();
    assert_eq!(all[0]["status"], "UNKNOWN");
    for attempt in [0, 1] {
        let answer = act(&dev, &checkout, "pay", &json!({ "attempt": attempt })).unwrap();
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("processing")), "{}", answer.text);
    }
    let read = dev.get(&format!("/v1/checkout/{checkout}")).json();
    assert_eq!((&read["status"], &read["transaction"]), (&json!("processing"), &all[0]["_id"]));
    assert_eq!(dev.get("/v1/transaction/count").json()["count"], json!(1));
    // Another one is paid, and what it stands for outlives a restart.
    let paid = made(&dev, "order-7");
    bring(&dev, &paid);
    let answer = act(&dev, &paid, "pay", &json!({ "attempt": 0 })).unwrap();
    assert_eq!(answer.json()["status"], "completed", "{}", answer.text);
    let token = dev.get(&format!("/v1/checkout/{paid}")).json()["card"].as_str().unwrap().to_owned();
    let log = dev.log.clone();
    dev.kill();
    let dev = Dev::start(directory.path(), &[]);
    assert_eq!(dev.get(&format!("/v1/checkout/{paid}")).json()["status"], "completed");
    let data = dev.data.clone();
    dev.stop();
    assert_healthy(&data);
    let said = fs::read(log).unwrap();
    let needles = [NUMBER, token.as_str()].map(|text| text.as_bytes().to_vec());
    assert!(said.len() > 1_000, "it was logged at all");
    for needle in needles {
        assert!(
            !said.windows(needle.len()).any(|part| part == needle),
            "{}",
            String::from_utf8_lossy(&needle)
        );
    }
}
