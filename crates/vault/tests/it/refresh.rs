//! Facts that are derived again from a newer table.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use panvault_card::{BinTable, Holder};
use panvault_model::{CardId, Country, IssuerFacts, Role};
use panvault_store::{Action, CardRow, Store};
use panvault_testkit::operator;
use panvault_vault::{CardChange, CardRefresh, Permit, Refreshed, Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::world::{Shop, VISA, World, new_card, no_change, opened};

/// A table of which every version knows something else by digits 7 and 8: version 2 as version 1, but for cards of `42`.
struct Tables(AtomicU32);

impl BinTable for Tables {
    fn lookup(&self, digits: &[u8]) -> IssuerFacts {
        let table_version = self.version();
        let name = match (digits.get(6..8), table_version) {
            (Some(b"42"), 2..) => Some("BANK TWO"),
            (Some(_), 3..) => None,
            (Some(_), _) => Some("BANK ONE"),
            (None, _) => None,
        };
        IssuerFacts {
            issuer_name: name.map(Arc::from),
            issuer_country: Country::parse("NL"),
            table_version,
            ..IssuerFacts::default()
        }
    }

    fn version(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

async fn world() -> (World, Shop, Arc<Tables>) {
    let mut world = World::new().await;
    let tables = Arc::new(Tables(AtomicU32::new(1)));
    world.vault = Vault::open(VaultParts { bins: Arc::clone(&tables) as _, ..world.parts() }).await.unwrap();
    let shop = world.shop(None).await;
    (world, shop, tables)
}

/// A published test number whose digits 7 and 8 are 42.
const OTHER: &str = "4242424242424242";

async fn rows(world: &World) -> Vec<Arc<CardRow>> {
    let permit = operator(&world.vault, 1).permit().unwrap();
    world.vault.card_page(&permit, CardId::from_bytes([0; 12]), 100).await.unwrap()
}

async fn refresh(world: &World, row: &Arc<CardRow>) -> Result<Refreshed, VaultError> {
    let permit: Permit<CardRefresh> = operator(&world.vault, 1).permit().unwrap();
    world.vault.card_refresh(&permit, Arc::clone(row)).await
}

async fn read(world: &World, id: CardId) -> Arc<CardRow> {
    world.store.card_read(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn only_what_the_new_table_says_otherwise_is_written() {
    let (world, shop, tables) = world().await;
    let one = world.card(&shop).await;
    let mut new = new_card(OTHER, Some("111"));
    new.holder = Some(Holder::parse("Ann Lee").unwrap());
    let permit = world.permit(&shop.key);
    let created = world.vault.card_create(
        &permit,
        shop.organisation,
        new,
        vec![("a".to_owned(), "b".to_owned())],
        None,
    );
    let two = created.await.unwrap().value.row;
    let all = rows(&world).await;
    for row in &all {
        assert_eq!(refresh(&world, row).await.unwrap(), Refreshed::Current);
    }
    tables.0.store(2, Ordering::SeqCst);
    world.clock.pass_millis(5000);
    let before = world.vault.status().store.sequence;
    let mut became = Vec::new();
    for row in &all {
        became.push((row.id == two.id, refresh(&world, row).await.unwrap()));
    }
    became.sort_by_key(|(is_two, _)| *is_two);
    assert_eq!(became, [(false, Refreshed::Same), (true, Refreshed::Changed)]);
    assert_eq!(world.vault.status().store.sequence, before + 1, "one durable step");

    let row = read(&world, two.id).await;
    assert_eq!((row.facts.issuer_name.as_deref(), row.facts.table_version), (Some("BANK TWO"), 2));
    assert_eq!((row.version, row.updated_at > two.updated_at), (2, true));
    let same = CardRow {
        facts: two.facts.clone(),
        version: two.version,
        updated_at: two.updated_at,
        sealed_version: two.sealed_version,
        sealed_at: two.sealed_at,
        sealed: two.sealed.clone(),
        tag: two.tag,
        ..CardRow::clone(&row)
    };
    assert_eq!(same, *two, "nothing else changed");
    assert_eq!(opened(&world.store, &row).await, (OTHER.to_owned(), Some("Ann Lee".to_owned())));
    assert!(world.holds_cvv(&shop, two.id).await && world.holds_cvv(&shop, one).await, "CVVs are untouched");
    let trail = world.store.trail(before + 1).await;
    let notes: Vec<_> =
        trail.iter().map(|record| (record.note.action, record.note.object, record.note.outcome)).collect();
    assert_eq!(notes, [(Action::CardRefresh, two.id.0, 1)]);

    assert_eq!(read(&world, one).await.version, 1);
    assert_eq!(refresh(&world, &row).await.unwrap(), Refreshed::Current);
    tables.0.store(3, Ordering::SeqCst);
    assert_eq!(refresh(&world, &read(&world, one).await).await.unwrap(), Refreshed::Changed);
    assert_eq!(read(&world, one).await.facts.issuer_name, None, "what is not known any more is not kept");
}

#[tokio::test]
async fn a_change_meanwhile_is_not_lost_and_a_card_that_went_stays_away() {
    let (world, shop, tables) = world().await;
    let card = world.card_create(&shop, OTHER, None).await.unwrap().row;
    let gone = world.card_create(&shop, OTHER, None).await.unwrap().row;
    tables.0.store(2, Ordering::SeqCst);
    let change = CardChange { expiry_year: Some(2031), ..no_change() };
    world
        .vault
        .card_update(&world.permit(&shop.key), card.id, shop.organisation, change, None)
        .await
        .unwrap();
    world.vault.card_delete(&world.permit(&shop.key), gone.id).await.unwrap();
    assert_eq!(refresh(&world, &card).await.unwrap(), Refreshed::Changed);
    let row = read(&world, card.id).await;
    assert_eq!((row.expiry.year(), row.facts.table_version, row.version), (2031, 2, 3));
    assert_eq!(refresh(&world, &gone).await.unwrap(), Refreshed::Gone);
    assert!(world.card_read(&shop, card.id).await.is_ok());
}

#[tokio::test]
async fn a_card_that_was_changed_from_outside_is_refused() {
    let (world, shop, tables) = world().await;
    world.card_create(&shop, VISA, None).await.unwrap();
    tables.0.store(2, Ordering::SeqCst);
    let row = rows(&world).await.remove(0);
    let before = world.vault.status().store.sequence;
    for changed in crate::tamper::flipped_cards(&row) {
        if changed.facts.table_version == 2 {
            continue;
        }
        let refused = refresh(&world, &Arc::new(changed)).await;
        assert!(matches!(refused, Err(VaultError::Tampered(_) | VaultError::NotFound(_))), "{refused:?}");
    }
    assert_eq!(world.vault.status().store.sequence, before);
}

#[tokio::test]
async fn no_key_may() {
    let (world, shop, _) = world().await;
    for role in Role::ALL {
        let key = world.key(shop.organisation, &[*role]).await;
        assert_refused!(world.caller(&key).permit::<CardRefresh>().map(|_| ()), VaultError::RoleNotAllowed);
    }
}
