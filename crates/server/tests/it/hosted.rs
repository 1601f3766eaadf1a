//! What a browser loads from the vault: scripts, and the documents of frames.

use panvault_model::Role;
use panvault_server::{RequestLimits, ServerSettings};
use serde_json::json;

use crate::support::{SHOP, Server};

const OTHER: &str = "https://other.example";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The sources that a directive of a policy names.
fn directive<'p>(policy: &'p str, name: &str) -> Option<&'p str> {
    policy.split("; ").find_map(|directive| directive.strip_prefix(name)?.strip_prefix(' '))
}

#[test]
fn the_shops_script_is_for_every_page_and_never_changes() {
    let server = Server::start();
    for (path, file) in [
        ("/js/0.1.0/panvault.js", panvault_web::RELEASES[0].script),
        ("/js/0.1.0/panvault.mjs", panvault_web::RELEASES[0].module),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server.send(method, path, &[], None);
            assert_eq!(answer.status, 200, "{path}");
            for (name, value) in [
                ("content-type", SCRIPT),
                ("cache-control", "public, max-age=31536000, immutable"),
                ("access-control-allow-origin", "*"),
                ("cross-origin-resource-policy", "cross-origin"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{path} {name}");
            }
            let body = if method == "GET" { file.bytes } else { b"" };
            assert_eq!(answer.text.as_bytes(), body, "{path}");
        }
    }
    let hashes = server.send("GET", "/js/hashes.json", &[], None);
    assert_eq!((hashes.status, hashes.header("content-type")), (200, Some("application/json")));
    assert!(hashes.json()["0.1.0/panvault.js"].as_str().unwrap().starts_with("sha384-"));
    for path in ["/static/jsclient/script.js", "/cdn/jsclient.js"] {
        let answer = server.send("GET", path, &[], None);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(SCRIPT)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
    for path in
        ["/js/0.0.9/panvault.js", "/js/latest/panvault.js", "/js/0.1.0/frame.js", "/js/0.1.0/", "/try"]
    {
        assert_eq!(server.send("GET", path, &[], None).status, 404, "{path}");
    }
    assert_eq!(server.send("POST", "/js/0.1.0/panvault.js", &[], None).status, 405);
}

#[test]
fn what_a_frame_loads_is_for_frames_alone() {
    let server = Server::start();
    for (path, kind) in
        [("/fields/0.1.0/frame.js", SCRIPT), ("/fields/0.1.0/frame.css", "text/css; charset=utf-8")]
    {
        let answer = server.send("GET", path, &[("Origin", SHOP)], None);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(server.send("GET", "/fields/0.0.9/frame.js", &[], None).status, 404);
}

#[test]
fn a_frame_may_be_shown_by_the_pages_of_its_key_alone() {
    let server = Server::start();
    let key = &server.parent.publishable_key;
    let answer = server.send("GET", &format!("/fields/0.1.0/frame.html?key={key}"), &[], None);
    assert_eq!(answer.status, 200);
    let policy = answer.header("content-security-policy").unwrap();
    for (name, sources) in [
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
        ("connect-src", "'self'"),
        ("base-uri", "'none'"),
        ("form-action", "'none'"),
        ("trusted-types", "'none'"),
        ("frame-ancestors", SHOP),
    ] {
        assert_eq!(directive(policy, name), Some(sources), "{name}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("x-frame-options"), None);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("set-cookie"), None);
    assert!(answer.text.contains(&format!("<meta name=panvault-origins content=\"{SHOP}\">")));
    let hashes = server.send("GET", "/js/hashes.json", &[], None).json();
    for file in ["frame.js", "frame.css"] {
        let hash = hashes[format!("0.1.0/{file}")].as_str().unwrap();
        assert!(answer.text.contains(&format!("={file} integrity=\"{hash}\"")), "{file}");
    }
    assert!(!answer.text.contains(key), "the key is in the address alone");
    assert_eq!(server.send("GET", "/fields/0.0.9/frame.html", &[], None).status, 404);
}

#[test]
fn a_frame_is_shown_by_nobody_without_a_key_of_a_browser() {
    let server = Server::start();
    let shop = &server.parent;
    let (key, secret) = (shop.publishable_key.clone(), shop.key.clone());
    let revoked = server.child.publishable_key.clone();
    for path in [
        "".to_owned(),
        "?key=".to_owned(),
        format!("?key={secret}"),
        format!("?key={key}x"),
        format!("?key={key}&key={key}"),
        format!("?organisation={}", shop.organisation),
        format!("?key=pv_pub_test_{}", "a".repeat(50)),
    ] {
        let answer = server.send("GET", &format!("/fields/0.1.0/frame.html{path}"), &[], None);
        assert_eq!(answer.status, 403, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(directive(policy, "frame-ancestors"), Some("'none'"), "{path}");
        assert!(!answer.text.contains("script") && !answer.text.contains(SHOP), "{path}");
        assert!(!answer.text.contains("pv_"), "{path}");
    }
    let path = format!("/fields/0.1.0/frame.html?key={revoked}");
    assert_eq!(server.send("GET", &path, &[], None).status, 200);
    for _ in 0..3 {
        server.revoke_key_with(&[Role::Publishable]);
    }
    assert_eq!(server.send("GET", &path, &[], None).status, 403);
}

#[test]
fn a_page_is_told_what_is_wrong_with_its_key() {
    let server = Server::start();
    let key = &server.parent.publishable_key;
    let ask = |query: &str, headers: &[(&str, &str)]| {
        let answer = server.send("GET", &format!("/fields/check{query}"), headers, None);
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    };
    let good = format!("?key={key}");
    assert_eq!(ask(&good, &[("Origin", SHOP)]), json!({"result": "ready"}));
    for page in [OTHER, "null", "http://shop.example", "https://shop.example.other.example"] {
        assert_eq!(ask(&good, &[("Origin", page)]), json!({"result": "origin"}), "{page}");
    }
    assert_eq!(ask(&good, &[]), json!({"result": "origin"}));
    for query in [String::new(), format!("?key={}", server.parent.key), format!("?key={key}0")] {
        assert_eq!(ask(&query, &[("Origin", SHOP)]), json!({"result": "key"}));
    }
    // A page of the vault names no origin where it asks the vault, and its key does not allow that page.
    assert_eq!(ask(&good, &[("Sec-Fetch-Site", "same-origin")]), json!({"result": "origin"}));
    let own = json!({ "name": "own", "roles": ["Publishable"], "allowed_origins": [format!("http://{}", server.address)] });
    let own =
        server.post(&server.parent.key, "/v1/apikey", &own).json()["api_key"].as_str().unwrap().to_owned();
    let own = format!("?key={own}");
    assert_eq!(ask(&own, &[("Sec-Fetch-Site", "same-origin")]), json!({"result": "ready"}));
    assert_eq!(ask(&own, &[("Sec-Fetch-Site", "cross-site")]), json!({"result": "origin"}));
    for _ in 0..4 {
        server.revoke_key_with(&[Role::Publishable]);
    }
    assert_eq!(ask(&good, &[("Origin", SHOP)]), json!({"result": "key"}));
}

#[test]
fn an_address_asks_for_frames_so_often_and_no_more() {
    let requests = RequestLimits { address_requests_per_minute: 1, ..RequestLimits::default() };
    let server = Server::start_with(ServerSettings { requests, ..ServerSettings::default() }, None);
    let key = &server.parent.publishable_key;
    let frame = format!("/fields/0.1.0/frame.html?key={key}");
    for _ in 0..10 {
        assert_eq!(server.send("GET", &frame, &[], None).status, 200);
        assert_eq!(server.send("GET", &format!("/fields/check?key={key}"), &[], None).status, 200);
    }
    let answer = server.send("GET", &frame, &[], None);
    answer.fails(429, 140);
    assert!(answer.header("retry-after").is_some());
    // So that the page can say why.
    let answer = server.send("GET", "/fields/check?key=guess", &[], None);
    answer.fails(429, 140);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    // Scripts cost nothing, and cards are counted by themselves.
    assert_eq!(server.send("GET", "/js/0.1.0/panvault.js", &[], None).status, 200);
    let metrics = crate::support::send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).text;
    assert!(metrics.contains("{limit=\"address_frames_per_minute\"} 2"), "{metrics}");
}
