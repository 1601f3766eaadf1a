use core::sync::atomic::Ordering;
use std::sync::Arc;

use panvault_model::{CardId, CvvResult, TransactionStatus};
use panvault_store::StoreFault;
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_vault::{CardChange, CvvChange, TransactionRow, VaultError};

use crate::assert_refused;
use crate::world::{AMEX, HOUR_MILLIS, Shop, VISA, World, cvv_change, new_transaction, no_change};

fn seen(row: &TransactionRow) -> (bool, CvvResult) {
    (row.cvv_present, row.cvv_result)
}

/// The life of a CVV as the acquirer's test numbers show it.
#[tokio::test]
async fn a_cvv_goes_out_once_and_comes_back_by_an_update() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let went = async || seen(&world.transact(&shop, card, 1_000).await.unwrap());
    assert_eq!(went().await, (true, CvvResult::Matched));
    assert_eq!(went().await, (false, CvvResult::Unavailable));
    world.cvv_put(&shop, card, "222").await.unwrap();
    assert_eq!(went().await, (true, CvvResult::NotMatched));
    assert_eq!(went().await, (false, CvvResult::Unavailable));
    world.cvv_put(&shop, card, "333").await.unwrap();
    assert_eq!(went().await, (true, CvvResult::NotChecked));
}

#[tokio::test]
async fn time_ends_a_cvv_to_the_millisecond() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let view = world.card_read(&shop, card).await.unwrap();
    assert_eq!(view.cvv_expires_at.unwrap().to_string(), "2026-03-01T13:00:00.000Z");
    world.clock.pass_millis(HOUR_MILLIS - 1);
    assert!(world.holds_cvv(&shop, card).await);
    world.clock.pass_millis(1);
    assert!(!world.holds_cvv(&shop, card).await);
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
}

/// The sweeper is off in these tests, and nothing looks at the CVV before it is claimed.
#[tokio::test]
async fn a_deadline_binds_without_the_sweeper() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (last, late) = (world.card(&shop).await, world.card(&shop).await);
    world.clock.pass_millis(HOUR_MILLIS - 1);
    assert_eq!(seen(&world.transact(&shop, last, 1_000).await.unwrap()), (true, CvvResult::Matched));
    world.clock.pass_millis(1);
    assert_eq!(seen(&world.transact(&shop, late, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
    assert_eq!(world.vault.status().cvvs.expired, 1);
}

#[tokio::test]
async fn a_calendar_that_is_set_back_revives_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (seen_late, unseen) = (world.card(&shop).await, world.card(&shop).await);
    world.clock.pass_millis(HOUR_MILLIS);
    assert!(!world.holds_cvv(&shop, seen_late).await);
    world.clock.wall_back_millis(HOUR_MILLIS);
    assert!(!world.holds_cvv(&shop, seen_late).await);
    assert_eq!(
        seen(&world.transact(&shop, seen_late, 1_000).await.unwrap()),
        (false, CvvResult::Unavailable)
    );
    assert_eq!(seen(&world.transact(&shop, unseen, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
}

#[tokio::test]
async fn a_calendar_that_is_set_ahead_ends_it_for_good() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.clock.wall_forward_millis(HOUR_MILLIS);
    assert!(!world.holds_cvv(&shop, card).await);
    world.clock.wall_back_millis(HOUR_MILLIS);
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
}

#[tokio::test]
async fn a_new_cvv_starts_a_new_clock() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.clock.pass_millis(HOUR_MILLIS - 1);
    let view = world.cvv_put(&shop, card, "222").await.unwrap();
    assert_eq!(view.cvv_expires_at.unwrap().to_string(), "2026-03-01T13:59:59.999Z");
    world.clock.pass_millis(HOUR_MILLIS - 1);
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (true, CvvResult::NotMatched));
}

#[tokio::test]
async fn a_vault_may_hold_none_at_all() {
    let world = World::with_cvv_ttl(0).await;
    let shop = world.shop(None).await;
    let created = world.card_create(&shop, VISA, Some("111")).await.unwrap();
    assert_eq!(created.cvv_expires_at, None);
    let card = created.row.id;
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
    assert_eq!(world.cvv_put(&shop, card, "111").await.unwrap().cvv_expires_at, None);
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
    assert_eq!(world.vault.status().cvvs.held, 0);
}

#[tokio::test]
async fn it_is_ended_by_a_change_and_by_deletion() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (cleared, deleted) = (world.card(&shop).await, world.card(&shop).await);
    let change = CardChange { cvv: CvvChange::Clear, ..no_change() };
    let update = world.vault.card_update(&world.permit(&shop.key), cleared, shop.organisation, change, None);
    assert_eq!(update.await.unwrap().value.cvv_expires_at, None);
    assert_eq!(seen(&world.transact(&shop, cleared, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
    world.vault.card_delete(&world.permit(&shop.key), deleted).await.unwrap();
    assert_eq!(world.vault.status().cvvs.held, 0);
}

#[tokio::test]
async fn other_changes_leave_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let change = CardChange { expiry_year: Some(2031), ..no_change() };
    let update = world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, change, None);
    assert!(update.await.unwrap().value.cvv_expires_at.is_some());
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (true, CvvResult::Matched));
}

