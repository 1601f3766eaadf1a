//! The network between a node and the database is cut, slow, or silent.

use core::time::Duration;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use panvault_testkit::servers::{Flow, Network};
use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::json;

use crate::cluster::nodes::{Cluster, NODES, begin, is_soak};
use crate::cluster::with_cvv;
use crate::support::until;

/// Payments that are under way at the node that is cut off.
const UNDER_WAY: usize = 8;
/// Nobody waits longer for an answer of a node that does not see the database: what it waits for itself, and what the machine needs beside other tests.
const ANSWER_SECONDS_MAX: u64 = 60;

/// Three nodes, of which the first reaches the database by a network of its own.
fn cluster() -> (Cluster, Network) {
    let mut cluster = Cluster::prepare();
    let network = Network::start(cluster.postgres.port());
    cluster.set(0, cluster.store_through(network.port()));
    cluster.start_nodes();
    (cluster, network)
}

/// Pays with each card once at the first node, and gives the answers; `meanwhile` runs while they are under way.
fn pay_meanwhile(
    cluster: &Cluster,
    cards: &[String],
    round: usize,
    meanwhile: impl FnOnce(),
) -> Vec<(Option<HttpAnswer>, Duration)> {
    let start = Barrier::new(cards.len() + 1);
    thread::scope(|scope| {
        let start = &start;
        let payments: Vec<_> = cards
            .iter()
            .enumerate()
            .map(|(n, card)| {
                scope.spawn(move || {
                    let body = cluster.transaction_body(card, 500);
                    start.wait();
                    let begun = begin();
                    let key = format!("{round}-{n}");
                    (cluster.try_post(0, "/v1/transaction", Some(&key), &body), begun.elapsed())
                })
            })
            .collect();
        start.wait();
        meanwhile();
        payments.into_iter().map(|payment| payment.join().unwrap()).collect()
    })
}

/// Whatever was answered, each card is paid with once, and what was answered is so. Who was not told asks once more with the same key.
fn are_paid_once(
    cluster: &Cluster,
    cards: &[String],
    round: usize,
    answers: &[(Option<HttpAnswer>, Duration)],
) {
    for (n, (card, (answer, time))) in cards.iter().zip(answers).enumerate() {
        let said = answer.as_ref().map(|answer| (answer.status, &answer.text));
        assert!(time.as_secs() < ANSWER_SECONDS_MAX, "round {round}: {time:?} {said:?}");
        let body = cluster.transaction_body(card, 500);
        let mut again = None;
        until("it is known what became of it", || {
            let answer =
                cluster.try_post(2, "/v1/transaction", Some(&format!("{round}-{n}")), &body).unwrap();
            let is_known = answer.code() != 142 && answer.status != 503;
            again = Some(answer);
            is_known
        });
        let again = again.unwrap();
        assert!(
            matches!(again.status, 200 | 502),
            "round {round}: {}, then {}",
            said.map_or("", |said| said.1),
            again.text
        );
        let transactions = cluster.transactions(1, card);
        assert_eq!(transactions.len(), 1, "round {round}: {said:?}, then {}: {transactions:?}", again.text);
        assert!(with_cvv(&transactions) <= 1);
        if let Some((200, _)) = said {
            let first = answer.as_ref().unwrap().json();
            assert_eq!(
                (&first["_id"], &first["cvv_present"]),
                (&transactions[0]["_id"], &json!(true)),
                "round {round}"
            );
        }
    }
}

/// Whoever asks other nodes notices nothing.
fn others_serve(cluster: &Cluster, number: &str, cvv: &str) {
    for node in 1..NODES {
        let begun = begin();
        let card = cluster.make_card(node, number, Some(cvv));
        let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(&card, 500));
        assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
        is_soon(begun, 5);
    }
}

#[track_caller]
fn is_soon(begun: Instant, seconds: u64) {
    assert!(begun.elapsed().as_secs() < seconds, "{:?}", begun.elapsed());
}

