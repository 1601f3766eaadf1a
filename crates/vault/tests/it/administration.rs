//! Organisations, accounts, processors and API keys are changed and deleted while the vault runs.

use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::Arc;

use panvault_card::Cvv;
use panvault_model::{Country, Currency, Role};
use panvault_testkit::operator;
use panvault_vault::{
    AccountChange, ApiKeyChange, ApiKeyRotation, ApiKeyRow, CardChange, CardCreate, CvvChange, Given,
    Metadata, Named, NewApiKey, NewOrganisation, NewProcessor, OrganisationChange, Origin, ProcessorChange,
    VaultError,
};

use crate::assert_refused;
use crate::world::{Shop, VISA, World, all, new_card, new_transaction, origins};

macro_rules! operator {
    ($world:expr) => {
        &operator(&$world.vault, 1).permit().unwrap()
    };
}

async fn disable(world: &World, shop: &Shop, disabled: bool) {
    let change = OrganisationChange { disabled: Some(disabled), ..OrganisationChange::default() };
    world.vault.organisation_update(operator!(world), shop.organisation, change, None).await.unwrap();
}

fn overlap(overlap_seconds: u64) -> ApiKeyRotation {
    ApiKeyRotation { overlap_seconds, expires_at: None }
}

fn reason<T>(result: Result<T, VaultError>) -> &'static str {
    match result {
        Err(VaultError::WrongState { reason }) => reason,
        Err(error) => panic!("refused with another error: {error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_disabled_organisation_refuses_for_itself_and_all_below_it() {
    let mut world = World::new().await;
    let top = world.shop(None).await;
    let middle = world.shop(Some(top.organisation)).await;
    let below = world.shop(Some(middle.organisation)).await;
    let (card, provider) =
        (world.card(&below).await, world.key(top.organisation, &[Role::ProviderAdmin]).await);
    disable(&world, &middle, true).await;
    for again in [false, true] {
        for shop in [&middle, &below] {
            assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
            // Whoever is above sees what is there and adds nothing to it.
            let above = Shop { key: provider.clone(), ..*shop };
            let by =
                |error: &VaultError| matches!(error, VaultError::Disabled(by) if *by == middle.organisation);
            let refused = |result: Result<(), VaultError>| assert!(result.is_err_and(|error| by(&error)));
            refused(world.card_create(&above, VISA, None).await.map(drop));
            refused(world.transact(&above, card, 100).await.map(drop));
            let vault = &world.vault;
            let (organisation, parent) = (shop.organisation, Some(shop.organisation));
            let new = NewOrganisation { name: "Below".to_owned(), parent, ..NewOrganisation::default() };
            refused(vault.organisation_create(operator!(world), new).await.map(drop));
            let new = NewApiKey {
                organisation,
                name: "Key".to_owned(),
                roles: vec![Role::MerchantUser],
                allowed_origins: Vec::new(),
                expires_at: None,
            };
            refused(vault.apikey_create(operator!(world), new).await.map(drop));
            let key =
                world.api_keys().await.into_iter().find(|key| key.organisation == organisation).unwrap().id;
            refused(vault.apikey_rotate(operator!(world), key, overlap(60), None).await.map(drop));
            let name = || Some("Other".to_owned());
            let change = ApiKeyChange { name: name(), ..ApiKeyChange::default() };
            refused(vault.apikey_update(operator!(world), key, change, None).await.map(drop));
            let change = AccountChange { name: name(), ..AccountChange::default() };
            refused(vault.account_update(operator!(world), shop.account, change, None).await.map(drop));
            let change = OrganisationChange { name: name(), ..OrganisationChange::default() };
            refused(vault.organisation_update(operator!(world), organisation, change, None).await.map(drop));
            let put = CardChange {
                cvv: CvvChange::Put(Cvv::parse("111", None).unwrap()),
                expiry_month: None,
                expiry_year: None,
                holder: None,
                metadata: None,
            };
            let permit = world.permit(&provider);
            refused(vault.card_update(&permit, card, below.organisation, put, None).await.map(drop));
            // The card of one that is disabled, through the account of one above that is not.
            let through_the_top = Shop { key: provider.clone(), ..top };
            refused(world.transact(&through_the_top, card, 100).await.map(drop));
            // To disable one more, and to enable it again.
            disable(&world, &below, true).await;
            disable(&world, &below, false).await;
        }
        let above = Shop { key: provider.clone(), ..below };
        assert!(world.card_read(&above, card).await.is_ok());
        if !again {
            world.reopen().await.unwrap();
        }
    }
    // Keys are revoked, and what is enabled again may be renamed with it.
    let of_below =
        world.api_keys().await.into_iter().find(|key| key.organisation == middle.organisation).unwrap();
    world.vault.apikey_delete(operator!(world), of_below.id).await.unwrap();
    let change = OrganisationChange {
        name: Some("Other".to_owned()),
        disabled: Some(false),
        ..OrganisationChange::default()
    };
    world.vault.organisation_update(operator!(world), middle.organisation, change, None).await.unwrap();
    assert!(world.transact(&below, card, 100).await.is_ok());
}

#[tokio::test]
async fn nobody_disables_or_deletes_the_organisation_of_their_own_key() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let key = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    let change = OrganisationChange { disabled: Some(true), ..OrganisationChange::default() };
    let changed = world.vault.organisation_update(&world.permit(&key), shop.organisation, change, None).await;
    assert!(reason(changed).contains("own organisation"));
    let deleted = world.vault.organisation_delete(world.permit(&key), shop.organisation).await;
    assert!(reason(deleted).contains("the caller's key"));
}

