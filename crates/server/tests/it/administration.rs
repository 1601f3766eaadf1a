//! Organisations, accounts, processors and API keys over HTTP, while the vault runs.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{Server, Tenant, transaction_body};

fn provider(server: &Server, tenant: &Tenant) -> String {
    server.make_key(tenant, &[Role::ProviderAdmin])
}

fn made(server: &Server, key: &str, path: &str, body: &Value) -> Value {
    let answer = server.post(key, path, body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The one key that has these roles.
fn id_of(server: &Server, roles: &[&str]) -> String {
    let keys = server.get(&server.parent.key, "/v1/apikey").json();
    let found = keys.as_array().unwrap().iter().find(|key| key["roles"] == json!(roles)).unwrap();
    found["_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_seller_is_made_pays_and_goes_without_a_restart() {
    let server = Server::start();
    let key = provider(&server, &server.parent);
    let seller = made(
        &server,
        &key,
        "/v1/organisation",
        &json!({ "name": "Seller", "parent_id": server.parent.organisation, "country_code": "NL", "locality": "Utrecht",
            "generate_invoice": true, "region": null }),
    );
    assert_eq!(seller["locality"], json!("Utrecht"));
    assert_eq!((&seller["generate_invoice"], seller.get("region")), (&json!(true), None));
    let organisation = seller["_id"].as_str().unwrap();
    let processor = json!({ "name": "Dummy", "organisation": organisation, "configuration": { "_type": "card_dummy", "decline_without_cvv": 0 } });
    let processor = made(&server, &key, "/v1/processor", &processor);
    assert_eq!(processor["configuration"], json!({ "_type": "card_dummy", "decline_without_cvv": "0" }));
    let account = json!({ "name": "Euro", "organisation": organisation, "currency_code": "EUR", "processors": [processor["_id"]] });
    let account = made(&server, &key, "/v1/account", &account);
    let till = json!({ "name": "Till", "organisation": organisation, "roles": ["MerchantCashier", "MerchantSupervisor"] });
    let till = made(&server, &key, "/v1/apikey", &till);
    assert_eq!(till["roles"], json!(["MerchantSupervisor", "MerchantCashier"]));
    let tenant = Tenant {
        organisation: organisation.to_owned(),
        account: account["_id"].as_str().unwrap().to_owned(),
        key: till["api_key"].as_str().unwrap().to_owned(),
        publishable_key: String::new(),
    };
    let card = server.make_card(&tenant, Some("111"));
    let paid = server.post(&tenant.key, "/v1/transaction", &transaction_body(&tenant, &card, 1099));
    assert!([200, 201].contains(&paid.status), "{}", paid.text);
    // The key is shown nowhere again.
    let path = format!("/v1/apikey/{}", till["_id"].as_str().unwrap());
    let read = server.get(&key, &path).json();
    assert_eq!((read.get("api_key"), read.get("last_used_at").is_some()), (None, true));
    // What hangs on it is said; it goes when nothing does.
    let delete = |path: String| server.delete(&key, &path);
    let organisation_path = format!("/v1/organisation/{organisation}");
    let refused = delete(organisation_path.clone());
    assert_eq!(refused.fails(400, 110).json()["details"]["state"], json!("it has accounts"));
    let account_path = format!("/v1/account/{}", tenant.account);
    assert_eq!(
        delete(account_path.clone()).fails(400, 110).json()["details"]["state"],
        json!("it has transactions")
    );
    assert_eq!(server.post(&key, &account_path, &json!({ "disabled": true })).status, 200);
    server.post(&tenant.key, "/v1/transaction", &transaction_body(&tenant, &card, 1099)).fails(400, 110);
    assert_eq!(delete(path).status, 204);
    server.get(&tenant.key, "/v1/card").fails(401, 116);
}

#[test]
fn a_leaked_key_goes_at_once_and_no_cvv_with_it() {
    let server = Server::start();
    let leaked = server.make_key(&server.parent, &[Role::MerchantSupervisor]);
    let card = server.make_card(&server.parent, Some("111"));
    let id = id_of(&server, &["MerchantSupervisor"]);
    assert_eq!(server.get(&leaked, "/v1/card").status, 200);
    assert_eq!(server.delete(&server.parent.key, &format!("/v1/apikey/{id}")).status, 204);
    server.get(&leaked, "/v1/card").fails(401, 116);
    let card = server.get(&server.parent.key, &format!("/v1/card/{card}")).json();
    assert_eq!(card["cvv_present"], json!(true));
    server.delete(&server.parent.key, &format!("/v1/apikey/{id}")).fails(404, 109);
}

#[test]
fn a_key_is_rotated_with_an_overlap() {
    let server = Server::start();
    let old = server.make_key(&server.parent, &[Role::MerchantUser]);
    let path = format!("/v1/apikey/{}/rotate", id_of(&server, &["MerchantUser"]));
    server.clock.pass_millis(1);
    let new = made(&server, &server.parent.key, &path, &json!({ "overlap_seconds": 60 }));
    let new_key = new["api_key"].as_str().unwrap();
    assert_eq!((server.get(&old, "/v1/card").status, server.get(new_key, "/v1/card").status), (200, 200));
    // Its place is taken; and that of one which has ended is nobody's.
    server.post(&server.parent.key, &path, &json!({ "overlap_seconds": 0 })).fails(400, 110);
    let old_path = path.trim_end_matches("/rotate");
    let ended = json!({ "expires_at": "2026-01-01T00:00:00Z" });
    made(&server, &server.parent.key, old_path, &ended);
    server.get(&old, "/v1/card").fails(401, 116);
    server.post(&server.parent.key, &path, &json!({ "overlap_seconds": 0 })).fails(400, 110);
    let next = format!("/v1/apikey/{}/rotate", new["_id"].as_str().unwrap());
    server
        .post(&server.parent.key, &next, &json!({ "overlap_seconds": 0, "expires_at": "soon" }))
        .fails(400, 107);
    let until = json!({ "overlap_seconds": 0, "expires_at": "2035-01-31T12:00:00Z" });
    assert_eq!(made(&server, &server.parent.key, &next, &until)["expires_at"], "2035-01-31T12:00:00.000Z");
    server.get(new_key, "/v1/card").fails(401, 116);
    server.post(&server.parent.key, &path, &json!({ "overlap_seconds": 2_592_001 })).fails(400, 107);
    server.post(&server.parent.key, &path, &json!({})).fails(400, 126);
}

/// Which kinds of processors an account has is shown with it, also of those above it, and follows them. It is said by `processors`: a second
/// way to say it could contradict that, and would have to hold settings, which no account has.
#[test]
fn an_account_shows_the_types_of_its_processors_and_takes_none() {
    let server = Server::start();
    let key = provider(&server, &server.parent);
    let post = |path: &str, body: Value| server.post(&key, path, &body);
    let configuration = json!({ "_type": "card_dummy", "decline_without_cvv": "20" });
    let processor = post("/v1/processor", json!({ "name": "Dummy", "configuration": configuration })).id();
    let new = json!({ "name": "Till", "currency_code": "EUR", "organisation": server.child.organisation,
        "processors": [processor] });
    let made = post("/v1/account", new.clone());
    let types = json!([{ "_type": "card_dummy" }]);
    assert_eq!((made.status, &made.json()["processors_configurations"]), (200, &types), "{}", made.text);
    let account = format!("/v1/account/{}", made.id());
    let read = server.get(&server.child.key, &account).json();
    assert_eq!(read["processors_configurations"], types, "whoever sees the account: {read}");
    let none = post(&account, json!({ "processors": [] })).json();
    assert_eq!((&none["processors"], &none["processors_configurations"]), (&json!([]), &json!([])));
    let mut sent = new;
    sent["processors_configurations"] = types;
    for path in ["/v1/account", &account] {
        let refused = post(path, sent.clone());
        refused.fails(400, 127);
        assert!(refused.json()["details"]["body.processors_configurations"].is_string(), "{}", refused.text);
    }
}

#[test]
fn what_never_changes_is_refused_and_what_ends_is_left_out() {
    let server = Server::start();
    let key = provider(&server, &server.parent);
    let account = format!("/v1/account/{}", server.parent.account);
    let body = json!({ "description": "Main", "webhook_refund_update": "https://shop.example/hook?key=1" });
    let changed = made(&server, &key, &account, &body);
    assert_eq!(
        (&changed["description"], &changed["webhook_refund_update"]),
        (&json!("Main"), &body["webhook_refund_update"])
    );
    let ended = made(&server, &key, &account, &json!({ "description": null, "webhook_refund_update": null }));
    assert_eq!((ended.get("description"), ended.get("webhook_refund_update")), (None, None));
    for (body, code, field) in [
        (json!({ "organisation": server.child.organisation }), 107, "body.organisation"),
        (json!({ "currency_code": "USD" }), 107, "body.currency_code"),
        (json!({ "processors": ["65f1c0de8a4b3c2d1e0f9a8b"] }), 109, "body.processors"),
        (json!({ "colour": "blue" }), 127, "body.colour"),
        (json!({ "disabled": "yes" }), 107, "body.disabled"),
        (json!({}), 126, "body"),
    ] {
        let answer = server.post(&key, &account, &body);
        assert_eq!(
            (answer.code(), answer.json()["details"].get(field).is_some()),
            (code, true),
            "{}",
            answer.text
        );
    }
    let same = json!({ "organisation": server.parent.organisation, "currency_code": "EUR", "name": "Same" });
    assert_eq!(made(&server, &key, &account, &same)["name"], json!("Same"));
    let moved = json!({ "parent_id": server.parent.organisation });
    server.post(&key, &format!("/v1/organisation/{}", server.parent.organisation), &moved).fails(400, 107);
}

#[test]
fn lists_go_by_what_clients_ask() {
    let server = Server::start();
    let key = &server.parent.key;
    let rows = |path: &str| server.get(key, path).json().as_array().unwrap().len();
    assert_eq!(rows("/v1/organisation"), 2, "its own and the one below");
    assert_eq!(rows(&format!("/v1/organisation?_id={}", server.child.organisation)), 1);
    assert_eq!(rows(&format!("/v1/organisation?_id={}", server.stranger.organisation)), 0);
    assert_eq!(rows(&format!("/v1/organisation?parent_id={}", server.parent.organisation)), 1);
    assert_eq!((rows("/v1/account?currency_code=eur"), rows("/v1/account?currency_code=USD")), (2, 0));
    assert_eq!(rows(&format!("/v1/account?_id={}", server.parent.account)), 1);
    assert_eq!(rows(&format!("/v1/account?organisation={}", server.child.organisation)), 1);
    assert_eq!((rows("/v1/processor?_limit=1"), rows("/v1/processor?_limit=1&_skip=2")), (1, 0));
    assert_eq!(rows("/v1/account?disabled=true"), 0);
    assert_eq!(server.get(key, "/v1/apikey/count").json()["count"], json!(4));
    assert_eq!(server.get(key, "/v1/apikey?_limit=1").header("x-total-count"), Some("4"));
    server.get(key, "/v1/account?currency_code=EURO").fails(400, 107);
    server.get(key, "/v1/apikey?hash=1").fails(400, 127);
    server.get(key, &format!("/v1/account?organisation={}", server.stranger.organisation)).fails(404, 109);
}

#[test]
fn nobody_gives_more_than_they_have_or_reaches_beyond_their_tree() {
    let server = Server::start();
    let key = &server.parent.key;
    let new = |role: &str| json!({ "name": "Key", "roles": [role] });
    for role in ["ProviderAdmin", "ProviderUser"] {
        server.post(key, "/v1/apikey", &new(role)).fails(403, 113);
    }
    assert_eq!(server.post(key, "/v1/apikey", &new("MerchantUser")).status, 200);
    server.post(key, "/v1/apikey", &new("Owner")).fails(400, 107);
    let elsewhere =
        json!({ "name": "Key", "roles": ["MerchantUser"], "organisation": server.stranger.organisation });
    server.post(key, "/v1/apikey", &elsewhere).fails(404, 109);
    let browser = json!({ "name": "Web", "roles": ["Publishable"] });
    let refused = server.post(key, "/v1/apikey", &browser);
    assert!(refused.fails(400, 107).json()["details"].get("body.allowed_origins").is_some());
    let both = json!({ "name": "Web", "roles": ["Publishable", "MerchantUser"], "allowed_origins": ["https://a.example"] });
    server.post(key, "/v1/apikey", &both).fails(400, 107);
    let browser =
        json!({ "name": "Web", "roles": ["Publishable"], "allowed_origins": ["https://a.example"] });
    let made = made(&server, key, "/v1/apikey", &browser);
    assert!(made["api_key"].as_str().unwrap().starts_with("pv_pub_test_"));
}

#[test]
fn a_repeated_creation_of_a_key_shows_no_key() {
    let server = Server::start();
    let headers = [
        ("X-APIKEY", server.parent.key.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "once"),
    ];
    let body = json!({ "name": "Key", "roles": ["MerchantUser"] }).to_string();
    let first = server.send("POST", "/v1/apikey", &headers, Some(&body));
    let again = server.send("POST", "/v1/apikey", &headers, Some(&body));
    assert_eq!((first.status, again.status, again.header("idempotency-replayed")), (200, 200, Some("true")));
    let mut shown = first.json();
    assert!(shown.as_object_mut().unwrap().remove("api_key").is_some());
    assert_eq!(shown, again.json());
    let other = json!({ "name": "Other", "roles": ["MerchantUser"] }).to_string();
    server.send("POST", "/v1/apikey", &headers, Some(&other)).fails(422, 143);
}

#[test]
fn a_disabled_organisation_refuses_for_itself_and_all_below_it() {
    let server = Server::start();
    let key = provider(&server, &server.parent);
    let path = format!("/v1/organisation/{}", server.child.organisation);
    assert_eq!(server.get(&server.child.key, "/v1/card").status, 200);
    assert_eq!(made(&server, &key, &path, &json!({ "disabled": true }))["disabled"], json!(true));
    server.get(&server.child.key, "/v1/card").fails(401, 116);
    let key_of_it =
        json!({ "name": "Key", "roles": ["MerchantUser"], "organisation": server.child.organisation });
    let refused = server.post(&key, "/v1/apikey", &key_of_it);
    let state = format!("the organisation {} is disabled", server.child.organisation);
    assert_eq!((refused.status, &refused.json()["details"]["state"]), (400, &json!(state)));
    made(&server, &key, &path, &json!({ "disabled": false }));
    assert_eq!(server.get(&server.child.key, "/v1/card").status, 200);
    let own = format!("/v1/organisation/{}", server.parent.organisation);
    server.post(&key, &own, &json!({ "disabled": true })).fails(400, 110);
}
