//! Network tokens: cards whose payments bring a cryptogram, which one processor sees once and nobody keeps.

use std::sync::Arc;

use panvault_card::{Cryptogram, NewCard};
use panvault_model::{CardId, CardKind, RecurringType, Role, TransactionStatus};
use panvault_processor::Sent;
use panvault_store::Store;
use panvault_testkit::LeakScan;
use panvault_vault::{
    CardChange, CardField, CardQuery, CardView, CvvChange, Done, FieldValue, Filter, Metadata,
    NewTransaction, Permit, Query, RowVerifier, Test, TransactionCreate, TransactionRow, VaultError,
};

use crate::assert_refused;
use crate::route::{AGAIN, NOT_REACHED, Routed, declined, routed};
use crate::world::{Shop, VISA, World, all_transactions, keys, new_card, new_transaction, no_change};

const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";
const OTHER: &str = "ALnt+yWSJdXBACMLLWMNGgADFA==";

async fn token_create(world: &World, shop: &Shop, cvv: Option<&str>) -> Result<CardView, VaultError> {
    let card = NewCard { kind: CardKind::NetworkToken, ..new_card(VISA, cvv) };
    let permit = world.permit(&shop.key);
    let created = world.vault.card_create(&permit, shop.organisation, card, Metadata::new(), None);
    created.await.map(|done| done.value)
}

async fn token(world: &World, shop: &Shop) -> CardId {
    token_create(world, shop, None).await.unwrap().row.id
}

/// Pays with a card and these further parts of the request.
async fn pay(
    world: &World,
    shop: &Shop,
    new: NewTransaction,
    cryptogram: Option<&str>,
    key: Option<&str>,
) -> Result<Done<Arc<TransactionRow>>, VaultError> {
    let permit: Permit<TransactionCreate> = world.permit(&shop.key);
    let cryptogram = match cryptogram {
        Some(text) => {
            let cryptogram = Cryptogram::parse(text).unwrap();
            world.vault.cryptogram_seal(&permit, new.account, new.card, cryptogram)?
        }
        None => None,
    };
    let claim = key.map(|key| world.idempotency(&permit, key, "body"));
    world.vault.transaction_create(&permit, NewTransaction { cryptogram, ..new }, claim).await
}

fn faults(result: Result<Done<Arc<TransactionRow>>, VaultError>) -> Vec<(String, bool)> {
    match result {
        Err(VaultError::Faults(faults)) => {
            faults.into_iter().map(|fault| (fault.field.into_owned(), fault.is_missing)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_a_card_of_its_own_kind() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card_create(&shop, VISA, None).await.unwrap().row;
    let token = token_create(&world, &shop, None).await.unwrap().row;
    assert_eq!((card.kind, token.kind), (CardKind::Card, CardKind::NetworkToken));
    assert_ne!(card.fingerprint, token.fingerprint, "equal digits are not the same card");
    assert_eq!(token_create(&world, &shop, None).await.unwrap().row.fingerprint, token.fingerprint);
    let documents = world.store.document_read_all().await.unwrap();
    let verifier = RowVerifier::open(keys(), &documents).unwrap();
    assert!(verifier.card(&card).is_ok() && verifier.card(&token).is_ok());
    let of_kind = async |kind: &'static str| {
        let values = vec![FieldValue::Text(kind.into())];
        let filters = vec![Filter { field: CardField::Kind, test: Test::Equal, values }];
        let query = CardQuery { filters, ..Query::newest(Vec::new(), 100) };
        let page = world.vault.card_list(&world.permit(&shop.key), query).await.unwrap();
        page.rows.iter().map(|view| view.row.id).collect::<Vec<_>>()
    };
    assert_eq!(of_kind("card").await, [card.id]);
    assert_eq!(of_kind("network_token").await.len(), 2);
}

#[tokio::test]
async fn a_token_has_no_cvv_and_comes_from_no_browser() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    assert_refused!(token_create(&world, &shop, Some("111")).await, VaultError::Faults(faults) if faults[0].field == "cvv");
    assert_eq!(world.cards(&shop).await.unwrap().total, 0);
    let token = token(&world, &shop).await;
    let put = world.cvv_put(&shop, token, "111").await;
    assert_refused!(put, VaultError::Faults(faults) if faults[0].field == "cvv");
    assert!(!world.holds_cvv(&shop, token).await);
    let browser = world.key(shop.organisation, &[Role::Publishable]).await;
    let permit = world.permit(&browser);
    let card = NewCard { kind: CardKind::NetworkToken, ..new_card(VISA, None) };
    let created = world.vault.card_create(&permit, shop.organisation, card, Metadata::new(), None).await;
    assert_refused!(created, VaultError::Faults(faults) if faults[0].field == "kind");
    // An end of what is not there changes nothing, as with a card.
    let change = CardChange { cvv: CvvChange::Clear, ..no_change() };
    let permit = world.permit(&shop.key);
    assert!(world.vault.card_update(&permit, token, shop.organisation, change, None).await.is_ok());
}

#[tokio::test]
async fn a_payment_brings_its_cryptogram_and_no_other_card_does() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (token, card) = (token(&world, &shop).await, world.card(&shop).await);
    let new = |card| new_transaction(shop.account, card, 1_000);
    let eci = |text: &str| vec![("cryptogram_eci".to_owned(), text.to_owned())];
    let paid = pay(&world, &shop, NewTransaction { extras: eci("07"), ..new(token) }, Some(CRYPTOGRAM), None);
    let paid = paid.await.unwrap().value;
    assert_eq!((paid.status, paid.cvv_present), (TransactionStatus::SettlementRequested, false));
    assert_eq!(world.processors.tokens(), [(Some(CRYPTOGRAM.to_owned()), Some("07".to_owned()))]);
    // The merchant's own need none, and may bring one.
    let repeat = || NewTransaction { recurring_type: Some(RecurringType::Repeat), ..new(token) };
    pay(&world, &shop, repeat(), None, None).await.unwrap();
    pay(&world, &shop, repeat(), Some(OTHER), None).await.unwrap();
    let tokens = world.processors.tokens();
    assert_eq!(tokens[1..], [(None, None), (Some(OTHER.to_owned()), None)]);
    let rows =
        world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap().total;
    for (new, cryptogram, expected) in [
        (new(token), None, vec![("cryptogram", true)]),
        (
            NewTransaction { recurring_type: Some(RecurringType::First), ..new(token) },
            None,
            vec![("cryptogram", true)],
        ),
        (
            NewTransaction { extras: eci("7"), ..new(token) },
            None,
            vec![("cryptogram", true), ("cryptogram_eci", false)],
        ),
        (
            NewTransaction { extras: eci("7"), ..new(token) },
            Some(CRYPTOGRAM),
            vec![("cryptogram_eci", false)],
        ),
        (NewTransaction { extras: eci("07"), ..repeat() }, None, vec![("cryptogram_eci", false)]),
        (new(card), Some(CRYPTOGRAM), vec![("cryptogram", false)]),
        (NewTransaction { extras: eci("07"), ..new(card) }, None, vec![("cryptogram_eci", false)]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|(name, missing)| ((*name).to_owned(), *missing)).collect();
        assert_eq!(faults(pay(&world, &shop, new, cryptogram, None).await), expected);
    }
    assert!(world.holds_cvv(&shop, card).await, "what is refused takes no CVV");
    world.processors.takes_no_tokens(true);
    assert_refused!(pay(&world, &shop, new(token), Some(CRYPTOGRAM), None).await, VaultError::NotSupported);
    world.processors.takes_no_tokens(false);
    let after =
        world.vault.transaction_list(&world.permit(&shop.key), all_transactions()).await.unwrap().total;
    assert_eq!((after, world.processors.tokens().len()), (rows, 3), "nothing was stored or sent");
}

