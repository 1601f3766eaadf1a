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
use crate::support::{assert_healthy, run, run_json, secret_file};

pub(crate) const ADYEN: Kind = Kind {
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

/// Whoever sends without end is answered without a look at what it sends.
#[test]
fn notifications_of_an_address_are_limited() {
    let directory = tempfile::tempdir().unwrap();
    let limits = ["address_requests_per_minute=1"];
    let shop = Shop::open_with(directory.path(), &ADYEN, Adyen::default(), &limits);
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    shop.act(&paid["_id"], "capture", &json!({}));
    let due = shop.peer.psp().take_notifications().pop().unwrap();
    let url = shop.notification_url();
    let forged = due.body.replace("\"true\"", "\"false\"");
    let answers: Vec<_> = (0..130).map(|_| sent(&url, &[], &forged).status).collect();
    let limited = answers.iter().filter(|status| **status == 429).count();
    assert_eq!(answers[0], 401);
    assert_eq!(limited + answers.iter().filter(|status| **status == 401).count(), 130, "{answers:?}");
    assert!((1..=30).contains(&limited), "a hundred in a minute, and those of the seconds since: {limited}");
    // Nothing is settled, whoever tells it, and the right one is told again later.
    let (status, text) = due.send(&url);
    assert!(status == 429 && text.contains("\"code\":140"), "{status} {text}");
    assert_eq!(shop.status(&paid["_id"]), "PENDING");
    // Who has a key is not kept from anything.
    assert_eq!(shop.pay(&card, 500, true).0, 200);
    let metrics = shop.metrics();
    let reached = format!(
        "panvault_limits_reached_total{{limit=\"address_notifications_per_minute\"}} {}",
        limited + 1
    );
    assert!(metrics.contains(&reached), "{reached}: {metrics}");
    shop.served.signal("-TERM");
}

/// Signed with the secret of a processor that has not taken the payment.
#[test]
fn what_another_processor_tells_settles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &ADYEN, Adyen::default());
    let data = directory.path().join("vault");
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    shop.act(&paid["_id"], "capture", &json!({}));
    let due = shop.peer.psp().take_notifications().pop().unwrap();
    let other = [
        "processor",
        "create",
        "--type",
        "card_adyen",
        "--name",
        "Other",
        "--organisation",
        &shop.organisation,
    ];
    let settings = [
        format!("merchant_account={ADYEN_MERCHANT_ACCOUNT}"),
        "return_url=https://shop.example/paid".to_owned(),
    ];
    let file = |name: &str| format!("{name}={}", path(&directory.path().join(format!("{name}.secret"))));
    let files = [file("api_key"), file("hmac_key")];
    let settings = settings.iter().flat_map(|setting| ["--configuration", setting]);
    let secrets = files.iter().flat_map(|secret| ["--secret", secret]);
    let words: Vec<&str> = other.into_iter().chain(settings).chain(secrets).collect();
    let other = run_json(&[&words, &["--json", "--data", path(&data)][..]].concat());
    // From now on the processor that was paid by has another secret, and the other one the one that this is signed with.
    let key = directory.path().join("new.secret");
    secret_file(&key, ADYEN_HMAC_KEY.replace('A', "B"));
    assert_ne!(fs::read_to_string(&key).unwrap(), ADYEN_HMAC_KEY);
    let secret = format!("hmac_key={}", path(&key));
    run_json(&["processor", "change", &shop.processor, "--secret", &secret, "--json", "--data", path(&data)]);
    let steps = shop.steps(&paid["_id"]);
    assert_eq!(due.send(&shop.notification_url()).0, 401);
    let at_other = format!("{}/v1/notification/{}", shop.url, other["_id"].as_str().unwrap());
    assert_eq!(
        due.send(&at_other),
        (200, "[accepted]".to_owned()),
        "it is the other's own, of nothing that it has under way"
    );
    assert_eq!((shop.status(&paid["_id"]).as_str(), shop.steps(&paid["_id"])), ("PENDING", steps));
    let metrics = shop.metrics();
    for outcome in ["refused", "ignored"] {
        let counted =
            format!("panvault_notifications_total{{scheme=\"adyen_hmac\",outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&counted), "{outcome}: {metrics}");
    }
    shop.served.signal("-TERM");
}

