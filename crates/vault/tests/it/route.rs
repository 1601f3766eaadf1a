//! Payments that are tried at one processor after the other.

use core::task::Poll;
use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;

use panvault_model::{
    ActionState, Currency, CvvResult, OrganisationId, ProcessorId, RecurringType, Role, TransactionStatus,
};
use panvault_processor::{Reply, Sent, Verdict};
use panvault_store::{Action, Store, StoreFault};
use panvault_testkit::operator;
use panvault_vault::limits::{SETTLE_TRIES_MAX, TRIES_MILLIS_MAX};
use panvault_vault::{
    Given, Mode, NewAccount, NewProcessor, NewTransaction, ProcessorChange, TransactionCreate,
    TransactionRow, Vault, VaultError, VaultParts, Webhooks,
};

use crate::assert_refused;
use crate::intruder::Stop;
use crate::world::{HOUR_MILLIS, Shop, World, all_transactions, new_transaction};

pub(crate) const NOT_REACHED: Sent = Sent::NotReached { reason: "no connection" };
const UNKNOWN: Sent = Sent::Unknown { reason: Cow::Borrowed("no usable answer") };

fn answered(verdict: Verdict, reason_code: &str) -> Sent {
    Sent::Answered(Reply {
        verdict,
        reason_code: reason_code.to_owned(),
        status_reason: None,
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        authorization_code: None,
        reference: None,
        network_transaction_id: None,
    })
}

fn approved() -> Sent {
    answered(Verdict::Approved, "00")
}

pub(crate) fn declined(reason_code: &str) -> Sent {
    answered(Verdict::Declined, reason_code)
}

/// A shop that pays by a route, and the processors that the route names.
pub(crate) struct Routed {
    pub(crate) shop: Shop,
    pub(crate) processors: Vec<ProcessorId>,
}

async fn processor(
    world: &World,
    organisation: OrganisationId,
    type_name: &str,
    given: Vec<(String, String)>,
) -> Result<ProcessorId, VaultError> {
    let (name, type_name, given) = ("P".to_owned(), type_name.to_owned(), Given::in_clear(given));
    let new = NewProcessor { organisation, name, type_name, given };
    let permit = operator(&world.vault, 1).permit().unwrap();
    world.vault.processor_create(&permit, new).await.map(|row| row.id)
}

/// Settings of routes to these, each with further members.
fn routes(to: &[(ProcessorId, &[(&str, &str)])]) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (at, (processor, members)) in to.iter().enumerate() {
        settings.push((format!("routes.{at}.processor"), processor.to_string()));
        let named = |(member, value): &(&str, &str)| (format!("routes.{at}.{member}"), (*value).to_owned());
        settings.extend(members.iter().map(named));
    }
    settings
}

