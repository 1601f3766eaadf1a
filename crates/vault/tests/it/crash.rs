use core::task::Poll;
use core::time::Duration;
use std::pin::pin;
use std::sync::Arc;

use panvault_model::{ActionState, CardId, TransactionStatus};
use panvault_store::StoreFault;
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_vault::limits::{SETTLE_SECONDS_MAX, SETTLE_TRIES_MAX};
use panvault_vault::{Done, Idempotency, NewRefund, TransactionCreate, TransactionRow, VaultError};

use crate::assert_refused;
use crate::intruder::Stop;
use crate::world::{Shop, World, all_transactions, new_transaction};

/// Runs a transaction up to where the store falls silent, and lets it go there.
async fn cut_off(world: &World, shop: &Shop, card: CardId, stop: Stop, key: Option<Idempotency>) {
    world.store.plot(|plot| plot.stop = Some(stop));
    let permit = world.permit::<TransactionCreate>(&shop.key);
    {
        let mut running =
            pin!(world.vault.transaction_create(&permit, new_transaction(shop.account, card, 1_000), key));
        core::future::poll_fn(|context| {
            assert!(running.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    world.store.leave();
}

fn key(world: &World, shop: &Shop) -> Idempotency {
    world.idempotency(&world.permit::<TransactionCreate>(&shop.key), "key", "body")
}

/// The same request once more.
async fn again(world: &World, shop: &Shop, card: CardId) -> Result<Done<Arc<TransactionRow>>, VaultError> {
    let new = new_transaction(shop.account, card, 1_000);
    world.vault.transaction_create(&world.permit(&shop.key), new, Some(key(world, shop))).await
}

#[tokio::test]
async fn what_was_initiated_becomes_unknown_and_its_cvv_is_gone() {
    for stop in [Stop::AfterInitiate, Stop::BeforeSettle] {
        let mut world = World::new().await;
        let shop = world.shop(None).await;
        let card = world.card(&shop).await;
        let claim = key(&world, &shop);
        cut_off(&world, &shop, card, stop, Some(claim)).await;
        assert!(!world.holds_cvv(&shop, card).await, "{stop:?}");

        world.clock.pass_millis(1_000);
        world.reopen().await.unwrap();
        assert!(!world.holds_cvv(&shop, card).await, "{stop:?}");
        let caller = world.caller(&shop.key);
        let page = world.vault.transaction_list(&caller.permit().unwrap(), all_transactions()).await.unwrap();
        let [row] = page.rows.as_slice() else { panic!("{stop:?}: {} transactions", page.total) };
        assert_eq!((row.status, row.cvv_present, row.version), (TransactionStatus::Unknown, true, 2));
        assert!(row.status_reason.is_some() && row.updated_at > row.created_at);

        let history = world.vault.transaction_history(&caller.permit().unwrap(), row.id).await.unwrap();
        let steps: Vec<_> = history.iter().map(|step| (step.version, step.status)).collect();
        assert_eq!(steps, [(2, TransactionStatus::Unknown), (1, TransactionStatus::Initiated)]);

        let again = again(&world, &shop, card).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.value.as_ref(), row.as_ref());
    }
}

#[tokio::test]
async fn what_was_never_written_leaves_nothing_but_takes_the_cvv() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    cut_off(&world, &shop, card, Stop::BeforeInitiate, None).await;
    assert!(!world.holds_cvv(&shop, card).await);
    world.reopen().await.unwrap();
    let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
    assert_eq!(page.total, 0);
    assert!(!world.transact(&shop, card, 1_000).await.unwrap().cvv_present);
}

#[tokio::test]
async fn what_was_settled_stays_as_it_is() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let claim = key(&world, &shop);
    cut_off(&world, &shop, card, Stop::AfterSettle, Some(claim)).await;
    assert!(!world.holds_cvv(&shop, card).await);
    world.reopen().await.unwrap();
    let again = again(&world, &shop, card).await.unwrap();
    assert_eq!((again.replayed, again.value.status), (true, TransactionStatus::SettlementRequested));
}

/// Until the vault is opened again the first request may still be running.
#[tokio::test]
async fn a_key_stays_in_use_while_the_outcome_is_open() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    cut_off(&world, &shop, card, Stop::BeforeSettle, Some(key(&world, &shop))).await;
    assert_refused!(again(&world, &shop, card).await, VaultError::IdempotencyInUse);
}

/// A request that was sent twice, as networks and clients do, took no CVV the second time, overtook the first one on its
/// way to the store, and went out without: the first one, which had the CVV, was then refused. The first has left the digest of its
/// key with the CVV, and the second is told so.
#[tokio::test]
async fn a_twin_of_a_request_that_has_the_cvv_does_not_go_on_without() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    cut_off(&world, &shop, card, Stop::BeforeInitiate, Some(key(&world, &shop))).await;
    assert_refused!(again(&world, &shop, card).await, VaultError::IdempotencyInUse);
    let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
    assert_eq!(page.total, 0);
    // Others do, and so does this one once nothing of the first can be under way any more.
    assert!(!world.transact(&shop, card, 1_000).await.unwrap().cvv_present);
    world.clock.pass_millis(CVV_REQUEST_SECONDS * 1000);
    assert!(!again(&world, &shop, card).await.unwrap().replayed);
}

#[tokio::test]
async fn a_restart_forgets_cvvs_and_keeps_cards() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let before = world.card_read(&shop, card).await.unwrap();
    world.reopen().await.unwrap();
    let after = world.card_read(&shop, card).await.unwrap();
    assert_eq!((after.row, after.cvv_expires_at), (before.row, None));
    assert!(!world.transact(&shop, card, 1_000).await.unwrap().cvv_present);
}

