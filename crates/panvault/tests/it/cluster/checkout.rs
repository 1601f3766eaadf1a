//! Checkouts over three nodes: the page is of one, what it sends goes to others, and a node dies in the middle. Nothing is paid twice.

use std::sync::Barrier;
use std::thread;

use panvault_testkit::{CanaryCard, HttpAnswer, canary_cards, http_send};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, rounds, signal};
use crate::support::until;

/// Pages that send the same attempt at once.
const TABS: usize = 12;
const DECLINED: u32 = 2_000_000_121;

/// What a page sends: it comes from whichever node the balancer chose, and that is its own origin.
fn act(cluster: &Cluster, node: usize, checkout: &str, what: &str, body: &Value) -> Option<HttpAnswer> {
    let own = cluster.url(node, "");
    let headers = [("Origin", own.as_str()), ("Content-Type", "application/json")];
    let url = cluster.url(node, &format!("/v1/checkout/{checkout}/{what}"));
    http_send(&url, "POST", &headers, Some(&body.to_string())).ok()
}

fn pay(cluster: &Cluster, node: usize, checkout: &str, attempt: usize) -> Option<HttpAnswer> {
    act(cluster, node, checkout, "pay", &json!({ "attempt": attempt }))
}

#[track_caller]
fn bring(cluster: &Cluster, node: usize, checkout: &str, canary: &CanaryCard) {
    let card = json!({
        "card_number": canary.number, "expiry_month": "12", "expiry_year": "2040", "cvv": canary.cvv,
    });
    let brought = act(cluster, node, checkout, "card", &card).unwrap();
    assert_eq!(brought.status, 200, "{}", brought.text);
}

fn body(cluster: &Cluster, amount: u32, reference: &str) -> Value {
    json!({
        "account": cluster.account, "amount": amount, "merchant_reference": reference,
        "return_url": "https://shop.example/thanks",
    })
}

fn made(cluster: &Cluster, node: usize, amount: u32, reference: &str) -> String {
    let made = cluster.post(node, "/v1/checkout", &body(cluster, amount, reference));
    assert_eq!(made.status, 200, "{}", made.text);
    made.id()
}

fn seen(cluster: &Cluster, node: usize, checkout: &str) -> Value {
    let url = cluster.url(node, &format!("/v1/checkout/view/{checkout}.json"));
    http_send(&url, "GET", &[("Sec-Fetch-Site", "same-origin")], None).unwrap().json()
}

/// The transactions of a checkout, which are those with its reference.
fn transactions(cluster: &Cluster, node: usize, reference: &str) -> Vec<Value> {
    let answer = cluster.get(node, &format!("/v1/transaction?merchant_reference={reference}"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().as_array().unwrap().clone()
}

#[test]
fn one_attempt_at_all_nodes_at_once_pays_once() {
    let cluster = Cluster::start();
    for (round, canary) in canary_cards(0xd1, rounds()).iter().enumerate() {
        let reference = format!("order-{round}");
        let checkout = made(&cluster, round % NODES, 1_250, &reference);
        bring(&cluster, (round + 1) % NODES, &checkout, canary);
        let start = Barrier::new(TABS);
        let answers: Vec<HttpAnswer> = thread::scope(|scope| {
            let pages: Vec<_> = (0..TABS)
                .map(|page| {
                    let (cluster, checkout, start) = (&cluster, &checkout, &start);
                    scope.spawn(move || {
                        start.wait();
                        pay(cluster, page % NODES, checkout, 0).unwrap()
                    })
                })
                .collect();
            pages.into_iter().map(|page| page.join().unwrap()).collect()
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text);
        }
        for node in 0..NODES {
            let paid = transactions(&cluster, node, &reference);
            assert_eq!(paid.len(), 1, "round {round}, node {node}: {paid:?}");
            assert_eq!(paid[0]["cvv_present"], json!(true), "round {round}: the twin had no card of its own");
            let state = seen(&cluster, node, &checkout);
            assert_eq!((&state["status"], &state["attempt"]), (&json!("completed"), &json!(1)), "{round}");
            pay(&cluster, node, &checkout, 1).unwrap().fails(403, 168);
        }
    }
}

#[test]
fn each_attempt_is_counted_whichever_node_it_is_sent_to() {
    let cluster = Cluster::start();
    let canary = canary_cards(0xd2, 1).remove(0);
    let checkout = made(&cluster, 0, DECLINED, "declined");
    for attempt in 0..3 {
        bring(&cluster, attempt % NODES, &checkout, &canary);
        let [one, other] = [(attempt + 1) % NODES, (attempt + 2) % NODES];
        let codes: Vec<u16> = thread::scope(|scope| {
            let double = [one, other].map(|node| {
                let (cluster, checkout) = (&cluster, &checkout);
                scope.spawn(move || pay(cluster, node, checkout, attempt).unwrap().status)
            });
            double.into_iter().map(|click| click.join().unwrap()).collect()
        });
        // One is declined; the other is told the same, or that it is under way.
        assert!(codes.iter().all(|status| [200, 403].contains(status)), "{codes:?}");
        for node in 0..NODES {
            until("it was declined", || seen(&cluster, node, &checkout)["attempt"] == json!(attempt + 1));
            assert_eq!(transactions(&cluster, node, "declined").len(), attempt + 1);
        }
    }
    for node in 0..NODES {
        assert_eq!(seen(&cluster, node, &checkout)["status"], "failed");
        pay(&cluster, node, &checkout, 3).unwrap().fails(403, 165);
    }
}

#[test]
fn a_node_that_is_killed_in_the_middle_leaves_nothing_to_be_paid_again() {
    let mut cluster = Cluster::start();
    for (round, canary) in canary_cards(0xd3, rounds()).iter().enumerate() {
        let reference = format!("killed-{round}");
        let checkout = made(&cluster, round % NODES, 1_250, &reference);
        bring(&cluster, (round + 2) % NODES, &checkout, canary);
        let (victim, process) = (round % NODES, cluster.process(round % NODES));
        let start = Barrier::new(TABS + 1);
        thread::scope(|scope| {
            for page in 0..TABS {
                let (cluster, checkout, start) = (&cluster, &checkout, &start);
                scope.spawn(move || {
                    start.wait();
                    pay(cluster, page % NODES, checkout, 0)
                });
            }
            start.wait();
            signal(process, "-KILL");
        });
        let other = (victim + 1) % NODES;
        // Whoever had it in hand is dead or not; a page that asks again pays what was not begun, and nothing else. The one that died may have had
        // the CVV: then it is told that the payment is under way until that claim is over.
        until("what was not begun is paid", || {
            let answer = pay(&cluster, other, &checkout, 0).unwrap();
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text);
            !transactions(&cluster, other, &reference).is_empty()
        });
        let paid = transactions(&cluster, other, &reference);
        assert_eq!(paid.len(), 1, "round {round}: {paid:?}");
        cluster.kill_node(victim);
        cluster.start_node(victim);
        cluster.is_ready(victim);
        let state = seen(&cluster, victim, &checkout)["status"].clone();
        assert!(["completed", "processing"].iter().any(|status| state == *status), "round {round}: {state}");
        for attempt in 0..2 {
            let late = pay(&cluster, victim, &checkout, attempt).unwrap();
            assert!([200, 403].contains(&late.status), "round {round}: {}", late.text);
        }
        assert_eq!(transactions(&cluster, victim, &reference).len(), 1, "round {round}");
    }
}
