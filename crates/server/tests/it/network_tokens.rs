//! Network tokens over HTTP: their kind, and the cryptogram that each payment brings.

use serde_json::{Value, json};

use crate::support::{Server, Tenant, card_body, send, transaction_body};

const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";

fn token_body(tenant: &Tenant) -> Value {
    let mut body = card_body(tenant);
    body["kind"] = json!("network_token");
    body.as_object_mut().unwrap().remove("cvv");
    body
}

#[test]
fn the_kind_of_a_card_is_shown_and_a_condition_of_lists() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let made = server.post(&merchant.key, "/v1/card", &token_body(merchant));
    assert_eq!((made.status, &made.json()["kind"]), (200, &json!("network_token")), "{}", made.text);
    let token = made.id();
    let read = |id: &str| server.get(&merchant.key, &format!("/v1/card/{id}")).json()["kind"].clone();
    assert_eq!((read(&card), read(&token)), (Value::Null, json!("network_token")));
    for (condition, expected) in [
        ("kind=network_token", &token),
        ("kind=CARD", &card),
        ("kind!=card", &token),
        ("kind!=network_token", &card),
    ] {
        let listed = server.get(&merchant.key, &format!("/v1/card?{condition}")).json();
        let ids: Vec<_> =
            listed.as_array().unwrap().iter().map(|card| card["_id"].as_str().unwrap()).collect();
        assert_eq!(ids, [expected.as_str()], "{condition}");
    }
    let wrong = server.get(&merchant.key, "/v1/card?kind=dpan");
    assert_eq!(wrong.fails(400, 107).json()["details"].as_object().unwrap().len(), 1);
    // It never changes.
    let change = json!({ "organisation": merchant.organisation, "kind": "card" });
    server.post(&merchant.key, &format!("/v1/card/{token}"), &change).fails(400, 127);
}

#[test]
fn a_network_token_takes_no_cvv_and_comes_from_no_browser() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut body = token_body(merchant);
    body["cvv"] = json!("111");
    let refused = server.post(&merchant.key, "/v1/card", &body);
    assert!(refused.fails(400, 107).json()["details"]["body.cvv"].is_string(), "{}", refused.text);
    let token = server.post(&merchant.key, "/v1/card", &token_body(merchant)).id();
    let path = format!("/v1/card/{token}");
    let put =
        server.post(&merchant.key, &path, &json!({ "organisation": merchant.organisation, "cvv": "111" }));
    assert!(put.fails(400, 107).json()["details"]["body.cvv"].is_string(), "{}", put.text);
    let ended =
        server.post(&merchant.key, &path, &json!({ "organisation": merchant.organisation, "cvv": null }));
    assert_eq!(ended.status, 200, "{}", ended.text);
    let refused = server.post(&merchant.publishable_key, "/v1/card", &token_body(merchant));
    assert!(refused.fails(400, 107).json()["details"]["body.kind"].is_string(), "{}", refused.text);
}

#[test]
fn a_payment_with_one_brings_a_cryptogram() {
    let server = Server::start();
    let merchant = &server.parent;
    let token = server.post(&merchant.key, "/v1/card", &token_body(merchant)).id();
    let card = server.make_card(merchant, Some("111"));
    let pay = |card: &str, more: &[(&str, Value)]| {
        let mut body = transaction_body(merchant, card, 1099);
        more.iter().for_each(|(name, value)| body[*name] = value.clone());
        server.post(&merchant.key, "/v1/transaction", &body)
    };
    let cryptogram = || ("cryptogram", json!(CRYPTOGRAM));
    let paid = pay(&token, &[cryptogram(), ("cryptogram_eci", json!("07"))]);
    assert_eq!(paid.status, 200, "{}", paid.text);
    assert_eq!((&paid.json()["cvv_present"], &paid.json()["cryptogram_eci"]), (&json!(false), &json!("07")));
    assert!(paid.json().get("cryptogram").is_none() && !paid.text.contains(&CRYPTOGRAM[..12]));
    assert_eq!(pay(&token, &[("cryptogram", json!(CRYPTOGRAM.trim_end_matches('=')))]).status, 200);
    assert_eq!(pay(&token, &[("recurring_type", json!("repeat"))]).status, 200);
    assert_eq!(pay(&token, &[cryptogram(), ("amount", json!(0))]).status, 200, "a verification");
    for (card, more, code, place) in [
        (&token, vec![], 126, "body.cryptogram"),
        (&token, vec![("cryptogram", json!(""))], 126, "body.cryptogram"),
        (&token, vec![("cryptogram", json!("AgAA"))], 107, "body.cryptogram"),
        (&token, vec![("cryptogram", json!(7))], 107, "body.cryptogram"),
        (&token, vec![cryptogram(), ("cryptogram_eci", json!("7"))], 107, "body.cryptogram_eci"),
        (&card, vec![cryptogram()], 107, "body.cryptogram"),
        (&card, vec![("cryptogram_eci", json!("07"))], 107, "body.cryptogram_eci"),
    ] {
        let refused = pay(card, &more);
        let details = refused.fails(400, code).json()["details"].clone();
        assert!(details[place].is_string() && !refused.text.contains(&CRYPTOGRAM[..12]), "{}", refused.text);
    }
    let held = server.get(&merchant.key, &format!("/v1/card/{card}")).json()["cvv_present"].clone();
    assert_eq!(held, json!(true), "what is refused takes no CVV");
}

/// The danger: a kept digest of a request by which cryptograms could be tried out, or an answer that a second one changes.
#[test]
fn of_a_repeated_request_it_counts_only_whether_it_has_one() {
    let server = Server::start();
    let merchant = &server.parent;
    let token = server.post(&merchant.key, "/v1/card", &token_body(merchant)).id();
    let pay = |cryptogram: Option<&str>| {
        let mut body = transaction_body(merchant, &token, 1099);
        if let Some(cryptogram) = cryptogram {
            body["cryptogram"] = json!(cryptogram);
        }
        let headers = [
            ("X-APIKEY", merchant.key.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "one"),
        ];
        let url = format!("http://{}/v1/transaction", server.address);
        send(&url, "POST", &headers, Some(&body.to_string()))
    };
    let first = pay(Some(CRYPTOGRAM));
    let again = pay(Some("ALnt+yWSJdXBACMLLWMNGgADFA=="));
    assert_eq!((first.status, again.status, first.id()), (200, 200, again.id()));
    pay(None).fails(422, 143);
}
