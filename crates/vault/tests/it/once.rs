//! One CVV through every kind of processor and every failure of it: who may have seen a byte of a request never sees its CVV again, and who cannot have
//! leaves it held. The PSPs are fakes behind TLS on real sockets.

use std::sync::Arc;

use panvault_model::{Currency, OrganisationId, ProcessorId, Role, TransactionStatus};
use panvault_processor::Processors;
use panvault_processor::card_http::{HttpMode, Registry};
use panvault_testkit::psp::{DescribedPsp, DescribedPsps, FAILURES, Failure, Reach};
use panvault_testkit::{CanaryCard, LeakScan, canary_cards, operator};
use panvault_vault::{
    Given, NewAccount, NewProcessor, NewTransaction, TransactionRow, Vault, VaultParts, Webhooks,
};
use zeroize::Zeroizing;

use crate::world::{Shop, World, new_transaction};

/// Long enough for a handshake on a machine that has much to do.
const CONNECT_MILLIS: u64 = 2_000;
const ANSWER_MILLIS: u64 = 1_500;

/// A shop that pays by one PSP or, where it is not reached, by another.
struct Kind<'a> {
    shop: Shop,
    first: &'a DescribedPsp,
    next: Option<&'a DescribedPsp>,
}

/// The world, with a vault that pays by the PSPs.
async fn connected(world: &mut World, psps: &DescribedPsps) {
    let limits = |psp: &DescribedPsp| {
        let of = &psp.type_name;
        format!(
            "[{of}]\nconnect_millis = {CONNECT_MILLIS}\nanswer_millis = {ANSWER_MILLIS}\nbreaker_failures = 0\n"
        )
    };
    let limits: String = psps.psps.iter().map(limits).collect();
    std::fs::write(psps.descriptions().join("limits.toml"), limits).unwrap();
    let registry = Registry::load(psps.descriptions()).unwrap();
    let processors = Arc::new(Processors::new(registry, HttpMode::Test));
    let parts = VaultParts { processors, ..world.parts() };
    world.vault = Vault::open(parts).await.unwrap();
}

async fn processor(
    world: &World,
    organisation: OrganisationId,
    type_name: &str,
    given: Vec<(String, String)>,
) -> ProcessorId {
    let given = given.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
    let (name, type_name, given) = ("P".to_owned(), type_name.to_owned(), Given::new(given));
    let new = NewProcessor { organisation, name, type_name, given };
    world.vault.processor_create(&operator(&world.vault, 1).permit().unwrap(), new).await.unwrap().id
}

async fn described(world: &World, organisation: OrganisationId, psp: &DescribedPsp) -> ProcessorId {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let given = psp.settings.iter().chain([&psp.secret]).map(pair).collect();
    processor(world, organisation, &psp.type_name, given).await
}

