use core::pin::pin;
use core::task::{Context, Waker};
use std::sync::{Arc, Mutex};

use panvault_card::{CardBlock, Cvv, NewCard, Pan, TestBinTable};
use panvault_keys::limits::ID_RANDOM_BYTES;
use panvault_keys::{Entropy, KeyRing, KeysError, Kind, OrganisationKey, Place, VaultKeys};
use panvault_model::{
    AccountId, Amount, CardId, CardKind, Currency, Expiry, NodeId, OrganisationId, Role, VaultId,
};
use panvault_store::{CardRow, CvvStore, DocumentKind, Store};
use panvault_testkit::{SeededEntropy, SharedCvvs, TestClock, operator, vault_keys};
use panvault_vault::{
    ApiKeyRow, Caller, CardChange, CardQuery, CardView, CvvChange, Given, GuardSettings, Idempotency,
    Metadata, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor, NewTransaction, Operation, Origin,
    Page, Permit, Query, RotationSettings, TransactionQuery, TransactionRow, Vault, VaultError, VaultParts,
    Webhooks,
};

use crate::cvvs::TestCvvs;
use crate::intruder::Intruder;
use crate::processors::TestProcessors;

pub(crate) const VAULT: VaultId = VaultId::from_bytes(*b"vault-number");
pub(crate) const VISA: &str = "4111111111111111";
pub(crate) const AMEX: &str = "378282246310005";
pub(crate) const HOUR_MILLIS: u64 = 3_600_000;

/// A vault in memory, with all of its outside at hand.
pub(crate) struct World {
    pub(crate) store: Arc<Intruder>,
    pub(crate) cvvs: Arc<TestCvvs>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) processors: Arc<TestProcessors>,
    pub(crate) vault: Vault,
    pub(crate) cvv_ttl_seconds: u32,
    /// What holds the CVVs of a process that opens the vault.
    make_cvvs: Box<dyn Fn() -> Arc<TestCvvs> + Send + Sync>,
    /// Where nodes that share the store hold CVVs.
    place: Option<Arc<SharedCvvs>>,
    serves: bool,
    opened: u64,
}

/// An organisation with an account and a key that may do all that a merchant may.
pub(crate) struct Shop {
    pub(crate) organisation: OrganisationId,
    pub(crate) account: AccountId,
    pub(crate) key: String,
}