pub(crate) async fn routed(world: &World, members: &[&[(&str, &str)]]) -> Routed {
    let organisation = world.organisation(None).await;
    let mut processors = Vec::new();
    for _ in members {
        processors.push(processor(world, organisation, "card_dummy", Vec::new()).await.unwrap());
    }
    let to: Vec<_> = processors.iter().copied().zip(members.iter().copied()).collect();
    let route = processor(world, organisation, "card_route", routes(&to)).await.unwrap();
    let account = NewAccount {
        organisation,
        name: "Euro".to_owned(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        processors: vec![route],
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let permit = operator(&world.vault, 1).permit().unwrap();
    let account = world.vault.account_create(&permit, account).await.unwrap().id;
    let key = world.key(organisation, &[Role::MerchantAdmin]).await;
    Routed { shop: Shop { organisation, account, key }, processors }
}

pub(crate) const AGAIN: &[(&str, &str)] = &[("again_after", "05\n91")];

/// Version, status, number of the processor's kind and CVV of each step, newest first.
async fn steps(world: &World, shop: &Shop, row: &TransactionRow) -> Vec<(u32, TransactionStatus, bool)> {
    let history = world.vault.transaction_history(&world.permit(&shop.key), row.id).await.unwrap();
    assert!(history.iter().all(|step| step.processor_name == "dummy"));
    history.iter().map(|step| (step.version, step.status, step.cvv_present)).collect()
}

#[tokio::test]
async fn who_was_not_reached_leaves_the_cvv_to_the_next() {
    for world in [World::new().await, World::shared().await] {
        let Routed { shop, processors, .. } = routed(&world, &[&[], &[], &[]]).await;
        let card = world.card(&shop).await;
        world.processors.answer([NOT_REACHED, NOT_REACHED, approved()]);
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!(
            (row.status, row.processor, row.try_number, row.cvv_present, row.version),
            (TransactionStatus::SettlementRequested, processors[2], 3, true, 6)
        );
        assert_eq!(world.processors.carried(), [true, true, true]);
        assert_eq!(
            steps(&world, &shop, &row).await,
            [
                (6, TransactionStatus::SettlementRequested, true),
                (5, TransactionStatus::Initiated, true),
                (4, TransactionStatus::Unavailable, false),
                (3, TransactionStatus::Initiated, true),
                (2, TransactionStatus::Unavailable, false),
                (1, TransactionStatus::Initiated, true),
            ]
        );
        assert_eq!(world.processors.last_order().try_number, 3);
        assert!(!world.holds_cvv(&shop, card).await, "it was used");
        let tries: Vec<_> = world.store.trail(1).await;
        let tries: Vec<_> = tries.iter().filter(|record| record.note.object == row.id.0).collect();
        let noted: Vec<_> = tries.iter().map(|record| record.note.action).collect();
        assert_eq!(
            noted,
            [
                Action::TransactionInitiate,
                Action::TransactionTry,
                Action::TransactionTry,
                Action::TransactionSettle
            ]
        );
        assert_eq!(tries[1].note.outcome, TransactionStatus::Unavailable.code());
        let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
        assert_eq!((page.total, page.rows[0].as_ref()), (1, row.as_ref()), "one payment");
    }
}

#[tokio::test]
async fn after_a_decline_that_is_named_the_next_goes_without_a_cvv() {
    for world in [World::new().await, World::shared().await] {
        let Routed { shop, processors, .. } = routed(&world, &[AGAIN, &[]]).await;
        let card = world.card(&shop).await;
        world.processors.answer([declined("91"), approved()]);
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.processor), (TransactionStatus::SettlementRequested, processors[1]));
        assert_eq!((row.cvv_present, row.reason_code.as_deref()), (false, Some("00")));
        assert_eq!(world.processors.carried(), [true, false]);
        let history = world.vault.transaction_history(&world.permit(&shop.key), row.id).await.unwrap();
        let declined = &history[2];
        assert_eq!((declined.status, declined.cvv_present), (TransactionStatus::Declined, true));
        assert_eq!(declined.reason_code.as_deref(), Some("91"));
        assert!(!world.holds_cvv(&shop, card).await);
        assert!(!world.transact(&shop, card, 1_000).await.unwrap().cvv_present);
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_never_tried_again() {
    for (answer, status) in [
        (UNKNOWN, TransactionStatus::Unknown),
        (declined("51"), TransactionStatus::Declined),
        (answered(Verdict::Failed, "05"), TransactionStatus::Failed),
        (answered(Verdict::Pending, "05"), TransactionStatus::Pending),
        (answered(Verdict::NotSupported, "05"), TransactionStatus::NotSupported),
    ] {
        let world = World::new().await;
        let Routed { shop, processors, .. } = routed(&world, &[AGAIN, &[]]).await;
        let card = world.card(&shop).await;
        world.processors.answer([answer]);
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.processor, row.try_number), (status, processors[0], 1));
        assert_eq!((row.version, world.processors.carried()), (2, vec![true]), "{status}");
        assert!(!world.holds_cvv(&shop, card).await, "{status}");
    }
}

#[tokio::test]
async fn a_cvv_goes_back_where_nobody_was_reached_and_not_where_one_has_seen_it() {
    for world in [World::new().await, World::shared().await] {
        let Routed { shop, processors, .. } = routed(&world, &[AGAIN, &[]]).await;
        let card = world.card(&shop).await;
        let before = world.card_read(&shop, card).await.unwrap().cvv_expires_at;
        world.processors.answer([NOT_REACHED, NOT_REACHED]);
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.state), (TransactionStatus::Unavailable, ActionState::Unavailable));
        assert_eq!((row.processor, row.cvv_present), (processors[1], false));
        assert_eq!(world.card_read(&shop, card).await.unwrap().cvv_expires_at, before, "the same deadline");
        world.processors.answer([declined("05"), NOT_REACHED]);
        let row = world.transact(&shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.cvv_present), (TransactionStatus::Unavailable, false));
        assert_eq!(world.processors.carried(), [true, true, true, false]);
        assert!(!world.holds_cvv(&shop, card).await, "the first of the two has seen it");
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_one_answer() {
    let world = World::new().await;
    let Routed { shop, .. } = routed(&world, &[AGAIN, &[]]).await;
    let card = world.card(&shop).await;
    world.processors.answer([NOT_REACHED, approved()]);
    let pay = async || {
        let permit = world.permit::<TransactionCreate>(&shop.key);
        let key = world.idempotency(&permit, "key", "body");
        let new = new_transaction(shop.account, card, 1_000);
        world.vault.transaction_create(&permit, new, Some(key)).await.unwrap()
    };
    let first = pay().await;
    let again = pay().await;
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((&again.value, again.value.try_number), (&first.value, 2));
    assert_eq!(world.processors.carried().len(), 2);
}

