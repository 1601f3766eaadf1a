//! What is kept of texts: every one of every body, found in the OpenAPI document, is sent a card number.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{Server, card_body, transaction_body};

/// Card numbers as a caller might write them.
const CANARIES: [&str; 13] = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "order 4111-1111-1111-1111",
    "4111111111111111999",
    "41111111111111119999",
    "4111111111111111 123",
    "30569309025904123",
    "3782822463100051234",
    "411111111111111100000000",
    "4111:1111:1111:1111::",
    "https://shop.example/4111111111111111",
    "https://4111111111111111.example",
    "+4111111111111111",
];
/// The digits of all of those.
const NUMBERS: [&str; 3] = ["4111111111111111", "30569309025904", "378282246310005"];

/// A PNG of one point, in base64.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// Where a body has a text: the names on the way to it; `*` is any name or any place of a list.
fn texts(document: &Value, schema: &Value, way: &[String], found: &mut Vec<Vec<String>>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let step = |name: &str| [way, &[name.to_owned()]].concat();
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        texts(document, below, &step(name), found);
    }
    for below in [&schema["additionalProperties"], &schema["items"]] {
        if below.is_object() {
            texts(document, below, &step("*"), found);
        }
    }
    for kind in ["anyOf", "oneOf", "allOf"] {
        for below in schema[kind].as_array().into_iter().flatten() {
            texts(document, below, way, found);
        }
    }
    let is_text = schema["type"] == json!("string")
        || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("string")));
    if (is_text || schema["enum"].is_array()) && !found.contains(&way.to_vec()) {
        found.push(way.to_vec());
    }
}

/// The body with a text in that place.
fn with(body: &Value, way: &[String], text: &str) -> Value {
    let Some((name, rest)) = way.split_first() else { return json!(text) };
    let mut body = body.clone();
    match (name.as_str(), &body) {
        ("*", Value::Array(_)) => json!([with(&Value::Null, rest, text)]),
        ("*", Value::Null) => json!([with(&Value::Null, rest, text)]),
        ("*", _) => json!({ "name": with(&Value::Null, rest, text) }),
        _ => {
            if !body.is_object() {
                body = json!({});
            }
            let below = if rest.first().is_some_and(|next| next == "*") && name == "metadata" {
                json!({})
            } else {
                body[name].clone()
            };
            body[name] = with(&below, rest, text);
            body
        }
    }
}

