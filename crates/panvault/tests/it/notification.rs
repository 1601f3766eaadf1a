//! What PSPs tell by themselves, signed, over real sockets: captures, voids and refunds end by it, and nothing else does.

use std::fs;

use panvault_model::Timestamp;
use panvault_testkit::psp::{
    ADYEN_API_KEY, ADYEN_HMAC_KEY, ADYEN_MERCHANT_ACCOUNT, Adyen, CHECKOUT_SECRET_KEY, CHECKOUT_WEBHOOK_KEY,
    Checkout, Manner, Notification, Psp, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, Stripe,
};
use panvault_testkit::{HttpAnswer, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::processor::{Kind, Shop, holds};
use crate::support::{run, run_json};

const ADYEN: Kind = Kind {
    name: "adyen",
    shipped: include_str!("../../../processor/descriptions/adyen.toml"),
    origin: "https://checkout-test.adyen.com",
    settings: &[("merchant_account", ADYEN_MERCHANT_ACCOUNT), ("return_url", "https://shop.example/paid")],
    secrets: &[("api_key", ADYEN_API_KEY), ("hmac_key", ADYEN_HMAC_KEY)],
};
const CHECKOUT: Kind = Kind {
    name: "checkout",
    shipped: include_str!("../../../processor/descriptions/checkout.toml"),
    origin: "https://api.sandbox.checkout.com",
    settings: &[],
    secrets: &[("secret_key", CHECKOUT_SECRET_KEY), ("webhook_secret", CHECKOUT_WEBHOOK_KEY)],
};
const STRIPE: Kind = Kind {
    name: "stripe",
    shipped: include_str!("../../../processor/descriptions/stripe.toml"),
    origin: "https://api.stripe.com",
    settings: &[],
    secrets: &[("secret_key", STRIPE_SECRET_KEY), ("webhook_secret", STRIPE_WEBHOOK_SECRET)],
};

/// Another card's number and expiry, where a PSP says why not.
const REASON: &str = "Refused for 5555444433331111:03/2031";
const NUMBER: &str = "5555444433331111";

impl<P: Psp> Shop<P> {
    fn notification_url(&self) -> String {
        format!("{}/v1/notification/{}", self.url, self.processor)
    }

    /// The PSP tells by itself from now on.
    fn listen(&self) {
        self.peer.tells(&self.notification_url());
    }

    fn act(&self, id: &Value, what: &str, body: &Value) -> Value {
        let (status, answer) = self.post(&format!("/v1/transaction/{}/{what}", id.as_str().unwrap()), body);
        assert_eq!(status, 200, "{what}: {answer}");
        answer
    }

    fn status(&self, id: &Value) -> String {
        let id = id.as_str().unwrap();
        self.get(&format!("/v1/transaction/{id}"))["status"].as_str().unwrap().to_owned()
    }

    fn steps(&self, id: &Value) -> usize {
        let id = id.as_str().unwrap();
        self.get(&format!("/v1/transaction/{id}/history")).as_array().unwrap().len()
    }

    fn settle(&self, data: &str) {
        run_json(&["settle", "--json", "--data", data]);
    }

    fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.ready["metrics_url"].as_str().unwrap());
        http_send(&url, "GET", &[], None).unwrap().text
    }
}

fn sent(url: &str, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    http_send(url, "POST", &[&[("content-type", "application/json")], headers].concat(), Some(body)).unwrap()
}

