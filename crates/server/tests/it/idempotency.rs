//! `Idempotency-Key`: the same answer again, and no second effect.

use panvault_model::Role;
use serde_json::json;

use crate::support::{HttpAnswer, Server, Tenant, card_body, send, transaction_body};

fn post(server: &Server, tenant: &Tenant, path: &str, key: (&str, &str), body: &str) -> HttpAnswer {
    let headers = [("X-APIKEY", tenant.key.as_str()), ("Content-Type", "application/json"), key];
    server.send("POST", path, &headers, Some(body))
}

/// As a browser makes one: `crypto.randomUUID()`.
const RANDOM: &str = "0b9d1c7e-5f0a-4c53-9a57-3d5f1c2a7e90";

fn post_as(server: &Server, api_key: &str, path: &str, key: &str, body: &str) -> HttpAnswer {
    let headers = [("X-APIKEY", api_key), ("Content-Type", "application/json"), ("Idempotency-Key", key)];
    server.send("POST", path, &headers, Some(body))
}

#[test]
fn a_repeated_request_is_answered_the_same_and_does_nothing() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut body = card_body(merchant);
    body["cvv"] = json!("111");
    let body = body.to_string();
    let first = post(&server, merchant, "/v1/card", ("Idempotency-Key", "one"), &body);
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
    server.clock.pass_millis(1_000);
    for (name, path) in [("Idempotency-Key", "/v1/card"), ("x-vfi-api-idempotencykey", "/v1/card/")] {
        let again = post(&server, merchant, path, (name, "one"), &body);
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
        assert_eq!(again.text, first.text, "byte for byte");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    assert_eq!(server.get(&merchant.key, "/v1/card/count").json()["count"], json!(1));

    let pay = transaction_body(merchant, &first.id(), 1121).to_string();
    let declined = post(&server, merchant, "/v1/transaction", ("Idempotency-Key", "one"), &pay);
    declined.fails(403, 121);
    server.clock.pass_millis(1_000);
    let again = post(&server, merchant, "/v1/transaction", ("Idempotency-Key", "one"), &pay);
    again.fails(403, 121);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json()["details"], declined.json()["details"]);
    assert_eq!(server.get(&merchant.key, "/v1/transaction/count").json()["count"], json!(1));
}

/// The bug: a card create that was sent again got 110 where its organisation had been disabled meanwhile, and 107 where the card had expired. Its
/// cause: it was judged before its first answer was looked for. Its cure: the answer comes first, of every endpoint that keeps one.
#[test]
fn the_first_answer_comes_again_whatever_has_become_of_the_organisation_and_the_card() {
    let server = Server::start();
    let (parent, child) = (&server.parent, &server.child);
    let provider = server.make_key(parent, &[Role::ProviderAdmin]);
    let of_child = json!(child.organisation.to_string());
    let mut card = card_body(child);
    let created = server.get(&parent.key, &format!("/v1/organisation/{}", parent.organisation)).json();
    let now = created["created_at"].as_str().unwrap();
    (card["expiry_month"], card["expiry_year"]) = (json!(now[5..7]), json!(now[2..4]));
    let id = post(&server, parent, "/v1/card", ("Idempotency-Key", "card"), &card.to_string()).id();
    let account = json!({ "name": "Till", "currency_code": "EUR", "organisation": of_child });
    let key = json!({ "name": "Till", "roles": ["MerchantUser"], "organisation": of_child });
    let bodies = [
        ("card", "/v1/card".to_owned(), card.clone()),
        ("update", format!("/v1/card/{id}"), json!({ "cvv": "111", "organisation": of_child })),
        ("pay", "/v1/transaction".to_owned(), transaction_body(child, &id, 100)),
        ("account", "/v1/account".to_owned(), account),
        ("account", format!("/v1/account/{}", child.account), json!({ "description": "Main" })),
        ("key", "/v1/apikey".to_owned(), key),
        ("below", "/v1/organisation".to_owned(), json!({ "name": "Below", "parent_id": of_child })),
    ];
    let send = |(name, path, body): &(&str, String, serde_json::Value)| {
        let may = if path.contains("card") || path.contains("transaction") { &parent.key } else { &provider };
        post_as(&server, may, path, name, &body.to_string())
    };
    for request in &bodies {
        assert_eq!(send(request).status, 200, "{}", request.1);
    }
    let disable = format!("/v1/organisation/{}", child.organisation);
    assert_eq!(server.post(&provider, &disable, &json!({ "disabled": true })).status, 200);
    for request in &bodies {
        let again = send(request);
        assert_eq!(
            (again.status, again.header("idempotency-replayed")),
            (200, Some("true")),
            "{}",
            request.1
        );
        send(&("another", request.1.clone(), request.2.clone())).fails(400, 110);
    }
    assert_eq!(server.post(&provider, &disable, &json!({ "disabled": false })).status, 200);
    let expired = |key: &str| {
        server.clock.pass_millis(86_399_999);
        let made = post(&server, parent, "/v1/card", ("Idempotency-Key", key), &card.to_string());
        (made.status == 400).then_some(made)
    };
    let mut days = (0..32).map(|day| format!("day-{day}"));
    let (key, refused) = days.find_map(|key| Some((key.clone(), expired(&key)?))).unwrap();
    refused.fails(400, 107);
    assert!(refused.json()["details"]["body.expiry_year"].is_string(), "{}", refused.text);
    let day: u32 = key.trim_start_matches("day-").parse().unwrap();
    let before = format!("day-{}", day.checked_sub(1).unwrap());
    let again = post(&server, parent, "/v1/card", ("Idempotency-Key", &before), &card.to_string());
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    // A second fault is said with it.
    card["card_holder_name"] = json!("4111111111111111");
    let both = post(&server, parent, "/v1/card", ("Idempotency-Key", "both"), &card.to_string()).json();
    assert_eq!(both["details"].as_object().unwrap().len(), 2, "{both}");
}

