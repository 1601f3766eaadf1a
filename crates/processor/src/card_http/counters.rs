//! What a processor has done, for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::breaker::BreakerState;

/// What became of the acts of a processor, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpCounters {
    /// Acts that were to be sent.
    pub attempts: u64,
    /// Of these, those of which no byte left.
    pub not_reached: u64,
    /// Those whose answer did not come, or means nothing.
    pub unknown: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Connections that were made.
    pub connections_made: u64,
    /// Connections that stand.
    pub connections_open: u64,
    /// Whether acts pass.
    pub breaker: BreakerState,
}

/// The same while it counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) attempts: AtomicU64,
    pub(super) not_reached: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) connections_made: AtomicU64,
    pub(super) connections_open: AtomicU64,
}

/// A connection that is counted while it stands.
pub(super) struct OpenConnection(Arc<Counts>);

impl Counts {
    pub(super) fn opened(self: &Arc<Self>) -> OpenConnection {
        add_one(&self.connections_made);
        add_one(&self.connections_open);
        OpenConnection(Arc::clone(self))
    }

    pub(super) fn shown(&self, breaker: BreakerState) -> HttpCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HttpCounters {
            attempts: read(&self.attempts),
            not_reached: read(&self.not_reached),
            unknown: read(&self.unknown),
            answered: read(&self.answered),
            connections_made: read(&self.connections_made),
            connections_open: read(&self.connections_open),
            breaker,
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
