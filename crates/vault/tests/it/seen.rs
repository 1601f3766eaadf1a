//! PCI DSS 10.2: what is seen and refused leaves a trace, in bounded form.

use std::net::IpAddr;

use panvault_model::{Id, OrganisationId, Role, Timestamp};
use panvault_store::{AuditNote, Store, StoreFault};
use panvault_vault::limits::SIGNIN_REFUSALS_COUNTED_MAX;
use panvault_vault::{
    Action, Caller, CardList, CardQuery, NewApiKey, Origin, RefusalReason, VaultError, operation_name,
};

use crate::assert_refused;
use crate::world::{World, all_cards};

const NOBODY: OrganisationId = OrganisationId::from_bytes([0; 12]);

fn from(address: &str) -> Origin {
    Origin { request: None, address: Some(address.parse::<IpAddr>().unwrap()) }
}

/// What the sweep writes down of what was counted.
async fn counted(world: &World) -> Vec<AuditNote> {
    let first = world.store.status().sequence + 1;
    world.vault.sweep().await.unwrap();
    let notes = world.store.trail(first).await.into_iter().map(|record| record.note);
    notes.filter(|note| note.counted.is_some()).collect()
}

/// Action, how often, organisation, the last object.
fn said(notes: &[AuditNote]) -> Vec<(Action, u32, OrganisationId, Id)> {
    notes
        .iter()
        .map(|note| (note.action, note.counted.unwrap().count(), note.organisation, note.object))
        .collect()
}

/// The bug: who read cards was nowhere to be found. Its cause: there was a note with every change, and none of what changes nothing. Its
/// cure: reads are counted by key, address, organisation and action, and written down about once a minute.
#[tokio::test]
async fn reads_are_counted_and_written_down_once() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (one, two) = (world.card(&shop).await, world.card(&shop).await);
    let began = world.vault.now().wall;
    world.card_read(&shop, one).await.unwrap();
    world.clock.pass_millis(20_000);
    for _ in 0..4 {
        world.card_read(&shop, two).await.unwrap();
    }
    let ended = world.vault.now().wall;
    world.cards(&shop).await.unwrap();
    world.clock.pass_millis(10_000);
    let caller = world.vault.caller(&shop.key, from("192.0.2.9")).unwrap();
    world.vault.card_read(&caller.permit().unwrap(), one).await.unwrap();

    let notes = counted(&world).await;
    let none = Id::from_bytes([0; 12]);
    let mut said = said(&notes);
    said.sort_by_key(|(action, count, ..)| (*action, core::cmp::Reverse(*count)));
    assert_eq!(
        said,
        [
            (Action::CardRead, 5, shop.organisation, two.0),
            (Action::CardRead, 1, shop.organisation, one.0),
            (Action::CardList, 1, shop.organisation, none),
        ]
    );
    let note = notes.iter().find(|note| note.counted.unwrap().count() == 5).unwrap();
    assert_eq!((note.actor, note.address), (world.caller(&shop.key).api_key(), [0; 16]));
    assert_eq!(note.at, world.vault.now().wall);
    let spans = note.counted.unwrap();
    assert_eq!((spans.first_at(note.at), spans.last_at(note.at)), (began, ended));
    let elsewhere = notes.iter().find(|note| note.address != [0; 16]).unwrap();
    assert_eq!(elsewhere.address[10..], [0xff, 0xff, 192, 0, 2, 9]);
    assert!(counted(&world).await.is_empty(), "once");
}

/// A read of what is not there, or is a stranger's, is no read.
#[tokio::test]
async fn what_was_not_shown_was_not_read() {
    let world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    let card = world.card(&other).await;
    assert_refused!(world.card_read(&shop, card).await, VaultError::NotFound(_));
    // And so is a list that names a stranger's organisation, or meets a row that was changed.
    let permit = world.permit::<CardList>(&shop.key);
    let named = CardQuery { organisations: vec![other.organisation], ..all_cards() };
    assert_refused!(world.vault.card_list(&permit, named).await, VaultError::NotFound(_));
    world.card(&shop).await;
    world.store.plot(|plot| plot.card = Some(Box::new(|row| row.version += 1)));
    assert_refused!(world.cards(&shop).await, VaultError::Tampered(_));
    world.store.leave();
    assert!(counted(&world).await.is_empty());
}

