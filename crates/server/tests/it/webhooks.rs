//! What signs webhooks, and deliveries of them, over HTTP.

use panvault_model::Role;
use serde_json::{Value, json};

use crate::support::{HttpAnswer, Server, transaction_body};

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

/// A payment of the first tenant whose receiver is nobody's: nothing is sent here.
fn paid(server: &Server) -> String {
    // Ids of one moment have no order.
    server.clock.pass_millis(1);
    let card = server.make_card(&server.parent, Some("111"));
    let mut body = transaction_body(&server.parent, &card, 1099);
    body["webhook_transaction_update"] = json!(HOOK);
    let answer = server.post(&server.parent.key, "/v1/transaction", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["_id"].as_str().unwrap().to_owned()
}

#[test]
fn deliveries_are_listed_counted_and_read_by_whom_they_belong_to() {
    let server = Server::start();
    let (first, second) = (paid(&server), paid(&server));
    let key = server.make_key(&server.parent, &[Role::MerchantUser]);
    let list = |query: &str| {
        let answer = server.get(&key, &format!("/v1/webhook_delivery{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let found: Vec<_> =
            answer.json().as_array().unwrap().iter().map(|row| row["transaction"].clone()).collect();
        found
    };
    let both = vec![json!(second), json!(first)];
    assert_eq!(list(""), both);
    let account = &server.parent.account;
    for (query, found) in [
        (format!("?transaction={first}"), vec![json!(first)]),
        (format!("?account={account}"), both.clone()),
        (format!("?account={account}&status=delivered"), vec![]),
        ("?status=WAITING&type=transaction".to_owned(), both.clone()),
        (format!("?refund={first}"), vec![]),
        ("?status=FAILED".to_owned(), vec![]),
        ("?_limit=1&_skip=1".to_owned(), vec![json!(first)]),
    ] {
        assert_eq!(list(&query), found, "{query}");
        if !query.contains("_limit") {
            let count = server.get(&key, &format!("/v1/webhook_delivery/count{query}"));
            assert_eq!(count.json()["count"], json!(found.len()), "{query}");
        }
    }
    let row = server.get(&key, &format!("/v1/webhook_delivery?transaction={first}")).json()[0].clone();
    let path = format!("/v1/webhook_delivery/{}", row["_id"].as_str().unwrap());
    let read = server.get(&key, &path);
    assert_eq!(read.json(), row);
    assert_eq!(
        (&row["type"], &row["object_status"], &row["status"], &row["attempts"], &row["url"]),
        (&json!("transaction"), &json!("SETTLEMENT_REQUESTED"), &json!("WAITING"), &json!(0), &json!(HOOK))
    );
    assert_eq!(
        (row["account"].as_str(), row.get("fault"), row.get("answer_status")),
        (Some(account.as_str()), None, None)
    );
    assert_eq!(row["next_attempt_at"], row["created_at"]);
    server.get(&key, "/v1/webhook_delivery?url=x").fails(400, 127);
    server.get(&key, "/v1/webhook_delivery?status=GONE").fails(400, 107);
    // Strangers and browsers find nothing.
    let stranger = server.make_key(&server.stranger, &[Role::ProviderAdmin]);
    server.get(&stranger, &path).fails(404, 109);
    server.post(&stranger, &format!("{path}/retry"), &json!({})).fails(404, 109);
    assert_eq!(server.get(&stranger, "/v1/webhook_delivery").json(), json!([]));
    server.get(&server.parent.publishable_key, "/v1/webhook_delivery").fails(403, 113);
}

#[test]
fn a_delivery_is_sent_again_by_who_may_and_once_for_each_idempotency_key() {
    let server = Server::start();
    let transaction = paid(&server);
    let row = server.get(&server.parent.key, &format!("/v1/webhook_delivery?transaction={transaction}"));
    let path = format!("/v1/webhook_delivery/{}/retry", row.json()[0]["_id"].as_str().unwrap());
    let user = server.make_key(&server.parent, &[Role::MerchantUser]);
    server.post(&user, &path, &json!({})).fails(403, 113);
    server.clock.pass_millis(1_000);
    let supervisor = server.make_key(&server.parent, &[Role::MerchantSupervisor]);
    let headers = [("x-apikey", supervisor.as_str()), ("idempotency-key", "again-1")];
    let first = server.send("POST", &path, &headers, None);
    assert_eq!((first.status, &first.json()["status"]), (200, &json!("WAITING")), "{}", first.text);
    assert_ne!(first.json()["next_attempt_at"], row.json()[0]["next_attempt_at"]);
    server.clock.pass_millis(1_000);
    let again = server.send("POST", &path, &headers, None);
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), Some("true")));
    server.post(&supervisor, &path, &json!({ "now": true })).fails(400, 127);
    server
        .post(&supervisor, "/v1/webhook_delivery/000000000000000000000001/retry", &json!({}))
        .fails(404, 109);
}