#[tokio::test]
async fn what_is_changed_is_shown_and_kept_and_the_rest_stays() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let change = OrganisationChange {
        name: Some("Winkel".to_owned()),
        country_code: Some(Country::parse("NL")),
        details: vec![("email".to_owned(), Some("till@shop.example".to_owned())), ("phone".to_owned(), None)],
        ..OrganisationChange::default()
    };
    let organisation =
        world.vault.organisation_update(operator!(world), shop.organisation, change, None).await;
    let organisation = organisation.unwrap().value;
    world.clock.pass_millis(5);
    let change = AccountChange {
        description: Some(Some("Main".to_owned())),
        webhook_refund_update: Some(Some("https://shop.example/hook?key=1".to_owned())),
        processors: Some(Vec::new()),
        ..AccountChange::default()
    };
    let account =
        world.vault.account_update(operator!(world), shop.account, change, None).await.unwrap().value.row;
    assert_eq!((account.name.as_str(), account.currency), ("Euro", Currency::parse("EUR").unwrap()));
    assert!(account.updated_at > account.created_at);
    world.reopen().await.unwrap();
    let read = world.vault.organisation_read(operator!(world), shop.organisation).unwrap();
    assert_eq!((read.as_ref(), read.name.as_str()), (&organisation, "Winkel"));
    assert_eq!(read.details, [("email".to_owned(), "till@shop.example".to_owned())]);
    assert_eq!(world.vault.account_read(operator!(world), shop.account).unwrap().as_ref(), &account);
    // An end of what there was.
    let change = OrganisationChange {
        country_code: Some(None),
        details: vec![("email".to_owned(), None)],
        ..OrganisationChange::default()
    };
    let changed = world.vault.organisation_update(operator!(world), shop.organisation, change, None).await;
    let changed = changed.unwrap().value;
    assert_eq!((changed.country_code, changed.details, changed.name.as_str()), (None, Vec::new(), "Winkel"));
}

#[tokio::test]
async fn a_change_that_does_not_fit_changes_nothing() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let long = OrganisationChange { name: Some("a".repeat(101)), ..OrganisationChange::default() };
    let card = OrganisationChange {
        details: vec![("street".to_owned(), Some("4111 1111 1111 1111".to_owned()))],
        ..OrganisationChange::default()
    };
    for change in [long, card] {
        let changed =
            world.vault.organisation_update(operator!(world), shop.organisation, change, None).await;
        assert_refused!(changed, VaultError::Faults(_));
    }
    for address in ["ftp://shop.example", "https://", "https://shop.example/a b", "shop.example"] {
        let change = AccountChange {
            webhook_transaction_update: Some(Some(address.to_owned())),
            ..AccountChange::default()
        };
        let changed = world.vault.account_update(operator!(world), shop.account, change, None).await;
        assert_refused!(changed, VaultError::Faults(_));
    }
    assert_eq!(world.vault.organisation_read(operator!(world), shop.organisation).unwrap().name, "Shop");
}

