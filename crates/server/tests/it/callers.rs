//! Who may ask: how keys are sent, which roles suffice, and that a stranger's object and a missing one look the same.

use panvault_model::Role;
use panvault_server::table::ENDPOINTS;
use serde_json::{Value, json};

use crate::support::{HttpAnswer, SHOP, Server, Tenant, card_body, transaction_body};

const MISSING: &str = "0123456789abcdef01234567";

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut bits = 0u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0));
        }
        for at in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    out
}

#[test]
fn a_key_may_be_sent_in_each_of_the_known_ways() {
    let server = Server::start();
    let key = &server.parent.key;
    let bearer = format!("Bearer {key}");
    let as_user = format!("Basic {}", base64(&format!("{key}:")));
    let as_password = format!("Basic {}", base64(&format!("merchant:{key}")));
    for header in [
        ("X-APIKEY", key.as_str()),
        ("x-api-key", key),
        ("Authorization", &bearer),
        ("Authorization", &as_user),
        ("Authorization", &as_password),
    ] {
        assert_eq!(server.send("GET", "/v1/card", &[header], None).status, 200, "{}", header.0);
    }
    let twice = [("X-APIKEY", key.as_str()), ("X-API-KEY", key)];
    assert_eq!(server.send("GET", "/v1/card", &twice, None).status, 200);
    let two = [("X-APIKEY", key.as_str()), ("X-API-KEY", server.child.key.as_str())];
    server.send("GET", "/v1/card", &two, None).fails(401, 116);
    let two = [("Authorization", bearer.as_str()), ("Authorization", "Basic eDp5")];
    server.send("GET", "/v1/card", &two, None).fails(401, 116);
}

/// A good key was refused beside what a proxy had put into `Authorization`, and with Basic without a colon. The header of its own
/// wins over anything there.
#[test]
fn a_key_in_its_own_header_wins_over_authorization() {
    let server = Server::start();
    let key = &server.parent.key;
    let stranger = format!("Bearer {}", server.stranger.key);
    let card = server.make_card(&server.parent, None);
    for authorization in ["Basic cHJveHk6c2VjcmV0", "Bearer x.y.z", "Negotiate abc", "x", "", &stranger] {
        for name in ["X-APIKEY", "X-API-KEY"] {
            let headers = [(name, key.as_str()), ("Authorization", authorization)];
            let answer = server.send("GET", &format!("/v1/card/{card}"), &headers, None);
            assert_eq!(answer.status, 200, "{authorization}: {}", answer.text);
        }
    }
    let wrong = [("X-APIKEY", "wrong"), ("Authorization", &format!("Bearer {key}"))];
    server.send("GET", "/v1/card", &wrong, None).fails(401, 116);
    let whole = format!("Basic {}", base64(key));
    assert_eq!(server.send("GET", "/v1/card", &[("Authorization", &whole)], None).status, 200, "no colon");
}

/// A page whose key was wrong got the browser's own window for a name and a password.
#[test]
fn only_who_sent_authorization_is_asked_for_basic() {
    let server = Server::start();
    for (headers, asked) in [
        (vec![], false),
        (vec![("X-APIKEY", "wrong")], false),
        (vec![("Authorization", "Basic eDp5")], true),
        (vec![("Authorization", "Bearer x")], true),
        (vec![("X-APIKEY", "wrong"), ("Authorization", "Basic eDp5")], false),
        (vec![("X-APIKEY", ""), ("Authorization", "Basic eDp5")], true),
    ] {
        let answer = server.send("GET", "/v1/card", &headers, None);
        let schemes = answer.fails(401, 116).header("www-authenticate").unwrap();
        assert_eq!((schemes.contains("Basic"), schemes.contains("Bearer")), (asked, true), "{headers:?}");
    }
}

