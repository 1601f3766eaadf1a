//! Looking up issuers.

use panvault_server::ServerSettings;
use panvault_testkit::http_send;
use serde_json::{Value, json};

use crate::support::Server;

#[test]
fn an_issuer_is_looked_up_by_six_to_eleven_digits() {
    let server = Server::start();
    let key = &server.parent.key;
    let expected = json!({
        "bin": "411111", "brand": "Visa", "issuer_name": "TEST BANK VISA NL", "issuer_country": "NL",
        "currency": "EUR", "type": "credit", "variant": "CLASSIC",
    });
    for path in ["/v1/bin/411111", "/v1/bin/41111111", "/v1/bin/41111111111/"] {
        let answer = server.get(key, path);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{path}");
    }
    let unknown = server.get(key, "/v1/bin/499999").json();
    assert_eq!(
        (&unknown["brand"], &unknown["issuer_name"]),
        (&json!("Visa"), &Value::Null),
        "the scheme is known"
    );
    server.get(key, "/v1/bin/990000").fails(404, 109);
    server.get(&server.parent.publishable_key, "/v1/bin/411111").fails(403, 113);
}

#[test]
fn what_could_be_a_card_number_is_refused_and_not_repeated() {
    let server = Server::start();
    for digits in ["41111", "411111111111", "4111111111111111", "41111a", "4111%2011", "%D9%A41111", "-11111"]
    {
        let answer = server.get(&server.parent.key, &format!("/v1/bin/{digits}"));
        answer.fails(400, 107);
        assert!(answer.text.contains("path.bin") && !answer.text.contains(digits), "{}", answer.text);
        assert!(answer.headers.iter().all(|(_, value)| !value.contains(digits)));
    }
    let metrics = http_send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).unwrap().text;
    assert!(metrics.contains("bin_read") && !metrics.contains("41111"), "{metrics}");
}

#[test]
fn each_key_may_look_up_so_many_a_minute() {
    let settings = ServerSettings { bin_lookups_per_minute: 2, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    let ask = |key: &str| server.get(key, "/v1/bin/411111");
    let key = &server.parent.key;
    assert_eq!((ask(key).status, ask(key).status), (200, 200));
    let refused = ask(key);
    refused.fails(429, 140);
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(server.get(key, "/v1/card").status, 200, "nothing else is held back");
    assert_eq!(ask(&server.child.key).status, 200, "each key has its own");
    server.clock.pass_millis(30_000);
    assert_eq!(ask(key).status, 200);
    ask(key).fails(429, 140);
}
