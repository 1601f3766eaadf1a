//! What somebody with a connection tries, at each of three nodes and at the address before them: each answers as one node does, whichever was asked before.

use panvault_testkit::servers::HaProxy;
use panvault_testkit::{HttpAnswer, canary_cards, http_send};
use serde_json::{Value, json};

use crate::cluster::nodes::Cluster;
use crate::support::until;

/// Another organisation, with a key and a card of its own.
struct Stranger {
    organisation: String,
    key: String,
    card: String,
}

impl Stranger {
    fn make(cluster: &Cluster, number: &str) -> Self {
        let made = |words: &[&str]| -> Value {
            let ended = cluster.ended(words);
            assert!(ended.status.success(), "{}", ended.err);
            serde_json::from_str(&ended.out).unwrap()
        };
        let organisation =
            made(&["organisation", "create", "--name", "Y"])["_id"].as_str().unwrap().to_owned();
        let words =
            ["apikey", "create", "--role", "MerchantAdmin", "--name", "Y", "--organisation", &organisation];
        let key = made(&words)["api_key"].as_str().unwrap().to_owned();
        let mut body = cluster.card_body(number, None);
        body["organisation"] = json!(organisation);
        let mut card = String::new();
        until("the nodes know the stranger's key", || {
            let made = send(&cluster.url(1, "/v1/card"), "POST", &key, &[], Some(&body.to_string()));
            card = made.id();
            made.status == 200
        });
        Self { organisation, key, card }
    }
}

fn send(url: &str, method: &str, key: &str, more: &[(&str, &str)], body: Option<&str>) -> HttpAnswer {
    let mut headers = vec![("X-APIKEY", key)];
    if !more.iter().any(|(name, _)| *name == "Content-Type") {
        headers.push(("Content-Type", "application/json"));
    }
    headers.extend_from_slice(more);
    http_send(url, method, &headers, body).unwrap()
}

#[test]
fn every_door_refuses_what_one_node_refuses() {
    let cluster = Cluster::start();
    let haproxy = HaProxy::start(cluster.addresses());
    let [own, other, strange, later] = &canary_cards(0xa77, 4)[..] else { panic!("four") };
    let card = cluster.make_card(0, &own.number, None);
    let stranger = Stranger::make(&cluster, &strange.number);
    let body = cluster.card_body(&own.number, Some(&own.cvv)).to_string();
    let another = cluster.card_body(&other.number, None).to_string();
    let first =
        send(&cluster.url(0, "/v1/card"), "POST", &cluster.key, &[("Idempotency-Key", "once")], Some(&body));
    assert_eq!(first.status, 200, "{}", first.text);
    let doors: Vec<String> =
        [0, 1, 2].map(|node| cluster.url(node, "")).into_iter().chain([haproxy.url.clone()]).collect();
    let (own_path, strange_path) = (format!("/v1/card/{card}"), format!("/v1/card/{}", stranger.card));
    let of_stranger = cluster.transaction_body(&stranger.card, 500).to_string();
    let mut for_stranger = cluster.card_body(&own.number, None);
    for_stranger["organisation"] = json!(stranger.organisation);
    let for_stranger = for_stranger.to_string();
    let twice = body.replacen('{', "{\"cvv\":\"999\",", 1);
    let as_number = body.replace(&format!("\"{}\"", own.number), &own.number);
    let large = body.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(17 * 1024)), 1);
    for door in &doors {
        let asked = |method: &str, path: &str, key: &str, more: &[(&str, &str)], body: Option<&str>| {
            send(&format!("{door}{path}"), method, key, more, body)
        };
        let key = cluster.key.as_str();
        // What was made at another node a moment ago is looked for once more before it is said not to be there.
        until("it has seen all that was made", || asked("GET", &strange_path, key, &[], None).status == 404);
        assert_eq!(asked("GET", &own_path, key, &[], None).status, 200, "the control, {door}");
        let nobody = "pv_test_00000000000000000000000000000000000000000000000000000000";
        for (what, answer, status, code) in [
            ("a key of nobody's", asked("GET", &own_path, nobody, &[], None), 401, 116),
            ("no key", asked("GET", &own_path, "", &[], None), 401, 116),
            ("a stranger's card", asked("GET", &strange_path, key, &[], None), 404, 109),
            ("to delete it", asked("DELETE", &strange_path, key, &[], None), 404, 109),
            ("to pay with it", asked("POST", "/v1/transaction", key, &[], Some(&of_stranger)), 404, 109),
            (
                "a card in their organisation",
                asked("POST", "/v1/card", key, &[], Some(&for_stranger)),
                404,
                109,
            ),
            ("ours, as they", asked("GET", &own_path, &stranger.key, &[], None), 404, 109),
            (
                "one idempotency key, another body",
                asked("POST", "/v1/card", key, &[("Idempotency-Key", "once")], Some(&another)),
                422,
                143,
            ),
            ("a member twice", asked("POST", "/v1/card", key, &[], Some(&twice)), 400, 107),
            ("a number as a number", asked("POST", "/v1/card", key, &[], Some(&as_number)), 400, 107),
            ("too much", asked("POST", "/v1/card", key, &[], Some(&large)), 413, 147),
            (
                "another type",
                asked("POST", "/v1/card", key, &[("Content-Type", "text/plain")], Some(&body)),
                415,
                145,
            ),
            ("another method", asked("PUT", "/v1/card", key, &[], Some(&body)), 405, 146),
            (
                "a path that is none",
                asked("GET", &format!("{own_path}%2f..%2f..%2fapikey"), key, &[], None),
                404,
                109,
            ),
            ("what only the operator may", asked("POST", "/local/bins/load", key, &[], Some("{}")), 404, 109),
        ] {
            assert_eq!((answer.status, answer.code()), (status, code), "{what}, {door}: {}", answer.text);
            let says = [&own.number, &other.number, &strange.number, &stranger.organisation];
            assert!(
                !says.iter().any(|value| answer.text.contains(*value)),
                "{what}, {door}: {}",
                answer.text
            );
        }
        let again = asked("POST", "/v1/card", key, &[("Idempotency-Key", "once")], Some(&body));
        assert_eq!((again.status, again.id()), (200, first.id()), "{door}: it was done once");
        let theirs = body.replace(&cluster.organisation, &stranger.organisation);
        let made = asked("POST", "/v1/card", &stranger.key, &[("Idempotency-Key", "once")], Some(&theirs));
        assert!(made.status == 200 && made.id() != first.id(), "their key is another, {door}: {}", made.text);
    }
    let listed = cluster.get(2, "/v1/card?_limit=1000").json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "nothing was made but what was asked for: {listed}");
    assert_eq!(cluster.get(1, "/v1/transaction").json(), json!([]));

    // A key is revoked at one door, with one answer; no other takes it for long, and what it made is there.
    let (id, key) = cluster.make_key();
    let key = key.as_str();
    let last = cluster.card_body(&later.number, None).to_string();
    for door in &doors {
        until("the key is known", || send(&format!("{door}/v1/card"), "GET", key, &[], None).status == 200);
    }
    let revoked = send(&format!("{}/v1/apikey/{id}", haproxy.url), "DELETE", &cluster.key, &[], None);
    assert!(revoked.status < 300, "{}", revoked.text);
    for door in &doors {
        until("the key is refused", || send(&format!("{door}/v1/card"), "GET", key, &[], None).status == 401);
        send(&format!("{door}/v1/card"), "POST", key, &[], Some(&last)).fails(401, 116);
    }
}
