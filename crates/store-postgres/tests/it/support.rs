//! A database with the schema in it.

use std::sync::Arc;

use panvault_model::NodeId;
use panvault_store::{Commit, Outcome, Store, StoreFault};
use panvault_store_postgres::{Database, Password, PostgresSettings, PostgresStore, PostgresUrl};
use panvault_testkit::conformance::rows::{VAULT, chain, id};
use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use tokio_postgres::{Client, Config, NoTls};

/// Runs a future to its end, with threads as a server has them.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A database of a server.
pub(crate) struct Home {
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) database: PostgresDatabase,
}

impl Home {
    /// An empty database of the server that tests share.
    pub(crate) fn new() -> Self {
        Self::of(Postgres::shared(PostgresVersion::V15))
    }

    pub(crate) fn of(postgres: Arc<Postgres>) -> Self {
        let database = postgres.database();
        Self { postgres, database }
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.postgres.sql(&self.database.name, statements)
    }

    /// Reaches the database, with its schema made.
    pub(crate) async fn connect(&self) -> Database {
        let database = connect(&self.database, 64).await;
        database.migrate().await.unwrap();
        database
    }

    /// Opens the store as the node that in memory writes the trail.
    pub(crate) async fn open(&self) -> PostgresStore {
        self.open_as(NodeId(VAULT.0)).await
    }

    pub(crate) async fn open_as(&self, node: NodeId) -> PostgresStore {
        PostgresStore::open(self.connect().await, chain(VAULT), node).await.unwrap()
    }

    /// A connection of somebody else's.
    pub(crate) async fn client(&self) -> Client {
        let mut config: Config = self.database.url.parse().unwrap();
        let (client, connection) = config.password(&self.database.password).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Commits wait for a standby from now on, and there is none.
    pub(crate) async fn lose_standby(&self) {
        self.sql("CREATE TABLE probe (at int)");
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        self.sql("SELECT pg_reload_conf()");
        let probe = self.client().await;
        tokio::spawn(
            async move { while probe.batch_execute("INSERT INTO probe VALUES (1)").await.is_ok() {} },
        );
        while self.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "0" {
            tokio::task::yield_now().await;
        }
    }

    /// Commits wait for no standby any more.
    pub(crate) fn standby_back(&self) {
        self.sql("ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("SELECT pg_reload_conf()");
    }

    /// Opens the store through another port.
    pub(crate) async fn open_through(&self, port: u16, node: NodeId) -> PostgresStore {
        drop(self.connect().await);
        let database = connect(&self.postgres.through(&self.database, port), 64).await;
        PostgresStore::open(database, chain(VAULT), node).await.unwrap()
    }
}

/// Backends that wait for a row, or for a standby.
pub(crate) fn waiting(home: &Home) -> u64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'panvault' AND datname = current_database() \
               AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')";
    home.sql(sql).parse().unwrap()
}

/// Reaches a database.
pub(crate) async fn connect(database: &PostgresDatabase, commit_rows_max: u32) -> Database {
    let url = PostgresUrl::parse(&database.url).unwrap();
    let password = Password::new(database.password.clone().into());
    let settings = PostgresSettings { commit_rows_max, ..PostgresSettings::new(url, Some(password)) };
    Database::connect(settings).await.unwrap()
}

/// A node's name.
pub(crate) fn node(n: u64) -> NodeId {
    NodeId(id(n))
}

/// Waits for what becomes of commits that are called at once, in order.
pub(crate) async fn all(store: &dyn Store, commits: Vec<Commit>) -> Vec<Result<Outcome, StoreFault>> {
    let called: Vec<_> = commits.into_iter().map(|commit| store.commit(commit)).collect();
    let mut answers = Vec::new();
    for answer in called {
        answers.push(answer.await);
    }
    answers
}

/// Whether it is done.
pub(crate) const fn is_done(answer: &Result<Outcome, StoreFault>) -> bool {
    matches!(answer, Ok(Outcome::Done { .. }))
}
