//! Every fault of a request at once, and what a failure names.

use panvault_testkit::operator;
use serde_json::json;

use crate::support::{Server, card_body, transaction_body};

/// A month that was wrong hid a year that was past, and a number that was wrong a CVV that was too long: two of four were said.
#[test]
fn a_card_that_is_wrong_all_over_is_told_all_of_it() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut body = card_body(merchant);
    for (name, value) in [
        ("card_number", "4111111111111112"),
        ("expiry_month", "13"),
        ("expiry_year", "2020"),
        ("cvv", "1234"),
    ] {
        body[name] = json!(value);
    }
    let answer = server.post(&merchant.key, "/v1/card", &body);
    let faults = ["body.card_number", "body.cvv", "body.expiry_month", "body.expiry_year"];
    assert_eq!(answer.fails(400, 107).faults(), faults);
    assert_eq!(answer.json()["details"]["body.expiry_year"], json!("is in the past"));
    assert!(!answer.text.contains("1234") && !answer.text.contains("2020"), "{}", answer.text);

    // What cannot be judged is not: of a number of no scheme 3 digits and 4 are right, and of this year the month decides.
    for (number, cvv, wrong) in [
        ("378282246310006", "123", true),
        ("378282246310006", "1234", false),
        ("4111", "1234", false),
        ("9000000000000002", "1234", false),
        ("9000000000000002", "12345", true),
    ] {
        for (name, value) in [("card_number", number), ("cvv", cvv), ("expiry_year", "2026")] {
            body[name] = json!(value);
        }
        let found = server.post(&merchant.key, "/v1/card", &body).fails(400, 107).faults();
        assert_eq!(found.contains(&"body.cvv".to_owned()), wrong, "{number} {cvv}");
        assert!(!found.contains(&"body.expiry_year".to_owned()), "{number}");
    }
    body["expiry_year"] = json!("2047");
    let far = server.post(&merchant.key, "/v1/card", &body);
    assert_eq!(far.json()["details"]["body.expiry_year"], json!("is more than 20 years ahead"));

    let card = server.make_card(merchant, None);
    let update =
        json!({ "organisation": "x", "cvv": "12", "expiry_month": "0", "expiry_year": "20", "cvc": 1 });
    let answer = server.post(&merchant.key, &format!("/v1/card/{card}"), &update);
    let faults = ["body.cvc", "body.cvv", "body.expiry_month", "body.expiry_year", "body.organisation"];
    assert_eq!(answer.fails(400, 127).faults(), faults);
}

/// Of header, query and body the first to be looked at was said alone.
#[test]
fn header_query_and_body_are_judged_together() {
    let server = Server::start();
    let merchant = &server.parent;
    let headers = [
        ("X-APIKEY", merchant.key.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "a b"),
    ];
    let wrong = json!({ "cvc": "1", "metadata": { "cvv": 1, "": "x" } }).to_string();
    for (path, code, more) in [
        (
            "/v1/card",
            126,
            vec!["body.card_number", "body.cvc", "body.expiry_month", "body.expiry_year", "body.metadata"],
        ),
        (
            "/v1/transaction",
            126,
            vec!["body.account", "body.amount", "body.card", "body.cvc", "body.metadata"],
        ),
    ] {
        let answer = server.send("POST", &format!("{path}?a=1&b=2"), &headers, Some(&wrong));
        let mut faults = more;
        faults.extend(["headers.idempotency-key", "query.a", "query.b"]);
        assert_eq!(answer.fails(400, code).faults(), faults);
    }
    let metadata =
        server.post_text(&merchant.key, "/v1/card", &wrong).json()["details"]["body.metadata"].clone();
    for what in ["empty or longer", "must not be kept", "strings only"] {
        assert!(metadata.as_str().unwrap().contains(what), "{metadata}");
    }
    let answer = server.send("POST", "/v1/card?a=1", &headers, Some("{"));
    assert_eq!(answer.fails(400, 110).faults(), ["body", "headers.idempotency-key", "query.a"]);
    let answer = server.send("GET", "/v1/card?brand=x&_limit=0&nothing=1", &headers, None);
    let faults = ["headers.idempotency-key", "query._limit", "query.brand", "query.nothing"];
    assert_eq!(answer.fails(400, 127).faults(), faults);
    let answer = server.send("GET", "/v1/bin/4?a=1", &headers, None);
    assert_eq!(answer.fails(400, 127).faults(), ["headers.idempotency-key", "path.bin", "query.a"]);
    let answer = server.send("DELETE", "/v1/card/x?a=1", &headers, None);
    assert_eq!(answer.fails(400, 127).faults(), ["headers.idempotency-key", "query.a"]);
}