/// The keys of the vault, as every opening of its header gives them.
pub(crate) fn keys() -> VaultKeys {
    vault_keys(VAULT, 1)
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(3_600, 10_000).await
    }

    pub(crate) async fn with_cvv_ttl(cvv_ttl_seconds: u32) -> Self {
        Self::with(cvv_ttl_seconds, 10_000).await
    }

    pub(crate) async fn with_cvvs(held_max: u64) -> Self {
        Self::with(3_600, held_max).await
    }

    async fn with(cvv_ttl_seconds: u32, cvvs_held_max: u64) -> Self {
        let store = Arc::new(Intruder::default());
        Self::over(store, Arc::new(TestClock::new()), cvv_ttl_seconds, cvvs_held_max, 100).await
    }

    async fn over(
        store: Arc<Intruder>,
        clock: Arc<TestClock>,
        cvv_ttl_seconds: u32,
        cvvs_held_max: u64,
        opened: u64,
    ) -> Self {
        let its = Arc::clone(&clock);
        let make_cvvs = Box::new(move || Arc::new(TestCvvs::new(cvvs_held_max, Arc::clone(&its))));
        Self::node(store, clock, opened, cvv_ttl_seconds, make_cvvs, true).await
    }

    /// A node that opens a store, perhaps beside others, with dice of its own.
    pub(crate) async fn node(
        store: Arc<Intruder>,
        clock: Arc<TestClock>,
        seed: u64,
        cvv_ttl_seconds: u32,
        make_cvvs: Box<dyn Fn() -> Arc<TestCvvs> + Send + Sync>,
        serves: bool,
    ) -> Self {
        Self::node_of(store, clock, seed, cvv_ttl_seconds, make_cvvs, serves, |parts| parts).await
    }

    /// The same, with other parts.
    async fn node_of(
        store: Arc<Intruder>,
        clock: Arc<TestClock>,
        seed: u64,
        cvv_ttl_seconds: u32,
        make_cvvs: Box<dyn Fn() -> Arc<TestCvvs> + Send + Sync>,
        serves: bool,
        of: impl FnOnce(VaultParts) -> VaultParts,
    ) -> Self {
        let cvvs = make_cvvs();
        let processors = Arc::new(TestProcessors::default());
        let parts = parts(&store, &cvvs, &clock, &processors, seed);
        let vault = Vault::open(of(VaultParts { cvv_ttl_seconds, serves, ..parts })).await.unwrap();
        let (place, opened) = (None, seed);
        Self { store, cvvs, clock, processors, vault, cvv_ttl_seconds, make_cvvs, place, serves, opened }
    }

    /// One of several nodes over a store; it has clocks and processors of its own, and CVVs are held by one place for all, which goes by the clock
    /// of the first.
    pub(crate) async fn shared() -> Self {
        Self::nth(&Intruder::default(), None, 1, 0).await
    }

    /// One that holds its CVVs itself, though the store may be shared.
    pub(crate) async fn alone(store: &Intruder, n: u64) -> Self {
        Self::over(Arc::new(store.beside(node(n))), Arc::new(TestClock::new()), 3_600, 10_000, n).await
    }

    /// Another node over the same store.
    pub(crate) async fn beside(&self, n: u64) -> Self {
        Self::nth(&self.store, self.place.clone(), n, 0).await
    }

    /// The same, started so much later.
    pub(crate) async fn beside_later(&self, n: u64, millis: u64) -> Self {
        Self::nth(&self.store, self.place.clone(), n, millis).await
    }

    /// One of several nodes that go by a clock that is not their own, with its own set to another time.
    pub(crate) async fn shared_by(n: u64, shared: &Arc<TestClock>, set: impl FnOnce(&TestClock)) -> Self {
        Self::nth_by(&Intruder::default(), None, n, shared, set).await
    }

    /// Another of them.
    pub(crate) async fn beside_by(
        &self,
        n: u64,
        shared: &Arc<TestClock>,
        set: impl FnOnce(&TestClock),
    ) -> Self {
        Self::nth_by(&self.store, self.place.clone(), n, shared, set).await
    }

    /// The nth node over a store that is its own view.
    pub(crate) async fn begun(store: Intruder, n: u64) -> Self {
        Self::sharing(Arc::new(store), Arc::new(TestClock::new()), None, n).await
    }

    async fn nth_by(
        store: &Intruder,
        place: Option<Arc<SharedCvvs>>,
        n: u64,
        shared: &Arc<TestClock>,
        set: impl FnOnce(&TestClock),
    ) -> Self {
        let (clock, store) = (Arc::new(TestClock::new()), store.beside(node(n)));
        set(&clock);
        store.plot(|plot| plot.clock = Some(Arc::clone(shared)));
        Self::sharing(Arc::new(store), clock, place, n).await
    }

    async fn nth(store: &Intruder, place: Option<Arc<SharedCvvs>>, n: u64, millis: u64) -> Self {
        let clock = Arc::new(TestClock::new());
        clock.pass_millis(millis);
        Self::sharing(Arc::new(store.beside(node(n))), clock, place, n).await
    }

    /// A node whose CVVs are in a place that all ask.
    async fn sharing(
        store: Arc<Intruder>,
        clock: Arc<TestClock>,
        place: Option<Arc<SharedCvvs>>,
        n: u64,
    ) -> Self {
        Self::sharing_of(store, clock, place, n, |parts| parts).await
    }

    /// The same, with other parts.
    pub(crate) async fn sharing_of(
        store: Arc<Intruder>,
        clock: Arc<TestClock>,
        place: Option<Arc<SharedCvvs>>,
        n: u64,
        of: impl FnOnce(VaultParts) -> VaultParts,
    ) -> Self {
        let place = place.unwrap_or_else(|| Arc::new(SharedCvvs::by(10_000, Arc::clone(&clock))));
        let its = Arc::clone(&place);
        let make_cvvs = Box::new(move || Arc::new(TestCvvs::over(Arc::clone(&its) as Arc<dyn CvvStore>)));
        let world = Self::node_of(store, clock, n, 3_600, make_cvvs, true, of).await;
        Self { place: Some(place), ..world }
    }

    /// The process ends, and another opens the same store.
    pub(crate) async fn reopen(&mut self) -> Result<(), VaultError> {
        self.vault = Vault::open(self.parts()).await?;
        Ok(())
    }

    /// What another process would open the same store with: nothing in memory is left.
    pub(crate) fn parts(&mut self) -> VaultParts {
        self.opened += 1;
        self.cvvs = (self.make_cvvs)();
        let parts = parts(&self.store, &self.cvvs, &self.clock, &self.processors, self.opened);
        VaultParts { cvv_ttl_seconds: self.cvv_ttl_seconds, serves: self.serves, ..parts }
    }

    pub(crate) async fn organisation(&self, parent: Option<OrganisationId>) -> OrganisationId {
        let new = NewOrganisation { name: "Shop".to_owned(), parent, ..NewOrganisation::default() };
        let permit = operator(&self.vault, 1).permit().unwrap();
        self.vault.organisation_create(&permit, new).await.unwrap().id
    }

    /// An account whose processor declines so many percent of the transactions without a CVV.
    pub(crate) async fn account(&self, organisation: OrganisationId, decline_without_cvv: u8) -> AccountId {
        let given = vec![("decline_without_cvv".to_owned(), decline_without_cvv.to_string())];
        self.account_of_type(organisation, "card_dummy", given).await
    }

    /// An account with a processor of this type.
    pub(crate) async fn account_of_type(
        &self,
        organisation: OrganisationId,
        type_name: &str,
        given: Vec<(String, String)>,
    ) -> AccountId {
        let operator = operator(&self.vault, 1);
        let processor = NewProcessor {
            organisation,
            name: "P".to_owned(),
            type_name: type_name.to_owned(),
            given: Given::in_clear(given),
        };
        let processor = self.vault.processor_create(&operator.permit().unwrap(), processor).await.unwrap();
        let account = NewAccount {
            organisation,
            name: "Euro".to_owned(),
            description: None,
            currency: Currency::parse("EUR").unwrap(),
            processors: vec![processor.id],
            disabled: false,
            webhooks: Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        self.vault.account_create(&operator.permit().unwrap(), account).await.unwrap().id
    }

    /// Every API key, newest first.
    pub(crate) async fn api_keys(&self) -> Vec<Arc<ApiKeyRow>> {
        let permit = operator(&self.vault, 1).permit().unwrap();
        let listed = self.vault.apikey_list(&permit, all()).await.unwrap();
        listed.rows.into_iter().map(|view| view.row).collect()
    }

    pub(crate) async fn key(&self, organisation: OrganisationId, roles: &[Role]) -> String {
        let new = NewApiKey {
            organisation,
            name: "Key".to_owned(),
            roles: roles.to_vec(),
            expires_at: None,
            allowed_origins: origins(roles),
        };
        let permit = operator(&self.vault, 1).permit().unwrap();
        self.vault.apikey_create(&permit, new).await.unwrap().1.expose_text().to_owned()
    }

    pub(crate) async fn shop(&self, parent: Option<OrganisationId>) -> Shop {
        let organisation = self.organisation(parent).await;
        let account = self.account(organisation, 0).await;
        self.shop_of(organisation, account).await
    }

    pub(crate) async fn shop_of(&self, organisation: OrganisationId, account: AccountId) -> Shop {
        Shop { organisation, account, key: self.key(organisation, &[Role::MerchantAdmin]).await }
    }

    /// A node looks for what others changed twice a second, which is done here.
    pub(crate) fn caller(&self, key: &str) -> Caller {
        let followed = tokio::task::unconstrained(self.vault.documents_follow());
        drop(pin!(followed).poll(&mut Context::from_waker(Waker::noop())));
        self.vault.caller(key, Origin::LOCAL).unwrap()
    }

    pub(crate) fn permit<O: Operation>(&self, key: &str) -> Permit<O> {
        self.caller(key).permit().unwrap()
    }

    pub(crate) fn idempotency<O>(&self, permit: &Permit<O>, key: &str, body: &str) -> Idempotency {
        self.vault.idempotency(permit, PATH, key, body.as_bytes())
    }

    pub(crate) async fn card_create(
        &self,
        shop: &Shop,
        number: &str,
        cvv: Option<&str>,
    ) -> Result<CardView, VaultError> {
        let permit = self.permit(&shop.key);
        let created =
            self.vault.card_create(&permit, shop.organisation, new_card(number, cvv), Metadata::new(), None);
        created.await.map(|done| done.value)
    }

    /// A card with CVV 111.
    pub(crate) async fn card(&self, shop: &Shop) -> CardId {
        self.card_create(shop, VISA, Some("111")).await.unwrap().row.id
    }

    pub(crate) async fn cvv_put(&self, shop: &Shop, card: CardId, cvv: &str) -> Result<CardView, VaultError> {
        let permit = self.permit(&shop.key);
        self.vault
            .card_update(&permit, card, shop.organisation, cvv_change(cvv), None)
            .await
            .map(|done| done.value)
    }

    pub(crate) async fn card_read(&self, shop: &Shop, card: CardId) -> Result<CardView, VaultError> {
        self.vault.card_read(&self.permit(&shop.key), card).await
    }

    pub(crate) async fn holds_cvv(&self, shop: &Shop, card: CardId) -> bool {
        self.card_read(shop, card).await.unwrap().cvv_expires_at.is_some()
    }

    pub(crate) async fn cards(&self, shop: &Shop) -> Result<Page<CardView>, VaultError> {
        self.vault.card_list(&self.permit(&shop.key), all_cards()).await
    }

    pub(crate) async fn transact(
        &self,
        shop: &Shop,
        card: CardId,
        amount: u32,
    ) -> Result<Arc<TransactionRow>, VaultError> {
        let permit = self.permit(&shop.key);
        self.vault
            .transaction_create(&permit, new_transaction(shop.account, card, amount), None)
            .await
            .map(|done| done.value)
    }
}

