//! The connections of one processor: a bounded number, used again while the peer keeps them, and a bounded number of acts that wait for one.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Connection, Dialer, NotConnected};
use super::counters::{Counts, add_one};
use super::limits::{HttpLimits, RETRY_PAUSE_MILLIS};

/// Connections that stand, and how many may.
pub(super) struct Pool {
    dialer: Dialer,
    limits: HttpLimits,
    turns: Arc<Semaphore>,
    /// Places of those that wait for a turn.
    places: Semaphore,
    idle: Mutex<Idle>,
    counts: Arc<Counts>,
}

/// Connections that nobody uses, the last used at the end.
#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Somebody closes those that are left too long.
    is_swept: bool,
}

/// A connection in use; there are as many as there are turns. Whoever has a turn takes an idle connection before a new one is made, so idle ones and
/// those in use are together no more than there may be.
pub(super) struct InUse {
    pub(super) connection: Connection,
    /// It was used before.
    pub(super) is_reused: bool,
    /// Until when another one may be made in its place.
    by: Instant,
    _turn: OwnedSemaphorePermit,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// All were in use for too long.
    Busy,
    /// All are in use, and no more may wait for one.
    Full,
    /// The PSP was not reached.
    NotConnected(NotConnected),
}

impl Pool {
    pub(super) fn new(dialer: Dialer, limits: HttpLimits, counts: Arc<Counts>) -> Self {
        let many = |limit| usize::try_from(limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let turns = Arc::new(Semaphore::new(many(limits.connections_max)));
        let places = Semaphore::new(many(limits.waiting_max));
        Self { dialer, limits, turns, places, idle: Mutex::default(), counts }
    }

    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A connection that the peer has not closed, as far as this machine knows; an idle one that it has closed is left for a new one.
    pub(super) async fn take(&self) -> Result<InUse, NoConnection> {
        let turn = self.turn().await?;
        let by = Instant::now() + self.limits.connect();
        let (connection, is_reused) = match self.idle_one() {
            Some(connection) => (connection, true),
            None => (self.fresh(by).await?, false),
        };
        Ok(InUse { connection, is_reused, by, _turn: turn })
    }

    /// Another one in its place, for it was closed before anything was written.
    pub(super) async fn replace(&self, in_use: &mut InUse) -> Result<(), NoConnection> {
        in_use.connection = self.fresh(in_use.by).await?;
        in_use.is_reused = false;
        Ok(())
    }

    /// Keeps it for the next.
    pub(super) fn put_back(self: &Arc<Self>, in_use: InUse) {
        if self.limits.idle().is_zero() {
            return;
        }
        let InUse { mut connection, _turn, .. } = in_use;
        connection.used = Instant::now();
        let mut idle = self.lock();
        idle.connections.push(connection);
        let is_swept = core::mem::replace(&mut idle.is_swept, true);
        drop(idle);
        if !is_swept {
            tokio::spawn(sweep(Arc::downgrade(self), Instant::now() + self.limits.idle()));
        }
    }

    /// One of as many turns as there may be connections. Those that wait get one in the order in which they came.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, NoConnection> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(NoConnection::Full) };
        let _waiting = self.counts.waits();
        let turn = timeout(self.limits.wait(), Arc::clone(&self.turns).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(NoConnection::Busy)
    }

    /// Nothing of a request has left, so that it may be tried again.
    async fn fresh(&self, by: Instant) -> Result<Connection, NoConnection> {
        let mut pause = Duration::from_millis(RETRY_PAUSE_MILLIS);
        let mut retries_left = self.limits.connect_retries;
        loop {
            let fault = match self.dialer.connect(by).await {
                Ok(connection) => return Ok(connection),
                Err(fault) => fault,
            };
            if retries_left == 0 || Instant::now() + pause >= by {
                return Err(NoConnection::NotConnected(fault));
            }
            sleep(pause).await;
            add_one(&self.counts.connections_retried);
            retries_left -= 1;
            pause *= 2;
        }
    }

    fn idle_one(&self) -> Option<Connection> {
        let mut idle = self.lock();
        while let Some(mut connection) = idle.connections.pop() {
            if connection.used.elapsed() < self.limits.idle() && connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Closes what was left too long, and says when the next will have been.
    fn swept(&self) -> Option<Instant> {
        let mut idle = self.lock();
        idle.connections.retain_mut(|one| one.used.elapsed() < self.limits.idle() && one.is_quiet());
        let next = idle.connections.first().map(|oldest| oldest.used + self.limits.idle());
        idle.is_swept = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when no connection is idle, or the processor is gone.
async fn sweep(pool: Weak<Pool>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        match pool.swept() {
            Some(then) => next = then,
            None => return,
        }
    }
}
