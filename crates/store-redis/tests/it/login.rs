//! Who may come in, and how.

use panvault_store::CvvStore;
use panvault_store_redis::{RedisCvvs, RedisPassword, RedisSettings, RedisState, RedisUnfit};
use panvault_testkit::servers::{Redis, RedisOptions, ServerCertificate};

use crate::support::{block_on, card, claim, hold, refused, settings};

const PASSWORD: &str = "correct horse battery staple";

/// All that the vault's user must be allowed to do, as `docs/running.md` has it.
const RIGHTS: &str = "~pv:* resetchannels -@all +auth +select +info +config|get +script|load +evalsha \
    +get +set +del +exists +dbsize +time +hget +hdel +hincrby +hmget +hgetall +zadd +zrem +zrangebyscore +flushdb";

fn as_user(url: &str, username: &str, password: &str) -> RedisSettings {
    let password = RedisPassword::new(password.to_owned().into());
    RedisSettings { username: Some(username.to_owned()), password: Some(password), ..settings(url) }
}

#[test]
fn a_user_with_the_rights_of_the_manual_can_do_everything() {
    let server = Redis::start(RedisOptions::default());
    let mut words = vec!["ACL", "SETUSER", "panvault", "on"];
    let password = format!(">{PASSWORD}");
    words.push(&password);
    words.extend(RIGHTS.split_whitespace());
    assert_eq!(server.command(&words), "OK");
    block_on(async {
        let cvvs = RedisCvvs::connect(&as_user(&server.url(), "panvault", PASSWORD)).await.unwrap();
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(Some(7)));
        cvvs.cvv_clear(card(1), 2).await.unwrap();
        cvvs.cvv_clear_now(card(1)).await.unwrap();
        cvvs.cvv_sweep().await.unwrap();
        assert_eq!(cvvs.cvv_read(card(1)).await, Ok(None));
        server.command(&["CONFIG", "SET", "save", "3600 1"]);
        cvvs.wait_for(|state| state == RedisState::Unfit(RedisUnfit::Snapshots)).await;
        assert_eq!(server.command(&["DBSIZE"]), "0");
        server.command(&["CONFIG", "SET", "save", ""]);
        cvvs.wait_for(|state| state == RedisState::Ready).await;
    });
}

/// What cannot be looked at is not trusted, whoever hides it.
#[test]
fn who_may_not_do_what_is_needed_is_told_so() {
    let server = Redis::start(RedisOptions::default());
    block_on(async {
        for (denied, unfit) in
            [("-config", RedisUnfit::Hidden), ("-info", RedisUnfit::Hidden), ("-evalsha", RedisUnfit::Rights)]
        {
            let password = format!(">{PASSWORD}");
            server.command(&["ACL", "SETUSER", "panvault", "reset", "on", &password, "~*", "+@all", denied]);
            let settings = as_user(&server.url(), "panvault", PASSWORD);
            assert_eq!(refused(&settings).await, unfit, "{denied}");
        }
        assert_eq!(refused(&as_user(&server.url(), "panvault", "wrong")).await, RedisUnfit::Login);
        assert_eq!(refused(&as_user(&server.url(), "nobody", PASSWORD)).await, RedisUnfit::Login);
        server.command(&["CONFIG", "SET", "requirepass", PASSWORD]);
        assert_eq!(refused(&settings(&server.url())).await, RedisUnfit::Login, "without a password");
    });
}

#[test]
fn over_tls_only_the_server_that_is_trusted_is_one() {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let certificate_pem = key.cert.pem();
    let tls = ServerCertificate {
        certificate_pem: certificate_pem.clone(),
        key_pem: key.signing_key.serialize_pem(),
    };
    let server = Redis::start(RedisOptions { tls: Some(tls), ..RedisOptions::default() });
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    block_on(async {
        let trusting = |pem: Option<String>| {
            let tls_roots = pem.map(String::into_bytes);
            RedisSettings { tls_roots, ..settings(&server.url()) }
        };
        let cvvs = RedisCvvs::connect(&trusting(Some(certificate_pem.clone()))).await.unwrap();
        assert_eq!(hold(&cvvs, 1, 1, 7).await, Ok(true));
        assert_eq!(claim(&cvvs, 1, 1).await, Ok(Some(7)));
        assert_eq!(refused(&trusting(Some(other.cert.pem()))).await, RedisUnfit::Untrusted);
        assert_eq!(refused(&trusting(None)).await, RedisUnfit::Untrusted);
    });
}
