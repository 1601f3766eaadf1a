//! A browser's key works on the pages that it names, and no page is let use any other key.

use panvault_model::Role;
use serde_json::json;

use crate::support::{SHOP, Server, card_body};

const OTHER: &str = "https://other.example";

#[test]
fn a_page_of_the_shop_may_use_its_key_and_read_the_answer() {
    let server = Server::start();
    let shop = &server.parent;
    let body = card_body(shop).to_string();
    let headers =
        [("X-APIKEY", shop.publishable_key.as_str()), ("Content-Type", "application/json"), ("Origin", SHOP)];
    let answer = server.send("POST", "/v1/card", &headers, Some(&body));
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    assert!(answer.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("origin")));
    // A failure too, so that the page can say why.
    let answer = server.send("POST", "/v1/card", &headers, Some("{}"));
    answer.fails(400, 126);
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
}

#[test]
fn another_page_may_not_and_is_told_nothing() {
    let server = Server::start();
    let shop = &server.parent;
    let body = card_body(shop).to_string();
    for origin in [
        OTHER,
        "null",
        "",
        "https://shop.example.other.example",
        "http://shop.example",
        "https://SHOP.example",
    ] {
        let headers = [
            ("X-APIKEY", shop.publishable_key.as_str()),
            ("Content-Type", "application/json"),
            ("Origin", origin),
        ];
        let answer = server.send("POST", "/v1/card", &headers, Some(&body));
        answer.fails(403, 111);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    // What is not a browser names no page.
    let headers = [("X-APIKEY", shop.publishable_key.as_str()), ("Content-Type", "application/json")];
    panvault_testkit::http_send(&format!("http://{}/v1/card", server.address), "POST", &headers, Some(&body))
        .unwrap()
        .fails(403, 111);
    assert_eq!(server.get(&shop.key, "/v1/card/count").json()["count"], json!(0));
}

#[test]
fn no_page_is_let_use_any_other_key() {
    let server = Server::start();
    for role in Role::ALL.iter().filter(|role| **role != Role::Publishable) {
        let key = server.make_key(&server.parent, &[*role]);
        let answer = server.send("GET", "/v1/card", &[("X-APIKEY", &key), ("Origin", SHOP)], None);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{role}");
    }
}

#[test]
fn a_browser_asks_before_and_is_let_where_some_key_names_the_page() {
    let server = Server::start();
    let ask = |path: &str, method: &str, origin: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type,x-apikey"),
        ];
        server.send("OPTIONS", path, &headers, None)
    };
    for path in ["/v1/card", "/v1/card/", "/v1/card/65f1c0de8a4b3c2d1e0f9a8b"] {
        let answer = ask(path, "POST", SHOP);
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (204, Some(SHOP)),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
        assert!(
            answer.header("access-control-allow-headers").is_some_and(|names| names.contains("x-apikey"))
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    for (path, method, origin) in [
        ("/v1/card", "POST", OTHER),
        ("/v1/card", "POST", "null"),
        ("/v1/card", "GET", SHOP),
        ("/v1/card/65f1c0de8a4b3c2d1e0f9a8b", "DELETE", SHOP),
        ("/v1/transaction", "POST", SHOP),
        ("/v1/apikey", "POST", SHOP),
    ] {
        let answer = ask(path, method, origin);
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (405, None),
            "{method} {path} {origin}"
        );
    }
}