/// Whether any text of an answer has the digits of a canary.
fn shows(answer: &Value) -> bool {
    match answer {
        Value::String(text) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            NUMBERS.iter().any(|number| digits.contains(number))
        }
        Value::Array(elements) => elements.iter().any(shows),
        Value::Object(members) => members.iter().any(|(name, value)| shows(&json!(name)) || shows(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What stands in the way of an id for each kind of path, and a body that is taken.
fn good(server: &Server, path: &str, card: &str, ids: &Value) -> (String, Value) {
    let tenant = &server.parent;
    let id = |kind: &str| path.replace("{id}", ids[kind].as_str().unwrap());
    match path {
        "/v1/card" => (path.to_owned(), card_body(tenant)),
        "/v1/card/{id}" => (path.replace("{id}", card), json!({ "cvv": "111" })),
        "/v1/transaction" => (path.to_owned(), transaction_body(tenant, card, 1099)),
        path if path.starts_with("/v1/transaction/{id}/") => {
            let mut body = transaction_body(tenant, card, 1099);
            body["capture_now"] = json!(path.ends_with("void_capture"));
            let paid = if path.ends_with("refund") {
                server.make_completed(1_000_000)
            } else {
                server.post(&tenant.key, "/v1/transaction", &body).id()
            };
            let body = if path.ends_with("refund") { json!({ "amount": 1 }) } else { json!({}) };
            (path.replace("{id}", &paid), body)
        }
        "/v1/customer" => (path.to_owned(), json!({ "first_name": "Ann" })),
        "/v1/customer/{id}" => (id("customer"), json!({ "first_name": "Ann" })),
        "/v1/organisation" => (path.to_owned(), json!({ "name": "Shop" })),
        "/v1/organisation/{id}" => (id("organisation"), json!({ "disabled": false })),
        // A picture, which is no text that anybody reads.
        "/v1/organisation/{id}/logo" => (id("organisation"), json!({ "image": PIXEL })),
        "/v1/organisation/{id}/key" => (id("organisation"), json!({ "purpose": "data" })),
        "/v1/organisation/{id}/key/destroy" => {
            let admin = server.make_key(tenant, &[Role::ProviderAdmin]);
            let gone = server.post(&admin, "/v1/organisation", &json!({ "name": "Gone" })).id();
            (path.replace("{id}", &gone), json!({ "organisation": gone }))
        }
        "/v1/account" => {
            let body = json!({ "name": "Euro", "currency_code": "EUR", "processors": [ids["processor"]] });
            (path.to_owned(), body)
        }
        "/v1/checkout" => {
            let card = json!({ "process_transaction": true, "dynamic_descriptor": "Shop" });
            let body = json!({
                "account": tenant.account, "amount": 1099, "return_url": "https://shop.example/thanks",
                "configurations": { "card": card },
            });
            (path.to_owned(), body)
        }
        "/v1/account/{id}/webhook_secret" => (id("account"), json!({})),
        "/v1/webhook_delivery/{id}/retry" => (id("delivery"), json!({})),
        "/v1/account/{id}" => (id("account"), json!({ "disabled": false })),
        "/v1/processor" => {
            (path.to_owned(), json!({ "name": "Dummy", "configuration": { "_type": "card_dummy" } }))
        }
        "/v1/processor/{id}" => (id("processor"), json!({ "name": "Dummy" })),
        "/v1/apikey" => (path.to_owned(), json!({ "name": "Key", "roles": ["MerchantUser"] })),
        "/v1/apikey/{id}" => (id("apikey"), json!({ "name": "Key" })),
        "/v1/apikey/{id}/rotate" => (id("apikey"), json!({ "overlap_seconds": 60 })),
        other => panic!("{other} has a body that this walk does not know"),
    }
}

/// The bug: card number and CVV as one run of digits, an address whose groups read as a card number, and the id of a customer that was
/// one with noughts behind it were kept in clear. Its cause: texts of some kinds passed the guard, and the guard did not know some
/// writings. Its cure: every text that is kept goes through it, in whatever field it is sent.
#[test]
fn no_text_of_any_body_keeps_a_card_number() {
    let server = Server::start();
    let key = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    let document = server.send("GET", "/openapi.json", &[], None).json();
    let card = server.make_card(&server.parent, None);
    let first = |list: &str| server.get(&key, list).json()[0]["_id"].clone();
    let mut ids = json!({
        "organisation": server.child.organisation, "account": server.parent.account, "processor": first(&format!("/v1/processor?organisation={}", server.parent.organisation)),
    });
    let own = server.post(&key, "/v1/apikey", &json!({ "name": "Key", "roles": ["MerchantUser"] }));
    ids["apikey"] = json!(own.id());
    ids["customer"] = json!(server.post(&key, "/v1/customer", &json!({ "first_name": "Ann" })).id());

    let mut told = transaction_body(&server.parent, &card, 1099);
    told["webhook_transaction_update"] = json!("https://shop.example/hook");
    assert_eq!(server.post(&server.parent.key, "/v1/transaction", &told).status, 200);
    ids["delivery"] = first("/v1/webhook_delivery");

    let (mut walked, mut taken) = (0, 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        let schema = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
        // What a PSP signs is sent by nobody else; the tests of the binary look for what it says.
        if schema.is_null() || operations["post"]["security"] == json!([]) {
            continue;
        }
        let (url, body) = good(&server, path, &card, &ids);
        let control = server.post(&key, &url, &body);
        assert!(matches!(control.status, 200 | 204), "{path}: {}", control.text);
        let mut places = Vec::new();
        texts(&document, schema, &[], &mut places);
        let has_no_texts = ["rotate", "capture", "void", "void_authorization", "webhook_secret", "retry"]
            .iter()
            .any(|end| path.ends_with(end));
        assert!(!places.is_empty() || has_no_texts, "{path}: {places:?}");
        for place in places.iter().filter(|place| place.last().is_some_and(|name| name != "card_number")) {
            // With noughts behind it, it is a card number where an id is expected, and else a number of 24 digits.
            let is_customer = place.last().is_some_and(|name| name == "customer");
            for canary in CANARIES.into_iter().filter(|canary| is_customer || canary.len() != 24) {
                let answer = server.post(&key, &url, &with(&body, place, canary));
                walked += 1;
                taken += usize::from(answer.status == 200);
                assert!([200, 400, 404].contains(&answer.status), "{path} {place:?}: {}", answer.text);
                assert!(!shows(&answer.json()), "{path} {place:?}, {canary}: {}", answer.text);
                // The control of this walk: the place was looked at.
                let place = place.join(".");
                let reached = answer.status == 200 || answer.text.contains(place.trim_end_matches(".*"));
                assert!(reached || answer.text.contains("body."), "{path} {place}: {}", answer.text);
            }
        }
    }
    assert!(walked > 500 && taken > 10, "{walked} {taken}");
    for list in [
        "card",
        "checkout",
        "transaction",
        "refund",
        "customer",
        "organisation",
        "account",
        "processor",
        "apikey",
    ] {
        let rows = server.get(&key, &format!("/v1/{list}?_limit=1000")).json();
        assert!(!rows.as_array().unwrap().is_empty() && !shows(&rows), "{list}");
    }
}

#[test]
fn an_address_that_reads_as_a_card_number_is_kept_in_part() {
    let server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    for (sent, kept) in [
        ("4264:5101:0223:1009::", "4264:5101::"),
        ("4264:5101:223:1009::1", "4264:5101::"),
        ("2001:db8::4111:1111:1111:1111", "2001:db8::"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:0DB8:0000::1", "2001:0DB8:0000::1"),
        ("203.0.113.7", "203.0.113.7"),
    ] {
        let mut body = transaction_body(merchant, &card, 1099);
        body["customer_ip"] = json!(sent);
        let paid = server.post(&merchant.key, "/v1/transaction", &body);
        assert_eq!((paid.status, &paid.json()["customer_ip"]), (200, &json!(kept)), "{sent}");
    }
    for (customer, status) in [("411111111111111100000000", 400), ("65f1c0f3a1b2c3d4e5f60718", 404)] {
        let mut body = transaction_body(merchant, &card, 1099);
        body["customer"] = json!(customer);
        assert_eq!(server.post(&merchant.key, "/v1/transaction", &body).status, status, "{customer}");
    }
}
