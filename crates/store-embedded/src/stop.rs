use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use panvault_store::StoreFault;
use rusqlite::Connection;

use crate::limits::LIST_STEPS;
use crate::view::unreadable;

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

    /// Asks the view, and ends with [`StoreFault::TimedOut`] soon after it was told: SQLite asks too, for one statement may go through
    /// all there is.
    pub(crate) fn interrupting<T>(
        &self,
        view: &mut Connection,
        ask: impl FnOnce(&Connection) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        self.check()?;
        let told = self.clone();
        view.progress_handler(LIST_STEPS, Some(move || told.is_told())).map_err(unreadable)?;
        let answer = ask(view);
        view.progress_handler(0, None::<fn() -> bool>).map_err(unreadable)?;
        answer
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
