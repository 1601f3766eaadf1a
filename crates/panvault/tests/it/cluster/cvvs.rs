//! What holds CVVs is put back, full, slow, or begins to write to a disk.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;

use panvault_testkit::servers::{Flow, Network, Redis, RedisKind, RedisOptions};
use panvault_testkit::{CanaryCard, HttpAnswer, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, begin, rounds};
use crate::cluster::{race, with_cvv};
use crate::support::until;

/// Requests that race for a CVV that was used before.
const RACERS: usize = 30;
/// What is left of a server's memory that becomes full: for a few hundred CVVs.
const ROOM_BYTES: u64 = 100_000;
/// Who fill it.
const SENDERS: usize = 12;

/// Keeps all keys with the time that each has left, in another of its databases.
const KEEP: &str =
    "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 1, 'REPLACE') end";
/// Puts them back, and nothing else is there.
const PUT_BACK: &str = "redis.call('FLUSHDB'); redis.call('SELECT', 1); \
    for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 0) end";

/// Somebody puts the server of CVVs back to what it was before a payment: the CVV seems to be there again, and the database knows better.
#[test]
fn a_cvv_that_is_put_back_by_hand_goes_out_once() {
    let cluster = Cluster::start();
    for (round, canary) in canary_cards(0xa1, rounds()).iter().enumerate() {
        let card = cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
        cluster.redis.command(&["EVAL", KEEP, "0"]);
        let body = cluster.transaction_body(&card, 1099);
        let pay = |name: &str, meanwhile: &dyn Fn()| {
            let answers = race(
                &cluster,
                RACERS,
                "/v1/transaction",
                |racer| format!("{name}-{round}-{racer}"),
                &body,
                meanwhile,
            );
            answers.into_iter().map(Option::unwrap).collect::<Vec<_>>()
        };
        let first = pay("first", &|| ());
        assert!(first.iter().all(|answer| answer.status == 200), "round {round}: {first:?}");
        cluster.redis.command(&["EVAL", PUT_BACK, "0"]);
        // And once more while they race for it.
        let again = pay("again", &|| drop(cluster.redis.command(&["EVAL", PUT_BACK, "0"])));
        let refused = again.iter().filter(|answer| answer.status != 200);
        refused.for_each(|answer| assert_eq!(answer.status, 503, "round {round}: {}", answer.text));
        let answered: Vec<Value> = again.iter().map(HttpAnswer::json).collect();
        assert_eq!(with_cvv(&answered), 0, "round {round}");
        for node in 0..NODES {
            assert_eq!(with_cvv(&cluster.transactions(node, &card)), 1, "round {round}, node {node}");
        }
        // What comes later is held as ever.
        cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
    }
}

/// Its memory becomes full while cards with CVVs come to all nodes at once: each that is stored has its CVV.
fn fills_up(cluster: &Cluster, card: &CanaryCard) {
    let info = cluster.redis.command(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let used: u64 = used.trim().parse().unwrap();
    cluster.redis.command(&["CONFIG", "SET", "maxmemory", &(used + ROOM_BYTES).to_string()]);
    let refused = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let refused = &refused;
            scope.spawn(move || {
                while !refused.load(Ordering::SeqCst) {
                    let body = cluster.card_body(&card.number, Some(&card.cvv));
                    let answer = cluster.post(sender % NODES, "/v1/card", &body);
                    match answer.status {
                        503 => refused.store(true, Ordering::SeqCst),
                        _ => assert_eq!(
                            (answer.status, &answer.json()["cvv_present"]),
                            (200, &json!(true)),
                            "{}",
                            answer.text
                        ),
                    }
                }
            });
        }
    });
}

