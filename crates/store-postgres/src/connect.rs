//! Connections to the database.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use panvault_store::StoreFault;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::{ChannelBinding, SslMode as Wanted, TargetSessionAttrs};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use crate::fault::{is_unknown, store_fault};
use crate::limits::{
    ADDRESS_TIME, COMMIT_ROWS_MAX, CONNECT_TIME, CONNECTIONS_MAX, LOOK_TIME, READ_TIME, SILENCE_TIME,
    SILENT_READ_TIME, STATEMENT_TIME,
};
use crate::primary::{Primary, each_host};
use crate::tls;
use crate::url::{PostgresUrl, SslMode};

/// A password. It is wiped when it goes, and shown nowhere.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password in.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

/// What is set.
pub struct PostgresSettings {
    /// Where the database is.
    pub url: PostgresUrl,
    /// The user's password, if it has one.
    pub password: Option<Password>,
    /// Commits that go into one statement.
    pub commit_rows_max: u32,
    /// Connections for reads; one more is for commits.
    pub connections_max: u32,
    /// Seconds that a list may take.
    pub list_seconds: u64,
}

impl PostgresSettings {
    /// Of this database, and all else as it is when nothing is set.
    pub const fn new(url: PostgresUrl, password: Option<Password>) -> Self {
        Self {
            url,
            password,
            commit_rows_max: COMMIT_ROWS_MAX,
            connections_max: CONNECTIONS_MAX,
            list_seconds: panvault_store::limits::LIST_SECONDS,
        }
    }
}

/// Why there is no connection. It repeats nothing of what was set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The file of authorities.
    #[error("the file that sslrootcert names cannot be read, or holds no certificates in PEM")]
    Roots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls,
    /// The database has no TLS, and `sslmode` wants it.
    #[error(
        "the database offers no TLS, which sslmode wants: turn it on there (ssl = on in postgresql.conf, with ssl_cert_file and ssl_key_file), or, where \
         nobody can be on the way to it, such as on this machine, say sslmode=disable in store"
    )]
    NoTls,
    /// Nobody answers in time, or what answers is no database that takes writes.
    #[error(
        "the database is not reached: nobody answers there, its certificate is not as sslmode wants it, or it takes no writes"
    )]
    Unreachable,
    /// The database refuses, with this SQLSTATE.
    #[error(
        "the database refuses the connection (SQLSTATE {0}); see user, password and name of the database"
    )]
    Refused(String),
}

/// A database that is reached. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    reads: Pool,
    commits: Pool,
    /// Goes up when connections for reads are given up; what was lent before is not taken back.
    readers: AtomicU64,
    tls: Option<MakeRustlsConnect>,
    url: PostgresUrl,
    commit_rows_max: usize,
    connections_max: usize,
    list_time: Duration,
    /// What was answered on connections for reads, so far.
    answers: AtomicU64,
    /// One of them is free again.
    given_back: Notify,
}

/// What is sent with a statement: each value with its type, so that a statement goes in one message, under no name.
pub(crate) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

impl Database {
    /// Connects, and says why not. It does not look at what is there.
    pub async fn connect(settings: PostgresSettings) -> Result<Self, ConnectError> {
        let PostgresSettings { url, password, commit_rows_max, connections_max, list_seconds } = settings;
        let reads = usize::try_from(connections_max.max(1)).unwrap_or(1);
        let inner = Inner {
            reads: pool(&url, password.as_ref(), reads)?,
            commits: pool(&url, password.as_ref(), 1)?,
            readers: AtomicU64::new(0),
            tls: tls::connector(&url)?,
            url,
            commit_rows_max: usize::try_from(commit_rows_max.max(1)).unwrap_or(1),
            connections_max: reads,
            list_time: Duration::from_secs(list_seconds),
            answers: AtomicU64::new(0),
            given_back: Notify::new(),
        };
        let database = Self { inner: Arc::new(inner) };
        drop(database.inner.reads.get().await.map_err(|error| refused(&error))?);
        Ok(database)
    }

    /// Where it is.
    pub fn url(&self) -> &PostgresUrl {
        &self.inner.url
    }

    pub(crate) fn commit_rows_max(&self) -> usize {
        self.inner.commit_rows_max
    }

    /// Connections for reads.
    pub(crate) fn connections_max(&self) -> usize {
        self.inner.connections_max
    }

    /// How long a list may take.
    pub(crate) fn list_time(&self) -> Duration {
        self.inner.list_time
    }

    /// A connection for reads, that goes with whoever has it unless it is given back.
    pub(crate) async fn lend(&self) -> Result<Lent, StoreFault> {
        let lent_at = self.inner.readers.load(Ordering::SeqCst);
        let client = Some(self.reader().await?);
        let answers = self.inner.answers.load(Ordering::Relaxed);
        Ok(Lent { client, database: self.clone(), lent_at, answers, since: Instant::now() })
    }

