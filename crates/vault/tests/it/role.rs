use panvault_model::Role;
use panvault_testkit::operator;
use panvault_vault::{
    AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, AccountWebhookSecret,
    ApiKeyCreate, ApiKeyDelete, ApiKeyList, ApiKeyRead, ApiKeyUpdate, AuditList, AuditRead, AuditVerify,
    BinRead, Caller, CallerRead, CardChange, CardCreate, CardDelete, CardList, CardRead, CardRefresh,
    CardUpdate, CheckoutCreate, CheckoutDelete, CheckoutList, CheckoutRead, CustomerCreate, CustomerDelete,
    CustomerList, CustomerRead, CustomerUpdate, CvvChange, HeaderUpdate, KeyDestroy, KeyInventory, KeyList,
    KeyRotate, Metadata, NewApiKey, OPERATIONS, Operation, OrganisationCreate, OrganisationDelete,
    OrganisationList, OrganisationLogoDelete, OrganisationLogoSet, OrganisationRead, OrganisationUpdate,
    Origin, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead, ProcessorUpdate, RefundCreate,
    RefundList, RefundRead, StatusRead, TransactionCapture, TransactionCreate, TransactionList,
    TransactionRead, TransactionSettle, TransactionVoid, VaultBackup, VaultError, VaultSeal,
    WebhookDeliveryList, WebhookDeliveryRead, WebhookDeliveryRetry,
};

use crate::assert_refused;
use crate::world::{World, all, cvv_change, no_change, origins};

fn may<O: Operation>(caller: &Caller) -> bool {
    match caller.permit::<O>() {
        Ok(_) => true,
        Err(VaultError::RoleNotAllowed) => false,
        Err(error) => panic!("{error:?}"),
    }
}

type Check = fn(&Caller) -> bool;

/// Columns in the order of [`Role::ALL`]: provider's administrator and user; merchant's administrator, supervisor, cashier and
/// user; browser.
const MATRIX: [(&str, &str, Check); 63] = [
    (AuditVerify::NAME, "-------", may::<AuditVerify>),
    (VaultBackup::NAME, "-------", may::<VaultBackup>),
    (VaultSeal::NAME, "-------", may::<VaultSeal>),
    (HeaderUpdate::NAME, "-------", may::<HeaderUpdate>),
    (WebhookDeliveryRead::NAME, "yyyyyy-", may::<WebhookDeliveryRead>),
    (WebhookDeliveryList::NAME, "yyyyyy-", may::<WebhookDeliveryList>),
    (WebhookDeliveryRetry::NAME, "y-yy---", may::<WebhookDeliveryRetry>),
    (CallerRead::NAME, "yyyyyyy", may::<CallerRead>),
    (KeyInventory::NAME, "y------", may::<KeyInventory>),
    (KeyList::NAME, "yy-----", may::<KeyList>),
    (KeyDestroy::NAME, "y------", may::<KeyDestroy>),
    (KeyRotate::NAME, "y------", may::<KeyRotate>),
    (StatusRead::NAME, "y------", may::<StatusRead>),
    (AuditRead::NAME, "y-y----", may::<AuditRead>),
    (AuditList::NAME, "y-y----", may::<AuditList>),
    (CardCreate::NAME, "y-yyy-y", may::<CardCreate>),
    (CardUpdate::NAME, "y-yyy-y", may::<CardUpdate>),
    (CardRead::NAME, "yyyyyy-", may::<CardRead>),
    (CardList::NAME, "yyyyyy-", may::<CardList>),
    (CardDelete::NAME, "y-yy---", may::<CardDelete>),
    (CardRefresh::NAME, "-------", may::<CardRefresh>),
    (BinRead::NAME, "yyyyyy-", may::<BinRead>),
    (TransactionCreate::NAME, "y-yyy--", may::<TransactionCreate>),
    (TransactionCapture::NAME, "y-yyy--", may::<TransactionCapture>),
    (TransactionVoid::NAME, "y-yyy--", may::<TransactionVoid>),
    (TransactionSettle::NAME, "-------", may::<TransactionSettle>),
    (TransactionRead::NAME, "yyyyyy-", may::<TransactionRead>),
    (TransactionList::NAME, "yyyyyy-", may::<TransactionList>),
    (CheckoutCreate::NAME, "y-yyy--", may::<CheckoutCreate>),
    (CheckoutDelete::NAME, "y-yyy--", may::<CheckoutDelete>),
    (CheckoutRead::NAME, "yyyyyy-", may::<CheckoutRead>),
    (CheckoutList::NAME, "yyyyyy-", may::<CheckoutList>),
    (RefundCreate::NAME, "y-yy---", may::<RefundCreate>),
    (RefundRead::NAME, "yyyyyy-", may::<RefundRead>),
    (RefundList::NAME, "yyyyyy-", may::<RefundList>),
    (CustomerCreate::NAME, "y-yyy--", may::<CustomerCreate>),
    (CustomerUpdate::NAME, "y-yyy--", may::<CustomerUpdate>),
    (CustomerRead::NAME, "yyyyyy-", may::<CustomerRead>),
    (CustomerList::NAME, "yyyyyy-", may::<CustomerList>),
    (CustomerDelete::NAME, "y-yy---", may::<CustomerDelete>),
    (OrganisationCreate::NAME, "y------", may::<OrganisationCreate>),
    (OrganisationUpdate::NAME, "y------", may::<OrganisationUpdate>),
    (OrganisationRead::NAME, "yyyyyy-", may::<OrganisationRead>),
    (OrganisationList::NAME, "yyyyyy-", may::<OrganisationList>),
    (OrganisationDelete::NAME, "y------", may::<OrganisationDelete>),
    (OrganisationLogoSet::NAME, "y------", may::<OrganisationLogoSet>),
    (OrganisationLogoDelete::NAME, "y------", may::<OrganisationLogoDelete>),
    (AccountCreate::NAME, "y------", may::<AccountCreate>),
    (AccountUpdate::NAME, "y------", may::<AccountUpdate>),
    (AccountWebhookSecret::NAME, "y-y----", may::<AccountWebhookSecret>),
    (AccountRead::NAME, "yyyyyy-", may::<AccountRead>),
    (AccountList::NAME, "yyyyyy-", may::<AccountList>),
    (AccountDelete::NAME, "y------", may::<AccountDelete>),
    (ProcessorCreate::NAME, "y------", may::<ProcessorCreate>),
    (ProcessorUpdate::NAME, "y------", may::<ProcessorUpdate>),
    (ProcessorRead::NAME, "yyy----", may::<ProcessorRead>),
    (ProcessorList::NAME, "yyy----", may::<ProcessorList>),
    (ProcessorDelete::NAME, "y------", may::<ProcessorDelete>),
    (ApiKeyCreate::NAME, "y-y----", may::<ApiKeyCreate>),
    (ApiKeyUpdate::NAME, "y-y----", may::<ApiKeyUpdate>),
    (ApiKeyRead::NAME, "yyy----", may::<ApiKeyRead>),
    (ApiKeyList::NAME, "yyy----", may::<ApiKeyList>),
    (ApiKeyDelete::NAME, "y-y----", may::<ApiKeyDelete>),
];

