//! A server with three organisations, and a client that asks it.

use std::net::SocketAddr;
use std::sync::Arc;

use panvault_card::TestBinTable;
use panvault_keys::SystemEntropy;
use panvault_model::{Currency, NodeId, OrganisationId, Role, VaultId};
use panvault_server::{App, ServerSettings, Tls, serve, serve_metrics};
use panvault_store::{CvvStore, MemoryCvvs, MemoryStore};
use panvault_testkit::{SharedCvvs, TestClock, http_send, operator, vault_keys};
use panvault_vault::{
    Clock, Given, GuardSettings, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor,
    RotationSettings, Vault, VaultParts, Webhooks,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::processors::Described;

pub(crate) use panvault_testkit::HttpAnswer;

const ONE: NodeId = NodeId::from_bytes([1; 12]);

/// An organisation with an account and keys.
pub(crate) struct Tenant {
    pub(crate) organisation: String,
    pub(crate) account: String,
    /// MerchantAdmin.
    pub(crate) key: String,
    pub(crate) publishable_key: String,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) vault: Vault,
    /// `child` is below `parent`; `stranger` is beside both.
    pub(crate) parent: Tenant,
    pub(crate) child: Tenant,
    pub(crate) stranger: Tenant,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<panvault_server::ServeReport>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(ServerSettings::default(), None)
    }

    pub(crate) fn start_with(settings: ServerSettings, tls: Option<Arc<Tls>>) -> Self {
        Self::start_over(MemoryStore::new(), settings, tls)
    }

    pub(crate) fn start_over(store: MemoryStore, settings: ServerSettings, tls: Option<Arc<Tls>>) -> Self {
        Self::start_all(store, ONE, settings, GuardSettings::OFF, tls, None)
    }

    /// One of several nodes over a store.
    pub(crate) fn start_node(store: &MemoryStore, node: NodeId) -> Self {
        // Nodes that serve together hold CVVs in one place.
        let cvvs = Some(Arc::new(SharedCvvs::new(10_000)) as Arc<dyn CvvStore>);
        let (settings, guards) = (ServerSettings::default(), GuardSettings::OFF);
        Self::start_all(store.beside(node), node, settings, guards, None, cvvs)
    }

    /// One that watches for card testing.
    pub(crate) fn start_guarded(settings: ServerSettings, guards: GuardSettings) -> Self {
        Self::start_all(MemoryStore::new(), ONE, settings, guards, None, None)
    }

    fn start_all(
        store: MemoryStore,
        node: NodeId,
        settings: ServerSettings,
        guards: GuardSettings,
        tls: Option<Arc<Tls>>,
        cvvs: Option<Arc<dyn CvvStore>>,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(TestClock::new());
        let cvv_clock = Arc::clone(&clock);
        let entropy = SystemEntropy::new();
        let parts = VaultParts {
            node,
            predecessor: None,
            store: Arc::new(store),
            cvvs: cvvs
                .unwrap_or_else(|| Arc::new(MemoryCvvs::new(10_000, move || cvv_clock.monotonic_millis()))),
            keys: vault_keys(VaultId::from_bytes([7; 12]), 7),
            header_place: None,
            handed: None,
            mode: Mode::Test,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(entropy),
            bins: Arc::new(TestBinTable),
            processors: Arc::new(Described),
            cvv_ttl_seconds: 3600,
            guards,
            rotation: RotationSettings::DEFAULT,
            serves: true,
            unsealing: None,
            sweep_seconds: 0,
        };
        let (vault, parent, child, stranger, api, metrics) = runtime.block_on(async {
            let vault = Vault::open(parts).await.unwrap();
            let parent = tenant(&vault, "parent", None).await;
            let below = OrganisationId::parse(&parent.organisation).unwrap();
            let child = tenant(&vault, "child", Some(below)).await;
            let stranger = tenant(&vault, "stranger", None).await;
            let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let metrics = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (vault, parent, child, stranger, api, metrics)
        });
        let (address, metrics_address) = (api.local_addr().unwrap(), metrics.local_addr().unwrap());
        let app = Arc::new(App::new(vault.clone(), settings));
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(serve_metrics(metrics, Arc::clone(&app), core::future::pending()));
        let serving = runtime
            .spawn(async move { serve(api, app, tls, async move { drop(stopped.await) }).await.unwrap() });
        Self {
            address,
            metrics: metrics_address,
            clock,
            vault,
            parent,
            child,
            stranger,
            runtime: Some(runtime),
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    /// Another organisation, below one or none.
    pub(crate) fn make_tenant(&self, name: &str, parent: Option<&Tenant>) -> Tenant {
        let parent = parent.map(|parent| OrganisationId::parse(&parent.organisation).unwrap());
        self.runtime().block_on(tenant(&self.vault, name, parent))
    }

    /// Another key of an organisation.
    pub(crate) fn make_key(&self, tenant: &Tenant, roles: &[Role]) -> String {
        let organisation = OrganisationId::parse(&tenant.organisation).unwrap();
        self.runtime().block_on(key(&self.vault, organisation, roles))
    }

    /// Revokes the key that has these roles.
    pub(crate) fn revoke_key_with(&self, roles: &[Role]) {
        let all = panvault_vault::Query::newest(Vec::new(), 1000);
        let permit = operator(&self.vault, 7).permit().unwrap();
        let rows = self.runtime().block_on(self.vault.apikey_list(&permit, all)).unwrap().rows;
        let row = &rows.iter().find(|view| view.row.roles == roles).unwrap().row;
        let permit = operator(&self.vault, 7).permit().unwrap();
        self.runtime().block_on(self.vault.apikey_delete(&permit, row.id)).unwrap();
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// Tells the server to stop, and does not wait for it.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(crate) fn ended(&mut self) -> panvault_server::ServeReport {
        let serving = self.serving.take().unwrap();
        self.runtime().block_on(serving).unwrap()
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> HttpAnswer {
        // A page of the shop sends where it comes from; whoever says something else says it.
        let is_browser = headers.iter().any(|(_, value)| value.contains("pv_pub_"));
        let says = headers.iter().any(|(name, _)| *name == "Origin");
        let page: &[_] = if is_browser && !says { &[("Origin", SHOP)] } else { &[] };
        send(&format!("http://{}{path}", self.address), method, &[headers, page].concat(), body)
    }

    pub(crate) fn post(&self, key: &str, path: &str, body: &Value) -> HttpAnswer {
        self.post_text(key, path, &body.to_string())
    }

    pub(crate) fn post_text(&self, key: &str, path: &str, body: &str) -> HttpAnswer {
        self.send("POST", path, &[("X-APIKEY", key), ("Content-Type", "application/json")], Some(body))
    }

    pub(crate) fn get(&self, key: &str, path: &str) -> HttpAnswer {
        self.send("GET", path, &[("X-APIKEY", key)], None)
    }

    pub(crate) fn delete(&self, key: &str, path: &str) -> HttpAnswer {
        self.send("DELETE", path, &[("X-APIKEY", key)], None)
    }

    /// A transaction of the parent that is settled.
    pub(crate) fn make_completed(&self, amount: u32) -> String {
        let card = self.make_card(&self.parent, None);
        let paid =
            self.post(&self.parent.key, "/v1/transaction", &transaction_body(&self.parent, &card, amount));
        assert_eq!(paid.status, 200, "{}", paid.text);
        self.settle();
        paid.id()
    }

    /// Settles what waits for it.
    pub(crate) fn settle(&self) {
        let permit = operator(&self.vault, 7).permit().unwrap();
        self.runtime().block_on(self.vault.settle(&permit)).unwrap();
    }

    /// Creates a card with this CVV, if any, and gives its id.
    pub(crate) fn make_card(&self, tenant: &Tenant, cvv: Option<&str>) -> String {
        let mut body = card_body(tenant);
        if let Some(cvv) = cvv {
            body["cvv"] = json!(cvv);
        }
        let answer = self.post(&tenant.key, "/v1/card", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn card_body(tenant: &Tenant) -> Value {
    json!({
        "card_number": "4111111111111111",
        "expiry_month": "12",
        "expiry_year": "29",
        "organisation": tenant.organisation,
    })
}

pub(crate) fn transaction_body(tenant: &Tenant, card: &str, amount: u32) -> Value {
    json!({
        "account": tenant.account,
        "amount": amount,
        "card": card,
        "customer_ip": "203.0.113.7",
        "dynamic_descriptor": "Example shop",
        "merchant_reference": "order-1001",
        "user_agent": "Mozilla/5.0",
    })
}

/// Sends a request, which must get an answer.
pub(crate) fn send(url: &str, method: &str, headers: &[(&str, &str)], body: Option<&str>) -> HttpAnswer {
    http_send(url, method, headers, body).unwrap()
}

/// Where the pages of a shop come from.
pub(crate) const SHOP: &str = "https://shop.example";

async fn tenant(vault: &Vault, name: &str, parent: Option<OrganisationId>) -> Tenant {
    let new = NewOrganisation { name: name.to_owned(), parent, ..NewOrganisation::default() };
    let organisation =
        vault.organisation_create(&operator(vault, 7).permit().unwrap(), new).await.unwrap().id;
    let new = NewProcessor {
        organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    let processor = vault.processor_create(&operator(vault, 7).permit().unwrap(), new).await.unwrap().id;
    let new = NewAccount {
        organisation,
        name: "Account".to_owned(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        processors: vec![processor],
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let account = vault.account_create(&operator(vault, 7).permit().unwrap(), new).await.unwrap().id;
    Tenant {
        organisation: organisation.to_string(),
        account: account.to_string(),
        key: key(vault, organisation, &[Role::MerchantAdmin]).await,
        publishable_key: key(vault, organisation, &[Role::Publishable]).await,
    }
}

async fn key(vault: &Vault, organisation: OrganisationId, roles: &[Role]) -> String {
    let new = NewApiKey {
        organisation,
        name: "key".to_owned(),
        roles: roles.to_vec(),
        expires_at: None,
        allowed_origins: if roles.contains(&Role::Publishable) { vec![SHOP.to_owned()] } else { Vec::new() },
    };
    let (_, key) = vault.apikey_create(&operator(vault, 7).permit().unwrap(), new).await.unwrap();
    key.expose_text().to_owned()
}
