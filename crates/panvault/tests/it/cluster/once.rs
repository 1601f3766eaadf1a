//! One CVV that nodes share, through every kind of processor: a node fails to reach a PSP and another pays with it, or a node is killed, and no other ever does.

use std::fs;
use std::thread;
use std::time::Duration;

use panvault_testkit::psp::{DescribedPsps, FAILURES, Failure};
use panvault_testkit::{CanaryCard, LeakScan};
use serde_json::json;

use crate::cli::path;
use crate::cluster::nodes::{Cluster, NODES, is_soak, signal};
use crate::once::{FIRST, KINDS, accounts, canaries, killed, order, seen, whole};

/// A lease and what clocks may differ by, and some more: by then others have taken over.
const TAKEN_OVER_SECONDS: u64 = 300;

fn cluster(psps: &DescribedPsps) -> (Cluster, [String; KINDS]) {
    let mut cluster = Cluster::prepare();
    (0..NODES).for_each(|node| cluster.set(node, format!("processors={}", path(psps.descriptions()))));
    cluster.start_nodes();
    let accounts =
        accounts(psps, cluster.directory(), &cluster.organisation, |words| cluster.command_at(0, words));
    accounts.iter().for_each(|account| cluster.all_know("account", account));
    (cluster, accounts)
}

/// Only the fakes' own sockets saw a number.
fn scan(cluster: &Cluster, psps: &DescribedPsps, cards: &[CanaryCard]) {
    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    let copies = tempfile::tempdir().unwrap();
    cluster.postgres.dump(&cluster.database.name, "plain", &copies.path().join("dump.sql"));
    cluster.redis.command(&["CONFIG", "SET", "rdbcompression", "no"]);
    cluster.redis.command(&["SAVE"]);
    fs::copy(cluster.redis.data().join("dump.rdb"), copies.path().join("dump.rdb")).unwrap();
    assert!(fs::metadata(copies.path().join("dump.sql")).unwrap().len() > 10_000);
    for directory in [copies.path(), cluster.directory(), psps.descriptions()] {
        assert_eq!(scan.scan_directory(directory).unwrap(), []);
    }
    for (source, text) in [("PostgreSQL", cluster.postgres.log()), ("Redis", cluster.redis.log())] {
        assert_eq!(scan.scan(source, text.as_bytes()), []);
    }
    // The control.
    let peers = psps.psps.iter().flat_map(|psp| psp.peer.seen());
    assert!(peers.map(|seen| scan.scan("a PSP", &seen).len()).sum::<usize>() > 0);
}

/// One node fails, and the next pays.
fn fails(
    cluster: &Cluster,
    psps: &DescribedPsps,
    round: usize,
    failure: &Failure,
    kind: usize,
    account: &str,
    canary: &CanaryCard,
) {
    let (failing, paying) = (round % NODES, (round + 1) % NODES);
    let at = format!("{}, kind {kind}", failure.name);
    let peer = &psps.psps[FIRST[kind]].peer;
    let card = cluster.make_card(paying, &canary.number, Some(&canary.cvv));
    failure.begins(peer);
    let failed = cluster.post(failing, "/v1/transaction", &order(account, &card));
    failure.ends(peer);
    let has_next = kind == KINDS - 1;
    let (expected, is_held) = match (failure.is_seen(), has_next) {
        (true, _) => ((502, 122), false),
        (false, false) => ((503, 131), true),
        (false, true) => ((200, 0), false),
    };
    assert_eq!((failed.status, failed.code()), expected, "{at}: {}", failed.text);
    let held = cluster.get(paying, &format!("/v1/card/{card}")).json();
    assert_eq!(held["cvv_present"], json!(is_held), "{at}");
    let before = seen(psps, canary);
    for (node, is_held) in [(paying, is_held), (failing, false)] {
        let paid = cluster.post(node, "/v1/transaction", &order(account, &card));
        assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(is_held)), "{at}: {}", paid.text);
    }
    let expected = (before.0 + 2, before.1 + usize::from(is_held));
    assert_eq!(seen(psps, canary), expected, "{at}");
    assert!(expected.1 <= 1, "{at}: {expected:?}");
}

