//! What holds CVVs is put back, full, slow, or begins to write to a disk.

use core::time::Duration;

use panvault_testkit::servers::{Flow, Network, Redis, RedisKind, RedisOptions};
use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, begin, rounds};
use crate::cluster::{race, with_cvv};
use crate::support::until;

/// Requests that race for a CVV that was used before.
const RACERS: usize = 30;

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

    cluster.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    // The card is kept, and the answer says that its CVV is not held.
    for node in 0..NODES {
        let answer = cluster.post(node, "/v1/card", &with);
        let said = answer.json()["cvv_present"] == json!(false);
        assert!(answer.status == 503 || (answer.status == 200 && said), "{}", answer.text);
    }
    goes_on_without();
    cluster.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    is_well("there is room again");

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