#[tokio::test]
async fn its_length_is_that_of_the_brand() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let visa = world.card(&shop).await;
    let amex = world.card_create(&shop, AMEX, Some("1234")).await.unwrap().row.id;
    assert_refused!(world.cvv_put(&shop, visa, "1234").await, VaultError::Faults(_));
    assert_refused!(world.cvv_put(&shop, amex, "123").await, VaultError::Faults(_));
    assert!(world.cvv_put(&shop, amex, "4321").await.is_ok());
    assert_eq!(seen(&world.transact(&shop, visa, 1_000).await.unwrap()), (true, CvvResult::Matched));
}

/// Whatever the processor says, the CVV is gone; only if nothing was sent it is back, with its old deadline.
#[tokio::test]
async fn outcomes_end_it_unless_nothing_was_sent() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (amount, status, present) in [
        (1_000, TransactionStatus::SettlementRequested, true),
        (0, TransactionStatus::Authorized, true),
        (121, TransactionStatus::Declined, true),
        (122, TransactionStatus::Unknown, true),
        (123, TransactionStatus::Failed, true),
        (132, TransactionStatus::NotSupported, true),
        (131, TransactionStatus::Unavailable, false),
    ] {
        let card = world.card(&shop).await;
        let deadline = world.card_read(&shop, card).await.unwrap().cvv_expires_at;
        world.clock.pass_millis(1_000);
        let row = world.transact(&shop, card, amount).await.unwrap();
        assert_eq!((row.status, row.cvv_present), (status, present), "{amount}");
        let left = world.card_read(&shop, card).await.unwrap().cvv_expires_at;
        assert_eq!(left, if present { None } else { deadline }, "{amount}");
    }
    assert_eq!((world.vault.status().cvvs.held, world.vault.status().cvvs.put_back), (1, 1));
}

#[tokio::test]
async fn a_cvv_that_came_back_is_used_by_the_next_one() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.transact(&shop, card, 131).await.unwrap();
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (true, CvvResult::Matched));
}

#[tokio::test]
async fn a_request_that_is_refused_leaves_it() {
    let world = World::new().await;
    let (shop, stranger) = (world.shop(None).await, world.shop(None).await);
    let card = world.card(&shop).await;
    let empty = world.organisation(Some(shop.organisation)).await;
    let refused = [
        world.transact(&Shop { account: stranger.account, ..clone(&shop) }, card, 1_000).await,
        world.transact(&shop, CardId::from_bytes([9; 12]), 1_000).await,
        world.transact(&stranger, card, 1_000).await,
    ];
    for result in refused {
        assert_refused!(result, VaultError::NotFound(_));
    }
    let viewer = world.key(empty, &[panvault_model::Role::MerchantUser]).await;
    let permit = world.caller(&viewer).permit::<panvault_vault::TransactionCreate>();
    assert_refused!(permit, VaultError::RoleNotAllowed);
    world.store.plot(|plot| plot.initiate_fault = Some(StoreFault::Full));
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::Store(StoreFault::Full));
    world.store.leave();
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (true, CvvResult::Matched));
}

/// A store that stopped cannot say whether `INITIATED` is durable: if it is, the CVV was that transaction's.
#[tokio::test]
async fn a_store_that_stops_takes_the_cvv_with_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.initiate_fault = Some(StoreFault::Stopped));
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::Store(StoreFault::Stopped));
    assert!(!world.holds_cvv(&shop, card).await);
}

