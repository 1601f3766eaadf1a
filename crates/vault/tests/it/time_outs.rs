//! PSPs that say nothing: what is sent to them ends, and leaves nothing behind.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::fs;
use std::sync::Arc;

use panvault_model::TransactionStatus;
use panvault_processor::Processors;
use panvault_processor::card_http::{HttpCounters, HttpMode, Registry};
use panvault_testkit::psp::{Manner, Notification, Peer, Psp, PspAnswer, PspRequest};
use panvault_vault::{Vault, VaultParts};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::world::World;

/// Acts that are sent in all.
const ACTS: usize = 10_000;
/// As many as there may be connections, and some that wait for one.
const AT_ONCE: usize = 160;
/// How long the last of them are given to end.
const END_SECONDS: u64 = 20;

/// Takes every payment, where it says something at all.
struct Taker;

impl Psp for Taker {
    fn answer(&mut self, _: &PspRequest) -> PspAnswer {
        PspAnswer { status: 200, headers: Vec::new(), body: "{\"paid\":\"yes\"}".parse().unwrap() }
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        Vec::new()
    }
}

fn description(origin: &str) -> String {
    format!(
        r#"name = "silent"
title = "Silent"
origins = {{ test = "{origin}" }}
acts.authorise = {{ request = "POST /pay", answer = "paid", body = {{ amount = "{{{{amount}}}}", number = "{{{{card.number}}}}", cvc = "{{{{card.cvv}}}}" }} }}
answers.paid = {{ rules = [{{ status = 200, when = {{ paid = "yes" }}, verdict = "approved" }}] }}

[limits]
answer_millis = 100
connections_max = 128
wait_millis = 10000
breaker_failures = 0
"#
    )
}

/// Sockets of this process whose other end is that port of this machine.
fn sockets_to(port: u16) -> usize {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let other_end = format!("0100007F:{port:04X}");
    let inodes: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(2) == Some(&other_end.as_str()))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str())).count()
}

fn counters(world: &World) -> HttpCounters {
    world.vault.processor_meters()[0].counters
}

/// Tasks, connections, descriptors, places of those that wait, CVVs and claims on them are as before.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_time_outs_leave_nothing_behind() {
    let peer = Peer::plain(Taker);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("silent.toml"), description(&peer.origin())).unwrap();
    let registry = Registry::load(directory.path()).map_err(|faults| faults[0].to_string()).unwrap();
    let mut world = World::with_cvvs(u64::try_from(AT_ONCE).unwrap()).await;
    let processors = Arc::new(Processors::new(registry, HttpMode::Test));
    world.vault = Vault::open(VaultParts { processors, ..world.parts() }).await.unwrap();
    let organisation = world.organisation(None).await;
    let shop = world
        .shop_of(organisation, world.account_of_type(organisation, "card_silent", Vec::new()).await)
        .await;

    let tasks_before = Handle::current().metrics().num_alive_tasks();
    peer.always(Manner::SilentUndone);
    let (world, shop, begun) = (Arc::new(world), Arc::new(shop), Arc::new(AtomicUsize::new(0)));
    let mut paying = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (world, shop, begun) = (Arc::clone(&world), Arc::clone(&shop), Arc::clone(&begun));
        paying.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < ACTS {
                let card = world.card(&shop).await;
                let paid = world.transact(&shop, card, 1_000).await.unwrap();
                assert_eq!((paid.status, paid.cvv_present), (TransactionStatus::Unknown, true));
            }
        });
    }
    while let Some(paid) = paying.join_next().await {
        paid.unwrap();
    }

    let tasks = || Handle::current().metrics().num_alive_tasks();
    let ended = async {
        while tasks() > tasks_before {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(END_SECONDS), ended).await;
    assert!(ended.is_ok(), "{tasks_before} tasks before, {} afterwards", tasks());
    assert_eq!(sockets_to(peer.port()), 0, "descriptors");
    let counted = counters(&world);
    assert_eq!(counted.unknown, u64::try_from(ACTS).unwrap());
    assert_eq!((counted.connections_open, counted.waiting), (0, 0), "{counted:?}");
    assert_eq!(counted.not_reached + counted.full_refused + counted.answered, 0, "{counted:?}");
    let cvvs = world.vault.status().cvvs;
    assert_eq!((cvvs.held, cvvs.claimed, cvvs.put_back), (0, u64::try_from(ACTS).unwrap(), 0));
    assert_eq!(world.cvvs.claims(), 0, "claims that did not end");
    peer.wait_until_closed();

    // And it pays on, over one connection that is kept.
    peer.always(Manner::Usual);
    let card = world.card(&shop).await;
    let paid = world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!(paid.status, TransactionStatus::SettlementRequested);
    assert_eq!((counters(&world).connections_open, sockets_to(peer.port())), (1, 1));
}
