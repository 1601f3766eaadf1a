use super::*;
use crate::HttpClient;
use crate::psp::Peer;

struct Client {
    peer: Peer<Adyen>,
    http: HttpClient,
}

impl Client {
    fn new() -> Self {
        Self { peer: Peer::plain(Adyen::default()), http: HttpClient::default() }
    }

    fn send(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut headers = vec![("x-api-key", ADYEN_API_KEY), ("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let url = format!("{}{path}", self.peer.origin());
        let answer = self.http.send(&url, "POST", &headers, Some(&body.to_string())).unwrap();
        (answer.status, answer.json())
    }

    fn paid(&self, body: &Value) -> (u16, Value) {
        self.send("/v71/payments", None, body)
    }

    /// The items of the notifications that are due: event, success, amount and both references.
    fn told(&self) -> Vec<[String; 5]> {
        let due = self.peer.psp().take_notifications();
        due.iter()
            .map(|notification| {
                let body: Value = serde_json::from_str(&notification.body).unwrap();
                let item = &body["notificationItems"][0]["NotificationRequestItem"];
                [
                    &item["eventCode"],
                    &item["success"],
                    &item["amount"]["value"],
                    &item["merchantReference"],
                    &item["originalReference"],
                ]
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect()
    }
}

fn payment() -> Value {
    json!({
        "amount": { "currency": "EUR", "value": 1000 }, "merchantAccount": ADYEN_MERCHANT_ACCOUNT, "reference": "ours",
        "returnUrl": "https://shop.example/", "additionalData": { "manualCapture": "true" },
        "paymentMethod": {
            "type": "scheme", "number": "4111111111111111", "expiryMonth": "03", "expiryYear": "2030", "cvc": "737", "holderName": "A B",
        },
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = payment();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn modification(amount: Option<u64>) -> Value {
    let mut body = json!({ "merchantAccount": ADYEN_MERCHANT_ACCOUNT, "reference": "act" });
    if let Some(amount) = amount {
        body["amount"] = json!({ "currency": "EUR", "value": amount });
    }
    body
}

#[test]
fn modifications_are_taken_and_their_outcome_is_told() {
    let client = Client::new();
    let (status, paid) = client.paid(&payment());
    assert_eq!(
        (status, &paid["resultCode"], &paid["additionalData"]["cvcResult"]),
        (200, &json!("Authorised"), &json!("1 Matches"))
    );
    let id = paid["pspReference"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    let act =
        |what: &str, amount| client.send(&format!("/v71/payments/{id}/{what}"), None, &modification(amount));
    assert_eq!(client.told(), [["AUTHORISATION", "true", "1000", "ours", "null"].map(str::to_owned)]);
    let taken = |answer: (u16, Value)| (answer.0, answer.1["status"].clone()) == (201, json!("received"));
    assert!(
        taken(act("refunds", Some(1))) && taken(act("captures", Some(700))) && taken(act("cancels", None))
    );
    assert!(taken(act("refunds", Some(500))) && taken(act("refunds", Some(201))));
    client.peer.psp().fail_next("Refused by the scheme");
    assert!(taken(act("refunds", Some(200))) && taken(act("refunds", Some(200))));
    let told =
        |event: &str, success: &str, amount: &str| [event, success, amount, "act", id].map(str::to_owned);
    let expected = [
        told("REFUND", "false", "1"),
        told("CAPTURE", "true", "700"),
        told("CANCELLATION", "false", "1000"),
        told("REFUND", "true", "500"),
        told("REFUND", "false", "201"),
        told("REFUND", "false", "200"),
        told("REFUND", "true", "200"),
    ];
    assert_eq!(client.told(), expected);
    assert_eq!(client.peer.psp().moved(id), Some((700, 700)));
    assert_eq!(client.peer.psp().status(id), Some("refunded"));
    assert_eq!(
        client.send("/v71/payments/NONE/captures", None, &modification(Some(1))).1["errorCode"],
        "167"
    );
}

#[test]
fn published_values_do_what_is_published() {
    let client = Client::new();
    for (holder, result, code) in [
        ("DECLINED", "Refused", "2"),
        ("ERROR", "Error", "4"),
        ("NOT_ENOUGH_BALANCE", "Refused", "12"),
        ("CVC_DECLINED", "Refused", "24"),
    ] {
        let answer = client.paid(&with("/paymentMethod/holderName", json!(holder))).1;
        assert_eq!((&answer["resultCode"], &answer["refusalReasonCode"]), (&json!(result), &json!(code)));
        let asked = with("/additionalData/RequestedTestAcquirerResponseCode", json!(code));
        assert_eq!(client.paid(&asked).1["resultCode"], json!(result));
    }
    let wrong = client.paid(&with("/paymentMethod/cvc", json!("111"))).1;
    assert_eq!(
        (&wrong["refusalReasonCode"], &wrong["additionalData"]["cvcResult"]),
        (&json!("24"), &json!("2 Doesn't match"))
    );
    let at_once = client.paid(&with("/additionalData", json!({}))).1;
    assert_eq!(client.peer.psp().status(at_once["pspReference"].as_str().unwrap()), Some("captured"));
}

#[test]
fn what_is_not_documented_is_refused() {
    let client = Client::new();
    for (pointer, value, status, code) in [
        ("/surprise", json!(1), 400, "702"),
        ("/paymentMethod/surprise", json!(1), 400, "702"),
        ("/amount/surprise", json!(1), 400, "702"),
        ("/amount/value", json!("1000"), 422, "137"),
        ("/amount/value", json!(-1), 422, "137"),
        ("/amount/currency", json!("EURO"), 422, "138"),
        ("/merchantAccount", json!("Other"), 403, "901"),
        ("/reference", json!(""), 422, "130"),
        ("/returnUrl", json!(""), 422, "14_004"),
        ("/paymentMethod/number", json!("4111111111111112"), 422, "101"),
        ("/paymentMethod/expiryYear", json!("30"), 422, "129"),
        ("/paymentMethod/expiryMonth", json!("13"), 422, "129"),
        ("/paymentMethod/cvc", json!("12"), 422, "103"),
    ] {
        let answer = client.paid(&with(pointer, value));
        assert_eq!((answer.0, answer.1["errorCode"].as_str()), (status, Some(code)), "{pointer}");
    }
    let send = |path: &str, method: &str, headers: &[(&str, &str)]| {
        let body = (method == "POST").then(|| payment().to_string());
        client
            .http
            .send(&format!("{}{path}", client.peer.origin()), method, headers, body.as_deref())
            .unwrap()
            .status
    };
    let (key, json) = (("x-api-key", ADYEN_API_KEY), ("content-type", "application/json"));
    assert_eq!(send("/checkout/v71/payments", "POST", &[key, json]), 200);
    assert_eq!(send("/v71/payments", "POST", &[json]), 401);
    assert_eq!(send("/v71/payments", "POST", &[("x-api-key", "other"), json]), 401);
    assert_eq!(send("/v71/payments", "POST", &[key, ("content-type", "text/plain")]), 415);
    assert_eq!(send("/v68/payments", "POST", &[key, json]), 404);
    assert_eq!(send("/v71/payments", "GET", &[key]), 405);
}

#[test]
fn a_network_token_comes_with_its_cryptogram() {
    let client = Client::new();
    let token = |mpi_data: Value, more: &[(&str, Value)]| {
        let mut body = payment();
        body["paymentMethod"]["type"] = json!("networkToken");
        body["paymentMethod"].as_object_mut().unwrap().remove("cvc");
        body["mpiData"] = mpi_data;
        for (pointer, value) in more {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        client.paid(&body).0
    };
    let cryptogram =
        json!({ "tokenAuthenticationVerificationValue": "AgAAAAAAAIR8CQrXcIhbQAAAAAA=", "eci": "07" });
    assert_eq!(token(cryptogram.clone(), &[]), 200);
    assert_eq!(token(json!({}), &[("/shopperInteraction", json!("ContAuth"))]), 200, "the merchant's own");
    assert_eq!(token(json!({}), &[]), 422);
    assert_eq!(token(json!({ "tokenAuthenticationVerificationValue": "AgAA" }), &[]), 422);
    assert_eq!(token(cryptogram.clone(), &[("/mpiData/eci", json!("7"))]), 422);
    assert_eq!(token(cryptogram.clone(), &[("/mpiData/directoryResponse", json!("yes"))]), 422);
    assert_eq!(token(cryptogram.clone(), &[("/mpiData/surprise", json!("Y"))]), 400);
    assert_eq!(token(cryptogram.clone(), &[("/paymentMethod/cvc", json!("737"))]), 400);
    assert_eq!(client.paid(&with("/mpiData", cryptogram)).0, 400, "with a card it has no place");
}

#[test]
fn an_idempotency_key_repeats_its_answer_and_no_other_request() {
    let client = Client::new();
    let first = client.send("/v71/payments", Some("k1"), &payment());
    assert_eq!(client.send("/v71/payments", Some("k1"), &payment()), first);
    assert_eq!(client.peer.psp().payments().len(), 1);
    let other = client.send("/v71/payments", Some("k1"), &with("/reference", json!("other")));
    assert_eq!((other.0, &other.1["errorCode"]), (422, &json!("704")));
}

/// The key and the signature that Adyen's documentation and libraries publish.
#[test]
fn base_64_of_a_signature_is_that_which_is_published() {
    let secret =
        NotificationSecret::of_hex(b"44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056")
            .unwrap();
    let text = "7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true";
    assert_eq!(signature_by(&secret, text), "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=");
}

/// What the fake signs is what the vault takes for signed.
#[test]
fn its_notifications_are_read() {
    use panvault_model::TransactionAction::{Authorise, Capture, Refund};
    use panvault_processor::{Notification, NotificationScheme, Verdict};
    let client = Client::new();
    let paid = client.paid(&with("/reference", json!("0123456789abcdef01234567"))).1;
    let id = paid["pspReference"].as_str().unwrap();
    for (what, amount) in [("captures", 700), ("refunds", 5)] {
        client.send(&format!("/v71/payments/{id}/{what}"), None, &modification(Some(amount)));
    }
    let expected = [(Authorise, 1000), (Capture, 700), (Refund, 5)];
    let due = client.peer.psp().take_notifications();
    let notices = due.iter().flat_map(|due| {
        let signatures: Vec<_> = due.headers.iter().map(|(_, value)| value.as_str()).collect();
        let notification = Notification { body: due.body.as_bytes(), signatures: &signatures };
        NotificationScheme::Adyen.read(notification, ADYEN_HMAC_KEY.as_bytes(), NOW).unwrap()
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
