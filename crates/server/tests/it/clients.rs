//! What public programs for the gateway send, as they were recorded, and what they read in the answers.

use panvault_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::support::{Server, transaction_body};

/// A text with `$NAME` put in for each name that is known.
fn filled(text: &str, names: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    let mut names: Vec<_> = names.iter().collect();
    // $SDK_CARD is none of $SDK.
    names.sort_by_key(|(name, _)| core::cmp::Reverse(name.len()));
    for (name, value) in names {
        text = text.replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "{text}");
    text
}

/// Whether a value is what is expected of it: the same, or of its kind where that stands in angle brackets.
fn is_expected(expected: &Value, found: &Value) -> bool {
    let text = found.as_str();
    match expected {
        Value::String(kind) if kind == "<id>" => text.is_some_and(|text| text.len() == 24),
        Value::String(kind) if kind == "<text>" => text.is_some_and(|text| !text.is_empty()),
        Value::String(kind) if kind == "<number>" => found.is_u64(),
        // Parsed as "…THH:MM:SS.mmmZ", exactly.
        Value::String(kind) if kind == "<time>" => text.is_some_and(|text| {
            text.len() == 24 && Timestamp::parse(text).is_ok_and(|time| time.to_string() == text)
        }),
        Value::Object(members) => holds(members, found),
        other => other == found,
    }
}

fn holds(expected: &Map<String, Value>, found: &Value) -> bool {
    expected.iter().all(|(name, value)| is_expected(value, &found[name]))
}

#[test]
fn get_the_answers_that_they_read() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut names = vec![
        ("ORGANISATION".to_owned(), merchant.organisation.clone()),
        ("ACCOUNT".to_owned(), merchant.account.clone()),
        ("COMPLETED".to_owned(), server.make_completed(1000)),
    ];
    let mut reserved = transaction_body(merchant, &server.make_card(merchant, None), 500);
    reserved["capture_now"] = json!(false);
    names.push(("VOIDED".to_owned(), server.post(&merchant.key, "/v1/transaction", &reserved).id()));
    let requests: Vec<Value> = serde_json::from_str(include_str!("clients.json")).unwrap();
    for request in requests {
        let request: Value = serde_json::from_str(&filled(&request.to_string(), &names)).unwrap();
        let client = &request["client"];
        let (method, path) = request["send"].as_str().unwrap().split_once(' ').unwrap();
        let mut headers = vec![("X-APIKEY", merchant.key.as_str())];
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            headers.push((name, value.as_str().unwrap()));
        }
        let body = request.get("body").map(Value::to_string);
        if body.is_some() {
            headers.push(("Content-Type", "application/json; charset=utf-8"));
        }
        let answer = server.send(method, path, &headers, body.as_deref());
        assert_eq!(answer.status, request["status"], "{client}: {}", answer.text);
        let found = answer.json();
        if let Some(rows) = request["rows"].as_array() {
            assert_eq!(found.as_array().map(Vec::len), Some(rows.len()), "{client}: {found}");
            for (row, found) in rows.iter().zip(found.as_array().unwrap()) {
                assert!(is_expected(row, found), "{client}: {found}");
            }
            continue;
        }
        let expected = request["answer"].as_object().unwrap();
        assert!(holds(expected, &found), "{client}: {found}");
        if request["whole"] == true {
            let unknown = found.as_object().unwrap().keys().find(|name| !expected.contains_key(*name));
            assert_eq!(unknown, None, "{client}: {found}");
        }
        if let Some(name) = request["keep"].as_str() {
            names.push((name.to_owned(), answer.id()));
        }
    }
}
