use super::*;
use crate::HttpClient;
use crate::psp::Peer;

struct Client {
    peer: Peer<Checkout>,
    http: HttpClient,
}

impl Client {
    fn new() -> Self {
        Self { peer: Peer::plain(Checkout::default()), http: HttpClient::default() }
    }

    fn send(&self, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let bearer = format!("Bearer {CHECKOUT_SECRET_KEY}");
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(key.map(|key| ("cko-idempotency-key", key)));
        let body = body.map(Value::to_string);
        let url = format!("{}{path}", self.peer.origin());
        let answer = self.http.send(&url, method, &headers, body.as_deref()).unwrap();
        (answer.status, answer.json())
    }

    fn paid(&self, body: &Value) -> (u16, Value) {
        self.send("POST", "/payments", None, Some(body))
    }
}

fn payment() -> Value {
    json!({
        "source": { "type": "card", "number": "4242424242424242", "expiry_month": 12, "expiry_year": 2030, "cvv": "123" },
        "amount": 1000, "currency": "EUR", "capture": false, "reference": "ours", "processing_channel_id": CHECKOUT_CHANNEL,
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = payment();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

#[test]
fn a_payment_is_captured_in_part_and_given_back_twice() {
    let client = Client::new();
    let (status, paid) = client.paid(&payment());
    let id = paid["id"].as_str().unwrap();
    assert_eq!(
        (status, &paid["status"], &paid["source"]["cvv_check"]),
        (201, &json!("Authorized"), &json!("Y"))
    );
    let act =
        |what: &str, body: Value| client.send("POST", &format!("/payments/{id}/{what}"), None, Some(&body)).0;
    assert_eq!(act("refunds", json!({ "amount": 1 })), 403);
    assert_eq!(act("captures", json!({ "amount": 1001 })), 422);
    assert_eq!(act("captures", json!({ "amount": 700, "reference": "c" })), 202);
    assert_eq!(act("voids", json!({})), 403);
    assert_eq!(act("refunds", json!({ "amount": 500, "reference": "r1" })), 202);
    assert_eq!(act("refunds", json!({ "amount": 201 })), 422);
    client.peer.psp().fail_next("20005");
    assert_eq!(act("refunds", json!({ "amount": 200 })), 202);
    assert_eq!(client.peer.psp().moved(id), Some((700, 500)));
    assert_eq!(act("refunds", json!({})), 202);
    assert_eq!(client.peer.psp().moved(id), Some((700, 700)));
    let read = client.send("GET", &format!("/payments/{id}"), None, None).1;
    assert_eq!((&read["status"], &read["balances"]["available_to_refund"]), (&json!("Refunded"), &json!(0)));
    let actions = client.send("GET", &format!("/payments/{id}/actions"), None, None).1;
    let kinds: Vec<_> =
        actions.as_array().unwrap().iter().map(|action| action["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Refund", "Refund", "Refund", "Capture", "Authorization"]);
    let told: Vec<Value> = client
        .peer
        .psp()
        .take_notifications()
        .iter()
        .map(|due| serde_json::from_str(&due.body).unwrap())
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["data"]["reference"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("payment_approved", "ours"),
            ("payment_captured", "c"),
            ("payment_refunded", "r1"),
            ("payment_refund_declined", "ours"),
            ("payment_refunded", "ours")
        ]
    );
    let found = client.send("GET", "/payments?reference=ours", None, None).1;
    assert_eq!((&found["total_count"], &found["data"][0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(client.send("GET", "/payments?reference=other", None, None).1["total_count"], 0);
}

#[test]
fn published_values_do_what_is_published() {
    let client = Client::new();
    for (amount, code) in [(10_005, "20005"), (99_951, "20051"), (1_005, "10000"), (10_000, "10000")] {
        let (status, paid) = client.paid(&with("/amount", json!(amount)));
        assert_eq!((status, &paid["response_code"]), (201, &json!(code)));
        assert_eq!(paid["approved"], json!(code == "10000"));
    }
    assert_eq!(client.paid(&with("/source/cvv", json!("100"))).1["source"]["cvv_check"], "N");
    assert_eq!(client.paid(&with("/amount", json!(0))).1["status"], "Card Verified");
    let sale = client.paid(&with("/capture", json!(true))).1;
    assert_eq!(
        (&sale["status"], client.peer.psp().status(sale["id"].as_str().unwrap())),
        (&json!("Authorized"), Some("Captured"))
    );
    let paid = client.paid(&payment()).1;
    let voided = client.send(
        "POST",
        &format!("/payments/{}/voids", paid["id"].as_str().unwrap()),
        None,
        Some(&json!({})),
    );
    assert_eq!((voided.0, client.peer.psp().status(paid["id"].as_str().unwrap())), (202, Some("Voided")));
}

#[test]
fn what_is_not_documented_is_refused() {
    let client = Client::new();
    for (pointer, value, code) in [
        ("/surprise", json!(1), "request_body_unknown_field"),
        ("/source/surprise", json!(1), "request_body_unknown_field"),
        ("/amount", json!("1000"), "amount_invalid"),
        ("/currency", json!("eur"), "currency_invalid"),
        ("/source/number", json!("4242424242424241"), "card_number_invalid"),
        ("/source/expiry_month", json!("12"), "card_expiry_month_invalid"),
        ("/source/expiry_year", json!(2020), "card_expired"),
        ("/source/cvv", json!("12"), "cvv_invalid"),
        ("/capture", json!("false"), "capture_invalid"),
        ("/merchant_initiated", json!(true), "payment_type_invalid"),
        ("/reference", json!("x".repeat(81)), "reference_invalid"),
        ("/processing_channel_id", json!("pc_other"), "processing_channel_id_invalid"),
    ] {
        let answer = client.paid(&with(pointer, value));
        assert_eq!((answer.0, &answer.1["error_codes"][0]), (422, &json!(code)), "{pointer}");
    }
    let url = format!("{}/payments", client.peer.origin());
    let send = |headers: &[(&str, &str)]| client.http.send(&url, "POST", headers, Some("{}")).unwrap().status;
    assert_eq!(send(&[("content-type", "application/json")]), 401);
    assert_eq!(send(&[("authorization", CHECKOUT_SECRET_KEY)]), 401);
    assert_eq!(
        send(&[("authorization", &format!("Bearer {CHECKOUT_SECRET_KEY}")), ("content-type", "text/plain")]),
        415
    );
    assert_eq!(client.send("GET", "/payments/pay_none", None, None).0, 404);
}

#[test]
fn a_network_token_comes_with_its_cryptogram() {
    let client = Client::new();
    let token = |changes: &[(&str, Value)]| {
        let mut body = payment();
        body["source"] = json!({
            "type": "network_token", "token": "4242424242424242", "token_type": "vts", "expiry_month": 12, "expiry_year": 2030,
            "cryptogram": "AgAAAAAAAIR8CQrXcIhbQAAAAAA=", "eci": "07",
        });
        for (pointer, value) in changes {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let object = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if value.is_null() {
                object.remove(name);
            } else {
                object.insert(name.to_owned(), value.clone());
            }
        }
        let (status, answer) = client.paid(&body);
        (status, answer["error_codes"][0].as_str().unwrap_or_default().to_owned())
    };
    let refused = |code: &str| (422, code.to_owned());
    assert_eq!(token(&[]).0, 201);
    let later = [
        ("/source/cryptogram", json!(null)),
        ("/merchant_initiated", json!(true)),
        ("/payment_type", json!("Recurring")),
    ];
    assert_eq!(token(&later).0, 201, "the merchant's own");
    assert_eq!(token(&later[..1]), refused("cryptogram_required"));
    for (pointer, value, code) in [
        ("/source/cryptogram", json!("AgAA"), "cryptogram_invalid"),
        ("/source/token_type", json!("mdes"), "token_type_invalid"),
        ("/source/token_type", json!(null), "token_type_required"),
        ("/source/eci", json!("7"), "eci_invalid"),
        ("/source/number", json!("4242424242424242"), "request_body_unknown_field"),
        ("/source/cvv", json!("123"), "request_body_unknown_field"),
        ("/source/token", json!(null), "card_number_required"),
    ] {
        assert_eq!(token(&[(pointer, value)]), refused(code), "{pointer}");
    }
    assert_eq!(client.paid(&with("/source/cryptogram", json!("AgAAAAAAAIR8CQrXcIhbQAAAAAA="))).0, 422);
}

#[test]
fn an_idempotency_key_repeats_its_answer_and_no_other_request() {
    let client = Client::new();
    let send = |body: &Value| client.send("POST", "/payments", Some("k1"), Some(body));
    let first = send(&payment());
    assert_eq!(send(&payment()), first);
    assert_eq!(client.peer.psp().payments().len(), 1);
    assert_eq!(send(&with("/amount", json!(1))).0, 422);
}

/// What the fake signs is what the vault takes for signed.
#[test]
fn its_notifications_are_read() {
    use panvault_model::TransactionAction::{Authorise, Capture, Refund};
    use panvault_processor::{Notification, NotificationScheme, Verdict};
    let client = Client::new();
    let paid = client.paid(&with("/reference", json!("0123456789abcdef01234567"))).1;
    let id = paid["id"].as_str().unwrap();
    for (what, amount) in [("captures", 700), ("refunds", 5)] {
        client.send("POST", &format!("/payments/{id}/{what}"), None, Some(&json!({ "amount": amount })));
    }
    let expected = [(Authorise, 1000), (Capture, 700), (Refund, 5)];
    let due = client.peer.psp().take_notifications();
    let notices = due.iter().flat_map(|due| {
        let signatures: Vec<_> = due.headers.iter().map(|(_, value)| value.as_str()).collect();
        let notification = Notification { body: due.body.as_bytes(), signatures: &signatures };
        NotificationScheme::Checkout.read(notification, CHECKOUT_WEBHOOK_KEY.as_bytes(), NOW).unwrap()
    });
    let notices: Vec<_> = notices.collect();
    let acts: Vec<_> = notices.iter().map(|notice| (notice.act, notice.amount.unwrap())).collect();
    assert_eq!(acts, expected);
    assert!(
        notices
            .iter()
            .all(|notice| notice.verdict == Verdict::Approved && notice.reference.as_deref() == Some(id))
    );
    assert_eq!(notices[0].transaction.unwrap().to_string(), "0123456789abcdef01234567");
}