#[tokio::test]
async fn a_processor_keeps_its_type_and_the_settings_that_are_not_named() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card_create(&shop, VISA, None).await.unwrap().row.id;
    let listed = world.vault.processor_list(operator!(world), all()).await.unwrap();
    let id = listed.rows[0].id;
    let setting = |percent: &str| vec![("decline_without_cvv".to_owned(), percent.to_owned())];
    let change =
        |settings| ProcessorChange { given: Given::in_clear(settings), ..ProcessorChange::default() };
    let update = async |change| world.vault.processor_update(operator!(world), id, change, None).await;
    assert!(update(change(setting("100"))).await.is_ok());
    let declined = world.transact(&shop, card, 100).await.unwrap();
    assert_eq!(declined.status.as_str(), "DECLINED", "connected anew");
    let renamed = ProcessorChange { name: Some("Other".to_owned()), ..ProcessorChange::default() };
    assert_eq!(update(renamed).await.unwrap().value.settings, setting("100"));
    assert_refused!(update(change(setting("101"))).await, VaultError::Faults(_));
    let other = ProcessorChange { type_name: Some("card_other".to_owned()), ..ProcessorChange::default() };
    assert_refused!(update(other).await, VaultError::Faults(_));
    assert!(reason(world.vault.processor_delete(operator!(world), id).await).contains("accounts"));
    let none = AccountChange { processors: Some(Vec::new()), ..AccountChange::default() };
    world.vault.account_update(operator!(world), shop.account, none, None).await.unwrap();
    assert!(world.vault.processor_delete(operator!(world), id).await.is_ok());
    assert_refused!(world.vault.processor_read(operator!(world), id), VaultError::NotFound(_));
}

#[tokio::test]
async fn an_organisation_goes_when_nothing_hangs_on_it() {
    let mut world = World::new().await;
    let top = world.shop(None).await;
    let shop = world.shop(Some(top.organisation)).await;
    let id = shop.organisation;
    let card = world.card(&shop).await;
    let delete = async || {
        let permit = operator(&world.vault, 1).permit().unwrap();
        world.vault.organisation_delete(permit, id).await
    };
    assert!(reason(delete().await).contains("accounts"));
    assert!(
        reason(
            world
                .vault
                .organisation_delete(operator(&world.vault, 1).permit().unwrap(), top.organisation)
                .await
        )
        .contains("below")
    );
    let permit = operator(&world.vault, 1).permit().unwrap();
    world.vault.account_delete(permit, shop.account).await.unwrap();
    assert!(reason(delete().await).contains("processors"));
    let processors = world.vault.processor_list(operator!(world), all()).await.unwrap();
    let of_the_shop = processors.rows.iter().find(|row| row.organisation == id).unwrap();
    world.vault.processor_delete(operator!(world), of_the_shop.id).await.unwrap();
    assert!(reason(delete().await).contains("API keys"));
    let card_deletes = world.permit(&shop.key);
    for key in world.api_keys().await.iter().filter(|row| row.organisation == id) {
        world.vault.apikey_delete(operator!(world), key.id).await.unwrap();
    }
    assert!(reason(delete().await).contains("cards"));
    assert!(!world.vault.organisation_read(operator!(world), id).unwrap().disabled, "it is as it was");
    world.vault.card_delete(&card_deletes, card).await.unwrap();
    drop(card_deletes);
    assert!(delete().await.is_ok());
    for _ in 0..2 {
        assert_refused!(world.vault.organisation_read(operator!(world), id), VaultError::NotFound(_));
        world.reopen().await.unwrap();
    }
    assert!(world.card_create(&top, VISA, None).await.is_ok());
}

/// A request that began before the organisation was disabled may store a card in it.
#[tokio::test(start_paused = true)]
async fn what_began_before_is_waited_for_before_an_organisation_goes() {
    let world = World::new().await;
    let organisation = world.organisation(None).await;
    let key = world.key(organisation, &[Role::MerchantAdmin]).await;
    let permit = world.permit::<CardCreate>(&key);
    let row = world.api_keys().await.into_iter().find(|row| row.organisation == organisation).unwrap();
    world.vault.apikey_delete(operator!(world), row.id).await.unwrap();
    let vault = world.vault.clone();
    let deleting = tokio::spawn(async move {
        let permit = operator(&vault, 1).permit().unwrap();
        vault.organisation_delete(permit, organisation).await
    });
    while !world.vault.organisation_read(operator!(world), organisation).unwrap().disabled {
        tokio::task::yield_now().await;
    }
    let created =
        world.vault.card_create(&permit, organisation, new_card(VISA, None), Metadata::new(), None).await;
    assert!(created.is_ok() && !deleting.is_finished());
    drop(permit);
    assert!(reason(deleting.await.unwrap()).contains("cards"));
    assert!(!world.vault.organisation_read(operator!(world), organisation).unwrap().disabled);
}