/// Whatever becomes of it: a second payment has to bring a second one.
#[tokio::test]
async fn a_cryptogram_is_seen_once_and_kept_nowhere() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let token = token(&world, &shop).await;
    let new = || new_transaction(shop.account, token, 1_000);
    world.processors.answer([Sent::NotReached { reason: "not there" }]);
    let away = pay(&world, &shop, new(), Some(CRYPTOGRAM), Some("key")).await.unwrap();
    assert_eq!(away.value.status, TransactionStatus::Unavailable);
    // The same request again is answered the same, whatever cryptogram it brings, and sends nothing.
    let again = pay(&world, &shop, new(), Some(OTHER), Some("key")).await.unwrap();
    assert!(again.replayed && again.value.id == away.value.id);
    assert_eq!(world.processors.tokens(), [(Some(CRYPTOGRAM.to_owned()), None)]);
    assert_eq!(faults(pay(&world, &shop, new(), None, None).await), [("cryptogram".to_owned(), true)]);
    let paid = pay(&world, &shop, new(), Some(OTHER), None).await.unwrap();
    assert_eq!(paid.value.status, TransactionStatus::SettlementRequested);
    assert_eq!(world.processors.tokens()[1..], [(Some(OTHER.to_owned()), None)]);
    let mut kept = Vec::new();
    for row in [&away.value, &paid.value] {
        row.encode(&mut kept);
    }
    kept.extend(format!("{:?}{:?}{:?}", away.value, paid.value, new()).into_bytes());
    let brought = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!brought(CRYPTOGRAM) && !brought(OTHER));
    assert_eq!(LeakScan::new([VISA]).scan("rows", &kept), []);
}

/// Over a route, too: nobody has seen what was not reached; and without what was seen a token is not paid with.
#[tokio::test]
async fn a_route_hands_on_a_cryptogram_that_nobody_has_seen() {
    let world = World::new().await;
    let Routed { shop, .. } = routed(&world, &[AGAIN, AGAIN, AGAIN]).await;
    let token = token(&world, &shop).await;
    let new = || new_transaction(shop.account, token, 1_000);
    world.processors.answer([NOT_REACHED, declined("05")]);
    let row = pay(&world, &shop, new(), Some(CRYPTOGRAM), None).await.unwrap().value;
    assert_eq!((row.status, row.try_number), (TransactionStatus::Declined, 2));
    let seen = (Some(CRYPTOGRAM.to_owned()), None);
    assert_eq!(world.processors.tokens(), [seen.clone(), seen]);
    world.processors.takes_no_tokens(true);
    let refused = pay(&world, &shop, new(), Some(OTHER), None).await;
    assert!(matches!(refused, Err(VaultError::NotSupported)), "{refused:?}");
}

/// What one card's payment brought opens for no other.
#[tokio::test]
async fn a_cryptogram_is_bound_to_its_card() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (one, other) = (token(&world, &shop).await, token(&world, &shop).await);
    let permit: Permit<TransactionCreate> = world.permit(&shop.key);
    let seal = |card| {
        world.vault.cryptogram_seal(&permit, shop.account, card, Cryptogram::parse(CRYPTOGRAM).unwrap())
    };
    let of_other =
        NewTransaction { cryptogram: seal(other).unwrap(), ..new_transaction(shop.account, one, 1_000) };
    let paid = world.vault.transaction_create(&world.permit(&shop.key), of_other, None).await.unwrap().value;
    assert_eq!(paid.status, TransactionStatus::Unavailable);
    assert_eq!(world.processors.tokens(), []);
}