#[test]
fn another_body_is_refused_and_others_are_not_in_the_way() {
    let server = Server::start();
    let merchant = &server.parent;
    let body = card_body(merchant).to_string();
    let first = post(&server, merchant, "/v1/card", ("Idempotency-Key", "one"), &body);
    let other = body.replace("\"12\"", "\"11\"");
    post(&server, merchant, "/v1/card", ("Idempotency-Key", "one"), &other).fails(422, 143);
    let theirs = card_body(&server.child).to_string();
    let child = post(&server, &server.child, "/v1/card", ("Idempotency-Key", "one"), &theirs);
    assert_eq!((child.status, child.header("idempotency-replayed")), (200, None), "another organisation");
    let update = json!({ "cvv": "111", "organisation": merchant.organisation }).to_string();
    let path = format!("/v1/card/{}", first.id());
    let updated = post(&server, merchant, &path, ("Idempotency-Key", "one"), &update);
    assert_eq!((updated.status, updated.header("idempotency-replayed")), (200, None), "another path");
    server.clock.pass_millis(24 * 3_600_000);
    let late = post(&server, merchant, "/v1/card", ("Idempotency-Key", "one"), &body);
    assert_eq!((late.status, late.header("idempotency-replayed")), (200, None), "after 24 hours");
}

#[test]
fn a_bad_key_is_refused_by_name() {
    let server = Server::start();
    let merchant = &server.parent;
    let body = card_body(merchant).to_string();
    let long = "k".repeat(256);
    for key in ["", "a b", "a\tb", long.as_str()] {
        let answer = post(&server, merchant, "/v1/card", ("Idempotency-Key", key), &body);
        assert_eq!(answer.fails(400, 107).faults(), ["headers.idempotency-key"]);
    }
    assert_eq!(post(&server, merchant, "/v1/card", ("Idempotency-Key", &long[1..]), &body).status, 200);
}

#[test]
fn of_many_at_once_one_is_done() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let body = transaction_body(merchant, &card, 1099).to_string();
    let answers: Vec<HttpAnswer> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| post(&server, merchant, "/v1/transaction", ("Idempotency-Key", "one"), &body))
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    for answer in &answers {
        assert!(answer.status == 200 || (answer.status, answer.code()) == (409, 142), "{}", answer.text);
    }
    let first = answers
        .iter()
        .filter(|answer| answer.status == 200 && answer.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(server.get(&merchant.key, "/v1/transaction/count").json()["count"], json!(1));
}