/// A key that had been revoked went on making keys: 800 requests of it waited for their turn when the revocation was answered, and each
/// then made an administrator's key. Its cause: they were judged when they came, and planned on documents of later. Its cure: who asks is
/// judged again by the documents that the change is made on.
#[tokio::test]
async fn what_waited_for_its_turn_is_refused_once_its_key_is_revoked_or_has_less() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let new = |roles: &[Role]| NewApiKey {
        organisation: shop.organisation,
        name: "Key".to_owned(),
        roles: roles.to_vec(),
        allowed_origins: Vec::new(),
        expires_at: None,
    };
    let made = async |roles: &[Role]| world.vault.apikey_create(operator!(world), new(roles)).await.unwrap();
    let provider = [Role::ProviderAdmin];
    let merchant = [Role::MerchantAdmin];

    let (row, key) = made(&provider).await;
    let waiting = world.permit(key.expose_text());
    // The control: while the key is as it was, the same request is done.
    assert!(world.vault.apikey_create(&waiting, new(&provider)).await.is_ok());
    let demoted = ApiKeyChange { roles: Some(merchant.to_vec()), ..ApiKeyChange::default() };
    world.vault.apikey_update(operator!(world), row.id, demoted, None).await.unwrap();
    assert!(world.vault.apikey_create(&waiting, new(&provider)).await.is_err(), "no more than it has now");
    assert!(world.vault.apikey_create(&waiting, new(&merchant)).await.is_ok());

    world.vault.apikey_delete(operator!(world), row.id).await.unwrap();
    assert_refused!(world.vault.apikey_create(&waiting, new(&merchant)).await, VaultError::NotAuthenticated);
    let rotated = world.vault.apikey_rotate(&waiting, row.id, overlap(0), None).await;
    assert_refused!(rotated, VaultError::NotAuthenticated);

    let (_, key) = made(&provider).await;
    let waiting = world.permit(key.expose_text());
    disable(&world, &shop, true).await;
    assert_refused!(world.vault.apikey_create(&waiting, new(&merchant)).await, VaultError::NotAuthenticated);
}

/// Whoever changed documents often and held slow requests kept everybody from deleting an organisation, which stayed disabled for a
/// minute: it was waited for every request that saw documents of before any change, also of those that came since.
#[tokio::test(start_paused = true)]
async fn requests_that_begin_later_hold_no_deletion_up() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let new = panvault_vault::NewOrganisation {
        name: "Empty".to_owned(),
        ..panvault_vault::NewOrganisation::default()
    };
    let empty = world.vault.organisation_create(operator!(world), new).await.unwrap().id;
    let before = world.caller(&shop.key);
    let (vault, permit) = (world.vault.clone(), operator(&world.vault, 1).permit().unwrap());
    let deleting = tokio::spawn(async move { vault.organisation_delete(permit, empty).await });
    while !world.vault.organisation_read(operator!(world), empty).unwrap().disabled {
        tokio::task::yield_now().await;
    }
    // It waits for the one of before. Meanwhile documents change, under a request that is still under way.
    let later = world.caller(&shop.key);
    let change = OrganisationChange { name: Some("Renamed".to_owned()), ..OrganisationChange::default() };
    world.vault.organisation_update(operator!(world), shop.organisation, change, None).await.unwrap();
    assert!(!deleting.is_finished());
    drop(before);
    deleting.await.unwrap().unwrap();
    drop(later);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_under_way_keeps_its_account() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    world.store.initiated.close();
    let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
    let new = new_transaction(shop.account, card, 100);
    let paying = tokio::spawn(async move { vault.transaction_create(&permit, new, None).await });
    world.store.initiated.is_reached_by(1).await;
    let vault = world.vault.clone();
    let permit = operator(&vault, 1).permit().unwrap();
    let deleted = tokio::spawn(async move { vault.account_delete(permit, shop.account).await });
    // It is found, as it was initiated; and whatever was said, it is paid and the account is there.
    assert!(reason(deleted.await.unwrap()).contains("transactions"));
    world.store.initiated.open();
    assert!(paying.await.unwrap().is_ok());
    assert!(!world.vault.account_read(operator!(world), shop.account).unwrap().disabled);
}