/// A card or change whose CVV came behind a later change was answered as if its CVV were held. The answer now says what is.
#[tokio::test]
async fn a_cvv_that_was_overtaken_is_not_shown_as_held() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.cvvs.overtaken.store(true, Ordering::SeqCst);
    let created = world.card_create(&shop, VISA, Some("111")).await.unwrap();
    assert_eq!((created.cvv_expires_at, world.holds_cvv(&shop, created.row.id).await), (None, false));
    let updated = world.cvv_put(&shop, card, "222").await.unwrap();
    assert_eq!((updated.cvv_expires_at, world.holds_cvv(&shop, card).await), (None, false));
}

/// Whether the card has a CVV is not known then, so nothing goes out without one.
#[tokio::test]
async fn a_transaction_waits_for_the_place_that_holds_cvvs() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.cvvs.away_after(0);
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::CvvUnavailable);
    world.cvvs.back();
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (true, CvvResult::Matched));
}

/// What waits between the sealing of a CVV and its holding is of its time: a slow disk makes it no longer.
#[tokio::test]
async fn time_runs_from_the_request_on() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let update =
        world.vault.card_update(&world.permit(&shop.key), card, shop.organisation, cvv_change("222"), None);
    world.clock.pass_millis(1_000);
    // The calendar is set back meanwhile: only the other clock ends it.
    world.clock.wall_back_millis(86_400_000);
    update.await.unwrap();
    world.clock.pass_millis(HOUR_MILLIS - 1_001);
    assert!(world.holds_cvv(&shop, card).await);
    world.clock.pass_millis(1);
    assert_eq!(seen(&world.transact(&shop, card, 1_000).await.unwrap()), (false, CvvResult::Unavailable));
}

/// What is remembered of a card's CVVs is remembered for two minutes. A CVV whose commit took longer might come behind a later
/// change that nobody remembers: it is not held.
#[tokio::test]
async fn a_cvv_that_waited_too_long_is_not_held() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    for (millis, held) in [(CVV_REQUEST_SECONDS * 1000 - 1, true), (CVV_REQUEST_SECONDS * 1000, false)] {
        let permit = world.permit(&shop.key);
        let update = world.vault.card_update(&permit, card, shop.organisation, cvv_change("222"), None);
        world.clock.pass_millis(millis);
        assert_eq!(update.await.unwrap().value.cvv_expires_at.is_some(), held, "{millis}");
        assert_eq!(world.holds_cvv(&shop, card).await, held, "{millis}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_transactions_exactly_one_carries_it() {
    let world = World::new().await;
    world.store.plot(|plot| plot.yields = true);
    let shop = Arc::new(world.shop(None).await);
    for round in 0..20 {
        let card = world.card(&shop).await;
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
                let new = new_transaction(shop.account, card, 1_000);
                tokio::spawn(async move { vault.transaction_create(&permit, new, None).await.unwrap().value })
            })
            .collect();
        let mut carried = Vec::new();
        for task in tasks {
            let row = task.await.unwrap();
            assert_eq!(row.cvv_present, row.cvv_result == CvvResult::Matched);
            carried.extend(row.cvv_present.then_some(row.id));
        }
        assert_eq!(carried.len(), 1, "round {round}");
    }
}

/// Racing with transactions, a put CVV is either replaced, used or held; never used twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_transactions_carry_one_as_were_put() {
    let world = World::new().await;
    world.store.plot(|plot| plot.yields = true);
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let puts = (0..50).map(|_| {
        let update = world.vault.card_update(
            &world.permit(&shop.key),
            card,
            shop.organisation,
            cvv_change("111"),
            None,
        );
        tokio::spawn(async move { update.await.map(|_| false) })
    });
    let transactions = (0..50).map(|_| {
        let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
        let new = new_transaction(shop.account, card, 1_000);
        tokio::spawn(async move {
            vault.transaction_create(&permit, new, None).await.map(|done| done.value.cvv_present)
        })
    });
    let tasks: Vec<_> = puts.zip(transactions).flat_map(|(put, transaction)| [put, transaction]).collect();
    let mut carried = 0;
    for task in tasks {
        carried += u64::from(task.await.unwrap().unwrap());
    }
    let counts = world.vault.status().cvvs;
    assert_eq!(counts.claimed, carried);
    assert!(carried <= 51 && counts.held <= 1);
}

fn clone(shop: &Shop) -> Shop {
    Shop { organisation: shop.organisation, account: shop.account, key: shop.key.clone() }
}
