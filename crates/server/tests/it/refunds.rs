//! Refunds: what is answered, what is shown afterwards, and how little may be sent.

use serde_json::{Value, json};

use crate::support::{HttpAnswer, Server, transaction_body};

fn refund(server: &Server, of: &str, body: &Value) -> HttpAnswer {
    server.post(&server.parent.key, &format!("/v1/transaction/{of}/refund"), body)
}

fn read(server: &Server, path: &str) -> Value {
    let answer = server.get(&server.parent.key, path);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[test]
fn a_refund_is_pending_and_then_processed() {
    let server = Server::start();
    let paid = server.make_completed(1099);
    let body = json!({ "amount": "500", "reason": "sent back", "merchant_reference": "refund-1" });
    let answer = refund(&server, &paid, &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = answer.json();
    assert_eq!((&row["status"], &row["amount"]), (&json!("PENDING"), &json!(500)));
    assert_eq!((&row["transaction"], &row["account"]), (&json!(paid), &json!(server.parent.account)));
    assert_eq!((&row["reason"], &row["merchant_reference"]), (&body["reason"], &body["merchant_reference"]));
    let path = format!("/v1/refund/{}", answer.id());
    assert_eq!(read(&server, &path), row);
    let of = read(&server, &format!("/v1/transaction/{paid}"));
    assert_eq!((&of["status"], &of["refunded_amount"]), (&json!("SETTLEMENT_COMPLETED"), &json!(500)));
    server.settle();
    let processed = read(&server, &path);
    assert_eq!(processed["status"], json!("PROCESSED"));
    assert!(processed["last_status_update"].as_str() >= row["last_status_update"].as_str());

    // The rest, and no more.
    let rest = refund(&server, &paid, &json!({}));
    assert_eq!((rest.status, &rest.json()["amount"]), (200, &json!(599)));
    let details = refund(&server, &paid, &json!({})).fails(400, 110).json()["details"].clone();
    assert_eq!(details["state"], json!("nothing is left to refund"));
    assert_eq!(refund(&server, &paid, &json!({ "amount": 1 })).fails(400, 107).faults(), ["body.amount"]);
    assert_eq!(read(&server, &format!("/v1/transaction/{paid}"))["refunded_amount"], json!(1099));
}

#[test]
fn refunds_are_listed_and_counted_by_their_fields() {
    let server = Server::start();
    let [one, other] = [server.make_completed(1000), server.make_completed(1000)];
    let mut ids = Vec::new();
    for (of, amount) in [(&one, 1), (&one, 2), (&other, 3)] {
        ids.push(refund(&server, of, &json!({ "amount": amount, "merchant_reference": "a" })).id());
    }
    refund(&server, &one, &json!({ "amount": 121 })).fails(403, 121);
    // Made within one millisecond, some of them may come in any order.
    let listed = |query: &str| {
        let rows = read(&server, &format!("/v1/refund?_sort=amount&{query}"));
        let rows: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["amount"].clone()).collect();
        let count = read(&server, &format!("/v1/refund/count?{query}"))["count"].clone();
        assert_eq!(count, json!(rows.len()), "{query}");
        rows
    };
    assert_eq!(listed(""), [1, 2, 3, 121]);
    assert_eq!(listed(&format!("transaction={one}")), [1, 2, 121]);
    assert_eq!(listed(&format!("transaction={one}&status=PENDING")), [1, 2]);
    assert_eq!(listed(&format!("_id={}", ids[2])), [3]);
    assert_eq!(listed("merchant_reference=a&amount%3E=2"), [2, 3]);
    assert_eq!(listed("reason_code=05"), [121]);
    assert_eq!(listed(&format!("organisation={}", server.child.organisation)), [0; 0]);
    server.get(&server.parent.key, "/v1/refund?card=x").fails(400, 127);
    let theirs = server.get(&server.stranger.key, "/v1/refund").json();
    assert_eq!(theirs, json!([]));
}

/// One that failed has its code and itself in `details`, and gives its amount free; one of which nobody knows is pending.
#[test]
fn what_the_processor_says_has_its_code_and_the_refund_in_details() {
    let server = Server::start();
    let paid = server.make_completed(1099);
    for (number, http) in [(121, 403), (123, 400), (131, 503), (132, 400)] {
        let body = json!({ "reason": format!("please {number}") });
        let details = refund(&server, &paid, &body).fails(http, number).json()["details"].clone();
        assert_eq!((&details["status"], &details["amount"]), (&json!("FAILED"), &json!(1099)), "{number}");
        let row = read(&server, &format!("/v1/refund/{}", details["_id"].as_str().unwrap()));
        assert_eq!((&row["status"], &row["transaction"]), (&json!("FAILED"), &json!(paid)), "{number}");
        assert!(read(&server, &format!("/v1/transaction/{paid}"))["refunded_amount"].is_null(), "{number}");
    }
    let unknown = refund(&server, &paid, &json!({ "reason": "please 122" }));
    assert_eq!((unknown.status, &unknown.json()["status"]), (200, &json!("PENDING")));
    server.settle();
    assert_eq!(read(&server, &format!("/v1/refund/{}", unknown.id()))["status"], json!("PENDING"));
    refund(&server, &paid, &json!({})).fails(400, 110);
}

/// Programs send nothing, `null` or an empty array where there is nothing to say.
#[test]
fn a_refund_needs_no_body() {
    let server = Server::start();
    let key = server.parent.key.clone();
    let json_type = ("Content-Type", "application/json");
    for (headers, body) in [
        (vec![("X-APIKEY", key.as_str())], None),
        (vec![("X-APIKEY", key.as_str()), json_type], Some("[]")),
        (vec![("X-APIKEY", key.as_str()), json_type], Some("null")),
        (
            vec![("X-APIKEY", key.as_str()), json_type],
            Some(r#"{"amount":1099,"reason":null,"merchant_reference":null}"#),
        ),
    ] {
        let path = format!("/v1/transaction/{}/refund", server.make_completed(1099));
        let answer = server.send("POST", &path, &headers, body);
        assert_eq!((answer.status, &answer.json()["amount"]), (200, &json!(1099)), "{body:?}");
    }
}

#[test]
fn every_fault_of_a_refund_is_named_at_once_and_changes_nothing() {
    let server = Server::start();
    let paid = server.make_completed(1099);
    for wrong in [json!(0), json!(-1), json!("x"), json!(1.5), json!(2_147_483_648_u64), json!(true)] {
        let body =
            json!({ "amount": wrong, "reason": "4111 1111 1111 1111", "merchant_reference": 1, "other": 1 });
        let faults = ["body.amount", "body.merchant_reference", "body.other", "body.reason"];
        assert_eq!(refund(&server, &paid, &body).fails(400, 127).faults(), faults, "{wrong}");
    }
    for (name, value) in [("reason", "x".repeat(256)), ("merchant_reference", "x".repeat(101))] {
        let faults = refund(&server, &paid, &json!({ name: value })).fails(400, 107).faults();
        assert_eq!(faults, [format!("body.{name}")]);
    }
    refund(&server, "x", &json!({})).fails(404, 109);
    refund(&server, &"ab".repeat(12), &json!({})).fails(404, 109);
    server.get(&server.parent.key, "/v1/refund/x").fails(404, 109);
    assert_eq!(read(&server, "/v1/refund/count")["count"], json!(0));
    assert!(read(&server, &format!("/v1/transaction/{paid}"))["refunded_amount"].is_null());
    // The other endpoints of a transaction know where it stands as before.
    let card = server.make_card(&server.parent, None);
    let sold =
        server.post(&server.parent.key, "/v1/transaction", &transaction_body(&server.parent, &card, 5));
    let details = refund(&server, &sold.id(), &json!({})).fails(400, 110).json()["details"].clone();
    assert_eq!(details["status"], json!("SETTLEMENT_REQUESTED"));
}

#[test]
fn a_refund_with_an_idempotency_key_is_done_once() {
    let server = Server::start();
    let paid = server.make_completed(1099);
    let headers = [
        ("X-APIKEY", server.parent.key.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "refund-1"),
    ];
    let path = format!("/v1/transaction/{paid}/refund");
    let ask = |body: &str| server.send("POST", &path, &headers, Some(body));
    let first = ask(r#"{"amount": 7}"#);
    let again = ask(r#"{"amount": "7"}"#);
    assert_eq!((first.status, first.text.as_str()), (again.status, again.text.as_str()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    ask(r#"{"amount": 8}"#).fails(422, 143);
    assert_eq!(read(&server, "/v1/refund/count")["count"], json!(1));
}
