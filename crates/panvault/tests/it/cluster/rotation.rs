//! Keys of several purposes are replaced over three nodes while requests come and nodes are killed: whoever asks is answered, at another node where one is gone, and in the end every card opens and
//! nothing is under a key of before.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use panvault_testkit::servers::RedisKind;
use panvault_testkit::{HttpAnswer, HttpClient, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, begin, is_soak};
use crate::support::until;

/// Clients that send at a time, and between two requests of each: of all together 500 a second, where the machine is fast enough.
const CLIENTS: u64 = 20;
const PAUSE: Duration = Duration::from_millis(40);
/// How often a client asks again, at the next node, before it takes a request for failed.
const TRIES: usize = 40;
const CARDS_BEFORE: usize = 100;
/// Cards of which it is seen that they open by paying with them; of all others `panvault doctor` sees it.
const PAID: usize = 30;

/// The keys before are gone ten minutes after the next ones are active, at the earliest.
const LONGEST: Duration = Duration::from_secs(1_800);

/// What was asked, and what became of it.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    answered: AtomicUsize,
    /// Asked again, for a node was gone or said that it could not just then.
    again: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// Each card, with what it had for a fingerprint when it was made.
    cards: Mutex<BTreeMap<String, String>>,
}

/// A client that goes to the next node where one does not answer, as what shares requests out does.
struct Client<'a> {
    urls: &'a [String; NODES],
    load: &'a Load,
    key: &'a str,
    http: HttpClient,
    node: usize,
}

impl Client<'_> {
    /// The answer to a request that may be repeated; `None` where it failed, which is noted.
    fn asks(
        &mut self,
        method: &str,
        path: &str,
        once: Option<&str>,
        body: Option<&Value>,
    ) -> Option<HttpAnswer> {
        let mut headers = vec![("X-APIKEY", self.key), ("Content-Type", "application/json")];
        headers.extend(once.map(|once| ("Idempotency-Key", once)));
        let body = body.map(Value::to_string);
        let mut last = String::new();
        for _ in 0..TRIES {
            let url = format!("{}{path}", self.urls[self.node]);
            match self.http.send(&url, method, &headers, body.as_deref()) {
                Ok(answer) if answer.status == 200 => {
                    self.load.answered.fetch_add(1, Ordering::Relaxed);
                    return Some(answer);
                }
                // 409: the first try is still being done, or its node died with it and another has not taken it over yet.
                Ok(answer) if matches!(answer.status, 503 | 409) => {
                    last = format!("{} {}", answer.status, answer.text)
                }
                Ok(answer) => {
                    last = format!("{} {}", answer.status, answer.text);
                    break;
                }
                Err(error) => last = error.to_string(),
            }
            self.load.again.fetch_add(1, Ordering::Relaxed);
            self.node = (self.node + 1) % NODES;
            thread::sleep(Duration::from_millis(100));
        }
        self.load.failed.lock().unwrap().push(format!("{method} {path}: {last}"));
        None
    }

    /// Makes a card, reads it, finds it by its fingerprint and lists others, over and over.
    fn works(&mut self, cluster_card: impl Fn(&str) -> Value, seed: u64) {
        let mut card = (String::new(), String::new());
        for (at, canary) in canary_cards(seed, 100_000).iter().enumerate() {
            let begun = begin();
            let answer = match at % 4 {
                0 => self.asks(
                    "POST",
                    "/v1/card",
                    Some(&format!("{seed}-{at}")),
                    Some(&cluster_card(&canary.number)),
                ),
                1 => self.asks("GET", &format!("/v1/card/{}", card.0), None, None),
                2 => self.asks("GET", &format!("/v1/card?fingerprint={}&_count=none", card.1), None, None),
                _ => self.asks("GET", "/v1/card?_limit=5&_count=none", None, None),
            };
            if self.load.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Some(answer) = answer else { continue };
            if at % 4 == 0 {
                let fingerprint = answer.json()["fingerprint"].as_str().unwrap().to_owned();
                card = (answer.id(), fingerprint.clone());
                self.load.cards.lock().unwrap().insert(answer.id(), fingerprint);
            }
            thread::sleep(PAUSE.saturating_sub(begun.elapsed()));
        }
    }
}

