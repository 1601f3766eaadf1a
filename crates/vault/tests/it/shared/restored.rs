//! A real server of CVVs whose memory somebody puts back to what it was.

use std::sync::Arc;

use panvault_store_redis::{RedisCvvs, RedisSettings, RedisUrl};
use panvault_testkit::servers::{Redis, RedisOptions};
use panvault_testkit::{NetworkFaults, TestClock};

use crate::cvvs::TestCvvs;
use crate::shared::{Nodes, Place};
use crate::world::VAULT;

/// Copies every key of the vault's beside itself.
const COPY: &str = "for _, key in ipairs(redis.call('KEYS', 'old:*')) do redis.call('DEL', key) end \
    for _, key in ipairs(redis.call('KEYS', 'pv:*')) do redis.call('COPY', key, 'old:' .. key) end";
/// And back over what has become of it.
const PUT_BACK: &str = "for _, key in ipairs(redis.call('KEYS', 'old:*')) do \
    redis.call('COPY', key, string.sub(key, 5), 'REPLACE') end";

async fn nodes(server: &Redis) -> Nodes {
    let settings = RedisSettings {
        url: RedisUrl::parse(&server.url()).unwrap(),
        username: None,
        password: None,
        tls_roots: None,
        insecure: false,
        held_max: 1_000,
        vault: VAULT,
    };
    let cvvs = Arc::new(RedisCvvs::connect(&settings).await.unwrap());
    let place = Place { cvvs: Arc::new(TestCvvs::over(cvvs)), clock: Arc::new(TestClock::new()) };
    Nodes::over(place, NetworkFaults::default(), 0).await
}

#[tokio::test]
async fn what_was_used_does_not_go_out_again() {
    let server = Redis::start(RedisOptions::default());
    let nodes = nodes(&server).await;
    for round in 0..5 {
        let card = nodes.one.card(&nodes.shop).await;
        assert!(nodes.two.holds_cvv(&nodes.shop, card).await);
        server.command(&["EVAL", COPY, "0"]);
        let row = nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap();
        assert!(row.cvv_present, "round {round}");
        server.command(&["EVAL", PUT_BACK, "0"]);
        assert_eq!(server.command(&["HGET", "pv:n", "held"]), "1", "the server would hand it out");
        for node in [&nodes.one, &nodes.two] {
            assert!(!node.holds_cvv(&nodes.shop, card).await, "round {round}");
            assert!(!node.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present, "round {round}");
        }
        assert_eq!(nodes.carried(card).await.len(), 1, "round {round}");
    }
}
