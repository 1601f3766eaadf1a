//! Captures and voids: what is answered, in which status, and how little may be sent.

use panvault_model::{MOVES, TransactionAction};
use serde_json::{Value, json};

use crate::support::{HttpAnswer, Server, transaction_body};

fn paid(server: &Server, reference: &str, capture_now: bool) -> String {
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let mut body = transaction_body(merchant, &card, 1099);
    body["merchant_reference"] = json!(reference);
    body["capture_now"] = json!(capture_now);
    let answer = server.post(&merchant.key, "/v1/transaction", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.id()
}

fn act(server: &Server, id: &str, verb: &str, body: &Value) -> HttpAnswer {
    server.post(&server.parent.key, &format!("/v1/transaction/{id}/{verb}"), body)
}

fn read(server: &Server, id: &str) -> Value {
    server.get(&server.parent.key, &format!("/v1/transaction/{id}")).json()
}

#[test]
fn a_reservation_is_captured_and_what_it_answers_is_the_transaction() {
    let server = Server::start();
    let id = paid(&server, "order", false);
    let answer = act(&server, &id, "capture", &json!({ "amount": "1000" }));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = answer.json();
    assert_eq!((&row["status"], &row["reason_code"]), (&json!("SETTLEMENT_REQUESTED"), &json!("00")));
    assert_eq!(
        (&row["_id"], &row["amount"], &row["captured_amount"]),
        (&json!(id), &json!(1099), &json!(1000))
    );
    assert_eq!(read(&server, &id), row);
    // As the driver of a shop does it that reads the status first.
    let answer = act(&server, &id, "void_capture", &json!({ "amount": 1000 }));
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("SETTLEMENT_CANCELLED")));
    let history = server.get(&server.parent.key, &format!("/v1/transaction/{id}/history")).json();
    let steps: Vec<_> = history.as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(
        steps,
        ["SETTLEMENT_CANCELLED", "PENDING", "SETTLEMENT_REQUESTED", "PENDING", "AUTHORIZED", "INITIATED"]
    );
}

/// Programs send nothing, `null` or an empty array where there is nothing to say.
#[test]
fn a_void_needs_no_body_and_no_type_of_one() {
    let server = Server::start();
    let key = server.parent.key.clone();
    let json_type = ("Content-Type", "application/json");
    for verb in ["void", "void_authorization"] {
        for (headers, body) in [
            (vec![("X-APIKEY", key.as_str())], None),
            (vec![("X-APIKEY", key.as_str()), json_type], None),
            (vec![("X-APIKEY", key.as_str()), json_type], Some("")),
            (vec![("X-APIKEY", key.as_str()), json_type], Some("[]")),
            (vec![("X-APIKEY", key.as_str()), json_type], Some(" null\n")),
            (vec![("X-APIKEY", key.as_str()), json_type], Some("{}")),
            (vec![("X-APIKEY", key.as_str()), json_type], Some(r#"{"amount":null}"#)),
        ] {
            let id = paid(&server, "order", false);
            let answer = server.send("POST", &format!("/v1/transaction/{id}/{verb}"), &headers, body);
            assert_eq!(answer.status, 200, "{body:?}: {}", answer.text);
            assert_eq!(answer.json()["status"], json!("AUTHORIZATION_VOIDED"));
        }
    }
    // Where something must be said it is as before.
    server.send("POST", "/v1/transaction", &[("X-APIKEY", &key)], None).fails(415, 145);
    server.send("POST", "/v1/transaction", &[("X-APIKEY", &key), json_type], Some("[]")).fails(400, 107);
    let path = format!("/v1/transaction/{}/void", paid(&server, "order", false));
    server.send("POST", &path, &[("X-APIKEY", &key)], Some("{}")).fails(415, 145);
    server.send("POST", &path, &[("X-APIKEY", &key), json_type], Some("[1]")).fails(400, 107);
}

/// The table is what the API does: every status that an authorisation can end in, by every action.
#[test]
fn a_wrong_move_says_where_the_transaction_stands() {
    let server = Server::start();
    let verbs = [
        ("capture", TransactionAction::Capture),
        ("void_capture", TransactionAction::VoidCapture),
        ("void", TransactionAction::Void),
        ("void_authorization", TransactionAction::Void),
    ];
    for (verb, action) in verbs {
        for (capture_now, from) in [(false, "AUTHORIZED"), (true, "SETTLEMENT_REQUESTED")] {
            let id = paid(&server, "order", capture_now);
            let answer = act(&server, &id, verb, &json!({}));
            let to = MOVES.iter().find(|one| one.from.as_str() == from && one.action == action);
            match to {
                Some(to) => {
                    assert_eq!(answer.status, 200, "{verb} of {from}");
                    assert_eq!(answer.json()["status"], json!(to.to.as_str()));
                }
                None => {
                    let details = answer.fails(400, 110).json()["details"].clone();
                    assert_eq!(details["status"], json!(from), "{verb}");
                    assert_eq!(read(&server, &id)["status"], json!(from));
                }
            }
        }
    }
}

#[test]
fn what_the_processor_says_has_its_code_and_the_transaction_in_details() {
    let server = Server::start();
    for (number, http, status) in [
        (121, 403, "AUTHORIZED"),
        (122, 502, "UNKNOWN"),
        (123, 400, "AUTHORIZED"),
        (131, 503, "AUTHORIZED"),
        (132, 400, "AUTHORIZED"),
    ] {
        for (verb, reference) in [("capture", "capture"), ("void", "void")] {
            let id = paid(&server, &format!("please {reference} {number}"), false);
            let details = act(&server, &id, verb, &json!({})).fails(http, number).json()["details"].clone();
            assert_eq!(
                (&details["_id"], &details["status"]),
                (&json!(id), &json!(status)),
                "{verb} {number}"
            );
            assert_eq!(read(&server, &id)["status"], json!(status));
        }
    }
}

#[test]
fn every_fault_of_an_action_is_named_at_once() {
    let server = Server::start();
    let id = paid(&server, "order", false);
    for wrong in [json!(0), json!(-1), json!("x"), json!(1.5), json!(2_147_483_648_u64), json!(true)] {
        let body = json!({ "amount": wrong, "other": 1 });
        let answer = act(&server, &id, "capture", &body);
        assert_eq!(answer.fails(400, 127).faults(), ["body.amount", "body.other"], "{wrong}");
    }
    for (verb, amount) in [("capture", 1100), ("void", 1098)] {
        let answer = act(&server, &id, verb, &json!({ "amount": amount }));
        assert_eq!(answer.fails(400, 107).faults(), ["body.amount"]);
    }
    act(&server, "x", "capture", &json!({})).fails(404, 109);
    act(&server, &"ab".repeat(12), "capture", &json!({})).fails(404, 109);
    assert_eq!(read(&server, &id)["status"], json!("AUTHORIZED"));
}

#[test]
fn an_action_with_an_idempotency_key_is_done_once() {
    let server = Server::start();
    let id = paid(&server, "order", false);
    let headers = [
        ("X-APIKEY", server.parent.key.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "capture-1"),
    ];
    let capture =
        |body: &str| server.send("POST", &format!("/v1/transaction/{id}/capture"), &headers, Some(body));
    let first = capture(r#"{"amount": 7}"#);
    let again = capture(r#"{"amount": "7"}"#);
    assert_eq!((first.status, first.text.as_str()), (again.status, again.text.as_str()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    capture(r#"{"amount": 8}"#).fails(422, 143);
    capture("{}").fails(422, 143);
}
