//! Three nodes of the real binary over a database and what holds their CVVs, each killed and started as a test says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use panvault_testkit::servers::{
    HaProxy, Postgres, PostgresDatabase, PostgresOptions, Redis, RedisKind, RedisOptions, free_port,
};
use panvault_testkit::{HttpAnswer, http_send};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::path;
use crate::support::{Ended, panvault, run, run_json, run_refused, until};

pub(crate) const NODES: usize = 3;

/// A vault that three nodes serve, over one server of a database or over several.
pub(crate) struct Cluster<D = Postgres> {
    pub(crate) postgres: D,
    pub(crate) redis: Redis,
    pub(crate) database: PostgresDatabase,
    directory: TempDir,
    nodes: [Node; NODES],
    /// What nodes are set to beside the usual.
    settings: Vec<&'static str>,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) key: String,
}

struct Node {
    port: u16,
    child: Option<Child>,
    /// What it is started with beside what all have.
    settings: Vec<String>,
}

impl Cluster {
    /// Starts everything, and waits until each node is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&PostgresOptions::default(), Vec::new())
    }

    /// The same, with settings of the database and of each node, such as `log_level=trace`.
    pub(crate) fn start_with(options: &PostgresOptions, settings: Vec<&'static str>) -> Self {
        let mut cluster = Self::prepare_with(options, settings);
        cluster.start_nodes();
        cluster
    }

    /// Starts everything but the nodes.
    pub(crate) fn prepare() -> Self {
        Self::prepare_with(&PostgresOptions::default(), Vec::new())
    }

    /// Starts everything, with this to hold CVVs.
    pub(crate) fn start_on(kind: RedisKind) -> Self {
        let mut cluster = Self::prepare_on(kind, Vec::new());
        cluster.start_nodes();
        cluster
    }

    /// Starts everything but the nodes, with this to hold CVVs and with settings of each node.
    pub(crate) fn prepare_on(kind: RedisKind, settings: Vec<&'static str>) -> Self {
        let postgres = Postgres::start();
        let database = postgres.database();
        Self::make(postgres, database, settings, kind)
    }

    /// The same, with settings of the database and of each node.
    pub(crate) fn prepare_with(options: &PostgresOptions, settings: Vec<&'static str>) -> Self {
        let postgres = Postgres::start_with(options);
        let database = postgres.database();
        Self::make(postgres, database, settings, RedisKind::Redis)
    }

    /// Where the database is for whoever goes through another port.
    pub(crate) fn store_through(&self, port: u16) -> String {
        format!("store={}", self.postgres.through(&self.database, port).url)
    }

    /// Statements in the vault's database, as its administrator.
    #[track_caller]
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.postgres.sql(&self.database.name, statements)
    }
}

impl<D> Cluster<D> {
    /// Starts nodes over a database that is there, and waits until each is ready.
    pub(crate) fn over(postgres: D, database: PostgresDatabase) -> Self {
        let mut cluster = Self::make(postgres, database, Vec::new(), RedisKind::Redis);
        cluster.start_nodes();
        cluster
    }

    fn make(
        postgres: D,
        database: PostgresDatabase,
        node_settings: Vec<&'static str>,
        kind: RedisKind,
    ) -> Self {
        let redis = Redis::start(RedisOptions { kind, ..RedisOptions::default() });
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("vault");
        let password = format!("store_password_file={}", path(&database.password_file));
        let cvv_store = format!("cvv_store={}", redis.url());
        let settings = ["--set", &password, "--set", &cvv_store];
        let init = ["init", path(&data), "--mode", "test", "--json", "--store", &database.url];
        run_json(&[init.as_slice(), &settings].concat());
        let config = directory.path().join("vault.settings.toml");
        let make = |words: &[&str]| run_json(&[words, &["--json", "--config", path(&config)]].concat());
        let id = |made: &Value| made["_id"].as_str().unwrap().to_owned();
        let organisation = id(&make(&["organisation", "create", "--name", "X"]));
        let of = ["--organisation", &organisation, "--name", "X"];
        let processor =
            id(&make(&[&["processor", "create", "--type", "card_dummy"], of.as_slice()].concat()));
        let account = ["account", "create", "--currency-code", "EUR", "--processor", &processor];
        let account = id(&make(&[account.as_slice(), &of].concat()));
        let key = make(&[&["apikey", "create", "--role", "MerchantAdmin"], of.as_slice()].concat());
        let nodes = [(); NODES].map(|()| Node { port: free_port(), child: None, settings: Vec::new() });
        let key = key["api_key"].as_str().unwrap().to_owned();
        Self {
            postgres,
            redis,
            database,
            directory,
            nodes,
            settings: node_settings,
            organisation,
            account,
            key,
        }
    }

