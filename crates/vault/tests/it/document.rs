use panvault_model::{Currency, Role};
use panvault_store::{AccountRow, DocumentKind, OrganisationRow};
use panvault_testkit::operator;
use panvault_vault::limits::{
    CVV_TTL_SECONDS_MAX, DETAILS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, TREE_LEVELS_MAX,
};
use panvault_vault::{
    Given, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor, Origin, Vault, VaultError, VaultParts,
    Webhooks,
};

use crate::assert_refused;
use crate::heads::{head_anew, written};
use crate::world::{World, all};

fn organisation(name: &str, details: Vec<(String, String)>) -> NewOrganisation {
    NewOrganisation { name: name.to_owned(), details, ..NewOrganisation::default() }
}

fn pairs(count: usize, value: &str) -> Vec<(String, String)> {
    (0..count).map(|at| (format!("name {at}"), value.to_owned())).collect()
}

#[tokio::test]
async fn texts_have_limits() {
    let world = World::new().await;
    let permit = operator(&world.vault, 1).permit().unwrap();
    for (name, details) in [
        ("a".repeat(NAME_BYTES_MAX), pairs(DETAILS_MAX, "")),
        ("é".to_owned(), pairs(1, &"a".repeat(TEXT_BYTES_MAX))),
    ] {
        assert!(world.vault.organisation_create(&permit, organisation(&name, details)).await.is_ok());
    }
    for (name, details) in [
        (String::new(), Vec::new()),
        ("  ".to_owned(), Vec::new()),
        ("a\nb".to_owned(), Vec::new()),
        ("card 4111 1111 1111 1111".to_owned(), Vec::new()),
        ("a".repeat(NAME_BYTES_MAX + 1), Vec::new()),
        ("a".to_owned(), pairs(DETAILS_MAX + 1, "")),
        ("a".to_owned(), pairs(1, &"a".repeat(TEXT_BYTES_MAX + 1))),
        ("a".to_owned(), pairs(1, "4111111111111111")),
    ] {
        let made = world.vault.organisation_create(&permit, organisation(&name, details)).await;
        assert_refused!(made, VaultError::Faults(_));
    }
    let listed = world.vault.organisation_list(&operator(&world.vault, 1).permit().unwrap(), all()).await;
    assert_eq!(listed.unwrap().total, 2);
}

#[tokio::test]
async fn the_tree_has_a_bottom() {
    let world = World::new().await;
    let mut parent = world.organisation(None).await;
    for _ in 1..TREE_LEVELS_MAX {
        parent = world.organisation(Some(parent)).await;
    }
    let new = NewOrganisation { parent: Some(parent), ..organisation("Too deep", Vec::new()) };
    let made = world.vault.organisation_create(&operator(&world.vault, 1).permit().unwrap(), new).await;
    assert_refused!(made, VaultError::Faults(_));
}