#[tokio::test]
async fn roles_may_do_what_the_matrix_says() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (column, role) in Role::ALL.iter().enumerate() {
        let caller = world.caller(&world.key(shop.organisation, &[*role]).await);
        for (operation, row, check) in MATRIX {
            assert_eq!(check(&caller), row.as_bytes()[column] == b'y', "{role} {operation}");
        }
    }
    for (operation, _, check) in MATRIX {
        assert!(check(&operator(&world.vault, 1)), "{operation}");
    }
    for (name, _) in OPERATIONS {
        assert!(MATRIX.iter().any(|(operation, ..)| operation == name), "{name} is in the matrix");
    }
}

#[tokio::test]
async fn a_key_with_two_roles_may_do_what_either_may() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let caller =
        world.caller(&world.key(shop.organisation, &[Role::MerchantUser, Role::MerchantCashier]).await);
    assert!(may::<CardRead>(&caller) && may::<CardCreate>(&caller) && !may::<CardDelete>(&caller));
}

#[tokio::test]
async fn a_browser_puts_a_cvv_back_and_changes_nothing_else() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let browser = world.key(shop.organisation, &[Role::Publishable]).await;
    let update = async |change| {
        world.vault.card_update(&world.permit(&browser), card, shop.organisation, change, None).await
    };
    assert!(!world.permit::<CardUpdate>(&browser).is_whole());
    assert!(update(cvv_change("222")).await.is_ok());
    for change in [
        no_change(),
        CardChange { cvv: CvvChange::Clear, ..no_change() },
        CardChange { metadata: Some(Metadata::new()), ..no_change() },
        CardChange { expiry_month: Some(1), ..no_change() },
        CardChange { expiry_year: Some(2031), ..cvv_change("111") },
    ] {
        assert_refused!(update(change).await, VaultError::RoleNotAllowed);
    }
    assert!(world.holds_cvv(&shop, card).await);
}

#[tokio::test]
async fn nobody_grants_or_revokes_more_than_they_have() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let provider = world.key(shop.organisation, &[Role::ProviderAdmin]).await;
    let grant = async |key: &str, role| {
        let new = NewApiKey {
            organisation: shop.organisation,
            name: "Key".to_owned(),
            roles: vec![role],
            allowed_origins: origins(&[role]),
            expires_at: None,
        };
        world.vault.apikey_create(&world.permit(key), new).await
    };
    for role in Role::ALL {
        let granted = grant(&shop.key, *role).await;
        assert_eq!(granted.is_err(), [Role::ProviderAdmin, Role::ProviderUser].contains(role), "{role}");
        assert!(grant(&provider, *role).await.is_ok(), "{role}");
    }
    let (row, _) = grant(&provider, Role::ProviderUser).await.unwrap();
    assert_refused!(
        world.vault.apikey_delete(&world.permit(&shop.key), row.id).await,
        VaultError::RoleNotAllowed
    );
    assert!(world.vault.apikey_delete(&world.permit(&provider), row.id).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_revoked_or_is_past_its_time_is_nobodys() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let new = NewApiKey {
        organisation: shop.organisation,
        name: "Key".to_owned(),
        roles: vec![Role::MerchantUser],
        expires_at: Some(world.vault.now().wall.plus_seconds(1)),
        allowed_origins: Vec::new(),
    };
    let (_, short) = world.vault.apikey_create(&world.permit(&shop.key), new).await.unwrap();
    let caller = |key: &str| world.vault.caller(key, Origin::LOCAL);
    world.clock.pass_millis(999);
    assert!(caller(short.expose_text()).is_ok());
    world.clock.pass_millis(1);
    assert_refused!(caller(short.expose_text()), VaultError::NotAuthenticated);

    let key = world.key(shop.organisation, &[Role::MerchantUser]).await;
    let listed = world.vault.apikey_list(&world.permit(&shop.key), all()).await.unwrap();
    let row = &listed.rows.first().unwrap().row;
    world.vault.apikey_delete(&world.permit(&shop.key), row.id).await.unwrap();
    assert_refused!(caller(&key), VaultError::NotAuthenticated);
    for wrong in ["", "pv_test_", &shop.key[..56], &shop.key.replace("pv_test_", "pv_live_")] {
        assert_refused!(caller(wrong), VaultError::NotAuthenticated);
    }
}
