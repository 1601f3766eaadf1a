//! What is served beside the API: the OpenAPI document, the page, health and metrics.

use serde_json::json;

use crate::support::{Server, send, transaction_body};

#[test]
fn the_openapi_document_and_the_page_need_no_key() {
    let server = Server::start();
    let document = server.send("GET", "/openapi.json", &[], None);
    assert_eq!((document.status, document.json()["openapi"].clone()), (200, json!("3.1.0")));
    for path in ["/docs", "/docs/"] {
        let page = server.send("GET", path, &[], None);
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
    let style = server.send("GET", "/docs/style.css", &[], None);
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
}

#[test]
fn health_and_metrics_tell_how_it_is_and_name_nobody() {
    let mut server = Server::start();
    let merchant = &server.parent;
    let card = server.make_card(merchant, Some("111"));
    server.make_card(merchant, Some("111"));
    let body = transaction_body(merchant, &card, 1099);
    assert_eq!(server.post(&merchant.key, "/v1/transaction", &body).status, 200);
    server.get(&merchant.key, "/v1/card/4111111111111111");
    let at = |path: &str| send(&format!("http://{}{path}", server.metrics), "GET", &[], None);
    let page = at("/metrics").text;
    for line in [
        "panvault_requests_total{operation=\"card_create\",status=\"200\"} 2",
        "panvault_requests_total{operation=\"transaction_create\",status=\"200\"} 1",
        "panvault_requests_total{operation=\"card_read\",status=\"404\"} 1",
        "panvault_cvvs_held 1",
        "panvault_cvvs_claimed_total 1",
        "panvault_ready 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for secret in [card.as_str(), merchant.organisation.as_str(), merchant.key.as_str(), "4111"] {
        assert!(!page.contains(secret));
    }
    for path in ["/livez", "/readyz", "/livez/", "/readyz/"] {
        assert_eq!(at(path).status, 200, "{path}");
        assert_eq!(server.send("GET", path, &[], None).status, 200, "{path}");
    }
    assert_eq!(at("/v1/card").status, 404, "the API is not served there");
    let metrics = server.metrics;
    server.begin_stop();
    server.ended();
    let ready = send(&format!("http://{metrics}/readyz"), "GET", &[], None);
    assert_eq!((ready.status, ready.text.as_str()), (503, "stopping\n"));
}
