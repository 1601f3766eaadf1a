//! What waits is sent in its turn, whatever becomes of the rest.

use core::time::Duration;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use panvault_model::{Amount, DeliveryFault, DeliveryStatus, Tag, TransactionId};
use panvault_store::{RowFault, StoreFault};
use panvault_vault::{TransactionCapture, VaultError};
use panvault_webhook::{AddressPolicy, Lookup, Resolve, Sender, TimeOuts, Turn};

use crate::webhook::{Receiver, account_tells, allow, deliver, transact, when};
use crate::world::{HOUR_MILLIS, World};

const DAMAGED: StoreFault = StoreFault::Damaged { row: None, fault: RowFault::Value };

/// Waits until it holds.
async fn until(holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect("it comes to hold");
}

fn deliveries_failed(world: &World) -> usize {
    let mut failed = 0;
    world.store.plot(|plot| failed = plot.deliveries_failed);
    failed
}

/// The bug: a receiver was told the same again and again, as fast as it answered. Its cause: what became of an attempt could not be written, so
/// that the row was due as before, and nothing was left of the attempt. Its cure: its object is left alone for a minute.
#[tokio::test]
async fn what_could_not_be_written_is_not_sent_again_at_once() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    world.store.plot(|plot| plot.delivery_fault = Some(StoreFault::TooLarge));
    deliver(&world);
    for n in 1..=4 {
        transact(&world, &shop, Some(&receiver.url), true).await;
        until(|| deliveries_failed(&world) >= n).await;
    }
    let came = receiver.came(4).await;
    let different: HashSet<_> = came.iter().collect();
    assert_eq!((came.len(), different.len()), (4, 4), "{came:?}");
    // When the minute is over, each is sent again.
    world.store.leave();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let all = |status| move |row: &Arc<panvault_store::DeliveryRow>| row.status == status;
    when(&world, &shop, |rows| rows.iter().all(all(DeliveryStatus::Delivered))).await;
    assert_eq!(receiver.came(8).await.len(), 8);
}

#[tokio::test]
async fn nothing_is_sent_while_the_store_refuses_writes() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    world.store.plot(|plot| plot.status_fault = Some(StoreFault::Full));
    deliver(&world);
    for n in 1..=4 {
        transact(&world, &shop, Some(&receiver.url), true).await;
        until(|| world.vault.status().webhooks.waiting == n).await;
    }
    assert_eq!(receiver.came(0).await, [] as [String; 0]);
    world.store.leave();
    assert_eq!(receiver.came(4).await.len(), 4);
}

/// The bug: an account that had left a dead receiver for a new one was told nothing there for hours. Its cause: of news whose objects have earlier ones
/// that wait for the old receiver the first sixteen were looked at, and they stayed the first. Its cure: they are put off, and what is behind them is
/// read on.
#[tokio::test]
async fn news_that_wait_for_a_dead_receiver_stand_before_nothing_at_the_new_one() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (dead, alive) = (Receiver::start(None).await, Receiver::start(Some(200)).await);
    drop(account_tells(&world, &shop, &dead.url).await);
    let mut paid = Vec::new();
    for _ in 0..80 {
        paid.push(transact(&world, &shop, None, false).await.id);
    }
    drop(account_tells(&world, &shop, &alive.url).await);
    for id in &paid {
        let permit = world.permit::<TransactionCapture>(&shop.key);
        world.vault.transaction_capture(&permit, *id, Amount::new(1_000), None).await.unwrap();
    }
    deliver(&world);
    dead.came(4).await;
    // It is behind all of them.
    world.clock.pass_millis(1_000);
    let news = transact(&world, &shop, None, true).await;
    let came = alive.came(1).await;
    assert!(came[0].contains(&news.id.to_string()), "{came:?}");
}

/// The bug and its cure: as above, of rows without their tag; these are left where they are.
#[tokio::test]
async fn rows_that_somebody_changed_stand_before_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    let mut forged = HashSet::new();
    for _ in 0..20 {
        forged.insert(transact(&world, &shop, Some(&receiver.url), true).await.id.0);
    }
    world.store.plot(|plot| {
        plot.delivery = Some(Box::new(move |row| {
            if forged.contains(&row.object) {
                row.tag = Tag::NONE;
            }
        }));
    });
    world.clock.pass_millis(1);
    let news = transact(&world, &shop, Some(&receiver.url), true).await;
    deliver(&world);
    let came = receiver.came(1).await;
    assert!(came[0].contains(&news.id.to_string()), "{came:?}");
}

