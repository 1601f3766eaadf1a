//! Servers that may not hold CVVs.

use panvault_model::VaultId;
use panvault_store::{CvvFault, CvvStore};
use panvault_store_redis::{RedisRefused, RedisSettings, RedisUnfit, RedisUrl};
use panvault_testkit::conformance::rows::id;
use panvault_testkit::servers::{Redis, RedisOptions};

use crate::support::{block_on, claim, connected, hold, is_ready, is_unfit, refused, settings};

fn with(settings: &[(&'static str, &str)]) -> Redis {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Redis::start(RedisOptions { settings, ..RedisOptions::default() })
}

#[test]
fn what_writes_or_forgets_is_refused_at_the_start() {
    for (set, unfit) in [
        (("save", "3600 1"), RedisUnfit::Snapshots),
        (("appendonly", "yes"), RedisUnfit::Log),
        (("maxmemory-policy", "allkeys-lru"), RedisUnfit::Evicts),
        (("cluster-enabled", "yes"), RedisUnfit::Mode),
    ] {
        let server = with(&[set]);
        assert_eq!(block_on(refused(&settings(&server.url()))), unfit);
    }
    let server = with(&[]);
    let other = with(&[("replicaof", &format!("127.0.0.1 {}", server.port()))]);
    assert_eq!(block_on(refused(&settings(&other.url()))), RedisUnfit::Replica);
}

/// What is set while the server runs is seen within a second, and what it held is ended. Once it is as it must be it is used again, by itself.
#[test]
fn what_is_set_while_it_runs_is_seen_and_ends_what_is_held() {
    let server = with(&[]);
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        server.command(&["CONFIG", "SET", "save", "3600 1"]);
        is_unfit(&cvvs, RedisUnfit::Snapshots).await;
        assert_eq!(hold(&cvvs, 1, 101, 7).await, Err(CvvFault::Unavailable));
        assert_eq!(claim(&cvvs, 1, 1).await, Err(CvvFault::Unavailable));
        assert_eq!(server.command(&["DBSIZE"]), "0");
        server.command(&["CONFIG", "SET", "save", ""]);
        is_ready(&cvvs).await;
        assert_eq!(claim(&cvvs, 1, 2).await, Ok(None));
        assert_eq!(hold(&cvvs, 1, 10, 7).await, Ok(true));
        server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        is_unfit(&cvvs, RedisUnfit::Evicts).await;
        server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        is_ready(&cvvs).await;
        assert_eq!(claim(&cvvs, 1, 3).await, Ok(Some(7)), "what never was in danger is there");
    });
}

/// The bug: an append-only file that was written by command, without such a log, held CVVs and the key components beside them, and the server passed. Its cause: it
/// was asked for counts alone, which a command sets to nothing, and for none of that file. Its cure: it is asked when it last wrote one too.
#[test]
fn a_server_that_has_written_a_file_holds_no_more_until_it_is_another() {
    let server = with(&[]);
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        server.command(&["BGREWRITEAOF"]);
        is_unfit(&cvvs, RedisUnfit::Written).await;
        server.command(&["CONFIG", "RESETSTAT"]);
        assert_eq!(server.command(&["DBSIZE"]), "0");
        assert_eq!(hold(&cvvs, 1, 2, 7).await, Err(CvvFault::Unavailable));
        assert_eq!(refused(&settings(&server.url())).await, RedisUnfit::Written);
        server.crash();
        server.start_again();
        is_ready(&cvvs).await;
    });
}

#[test]
fn a_replica_that_is_added_ends_what_is_held_and_is_not_forgotten() {
    let server = with(&[]);
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        let replica = with(&[("replicaof", &format!("127.0.0.1 {}", server.port()))]);
        cvvs.wait_for(|state| matches!(state, panvault_store_redis::RedisState::Unfit(_))).await;
        assert_eq!(hold(&cvvs, 1, 2, 7).await, Err(CvvFault::Unavailable));
        assert_eq!(server.command(&["DBSIZE"]), "0");
        drop(replica);
        is_unfit(&cvvs, RedisUnfit::Written).await;
        assert_eq!(refused(&settings(&server.url())).await, RedisUnfit::Written);
        server.crash();
        server.start_again();
        is_ready(&cvvs).await;
    });
}

#[test]
fn what_comes_from_a_file_is_refused_until_it_is_emptied() {
    let server = with(&[]);
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        drop(cvvs);
        server.command(&["SAVE"]);
        assert_eq!(refused(&settings(&server.url())).await, RedisUnfit::Written);
        assert_eq!(server.command(&["DBSIZE"]), "0", "ended, but it is in the file");
        server.crash();
        server.start_again();
        assert_eq!(refused(&settings(&server.url())).await, RedisUnfit::Restored);
        server.command(&["FLUSHDB"]);
        let cvvs = connected(&server.url()).await;
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(None));
    });
}

#[test]
fn a_server_is_one_vaults_and_nobody_elses() {
    let server = with(&[]);
    let ours = settings(&server.url());
    let theirs = RedisSettings { vault: VaultId(id(2)), ..settings(&server.url()) };
    block_on(async {
        server.command(&["SET", "basket:1", "apples"]);
        assert_eq!(refused(&ours).await, RedisUnfit::NotEmpty);
        assert_eq!(server.command(&["GET", "basket:1"]), "apples", "what is another's stays");
        server.command(&["DEL", "basket:1"]);
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        assert_eq!(refused(&theirs).await, RedisUnfit::OtherVault);
        // Another vault that finds it unfit ends nothing that is ours.
        server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        assert_eq!(refused(&theirs).await, RedisUnfit::Evicts);
        server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        is_ready(&cvvs).await;
        // Another node of ours finds what there is.
        let beside = connected(&server.url()).await;
        assert_eq!(claim(&beside, 1, 1).await, Ok(Some(7)));
        // Of what is not ours we never say that it is not held: an answer that is not ours is none.
        server.command(&["SET", "pv:v", "somebody"]);
        assert_eq!(hold(&cvvs, 1, 2, 7).await, Err(CvvFault::Unavailable));
        is_unfit(&cvvs, RedisUnfit::OtherVault).await;
    });
}

/// Who empties the server while it runs loses CVVs, and nothing else.
#[test]
fn an_emptied_server_is_taken_again() {
    let server = with(&[]);
    block_on(async {
        let cvvs = connected(&server.url()).await;
        assert_eq!(hold(&cvvs, 1, 5, 7).await, Ok(true));
        server.command(&["FLUSHALL"]);
        assert_eq!(claim(&cvvs, 1, 1).await, Err(CvvFault::Unavailable), "it is looked at first");
        is_ready(&cvvs).await;
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(None));
        assert_eq!(cvvs.counts().held, 0);
        assert_eq!(hold(&cvvs, 1, 6, 8).await, Ok(true));
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(Some(8)), "scripts are sent again");
    });
}

#[test]
fn a_way_that_others_may_listen_on_is_refused() {
    let mut elsewhere = settings("redis://cvv.example");
    let refused = block_on(panvault_store_redis::RedisCvvs::connect(&elsewhere)).err();
    assert!(matches!(refused, Some(RedisRefused::Insecure)));
    elsewhere.url = RedisUrl::parse("rediss://cvv.example").unwrap();
    elsewhere.tls_roots = Some(b"no certificate".to_vec());
    let refused = block_on(panvault_store_redis::RedisCvvs::connect(&elsewhere)).err();
    assert!(matches!(refused, Some(RedisRefused::Roots)));
}