    /// A connection for reads. Whoever begins a transaction on it ends that, or takes it out of the pool.
    pub(crate) async fn reader(&self) -> Result<Object, StoreFault> {
        let got = self.idle_or_new().await?;
        got.map_err(|error| match error {
            // All are in use.
            PoolError::Timeout(TimeoutType::Wait) => StoreFault::Busy,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
            | PoolError::Backend(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => StoreFault::Unreachable,
        })
    }

    /// A connection that nobody uses, or a new one, whichever is there first.
    ///
    /// A new one is made to its end: far from the database that takes longer than some wait, and each of them would begin from the start.
    async fn idle_or_new(&self) -> Result<Result<Object, PoolError>, StoreFault> {
        let pool = &self.inner.reads;
        if pool.status().available > 0 {
            return Ok(pool.get().await);
        }
        let making = pool.clone();
        let mut made = tokio::spawn(async move { making.get().await });
        loop {
            tokio::select! {
                made = &mut made => return made.map_err(|_| StoreFault::Unreachable),
                () = self.inner.given_back.notified() => {}
            }
            if pool.status().available > 0 {
                return Ok(pool.get().await);
            }
        }
    }

    /// Gives up connections for reads: they may be to what was the primary. Those that are in use are given up when they come back.
    pub(crate) fn forget_readers(&self) {
        self.inner.readers.fetch_add(1, Ordering::SeqCst);
        drop(self.inner.reads.retain(|_, _| false));
    }

    /// The connection for commits.
    pub(crate) async fn committer(&self) -> Result<Object, StoreFault> {
        self.inner.commits.get().await.map_err(|_| StoreFault::Unreachable)
    }

    /// Writes in one statement of its own. Where that fails, it may have been done all the same.
    pub(crate) async fn write(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, StoreFault> {
        let client = self.committer().await?;
        match timeout(STATEMENT_TIME, client.query_typed(sql, &to_vec(parameters))).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                drop(Object::take(client));
                Err(store_fault(&error))
            }
            Err(_) => {
                self.abandon(client);
                Err(StoreFault::Unreachable)
            }
        }
    }

    /// Gives up a connection on which something is not answered, and asks the database to leave that: what waits there for a row, or for a
    /// standby, would hold a connection of the database for as long, and each further try one more.
    pub(crate) fn abandon(&self, client: Object) {
        let (client, tls) = (Object::take(client), self.inner.tls.clone());
        tokio::spawn(async move {
            let token = client.cancel_token();
            let asked = async {
                match tls {
                    Some(tls) => token.cancel_query(tls).await,
                    None => token.cancel_query(NoTls).await,
                }
            };
            // It does not say whether it does. A pool in between knows the connection only while it is open.
            drop(timeout(CONNECT_TIME, asked).await);
            drop(client);
        });
    }

    /// Reads in one statement that holds a row, so that its answer waits for what a commit waits for: no old primary gives it whose place a standby has
    /// taken. What does not answer in time is given up, with all connections on which nothing is under way.
    pub(crate) async fn query_held(&self, sql: String, id: Vec<u8>) -> Result<Vec<Row>, StoreFault> {
        let database = self.clone();
        // It runs to its end, whoever no longer waits: one that waits for a standby would do so in the database too, and each further one beside it.
        let read = tokio::spawn(async move {
            for last in [false, true] {
                let client = database.reader().await?;
                match timeout(LOOK_TIME, client.query_typed(&sql, &[(&id, Type::BYTEA)])).await {
                    Err(_) => {
                        database.abandon(client);
                        break;
                    }
                    Ok(Err(error)) if error.is_closed() && !last => drop(Object::take(client)),
                    Ok(Err(error)) => {
                        drop(Object::take(client));
                        if store_fault(&error) == StoreFault::Unreachable {
                            break;
                        }
                        return Err(store_fault(&error));
                    }
                    Ok(Ok(rows)) => return Ok(rows),
                }
            }
            database.forget_readers();
            drop(database.inner.commits.retain(|_, _| false));
            Err(StoreFault::Unreachable)
        });
        // It ends otherwise only with the runtime.
        read.await.unwrap_or(Err(StoreFault::Unreachable))
    }

    /// Reads in one statement; once more on another connection, if the first was lost meanwhile.
    pub(crate) async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, StoreFault> {
        self.query_within(READ_TIME, sql, parameters).await
    }

