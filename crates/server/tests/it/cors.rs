//! A browser's key works on the pages that it names, and no page is let use any other key.

use panvault_model::Role;
use panvault_server::ServerSettings;
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

/// A frame of hosted fields is a page of the vault: what it sends is from the vault's own origin, of which no key says anything.
#[test]
fn a_page_of_the_vault_itself_may_use_a_key_and_is_let_read_by_no_other_page() {
    let server = Server::start();
    let shop = &server.parent;
    let body = card_body(shop).to_string();
    let own = format!("http://{}", server.address);
    let ask = |server: &Server, origin: &str, further: &[(&str, &str)]| {
        let key = server.parent.publishable_key.as_str();
        let headers = [("X-APIKEY", key), ("Content-Type", "application/json"), ("Origin", origin)];
        let body = card_body(&server.parent).to_string();
        server.send("POST", "/v1/card", &[&headers[..], further].concat(), Some(&body))
    };
    for further in [&[][..], &[("Sec-Fetch-Site", "same-origin")]] {
        let answer = ask(&server, &own, further);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for site in ["same-site", "cross-site", "none"] {
        ask(&server, &own, &[("Sec-Fetch-Site", site)]).fails(403, 111);
    }
    let other_port = format!("http://127.0.0.1:{}", server.metrics.port());
    for origin in
        [own.replace("http:", "https:").as_str(), &other_port, "http://127.0.0.1", "http://localhost"]
    {
        if origin.starts_with("https:") {
            // The same host and port: a proxy may end TLS. A browser that knows of two schemes says so.
            ask(&server, origin, &[("Sec-Fetch-Site", "cross-site")]).fails(403, 111);
        } else {
            ask(&server, origin, &[]).fails(403, 111);
        }
    }
    // Nobody is asked before a request to where its page is from.
    let preflight = [("Origin", own.as_str()), ("Access-Control-Request-Method", "POST")];
    server.send("OPTIONS", "/v1/card", &preflight, None).fails(405, 146);
    // A key of a server is told nothing, wherever it is used.
    let headers = [("X-APIKEY", shop.key.as_str()), ("Content-Type", "application/json"), ("Origin", &own)];
    let answer = server.send("POST", "/v1/card", &headers, Some(&body));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    // What was set is the only one.
    let public_origin = Some("https://vault.example".to_owned());
    let settings = ServerSettings { public_origin, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    assert_eq!(ask(&server, "https://vault.example", &[]).status, 200);
    ask(&server, &format!("http://{}", server.address), &[]).fails(403, 111);
}
