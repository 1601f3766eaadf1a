//! Three nodes over one database: what holds of one must hold of all of them together, whichever of them, of the database and of what holds CVVs dies.

mod attacks;
mod checkout;
mod cvvs;
mod duty;
mod failover;
mod leak;
mod ledger;
mod load;
mod network;
mod nodes;
mod once;
mod rolling;
mod rotation;
mod sealed;
mod stopped;
mod tampered;
mod told;

use std::sync::Barrier;
use std::thread;

use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, rounds, signal};
use crate::support::until;

/// Requests that race for one CVV.
const RACERS: usize = 100;
/// Requests with one idempotency key.
const TWINS: usize = 60;

/// Sends so many requests at once, spread over all nodes; `None` is an answer that never came. `meanwhile` runs while they are under way.
fn race(
    cluster: &Cluster,
    count: usize,
    path: &str,
    key: impl Fn(usize) -> String + Sync,
    body: &Value,
    meanwhile: impl FnOnce(),
) -> Vec<Option<HttpAnswer>> {
    let start = Barrier::new(count + 1);
    thread::scope(|scope| {
        let (start, key) = (&start, &key);
        let racers: Vec<_> = (0..count)
            .map(|racer| {
                scope.spawn(move || {
                    let key = key(racer);
                    start.wait();
                    cluster.try_post(racer % NODES, path, Some(&key), body)
                })
            })
            .collect();
        start.wait();
        meanwhile();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

fn with_cvv(transactions: &[Value]) -> usize {
    transactions.iter().filter(|transaction| transaction["cvv_present"] == json!(true)).count()
}

#[test]
fn one_cvv_goes_out_once_over_all_nodes() {
    let cluster = Cluster::start();
    for (round, canary) in canary_cards(0xc1, rounds()).iter().enumerate() {
        let card = cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
        let body = cluster.transaction_body(&card, 1099);
        let answers =
            race(&cluster, RACERS, "/v1/transaction", |racer| format!("{round}-{racer}"), &body, || ());
        for answer in answers.iter().map(|answer| answer.as_ref().unwrap()) {
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text);
        }
        for node in 0..NODES {
            let transactions = cluster.transactions(node, &card);
            assert_eq!(
                (with_cvv(&transactions), transactions.len()),
                (1, RACERS),
                "round {round}, node {node}"
            );
            let held = cluster.get(node, &format!("/v1/card/{card}")).json();
            assert_eq!(held["cvv_present"], json!(false), "round {round}, node {node}");
        }
    }
}

#[test]
fn one_cvv_never_goes_out_twice_when_a_node_is_killed() {
    let mut cluster = Cluster::start();
    for (round, canary) in canary_cards(0xc2, rounds()).iter().enumerate() {
        let card = cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
        let body = cluster.transaction_body(&card, 1099);
        let (victim, process) = (round % NODES, cluster.process(round % NODES));
        let answers = race(
            &cluster,
            RACERS,
            "/v1/transaction",
            |racer| format!("{round}-{racer}"),
            &body,
            || {
                signal(process, "-KILL");
            },
        );
        let answered: Vec<Value> = answers.iter().flatten().map(HttpAnswer::json).collect();
        let others = answers.iter().enumerate().filter(|(racer, _)| racer % NODES != victim);
        for (_, answer) in others {
            assert_eq!(
                answer.as_ref().unwrap().status,
                200,
                "round {round}: {}",
                answer.as_ref().unwrap().text
            );
        }
        assert!(with_cvv(&answered) <= 1, "round {round}");
        let transactions = cluster.transactions((victim + 1) % NODES, &card);
        assert!(with_cvv(&transactions) <= 1, "round {round}: {transactions:?}");
        // What was answered is kept.
        for answer in &answered {
            let id = &answer["_id"];
            assert!(transactions.iter().any(|transaction| &transaction["_id"] == id), "round {round}: {id}");
        }
        cluster.kill_node(victim);
        cluster.start_node(victim);
        cluster.is_ready(victim);
    }
}

#[test]
fn one_idempotency_key_is_one_payment_over_all_nodes() {
    let cluster = Cluster::start();
    for (round, canary) in canary_cards(0xc3, rounds()).iter().enumerate() {
        let card = cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
        let body = cluster.transaction_body(&card, 1099);
        let answers = race(&cluster, TWINS, "/v1/transaction", |_| format!("order-{round}"), &body, || ());
        let answers: Vec<_> = answers.into_iter().map(Option::unwrap).collect();
        let mut ids: Vec<_> =
            answers.iter().filter(|answer| answer.status == 200).map(HttpAnswer::id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "round {round}: {ids:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.fails(409, 142);
        }
        let transactions = cluster.transactions(round % NODES, &card);
        assert_eq!((with_cvv(&transactions), transactions.len()), (1, 1), "round {round}");
    }
}

#[test]
fn refunds_over_two_nodes_are_not_more_than_was_paid() {
    let cluster = Cluster::start();
    for (round, canary) in canary_cards(0xc4, rounds()).iter().enumerate() {
        let card = cluster.make_card(0, &canary.number, None);
        let paid = cluster.post(1, "/v1/transaction", &cluster.transaction_body(&card, 1000));
        assert_eq!(paid.status, 200, "{}", paid.text);
        cluster.settle();
        let path = format!("/v1/transaction/{}/refund", paid.id());
        let answers =
            race(&cluster, 2, &path, |racer| format!("{round}-{racer}"), &json!({ "amount": 600 }), || ());
        let done = answers.iter().flatten().filter(|answer| answer.status == 200).count();
        assert_eq!(done, 1, "round {round}: {answers:?}");
        let refunds = cluster.get(2, &format!("/v1/refund?transaction={}", paid.id())).json();
        let sum: u64 = refunds
            .as_array()
            .unwrap()
            .iter()
            .filter(|refund| refund["status"] != json!("FAILED"))
            .map(|refund| refund["amount"].as_u64().unwrap())
            .sum();
        assert_eq!(sum, 600, "round {round}: {refunds}");
    }
}

/// What holds CVVs is killed: they are gone, what needs none goes on, and what brings one is refused rather than that it is lost unsaid.
#[test]
fn cards_and_payments_go_on_without_what_holds_cvvs() {
    let cluster = Cluster::start();
    let [held, bare, brought, later] = &canary_cards(0xc5, 4)[..] else { panic!("four") };
    let with = cluster.make_card(0, &held.number, Some(&held.cvv));
    cluster.redis.crash();
    for node in 0..NODES {
        assert_eq!(cluster.get(node, &format!("/v1/card/{with}")).status, 200);
        let without = cluster.make_card(node, &bare.number, None);
        let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(&without, 500));
        assert_eq!(paid.status, 200, "{}", paid.text);
        let refused = cluster.post(node, "/v1/card", &cluster.card_body(&brought.number, Some(&brought.cvv)));
        assert_eq!(refused.status, 503, "{}", refused.text);
    }
    cluster.redis.start_again();
    for node in 0..NODES {
        until("CVVs are taken again", || {
            let body = cluster.card_body(&later.number, Some(&later.cvv));
            let answer = cluster.post(node, "/v1/card", &body);
            answer.status == 200 && answer.json()["cvv_present"] == json!(true)
        });
        assert_eq!(cluster.get(node, &format!("/v1/card/{with}")).json()["cvv_present"], json!(false));
    }
    let paid = cluster.post(1, "/v1/transaction", &cluster.transaction_body(&with, 500));
    assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(false)), "{}", paid.text);
}

/// The database is killed: nodes say so, and are back by themselves when it is, with all that was answered.
#[test]
fn nodes_come_back_with_their_database() {
    let mut cluster = Cluster::start();
    let [kept, refused] = &canary_cards(0xc6, 2)[..] else { panic!("two") };
    let card = cluster.make_card(0, &kept.number, Some(&kept.cvv));
    cluster.postgres.crash();
    for node in 0..NODES {
        let answer = cluster.post(node, "/v1/card", &cluster.card_body(&refused.number, None));
        assert_eq!(answer.status, 503, "node {node}: {}", answer.text);
        until("a node says that it is not ready", || cluster.get(node, "/readyz").status == 503);
        assert_eq!(cluster.get(node, "/livez").status, 200);
    }
    cluster.postgres.start_again();
    for node in 0..NODES {
        cluster.is_ready(node);
        assert_eq!(cluster.get(node, &format!("/v1/card/{card}")).status, 200, "node {node}");
        cluster.make_card(node, &kept.number, None);
    }
    let paid = cluster.post(2, "/v1/transaction", &cluster.transaction_body(&card, 500));
    assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
}
