//! What a client sees of a node that is one of several.

use panvault_model::NodeId;
use panvault_server::ServerSettings;
use panvault_store::MemoryStore;
use panvault_vault::limits::LEASE_SECONDS;
use serde_json::json;

use crate::support::{Server, transaction_body};

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