/// The bug: whoever tried keys until one fitted left no trace. Its cause and cure: as above, by address and reason.
#[tokio::test]
async fn failed_signins_are_counted_by_address_and_reason() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let permit = panvault_testkit::operator(&world.vault, 1).permit().unwrap();
    let expires_at = Some(Timestamp::from_unix_millis(world.vault.now().wall.unix_millis() + 1_000));
    let roles = vec![Role::MerchantUser];
    let new = NewApiKey {
        organisation: shop.organisation,
        name: "Short".to_owned(),
        roles,
        expires_at,
        allowed_origins: Vec::new(),
    };
    let (row, expiring) = world.vault.apikey_create(&permit, new).await.unwrap();
    let revoked = world.key(shop.organisation, &[Role::MerchantUser]).await;
    let id = world.caller(&revoked).api_key().unwrap();
    let permit = panvault_testkit::operator(&world.vault, 1).permit().unwrap();
    world.vault.apikey_delete(&permit, id).await.unwrap();
    let caller = world.vault.caller(expiring.expose_text(), from("2001:db8::1")).unwrap();
    world.clock.pass_millis(1_000);

    let refused = |key: &str, address: &str| {
        assert_refused!(world.vault.caller(key, from(address)).map(drop), VaultError::NotAuthenticated);
    };
    refused("pv_test_nothing", "192.0.2.1");
    refused("pv_test_nothing", "192.0.2.1");
    refused(&revoked, "192.0.2.1");
    refused("pv_test_nothing", "2001:db8::1");
    refused("pv_test_nothing", "2001:db8::2");
    refused(expiring.expose_text(), "2001:db8::1");
    assert_refused!(world.vault.caller_again(&caller).map(drop), VaultError::NotAuthenticated);
    let other = panvault_testkit::operator_key(world.vault.id(), 2);
    assert_refused!(world.vault.operator(&other, Origin::LOCAL).map(drop), VaultError::NotAuthenticated);

    let notes = counted(&world).await;
    assert!(notes.iter().all(|note| note.action == Action::SigninRefuse));
    let mut said: Vec<_> = notes
        .iter()
        .map(|note| {
            let reason = RefusalReason::from_code(note.outcome).unwrap();
            (reason, note.counted.unwrap().count(), note.actor, note.organisation, note.is_anonymous())
        })
        .collect();
    said.sort_by_key(|(reason, count, ..)| (*reason, *count));
    assert_eq!(
        said,
        [
            (RefusalReason::KeyMalformed, 2, None, NOBODY, true),
            (RefusalReason::KeyMalformed, 2, None, NOBODY, true),
            (RefusalReason::KeyUnknown, 1, None, NOBODY, true),
            (RefusalReason::KeyExpired, 1, Some(row.id), shop.organisation, false),
            (RefusalReason::KeyEnded, 1, Some(row.id), shop.organisation, false),
            (RefusalReason::OperatorProof, 1, None, NOBODY, true),
        ]
    );
    let networks = notes.iter().filter(|note| note.address[..4] == [0x20, 1, 0x0d, 0xb8]);
    assert!(networks.clone().all(|note| note.address[8..] == [0; 8]), "of an IPv6 address its network");
    assert_eq!(networks.count(), 3);
}

#[tokio::test]
async fn refusals_say_who_what_and_why() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let key = world.key(shop.organisation, &[Role::MerchantUser]).await;
    let caller: Caller = world.vault.caller(&key, from("2001:db8::7")).unwrap();
    world.vault.access_refused(&caller.as_refused(), "card_delete", RefusalReason::Role);
    let browser = world.key(shop.organisation, &[Role::Publishable]).await;
    for address in ["2001:db8::8", "2001:db8::9"] {
        let browser = world.vault.caller(&browser, from(address)).unwrap();
        world.vault.access_refused(&browser.as_refused(), "card_create", RefusalReason::IdempotencyMismatch);
    }
    let notes = counted(&world).await;
    let said: Vec<_> = notes
        .iter()
        .map(|note| {
            let counted = note.counted.unwrap();
            let reason = RefusalReason::from_code(note.outcome).unwrap();
            (operation_name(counted.operation()), reason, counted.count(), note.address[15])
        })
        .collect();
    assert!(said.contains(&(Some("card_delete"), RefusalReason::Role, 1, 7)), "{said:?}");
    assert!(said.contains(&(Some("card_create"), RefusalReason::IdempotencyMismatch, 2, 0)), "{said:?}");
    assert!(notes.iter().all(|note| note.actor.is_some() && note.organisation == shop.organisation));
    let refused: Vec<_> = world.vault.refused().filter(|(_, times)| *times > 0).collect();
    assert_eq!(refused, [(RefusalReason::Role, 1), (RefusalReason::IdempotencyMismatch, 2)]);
}

/// What has no room in the store now is not lost, and is still counted together with what comes.
#[tokio::test]
async fn what_cannot_be_written_is_written_with_the_next() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let addresses: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let read_from_all = async || {
        for address in &addresses {
            let caller = world.vault.caller(&shop.key, from(address)).unwrap();
            world.vault.card_read(&caller.permit().unwrap(), card).await.unwrap();
        }
    };
    read_from_all().await;
    world.store.plot(|plot| plot.counted_fault = Some(StoreFault::Busy));
    assert_refused!(world.vault.sweep().await, VaultError::Busy);
    world.store.leave();
    read_from_all().await;
    let notes = counted(&world).await;
    assert_eq!(notes.len(), addresses.len());
    assert!(notes.iter().all(|note| note.counted.unwrap().count() == 2));
}

/// A flood is as many records as are told apart, and its count is whole.
#[tokio::test]
async fn a_flood_makes_a_bounded_number_of_records() {
    let world = World::new().await;
    world.shop(None).await;
    let flood = 10 * u32::try_from(SIGNIN_REFUSALS_COUNTED_MAX).unwrap();
    for n in 0..flood {
        let address = Some(IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        let _ = world.vault.signin_refused(Origin { request: None, address }, RefusalReason::KeyUnknown);
    }
    let notes = counted(&world).await;
    assert_eq!(notes.len(), SIGNIN_REFUSALS_COUNTED_MAX + 1);
    let times: u32 = notes.iter().map(|note| note.counted.unwrap().count()).sum();
    assert_eq!(times, flood);
}

/// The end writes down what the last sweep has not; and a vault in which nothing is stored yet stays empty.
#[tokio::test]
async fn the_end_writes_down_the_last_minute() {
    let world = World::new().await;
    let _ = world.vault.signin_refused(from("192.0.2.1"), RefusalReason::KeyUnknown);
    world.vault.close().await.unwrap();
    assert_eq!(world.store.status().sequence, 0);
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let before = world.store.status().sequence;
    let permit = world.permit::<CardList>(&shop.key);
    world.vault.card_list(&permit, all_cards()).await.unwrap();
    world.vault.close().await.unwrap();
    world.reopen().await.unwrap();
    let actions = world.store.trail(before + 1).await.into_iter().map(|record| record.note.action);
    assert!(actions.clone().any(|action| action == Action::CardList), "{:?}", actions.collect::<Vec<_>>());
}