/// A repeated request used to be compared byte for byte, CVV and all. Whoever knew an idempotency key and had a browser's API
/// key could so try out the CVV that a server had sent; and a client that spelled its JSON in another way was refused. Bodies
/// are now compared by their content, the digits of the CVV take no part, and a browser's keys are apart.
#[test]
fn a_repeated_request_tells_nothing_of_the_cvv() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let path = format!("/v1/card/{card}");
    let body = |cvv: &str| format!(r#"{{"cvv": "{cvv}", "organisation": "{}"}}"#, merchant.organisation);
    let first = post(&server, merchant, &path, ("Idempotency-Key", "one"), &body("739"));
    assert_eq!(first.status, 200);
    for cvv in ["739", "740", "000"] {
        let again = post(&server, merchant, &path, ("Idempotency-Key", "one"), &body(cvv));
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{cvv}");
        assert_eq!(again.text, first.text);
    }
    let spelled = format!(r#"{{"organisation":"{}","cvv":"739"}}"#, merchant.organisation);
    let again = post(&server, merchant, &path, ("Idempotency-Key", "one"), &spelled);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "order and spaces do not matter");
    let null = format!(r#"{{"cvv": null, "organisation": "{}"}}"#, merchant.organisation);
    post(&server, merchant, &path, ("Idempotency-Key", "one"), &null).fails(422, 143);

    let server_first = post(&server, merchant, &path, ("Idempotency-Key", RANDOM), &body("739"));
    assert_eq!(server_first.status, 200);
    let browser = post_as(&server, &merchant.publishable_key, &path, RANDOM, &body("739"));
    assert_eq!((browser.status, browser.header("idempotency-replayed")), (200, None), "a key of its own");
}

/// Neither can a browser use up a server's keys.
#[test]
fn a_browser_does_not_use_up_the_keys_of_servers() {
    let server = Server::start();
    let merchant = &server.parent;
    let body = card_body(merchant).to_string();
    let other = body.replace("\"12\"", "\"11\"");
    let theirs = post_as(&server, &merchant.publishable_key, "/v1/card", RANDOM, &other);
    assert_eq!(theirs.status, 200);
    let ours = post(&server, merchant, "/v1/card", ("Idempotency-Key", RANDOM), &body);
    assert_eq!((ours.status, ours.header("idempotency-replayed")), (200, None));
}

/// The bug: with a browser's API key, which is in everybody's hands, and a guess at an idempotency key, 422 or somebody else's token said
/// whether a card number was the one that was sent. Its cause: any text was an idempotency key, and one of an organisation's browsers
/// held for all of them. Its cure: a browser's must have the form of a random one, holds for its own API key, and refusals are counted.
#[test]
fn a_guess_at_a_browsers_key_tells_nothing() {
    let server = Server::start();
    let merchant = &server.parent;
    let body = card_body(merchant).to_string();
    let other = body.replace("4111111111111111", "5555555555554444");
    let short = "k".repeat(21);
    for key in
        ["a", "order-77", short.as_str(), "0b9d1c7e-5f0a-1c53-9a57-3d5f1c2a7e90", "k+k/kkkkkkkkkkkkkkkkkk=="]
    {
        let answer = post_as(&server, &merchant.publishable_key, "/v1/card", key, &body);
        assert_eq!(answer.fails(400, 107).faults(), ["headers.idempotency-key"], "{key}");
        assert!(!answer.text.contains(key) || key == "a", "{key}");
    }
    assert_eq!(server.get(&merchant.key, "/v1/card/count").json()["count"], json!(0));

    let key = "q7Zp0Hq3Tn6v9xYw_-4kLm";
    for key in [RANDOM, key] {
        let first = post_as(&server, &merchant.publishable_key, "/v1/card", key, &body);
        let again = post_as(&server, &merchant.publishable_key, "/v1/card", key, &body);
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{key}");
        assert_eq!(first.text, again.text);
    }
    let another = server.make_key(merchant, &[Role::Publishable]);
    for body in [&body, &other] {
        let answer = post_as(&server, &another, "/v1/card", RANDOM, body);
        if body == &other {
            answer.fails(422, 143);
        } else {
            assert_eq!(
                (answer.status, answer.header("idempotency-replayed")),
                (200, None),
                "a key of its own"
            );
        }
    }
    let page = send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).text;
    for (line, count) in
        [("caller=\"browser\",reason=\"guessable\"", 5), ("caller=\"browser\",reason=\"mismatch\"", 1)]
    {
        let line = format!("panvault_idempotency_refused_total{{{line}}} {count}");
        assert!(page.contains(&line), "{line}: {page}");
    }
}
