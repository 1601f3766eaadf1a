use super::*;
use crate::HttpClient;
use crate::psp::Peer;

const GOOD: &str = "4242424242424242";

struct Client {
    peer: Peer<Stripe>,
    http: HttpClient,
}

impl Client {
    fn new() -> Self {
        Self { peer: Peer::plain(Stripe::default()), http: HttpClient::default() }
    }

    fn send(&self, method: &str, path: &str, key: Option<&str>, body: Option<&str>) -> (u16, Value) {
        let bearer = format!("Bearer {STRIPE_SECRET_KEY}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let answer =
            self.http.send(&format!("{}{path}", self.peer.origin()), method, &headers, body).unwrap();
        (answer.status, answer.json())
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.send("POST", path, None, Some(body))
    }

    fn created(&self, number: &str, more: &str) -> (u16, Value) {
        self.post("/v1/payment_intents", &create(number, more))
    }
}

fn create(number: &str, more: &str) -> String {
    format!(
        "amount=1000&currency=eur&confirm=true&payment_method_data%5Btype%5D=card&payment_method_data[card][number]={number}\
         &payment_method_data[card][exp_month]=12&payment_method_data[card][exp_year]=2030&payment_method_data[card][cvc]=123&metadata[order]=7{more}"
    )
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[test]
fn a_reservation_is_captured_in_part_and_given_back_twice() {
    let client = Client::new();
    let (status, intent) = client.created(GOOD, "&capture_method=manual&expand[]=latest_charge");
    let id = intent["id"].as_str().unwrap();
    assert_eq!(
        (status, &intent["status"], &intent["amount_capturable"]),
        (200, &json!("requires_capture"), &json!(1000))
    );
    let details = &intent["latest_charge"]["payment_method_details"]["card"];
    assert_eq!((&details["checks"]["cvc_check"], &details["last4"]), (&json!("pass"), &json!("4242")));
    let refund = format!("payment_intent={id}&amount=1");
    assert_eq!(code(&client.post("/v1/refunds", &refund)), (400, "payment_intent_unexpected_state"));
    let capture = format!("/v1/payment_intents/{id}/capture");
    assert_eq!(code(&client.post(&capture, "amount_to_capture=1001")), (400, "amount_too_large"));
    let (status, captured) = client.post(&capture, "amount_to_capture=700");
    assert_eq!(
        (status, &captured["status"], &captured["amount_received"]),
        (200, &json!("succeeded"), &json!(700))
    );
    assert_eq!(code(&client.post(&capture, "")), (400, "payment_intent_unexpected_state"));
    let cancel = format!("/v1/payment_intents/{id}/cancel");
    assert_eq!(code(&client.post(&cancel, "")), (400, "payment_intent_unexpected_state"));
    let refund = |amount: u64| client.post("/v1/refunds", &format!("payment_intent={id}&amount={amount}"));
    assert_eq!(refund(500).1["status"], "succeeded");
    assert_eq!(refund(201).0, 400);
    let last = refund(200).1;
    assert_eq!(code(&refund(1)), (400, "charge_already_refunded"));
    assert_eq!(client.peer.psp().moved(id), Some((700, 700)));
    let read = client.send("GET", &format!("/v1/refunds/{}", last["id"].as_str().unwrap()), None, None);
    assert_eq!(read, (200, last));
    let listed = client.send("GET", &format!("/v1/refunds?payment_intent={id}"), None, None).1;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let found = client
        .send("GET", "/v1/payment_intents/search?query=metadata%5B%27order%27%5D%3A%277%27", None, None)
        .1;
    assert_eq!(found["data"][0]["id"], json!(id));
}

#[test]
fn published_numbers_do_what_is_published() {
    let client = Client::new();
    for (number, expected, decline) in [
        ("4000000000000002", "card_declined", json!("generic_decline")),
        ("4000000000009995", "card_declined", json!("insufficient_funds")),
        ("4000000000000069", "expired_card", Value::Null),
        ("4000000000000127", "incorrect_cvc", Value::Null),
        ("4242424242424241", "incorrect_number", Value::Null),
    ] {
        let answer = client.created(number, "");
        assert_eq!(code(&answer), (402, expected));
        assert_eq!(answer.1["error"]["decline_code"], decline);
        assert_eq!(answer.1["error"]["type"], "card_error");
    }
    let (_, mismatch) = client.created("4000000000000101", "&expand[]=latest_charge");
    let checks = &mismatch["latest_charge"]["payment_method_details"]["card"]["checks"];
    assert_eq!((&mismatch["status"], &checks["cvc_check"]), (&json!("succeeded"), &json!("fail")));
    assert_eq!(client.created("4000002500003155", "").1["status"], "requires_action");
    let three_d = "&payment_method_options[card][three_d_secure][cryptogram]=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D\
                   &payment_method_options[card][three_d_secure][transaction_id]=f38e6948-5388-41a6-bca4-b49723c19437\
                   &payment_method_options[card][three_d_secure][version]=2.2.0";
    assert_eq!(client.created("4000002500003155", three_d).1["status"], "succeeded");
    let pending = client.created("4000000000007726", "").1;
    let refund = client.post("/v1/refunds", &format!("payment_intent={}", pending["id"].as_str().unwrap())).1;
    assert_eq!(refund["status"], "pending");
    client.peer.psp().end_refund(refund["id"].as_str().unwrap(), "failed");
    let last = client.peer.psp().take_notifications().pop().unwrap();
    assert!(last.body.contains("refund.failed"));
}

#[test]
fn what_is_not_documented_is_refused() {
    let client = Client::new();
    for (more, expected) in [
        ("&surprise=1", (400, "parameter_unknown")),
        ("&metadata[]=1", (400, "parameter_unknown")),
        ("&capture_method=later", (400, "")),
        ("&amount=1", (400, "")),
        ("&payment_method_options[card][three_d_secure][cryptogram]=x", (400, "parameter_missing")),
    ] {
        assert_eq!(code(&client.created(GOOD, more)), expected, "{more}");
    }
    for (from, to, expected) in [
        ("amount=1000", "amount=0", (400, "parameter_invalid_integer")),
        ("amount=1000", "amount=49", (400, "amount_too_small")),
        ("amount=1000", "amount=10.00", (400, "parameter_invalid_integer")),
        ("amount=1000&", "", (400, "parameter_missing")),
        ("currency=eur", "currency=EUR", (400, "")),
        ("exp_year]=2030", "exp_year]=2020", (402, "invalid_expiry_year")),
        ("cvc]=123", "cvc]=12", (402, "invalid_cvc")),
        ("confirm=true", "confirm=false", (400, "")),
    ] {
        let answer = client.post("/v1/payment_intents", &create(GOOD, "").replace(from, to));
        assert_eq!(code(&answer), expected, "{to}");
    }
    let url = format!("{}/v1/payment_intents", client.peer.origin());
    let body = create(GOOD, "");
    let bearer = format!("Bearer {STRIPE_SECRET_KEY}");
    let send =
        |headers: &[(&str, &str)]| client.http.send(&url, "POST", headers, Some(&body)).unwrap().status;
    let form = ("content-type", "application/x-www-form-urlencoded");
    // `printf 'sk_test_panvaultFake0000000000:' | base64`
    let basic = "Basic c2tfdGVzdF9wYW52YXVsdEZha2UwMDAwMDAwMDAwOg==";
    assert_eq!(send(&[form, ("authorization", basic)]), 200);
    assert_eq!(send(&[form]), 401);
    assert_eq!(send(&[form, ("authorization", "Bearer sk_test_other")]), 401);
    assert_eq!(send(&[("content-type", "application/json"), ("authorization", &bearer)]), 400);
    assert_eq!(send(&[form, ("authorization", &bearer), ("stripe-version", "yesterday")]), 400);
    assert_eq!(client.send("GET", "/v1/payment_intents/pi_none", None, None).0, 404);
    assert_eq!(client.send("GET", "/v1/nothing", None, None).0, 404);
}

/// A payment with a network token.
fn token(more: &str) -> String {
    let number = "payment_method_data[card][number]=";
    let cvc = "&payment_method_data[card][cvc]=123";
    let token = "payment_method_data[card][network_token][exp_month]=12&payment_method_data[card][network_token][exp_year]=2030\
                 &payment_method_data[card][last4]=4242&payment_method_data[card][network_token][number]=";
    create(GOOD, more).replacen(number, token, 1).replacen(cvc, "", 1)
}

#[test]
fn a_network_token_comes_with_its_cryptogram() {
    const CRYPTOGRAM: &str =
        "&payment_method_options[card][network_token][cryptogram]=AgAAAAAAAIR8CQrXcIhbQAAAAAA%3D";
    let client = Client::new();
    let pay = |body: &str| client.post("/v1/payment_intents", body).0;
    assert_eq!(pay(&token(CRYPTOGRAM)), 200);
    let eci = "&payment_method_options[card][network_token][electronic_commerce_indicator]=";
    assert_eq!(pay(&token(&format!("{CRYPTOGRAM}{eci}07"))), 200);
    assert_eq!(pay(&token("&off_session=true")), 200, "the merchant's own");
    for wrong in [
        token(""),
        token(&CRYPTOGRAM.replace("%3D", "")),
        token(&format!("{CRYPTOGRAM}{eci}7")),
        token(&format!("{CRYPTOGRAM}&payment_method_data[card][cvc]=123")),
        token(&format!("{CRYPTOGRAM}&payment_method_data[card][number]={GOOD}")),
        token(CRYPTOGRAM).replace("&payment_method_data[card][last4]=4242", ""),
        create(GOOD, CRYPTOGRAM),
    ] {
        assert_eq!(pay(&wrong), 400, "{wrong}");
    }
    assert_eq!(client.post("/v1/setup_intents", &token(CRYPTOGRAM)).0, 400, "no card is looked at so");
}

#[test]
fn an_idempotency_key_repeats_its_answer_and_no_other_request() {
    let client = Client::new();
    let send = |body: &str| client.send("POST", "/v1/payment_intents", Some("k1"), Some(body));
    let first = send(&create(GOOD, ""));
    assert_eq!(send(&create(GOOD, "")), first);
    assert_eq!(client.peer.psp().intents().len(), 1);
    let other = send(&create(GOOD, "&description=x"));
    assert_eq!((other.0, &other.1["error"]["type"]), (400, &json!("idempotency_error")));
    // A decline is kept, what did not get past the check of its parameters is not.
    let send = |key: &str, body: &str| client.send("POST", "/v1/payment_intents", Some(key), Some(body));
    let declined = send("k2", &create("4000000000000002", ""));
    assert_eq!(send("k2", &create("4000000000000002", "")), declined);
    assert_eq!(client.peer.psp().intents().len(), 2);
    assert_eq!(send("k3", &create(GOOD, "&surprise=1")).0, 400);
    assert_eq!(send("k3", &create(GOOD, "")).0, 200);
}

#[test]
fn a_verification_moves_no_money() {
    let client = Client::new();
    let of = |number: &str| create(number, "").replace("amount=1000&currency=eur&", "");
    let (status, setup) = client.post("/v1/setup_intents", &of(GOOD));
    assert_eq!((status, &setup["status"]), (200, &json!("succeeded")));
    assert_eq!(code(&client.post("/v1/setup_intents", &of("4000000000000002"))), (402, "card_declined"));
    assert!(client.peer.psp().intents().is_empty());
}

/// What the fake signs is what the vault takes for signed.
#[test]
fn its_notifications_are_read() {
    use panvault_model::TransactionAction::{Authorise, Capture, Refund};
    use panvault_processor::{Notification, NotificationScheme, Verdict};
    let client = Client::new();
    let intent = client
        .created("4242424242424242", "&capture_method=manual&metadata[transaction]=0123456789abcdef01234567")
        .1;
    let id = intent["id"].as_str().unwrap();
    client.post(&format!("/v1/payment_intents/{id}/capture"), "amount_to_capture=700");
    client.post(
        "/v1/refunds",
        &format!("payment_intent={id}&amount=5&metadata[refund]=89abcdef0123456789abcdef"),
    );
    let expected = [(Authorise, 1000), (Capture, 700), (Refund, 5)];
    let due = client.peer.psp().take_notifications();
    let notices = due.iter().flat_map(|due| {
        let signatures: Vec<_> = due.headers.iter().map(|(_, value)| value.as_str()).collect();
        let notification = Notification { body: due.body.as_bytes(), signatures: &signatures };
        NotificationScheme::Stripe.read(notification, STRIPE_WEBHOOK_SECRET.as_bytes(), NOW).unwrap()
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
