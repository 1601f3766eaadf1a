//! Answers against the OpenAPI document, in which they are open: a later version may show more. Of this version, every member is written
//! down there, and the other way round.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{Server, transaction_body};

/// The names that a schema of the document requires, and those that it allows.
fn names(document: &Value, schema: &str) -> (Vec<String>, Vec<String>) {
    let schema = &document["components"]["schemas"][schema];
    assert_eq!(schema["additionalProperties"], json!(null));
    let mut required: Vec<String> =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    required.sort();
    let mut allowed: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    allowed.sort();
    (required, allowed)
}

#[track_caller]
fn holds(document: &Value, schema: &str, answer: &Value) {
    let (required, allowed) = names(document, schema);
    let found = answer.as_object().unwrap();
    assert!(required.iter().all(|name| found.contains_key(name)), "{schema}: {answer}");
    assert!(found.keys().all(|name| allowed.contains(name)), "{schema}: {answer}");
}

#[test]
fn answers_have_the_members_of_their_schemas() {
    let server = Server::start();
    let document = server.send("GET", "/openapi.json", &[], None).json();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let path = format!("/v1/card/{card}");
    holds(&document, "Card", &server.get(&merchant.key, &path).json());
    let put = json!({ "cvv": "111", "organisation": merchant.organisation });
    holds(&document, "BrowserCard", &server.post(&merchant.publishable_key, &path, &put).json());
    let paid = server.post(&merchant.key, "/v1/transaction", &transaction_body(merchant, &card, 1099));
    holds(&document, "Transaction", &paid.json());
    let history = server.get(&merchant.key, &format!("/v1/transaction/{}/history", paid.id())).json();
    holds(&document, "HistoryStep", &history[0]);
    let declined = server.post(&merchant.key, "/v1/transaction", &transaction_body(merchant, &card, 121));
    holds(&document, "ApiError", &declined.json());
    let completed = format!("/v1/transaction/{}/refund", server.make_completed(1099));
    let body = json!({ "amount": 7, "reason": "sent back", "merchant_reference": "refund 1" });
    holds(&document, "Refund", &server.post(&merchant.key, &completed, &body).json());
    let failed = server.post(&merchant.key, &completed, &json!({ "amount": 121 })).json();
    holds(&document, "ApiError", &failed);
    holds(&document, "RefundOutcome", &failed["details"]);
    holds(&document, "ApiError", &server.get(&merchant.key, "/v1/card/x").json());
    holds(&document, "Bin", &server.get(&merchant.key, "/v1/bin/411111").json());
}

/// The example of every body is taken as it stands, with ids of objects that are there.
#[test]
fn examples_work_when_they_are_sent() {
    let server = Server::start();
    let merchant = &server.parent;
    let document = server.send("GET", "/openapi.json", &[], None).json();
    let card = server.make_card(merchant, None);
    let paid = server.post(&merchant.key, "/v1/transaction", &transaction_body(merchant, &card, 1099)).id();
    let refund = format!("/v1/transaction/{}/refund", server.make_completed(1099));
    let refund = server.post(&merchant.key, &refund, &json!({ "amount": 7 })).id();
    let customer = server.post(&merchant.key, "/v1/customer", &json!({ "first_name": "Ann" })).id();
    let asked = json!({ "account": merchant.account, "amount": 5, "return_url": "https://shop.example/" });
    let checkout = server.post(&merchant.key, "/v1/checkout", &asked).id();
    let mut told = transaction_body(merchant, &card, 1099);
    told["webhook_transaction_update"] = json!("https://shop.example/hook");
    assert_eq!(server.post(&merchant.key, "/v1/transaction", &told).status, 200);
    // What merchants may do is done by one, all else by an administrator of a provider.
    let administrator = server.make_key(merchant, &[Role::ProviderAdmin]);
    let first = |path: &str| server.get(&merchant.key, path).json()[0]["_id"].as_str().unwrap().to_owned();
    let own = format!("organisation={}", merchant.organisation);
    let (processor, api_key) = (first(&format!("/v1/processor?{own}")), first(&format!("/v1/apikey?{own}")));
    let delivery = first("/v1/webhook_delivery");
    let record =
        server.get(&administrator, "/v1/audit?_limit=1").json()[0]["_id"].as_str().unwrap().to_owned();
    let with_ids = |text: &str| {
        [
            // It begins like the card's.
            ("65f1c0de8a4b3c2d1e0f9a8b-1", &record),
            ("65f1c0d00b5e6f708192a3b4", &merchant.organisation),
            ("65f1c0d11c2d3e4f5a6b7c8d", &merchant.account),
            ("65f1c0de8a4b3c2d1e0f9a8b", &card),
            ("65f1c0e92b3c4d5e6f708192", &paid),
            ("65f1c0ea3c4d5e6f70819213", &refund),
            ("65f1c0eb4d5e6f7081921324", &delivery),
            ("65f1c0ec5e6f708192132435", &checkout),
            ("65f1c0d45f60718293a4b5c6", &customer),
            ("65f1c0d23d4e5f60718293a4", &processor),
            ("65f1c0d34e5f60718293a4b5", &api_key),
        ]
        .iter()
        .fold(text.to_owned(), |text, (example, id)| text.replace(example, id))
    };
    let mut sent = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            // What a PSP signs is sent by nobody else.
            if method == "delete" || operation["security"] == json!([]) {
                continue;
            }
            let parameter = &operation["parameters"][0];
            let path = match parameter["in"].as_str() {
                Some("path") => path.replace(
                    &format!("{{{}}}", parameter["name"].as_str().unwrap()),
                    parameter["example"].as_str().unwrap(),
                ),
                _ => path.clone(),
            };
            // What is done with a transaction needs one that stands where that can be done.
            let act =
                path.rsplit('/').next().filter(|_| path.starts_with("/v1/transaction/6") && method == "post");
            let acted_on = act.map(|act| {
                if act == "refund" {
                    return server.make_completed(1099);
                }
                let mut body = transaction_body(merchant, &card, 1099);
                body["capture_now"] = json!(act == "void_capture");
                server.post(&merchant.key, "/v1/transaction", &body).id()
            });
            let path = acted_on.map_or(path.clone(), |id| path.replace("65f1c0e92b3c4d5e6f708192", &id));
            // Whose keys are destroyed is nobody's own organisation.
            let organisation = path
                .ends_with("/key/destroy")
                .then(|| server.post(&administrator, "/v1/organisation", &json!({ "name": "Gone" })).id());
            let with_ids = |text: &str| match &organisation {
                Some(gone) => text.replace("65f1c0d00b5e6f708192a3b4", gone),
                None => with_ids(text),
            };
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            assert_eq!(example.is_object(), method == "post", "{path}");
            let body = example.is_object().then(|| with_ids(&example.to_string()));
            let headers = [("X-APIKEY", administrator.as_str()), ("Content-Type", "application/json")];
            let answer = server.send(&method.to_uppercase(), &with_ids(&path), &headers, body.as_deref());
            assert!(
                [200, 204].contains(&answer.status),
                "{method} {path}: {} {}",
                answer.status,
                answer.text
            );
            sent += 1;
        }
    }
    assert!(sent > 10, "{sent}");
}