#[test]
fn what_adyen_takes_ends_as_it_tells() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &ADYEN, Adyen::default());
    let data = directory.path().join("vault");
    shop.listen();
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    assert_eq!(paid["status"], "AUTHORIZED", "{paid}");
    shop.peer.wait_until_told(1);
    let captured = shop.act(&paid["_id"], "capture", &json!({ "amount": 700 }));
    assert_eq!(captured["status"], "PENDING", "{captured}");
    let told = shop.peer.wait_until_told(2);
    assert!(told.iter().all(|(status, _)| [200, 503].contains(status)), "{told:?}");
    assert_eq!(told.last().unwrap().1, "[accepted]");
    assert_eq!(shop.status(&paid["_id"]), "SETTLEMENT_REQUESTED");

    // Two refunds of one amount, of which the second is not possible.
    shop.settle(path(&data));
    let refund = || shop.act(&paid["_id"], "refund", &json!({ "amount": 200 }));
    let first = refund();
    assert_eq!(first["status"], "PENDING", "{first}");
    shop.peer.wait_until_told(3);
    shop.peer.psp().fail_next(REASON);
    let second = refund();
    shop.peer.wait_until_told(4);
    shop.settle(path(&data));
    let read = |refund: &Value| shop.get(&format!("/v1/refund/{}", refund["_id"].as_str().unwrap()));
    assert_eq!(read(&first)["status"], "PROCESSED", "{}", read(&first));
    assert_eq!(read(&second)["status"], "FAILED");
    assert_eq!(read(&second)["status_reason"], "Refused for ****************:**/****");

    let (_, other) = shop.pay(&card, 500, false);
    shop.peer.psp().fail_next(REASON);
    assert_eq!(shop.act(&other["_id"], "capture", &json!({}))["status"], "PENDING");
    shop.peer.wait_until_told(6);
    assert_eq!(shop.status(&other["_id"]), "AUTHORIZED", "it stands where it stood");
    shop.act(&other["_id"], "void", &json!({}));
    shop.peer.wait_until_told(7);
    assert_eq!(shop.status(&other["_id"]), "AUTHORIZATION_VOIDED");

    let (_, sale) = shop.pay(&card, 300, true);
    shop.act(&sale["_id"], "void_capture", &json!({}));
    shop.peer.wait_until_told(9);
    assert_eq!(shop.status(&sale["_id"]), "SETTLEMENT_CANCELLED");

    let metrics = shop.metrics();
    let counted = "panvault_notifications_total{scheme=\"adyen_hmac\",outcome=\"settled\"} 6";
    assert!(metrics.contains(counted), "{metrics}");
    let logged = fs::read_to_string(directory.path().join("log.json")).unwrap();
    for number in [NUMBER, ADYEN_HMAC_KEY, "03/2031"] {
        assert!(!logged.contains(number) && !holds(&data, number), "{number}");
    }
    let records = run(&["audit", "list", "--json", "--data", path(&data)]).out;
    let actor = format!("\"actor\":\"{}\"", shop.processor);
    assert!(records.contains(&actor), "the trail says who told it: {records}");
    shop.served.signal("-TERM");
}

#[test]
fn what_is_not_signed_or_was_told_before_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &ADYEN, Adyen::default());
    let url = shop.notification_url();
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    let earlier = shop.peer.psp().take_notifications().remove(0);
    let id = &paid["_id"];
    shop.act(id, "capture", &json!({ "amount": 700 }));
    let notification: Notification = shop.peer.psp().take_notifications().remove(0);
    let (right, steps) = (notification.body.as_str(), shop.steps(id));
    let refused = |body: &str, status: u16, code: u16| {
        let answer = sent(&url, &[], body);
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{}", answer.text);
        assert!(!answer.text.contains("\"FAKE"), "nothing is repeated");
        assert_eq!((shop.status(id).as_str(), shop.steps(id)), ("PENDING", steps));
    };
    refused(&right.replace("700", "701"), 401, 116);
    refused(&right.replace("\"success\":\"true\"", "\"success\":\"false\""), 401, 116);
    refused(&right.replace("\"CAPTURE\"", "\"CANCELLATION\""), 401, 116);
    refused("{}", 400, 107);
    refused("x", 400, 107);
    refused(&format!("{right}{}", " ".repeat(64 * 1024)), 413, 147);
    let plain = http_send(&url, "POST", &[("content-type", "text/plain")], Some(right)).unwrap();
    assert_eq!(plain.status, 415, "{}", plain.text);
    assert_eq!(http_send(&url, "GET", &[], None).unwrap().status, 405);
    // Of no processor, of one that tells nothing, and of what is no id.
    let of = |processor: &str| sent(&format!("{}/v1/notification/{processor}", shop.url), &[], right);
    let dummy = shop.get("/v1/processor").as_array().unwrap().iter().find_map(|one| {
        (one["configuration"]["_type"] == "card_dummy").then(|| one["_id"].as_str().unwrap().to_owned())
    });
    let nobody = of("0123456789abcdef01234567");
    assert_eq!(nobody.status, 404, "{}", nobody.text);
    for processor in dummy.as_deref().into_iter().chain(["x"]) {
        let answer = of(processor);
        assert_eq!((answer.status, &answer.json()["details"]), (404, &nobody.json()["details"]));
    }
    assert_eq!((shop.status(id).as_str(), shop.steps(id)), ("PENDING", steps));
    // What is about an earlier act is taken, and says nothing of this one.
    assert_eq!(earlier.send(&url), (200, "[accepted]".to_owned()));
    assert_eq!((shop.status(id).as_str(), shop.steps(id)), ("PENDING", steps));
    for _ in 0..3 {
        assert_eq!(notification.send(&url), (200, "[accepted]".to_owned()));
        assert_eq!((shop.status(id).as_str(), shop.steps(id)), ("SETTLEMENT_REQUESTED", steps + 1));
    }
    let metrics = shop.metrics();
    for (outcome, times) in [("refused", 5), ("ignored", 1), ("settled", 1), ("known", 2)] {
        let counted =
            format!("panvault_notifications_total{{scheme=\"adyen_hmac\",outcome=\"{outcome}\"}} {times}");
        assert!(metrics.contains(&counted), "{outcome}: {metrics}");
    }
    assert!(metrics.contains("panvault_refused_total{reason=\"signature\"} 3"), "{metrics}");
    let logged = fs::read_to_string(directory.path().join("log.json")).unwrap();
    assert!(logged.contains("notification.refused") && !logged.contains("hmacSignature"), "{logged}");
    shop.served.signal("-TERM");
}

