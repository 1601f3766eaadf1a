//! The connections of one processor: a bounded number, used again while the peer keeps them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Connection, Dialer, NotConnected};
use super::limits::HttpLimits;

/// Connections that stand, and how many may.
pub(super) struct Pool {
    dialer: Dialer,
    limits: HttpLimits,
    turns: Arc<Semaphore>,
    idle: Mutex<Idle>,
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
    _turn: OwnedSemaphorePermit,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// All are in use.
    Busy,
    /// The PSP was not reached.
    NotConnected(NotConnected),
}

impl Pool {
    pub(super) fn new(dialer: Dialer, limits: HttpLimits) -> Self {
        let many = usize::try_from(limits.connections_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { dialer, limits, turns: Arc::new(Semaphore::new(many)), idle: Mutex::default() }
    }

    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A connection that the peer has not closed, as far as this machine knows; an idle one that it has closed is left for a new one.
    pub(super) async fn take(&self) -> Result<InUse, NoConnection> {
        let turn = timeout(self.limits.wait(), Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(NoConnection::Busy) };
        let connection = match self.idle_one() {
            Some(connection) => connection,
            None => self.fresh().await?,
        };
        Ok(InUse { connection, _turn: turn })
    }

    /// Another one in its place, for it was closed before anything was written.
    pub(super) async fn replace(&self, in_use: &mut InUse) -> Result<(), NoConnection> {
        in_use.connection = self.fresh().await?;
        Ok(())
    }

    /// Keeps it for the next.
    pub(super) fn put_back(self: &Arc<Self>, in_use: InUse) {
        if self.limits.idle().is_zero() {
            return;
        }
        let InUse { mut connection, _turn } = in_use;
        connection.used = Instant::now();
        let mut idle = self.lock();
        idle.connections.push(connection);
        let is_swept = core::mem::replace(&mut idle.is_swept, true);
        drop(idle);
        if !is_swept {
            tokio::spawn(sweep(Arc::downgrade(self), Instant::now() + self.limits.idle()));
        }
    }

    async fn fresh(&self) -> Result<Connection, NoConnection> {
        self.dialer.connect(self.limits.connect()).await.map_err(NoConnection::NotConnected)
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
