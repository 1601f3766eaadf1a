//! What signs webhooks, and deliveries of them, over HTTP.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{HttpAnswer, Server};

const HOOK: &str = "https://shop.example/hook?key=of-the-shop";

/// A key that may change accounts, and the path of an account.
fn administrator(server: &Server) -> (String, String) {
    let key = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    (key, format!("/v1/account/{}", server.parent.account))
}

fn secret(answer: &HttpAnswer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let secret = answer.json()["webhook_secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{}", secret.len());
    secret
}

#[test]
fn the_secret_of_an_account_is_shown_when_it_is_made_and_never_again() {
    let server = Server::start();
    let (key, account) = administrator(&server);
    let first = secret(&server.post(&key, &account, &json!({ "webhook_transaction_update": HOOK })));
    let hidden =
        |answer: HttpAnswer| assert_eq!(answer.json().get("webhook_secret"), None, "{}", answer.text);
    hidden(server.post(&key, &account, &json!({ "webhook_refund_update": HOOK })));
    hidden(server.get(&key, &account));
    let path = format!("{account}/webhook_secret");
    let headers = [("x-apikey", key.as_str()), ("idempotency-key", "make-it")];
    let made = server.send("POST", &path, &headers, None);
    let second = secret(&made);
    assert_ne!(first, second);
    assert_eq!(made.json()["_id"], json!(server.parent.account));
    let again = server.send("POST", &path, &headers, None);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    hidden(again);
    // With an empty body too, and by an administrator of the merchant; whoever only pays with the account may not.
    let merchant = server.make_key(&server.parent, &[Role::MerchantAdmin]);
    secret(&server.post(&merchant, &path, &json!({})));
    server.post(&server.parent.publishable_key, &path, &json!({})).fails(403, 113);
    let till = server.make_key(&server.parent, &[Role::MerchantSupervisor]);
    server.post(&till, &path, &json!({})).fails(403, 113);
    server.post(&key, &path, &json!({ "secret": first })).fails(400, 127);
    server.post(&key, "/v1/account/000000000000000000000001/webhook_secret", &json!({})).fails(404, 109);
    let made = json!({ "name": "Other", "currency_code": "EUR", "webhook_transaction_update": HOOK });
    secret(&server.post(&key, "/v1/account", &made));
    let none: Value = json!({ "name": "Quiet", "currency_code": "EUR" });
    hidden(server.post(&key, "/v1/account", &none));
}
