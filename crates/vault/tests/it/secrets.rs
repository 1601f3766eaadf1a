//! Secrets of processors: sealed, never shown, replaced while the vault runs; and processors that cannot be connected to.

use panvault_model::{AccountId, Currency, OrganisationId, ProcessorId, TransactionStatus};
use panvault_store::{DocumentKind, ProcessorRow, Store};
use panvault_testkit::operator;
use panvault_vault::{Given, NewAccount, NewProcessor, ProcessorChange, VaultError, Webhooks};
use zeroize::Zeroizing;

use crate::assert_refused;
use crate::processors::SCRIPTED;
use crate::world::{Shop, World, new_transaction};

macro_rules! operator {
    ($world:expr) => {
        &operator(&$world.vault, 1).permit().unwrap()
    };
}

fn given(members: &[(&str, &str)]) -> Given {
    let member = |(name, value): &(&str, &str)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()));
    Given::new(members.iter().map(member).collect())
}

fn new(organisation: OrganisationId, members: &[(&str, &str)]) -> NewProcessor {
    let type_name = SCRIPTED.to_owned();
    NewProcessor { organisation, name: "PSP".to_owned(), type_name, given: given(members) }
}

impl World {
    async fn scripted(&self, shop: &Shop, members: &[(&str, &str)]) -> Result<ProcessorRow, VaultError> {
        self.vault.processor_create(operator!(self), new(shop.organisation, members)).await
    }

    async fn account_at(&self, shop: &Shop, processor: ProcessorId) -> AccountId {
        let new = NewAccount {
            organisation: shop.organisation,
            name: "PSP".to_owned(),
            description: None,
            currency: Currency::parse("EUR").unwrap(),
            processors: vec![processor],
            disabled: false,
            webhooks: Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        self.vault.account_create(operator!(self), new).await.unwrap().id
    }

    async fn pays(&self, shop: &Shop, account: AccountId) -> (TransactionStatus, Option<String>, bool) {
        let card = self.card(shop).await;
        let new = new_transaction(account, card, 1_000);
        let row = self.vault.transaction_create(&self.permit(&shop.key), new, None).await.unwrap().value;
        (row.status, row.status_reason.clone(), self.holds_cvv(shop, card).await)
    }

    async fn change(&self, id: ProcessorId, members: &[(&str, &str)]) -> Result<ProcessorRow, VaultError> {
        let change = ProcessorChange { given: given(members), ..ProcessorChange::default() };
        Ok(self.vault.processor_update(operator!(self), id, change, None).await?.value)
    }

    /// Everything that is stored of processors.
    async fn stored(&self) -> Vec<u8> {
        let rows = self.store.document_read_all().await.unwrap();
        let of_processors = rows.iter().filter(|row| row.kind == DocumentKind::Processor);
        of_processors.flat_map(|row| row.body.clone()).collect()
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_secret_is_sealed_and_reaches_its_connection_alone() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let members = [("merchant", "shop-1"), ("api_key", "sk_first")];
    let row = world.scripted(&shop, &members).await.unwrap();
    assert_eq!(row.settings, [("merchant".to_owned(), "shop-1".to_owned())]);
    let stored = world.stored().await;
    assert!(holds(&stored, "shop-1") && holds(&stored, "api_key") && !holds(&stored, "sk_first"));
    assert!(world.processors.connected_with().iter().all(Option::is_none), "nobody has asked for it yet");
    let account = world.account_at(&shop, row.id).await;
    let settled = (TransactionStatus::SettlementRequested, None, false);
    assert_eq!(world.pays(&shop, account).await, settled);
    assert_eq!(world.pays(&shop, account).await, settled);
    let first = Some("sk_first".to_owned());
    let connected = |world: &World| -> Vec<_> {
        world.processors.connected_with().into_iter().filter(Option::is_some).collect()
    };
    assert_eq!(connected(&world).len(), 1, "once");
    // Another setting keeps the secret, another secret the settings; both connect anew.
    let changed = world.change(row.id, &[("merchant", "shop-2")]).await.unwrap();
    assert_eq!(changed.secrets, row.secrets);
    assert_eq!(world.pays(&shop, account).await, settled);
    let changed = world.change(row.id, &[("api_key", "sk_second")]).await.unwrap();
    assert_eq!(changed.settings, [("merchant".to_owned(), "shop-2".to_owned())]);
    assert_eq!(world.pays(&shop, account).await, settled);
    let second = Some("sk_second".to_owned());
    assert_eq!(connected(&world), [first.clone(), first.clone(), second.clone()]);
    world.reopen().await.unwrap();
    assert_eq!(world.pays(&shop, account).await, settled);
    assert_eq!(connected(&world).last(), Some(&second));
}

#[tokio::test]
async fn each_fault_of_a_configuration_names_its_setting() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    for (members, expected) in [
        (vec![("merchant", "shop")], vec![("configuration.api_key", false)]),
        (vec![("api_key", "pk_1")], vec![("configuration.api_key", false)]),
        (vec![("api_key", "sk_1"), ("colour", "red")], vec![("configuration.colour", true)]),
        (
            vec![("api_key", "sk_1"), ("merchant", "4111111111111111")],
            vec![("configuration.merchant", false)],
        ),
        (vec![("api_key", "sk_1"), ("_type", "x")], vec![("configuration._type", true)]),
    ] {
        let Err(VaultError::Faults(faults)) = world.scripted(&shop, &members).await else {
            panic!("{members:?}")
        };
        let found: Vec<_> = faults.iter().map(|fault| (&*fault.field, fault.is_unexpected)).collect();
        assert_eq!(found, expected);
    }
    let long = format!("sk_{}", "x".repeat(4_093));
    world.scripted(&shop, &[("api_key", &long)]).await.unwrap();
    let longer = format!("{long}x");
    assert_refused!(world.scripted(&shop, &[("api_key", &longer)]).await, VaultError::Faults(_));
    let other =
        NewProcessor { type_name: "card_other".to_owned(), ..new(shop.organisation, &[("api_key", "sk_1")]) };
    let Err(VaultError::Faults(faults)) = world.vault.processor_create(operator!(world), other).await else {
        panic!()
    };
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].field, "configuration._type");
}

/// The vault starts, other processors go on, and what is paid there is answered as unavailable, with its CVV back.
#[tokio::test]
async fn a_processor_whose_description_is_gone_makes_only_itself_unusable() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let row = world.scripted(&shop, &[("api_key", "sk_1")]).await.unwrap();
    let account = world.account_at(&shop, row.id).await;
    world.processors.description_goes(true);
    world.reopen().await.unwrap();
    let (status, reason, holds_cvv) = world.pays(&shop, account).await;
    assert_eq!(status, TransactionStatus::Unavailable);
    assert!(reason.unwrap().contains("set up for what this vault does not have") && holds_cvv);
    assert_eq!(world.paid(&shop, "order", true).await.status, TransactionStatus::SettlementRequested);
    world.processors.description_goes(false);
    world.reopen().await.unwrap();
    assert_eq!(world.pays(&shop, account).await.0, TransactionStatus::SettlementRequested);
}