#[tokio::test]
async fn a_browsers_key_has_origins_and_no_other_role() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let make = async |roles: &[Role], allowed_origins: Vec<String>| {
        let new = NewApiKey {
            organisation: shop.organisation,
            name: "Key".to_owned(),
            roles: roles.to_vec(),
            allowed_origins,
            expires_at: None,
        };
        world.vault.apikey_create(operator!(world), new).await
    };
    let shops = origins(&[Role::Publishable]);
    for (roles, allowed) in [
        (&[Role::Publishable, Role::MerchantUser][..], shops.clone()),
        (&[Role::Publishable], Vec::new()),
        (&[Role::MerchantUser], shops.clone()),
        (&[Role::Publishable], vec!["https://shop.example/".to_owned()]),
        (&[Role::Publishable], vec!["*".to_owned()]),
        (&[Role::Publishable], (0..21).map(|n| format!("https://shop{n}.example")).collect()),
        (&[], Vec::new()),
    ] {
        assert_refused!(make(roles, allowed).await, VaultError::Faults(_));
    }
    let (row, key) = make(&[Role::Publishable], shops.clone()).await.unwrap();
    assert!(key.expose_text().starts_with("pv_pub_test_"));
    assert_eq!(world.caller(key.expose_text()).allowed_origins(), Some(shops.as_slice()));
    assert_eq!(world.caller(&shop.key).allowed_origins(), None);
    assert!(
        world.vault.allows_origin("https://shop.example") && !world.vault.allows_origin("https://a.example")
    );
    let change = async |change| world.vault.apikey_update(operator!(world), row.id, change, None).await;
    let roles = ApiKeyChange { roles: Some(vec![Role::MerchantUser]), ..ApiKeyChange::default() };
    assert_refused!(change(roles).await, VaultError::Faults(_));
    let moved = vec!["https://a.example".to_owned()];
    let origins = ApiKeyChange { allowed_origins: Some(moved), ..ApiKeyChange::default() };
    assert!(change(origins).await.is_ok());
    assert!(
        !world.vault.allows_origin("https://shop.example") && world.vault.allows_origin("https://a.example")
    );
    world.vault.apikey_delete(operator!(world), row.id).await.unwrap();
    assert!(!world.vault.allows_origin("https://a.example"));
}

#[tokio::test]
async fn a_key_that_takes_anothers_place_works_beside_it_for_a_while() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let old = world.api_keys().await[0].id;
    let rotate =
        async |seconds| world.vault.apikey_rotate(operator!(world), old, overlap(seconds), None).await;
    let made = rotate(60).await.unwrap().value;
    let new = made.key.unwrap();
    assert_eq!((made.row.organisation, made.row.roles), (shop.organisation, vec![Role::MerchantAdmin]));
    let works = |world: &World, key: &str| world.vault.caller(key, Origin::LOCAL).is_ok();
    assert!(works(&world, &shop.key) && works(&world, new.expose_text()));
    assert_refused!(rotate(30 * 86_400 + 1).await, VaultError::Faults(_));
    world.clock.pass_millis(60_000);
    for _ in 0..2 {
        assert!(!works(&world, &shop.key) && works(&world, new.expose_text()));
        world.reopen().await.unwrap();
    }
    // At once.
    let row = world.api_keys().await.into_iter().find(|row| row.id == made.row.id).unwrap();
    assert!(world.vault.apikey_rotate(operator!(world), row.id, overlap(0), None).await.is_ok());
    assert!(!works(&world, new.expose_text()));
}

/// The bug: whoever repeated a rotation got a second key: with no end, where the overlap was over, and else with that of the overlap. Its
/// cause: what the next key inherits is the end of the old one, which the first rotation had moved, or nothing once that was past. Its cure:
/// a key that has ended, or whose place another one takes, is not rotated; who means another end says so.
#[tokio::test]
async fn a_key_is_rotated_once_and_the_next_one_ends_as_it_would_have() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let old = world.api_keys().await[0].id;
    let now = operator(&world.vault, 1).now().wall;
    let end = now.plus_seconds(1000);
    let ends = async |expires_at| {
        let change = ApiKeyChange { expires_at: Some(expires_at), ..ApiKeyChange::default() };
        world.vault.apikey_update(operator!(world), old, change, None).await.unwrap();
    };
    ends(Some(end)).await;
    world.clock.pass_millis(1000);
    let provider = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    let rotate = async |world: &World, id, rotation| {
        let permit = world.permit(&provider);
        world.vault.apikey_rotate(&permit, id, rotation, None).await
    };
    world.clock.pass_millis(1000);
    let permit = world.permit(&provider);
    let once = || Some(world.idempotency(&permit, "once", "{}"));
    let first = world.vault.apikey_rotate(&permit, old, overlap(60), once()).await.unwrap().value;
    assert_eq!(first.row.expires_at, Some(end));
    let keys = world.api_keys().await.len();
    assert!(reason(rotate(&world, old, overlap(60)).await).starts_with("another key takes its place"));
    world.clock.pass_millis(60_000);
    assert!(reason(rotate(&world, old, overlap(60)).await).starts_with("the key has ended"));
    let again = world.vault.apikey_rotate(&permit, old, overlap(60), once()).await.unwrap();
    assert!(again.replayed && again.value.row.id == first.row.id && again.value.key.is_none());
    assert_eq!(world.api_keys().await.len(), keys);
    // Also when the old one is gone.
    world.vault.apikey_delete(operator!(world), old).await.unwrap();
    assert!(world.vault.apikey_rotate(&permit, old, overlap(60), once()).await.unwrap().replayed);
    // The end that is said, and a rotation that was taken back.
    let never = ApiKeyRotation { overlap_seconds: 60, expires_at: Some(None) };
    let second = rotate(&world, first.row.id, never).await.unwrap().value.row;
    assert_eq!(second.expires_at, None);
    world.vault.apikey_delete(operator!(world), second.id).await.unwrap();
    let later = ApiKeyRotation { overlap_seconds: 60, expires_at: Some(Some(end.plus_seconds(1))) };
    assert_eq!(
        rotate(&world, first.row.id, later).await.unwrap().value.row.expires_at,
        Some(end.plus_seconds(1))
    );
    let past = ApiKeyRotation { overlap_seconds: 60, expires_at: Some(Some(now)) };
    assert_refused!(rotate(&world, world.api_keys().await[0].id, past).await, VaultError::Faults(_));
    drop(permit);
    world.reopen().await.unwrap();
}