async fn kind<'a>(world: &World, first: &'a DescribedPsp, next: Option<&'a DescribedPsp>) -> Kind<'a> {
    let organisation = world.organisation(None).await;
    let mut processors = vec![described(world, organisation, first).await];
    if let Some(next) = next {
        let two = [processors[0], described(world, organisation, next).await];
        let routes = two.iter().enumerate();
        let routes = routes.map(|(at, id)| (format!("routes.{at}.processor"), id.to_string())).collect();
        processors = vec![processor(world, organisation, "card_route", routes).await];
    }
    let account = NewAccount {
        organisation,
        name: "Euro".to_owned(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        processors,
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let permit = operator(&world.vault, 1).permit().unwrap();
    let account = world.vault.account_create(&permit, account).await.unwrap().id;
    let key = world.key(organisation, &[Role::MerchantAdmin]).await;
    Kind { shop: Shop { organisation, account, key }, first, next }
}

/// What the fakes have seen of a card in whole requests: how often its number, and how often with its CVV.
fn seen(psp: &DescribedPsp, card: &CanaryCard) -> (usize, usize) {
    psp.peer.times_seen(&card.number, &card.cvv)
}

async fn fails(world: &World, kind: &Kind<'_>, failure: &Failure, canary: &CanaryCard) {
    let Kind { shop, first, next } = kind;
    let at = format!("{} at {}, next {}", failure.name, first.type_name, next.is_some());
    let card = world.card_create(shop, &canary.number, Some(&canary.cvv)).await.unwrap().row.id;
    let held_until = async || world.card_read(shop, card).await.unwrap().cvv_expires_at;
    let deadline = held_until().await;
    assert!(deadline.is_some(), "{at}");
    failure.begins(&first.peer);
    let row = world.transact(shop, card, 1_000).await.unwrap();
    failure.ends(&first.peer);
    let outcome = (row.status, row.cvv_present, held_until().await);
    let of_next = next.map(|next| seen(next, canary));
    match (failure.is_seen(), of_next) {
        (true, of_next) => {
            assert_eq!(outcome, (TransactionStatus::Unknown, true, None), "{at}");
            assert_eq!(of_next.unwrap_or_default(), (0, 0), "{at}: nobody else is asked");
        }
        (false, None) => {
            assert_eq!(outcome, (TransactionStatus::Unavailable, false, deadline), "{at}");
            assert_eq!(seen(first, canary), (0, 0), "{at}");
        }
        (false, Some(of_next)) => {
            assert_eq!(outcome, (TransactionStatus::SettlementRequested, true, None), "{at}");
            assert_eq!((seen(first, canary), of_next), ((0, 0), (1, 1)), "{at}");
        }
    }
    // All is well again. A CVV that is held goes out once, and none that somebody may have seen.
    for is_held in [deadline == outcome.2, false] {
        let row = world.transact(shop, card, 1_000).await.unwrap();
        assert_eq!((row.status, row.cvv_present), (TransactionStatus::SettlementRequested, is_held), "{at}");
    }
    let all: usize = next.iter().chain([first]).map(|psp| seen(psp, canary).1).sum();
    assert_eq!(all, usize::from(failure.reach != Reach::Part), "{at}: whole requests with the CVV");
    assert_eq!(held_until().await, None, "{at}");
}

/// A card for each failure.
fn canaries(seed: u64) -> Vec<CanaryCard> {
    let cards = canary_cards(seed, FAILURES.len() * 10).into_iter();
    cards.filter(|card| card.number.starts_with("4716")).collect()
}

async fn all_failures(world: &World, kind: &Kind<'_>, canaries: &[CanaryCard]) {
    assert!(canaries.len() >= FAILURES.len());
    for (failure, canary) in FAILURES.iter().zip(canaries) {
        fails(world, kind, failure, canary).await;
    }
}

async fn table(mut world: World) {
    let psps = DescribedPsps::start();
    connected(&mut world, &psps).await;
    let mut kinds = Vec::new();
    for at in DescribedPsps::DIRECT {
        kinds.push(kind(&world, &psps.psps[at], None).await);
    }
    let [first, next] = DescribedPsps::ROUTED.map(|at| &psps.psps[at]);
    kinds.push(kind(&world, first, Some(next)).await);
    let [stripe, adyen, checkout, routed] = &kinds[..] else { panic!("four") };
    let cards = [1, 2, 3, 4].map(canaries);
    tokio::join!(
        all_failures(&world, stripe, &cards[0]),
        all_failures(&world, adyen, &cards[1]),
        all_failures(&world, checkout, &cards[2]),
        all_failures(&world, routed, &cards[3]),
    );
    // Only the fakes' own sockets saw a number.
    let scan = LeakScan::new(cards.iter().flatten().map(|card| card.number.as_str()));
    let at_peers = psps.psps.iter().flat_map(|psp| psp.peer.seen());
    assert!(at_peers.map(|seen| scan.scan("peer", &seen).len()).sum::<usize>() > 0, "the control");
    assert_eq!(scan.scan_directory(psps.descriptions()).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_seen_a_byte_never_sees_the_cvv_again() {
    table(World::new().await).await;
}

/// The same where nodes share CVVs, whose rows in the store say what was used.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_seen_a_byte_never_sees_a_shared_cvv_again() {
    table(World::shared().await).await;
}

async fn at_the_dummy(
    world: &World,
    shop: &Shop,
    wish: &str,
    card: panvault_model::CardId,
) -> TransactionRow {
    let new =
        NewTransaction { merchant_reference: wish.to_owned(), ..new_transaction(shop.account, card, 1_000) };
    let paid = world.vault.transaction_create(&world.permit(&shop.key), new, None).await;
    TransactionRow::clone(&paid.unwrap().value)
}

/// The dummy has no socket, and is told what to do.
#[tokio::test(start_paused = true)]
async fn at_the_dummy_a_cvv_goes_out_once() {
    for world in [World::new().await, World::shared().await] {
        let shop = world.shop(None).await;
        for (wish, status) in [
            ("please 131", TransactionStatus::Unavailable),
            ("please 121", TransactionStatus::Declined),
            ("please 122", TransactionStatus::Unknown),
            ("please 123", TransactionStatus::Failed),
            ("please 132", TransactionStatus::NotSupported),
            ("please 170", TransactionStatus::Unknown),
        ] {
            let before = world.processors.carried().len();
            let card = world.card(&shop).await;
            let row = at_the_dummy(&world, &shop, wish, card).await;
            let is_unseen = status == TransactionStatus::Unavailable;
            assert_eq!((row.status, row.cvv_present), (status, !is_unseen), "{wish}");
            assert_eq!(world.holds_cvv(&shop, card).await, is_unseen, "{wish}");
            for is_held in [is_unseen, false] {
                let row = at_the_dummy(&world, &shop, "order", card).await;
                let expected = (TransactionStatus::SettlementRequested, is_held);
                assert_eq!((row.status, row.cvv_present), expected, "{wish}");
            }
            assert_eq!(world.processors.carried()[before..], [true, is_unseen, false], "{wish}");
        }
    }
}
