//! The way to the server: made, looked after, made again.

use core::time::Duration;
use std::sync::Arc;

use panvault_model::VaultId;
use panvault_store::CvvFault;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::connect::{Connected, Connector};
use crate::fitness::{self, LookFault, RedisUnfit};
use crate::heard::Heard;
use crate::limits::{
    LOOK_MILLIS, LOOK_MILLIS_MAX, RECONNECT_MILLIS_MAX, REQUEST_COUNTS_MILLIS, RETRY_MILLIS,
};
use crate::reply::{Reply, ReplyFault};
use crate::script::{Scripts, standing};

const LOOK_TIME: Duration = Duration::from_millis(LOOK_MILLIS_MAX);

/// What the server's own clock is.
#[derive(Clone)]
pub enum RedisClock {
    /// The time that the server has. It may be set back; then it stands still until it has caught up.
    Server,
    /// Milliseconds since some moment, told with each request: for tests, in which time passes when they say so.
    Given(Arc<dyn Fn() -> u64 + Send + Sync>),
}

/// How it stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisState {
    /// It was looked at, and holds CVVs.
    Ready,
    /// The connection was lost a moment ago.
    Connecting,
    /// It is out of reach. It is tried again all the time.
    Unreachable,
    /// It is reached, and may not hold CVVs.
    Unfit(RedisUnfit),
}

/// The way to a server, kept by a task of its own.
pub(crate) struct Link {
    connector: Connector,
    pub(crate) scripts: Scripts,
    pub(crate) heard: Heard,
    vault: VaultId,
    server: String,
    clock: RedisClock,
    stage: watch::Sender<Stage>,
}

#[derive(Clone)]
enum Stage {
    Connecting,
    Ready(Ready),
    Down(LookFault),
}

/// A connection to a server that was looked at.
#[derive(Clone)]
struct Ready {
    connected: Arc<Connected>,
    /// Our vault, and the run of the server.
    whose: Arc<[u8]>,
}

/// Why a request has no answer that says what was done.
pub(crate) enum AskFault {
    /// The server has no memory for more; nothing was done.
    Full,
    Unavailable,
}

impl From<AskFault> for CvvFault {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::Full => Self::NoRoom,
            AskFault::Unavailable => Self::Unavailable,
        }
    }
}

impl Link {
    pub(crate) fn new(
        connector: Connector,
        vault: VaultId,
        server: String,
        held_max: u64,
        clock: RedisClock,
    ) -> Self {
        let (stage, _) = watch::channel(Stage::Connecting);
        Self { connector, scripts: Scripts::new(), heard: Heard::new(held_max), vault, server, clock, stage }
    }

    /// The first try. A server that is out of reach is no fault: it is tried again.
    pub(crate) async fn first(&self) -> Result<(), RedisUnfit> {
        match self.established().await {
            Ok(ready) => self.ready_now(ready),
            Err(LookFault::Unfit(unfit)) => return Err(unfit),
            Err(LookFault::Unreachable) => self.down(LookFault::Unreachable),
        }
        Ok(())
    }