/// Of each scheme: what is no JSON by its header, and the largest that is taken.
#[test]
fn only_json_of_a_certain_size_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &ADYEN, Adyen::default());
    let url = shop.notification_url();
    let card = shop.card();
    let (_, paid) = shop.pay(&card, 1000, false);
    shop.peer.psp().take_notifications();
    shop.act(&paid["_id"], "capture", &json!({}));
    let due = shop.peer.psp().take_notifications().pop().unwrap();
    let by = |headers: &[(&str, &str)], body: &str| http_send(&url, "POST", headers, Some(body)).unwrap();
    for media_type in
        ["application/x-www-form-urlencoded", "text/xml", "multipart/form-data", "application/jsonx"]
    {
        let refused = by(&[("content-type", media_type)], &due.body);
        refused.fails(415, 145);
        assert_eq!(shop.status(&paid["_id"]), "PENDING", "{media_type}");
    }
    let padded = |bytes: usize| format!("{}{}", due.body, " ".repeat(bytes - due.body.len()));
    by(&[("content-type", "application/json")], &padded(64 * 1024 + 1)).fails(413, 147);
    let many =
        format!("{{\"notificationItems\":[{}]}}", vec!["{\"NotificationRequestItem\":{}}"; 65].join(","));
    assert!([400, 413].contains(&by(&[("content-type", "application/json")], &many).status));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    by(&[("content-type", "application/json")], &deep).fails(413, 147);
    assert_eq!(shop.status(&paid["_id"]), "PENDING");
    let taken = by(&[("content-type", "application/json; charset=utf-8")], &padded(64 * 1024));
    assert_eq!((taken.status, taken.text.as_str()), (200, "[accepted]"));
    assert_eq!(shop.status(&paid["_id"]), "SETTLEMENT_REQUESTED");
    shop.served.signal("-TERM");
}

/// Records of the trail that have no row of their own.
#[test]
fn a_vault_with_tries_and_contradictions_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(directory.path(), &ADYEN, Adyen::default());
    let data = directory.path().join("vault");
    let made = |words: &[&str]| {
        let of = ["--organisation", &shop.organisation, "--name", "X", "--json", "--data", path(&data)];
        run_json(&[words, &of].concat())["_id"].as_str().unwrap().to_owned()
    };
    let dummy = format!("processor={}", made(&["processor", "create", "--type", "card_dummy"]));
    let adyen = format!("processor={}", shop.processor);
    let route = made(&["processor", "create", "--type", "card_route", "--route", &dummy, "--route", &adyen]);
    let routed = made(&["account", "create", "--currency-code", "EUR", "--processor", &route]);
    let card = shop.card();
    let body = json!({
        "account": routed, "amount": 700, "card": card, "capture_now": false, "merchant_reference": "please 131", "customer_ip": "203.0.113.7",
        "dynamic_descriptor": "Shop", "user_agent": "Mozilla/5.0",
    });
    let (status, paid) = shop.post("/v1/transaction", &body);
    assert_eq!(
        (status, &paid["status"], &paid["cvv_present"]),
        (200, &json!("AUTHORIZED"), &json!(true)),
        "{paid}"
    );
    shop.act(&paid["_id"], "capture", &json!({}));
    shop.peer.notify(&shop.notification_url());
    assert_eq!(shop.status(&paid["_id"]), "SETTLEMENT_REQUESTED");
    let steps = shop.steps(&paid["_id"]);
    let payment = shop.peer.psp().payments().pop().unwrap();
    shop.peer.psp().reject_capture(&payment);
    let contradicting = shop.peer.psp().take_notifications().remove(0);
    for _ in 0..3 {
        assert_eq!(contradicting.send(&shop.notification_url()), (200, "[accepted]".to_owned()));
    }
    assert_eq!(
        (shop.status(&paid["_id"]).as_str(), shop.steps(&paid["_id"])),
        ("SETTLEMENT_REQUESTED", steps)
    );
    let listed = |action: &str| {
        let words = ["audit", "list", "--json", "--action", action, "-n", "1000", "--data", path(&data)];
        run(&words).out.lines().filter(|line| line.contains(action)).count()
    };
    assert_eq!(
        (listed("transaction_try"), listed("notification_contradict")),
        (1, 1),
        "told thrice, noted once"
    );
    let verify = || {
        let ended = run(&["audit", "verify", "--json", "--data", path(&data)]);
        assert!(ended.status.success(), "{} {}", ended.out, ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let beside = verify();
    shop.served.signal("-TERM");
    shop.served.child.wait().unwrap();
    assert_healthy(&data);
    let alone = verify();
    for verified in [&beside, &alone] {
        assert_eq!((&verified["verified"], &verified["findings"]), (&json!(true), &json!([])));
    }
}