#[test]
fn a_node_that_is_cut_off_from_the_database_refuses_and_comes_back() {
    let (mut cluster, network) = cluster();
    let (rounds, cut_seconds) = if is_soak() { (5, 30) } else { (1, 5) };
    let canaries = canary_cards(0xe1, UNDER_WAY);
    for round in 0..rounds {
        let (key_id, key) = cluster.make_key();
        until("the first node knows the key", || cluster.get_with(0, "/v1/card", &key).status == 200);
        let cards: Vec<_> =
            canaries.iter().map(|canary| cluster.make_card(1, &canary.number, Some(&canary.cvv))).collect();
        let answers = pay_meanwhile(&cluster, &cards, round, || {
            network.set(Flow::Cut);
            let cut = begin();
            cluster.command_at(1, &["apikey", "revoke", &key_id]);
            let revoked = begin();
            until("the first node refuses what was revoked", || {
                let begun = revoked.elapsed();
                let refused = matches!(cluster.get_with(0, "/v1/card", &key).status, 401 | 503);
                // Two seconds, and what the machine needs beside other tests.
                assert!(refused || begun.as_secs() < 4, "{begun:?}");
                refused
            });
            // What began before that waited for the database.
            is_soon(revoked, 10);
            until("it says that it is not ready", || cluster.get(0, "/readyz").status == 503);
            is_soon(cut, 12);
            while cut.elapsed().as_secs() < cut_seconds {
                others_serve(&cluster, &canaries[0].number, &canaries[0].cvv);
                let begun = begin();
                assert_eq!(cluster.get(0, &format!("/v1/card/{}", cards[0])).status, 503);
                is_soon(begun, 5);
                let begun = begin();
                let refused = cluster.post(0, "/v1/card", &cluster.card_body(&canaries[0].number, None));
                assert_eq!(refused.status, 503, "{}", refused.text);
                assert_eq!(cluster.get(0, "/livez").status, 200);
                is_soon(begun, 5);
            }
            network.set(Flow::Free);
            let mended = begin();
            until("it is back by itself", || cluster.get(0, "/readyz").status == 200);
            println!("round {round}: back after {:.1?}", mended.elapsed());
        });
        are_paid_once(&cluster, &cards, round, &answers);
        cluster.make_card(0, &canaries[0].number, Some(&canaries[0].cvv));
        assert_eq!(cluster.get_with(0, "/v1/card", &key).status, 401);
    }
    cluster.is_ready(0);
}

#[test]
fn a_node_far_from_the_database_serves_slowly_or_not_at_all() {
    let (cluster, network) = cluster();
    let canaries = canary_cards(0xe2, 4);
    // There and back 200 ms, and no more than a telephone line carries.
    network.set(Flow::Slow { latency: Duration::from_millis(100), bytes_per_second: 20_000 });
    until("it has connections enough", || {
        cluster.post(0, "/v1/card", &cluster.card_body(&canaries[0].number, None)).status == 200
    });
    for canary in &canaries {
        let card = cluster.make_card(0, &canary.number, Some(&canary.cvv));
        let paid = cluster.post(0, "/v1/transaction", &cluster.transaction_body(&card, 500));
        assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
        assert_eq!(cluster.transactions(0, &card).len(), 1);
    }
    assert_eq!(cluster.get(0, "/readyz").status, 200);
    // It cannot know in time what was revoked.
    network.set(Flow::Slow { latency: Duration::from_secs(2), bytes_per_second: 20_000 });
    until("it says that it is not ready", || cluster.get(0, "/readyz").status == 503);
    others_serve(&cluster, &canaries[0].number, &canaries[0].cvv);
    let begun = begin();
    let refused = cluster.post(0, "/v1/card", &cluster.card_body(&canaries[0].number, None));
    assert_eq!(refused.status, 503, "{}", refused.text);
    is_soon(begun, 5);
    network.set(Flow::Free);
    until("it is back by itself", || cluster.get(0, "/readyz").status == 200);
    until("it serves again", || {
        cluster.post(0, "/v1/card", &cluster.card_body(&canaries[0].number, None)).status == 200
    });
}

/// The machine of the database goes without a word, and another has its address: connections stay open, and nothing is answered on them.
#[test]
fn a_node_whose_connections_are_dead_makes_new_ones_by_itself() {
    let (cluster, network) = cluster();
    let canaries = canary_cards(0xe3, UNDER_WAY);
    for round in 0..if is_soak() { 5 } else { 1 } {
        let cards: Vec<_> =
            canaries.iter().map(|canary| cluster.make_card(0, &canary.number, Some(&canary.cvv))).collect();
        let answers = pay_meanwhile(&cluster, &cards, round, || {
            network.forsake();
            let begun = begin();
            until("it serves by new connections", || {
                cluster.post(0, "/v1/card", &cluster.card_body(&canaries[0].number, None)).status == 200
            });
            println!("round {round}: served again after {:.1?}", begun.elapsed());
            is_soon(begun, 30);
            others_serve(&cluster, &canaries[0].number, &canaries[0].cvv);
        });
        are_paid_once(&cluster, &cards, round, &answers);
    }
}
