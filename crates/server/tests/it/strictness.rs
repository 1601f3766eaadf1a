//! Bodies: what is not JSON, too large, too deep, of another kind, or says a thing twice.

use crate::support::{Server, card_body};

#[test]
fn what_is_not_json_is_said_by_place_and_never_repeated() {
    let server = Server::start();
    let secret = "4111111111111111";
    for (body, place) in [
        ("{", "line 1, column 1"),
        ("{\"card_number\":\"4111111111111111\"", "line 1, column 33"),
        ("{\"card_number\":4111111111111111x}", "line 1, column 32"),
        ("{\n\"a\":\n'4111111111111111'}", "line 3, column 1"),
        ("{}{}", "line 1, column 3"),
        ("\u{feff}{}", "line 1, column 1"),
        ("NaN", "line 1, column 1"),
    ] {
        let answer = server.post_text(&server.parent.key, "/v1/card", body);
        answer.fails(400, 110);
        let said = answer.json()["details"]["body"].as_str().unwrap().to_owned();
        assert_eq!(said, format!("stops being JSON at {place}"), "{body}");
        assert!(!answer.text.contains(secret));
    }
    for body in ["[]", "null", "\"4111111111111111\"", "4111111111111111", "true"] {
        let answer = server.post_text(&server.parent.key, "/v1/card", body);
        assert!(answer.faults().contains(&"body".to_owned()), "{body}: {}", answer.text);
        assert_eq!(answer.status, 400);
        assert!(!answer.text.contains(secret));
    }
}

// Bug: a body of nine levels, with `1e400` or with half of a surrogate pair was told that it "stops being JSON", which none of
// them does, and an empty one that it stops at column 0. Cause: whatever could not be read had one sentence. Cure: each has its
// own; what is JSON in all but our limits is told the limit.
#[test]
fn what_is_json_past_our_limits_is_told_the_limit() {
    let server = Server::start();
    let deep = format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9));
    for (body, said) in [
        ("", "is empty"),
        (" \r\n", "is empty"),
        (deep.as_str(), "is deeper than 8 levels at line 1, column 41"),
        (&"[".repeat(9), "is deeper than 8 levels at line 1, column 9"),
        ("{\"amount\":1e400}", "has a number that is too large to be read at line 1, column 15"),
        ("{\"a\":\"\\ud800\"}", "has an escape that is half of a surrogate pair at line 1, column 13"),
        ("{\"a\":\"\\ud800\\u0041\"}", "has an escape that is half of a surrogate pair at line 1, column 18"),
        ("{\"a\":\"\\udc00\"}", "has an escape that is half of a surrogate pair at line 1, column 12"),
    ] {
        let answer = server.post_text(&server.parent.key, "/v1/card", body);
        answer.fails(400, 110);
        assert_eq!(answer.json()["details"]["body"], said, "{body}");
    }
}

#[test]
fn a_field_is_said_once() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut body = card_body(merchant).to_string();
    body.pop();
    let twice = format!("{body},\"cvv\":\"123\",\"cvv\":\"999\"}}");
    assert_eq!(server.post_text(&merchant.key, "/v1/card", &twice).fails(400, 107).faults(), ["body.cvv"]);
    let escaped = format!("{body},\"cvv\":\"123\",\"\\u0063vv\":\"999\"}}");
    assert_eq!(server.post_text(&merchant.key, "/v1/card", &escaped).fails(400, 107).faults(), ["body.cvv"]);
    let nested = format!("{body},\"metadata\":{{\"a\":\"1\",\"a\":\"2\"}}}}");
    assert_eq!(
        server.post_text(&merchant.key, "/v1/card", &nested).fails(400, 107).faults(),
        ["body.metadata"]
    );
}

#[test]
fn a_body_is_at_most_16_kib_and_8_levels() {
    let server = Server::start();
    let merchant = &server.parent;
    let good = card_body(merchant).to_string();
    let padded = |bytes: usize| format!("{good}{}", " ".repeat(bytes - good.len()));
    assert_eq!(server.post_text(&merchant.key, "/v1/card", &padded(16 * 1024)).status, 200);
    server.post_text(&merchant.key, "/v1/card", &padded(16 * 1024 + 1)).fails(413, 147);
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    server.post_text(&merchant.key, "/v1/card", &deep(8)).fails(400, 126);
    server.post_text(&merchant.key, "/v1/card", &deep(9)).fails(400, 110);
    server.post_text(&merchant.key, "/v1/card", &"[".repeat(16_000)).fails(400, 110);
}

#[test]
fn other_content_types_are_refused() {
    let server = Server::start();
    let merchant = &server.parent;
    let body = card_body(merchant).to_string();
    let send = |headers: &[(&str, &str)]| {
        let mut all = vec![("X-APIKEY", merchant.key.as_str())];
        all.extend_from_slice(headers);
        server.send("POST", "/v1/card", &all, Some(&body))
    };
    // Parameters were refused that a server of JSON gives no meaning: `charset=utf8` was, for want of a dash.
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json; charset=utf8",
        "application/json ; charset=latin1; q",
    ] {
        assert_eq!(send(&[("Content-Type", kind)]).status, 200, "{kind}");
    }
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "*/*", "", "; x"]
    {
        let answer = send(&[("Content-Type", kind)]);
        assert_eq!(answer.fails(415, 145).faults(), ["headers.content-type"], "{kind}");
    }
    let twice = [("Content-Type", "application/json"), ("Content-Type", "text/plain")];
    assert_eq!(send(&twice).fails(415, 145).faults(), ["headers.content-type"]);
    let packed = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
    let both = ["headers.content-encoding", "headers.content-type"];
    assert_eq!(send(&packed).fails(415, 145).faults(), both);
}

#[test]
fn unknown_paths_methods_and_queries_are_refused() {
    let server = Server::start();
    let key = &server.parent.key;
    for path in ["/v1", "/v1/cards", "/v2/card", "/v1/card/x/y", "/v1/card//", "/V1/card"] {
        server.get(key, path).fails(404, 109);
    }
    for path in ["/v1/card/x", "/v1/card/%ff", "/v1/card/%2e%2e", "/v1/card/4111111111111111"] {
        let answer = server.get(key, path);
        answer.fails(404, 109);
        assert!(!answer.text.contains("4111"));
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let answer = server.send(method, "/v1/card", &[("X-APIKEY", key)], None);
        answer.fails(405, 146);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"), "{method}");
    }
    for path in ["/livez", "/readyz", "/openapi.json", "/openapi.json/", "/docs"] {
        server.send("PUT", path, &[], None).fails(405, 146);
    }
    let card = server.make_card(&server.parent, None);
    let answer = server.get(key, &format!("/v1/card/{card}?cvv=123&4111111111111111=1"));
    assert_eq!(answer.fails(400, 127).faults(), ["query.?", "query.cvv"]);
    let answer = server.post(key, "/v1/card?x=1", &card_body(&server.parent));
    assert_eq!(answer.fails(400, 127).faults(), ["query.x"]);
}