/// The bug: of several rotations of a key at once each made a key. Its cause: that a place is taken was seen by the end of the old key, which
/// came with a step of its own; between the two another rotation found the place free. Its cure: the step that makes the next key changes the
/// old one too, at the version that it was planned on.
#[tokio::test]
async fn of_rotations_at_once_one_makes_a_key() {
    let world = World::shared().await;
    world.shop(None).await;
    let other = world.beside(2).await;
    let (old, before) = (world.api_keys().await[0].id, world.api_keys().await.len());
    let rotate = async |world: &World, seconds: u64| {
        world.clock.pass_millis(1000);
        world.vault.apikey_rotate(operator!(world), old, overlap(seconds), None).await
    };
    let (a, b, c, d) =
        tokio::join!(rotate(&world, 60), rotate(&other, 60), rotate(&world, 0), rotate(&other, 60));
    let (won, lost): (Vec<_>, Vec<_>) = [a, b, c, d].into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for lost in lost {
        let said = reason(lost);
        assert!(said.starts_with("another key") || said.starts_with("the key has ended"), "{said}");
    }
    assert_eq!(world.api_keys().await.len(), before + 1);
}

/// The bug: a rotation that was asked for again, with its idempotency key, moved the end of the old key to a whole overlap after that, or ended one
/// that had been given another end since; and the key could be rotated once more. Its cause: a repetition ended the old key as the first request had.
/// Its cure: the end is counted from when the next key was made, and what was changed since stays.
#[tokio::test]
async fn a_rotation_that_is_repeated_does_nothing_again() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let old = world.api_keys().await[0].id;
    let provider = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    world.clock.pass_millis(1000);
    let rotate = async |key: Option<&str>| {
        let permit = world.permit(&provider);
        let once = key.map(|key| world.idempotency(&permit, key, "{}"));
        world.vault.apikey_rotate(&permit, old, overlap(60), once).await
    };
    let end = async || {
        let keys = world.api_keys().await;
        keys.into_iter().find(|row| row.id == old).unwrap().expires_at
    };
    let made_at = rotate(Some("once")).await.unwrap().value.row.created_at;
    world.clock.pass_millis(1000);
    assert!(rotate(Some("once")).await.unwrap().replayed);
    assert_eq!(end().await, Some(made_at.plus_seconds(60)));
    assert!(reason(rotate(None).await).starts_with("another key takes its place"));
    let later = Some(made_at.plus_seconds(3600));
    let change = ApiKeyChange { expires_at: Some(later), ..ApiKeyChange::default() };
    world.vault.apikey_update(operator!(world), old, change, None).await.unwrap();
    assert!(rotate(Some("once")).await.unwrap().replayed);
    assert_eq!(end().await, later);
}

/// The bug: of two rotations at once with one idempotency key the second was refused with 110. Its cause: it looked for an answer before its
/// turn, in which the first was done, and was planned on what that left. Its cure: what refuses a request there makes it look once more.
#[tokio::test]
async fn rotations_at_once_with_one_idempotency_key_get_one_answer() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let old = world.api_keys().await[0].id;
    world.clock.pass_millis(1000);
    let rotate = async || {
        let permit = world.permit(&shop.key);
        let once = Some(world.idempotency(&permit, "once", "{}"));
        world.vault.apikey_rotate(&permit, old, overlap(60), once).await.unwrap()
    };
    let (first, second) = tokio::join!(rotate(), rotate());
    assert_eq!(first.value.row.id, second.value.row.id);
    assert_eq!((first.replayed, second.replayed), (false, true));
}