#[test]
fn a_cvv_that_one_node_could_not_send_goes_out_once_by_another() {
    let psps = DescribedPsps::start();
    let (cluster, accounts) = cluster(&psps);
    let failures: Vec<_> = FAILURES.iter().filter(|failure| failure.is_quick()).collect();
    let canaries = canaries(0x0cf, failures.len());
    thread::scope(|scope| {
        for (kind, (account, cards)) in accounts.iter().zip(canaries.chunks(failures.len())).enumerate() {
            let (cluster, psps, failures) = (&cluster, &psps, &failures);
            scope.spawn(move || {
                for (round, (failure, canary)) in failures.iter().zip(cards).enumerate() {
                    fails(cluster, psps, round, failure, kind, account, canary);
                }
            });
        }
    });
    scan(&cluster, &psps, &canaries);
}

/// What a dead node had in hand is nobody's to send. Others call it unknown when its lease has run out: in the long form that is waited for.
#[test]
fn a_node_that_is_killed_leaves_nothing_that_another_sends() {
    let psps = DescribedPsps::start();
    let (mut cluster, accounts) = cluster(&psps);
    let canaries = canaries(0x0d0, Failure::silent().count());
    let mut left = Vec::new();
    for (round, (failure, canaries)) in Failure::silent().zip(canaries.chunks(KINDS)).enumerate() {
        let (victim, other) = (round % NODES, (round + 1) % NODES);
        let make = |canary: &CanaryCard| cluster.make_card(other, &canary.number, Some(&canary.cvv));
        let cards: Vec<_> = canaries.iter().map(make).collect();
        let key = |kind: usize| format!("order-{round}-{kind}");
        let pay = |node: usize, kind: usize| {
            cluster.try_post(node, "/v1/transaction", Some(&key(kind)), &order(&accounts[kind], &cards[kind]))
        };
        let process = cluster.process(victim);
        let is_written = |kind: usize| !cluster.transactions(other, &cards[kind]).is_empty();
        let kill = || signal(process, "-KILL");
        killed(&psps, failure, |kind| pay(victim, kind).is_some(), is_written, kill);
        for (kind, (canary, card)) in canaries.iter().zip(&cards).enumerate() {
            let at = format!("{}, kind {kind}", failure.name);
            // Who asks again, at another node, is told that it is under way.
            pay(other, kind).unwrap().fails(409, 142);
            let listed = cluster.transactions(other, card);
            let [one] = listed.as_slice() else { panic!("{at}: {listed:?}") };
            assert_eq!((&one["status"], &one["cvv_present"]), (&json!("INITIATED"), &json!(true)), "{at}");
            let held = cluster.get(other, &format!("/v1/card/{card}")).json();
            assert_eq!(held["cvv_present"], false, "{at}: it may have gone out");
            assert_eq!(seen(&psps, canary), (whole(failure), whole(failure)), "{at}: nothing is sent again");
            let paid = cluster.post(other, "/v1/transaction", &order(&accounts[kind], card));
            assert_eq!(
                (paid.status, &paid.json()["cvv_present"]),
                (200, &json!(false)),
                "{at}: {}",
                paid.text
            );
            assert_eq!(seen(&psps, canary), (whole(failure) + 1, whole(failure)), "{at}");
            left.push((at, one["_id"].as_str().unwrap().to_owned(), canary.clone(), whole(failure)));
        }
        cluster.kill_node(victim);
        cluster.start_node(victim);
        cluster.is_ready(victim);
    }
    if is_soak() {
        thread::sleep(Duration::from_secs(TAKEN_OVER_SECONDS));
        for (at, id, canary, whole) in &left {
            let one = cluster.get(0, &format!("/v1/transaction/{id}")).json();
            let is_told = *whole == 1 && one["status"] == "SETTLEMENT_REQUESTED";
            assert!(one["status"] == "UNKNOWN" || is_told, "{at}: {one}");
            assert_eq!(seen(&psps, canary), (whole + 1, *whole), "{at}");
        }
    }
    scan(&cluster, &psps, &canaries);
}