/// The bug: one row that could not be read kept all organisations behind it from being told, and what waited from being counted. Its
/// cause: its fault ended the look. Its cure: it ends the look at its lane.
#[tokio::test]
async fn a_lane_that_cannot_be_read_stands_before_no_other() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    // Lanes have the order of their organisations, and these that of the time.
    world.clock.pass_millis(1_000);
    let other = world.shop(None).await;
    let (dead, alive) = (Receiver::start(Some(200)).await, Receiver::start(Some(200)).await);
    let host = dead.url.split('/').nth(2).unwrap().to_owned();
    world.store.plot(|plot| plot.lane_fault = Some((host, DAMAGED)));
    for _ in 0..3 {
        transact(&world, &shop, Some(&dead.url), true).await;
    }
    transact(&world, &other, Some(&alive.url), true).await;
    deliver(&world);
    alive.came(1).await;
    until(|| world.vault.status().webhooks.waiting == 3).await;
    assert_eq!(dead.came(0).await, [] as [String; 0]);
}

/// The bug: while a row of those that are over could not be read, expired CVVs stayed in memory. Its cause: the first part of a sweep that
/// failed ended it. Its cure: each part is done, and then it is said what failed.
#[tokio::test]
async fn a_sweep_goes_on_behind_what_cannot_be_read() {
    let world = World::with_cvv_ttl(60).await;
    let shop = world.shop(None).await;
    world.card(&shop).await;
    assert_eq!(world.vault.status().cvvs.held, 1);
    world.clock.pass_millis(HOUR_MILLIS);
    world.store.plot(|plot| plot.expired_fault = Some(DAMAGED));
    let swept = world.vault.sweep().await;
    assert!(matches!(swept, Err(VaultError::Store(DAMAGED))), "{swept:?}");
    assert_eq!(world.vault.status().cvvs.held, 0);
    world.store.leave();
    world.vault.sweep().await.unwrap();
}

/// The bug: a delivery that somebody had changed to be over was removed, and nobody was told. Its cause: what is over was removed without
/// asking whether its row bears its tag. Its cure: it is asked.
#[tokio::test]
async fn a_row_that_somebody_changed_is_not_swept() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    deliver(&world);
    transact(&world, &shop, Some(&receiver.url), true).await;
    when(&world, &shop, |rows| rows.iter().all(|row| !row.is_waiting())).await;
    world.store.plot(|plot| plot.delivery = Some(Box::new(|row| row.tag = Tag::NONE)));
    world.clock.pass_millis(8 * 24 * HOUR_MILLIS);
    world.vault.sweep().await.unwrap();
    assert_eq!(crate::webhook::deliveries(&world, &shop).await.len(), 1);
    world.store.leave();
    world.vault.sweep().await.unwrap();
    assert_eq!(crate::webhook::deliveries(&world, &shop).await, []);
}

/// Never answers for names of a dead zone, and keeps their turns.
#[derive(Default)]
struct DeadZone(Arc<Mutex<Vec<Turn>>>);

impl Resolve for DeadZone {
    fn resolve<'a>(&'a self, name: &'a str, turn: Turn) -> Lookup<'a> {
        if name.ends_with(".dead.example") {
            self.0.lock().unwrap().push(turn);
            return Box::pin(core::future::pending());
        }
        Box::pin(core::future::ready(vec![IpAddr::from([127, 0, 0, 1])]))
    }
}

#[tokio::test]
async fn who_has_no_turn_to_look_names_up_makes_no_attempt_and_keeps_nobody_waiting() {
    let world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    let receiver = Receiver::start(Some(200)).await;
    let turns = Arc::new(Mutex::new(Vec::new()));
    let times = TimeOuts { connect: Duration::from_millis(100), attempt: Duration::from_secs(10) };
    let resolver = Arc::new(DeadZone(Arc::clone(&turns)));
    allow(&world);
    let policy = AddressPolicy::allowing(["127.0.0.1"]).unwrap();
    world.vault.webhooks_start(Sender::with(policy, Vec::new(), resolver, times).unwrap());
    let mut last = TransactionId::from_bytes([0; 12]);
    for n in 0..6 {
        last = transact(&world, &shop, Some(&format!("http://n{n}.dead.example/")), true).await.id;
    }
    let timed_out = |rows: &[Arc<panvault_store::DeliveryRow>]| {
        rows.iter().filter(|row| row.fault == Some(DeliveryFault::TimedOut)).count()
    };
    when(&world, &shop, |rows| timed_out(rows) == 4).await;
    let url = receiver.url.replace("127.0.0.1", "alive.example");
    transact(&world, &other, Some(&url), true).await;
    receiver.came(1).await;
    let rows = when(&world, &shop, |rows| timed_out(rows) == 4).await;
    let attempts = |row: &&Arc<panvault_store::DeliveryRow>| row.object == last.0 && row.attempts == 0;
    assert_eq!(rows.iter().filter(attempts).count(), 1, "waiting for a turn is no attempt");
    turns.lock().unwrap().clear();
    when(&world, &shop, |rows| timed_out(rows) == 6).await;
}