#[test]
fn what_checkout_takes_ends_as_it_tells() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &CHECKOUT, Checkout::default());
    let data = directory.path().join("vault");
    shop.listen();
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    assert_eq!(paid["status"], "AUTHORIZED", "{paid}");
    shop.peer.psp().fail_next("20005");
    shop.act(&paid["_id"], "capture", &json!({}));
    shop.peer.wait_until_told(2);
    assert_eq!(shop.status(&paid["_id"]), "AUTHORIZED");
    assert_eq!(shop.act(&paid["_id"], "capture", &json!({ "amount": 700 }))["status"], "PENDING");
    shop.peer.wait_until_told(3);
    assert_eq!(shop.status(&paid["_id"]), "SETTLEMENT_REQUESTED");
    shop.settle(path(&data));
    let refund = shop.act(&paid["_id"], "refund", &json!({ "amount": 200 }));
    shop.peer.wait_until_told(4);
    shop.settle(path(&data));
    let refund = shop.get(&format!("/v1/refund/{}", refund["_id"].as_str().unwrap()));
    assert_eq!(refund["status"], "PROCESSED", "{refund}");
    let (_, other) = shop.pay(&card, 500, false);
    shop.act(&other["_id"], "void", &json!({}));
    shop.peer.wait_until_told(6);
    assert_eq!(shop.status(&other["_id"]), "AUTHORIZATION_VOIDED");
    shop.served.signal("-TERM");
}

/// Stripe answers at once; what it tells is of use where its answer is lost.
#[test]
fn an_answer_of_stripe_that_is_lost_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &STRIPE, Stripe::default());
    let card = shop.card();
    let (_, first) = shop.pay(&card, 900, false);
    // It signs by its clock, which must be this machine's.
    let now = Timestamp::parse(first["created_at"].as_str().unwrap()).unwrap();
    let old = shop.peer.notify(&shop.notification_url());
    assert_eq!(old[0].0, 401, "it was signed in another time");
    shop.peer.psp().set_now(now);
    shop.listen();
    shop.peer.next(&[Manner::ResetDone]);
    let (status, unknown) = shop.post(
        &format!("/v1/transaction/{}/capture", first["_id"].as_str().unwrap()),
        &json!({ "amount": 700 }),
    );
    assert_eq!((status, &unknown["code"]), (502, &json!(122)), "{unknown}");
    let asked = shop.peer.requests().len();
    shop.peer.wait_until_told(1);
    assert_eq!(shop.status(&first["_id"]), "SETTLEMENT_REQUESTED");
    assert_eq!(shop.peer.requests().len(), asked, "nobody asked");
    shop.served.signal("-TERM");
}