/// The store has no room for a while when the processor has answered. The outcome was once thrown away, and the caller told that
/// nothing was done. Time is the runtime's here, and passes by itself.
#[tokio::test(start_paused = true)]
async fn an_outcome_waits_until_there_is_room_for_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for fault in [StoreFault::Busy, StoreFault::Full] {
        let card = world.card(&shop).await;
        world.store.plot(|plot| plot.settle_faults = Some((fault, SETTLE_TRIES_MAX - 1)));
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.cvv_present), (TransactionStatus::SettlementRequested, true));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_written_is_unknown_now_and_later() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    for (fault, amount) in [(StoreFault::Busy, 1_000), (StoreFault::Stopped, 1_000), (StoreFault::Full, 131)]
    {
        let card = world.card(&shop).await;
        world.store.plot(|plot| plot.settle_faults = Some((fault, usize::MAX)));
        let row = world.transact(&shop, card, amount).await.unwrap();
        assert_eq!(row.status, TransactionStatus::Unknown, "{fault:?}");
        assert!(!world.holds_cvv(&shop, card).await, "the row that says that it went out stays");
        given_up().await;
        world.store.leave();
        world.reopen().await.unwrap();
        let later = world.vault.transaction_read(&world.permit(&shop.key), row.id).await.unwrap();
        assert_eq!((later.status, later.cvv_present), (TransactionStatus::Unknown, true), "{fault:?}");
    }
}

/// Until nobody tries any more to write an outcome, and a moment.
pub(crate) async fn given_up() {
    tokio::time::sleep(Duration::from_secs(3 * SETTLE_SECONDS_MAX)).await;
}

/// The bug: after five seconds without a database the answer of a processor was thrown away, and a payment that had been taken was unknown for ever.
/// Its cause: it was tried for so long as its caller waits. Its cure: it is tried on for as long as nobody else may take the payment over; the
/// caller hears before that it is not known yet.
#[tokio::test(start_paused = true)]
async fn an_outcome_is_written_when_the_database_comes_back() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for fault in [StoreFault::Unreachable, StoreFault::Unresolved, StoreFault::Full, StoreFault::Busy] {
        let card = world.card(&shop).await;
        world.store.plot(|plot| plot.settle_faults = Some((fault, usize::MAX)));
        let told = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!(told.status, TransactionStatus::Unknown, "{fault:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.vault.sweep().await.unwrap();
        world.store.leave();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let read = async || world.vault.transaction_read(&world.permit(&shop.key), told.id).await.unwrap();
        let row = read().await;
        assert_eq!((row.status, row.version), (TransactionStatus::SettlementRequested, 2), "{fault:?}");
        // What is done with it later is written in the same way.
        world.store.plot(|plot| plot.settle_faults = Some((fault, usize::MAX)));
        let told = world.vault.transaction_void_capture(&world.permit(&shop.key), row.id, None, None).await;
        assert_eq!(told.unwrap().value.status, TransactionStatus::Unknown, "{fault:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.store.leave();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let row = read().await;
        assert_eq!((row.status, row.version), (TransactionStatus::SettlementCancelled, 4), "{fault:?}");
    }
}

/// The bug: where the fate of the commit of an outcome was not known and it was durable, the payment was said to be another node's. Its cause: what did not
/// hold any more when it was written again was taken for somebody else's. Its cure: the row is read, and is done where it is as it was to be.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_was_durable_after_all_is_done() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.settle_unheard = 1);
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!((row.status, row.version), (TransactionStatus::SettlementRequested, 2));
    let stored = world.vault.transaction_read(&world.permit(&shop.key), row.id).await.unwrap();
    assert_eq!(stored, row);
    world.settle().await;
    world.store.plot(|plot| plot.settle_unheard = 1);
    let new = NewRefund { amount: None, reason: None, merchant_reference: None };
    let refund = world.refund(&shop, row.id, new).await.unwrap();
    assert_eq!((refund.state, refund.version), (ActionState::Approved, 2));
}

/// The bug: a payment whose outcome could not be written stayed `INITIATED`, and its idempotency key in use, until a restart. Its cause: only
/// a start looked for what nobody has in hand. Its cure: so does each sweep.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_could_not_be_written_is_unknown_without_a_restart() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.plot(|plot| plot.settle_faults = Some((StoreFault::Full, usize::MAX)));
    let first = again(&world, &shop, card).await.unwrap().value;
    assert_eq!(first.status, TransactionStatus::Unknown);
    world.vault.sweep().await.unwrap();
    given_up().await;
    assert!(world.vault.sweep().await.is_err(), "there is no room yet");
    assert_refused!(again(&world, &shop, card).await, VaultError::IdempotencyInUse);
    world.store.leave();
    world.vault.sweep().await.unwrap();
    let later = again(&world, &shop, card).await.unwrap();
    assert_eq!((later.replayed, later.value.id), (true, first.id));
    assert_eq!((later.value.status, later.value.version), (TransactionStatus::Unknown, 2));
}

/// Whoever changes what a crash left must not get it signed by the next start.
#[tokio::test]
async fn what_a_crash_left_is_not_taken_over_changed() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let claim = key(&world, &shop);
    cut_off(&world, &shop, card, Stop::AfterInitiate, Some(claim)).await;
    world.store.plot(|plot| plot.transaction = Some(Box::new(|row| row.merchant_reference.push('x'))));
    assert_refused!(world.reopen().await, VaultError::Tampered(_));
    world.store.leave();
    world.store.plot(|plot| plot.idempotency = Some(Box::new(|row| row.body[0] ^= 1)));
    assert_refused!(world.reopen().await, VaultError::Tampered(_));
    world.store.leave();
    assert!(world.reopen().await.is_ok());
}
