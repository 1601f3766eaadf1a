//! `GET /v1/audit` and `GET /v1/status`.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{Server, Tenant, card_body, transaction_body};

fn records(server: &Server, key: &str, query: &str) -> Vec<Value> {
    let answer = server.get(key, &format!("/v1/audit{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().as_array().unwrap().clone()
}

fn admin(server: &Server, tenant: &Tenant) -> String {
    server.make_key(tenant, &[Role::MerchantAdmin])
}

#[test]
fn administrators_see_who_did_what_in_their_own_tree() {
    let server = Server::start();
    let (parent, child) = (admin(&server, &server.parent), admin(&server, &server.child));
    let of_parent = server.make_card(&server.parent, Some("111"));
    let of_child = server.make_card(&server.child, None);
    let of_stranger = server.make_card(&server.stranger, None);
    let objects = |key: &str, query: &str| -> Vec<String> {
        let found = records(&server, key, query);
        found.iter().map(|record| record["object"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(objects(&parent, "?action=card_create"), [of_child.as_str(), of_parent.as_str()]);
    assert_eq!(objects(&child, "?action=card_create"), [of_child.as_str()]);
    let all = records(&server, &parent, "");
    assert!(!format!("{all:?}").contains(&of_stranger));
    // Of a card there is its id.
    for secret in ["411111", "1111\"", "card_number", "last_four", "expiry"] {
        assert!(!server.get(&parent, "/v1/audit").text.contains(secret), "{secret}");
    }
    let newest = &records(&server, &parent, "?action=card_create&_limit=1")[0];
    assert_eq!(newest["address"], json!("127.0.0.1"));
    let key = records(&server, &child, &format!("?actor={}", newest["actor"].as_str().unwrap()));
    assert_eq!(key.len(), 1, "{key:?}");
    let read = |key: &str| server.get(key, &format!("/v1/audit/{}", newest["_id"].as_str().unwrap()));
    assert_eq!(read(&parent).json(), *newest);
    assert_eq!(read(&admin(&server, &server.stranger)).status, 404);

    let query = format!("?organisation={}&action=card_create", server.child.organisation);
    assert_eq!(objects(&parent, &query), [of_child.as_str()]);
    let stranger = format!("/v1/audit?organisation={}", server.stranger.organisation);
    assert_eq!(server.get(&parent, &stranger).status, 404);
    for (query, place) in [
        ("action=card_creat", "query.action"),
        ("actor=nobody", "query.actor"),
        ("_sort=created_at", "query._sort"),
        ("_after=0123456789abcdef01234567", "query._after"),
        ("object=x", "query.object"),
        ("created_at%3E=yesterday", "query.created_at"),
        ("request=4111111111111111", "query.request"),
        ("request=", "query.request"),
    ] {
        let refused = server.get(&parent, &format!("/v1/audit?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.json()["details"][place].is_string(), "{query}: {}", refused.text);
    }
}

#[test]
fn what_was_done_in_one_request_is_found_by_its_id() {
    let server = Server::start();
    let key = admin(&server, &server.parent);
    let made = server.post(&server.parent.key, "/v1/card", &card_body(&server.parent));
    server.clock.pass_millis(3_600_000);
    server.make_card(&server.parent, None);
    let request = made.header("x-request-id").unwrap();
    let found = records(&server, &key, &format!("?request={request}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["object"], &found[0]["request"]), (&json!(made.id()), &json!(request)));
    // All that one request did, and those of several.
    let paid = transaction_body(&server.parent, &made.id(), 1000);
    let paid = server.post(&server.parent.key, "/v1/transaction", &paid);
    let payment = paid.header("x-request-id").unwrap();
    let actions = |query: &str| -> Vec<Value> {
        records(&server, &key, query).iter().map(|record| record["action"].clone()).collect()
    };
    let of_payment = ["transaction_settle", "transaction_initiate"];
    assert_eq!(actions(&format!("?request={payment}")), of_payment);
    let all = actions(&format!("?request={payment}&request={request}"));
    assert_eq!(all, [of_payment.as_slice(), &["card_create"]].concat());
    assert_eq!(actions(&format!("?request={request}&action=card_delete")), Vec::<Value>::new());
    let of_stranger = admin(&server, &server.stranger);
    assert!(records(&server, &of_stranger, &format!("?request={request}")).is_empty());
    assert!(records(&server, &key, "?request=ffffffffffffffffffffffff").is_empty());
}

#[test]
fn pages_of_the_trail_follow_each_other() {
    let server = Server::start();
    let key = admin(&server, &server.parent);
    let cards: Vec<String> = (0..7).map(|_| server.make_card(&server.parent, None)).collect();
    let mut seen = Vec::new();
    for skip in [0, 3, 6, 9] {
        let page = records(&server, &key, &format!("?action=card_create&_limit=3&_skip={skip}"));
        seen.extend(page.iter().map(|record| record["object"].as_str().unwrap().to_owned()));
    }
    seen.reverse();
    assert_eq!(seen, cards);
    let newest = records(&server, &key, "?_limit=1")[0]["created_at"].as_str().unwrap().to_owned();
    assert!(records(&server, &key, &format!("?created_at%3E={newest}&_limit=1000")).len() >= 7);
    assert!(records(&server, &key, "?created_at%3C=2000-01-01T00:00:00Z").is_empty());
}

#[test]
fn status_is_for_the_provider_of_an_organisation_that_is_below_none() {
    let server = Server::start();
    server.make_card(&server.parent, Some("111"));
    let of = |tenant: &Tenant, role| server.get(&server.make_key(tenant, &[role]), "/v1/status");
    let answer = of(&server.parent, Role::ProviderAdmin);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let status = answer.json();
    assert_eq!((&status["ready"], &status["state"]), (&json!(true), &json!("ready")));
    assert_eq!((&status["mode"], &status["cvvs_held"]), (&json!("test"), &json!(1)));
    let totals = ["organisations", "accounts", "cards", "transactions", "refunds", "organisations_damaged"];
    assert_eq!(totals.map(|name| status[name].as_u64().unwrap()), [3, 3, 1, 0, 0, 0], "{status}");
    server.make_key(&server.parent, &[Role::MerchantUser]);
    let again = of(&server.parent, Role::ProviderAdmin).json();
    let count = |status: &Value, name: &str| status[name].as_u64().unwrap();
    assert_eq!(count(&again, "api_keys"), count(&status, "api_keys") + 2, "{again}");
    assert_eq!(count(&again, "processors"), 3);
    assert!(status["steps"].as_u64() > Some(5) && status.get("url").is_none(), "{status}");
    for (tenant, role) in [
        (&server.child, Role::ProviderAdmin),
        (&server.parent, Role::MerchantAdmin),
        (&server.parent, Role::ProviderUser),
    ] {
        assert_eq!(of(tenant, role).status, 403, "{role}");
    }
}

#[test]
fn the_root_leads_to_the_documentation() {
    let server = Server::start();
    let answer = server.send("GET", "/", &[], None);
    assert!(answer.status == 303 || answer.status == 200, "{}", answer.status);
}