/// Cards and payments that need no CVV go on, whatever is wrong with what holds CVVs; what brings one is refused, and it is taken again by itself when all is well.
#[test]
fn what_is_wrong_with_the_server_of_cvvs_is_said_and_ends() {
    let mut cluster = Cluster::prepare();
    let network = Network::start(cluster.redis.port());
    (0..NODES).for_each(|node| cluster.set(node, format!("cvv_store=redis://127.0.0.1:{}", network.port())));
    cluster.start_nodes();
    let [bare, brought] = &canary_cards(0xa2, 2)[..] else { panic!("two") };
    let with = cluster.card_body(&brought.number, Some(&brought.cvv));
    let goes_on_without = || {
        for node in 0..NODES {
            let begun = begin();
            let card = cluster.make_card(node, &bare.number, None);
            let paid = cluster.post(node, "/v1/transaction", &cluster.transaction_body(&card, 500));
            assert_eq!(paid.status, 200, "{}", paid.text);
            assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
            assert_eq!(cluster.get(node, "/readyz").status, 200, "it serves what it can");
        }
    };
    let is_refused = |what: &str| {
        for node in 0..NODES {
            until(what, || {
                let begun = begin();
                let answer = cluster.post(node, "/v1/card", &with);
                assert!(begun.elapsed().as_secs() < 8, "{what}: {:?}", begun.elapsed());
                assert!(!answer.text.contains(&brought.number));
                answer.status == 503
            });
        }
    };
    let is_well = |what: &str| {
        for node in 0..NODES {
            until(what, || {
                let answer = cluster.post(node, "/v1/card", &with);
                answer.status == 200 && answer.json()["cvv_present"] == json!(true)
            });
        }
    };

    network.set(Flow::Slow { latency: Duration::from_secs(2), bytes_per_second: 1 << 20 });
    is_refused("it is slow");
    goes_on_without();
    network.set(Flow::Free);
    is_well("it is slow no more");

    let held = cluster.make_card(0, &brought.number, Some(&brought.cvv));
    cluster.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let count = || cluster.get(1, "/v1/card/count").text;
    let before = count();
    for node in 0..NODES {
        let put = json!({ "organisation": cluster.organisation, "cvv": brought.cvv });
        for (path, body) in [("/v1/card".to_owned(), &with), (format!("/v1/card/{held}"), &put)] {
            let answer = cluster.post(node, &path, body);
            assert_eq!((answer.status, &answer.json()["code"]), (503, &json!(144)), "{}", answer.text);
            assert!(
                answer.json()["details"].get("body.cvv").or(answer.json()["details"].get("cvv")).is_some()
            );
        }
    }
    assert_eq!(count(), before, "nothing was stored");
    let paid = cluster.post(1, "/v1/transaction", &cluster.transaction_body(&held, 500));
    assert_eq!((paid.status, &paid.json()["cvv_present"]), (200, &json!(true)), "{}", paid.text);
    goes_on_without();
    cluster.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    is_well("there is room again");
    fills_up(&cluster, brought);
    cluster.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);

    let card = cluster.make_card(0, &brought.number, Some(&brought.cvv));
    cluster.redis.command(&["CONFIG", "SET", "appendonly", "yes"]);
    is_refused("it writes to a disk");
    goes_on_without();
    let start_anew = || {
        cluster.redis.crash();
        for file in std::fs::read_dir(cluster.redis.data()).unwrap() {
            let file = file.unwrap().path();
            drop(if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) });
        }
        cluster.redis.start_again();
    };
    start_anew();
    is_well("it writes nothing any more");
    let read = cluster.get(1, &format!("/v1/card/{card}"));
    assert_eq!((read.status, &read.json()["cvv_present"]), (200, &json!(false)), "{}", read.text);

    let follows = ("replicaof", format!("127.0.0.1 {}", cluster.redis.port()));
    let replica = Redis::start(RedisOptions { settings: vec![follows], ..RedisOptions::default() });
    is_refused("it has a replica");
    goes_on_without();
    drop(replica);
    start_anew();
    is_well("it has none any more");
}

/// Valkey holds CVVs as Redis does: one payment of many carries one, and it is not used once it writes to a disk or has a replica.
#[test]
fn valkey_holds_cvvs_for_all_nodes() {
    let cluster = Cluster::start_on(RedisKind::Valkey);
    let [canary, other] = &canary_cards(0xa3, 2)[..] else { panic!("two") };
    let card = cluster.make_card(0, &canary.number, Some(&canary.cvv));
    let body = cluster.transaction_body(&card, 1099);
    let answers = race(&cluster, RACERS, "/v1/transaction", |racer| format!("valkey-{racer}"), &body, || ());
    let answers: Vec<_> = answers.into_iter().map(Option::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let answered: Vec<Value> = answers.iter().map(HttpAnswer::json).collect();
    assert_eq!(with_cvv(&answered), 1);

    let with = cluster.card_body(&other.number, Some(&other.cvv));
    let is_refused = |what: &str| {
        for node in 0..NODES {
            until(what, || cluster.post(node, "/v1/card", &with).status == 503);
        }
    };
    let start_anew = || {
        cluster.redis.crash();
        for file in std::fs::read_dir(cluster.redis.data()).unwrap() {
            let file = file.unwrap().path();
            drop(if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) });
        }
        cluster.redis.start_again();
        for node in 0..NODES {
            until("it is as it must be", || {
                let answer = cluster.post(node, "/v1/card", &with);
                answer.status == 200 && answer.json()["cvv_present"] == json!(true)
            });
        }
    };
    cluster.redis.command(&["CONFIG", "SET", "appendonly", "yes"]);
    is_refused("it writes to a disk");
    start_anew();
    cluster.redis.command(&["CONFIG", "SET", "save", "60 1"]);
    is_refused("it is to write snapshots");
    start_anew();
    let follows = ("replicaof", format!("127.0.0.1 {}", cluster.redis.port()));
    let kind = RedisKind::Valkey;
    let replica = Redis::start(RedisOptions { kind, settings: vec![follows], tls: None });
    is_refused("it has a replica");
    drop(replica);
    start_anew();
}