/// A body names several ids, and its 404 did not say which of them it was. A stranger's is named like a missing one.
#[test]
fn what_is_not_found_is_named() {
    let server = Server::start();
    let (merchant, stranger) = (&server.parent, &server.stranger);
    let missing = "0".repeat(24);
    let theirs = server.make_card(stranger, None);
    let ours = server.make_card(merchant, None);
    let named = |answer: crate::support::HttpAnswer| answer.fails(404, 109).faults().join(" ");
    for id in [&theirs, &missing, &"x".to_owned()] {
        let path = format!("/v1/card/{id}");
        let update = json!({ "cvv": "111", "organisation": merchant.organisation });
        assert_eq!(named(server.get(&merchant.key, &path)), "path.id");
        assert_eq!(named(server.delete(&merchant.key, &path)), "path.id");
        assert_eq!(named(server.post(&merchant.key, &path, &update)), "path.id");
        assert_eq!(named(server.get(&merchant.key, &format!("/v1/transaction/{id}"))), "path.id");
        assert_eq!(named(server.get(&merchant.key, &format!("/v1/refund/{id}"))), "path.id");
        let refund = format!("/v1/transaction/{id}/refund");
        assert_eq!(named(server.post(&merchant.key, &refund, &json!({}))), "path.id");
        assert_eq!(named(server.get(&merchant.key, &format!("/v1/transaction/{id}/history"))), "path.id");
    }
    for organisation in [&stranger.organisation, &missing] {
        let mut body = card_body(merchant);
        body["organisation"] = json!(organisation);
        assert_eq!(named(server.post(&merchant.key, "/v1/card", &body)), "body.organisation");
        let update = json!({ "cvv": "111", "organisation": organisation });
        for id in [&ours, &theirs, &missing] {
            let answer = server.post(&merchant.key, &format!("/v1/card/{id}"), &update);
            assert_eq!(named(answer), "body.organisation");
        }
        for list in ["card", "card/count", "transaction", "transaction/count", "refund", "refund/count"] {
            let answer = server.get(&merchant.key, &format!("/v1/{list}?organisation={organisation}"));
            assert_eq!(named(answer), "query.organisation", "{list}");
        }
    }
    // One of the caller's own, but not the card's: said to who sees the card only.
    let update = json!({ "cvv": "111", "organisation": server.child.organisation });
    let path = format!("/v1/card/{ours}");
    assert_eq!(named(server.post(&merchant.key, &path, &update)), "body.organisation");
    assert_eq!(named(server.post(&server.child.key, &path, &update)), "path.id");
    for card in [&theirs, &missing] {
        let body = transaction_body(merchant, card, 1);
        assert_eq!(named(server.post(&merchant.key, "/v1/transaction", &body)), "body.card");
    }
    assert_eq!(named(server.get(&merchant.key, "/v1/nothing")), "path");
    assert_eq!(named(server.get(&merchant.key, "/v1/bin/990000")), "path.bin");
}

/// 110 is "not JSON" and "in the wrong state", and one message said both.
#[test]
fn code_110_says_which_of_its_meanings_it_has() {
    let server = Server::start();
    let merchant = &server.parent;
    let broken = server.post_text(&merchant.key, "/v1/card", "{");
    assert_eq!(broken.fails(400, 110).json()["message"], json!("the body is not JSON; see details"));
    let bare = {
        use panvault_model::{Currency, OrganisationId};
        let new = panvault_vault::NewAccount {
            organisation: OrganisationId::parse(&merchant.organisation).unwrap(),
            name: "Bare".to_owned(),
            description: None,
            currency: Currency::parse("EUR").unwrap(),
            processors: Vec::new(),
            disabled: false,
            webhooks: panvault_vault::Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        let permit = operator(&server.vault, 7).permit().unwrap();
        server.runtime().block_on(server.vault.account_create(&permit, new)).unwrap().id
    };
    let card = server.make_card(merchant, None);
    let mut body = transaction_body(merchant, &card, 1);
    body["account"] = json!(bare.to_string());
    let state = server.post(&merchant.key, "/v1/transaction", &body);
    assert_eq!(state.fails(400, 110).faults(), ["state"]);
    assert_eq!(state.json()["message"], json!("this cannot be done in this state; see details"));
}

#[test]
fn head_is_get_without_a_body() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let key = [("X-APIKEY", merchant.key.as_str())];
    let paths = [
        "/v1/card",
        "/v1/card/count",
        "/v1/transaction/",
        "/v1/bin/411111",
        "/livez",
        "/docs",
        "/openapi.json",
    ];
    for path in paths.into_iter().map(str::to_owned).chain([format!("/v1/card/{card}")]) {
        let (head, get) = (server.send("HEAD", &path, &key, None), server.send("GET", &path, &key, None));
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        for name in ["content-type", "content-length", "x-total-count"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    assert_eq!(server.send("HEAD", "/v1/card", &[], None).status, 401);
    assert_eq!(server.send("HEAD", "/v1/card/x", &key, None).status, 404);
}