const PATH: &str = "/v1/test";

/// The node that opens a store as the nth.
pub(crate) fn node(n: u64) -> NodeId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&n.to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn parts(
    store: &Arc<Intruder>,
    cvvs: &Arc<TestCvvs>,
    clock: &Arc<TestClock>,
    processors: &Arc<TestProcessors>,
    seed: u64,
) -> VaultParts {
    VaultParts {
        node: node(seed),
        predecessor: None,
        store: Arc::clone(store) as _,
        cvvs: Arc::clone(cvvs) as _,
        keys: keys(),
        header_place: None,
        handed: None,
        mode: Mode::Test,
        clock: Arc::clone(clock) as _,
        entropy: if cvvs.is_shared() {
            Arc::new(SeededEntropy::new(seed))
        } else {
            Arc::new(NodeEntropy::new(seed))
        },
        bins: Arc::new(TestBinTable),
        processors: Arc::clone(processors) as _,
        cvv_ttl_seconds: 3_600,
        guards: GuardSettings::OFF,
        rotation: RotationSettings::DEFAULT,
        serves: true,
        unsealing: None,
        sweep_seconds: 0,
    }
}

/// Randomness of a process whose place of CVVs says that it is not shared. The first secret is the key that seals them: where the controls of tests share
/// such a place all the same, nodes have it in common; all else is its own.
struct NodeEntropy {
    first: Mutex<Option<SeededEntropy>>,
    own: SeededEntropy,
}

