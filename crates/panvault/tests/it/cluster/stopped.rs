//! A node whose process stands still for a while, as a machine that is moved or suspended does, and goes on where it was.

use std::thread;

use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::json;

use crate::cluster::nodes::{Cluster, NODES, begin, is_soak, signal};
use crate::cluster::with_cvv;
use crate::support::until;

/// Payments that are under way at the node that stands still.
const UNDER_WAY: usize = 16;

/// A process that stands still, until this goes.
pub(crate) struct Stopped(u32);

impl Stopped {
    pub(crate) fn stop(process: u32) -> Self {
        signal(process, "-STOP");
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

/// Payments that are under way, a key that is revoked elsewhere meanwhile, and the node that goes on afterwards. Past its lease in the long form: others have
/// taken over what it had, and nothing of it is sent late or written over.
#[test]
fn a_node_that_stood_still_goes_by_nothing_of_before() {
    let mut cluster = Cluster::start();
    let canaries = canary_cards(0xf1, UNDER_WAY + 1);
    let still_seconds = if is_soak() { 320 } else { 4 };
    let process = cluster.process(0);
    let (key_id, key) = cluster.make_key();
    until("the first node knows the key", || cluster.get_with(0, "/v1/card", &key).status == 200);
    let cards: Vec<_> = canaries[..UNDER_WAY]
        .iter()
        .map(|canary| cluster.make_card(1, &canary.number, Some(&canary.cvv)))
        .collect();
    let kept = cluster.make_card(1, &canaries[UNDER_WAY].number, Some(&canaries[UNDER_WAY].cvv));
    let (answers, late) = thread::scope(|scope| {
        let cluster = &cluster;
        // Some of them with an answer of the processor that takes a while.
        let payments: Vec<_> = cards
            .iter()
            .enumerate()
            .map(|(n, card)| {
                let mut body = cluster.transaction_body(card, 500);
                if n % 2 == 0 {
                    body["merchant_reference"] = json!("please 169");
                }
                scope
                    .spawn(move || cluster.try_post(0, "/v1/transaction", Some(&format!("order-{n}")), &body))
            })
            .collect();
        // As soon as some are written.
        until("a payment is under way", || {
            cards.iter().any(|card| !cluster.transactions(1, card).is_empty())
        });
        let stopped = Stopped::stop(process);
        cluster.command_at(1, &["apikey", "revoke", &key_id]);
        let revoked = begin();
        // What comes while it stands still is taken by the system, and read when it goes on.
        let late = ["GET", "POST", "DELETE"].map(|method| {
            let (path, key) = (format!("/v1/card/{kept}"), &key);
            let body = (method == "POST")
                .then(|| json!({ "organisation": cluster.organisation, "cvv": null }).to_string());
            scope.spawn(move || cluster.send_with(0, method, &path, key, body.as_deref()))
        });
        while revoked.elapsed().as_secs() < still_seconds {
            for node in 1..NODES {
                let card = cluster.make_card(node, &canaries[0].number, Some(&canaries[0].cvv));
                let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(&card, 500));
                assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
            }
        }
        let before: Vec<_> = cards.iter().map(|card| cluster.transactions(1, card)).collect();
        if is_soak() {
            // Its lease has run out, by more than clocks differ, and a sweep has come by.
            for transaction in before.iter().flatten() {
                assert!(
                    transaction["status"] != json!("INITIATED") && transaction["status"] != json!("PENDING"),
                    "{transaction}"
                );
            }
        }
        drop(stopped);
        let answers: Vec<_> = payments.into_iter().map(|payment| payment.join().unwrap()).collect();
        let late = late.map(|late| late.join().unwrap());
        if is_soak() {
            for (card, before) in cards.iter().zip(&before) {
                let after = cluster.transactions(1, card);
                let of = |list: &[serde_json::Value]| -> Vec<_> {
                    list.iter().map(|row| (row["_id"].clone(), row["status"].clone())).collect()
                };
                assert!(of(&after).starts_with(&of(before)), "{before:?} {after:?}");
            }
        }
        (answers, late)
    });
    for answer in late {
        let answer: HttpAnswer = answer.unwrap();
        assert!(matches!(answer.status, 401 | 503), "{} {}", answer.status, answer.text);
    }
    let read = cluster.get(1, &format!("/v1/card/{kept}"));
    assert_eq!((read.status, &read.json()["cvv_present"]), (200, &json!(true)), "{}", read.text);
    for (n, (card, answer)) in cards.iter().zip(&answers).enumerate() {
        let transactions = cluster.transactions(2, card);
        assert!(transactions.len() <= 1 && with_cvv(&transactions) <= 1, "{transactions:?}");
        let answer = answer.as_ref().unwrap();
        if answer.status == 200 {
            assert_eq!(answer.json()["_id"], transactions[0]["_id"]);
        } else {
            assert!(matches!(answer.status, 401 | 502 | 503 | 504), "{n}: {} {}", answer.status, answer.text);
        }
    }
    cluster.is_ready(0);
    until("it serves again", || cluster.get(0, &format!("/v1/card/{kept}")).status == 200);
    assert_eq!(cluster.get_with(0, "/v1/card", &key).status, 401);
    if is_soak() {
        assert!(cluster.log(0).contains("node.lease_was_lost"), "{}", cluster.log(0));
    }
    let trail = cluster.command(&["audit", "verify"]);
    assert_eq!(trail["verified"], json!(true), "{trail}");
}
