//! What is taken as it is meant, row by row of the table.

use panvault_server::lenience::{LENIENCES, Lenience};
use serde_json::{Map, Value, json};

use crate::support::{HttpAnswer, Server, card_body, transaction_body};

/// A good body of the operation with more members, as text: numbers stay as they are written.
fn with(good: &Value, more: &str) -> String {
    let mut good = good.as_object().unwrap().clone();
    let named: Map<String, Value> = serde_json::from_str(more).unwrap();
    good.retain(|name, _| !named.contains_key(name));
    let good = Value::Object(good).to_string();
    let (Some(head), Some(tail)) = (good.strip_suffix('}'), more.strip_prefix('{')) else { panic!("{more}") };
    let between = if named.is_empty() { "" } else { "," };
    format!("{head}{between}{tail}")
}

fn same(answer: &HttpAnswer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut body = answer.json();
    for own in ["_id", "created_at", "updated_at", "cvv_expires_at"] {
        body[own] = Value::Null;
    }
    body
}

/// Public programs for the gateway send these, and each was refused.
#[test]
fn each_row_of_the_table_is_taken_as_it_is_meant() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    for row @ Lenience { operation, sent, meant, .. } in LENIENCES {
        let (path, good) = match *operation {
            "card_create" => ("/v1/card", card_body(merchant)),
            "transaction_create" => ("/v1/transaction", transaction_body(merchant, &card, 1099)),
            other => panic!("{other}"),
        };
        let (sent, meant) = (with(&good, sent), with(&good, meant));
        let found = server.post_text(&merchant.key, path, &sent);
        let expected = server.post_text(&merchant.key, path, &meant);
        assert_eq!(same(&found), same(&expected), "{row:?}");

        // The same request, whichever way it is written.
        let key = format!("{:?}", row.rule);
        let headers = [
            ("X-APIKEY", merchant.key.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", &key),
        ];
        let first = server.send("POST", path, &headers, Some(&sent));
        let again = server.send("POST", path, &headers, Some(&meant));
        assert_eq!((first.status, again.header("idempotency-replayed")), (200, Some("true")), "{row:?}");
        assert_eq!(first.text, again.text, "{row:?}");
    }
}

#[test]
fn null_ends_the_cvv_of_an_update_and_is_nothing_else() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let path = format!("/v1/card/{card}");
    let update = |more: &str| {
        server.post_text(&merchant.key, &path, &with(&json!({ "organisation": merchant.organisation }), more))
    };
    let kept =
        update(r#"{"card_holder_name": "A. N. Other", "cvv": "", "expiry_year": null, "metadata": null}"#);
    assert_eq!((kept.status, kept.json()["cvv_present"].clone()), (200, json!(true)), "{}", kept.text);
    for nothing in
        [r#"{"card_holder_name": null}"#, r#"{"cvv": ""}"#, r#"{"expiry_month": null, "metadata": null}"#]
    {
        assert_eq!(update(nothing).fails(400, 126).faults(), ["body"], "{nothing}");
    }
    let pairs = update(r#"{"metadata": {"a": "1", "b": null, "c": ""}}"#);
    assert_eq!(pairs.json()["metadata"], json!({ "a": "1", "c": "" }), "{}", pairs.text);
    let ended = update(r#"{"cvv": null}"#);
    assert_eq!((ended.status, ended.json()["cvv_present"].clone()), (200, json!(false)));
    let numbers = update(r#"{"expiry_month": 2, "expiry_year": 31}"#).json();
    assert_eq!((&numbers["expiry_month"], &numbers["expiry_year"]), (&json!("02"), &json!("31")));
}

#[test]
fn what_is_near_a_lenience_is_refused() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let pay = transaction_body(merchant, &card, 1099);
    let new = card_body(merchant);
    let long = format!(r#"{{"account": "{}"}}"#, "x".repeat(256));
    for (path, good, more, code, fault) in [
        ("/v1/transaction", &pay, r#"{"capture": true, "capture_now": false}"#, 107, "body.capture"),
        ("/v1/transaction", &pay, r#"{"capture": "true"}"#, 107, "body.capture"),
        ("/v1/transaction", &pay, r#"{"capture": true, "capture": true}"#, 107, "body.capture"),
        ("/v1/transaction", &pay, r#"{"installments": "2"}"#, 107, "body.installments"),
        ("/v1/transaction", &pay, r#"{"installments": 2.5}"#, 107, "body.installments"),
        ("/v1/transaction", &pay, r#"{"customer": null, "customer": null}"#, 107, "body.customer"),
        ("/v1/transaction", &pay, r#"{"nothing": null}"#, 127, "body.nothing"),
        ("/v1/transaction", &pay, r#"{"amount": ""}"#, 107, "body.amount"),
        ("/v1/transaction", &pay, r#"{"amount": null}"#, 126, "body.amount"),
        ("/v1/transaction", &pay, r#"{"eci": "4111 1111 1111 1111"}"#, 107, "body.eci"),
        ("/v1/card", &new, r#"{"card_number": null}"#, 126, "body.card_number"),
        ("/v1/card", &new, r#"{"organisation": " "}"#, 107, "body.organisation"),
        ("/v1/card", &new, r#"{"cvv": 111}"#, 107, "body.cvv"),
        ("/v1/card", &new, r#"{"account": {}}"#, 107, "body.account"),
        ("/v1/card", &new, &long, 107, "body.account"),
        ("/v1/card", &new, r#"{"capture": true}"#, 127, "body.capture"),
    ] {
        let answer = server.post_text(&merchant.key, path, &with(good, more));
        assert_eq!(answer.fails(400, code).faults(), [fault], "{more}");
    }
    let both = server.post_text(
        &merchant.key,
        "/v1/transaction",
        &with(&pay, r#"{"capture": false, "capture_now": false, "shopper_interaction": ""}"#),
    );
    assert_eq!(both.json()["status"], json!("AUTHORIZED"), "{}", both.text);
    // A number of a card is kept nowhere, also where it has no business.
    let number = server.post_text(&merchant.key, "/v1/card", &with(&new, r#"{"account": 4111111111111111}"#));
    assert_eq!((number.status, number.json().get("account")), (200, None));
}

/// Four texts were required of every transaction that the gateway's own programs do not send.
#[test]
fn a_transaction_needs_account_amount_and_card_only() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let body = json!({ "account": merchant.account, "amount": 1099, "card": card });
    let paid = server.post(&merchant.key, "/v1/transaction", &body);
    assert_eq!(paid.status, 200, "{}", paid.text);
    let row = server.get(&merchant.key, &format!("/v1/transaction/{}", paid.id())).json();
    assert_eq!(row, paid.json());
    for absent in ["customer_ip", "dynamic_descriptor", "merchant_reference", "user_agent"] {
        assert_eq!(row.get(absent), None, "{absent}");
    }
}
