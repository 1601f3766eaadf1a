//! What a client sees of a node that is one of several.

use panvault_model::NodeId;
use panvault_server::ServerSettings;
use panvault_store::MemoryStore;
use panvault_vault::limits::{DOCUMENTS_SEEN_MILLIS_MAX, LEASE_SECONDS};
use serde_json::json;

use crate::support::{Server, card_body, transaction_body};

#[test]
fn a_node_without_a_lease_refuses_payments_and_nothing_else() {
    let store = MemoryStore::new().beside(NodeId::from_bytes([1; 12]));
    let server = Server::start_over(store, ServerSettings::default(), None);
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    let pay = || {
        let headers = [
            ("X-APIKEY", merchant.key.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "one"),
        ];
        let body = transaction_body(merchant, &card, 1099).to_string();
        server.send("POST", "/v1/transaction", &headers, Some(&body))
    };
    let ready = || server.send("GET", "/readyz", &[], None);
    assert_eq!(ready().status, 200);

    server.clock.pass_millis(LEASE_SECONDS * 1000);
    server.runtime().block_on(server.vault.documents_follow()).unwrap();
    let refused = pay();
    refused.fails(503, 144);
    assert_eq!(refused.faults(), ["node"]);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(ready().status, 503);
    assert_eq!(ready().json()["status"], json!("this node has lost its lease: transactions are refused"));
    let shown = server.get(&merchant.key, &format!("/v1/card/{card}")).json();
    assert_eq!(shown["cvv_present"], json!(true), "nothing was done");
    server.make_card(merchant, None);

    server.runtime().block_on(server.vault.lease_renew()).unwrap();
    assert_eq!(ready().status, 200);
    let paid = pay();
    assert_eq!((paid.status, paid.header("idempotency-replayed")), (200, None), "{}", paid.text);
    assert_eq!(paid.json()["cvv_present"], json!(true));
}

/// The bug: a node that had lost its database went on with the keys that it knew. Its cause: what it knew had no end. Its cure: two seconds.
#[test]
fn a_node_that_does_not_see_the_database_trusts_no_key_and_is_not_ready() {
    let store = MemoryStore::new().beside(NodeId::from_bytes([1; 12]));
    let server = Server::start_over(store, ServerSettings::default(), None);
    let key = server.parent.key.clone();
    let card = server.make_card(&server.parent, None);
    server.clock.pass_millis(DOCUMENTS_SEEN_MILLIS_MAX + 1);
    let refused = server.get(&key, &format!("/v1/card/{card}"));
    refused.fails(503, 144);
    assert_eq!(refused.faults(), ["node"]);
    assert!(refused.header("retry-after").is_some());
    let ready = server.send("GET", "/readyz", &[], None);
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json()["status"],
        json!("this node does not see the database: requests with a key are refused")
    );
    // What administers looks by itself, and so does who has a key that is not known.
    assert_eq!(server.get(&key, "/v1/account").status, 200);
    assert_eq!(server.get(&key, &format!("/v1/card/{card}")).status, 200);
    assert_eq!(server.send("GET", "/readyz", &[], None).status, 200);
}

/// The bug: who made an organisation, an account or a key at one node and used it at another at once was told that there is none. Its cause: the other had
/// not looked yet. Its cure: it looks before it says so, or says that it is to be asked again.
#[test]
fn what_was_just_made_at_one_node_is_found_at_every_other() {
    let store = MemoryStore::new();
    let [one, two] = [1, 2].map(|n| Server::start_node(&store, NodeId::from_bytes([n; 12])));
    for name in ["first", "second"] {
        let merchant = one.make_tenant(name, None);
        assert_eq!(two.get(&merchant.key, "/v1/apikey").json().as_array().map(Vec::len), Some(2));
        two.make_card(&merchant, None);
        // Its key is known there, and the organisation is not yet.
        let below = one.make_tenant("below", Some(&merchant));
        let create = || two.post(&merchant.key, "/v1/card", &card_body(&below));
        let refused = create();
        refused.fails(503, 144);
        assert_eq!(refused.faults(), ["node"]);
        assert!(refused.header("retry-after").is_some());
        assert_eq!(create().status, 200);
        let path = format!("/v1/organisation/{}", below.organisation);
        assert_eq!(two.get(&merchant.key, &path).status, 200);
    }
    let missing = two.get(&one.parent.key, "/v1/card/aaaaaaaaaaaaaaaaaaaaaaaa");
    missing.fails(404, 109);
}

/// The bug: where documents changed all the time, a read of what is not there was answered 503 each time and never 404. Its cause: whatever had changed since the request began
/// could have been what it missed. Its cure: what only reads is judged once more, by documents of after it began.
#[test]
fn what_is_not_there_is_not_found_however_often_documents_change() {
    let store = MemoryStore::new();
    let [one, two] = [1, 2].map(|n| Server::start_node(&store, NodeId::from_bytes([n; 12])));
    let nobody = "0123456789abcdef01234567";
    for name in ["first", "second", "third"] {
        let key = &two.parent.key;
        assert_eq!(two.get(key, &format!("/v1/card/{nobody}")).status, 404);
        let made = one.make_tenant(name, None);
        // Documents have moved on, of which this node does not know yet.
        two.get(key, &format!("/v1/card/{nobody}")).fails(404, 109);
        two.get(key, &format!("/v1/transaction/{nobody}")).fails(404, 109);
        let card = one.make_card(&made, None);
        assert_eq!(two.get(&made.key, &format!("/v1/card/{card}")).status, 200);
    }
}