/// The states of the keys of a purpose, the oldest first.
fn states(cluster: &Cluster, of: &str, purpose: &str) -> Vec<String> {
    let keys = cluster.command_at(0, &["key", "inventory"]);
    let keys = keys[of].as_array().unwrap().iter().filter(|key| key["purpose"] == purpose);
    let of_shop = |key: &&Value| of == "vault" || key["organisation"] == json!(cluster.organisation);
    keys.filter(of_shop).map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// Purposes of keys of the vault that are replaced, and of keys of an organisation.
const OF_VAULT: [&str; 3] = ["row_tag", "document_head", "wrapping"];
const OF_ORGANISATION: [&str; 2] = ["data", "fingerprint"];

#[test]
fn keys_are_replaced_over_three_nodes_under_load_and_kill() {
    // The keys before are gone after ten minutes at the earliest, and each step takes twelve seconds: too long for every run.
    if !is_soak() {
        return;
    }
    let mut cluster = Cluster::prepare_on(
        RedisKind::Valkey,
        vec!["fingerprint_overlap_seconds=30", "rotation_rows_per_second=300"],
    );
    cluster.start_nodes();
    let load = Load::default();
    let urls = [0, 1, 2].map(|node| cluster.url(node, ""));
    let (key, organisation) = (cluster.key.clone(), cluster.organisation.clone());
    let body = |number: &str| json!({ "card_number": number, "expiry_month": "12", "expiry_year": "2040", "organisation": organisation });
    let begun = begin();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (urls, load, key, body) = (&urls, &load, key.as_str(), &body);
            scope.spawn(move || {
                let node = usize::try_from(client).unwrap() % NODES;
                Client { urls, load, key, http: HttpClient::default(), node }.works(body, 0xe00 + client);
            });
        }
        let over = Over(&load.is_over);
        until("there are cards", || load.cards.lock().unwrap().len() >= CARDS_BEFORE);
        replaced(&mut cluster);
        drop(over);
    });
    let seconds = begun.elapsed().as_secs_f64();
    let (answered, again) = (load.answered.load(Ordering::SeqCst), load.again.load(Ordering::SeqCst));
    let failed = load.failed.into_inner().unwrap();
    let cards = load.cards.into_inner().unwrap();
    println!(
        "keys replaced: {answered} requests in {seconds:.0} s, {again} asked again, {} failed, {} cards",
        failed.len(),
        cards.len()
    );
    assert!(failed.is_empty(), "{} failed: {:#?}", failed.len(), &failed[..failed.len().min(8)]);
    // What opens nobody sees but who is paid with it.
    for (at, card) in cards.keys().enumerate().step_by(cards.len().div_ceil(PAID)) {
        let paid = cluster.post(at % NODES, "/v1/transaction", &cluster.transaction_body(card, 500));
        assert_eq!(paid.status, 200, "{card}: {}", paid.text);
    }
    // All of them, and everything else, by the keys that are left.
    for node in 0..NODES {
        cluster.stop_node(node);
    }
    let report = cluster.command(&["doctor"]);
    assert_eq!(report["healthy"], json!(true), "{report}");
}

/// Ends the load, also where something panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Replaces keys, and kills nodes meanwhile, one after the other until all keys of before are gone.
fn replaced(cluster: &mut Cluster) {
    let of_shop = ["--organisation", &cluster.organisation.clone()];
    for purpose in OF_ORGANISATION {
        cluster.command_at(0, &[&["key", "rotate", purpose], &of_shop[..]].concat());
    }
    for purpose in OF_VAULT {
        cluster.command_at(0, &["key", "rotate", purpose]);
    }
    let is_ended = |states: Vec<String>| states == ["destroyed", "active"];
    let begun = begin();
    for victim in (0..NODES).cycle() {
        assert!(begun.elapsed() < LONGEST, "{:?}", OF_VAULT.map(|of| states(cluster, "vault", of)));
        cluster.kill_node(victim);
        // Others have the duty for a while, without it.
        thread::sleep(Duration::from_secs(5));
        cluster.start_node(victim);
        cluster.is_ready(victim);
        // Long enough for a sweep to come to its end between two.
        for _ in 0..12 {
            if OF_ORGANISATION.iter().all(|of| is_ended(states(cluster, "organisations", of)))
                && OF_VAULT.iter().all(|of| is_ended(states(cluster, "vault", of)))
            {
                return;
            }
            thread::sleep(Duration::from_secs(5));
        }
    }
}