/// The bug: a repeated request for the next key ended the old one, whoever repeated it. Its cause: the roles of the old key were looked at
/// where the next one is planned, which a repetition does not come to. Its cure: they are looked at where the old one ends, too.
#[tokio::test]
async fn nobody_ends_a_key_by_repeating_the_request_of_somebody_above() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let provider = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    let providers = async || {
        let keys = world.api_keys().await;
        keys.into_iter().filter(|row| row.roles == [Role::ProviderAdmin]).collect::<Vec<_>>()
    };
    let id = providers().await[0].id;
    let rotate = async |key: &str| {
        let permit = world.permit(key);
        let once = Some(world.idempotency(&permit, "once", "{}"));
        world.vault.apikey_rotate(&permit, id, overlap(60), once).await
    };
    assert!(rotate(&provider).await.is_ok());
    let for_ever = ApiKeyChange { expires_at: Some(None), ..ApiKeyChange::default() };
    world.vault.apikey_update(operator!(world), id, for_ever, None).await.unwrap();
    assert_refused!(rotate(&shop.key).await, VaultError::RoleNotAllowed);
    let old = providers().await.into_iter().find(|row| row.id == id).unwrap();
    assert_eq!(old.expires_at, None);
}

#[tokio::test]
async fn nobody_changes_a_key_that_they_could_not_have_made_nor_into_one() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    // Made in one millisecond, they are in no order.
    let keys = world.api_keys().await;
    let of_provider = |row: &&Arc<ApiKeyRow>| row.roles.contains(&Role::ProviderAdmin);
    let provider = keys.iter().find(of_provider).unwrap().id;
    let own = keys.iter().find(|row| row.id != provider).unwrap().id;
    let update = async |id, roles: Option<Vec<Role>>| {
        let change = ApiKeyChange { name: Some("Mine".to_owned()), roles, ..ApiKeyChange::default() };
        world.vault.apikey_update(&world.permit(&shop.key), id, change, None).await
    };
    assert_refused!(update(provider, None).await, VaultError::RoleNotAllowed);
    assert_refused!(update(own, Some(vec![Role::ProviderAdmin])).await, VaultError::RoleNotAllowed);
    let rotated = world.vault.apikey_rotate(&world.permit(&shop.key), provider, overlap(0), None).await;
    assert_refused!(rotated, VaultError::RoleNotAllowed);
    assert!(update(own, Some(vec![Role::MerchantUser])).await.is_ok());
    assert_refused!(world.caller(&shop.key).permit::<CardCreate>(), VaultError::RoleNotAllowed);
    let other = world.shop(None).await;
    let keys = world.api_keys().await;
    let theirs = keys.iter().find(|row| row.organisation == other.organisation).unwrap().id;
    let deleted = world.vault.apikey_delete(&world.permit(&other.key), own).await;
    assert!(matches!(deleted, Err(VaultError::NotFound(named)) if named == [Named::Subject]));
    assert!(world.vault.apikey_delete(&world.permit(&other.key), theirs).await.is_ok());
}

