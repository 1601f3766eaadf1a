use core::task::{Context, Waker};
use core::time::Duration;
use std::future::Future;

use panvault_model::{OrganisationId, Role, Timestamp};
use panvault_store::{Store, StoreFault};
use panvault_testkit::{operator, operator_key, root_key};
use panvault_vault::limits::{AUDIT_PAGE_RECORDS, AUDIT_SKEW_MILLIS};
use panvault_vault::{
    Action, AuditField, AuditList, AuditQuery, AuditRead, FieldValue, Filter, Origin, Permit, Test, Vault,
    VaultError,
};

use crate::assert_refused;
use crate::world::World;

fn query(limit: u32) -> AuditQuery {
    AuditQuery::newest(Vec::new(), limit)
}

fn at(test: Test, millis: u64) -> Filter<AuditField> {
    Filter { field: AuditField::CreatedAt, test, values: vec![FieldValue::Number(millis)] }
}

fn list(vault: &Vault) -> Permit<AuditList> {
    operator(vault, 1).permit().unwrap()
}

/// Only the key that the root key of this vault gives makes an operator.
#[tokio::test]
async fn the_operator_proves_the_root_key() {
    let world = World::new().await;
    let vault = &world.vault;
    assert!(vault.operator(&operator_key(vault.id(), 1), Origin::LOCAL).is_ok());
    let other_vault = panvault_model::VaultId::from_bytes([9; 12]);
    for key in [operator_key(vault.id(), 2), root_key(1).derive_operator_key(other_vault)] {
        assert_refused!(vault.operator(&key, Origin::LOCAL), VaultError::NotAuthenticated);
    }
}

/// Over several pages of the trail, with what was done at the same moment in its order.
#[tokio::test]
async fn the_trail_is_read_from_its_end_and_nothing_is_left_out() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let cards = AUDIT_PAGE_RECORDS + 20;
    for _ in 0..cards {
        world.card(&shop).await;
    }
    let vault = &world.vault;
    let all = vault.audit_list(&list(vault), &query(u32::MAX)).await.unwrap();
    assert_eq!(all.len() as u64, world.store.status().sequence);
    let places: Vec<u64> = all.iter().map(|record| record.place).collect();
    assert!(places.is_sorted_by(|one, next| one > next));
    let created = Filter {
        field: AuditField::Action,
        test: Test::Equal,
        values: vec![FieldValue::Text(Action::CardCreate.as_str().into())],
    };
    let skip = AUDIT_PAGE_RECORDS as u64;
    let rest = AuditQuery { filters: vec![created], skip, ..query(1000) };
    let rest = vault.audit_list(&list(vault), &rest).await.unwrap();
    assert_eq!(rest.len(), 20);
    let read: Permit<AuditRead> = operator(vault, 1).permit().unwrap();
    let one = rest[0];
    assert_eq!(vault.audit_read(&read, one.writer, one.place).await.unwrap(), one);
    let none = all.len() as u64 + 1;
    assert_refused!(vault.audit_read(&read, one.writer, none).await, VaultError::NotFound(_));
}

/// Conditions on the time leave out what lies far before or behind them, and nothing that meets them, also where a clock was set back.
#[tokio::test]
async fn times_narrow_the_trail_and_lose_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let mut moments = Vec::new();
    for _ in 0..6 {
        world.card(&shop).await;
        moments.push(world.vault.now().wall.unix_millis());
        world.clock.pass_millis(AUDIT_SKEW_MILLIS + 1000);
    }
    let vault = &world.vault;
    let times = async |filters| -> Vec<u64> {
        let found = vault.audit_list(&list(vault), &AuditQuery { filters, ..query(1000) }).await.unwrap();
        let cards = found.iter().filter(|record| record.note.action == Action::CardCreate);
        cards.map(|record| record.note.at.unix_millis()).rev().collect()
    };
    assert_eq!(times(vec![]).await, moments);
    assert_eq!(times(vec![at(Test::AtLeast, moments[2])]).await, moments[2..]);
    assert_eq!(times(vec![at(Test::AtMost, moments[2])]).await, moments[..3]);
    let both = vec![at(Test::AtLeast, moments[1]), at(Test::AtMost, moments[4])];
    assert_eq!(times(both).await, moments[1..5]);
    assert!(times(vec![at(Test::AtMost, Timestamp::from_unix_millis(1).unix_millis())]).await.is_empty());
}

/// The bug: every list of the trail that was asked for went through a million records at once, however many there were and however long it
/// took: 64 connections kept all others waiting. Its cause: it took no slot, and had no time. Its cure: both, as other lists.
#[tokio::test(start_paused = true)]
async fn lists_of_the_trail_are_shared_out_and_end() {
    let world = World::new().await;
    let (ours, theirs) = (world.shop(None).await, world.shop(None).await);
    let admin = [Role::MerchantAdmin];
    let (ours, theirs) =
        (world.key(ours.organisation, &admin).await, world.key(theirs.organisation, &admin).await);
    let (our_permit, their_permit) = (world.permit(&ours), world.permit(&theirs));
    let query = query(1);
    let list = |permit| tokio::time::timeout(Duration::from_secs(60), world.vault.audit_list(permit, &query));
    world.store.plot(|plot| plot.audit_silent = true);
    let mut flood: Vec<_> = (0..50).map(|_| Box::pin(list(&our_permit))).collect();
    let mut context = Context::from_waker(Waker::noop());
    for list in &mut flood {
        assert!(list.as_mut().poll(&mut context).is_pending());
    }
    // None of those goes on while nobody polls them.
    assert_refused!(list(&their_permit).await.unwrap(), VaultError::Store(StoreFault::TimedOut));
    assert_refused!(list(&our_permit).await.unwrap(), VaultError::Busy);
    drop(flood);
    assert_refused!(list(&our_permit).await.unwrap(), VaultError::Store(StoreFault::TimedOut));
    world.store.leave();
    assert_eq!(list(&our_permit).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_trail_is_seen_by_administrators_of_its_organisation_or_one_above() {
    let world = World::new().await;
    let (shop, other) = (world.shop(None).await, world.shop(None).await);
    world.card(&shop).await;
    world.card(&other).await;
    let vault = &world.vault;
    let key = world.key(shop.organisation, &[Role::MerchantAdmin]).await;
    let caller = world.caller(&key);
    let seen = vault.audit_list(&caller.permit().unwrap(), &query(1000)).await.unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|record| record.note.organisation == shop.organisation));
    let named = AuditQuery { organisations: vec![other.organisation], ..query(1000) };
    assert_refused!(vault.audit_list(&caller.permit().unwrap(), &named).await, VaultError::NotFound(_));
    let of_other = vault.audit_list(&list(vault), &named).await.unwrap();
    let read: Permit<AuditRead> = caller.permit().unwrap();
    assert_refused!(
        vault.audit_read(&read, of_other[0].writer, of_other[0].place).await,
        VaultError::NotFound(_)
    );
    // A command on the machine also sees what is of no organisation.
    let nobody = OrganisationId::from_bytes([0; 12]);
    assert!(
        vault
            .audit_list(&list(vault), &AuditQuery { organisations: vec![nobody], ..query(10) })
            .await
            .is_ok()
    );
    for role in [Role::ProviderUser, Role::MerchantSupervisor, Role::Publishable] {
        let caller = world.caller(&world.key(shop.organisation, &[role]).await);
        assert_refused!(caller.permit::<AuditList>().map(drop), VaultError::RoleNotAllowed);
    }
}