    /// The same, of what may take longer.
    pub(crate) async fn query_within(
        &self,
        time: Duration,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreFault> {
        for last in [false, true] {
            let lent = self.lend().await?;
            let client = lent.client()?;
            let read = timeout(time, client.query_typed(sql, &to_vec(parameters))).await;
            match read {
                Err(_) => return Err(StoreFault::Unreachable),
                Ok(Err(error)) if error.is_closed() && !last => {}
                Ok(read) => {
                    lent.give_back();
                    return read.map_err(|error| store_fault(&error));
                }
            }
        }
        Err(StoreFault::Unreachable)
    }

    /// Writes in one statement, and sends that once: [`StoreFault::Unresolved`] where it may be done or come to be done, and of every other fault it is known
    /// that nothing was changed.
    pub(crate) async fn write_once(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreFault> {
        let lent = self.lend().await?;
        let client = lent.client()?;
        match timeout(READ_TIME, client.query_typed(sql, &to_vec(parameters))).await {
            Err(_) => Err(StoreFault::Unresolved),
            Ok(Err(error)) if is_unknown(&error) => Err(StoreFault::Unresolved),
            Ok(written) => {
                lent.give_back();
                written.map_err(|error| store_fault(&error))
            }
        }
    }

    /// The same, of what is tried again all the time: what is not answered is given up in the database too, or each try would leave one more
    /// connection that waits there.
    pub(crate) async fn write_beside(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreFault> {
        let client = self.reader().await?;
        match timeout(READ_TIME, client.query_typed(sql, &to_vec(parameters))).await {
            Err(_) => {
                self.abandon(client);
                Err(StoreFault::Unresolved)
            }
            Ok(Err(error)) => {
                drop(Object::take(client));
                Err(if is_unknown(&error) { StoreFault::Unresolved } else { store_fault(&error) })
            }
            Ok(Ok(rows)) => Ok(rows),
        }
    }

    pub(crate) fn close(&self) {
        self.inner.reads.close();
        self.inner.commits.close();
    }
}

/// A connection that goes with whoever had it, unless it is given back: what was asked on it may still run, and whoever got it next would wait
/// for that.
///
/// Where nothing was answered on any other meanwhile, the others most likely are as dead: a server that has gone without a word leaves all of them open.
pub(crate) struct Lent {
    client: Option<Object>,
    database: Database,
    /// How often connections had been given up when it was lent.
    lent_at: u64,
    answers: u64,
    since: Instant,
}

impl Lent {
    pub(crate) fn client(&self) -> Result<&Object, StoreFault> {
        self.client.as_ref().ok_or(StoreFault::Unreachable)
    }

    /// Nothing that was asked on it is unanswered, and no transaction is begun.
    pub(crate) fn give_back(mut self) {
        self.database.inner.answers.fetch_add(1, Ordering::Relaxed);
        if self.database.inner.readers.load(Ordering::SeqCst) == self.lent_at {
            drop(self.client.take());
            self.database.inner.given_back.notify_one();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        drop(Object::take(client));
        let is_silent = self.database.inner.answers.load(Ordering::Relaxed) == self.answers;
        if is_silent && self.since.elapsed() >= SILENT_READ_TIME {
            self.database.forget_readers();
        }
    }
}

/// The library takes parameters by a slice of its own.
pub(crate) fn to_vec<'a>(parameters: Parameters<'a>) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters.to_vec()
}

fn pool(url: &PostgresUrl, password: Option<&Password>, connections: usize) -> Result<Pool, ConnectError> {
    let mut hosts = each_host(&url.config);
    hosts.iter_mut().for_each(|host| set(host, url, password));
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    // What is set is in that of each host.
    let config = hosts.first().cloned().unwrap_or_default();
    let manager = match tls::connector(url)? {
        Some(tls) => Manager::from_connect(config, Primary::new(hosts, tls), manager),
        None => Manager::from_connect(config, Primary::new(hosts, NoTls), manager),
    };
    let pool = Pool::builder(manager)
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIME))
        .create_timeout(Some(CONNECT_TIME))
        .recycle_timeout(Some(CONNECT_TIME));
    pool.build().map_err(|_| ConnectError::Tls)
}

/// Whom to be, how long to wait, and what is taken for the database.
fn set(config: &mut Config, url: &PostgresUrl, password: Option<&Password>) {
    if let Some(Password(text)) = password {
        config.password(text.as_bytes());
    }
    config
        .application_name("panvault")
        .connect_timeout(ADDRESS_TIME)
        .tcp_user_timeout(SILENCE_TIME)
        .keepalives_idle(SILENCE_TIME / 2)
        .keepalives_interval(SILENCE_TIME / 5)
        .keepalives_retries(3)
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .ssl_mode(if url.mode == SslMode::Disable { Wanted::Disable } else { Wanted::Require });
    if url.mode == SslMode::Disable {
        config.channel_binding(ChannelBinding::Disable);
    }
}

/// The words of the database may repeat what was set; its number does not.
fn refused(error: &PoolError) -> ConnectError {
    match error {
        PoolError::Backend(error) => match error.code() {
            Some(code) => ConnectError::Refused(code.code().to_owned()),
            None if offers_no_tls(error) => ConnectError::NoTls,
            None => ConnectError::Unreachable,
        },
        PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => ConnectError::Unreachable,
    }
}

/// The driver says it in words alone.
fn offers_no_tls(error: &tokio_postgres::Error) -> bool {
    let causes = core::iter::successors(core::error::Error::source(error), |error| error.source());
    causes.map(ToString::to_string).any(|cause| cause == "server does not support TLS")
}
