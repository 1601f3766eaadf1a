//! Three nodes that are sealed at one of them, and unsealed again.

use core::time::Duration;
use std::thread;

use panvault_testkit::{LeakScan, canary_cards};
use serde_json::json;

use crate::cli::path;
use crate::cluster::nodes::{Cluster, NODES, begin};
use crate::support::{run, until};

/// Time in which a seal reaches all nodes.
const SEAL_TIME: Duration = Duration::from_secs(2);

/// The answer of a command beside a node.
fn command(cluster: &Cluster, node: usize, words: &[&str]) -> String {
    let directory = cluster.directory();
    let (config, data) = (directory.join("vault.settings.toml"), directory.join(format!("node-{node}")));
    let ended = run(&[words, &["--config", path(&config), "--data", path(&data)]].concat());
    assert!(ended.status.success(), "{words:?}: {}", ended.err);
    ended.out
}

#[test]
fn a_seal_reaches_all_nodes_and_holds_until_one_is_unsealed() {
    let mut cluster = Cluster::start();
    let canaries = canary_cards(0x5ea1, 2);
    let cards: Vec<_> =
        canaries.iter().map(|canary| cluster.make_card(1, &canary.number, Some(&canary.cvv))).collect();
    // Its processor takes a while: it has left when the vault is sealed, and is answered and written down all the same.
    let mut slow = cluster.transaction_body(&cards[0], 500);
    slow["merchant_reference"] = json!("please 169");
    let paid = thread::scope(|scope| {
        let paying = scope.spawn(|| cluster.try_post(1, "/v1/transaction", Some("order"), &slow));
        until("the payment is under way", || cluster.transactions(2, &cards[0]).len() == 1);
        command(&cluster, 0, &["seal"]);
        let sealed = begin();
        for node in 0..NODES {
            until("a node is sealed", || cluster.get(node, "/v1/card").status == 503);
        }
        assert!(sealed.elapsed() < SEAL_TIME, "{:?}", sealed.elapsed());
        paying.join().unwrap()
    });
    assert!(paid.is_some_and(|answer| answer.status != 503), "what was sent is answered");
    let scan = LeakScan::new(canaries.iter().map(|card| card.number.as_str()));
    for node in 0..NODES {
        until("a node has let go of all keys", || cluster.log(node).contains("vault.sealed"));
        assert!(!cluster.log(node).contains("vault.still_held"));
        let answer = cluster.get(node, "/readyz");
        assert_eq!(
            (answer.status, answer.text.contains("somebody has sealed")),
            (503, true),
            "{}",
            answer.text
        );
        let body = cluster.transaction_body(&cards[1], 500);
        let refused = cluster.try_post(node, "/v1/transaction", None, &body).unwrap();
        assert_eq!(refused.json()["code"], json!(141));
        // It needs root.
        if let Ok(found) = scan.scan_process(cluster.process(node), &[]) {
            assert!(found.is_empty(), "{found:?}");
        }
    }
    // Nor does a node open that was killed, and starts again.
    cluster.kill_node(2);
    cluster.start_node(2);
    until("it waits", || cluster.log(2).matches("server.sealed").count() == 2);
    assert_eq!(cluster.get(2, "/v1/card").status, 503);

    assert!(command(&cluster, 1, &["unseal"]).contains("the vault is open"));
    for node in 0..NODES {
        cluster.is_ready(node);
        assert_eq!(cluster.get(node, &format!("/v1/card/{}", cards[1])).status, 200);
    }
    let rows = cluster.transactions(0, &cards[0]);
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0]["status"], json!("UNKNOWN"));
    let body = cluster.transaction_body(&cards[1], 500);
    assert_eq!(cluster.post(0, "/v1/transaction", &body).status, 200);
}