/// A picture.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// Every endpoint of the table, with a body that would be good.
fn walk(server: &Server, tenant: &Tenant, id: &str, key: Option<&str>) -> Vec<(&'static str, HttpAnswer)> {
    ENDPOINTS
        .iter()
        .map(|endpoint| {
            let path = endpoint.path.replace("{id}", id).replace("{bin}", "411111");
            let body: Option<Value> = match endpoint.operation {
                "card_create" => Some(card_body(tenant)),
                "checkout_create" => {
                    Some(json!({ "account": id, "amount": 5, "return_url": "https://shop.example/" }))
                }
                "card_update" => Some(json!({ "cvv": "111", "organisation": tenant.organisation })),
                "transaction_create" => Some(transaction_body(tenant, id, 1099)),
                "transaction_capture"
                | "transaction_void_capture"
                | "transaction_void"
                | "transaction_void_authorization"
                | "refund_create"
                | "account_webhook_secret"
                | "webhook_delivery_retry" => Some(json!({})),
                "customer_create" | "customer_update" => Some(json!({ "first_name": "Ann" })),
                "organisation_create"
                | "organisation_update"
                | "account_update"
                | "processor_update"
                | "apikey_update" => Some(json!({ "name": "Shop" })),
                "organisation_logo_set" => Some(json!({ "image": PIXEL })),
                "account_create" => Some(json!({ "name": "Shop", "currency_code": "EUR" })),
                "processor_create" => {
                    Some(json!({ "name": "Shop", "configuration": { "_type": "card_dummy" } }))
                }
                "apikey_create" => Some(json!({ "name": "Shop", "roles": ["MerchantUser"] })),
                "key_rotate" => Some(json!({ "purpose": "data" })),
                "key_destroy" => Some(json!({ "organisation": id })),
                "apikey_rotate" => Some(json!({ "overlap_seconds": 0 })),
                _ => None,
            };
            assert_eq!(body.is_some(), endpoint.method == "POST", "a new endpoint needs a body here");
            let body = body.map(|body| body.to_string());
            let mut headers = vec![("Content-Type", "application/json")];
            headers.extend(key.map(|key| ("X-APIKEY", key)));
            headers.push(("Origin", SHOP));
            (endpoint.operation, server.send(endpoint.method.as_str(), &path, &headers, body.as_deref()))
        })
        .collect()
}

#[test]
fn no_endpoint_answers_without_a_good_key() {
    let server = Server::start();
    let wrong = server.parent.key.replace("pv_test_", "pv_live_");
    let mut mistyped = server.parent.key.clone();
    mistyped.pop();
    for key in [None, Some(""), Some("nonsense"), Some(wrong.as_str()), Some(mistyped.as_str())] {
        for (operation, answer) in walk(&server, &server.parent, MISSING, key) {
            assert_eq!((answer.status, answer.code()), (401, 116), "{operation}");
            assert!(answer.header("www-authenticate").is_some(), "{operation}");
        }
    }
}

#[test]
fn each_role_may_do_its_own_and_nothing_else() {
    let server = Server::start();
    for role in Role::ALL {
        let key = server.make_key(&server.parent, &[*role]);
        for (operation, answer) in walk(&server, &server.parent, MISSING, Some(&key)) {
            let refused = answer.status == 403 && answer.code() == 113;
            let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.operation == operation).unwrap();
            assert_eq!(refused, !endpoint.roles.contains(role), "{role} {operation}: {}", answer.text);
        }
    }
}