#[tokio::test]
async fn a_keys_last_use_is_shown_written_once_a_minute_and_goes_with_it() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let used_at = async |world: &World| {
        let listed = world.vault.apikey_list(operator!(world), all()).await.unwrap();
        listed.rows.first().and_then(|view| view.last_used_at)
    };
    assert_eq!(used_at(&world).await, None);
    let first = world.vault.now().wall;
    world.caller(&shop.key);
    assert_eq!(used_at(&world).await, Some(first));
    let sequence = world.vault.status().store.sequence;
    world.vault.sweep().await.unwrap();
    assert_eq!(world.vault.status().store.sequence, sequence + 1);
    world.caller(&shop.key);
    world.vault.sweep().await.unwrap();
    assert_eq!(world.vault.status().store.sequence, sequence + 1, "not again in the same minute");
    world.reopen().await.unwrap();
    assert_eq!(used_at(&world).await, Some(first), "it is kept");
    world.clock.pass_millis(60_000);
    world.caller(&shop.key);
    world.vault.close().await.unwrap();
    world.reopen().await.unwrap();
    assert_eq!(used_at(&world).await, Some(first.plus_seconds(60)), "also of a vault that ends in order");
    // One that was used and revoked leaves nothing.
    world.clock.pass_millis(60_000);
    world.caller(&shop.key);
    let id = world.api_keys().await[0].id;
    world.vault.apikey_delete(operator!(world), id).await.unwrap();
    world.vault.sweep().await.unwrap();
    use panvault_store::Store;
    assert_eq!(world.store.api_key_use_read_many(vec![id]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_request_that_is_repeated_makes_nothing_twice_and_shows_no_key_again() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let provider = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    let permit = world.permit(&provider);
    let once = Some(world.idempotency(&permit, "once", "{}"));
    let new = || NewProcessor {
        organisation: shop.organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    let first = world.vault.processor_create_once(&permit, new(), once).await.unwrap();
    let again = world.vault.processor_create_once(&permit, new(), once).await.unwrap();
    assert_eq!((first.replayed, again.replayed, &first.value), (false, true, &again.value));
    let other = Some(world.idempotency(&permit, "once", "{ }"));
    let mismatch = world.vault.processor_create_once(&permit, new(), other).await;
    assert_refused!(mismatch, VaultError::IdempotencyMismatch);
    let permit = world.permit(&provider);
    let once = Some(world.idempotency(&permit, "key", "{}"));
    let new = || NewApiKey {
        organisation: shop.organisation,
        name: "Key".to_owned(),
        roles: vec![Role::MerchantUser],
        allowed_origins: Vec::new(),
        expires_at: None,
    };
    let first = world.vault.apikey_create_once(&permit, new(), once).await.unwrap();
    let again = world.vault.apikey_create_once(&permit, new(), once).await.unwrap();
    assert!(first.value.key.is_some() && again.value.key.is_none() && again.replayed);
    assert_eq!(first.value.row, again.value.row);
    // Two at once.
    let once = Some(world.idempotency(&permit, "race", "{}"));
    let vault = Arc::new(world.vault.clone());
    let (one, other) = tokio::join!(
        vault.apikey_create_once(&permit, new(), once),
        vault.apikey_create_once(&permit, new(), once)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.value.row, other.value.row);
    assert_eq!([one.replayed, other.replayed].into_iter().filter(|replayed| *replayed).count(), 1);
}

#[tokio::test]
async fn a_stranger_sees_and_changes_nothing() {
    let world = World::new().await;
    let (shop, stranger) = (world.shop(None).await, world.shop(None).await);
    let key = world.key(stranger.organisation, &[Role::ProviderAdmin]).await;
    let vault = &world.vault;
    let permits = || (world.permit(&key), world.permit(&key), world.permit(&key));
    let (read, update, _list): (_, _, panvault_vault::Permit<CardCreate>) = permits();
    assert_refused!(vault.account_read(&read, shop.account), VaultError::NotFound(_));
    let changed = vault.account_update(&update, shop.account, AccountChange::default(), None).await;
    assert_refused!(changed, VaultError::NotFound(_));
    assert_refused!(vault.account_delete(world.permit(&key), shop.account).await, VaultError::NotFound(_));
    let organisation = vault.organisation_read(&world.permit(&key), shop.organisation);
    assert_refused!(organisation, VaultError::NotFound(_));
    assert_refused!(
        vault.organisation_delete(world.permit(&key), shop.organisation).await,
        VaultError::NotFound(_)
    );
    for key_of_the_shop in world.api_keys().await.iter().filter(|row| row.organisation == shop.organisation) {
        let read = vault.apikey_read(&world.permit(&key), key_of_the_shop.id).await;
        assert_refused!(read, VaultError::NotFound(_));
        let rotated = vault.apikey_rotate(&world.permit(&key), key_of_the_shop.id, overlap(0), None).await;
        assert_refused!(rotated, VaultError::NotFound(_));
    }
    let listed = vault.account_list(&world.permit(&key), all()).await.unwrap();
    assert!(listed.rows.iter().all(|row| row.organisation == stranger.organisation));
}

/// The bug: lists of documents were made in the order in which they were asked for, so that whoever asked for many kept all others
/// waiting. Its cause: a semaphore for all. Its cure: each organisation has a turn of its own.
#[tokio::test]
async fn lists_of_one_organisation_wait_for_each_other() {
    let world = World::new().await;
    let (ours, theirs) = (world.shop(None).await, world.shop(None).await);
    let admin = [Role::MerchantAdmin];
    let (ours, theirs) =
        (world.key(ours.organisation, &admin).await, world.key(theirs.organisation, &admin).await);
    let (our_permit, their_permit) = (world.permit(&ours), world.permit(&theirs));
    let mut context = Context::from_waker(Waker::noop());
    let mut flood = Vec::new();
    // One whose thread is quick has ended already: so many are asked for until enough are left that have not.
    for _ in 0..100_000 {
        let mut list = Box::pin(world.vault.account_list(&our_permit, all()));
        if list.as_mut().poll(&mut context).is_pending() {
            flood.push(list);
        }
        if flood.len() == 50 {
            break;
        }
    }
    assert_eq!(flood.len(), 50);
    // None of those goes on while nobody polls them, and what the first holds comes free to the next of them.
    let listed =
        tokio::time::timeout(Duration::from_secs(60), world.vault.account_list(&their_permit, all()));
    assert_eq!(listed.await.unwrap().unwrap().total, 1, "theirs");
    drop(flood);
    assert_eq!(world.vault.account_list(&our_permit, all()).await.unwrap().total, 1);
}
