//! The public page on tokenization, step by step: create the token, transact, reuse it without a CVV, put the CVV back.

use serde_json::{Value, json};

use crate::support::{Server, transaction_body};

/// Step 2 of creating a token: the body of the page, field by field, and a card with the facts that the page names.
#[test]
fn a_card_is_created_with_the_fields_of_the_page() {
    let server = Server::start();
    let merchant = &server.parent;
    let answer = server.post(
        &merchant.key,
        "/v1/card",
        &json!({
            "card_number": "4111111111111111",
            "cvv": "111",
            "expiry_month": "12",
            "expiry_year": "29",
            "organisation": merchant.organisation,
        }),
    );
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut card = answer.json();
    let id = card["_id"].as_str().unwrap().to_owned();
    assert!(id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    let fingerprint = card["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(fingerprint.len(), 32);
    for redacted in ["_id", "fingerprint"] {
        card[redacted] = Value::Null;
    }
    assert_eq!(
        card,
        json!({
            "_id": null,
            "organisation": merchant.organisation,
            "brand": "Visa",
            "bin": "411111",
            "last_four": "1111",
            "masked_card_number": "411111******1111",
            "expiry_month": "12",
            "expiry_year": "29",
            "issuer_name": "TEST BANK VISA NL",
            "issuer_country": "NL",
            "currency": "EUR",
            "type": "credit",
            "variant": "CLASSIC",
            "fingerprint": null,
            "cvv_present": true,
            "cvv_expires_at": "2026-03-01T13:00:00.000Z",
            "created_at": "2026-03-01T12:00:00.000Z",
            "updated_at": "2026-03-01T12:00:00.000Z",
        })
    );
}

/// "cvv *optional*"; the token works at once without one.
#[test]
fn a_card_may_be_created_and_used_without_a_cvv() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let answer = server.post(&merchant.key, "/v1/transaction", &transaction_body(merchant, &card, 1099));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = answer.json();
    assert_eq!((&row["cvv_present"], &row["cvv_result"]), (&json!(false), &json!("0")));
    assert_eq!((&row["status"], &row["reason_code"]), (&json!("SETTLEMENT_REQUESTED"), &json!("00")));
    assert_eq!((&row["currency_code"], &row["processor"]), (&json!("EUR"), &json!("dummy")));
}

/// The whole life of a CVV as the dummy processor shows it: 111 gives result 1; again, 0; 222 put on, 2; again, 0.
#[test]
fn the_cvv_goes_out_once_and_can_be_put_back() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let transact = || {
        let answer = server.post(&merchant.key, "/v1/transaction", &transaction_body(merchant, &card, 1099));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let row = answer.json();
        (row["cvv_present"].as_bool().unwrap(), row["cvv_result"].as_str().unwrap().to_owned())
    };
    let held = || {
        let card = server.get(&merchant.key, &format!("/v1/card/{card}")).json();
        assert_eq!(card["cvv_present"].as_bool().unwrap(), !card["cvv_expires_at"].is_null());
        card["cvv_present"].as_bool().unwrap()
    };
    assert!(held());
    assert_eq!(transact(), (true, "1".to_owned()));
    assert!(!held());
    assert_eq!(transact(), (false, "0".to_owned()));

    let update = json!({ "cvv": "222", "organisation": merchant.organisation });
    let updated = server.post(&merchant.key, &format!("/v1/card/{card}"), &update);
    assert_eq!((updated.status, updated.id()), (200, card.clone()), "the same token: {}", updated.text);
    assert!(held());
    assert_eq!(transact(), (true, "2".to_owned()));
    assert_eq!(transact(), (false, "0".to_owned()));
}

/// "`Organisation` always has to be provided": one that is not is the caller's own.
#[test]
fn an_update_is_of_the_right_organisation() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    let path = format!("/v1/card/{card}");
    assert_eq!(server.post(&merchant.key, &path, &json!({ "cvv": "222" })).status, 200);
    server.post(&server.child.key, &path, &json!({ "cvv": "222" })).fails(404, 109);
    let childs = server.make_card(&server.child, None);
    let path_of_child = format!("/v1/card/{childs}");
    server.post(&merchant.key, &path_of_child, &json!({ "cvv": "222" })).fails(404, 109);
    server.post(&merchant.key, &path, &json!({})).fails(400, 126);
    for organisation in [&server.child.organisation, &server.stranger.organisation, &"0".repeat(24)] {
        let body = json!({ "cvv": "222", "organisation": organisation });
        server.post(&merchant.key, &path, &body).fails(404, 109);
    }
    let only = server.post(&merchant.key, &path, &json!({ "organisation": merchant.organisation }));
    only.fails(400, 126);
}

/// Base and paths with and without a slash at the end, as programs for the gateway send them.
#[test]
fn paths_work_with_and_without_a_trailing_slash() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    for path in [format!("/v1/card/{card}"), format!("/v1/card/{card}/")] {
        assert_eq!(server.get(&merchant.key, &path).status, 200, "{path}");
        let body = json!({ "cvv": "111", "organisation": merchant.organisation });
        assert_eq!(server.post(&merchant.key, &path, &body).status, 200, "{path}");
    }
    for path in ["/v1/card", "/v1/card/", "/v1/transaction", "/v1/transaction/"] {
        assert_eq!(server.get(&merchant.key, path).status, 200, "{path}");
    }
    let body = transaction_body(merchant, &card, 1099);
    assert_eq!(server.post(&merchant.key, "/v1/transaction/", &body).status, 200);
}