/// What a key is told that it may do is what the table lets it, and what it is asked of beside.
#[test]
fn each_key_is_told_what_it_may_do() {
    let server = Server::start();
    let may = |role: Role| -> Vec<&str> {
        ENDPOINTS.iter().filter(|of| of.roles.contains(&role)).map(|of| of.operation).collect()
    };
    for role in Role::ALL {
        let key = server.make_key(&server.parent, &[*role]);
        let answer = server.send("GET", "/v1/caller", &[("X-APIKEY", &key), ("Origin", SHOP)], None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut told = answer.json();
        let id = told.as_object_mut().unwrap().remove("api_key").unwrap();
        assert_eq!(id.as_str().map(str::len), Some(24));
        let mut expected = json!({
            "organisation": server.parent.organisation, "organisation_name": "parent", "roles": [role.as_str()],
            "operations": may(*role), "mode": "test",
        });
        if *role == Role::Publishable {
            // It is in everybody's hands.
            expected.as_object_mut().unwrap().remove("organisation_name");
        }
        assert_eq!(told, expected, "{role}");
    }
    let two = server.make_key(&server.child, &[Role::ProviderAdmin, Role::MerchantUser]);
    let told = server.get(&two, "/v1/caller").json();
    let mut expected = may(Role::ProviderAdmin);
    // How the vault is doing is for who is at its top.
    expected.retain(|operation| !["status_read", "key_inventory"].contains(operation));
    assert_eq!((&told["operations"], &told["organisation_name"]), (&json!(expected), &json!("child")));
    server.get(&two, "/v1/status").fails(403, 113);
    server.send("GET", "/v1/caller", &[], None).fails(401, 116);
    server.get(&two, "/v1/caller?organisation=x").fails(400, 127);
}

#[test]
fn a_stranger_and_a_missing_object_get_the_same_answer_everywhere() {
    let server = Server::start();
    let card = server.make_card(&server.parent, Some("111"));
    let paid =
        server.post(&server.parent.key, "/v1/transaction", &transaction_body(&server.parent, &card, 1));
    let transaction = paid.id();
    let refund = format!("/v1/transaction/{}/refund", server.make_completed(1_000));
    let refund = server.post(&server.parent.key, &refund, &json!({ "amount": 1 })).id();
    let redacted = |answer: &HttpAnswer| {
        let mut body = answer.json();
        if body.is_object() {
            body["timestamp"] = Value::Null;
        }
        (answer.status, body)
    };
    let key = |id: &str| server.get(&server.parent.key, id).json()[0]["_id"].as_str().unwrap().to_owned();
    let of_the_parent = format!("organisation={}", server.parent.organisation);
    let (processor, api_key) =
        (key(&format!("/v1/processor?{of_the_parent}")), key(&format!("/v1/apikey?{of_the_parent}")));
    let customer = server.post(&server.parent.key, "/v1/customer", &json!({ "first_name": "Ann" })).id();
    let own = [&server.parent.organisation, &server.parent.account];
    let ids = [&card, &transaction, &refund, &customer, own[0], own[1], &processor, &api_key];
    for outsider in [&server.stranger, &server.child] {
        let administrator = server.make_key(outsider, &[Role::ProviderAdmin]);
        for (theirs, key) in ids.into_iter().flat_map(|id| [(id, &outsider.key), (id, &administrator)]) {
            let foreign = walk(&server, &server.parent, theirs, Some(key));
            let missing = walk(&server, &server.parent, MISSING, Some(key));
            // What is made in one's own organisation names nobody's object.
            let named = |((operation, _), _): &((&str, HttpAnswer), (&str, HttpAnswer))| {
                let creates = operation.ends_with("_create")
                    && !["card_create", "checkout_create", "transaction_create", "refund_create"]
                        .contains(operation);
                !creates && !["status_read", "caller_read", "key_inventory"].contains(operation)
            };
            for ((operation, foreign), (_, missing)) in foreign.into_iter().zip(missing).filter(named) {
                let lists =
                    foreign.status == 200 && (operation.ends_with("_list") || operation.ends_with("_count"));
                if !lists {
                    assert_eq!(redacted(&foreign), redacted(&missing), "{operation}");
                }
                let refused = key == &outsider.key && foreign.status == 403;
                let issuer = operation == "bin_read";
                assert!(foreign.status == 404 || lists || refused || issuer, "{operation}: {}", foreign.text);
                // One that is below it knows its id.
                let parent = operation == "organisation_list" && theirs == &server.parent.organisation;
                assert!(parent || !foreign.text.contains(theirs.as_str()), "{operation}");
            }
        }
        // With the outsider's own account and the parent's card.
        let body = transaction_body(outsider, &card, 1099);
        server.post(&outsider.key, "/v1/transaction", &body).fails(404, 109);
    }
    let untouched = server.get(&server.parent.key, &format!("/v1/card/{card}")).json();
    assert_eq!(untouched["cvv_present"], json!(false), "it was used by its own transaction and nothing else");
    assert_eq!(server.get(&server.parent.key, "/v1/transaction/count").json()["count"], json!(2));
    assert_eq!(server.get(&server.parent.key, "/v1/refund/count").json()["count"], json!(1));
}

#[test]
fn a_parent_sees_its_childs_cards_and_a_child_not_its_parents() {
    let server = Server::start();
    let childs = server.make_card(&server.child, None);
    assert_eq!(server.get(&server.parent.key, &format!("/v1/card/{childs}")).status, 200);
    assert_eq!(server.get(&server.parent.key, "/v1/card").json().as_array().unwrap().len(), 1);
    let parents = server.make_card(&server.parent, None);
    server.get(&server.child.key, &format!("/v1/card/{parents}")).fails(404, 109);
    assert_eq!(server.get(&server.child.key, "/v1/card").json().as_array().unwrap().len(), 1);
    let body = card_body(&server.parent);
    server.post(&server.child.key, "/v1/card", &body).fails(404, 109);
}

#[test]
fn equal_numbers_have_equal_fingerprints_inside_and_unrelated_ones_across() {
    let server = Server::start();
    let fingerprint = |tenant: &Tenant| {
        let card = server.make_card(tenant, None);
        let row = server.get(&tenant.key, &format!("/v1/card/{card}")).json();
        (card, row["fingerprint"].as_str().unwrap().to_owned())
    };
    let (first, ours) = fingerprint(&server.parent);
    let (second, again) = fingerprint(&server.parent);
    let (_, childs) = fingerprint(&server.child);
    let (_, strangers) = fingerprint(&server.stranger);
    assert!(first != second && ours == again);
    assert!(ours != childs && ours != strangers && childs != strangers);
}

#[test]
fn a_browser_learns_nothing_and_may_only_put_a_cvv_back() {
    let server = Server::start();
    let merchant = &server.parent;
    server.make_card(merchant, None);
    let answer = server.post(&merchant.publishable_key, "/v1/card", &card_body(merchant));
    assert_eq!(answer.status, 200);
    let card = answer.id();
    let mut names: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    names.sort();
    let seen = ["_id", "brand", "expiry_month", "expiry_year", "last_four"];
    assert_eq!(names, seen, "the same, whether the card was known or not");
    let path = format!("/v1/card/{card}");
    let put = json!({ "cvv": "111", "organisation": merchant.organisation });
    let answer = server.post(&merchant.publishable_key, &path, &put);
    assert_eq!((answer.status, answer.json().as_object().unwrap().len()), (200, seen.len()));
    for more in [
        json!({ "cvv": null }),
        json!({ "expiry_year": "30" }),
        json!({ "cvv": "111", "card_holder_name": "A B" }),
    ] {
        let mut body = more;
        body["organisation"] = json!(merchant.organisation);
        server.post(&merchant.publishable_key, &path, &body).fails(403, 113);
    }
    assert_eq!(server.get(&merchant.key, &path).json()["cvv_present"], json!(true));
}

#[test]
fn a_revoked_key_stops_at_once() {
    let server = Server::start();
    let key = server.make_key(&server.parent, &[Role::MerchantUser]);
    assert_eq!(server.get(&key, "/v1/card").status, 200);
    server.revoke_key_with(&[Role::MerchantUser]);
    server.get(&key, "/v1/card").fails(401, 116);
    assert_eq!(server.get(&server.parent.key, "/v1/card").status, 200);
}