impl NodeEntropy {
    const fn new(seed: u64) -> Self {
        Self { first: Mutex::new(Some(SeededEntropy::new(1))), own: SeededEntropy::new(seed) }
    }
}

impl Entropy for NodeEntropy {
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError> {
        let first = self.first.lock().unwrap().take();
        first.as_ref().unwrap_or(&self.own).fill_secret(out)
    }

    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
        self.own.make_id_bytes()
    }
}

/// The keys of every organisation, opened past the vault.
pub(crate) async fn key_ring(store: &Intruder) -> KeyRing {
    let documents = store.document_read_all().await.unwrap();
    let rows = documents.iter().filter(|row| row.kind == DocumentKind::OrganisationKey);
    KeyRing::open(&keys(), rows.map(|row| OrganisationKey::decode(&row.body).unwrap())).unwrap()
}

/// What the seal of a row is bound to.
pub(crate) fn place<'a>(row: &'a CardRow, clear: &'a mut Vec<u8>) -> Place<'a> {
    row.encode_clear(clear);
    Place {
        kind: Kind::Card,
        vault: VAULT,
        organisation: row.organisation,
        id: row.id.as_bytes(),
        row_version: row.sealed_version,
        clear,
    }
}

/// Number and holder's name of a stored card.
pub(crate) async fn opened(store: &Intruder, row: &CardRow) -> (String, Option<String>) {
    let mut block = CardBlock::empty();
    let keys = key_ring(store).await;
    keys.card_open(&place(row, &mut Vec::new()), &row.sealed, block.expose_bytes_mut()).unwrap();
    let (pan, holder) = block.unpack().unwrap();
    let number = core::str::from_utf8(pan.expose_digits()).unwrap().to_owned();
    (number, holder.map(|holder| holder.expose_text().to_owned()))
}