#[tokio::test]
async fn an_account_has_one_processor_of_a_kind() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let operator = operator(&world.vault, 1);
    let processor = |type_name: &str| NewProcessor {
        organisation: shop.organisation,
        name: "Dummy".to_owned(),
        type_name: type_name.to_owned(),
        given: Given::default(),
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = world.vault.processor_create(&operator.permit().unwrap(), processor("card_dummy")).await;
        ids.push(made.unwrap().id);
    }
    let account = |processors| NewAccount {
        organisation: shop.organisation,
        name: "Euro".to_owned(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        processors,
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let permit = operator.permit().unwrap();
    assert_refused!(world.vault.account_create(&permit, account(ids)).await, VaultError::Faults(_));
    let empty = world.vault.account_create(&permit, account(Vec::new())).await.unwrap().id;
    let card = world.card(&shop).await;
    let without = crate::world::Shop { account: empty, ..world.shop(Some(shop.organisation)).await };
    let refused = world.transact(&crate::world::Shop { key: shop.key.clone(), ..without }, card, 1_000).await;
    assert_refused!(refused, VaultError::WrongState { .. });
    assert!(world.holds_cvv(&shop, card).await);
    let unknown = world.vault.processor_create(&operator.permit().unwrap(), processor("card_other")).await;
    assert_refused!(unknown, VaultError::Faults(_));
}

/// Any three capital letters were taken for a currency. They are now held against ISO 4217, and must be something to pay with.
#[tokio::test]
async fn an_account_has_a_currency_that_is_paid_in() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let account = async |code: &str| {
        let new = NewAccount {
            organisation: shop.organisation,
            name: "Account".to_owned(),
            description: None,
            currency: Currency::parse(code).unwrap(),
            processors: Vec::new(),
            disabled: false,
            webhooks: Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        world.vault.account_create(&operator(&world.vault, 1).permit().unwrap(), new).await
    };
    for code in ["EUR", "JPY", "KWD", "XOF"] {
        assert!(account(code).await.is_ok(), "{code}");
    }
    // No code, no currency, for tests, a metal, a fund, and one of the past.
    for code in ["XXQ", "XXX", "XTS", "XAU", "CHE", "HRK"] {
        match account(code).await {
            Err(VaultError::Faults(faults)) => assert_eq!(faults[0].field, "currency_code", "{code}"),
            answer => panic!("{code}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_has_a_role_and_a_future() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let now = world.vault.now().wall;
    for (roles, expires_at) in [(vec![], None), (vec![Role::MerchantUser], Some(now))] {
        let new = NewApiKey {
            organisation: shop.organisation,
            name: "Key".to_owned(),
            roles,
            expires_at,
            allowed_origins: Vec::new(),
        };
        assert_refused!(
            world.vault.apikey_create(&world.permit(&shop.key), new).await,
            VaultError::Faults(_)
        );
    }
}

/// Test and live are two vaults: a live one knows neither the dummy nor keys for testing.
#[tokio::test]
async fn a_live_vault_refuses_what_is_for_testing() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let live = Vault::open(VaultParts { mode: Mode::Live, ..world.parts() }).await.unwrap();
    assert_refused!(live.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    let operator = operator(&live, 1);
    let new = NewProcessor {
        organisation: shop.organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    assert_refused!(live.processor_create(&operator.permit().unwrap(), new).await, VaultError::Faults(_));
    let new = NewApiKey {
        organisation: shop.organisation,
        name: "Key".to_owned(),
        roles: vec![Role::MerchantUser],
        expires_at: None,
        allowed_origins: Vec::new(),
    };
    let (_, key) = live.apikey_create(&operator.permit().unwrap(), new).await.unwrap();
    assert!(
        key.expose_text().starts_with("pv_live_") && live.caller(key.expose_text(), Origin::LOCAL).is_ok()
    );
    world.reopen().await.unwrap();
    assert_refused!(world.vault.caller(key.expose_text(), Origin::LOCAL), VaultError::NotAuthenticated);
}

#[tokio::test]
async fn a_cvv_is_held_for_a_day_at_most() {
    let mut world = World::new().await;
    let ttl = async |world: &mut World, cvv_ttl_seconds| {
        Vault::open(VaultParts { cvv_ttl_seconds, ..world.parts() }).await
    };
    assert!(ttl(&mut world, CVV_TTL_SECONDS_MAX).await.is_ok());
    assert_refused!(ttl(&mut world, CVV_TTL_SECONDS_MAX + 1).await, VaultError::Faults(_));
}

#[tokio::test]
async fn a_disabled_account_or_organisation_does_nothing() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    world.store.plot(|plot| {
        plot.documents = Some(Box::new(|rows| {
            for row in rows.iter_mut().filter(|row| row.kind == DocumentKind::Account) {
                let account = AccountRow { disabled: true, ..AccountRow::decode(&row.body).unwrap() };
                *row = written(row, account.encode());
            }
            head_anew(rows);
        }));
    });
    world.reopen().await.unwrap();
    let card = world.card(&shop).await;
    assert_refused!(world.transact(&shop, card, 1_000).await, VaultError::WrongState { .. });
    assert!(world.holds_cvv(&shop, card).await);

    world.store.plot(|plot| {
        plot.documents = Some(Box::new(|rows| {
            for row in rows.iter_mut().filter(|row| row.kind == DocumentKind::Organisation) {
                let organisation =
                    OrganisationRow { disabled: true, ..OrganisationRow::decode(&row.body).unwrap() };
                *row = written(row, organisation.encode());
            }
            head_anew(rows);
        }));
    });
    world.reopen().await.unwrap();
    assert_refused!(world.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn documents_made_at_the_same_time_are_all_there() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (vault, permit) = (world.vault.clone(), world.permit(&shop.key));
            let new = NewApiKey {
                organisation: shop.organisation,
                name: format!("Key {number}"),
                roles: vec![Role::MerchantUser],
                expires_at: None,
                allowed_origins: Vec::new(),
            };
            tokio::spawn(async move {
                let (row, key) = vault.apikey_create(&permit, new).await.unwrap();
                let known = vault.caller(key.expose_text(), Origin::LOCAL).is_ok();
                (row.id, key.expose_text().to_owned(), known)
            })
        })
        .collect();
    for task in tasks {
        let (_, key, known) = task.await.unwrap();
        assert!(known, "a key works as soon as it is answered");
        assert!(world.vault.caller(&key, Origin::LOCAL).is_ok(), "and does not go again");
    }
}