    /// Looks after the connection, for ever.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut watched = self.stage.subscribe();
        loop {
            let stage = watched.borrow_and_update().clone();
            let Stage::Ready(ready) = stage else {
                match self.established().await {
                    Ok(ready) => self.ready_now(ready),
                    Err(fault) => {
                        self.down(fault);
                        sleep(Duration::from_millis(RETRY_MILLIS)).await;
                    }
                }
                continue;
            };
            let lost = watched.wait_for(|stage| !matches!(stage, Stage::Ready(_)));
            if timeout(Duration::from_millis(LOOK_MILLIS), lost).await.is_ok() {
                continue;
            }
            match self.look(&ready.connected).await {
                Ok(whose) if whose == ready.whose => {}
                // Something between us and the server has changed what is behind it.
                Ok(_) => self.lose(&ready),
                Err(LookFault::Unreachable) => self.lose(&ready),
                Err(fault @ LookFault::Unfit(_)) => self.down(fault),
            }
        }
    }

    async fn established(&self) -> Result<Ready, LookFault> {
        let connected = Arc::new(self.connector.connect().await?);
        self.heard.forget();
        let whose = self.look(&connected).await?;
        let mut connection = connected.connection.clone();
        let loaded = timeout(LOOK_TIME, self.scripts.load(&mut connection)).await;
        loaded.map_err(|_| LookFault::Unreachable)?.map_err(|error| LookFault::of(&error))?;
        Ok(Ready { connected, whose })
    }

    /// Looks at the server: what it must not be, and whose it is. What it holds is ended where it may come to a disk.
    async fn look(&self, connected: &Connected) -> Result<Arc<[u8]>, LookFault> {
        let mut connection = connected.connection.clone();
        let until = Instant::now() + LOOK_TIME;
        let run = timeout_at(until, fitness::look(&mut connection)).await;
        let run = match run.unwrap_or(Err(LookFault::Unreachable)) {
            Ok(run) => run,
            Err(fault) => {
                if let LookFault::Unfit(unfit) = fault
                    && unfit.writes()
                {
                    self.end_all(&mut connection).await;
                }
                return Err(fault);
            }
        };
        let whose: Arc<[u8]> = [self.vault.as_bytes().as_slice(), run.as_bytes()].concat().into();
        let owners = self.heard.without_room().concat();
        let mut request = self.scripts.look.arg(whose.as_ref());
        // It counts whenever it comes.
        let asked = request.arg(u64::MAX).arg(self.time()).arg(owners);
        let answer = timeout_at(until, asked.invoke_async::<Vec<u8>>(&mut connection)).await;
        let answer = answer.map_err(|_| LookFault::Unreachable)?;
        match Reply::read(answer.map_err(|error| LookFault::of(&error))?) {
            Ok(reply) => self.heard.hear(&reply),
            Err(ReplyFault::Refused(standing::SET_BACK)) => {
                self.set_back();
                return Err(LookFault::Unreachable);
            }
            Err(fault) => return Err(LookFault::Unfit(unfit(fault))),
        }
        Ok(whose)
    }

    /// Ends all that is held on a server that is ours and has begun to write it somewhere.
    async fn end_all(&self, connection: &mut MultiplexedConnection) {
        let whose: Result<Vec<u8>, _> = redis::cmd("GET").arg("pv:v").query_async(connection).await;
        if !whose.is_ok_and(|whose| whose.starts_with(self.vault.as_bytes())) {
            return;
        }
        let ended: Result<(), _> = redis::cmd("FLUSHDB").arg("SYNC").query_async(connection).await;
        let (server, advice) =
            (&self.server, "cards can be sent with their CVV again once the server is as it must be");
        match ended {
            Ok(()) => tracing::error!(cvvs.server = %server, advice, "cvvs.ended"),
            Err(_) => {
                let advice = "empty its database by hand, at once, and remove its files";
                tracing::error!(cvvs.server = %server, advice, "cvvs.not_ended");
            }
        }
    }

    /// Says that the server has ended all that it held.
    fn set_back(&self) {
        let advice = "its clock was set back by more than ten minutes: see that it is right and stays so (NTP); cards can be sent with their CVV again";
        tracing::error!(cvvs.server = %self.server, advice, "cvvs.ended");
    }

    /// Asks the server, by one of the scripts.
    pub(crate) async fn ask(
        &self,
        script: &Script,
        keys: &[impl AsRef<[u8]>],
        said: &[u8],
    ) -> Result<Reply, AskFault> {
        let ready = self.ready().await.ok_or(AskFault::Unavailable)?;
        let mut request = script.prepare_invoke();
        for key in keys {
            request.key(key.as_ref());
        }
        request.arg(ready.whose.as_ref()).arg(self.counts_until()).arg(self.time()).arg(said);
        let mut connection = ready.connected.connection.clone();
        let answer: Result<Vec<u8>, RedisError> = request.invoke_async(&mut connection).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("OOM") => return Err(AskFault::Full),
            // It is slow; a look that gets no answer either finds that it is lost. Nor is it lost where a script could not read what it found: that is of one card.
            Err(error) if error.is_timeout() || error.code() == Some("ERR") => {
                return Err(AskFault::Unavailable);
            }
            Err(_) => {
                self.lose(&ready);
                return Err(AskFault::Unavailable);
            }
        };
        match Reply::read(answer) {
            Ok(reply) => {
                self.heard.hear(&reply);
                Ok(reply)
            }
            // It was held up on its way; the next one is not.
            Err(ReplyFault::Refused(standing::LATE)) => Err(AskFault::Unavailable),
            Err(fault @ (ReplyFault::Refused(_) | ReplyFault::Odd)) => {
                if matches!(fault, ReplyFault::Refused(standing::SET_BACK)) {
                    self.set_back();
                }
                self.lose(&ready);
                Err(AskFault::Unavailable)
            }
        }
    }

    pub(crate) fn state(&self) -> RedisState {
        match &*self.stage.borrow() {
            Stage::Ready(_) => RedisState::Ready,
            Stage::Connecting => RedisState::Connecting,
            Stage::Down(LookFault::Unreachable) => RedisState::Unreachable,
            Stage::Down(LookFault::Unfit(unfit)) => RedisState::Unfit(*unfit),
        }
    }

    /// Waits until it is so.
    pub(crate) async fn wait_for(&self, is: impl Fn(RedisState) -> bool) {
        let mut watched = self.stage.subscribe();
        while !is(self.state()) {
            if watched.changed().await.is_err() {
                return;
            }
        }
    }

    /// The connection; where it was lost a moment ago, the next one.
    async fn ready(&self) -> Option<Ready> {
        if let Stage::Ready(ready) = &*self.stage.borrow() {
            return Some(ready.clone());
        }
        let mut watched = self.stage.subscribe();
        let known = watched.wait_for(|stage| !matches!(stage, Stage::Connecting));
        let stage = timeout(Duration::from_millis(RECONNECT_MILLIS_MAX), known).await.ok()?.ok()?;
        match &*stage {
            Stage::Ready(ready) => Some(ready.clone()),
            Stage::Connecting | Stage::Down(_) => None,
        }
    }

    fn ready_now(&self, ready: Ready) {
        self.stage.send_replace(Stage::Ready(ready));
        tracing::info!(cvvs.server = %self.server, "cvvs.ready");
    }

    /// This connection is of no use any more: another is made at once.
    fn lose(&self, lost: &Ready) {
        self.stage.send_if_modified(|stage| {
            let is_it =
                matches!(stage, Stage::Ready(ready) if Arc::ptr_eq(&ready.connected, &lost.connected));
            if is_it {
                *stage = Stage::Connecting;
            }
            is_it
        });
    }

    /// Says why there is no server, once.
    fn down(&self, fault: LookFault) {
        let before = self.stage.send_replace(Stage::Down(fault));
        if matches!(before, Stage::Down(known) if known == fault) {
            return;
        }
        let server = &self.server;
        match fault {
            LookFault::Unreachable => {
                let advice =
                    "see whether the server of CVVs runs, and what is between; it is tried again by itself";
                tracing::error!(cvvs.server = %server, advice, "cvvs.unreachable");
            }
            LookFault::Unfit(unfit) => {
                let advice = "no CVV is held or used until it is so; it is looked at again by itself";
                tracing::error!(cvvs.server = %server, error = %unfit, advice, "cvvs.unfit");
            }
        }
    }

    /// Milliseconds that a test has, or nothing.
    fn time(&self) -> String {
        match &self.clock {
            RedisClock::Server => String::new(),
            RedisClock::Given(clock) => clock().to_string(),
        }
    }

    fn counts_until(&self) -> u64 {
        let now = match &self.clock {
            RedisClock::Server => self.heard.now(),
            RedisClock::Given(clock) => clock(),
        };
        now.saturating_add(REQUEST_COUNTS_MILLIS)
    }
}

const fn unfit(fault: ReplyFault) -> RedisUnfit {
    match fault {
        ReplyFault::Refused(standing::NOT_EMPTY) => RedisUnfit::NotEmpty,
        ReplyFault::Refused(standing::RESTORED) => RedisUnfit::Restored,
        ReplyFault::Refused(standing::OTHER_VAULT) => RedisUnfit::OtherVault,
        ReplyFault::Refused(_) | ReplyFault::Odd => RedisUnfit::Odd,
    }
}