    /// Starts all nodes, and waits until each is ready.
    pub(crate) fn start_nodes(&mut self) {
        for node in 0..NODES {
            self.start_node(node);
        }
        for node in 0..NODES {
            self.is_ready(node);
        }
    }

    /// Starts a node with this from now on.
    pub(crate) fn set(&mut self, node: usize, setting: String) {
        self.nodes[node].settings.push(setting);
    }

    /// HAProxy before the nodes.
    pub(crate) fn balanced(&self) -> HaProxy {
        let haproxy = HaProxy::start([0, 1, 2].map(|node| self.address(node)));
        let url = format!("{}/readyz", haproxy.url);
        until("HAProxy has found the nodes", || {
            http_send(&url, "GET", &[], None).is_ok_and(|answer| answer.status == 200)
        });
        haproxy
    }

    fn address(&self, node: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.nodes[node].port))
    }

    /// All that nodes and commands write, but for the servers.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the nodes listen.
    pub(crate) fn addresses(&self) -> [SocketAddr; NODES] {
        [0, 1, 2].map(|node: usize| SocketAddr::from(([127, 0, 0, 1], self.nodes[node].port)))
    }

    /// How a command beside the first node ends.
    pub(crate) fn ended(&self, words: &[&str]) -> Ended {
        let directory = self.directory.path();
        let (config, data) = (directory.join("vault.settings.toml"), directory.join("node-0"));
        run(&[words, &["--json", "--config", path(&config), "--data", path(&data)]].concat())
    }

    /// Starts a node that does not run, where it was before.
    pub(crate) fn start_node(&mut self, node: usize) {
        let directory = self.directory.path();
        let (config, data) = (directory.join("vault.settings.toml"), directory.join(format!("node-{node}")));
        let log = std::fs::File::options().create(true).append(true).open(self.log_path(node)).unwrap();
        let Node { port, child, settings } = &mut self.nodes[node];
        let mut command = panvault();
        command.args(["serve", "--config", path(&config), "--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--set", &format!("data_directory={}", path(&data)), "--set", "metrics_listen="]);
        command.args(["--set", "limits=false"]).stdout(Stdio::null()).stderr(log);
        for setting in self.settings.iter().copied().chain(settings.iter().map(String::as_str)) {
            command.args(["--set", setting]);
        }
        assert!(child.is_none(), "it runs");
        *child = Some(command.spawn().unwrap());
    }

    /// What a node has logged.
    pub(crate) fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.log_path(node)).unwrap()
    }

    /// A command by the settings that `init` wrote.
    pub(crate) fn command(&self, words: &[&str]) -> Value {
        let config = self.directory.path().join("vault.settings.toml");
        run_json(&[words, &["--json", "--config", path(&config)]].concat())
    }

    /// Waits until every node knows an object that a command has made at one of them, and all that was made before it.
    pub(crate) fn all_know(&self, kind: &str, id: &str) {
        for node in 0..NODES {
            until("a node knows what was made at another", || {
                self.get(node, &format!("/v1/{kind}/{id}")).status == 200
            });
        }
    }

    /// A command by the settings that `init` wrote that is refused, and what it says.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let config = self.directory.path().join("vault.settings.toml");
        run_refused(&[words, &["--config", path(&config)]].concat())
    }

    /// A command beside a node.
    pub(crate) fn command_at(&self, node: usize, words: &[&str]) -> Value {
        let data = self.directory.path().join(format!("node-{node}"));
        self.command(&[words, &["--data", path(&data)]].concat())
    }

    /// Makes a key, and gives its id and itself.
    pub(crate) fn make_key(&self) -> (String, String) {
        let of = ["--organisation", &self.organisation, "--name", "K", "--role", "MerchantAdmin"];
        let made = self.command(&[&["apikey", "create"], of.as_slice()].concat());
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("_id"), text("api_key"))
    }

    fn log_path(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node-{node}.log"))
    }

    /// Waits until a node takes requests.
    pub(crate) fn is_ready(&mut self, node: usize) {
        let url = self.url(node, "/readyz");
        until("a node is ready", || {
            let ended = self.nodes[node].child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(self.log_path(node)).unwrap());
            http_send(&url, "GET", &[], None).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Whether a node that was started has ended by itself, as one does that may not serve.
    pub(crate) fn has_ended(&mut self, node: usize) -> bool {
        let ended = self.nodes[node].child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.nodes[node].child = None;
        }
        ended
    }

    /// SIGKILL: nothing of a node runs any more.
    pub(crate) fn kill_node(&mut self, node: usize) {
        let mut child = self.nodes[node].child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop_node(&mut self, node: usize) {
        let mut child = self.nodes[node].child.take().unwrap();
        signal(child.id(), "-TERM");
        let status = child.wait().unwrap();
        assert!(status.success(), "{status}: {}", std::fs::read_to_string(self.log_path(node)).unwrap());
    }

    /// The number of a node's process.
    pub(crate) fn process(&self, node: usize) -> u32 {
        self.nodes[node].child.as_ref().unwrap().id()
    }

    pub(crate) fn url(&self, node: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.nodes[node].port)
    }

    /// The answer of a node, or `None` where it gave none: it may have been done.
    pub(crate) fn try_post(
        &self,
        node: usize,
        path: &str,
        idempotency: Option<&str>,
        body: &Value,
    ) -> Option<HttpAnswer> {
        let mut headers = vec![("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        headers.extend(idempotency.map(|key| ("Idempotency-Key", key)));
        http_send(&self.url(node, path), "POST", &headers, Some(&body.to_string())).ok()
    }

    pub(crate) fn post(&self, node: usize, path: &str, body: &Value) -> HttpAnswer {
        self.try_post(node, path, None, body).unwrap()
    }

    pub(crate) fn get(&self, node: usize, path: &str) -> HttpAnswer {
        self.get_with(node, path, &self.key)
    }

    pub(crate) fn get_with(&self, node: usize, path: &str, key: &str) -> HttpAnswer {
        self.send_with(node, "GET", path, key, None).unwrap()
    }

    /// The answer to any request with this key, if one came.
    pub(crate) fn send_with(
        &self,
        node: usize,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&str>,
    ) -> Option<HttpAnswer> {
        let headers = [("X-APIKEY", key), ("Content-Type", "application/json")];
        http_send(&self.url(node, path), method, &headers[..1 + usize::from(body.is_some())], body).ok()
    }

    pub(crate) fn card_body(&self, number: &str, cvv: Option<&str>) -> Value {
        let mut body = json!({
            "card_number": number, "expiry_month": "12", "expiry_year": "2040", "organisation": self.organisation,
        });
        if let Some(cvv) = cvv {
            body["cvv"] = json!(cvv);
        }
        body
    }

    /// Creates a card by a node, and gives its id.
    #[track_caller]
    pub(crate) fn make_card(&self, node: usize, number: &str, cvv: Option<&str>) -> String {
        let answer = self.post(node, "/v1/card", &self.card_body(number, cvv));
        assert_eq!(answer.status, 200, "{}", answer.text);
        if cvv.is_some() {
            assert_eq!(answer.json()["cvv_present"], json!(true), "{}", answer.text);
        }
        answer.id()
    }

    pub(crate) fn transaction_body(&self, card: &str, amount: u32) -> Value {
        json!({
            "account": self.account, "amount": amount, "card": card, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Example shop", "merchant_reference": "order", "user_agent": "test",
        })
    }

    /// Has the dummy settle what it has captured, by a command beside the first node.
    pub(crate) fn settle(&self) {
        self.command_at(0, &["settle"]);
    }

    /// All transactions of a card, as a node lists them.
    pub(crate) fn transactions(&self, node: usize, card: &str) -> Vec<Value> {
        let answer = self.get(node, &format!("/v1/transaction?card={card}&_limit=1000"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json().as_array().unwrap().clone()
    }
}

impl<D> Drop for Cluster<D> {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            for node in 0..NODES {
                let log = std::fs::read_to_string(self.log_path(node)).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(20).collect();
                println!("node {node}, the last first:\n{}", last.join("\n"));
            }
        }
    }
}

/// How often what races is raced.
pub(crate) fn rounds() -> usize {
    rounds_or(5)
}

/// So often, unless `PANVAULT_TEST_ROUNDS` names another number.
#[expect(clippy::disallowed_methods, reason = "how long a test may take is for who runs it to say")]
pub(crate) fn rounds_or(usual: usize) -> usize {
    std::env::var("PANVAULT_TEST_ROUNDS").ok().map_or(usual, |count| count.parse().unwrap())
}

/// Whether what takes long is tried in its long form.
pub(crate) fn is_soak() -> bool {
    rounds() >= 20
}

#[expect(clippy::disallowed_methods, reason = "what is promised is a time")]
pub(crate) fn begin() -> Instant {
    Instant::now()
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}