#[tokio::test]
async fn what_is_done_later_goes_to_who_authorised() {
    let world = World::new().await;
    let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
    let card = world.card(&shop).await;
    world.processors.answer([NOT_REACHED, approved()]);
    let new = NewTransaction { capture_now: false, ..new_transaction(shop.account, card, 1_000) };
    let row = world.vault.transaction_create(&world.permit(&shop.key), new, None).await.unwrap().value;
    let captured =
        world.vault.transaction_capture(&world.permit(&shop.key), row.id, None, None).await.unwrap().value;
    assert_eq!(captured.status, TransactionStatus::SettlementRequested);
    assert_eq!((captured.processor, captured.try_number), (processors[1], 2));
    assert_eq!(world.processors.last_follow_up().try_number, 2);
}

/// Runs a payment up to where the store falls silent, and lets it go there.
async fn cut_off(world: &World, shop: &Shop, card: panvault_model::CardId, stop: Stop) {
    world.store.plot(|plot| plot.stop = Some(stop));
    let permit = world.permit::<TransactionCreate>(&shop.key);
    {
        let new = new_transaction(shop.account, card, 1_000);
        let mut running = pin!(world.vault.transaction_create(&permit, new, None));
        core::future::poll_fn(|context| {
            assert!(running.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    world.store.leave();
}

#[tokio::test]
async fn of_tries_that_a_crash_leaves_the_last_alone_is_unknown() {
    for (stop, at, sent) in [(Stop::BeforeTry, 0, 1), (Stop::AfterTry, 1, 1), (Stop::BeforeSettle, 1, 2)] {
        let mut world = World::new().await;
        let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
        let card = world.card(&shop).await;
        world.processors.answer([NOT_REACHED, approved()]);
        cut_off(&world, &shop, card, stop).await;
        assert_eq!(world.processors.carried(), vec![true; sent], "{stop:?}");
        world.processors.can_be_asked(false);
        world.reopen().await.unwrap();
        let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
        let [row] = page.rows.as_slice() else { panic!("{stop:?}") };
        assert_eq!((row.status, row.processor), (TransactionStatus::Unknown, processors[at]), "{stop:?}");
        assert_eq!(usize::from(row.try_number), at + 1, "{stop:?}");
        let steps = steps(&world, &shop, row).await;
        assert_eq!(steps.len(), 2 + 2 * at, "{stop:?}");
        assert!(!world.holds_cvv(&shop, card).await, "{stop:?}");
        assert_eq!(world.processors.carried().len(), sent, "nothing is sent again");
    }
}

/// Whether the step was durable is not known at once; it was.
#[tokio::test(start_paused = true)]
async fn a_try_whose_step_was_not_heard_of_is_sent_once() {
    let world = World::new().await;
    let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
    let card = world.card(&shop).await;
    world.processors.answer([NOT_REACHED, approved()]);
    world.store.plot(|plot| plot.try_unheard = 1);
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!((row.status, row.processor), (TransactionStatus::SettlementRequested, processors[1]));
    assert_eq!(world.processors.carried(), [true, true]);
    assert_eq!(row.version, 4);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_cannot_be_written_down_is_not_sent() {
    let world = World::new().await;
    let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
    let card = world.card(&shop).await;
    world.processors.answer([NOT_REACHED]);
    world.store.plot(|plot| plot.try_faults = Some((StoreFault::Full, SETTLE_TRIES_MAX)));
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    assert_eq!((row.status, row.processor, row.version), (TransactionStatus::Unavailable, processors[0], 2));
    assert_eq!(world.processors.carried(), [true]);
    assert!(world.holds_cvv(&shop, card).await, "nobody has seen it");
}

/// Time passes while the first is tried.
async fn slow(millis: u64) -> (World, Routed, Arc<TransactionRow>) {
    let world = World::new().await;
    let routed = routed(&world, &[&[], &[]]).await;
    let card = world.card(&routed.shop).await;
    world.processors.answer([NOT_REACHED, approved()]);
    world.processors.before().close();
    let running = {
        let (vault, permit) = (world.vault.clone(), world.permit::<TransactionCreate>(&routed.shop.key));
        let new = new_transaction(routed.shop.account, card, 1_000);
        tokio::spawn(async move { vault.transaction_create(&permit, new, None).await })
    };
    world.processors.before().is_reached_by(1).await;
    world.clock.pass_millis(millis);
    world.processors.before().open();
    let row = running.await.unwrap().unwrap().value;
    (world, routed, row)
}

#[tokio::test]
async fn no_further_try_begins_when_the_time_of_the_request_is_over() {
    let (world, routed, row) = slow(TRIES_MILLIS_MAX).await;
    assert_eq!((row.status, row.processor), (TransactionStatus::SettlementRequested, routed.processors[1]));
    assert_eq!(world.processors.carried(), [true, true]);
    let (world, routed, row) = slow(TRIES_MILLIS_MAX + 1).await;
    assert_eq!((row.status, row.processor), (TransactionStatus::Unavailable, routed.processors[0]));
    assert_eq!(world.processors.carried(), [true]);
}

/// Its deadline binds between tries too.
#[tokio::test]
async fn a_cvv_whose_time_is_over_does_not_go_to_the_next() {
    let world = World::new().await;
    let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
    let card = world.card(&shop).await;
    world.clock.pass_millis(HOUR_MILLIS - 1_000);
    world.processors.answer([NOT_REACHED, approved()]);
    world.processors.before().close();
    let running = {
        let (vault, permit) = (world.vault.clone(), world.permit::<TransactionCreate>(&shop.key));
        let new = new_transaction(shop.account, card, 1_000);
        tokio::spawn(async move { vault.transaction_create(&permit, new, None).await })
    };
    world.processors.before().is_reached_by(1).await;
    world.clock.pass_millis(1_000);
    world.processors.before().open();
    let row = running.await.unwrap().unwrap().value;
    assert_eq!((row.processor, row.cvv_present), (processors[1], false));
    assert_eq!(world.processors.carried(), [true, false]);
}

#[tokio::test]
async fn what_no_route_is_for_is_refused_before_anything_is_stored() {
    let world = World::new().await;
    let members: &[(&str, &str)] = &[("amount_min", "5000"), ("brands", "Visa")];
    let Routed { shop, .. } = routed(&world, &[members, &[("percentage", "0")]]).await;
    let card = world.card(&shop).await;
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::WrongState { .. });
    let page = world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap();
    assert_eq!(page.total, 0);
    assert!(world.holds_cvv(&shop, card).await);
    let row = world.transact(&shop, card, 5_000).await.unwrap();
    assert_eq!((row.status, row.cvv_present), (TransactionStatus::SettlementRequested, true));
}

#[tokio::test]
async fn a_later_payment_of_a_series_begins_where_the_first_was_approved() {
    let world = World::new().await;
    let Routed { shop, processors, .. } = routed(&world, &[&[], &[]]).await;
    let card = world.card(&shop).await;
    let pay = async |recurring_type| {
        world.clock.pass_millis(1_000);
        let recurring_type = Some(recurring_type);
        let new = NewTransaction { recurring_type, ..new_transaction(shop.account, card, 1_000) };
        world.vault.transaction_create(&world.permit(&shop.key), new, None).await.unwrap().value
    };
    let Sent::Answered(reply) = approved() else { unreachable!() };
    let named = Reply { network_transaction_id: Some("MDS1".to_owned()), ..reply };
    world.processors.answer([NOT_REACHED, Sent::Answered(named.clone())]);
    assert_eq!(pay(RecurringType::First).await.processor, processors[1]);
    // The bug: a later payment went by the newest that was declined, where the network had named that; its cause: it was not looked at what became of a first; its cure: it
    // must have been approved.
    let (verdict, name) = (Verdict::Declined, Some("MDS2".to_owned()));
    world.processors.answer([Sent::Answered(Reply { verdict, network_transaction_id: name, ..named })]);
    assert_eq!(pay(RecurringType::First).await.status, TransactionStatus::Declined);
    world.processors.answer([NOT_REACHED, approved()]);
    let later = pay(RecurringType::Repeat).await;
    assert_eq!((later.processor, later.try_number), (processors[0], 2), "the other comes behind it");
    assert_eq!(world.processors.last_order().network_transaction_id.as_deref(), Some("MDS1"));
    world.processors.answer([approved()]);
    assert_eq!(pay(RecurringType::Repeat).await.processor, processors[1]);
}

/// Places of faults.
fn faults<T>(result: Result<T, VaultError>) -> Vec<String> {
    match result {
        Err(VaultError::Faults(faults)) => faults.into_iter().map(|fault| fault.field.into_owned()).collect(),
        Err(error) => panic!("refused with another error: {error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_route_names_processors_that_an_account_could_have() {
    let mut world = World::new().await;
    let top = world.organisation(None).await;
    let seller = world.organisation(Some(top)).await;
    let other = world.organisation(Some(top)).await;
    let of = async |organisation| processor(&world, organisation, "card_dummy", Vec::new()).await.unwrap();
    let (above, own, strange) = (of(top).await, of(seller).await, of(other).await);
    let make = async |to: &[(ProcessorId, &[(&str, &str)])]| {
        processor(&world, seller, "card_route", routes(to)).await
    };
    let route = make(&[(above, &[]), (own, &[])]).await.unwrap();
    let first = ["configuration.routes.0.processor"];
    let second = ["configuration.routes.1.processor"];
    assert_eq!(faults(make(&[(own, &[]), (strange, &[])]).await), second, "of another seller");
    assert_eq!(faults(make(&[(route, &[])]).await), first, "a route");
    assert_eq!(faults(make(&[(own, &[]), (own, &[])]).await), second, "twice");
    assert_eq!(faults(make(&[]).await), ["configuration.routes"]);
    let gone = ProcessorId::from_bytes([9; 12]);
    assert_refused!(make(&[(own, &[]), (gone, &[])]).await, VaultError::NotFound(_));

    // Who is named stays, and what is not named of a configuration does too.
    let delete = async |id| {
        let permit = operator(&world.vault, 1).permit().unwrap();
        world.vault.processor_delete(&permit, id).await
    };
    let named = delete(own).await;
    assert!(matches!(named, Err(VaultError::WrongState { reason }) if reason.contains("routes")));
    let change = async |given: Vec<(String, String)>| {
        let permit = operator(&world.vault, 1).permit().unwrap();
        let (name, given) = (Some("Other".to_owned()), Given::in_clear(given));
        let change = ProcessorChange { name, given, ..ProcessorChange::default() };
        world.vault.processor_update(&permit, route, change, None).await.map(|done| done.value)
    };
    let before = change(Vec::new()).await.unwrap().settings;
    assert_eq!(before, routes(&[(above, &[]), (own, &[])]));
    assert_eq!(faults(change(routes(&[(route, &[])])).await), first, "itself");
    assert_eq!(faults(change(vec![("routes".to_owned(), String::new())]).await), ["configuration.routes"]);
    let after = change(routes(&[(above, &[("percentage", "30")])])).await.unwrap().settings;
    assert_eq!(after, routes(&[(above, &[("percentage", "30")])]), "all of them are given");
    delete(own).await.unwrap();

    let parts = VaultParts { mode: Mode::Live, ..world.parts() };
    world.vault = Vault::open(parts).await.unwrap();
    let live = processor(&world, top, "card_route", routes(&[(above, &[])])).await;
    assert_refused!(live, VaultError::NotFound(_));
}

/// One CVV, a hundred payments at once on two nodes, and a first processor that is never reached.
#[tokio::test]
async fn of_a_hundred_that_race_one_has_the_cvv_at_each_of_its_tries() {
    let one = World::shared().await;
    let Routed { shop, processors, .. } = routed(&one, &[&[], &[]]).await;
    let two = one.beside(2).await;
    let card = one.card(&shop).await;
    let mut running = Vec::new();
    for world in [&one, &two] {
        world.store.plot(|plot| plot.yields = true);
        world.caller(&shop.key);
        world.processors.first_goes_away();
        for _ in 0..50 {
            let (vault, permit) = (world.vault.clone(), world.permit::<TransactionCreate>(&shop.key));
            let new = new_transaction(shop.account, card, 1_000);
            running.push(tokio::spawn(async move { vault.transaction_create(&permit, new, None).await }));
        }
    }
    let (mut with, mut paid) = (0, 0);
    for task in running {
        if let Ok(done) = task.await.unwrap() {
            assert_eq!(done.value.processor, processors[1]);
            paid += 1;
            with += usize::from(done.value.cvv_present);
        }
    }
    let carried = one.processors.carried().into_iter().chain(two.processors.carried());
    assert_eq!(
        carried.filter(|carried| *carried).count(),
        2,
        "at the one that was not reached, and at the next"
    );
    assert_eq!(with, 1);
    assert!(paid >= 50, "{paid}");
    assert!(one.store.card_cvv_read(card).await.unwrap().is_none_or(|row| row.used));
}