pub(crate) fn new_card(number: &str, cvv: Option<&str>) -> NewCard {
    let pan = Pan::parse(number).unwrap();
    let cvv = cvv.map(|cvv| Cvv::parse(cvv, pan.brand()).unwrap());
    NewCard { pan, kind: CardKind::Card, expiry: Expiry::new(2030, 12).unwrap(), cvv, holder: None }
}

/// Changes nothing.
pub(crate) const fn no_change() -> CardChange {
    CardChange { cvv: CvvChange::Keep, expiry_month: None, expiry_year: None, holder: None, metadata: None }
}

pub(crate) fn cvv_change(cvv: &str) -> CardChange {
    CardChange { cvv: CvvChange::Put(Cvv::parse(cvv, None).unwrap()), ..no_change() }
}

pub(crate) fn new_transaction(account: AccountId, card: CardId, amount: u32) -> NewTransaction {
    NewTransaction {
        account,
        amount: Amount::new(amount).unwrap(),
        card,
        capture_now: true,
        customer_ip: "192.0.2.1".to_owned(),
        dynamic_descriptor: "Shop".to_owned(),
        merchant_reference: "order".to_owned(),
        user_agent: "test".to_owned(),
        customer: None,
        webhook_transaction_update: None,
        recurring_type: None,
        installments: 0,
        shopper_interaction: None,
        cryptogram: None,
        extras: Vec::new(),
    }
}

/// The web origins of a key with these roles.
pub(crate) fn origins(roles: &[Role]) -> Vec<String> {
    let is_browsers = roles.contains(&Role::Publishable);
    is_browsers.then(|| "https://shop.example".to_owned()).into_iter().collect()
}

pub(crate) fn all_cards() -> CardQuery {
    all()
}

pub(crate) fn all_transactions() -> TransactionQuery {
    all()
}

pub(crate) fn all<F>() -> Query<F> {
    Query::newest(Vec::new(), 1_000)
}
