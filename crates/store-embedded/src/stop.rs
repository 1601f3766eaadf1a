use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use panvault_store::StoreFault;

/// Tells a list, which runs on a thread of its own, that nobody waits for it any more.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it was told.
    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`StoreFault::TimedOut`] once it was told. Whoever goes through rows asks before each.
    pub(crate) fn check(&self) -> Result<(), StoreFault> {
        if self.is_told() { Err(StoreFault::TimedOut) } else { Ok(()) }
    }

    /// Tells it when what is given goes: with the future of whoever waits.
    pub(crate) fn when_dropped(&self) -> StopWhenDropped {
        StopWhenDropped(self.clone())
    }
}

/// Tells a list to stop when it goes.
pub(crate) struct StopWhenDropped(Stop);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
