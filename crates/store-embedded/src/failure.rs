//! The end of a store that nobody asked for.

use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::commit_queue::CommitQueue;

/// Whether a store has failed: a write or flush did, or a thread of it ended otherwise than planned. What is on the disk can then not
/// be told, so nothing more is written, nothing is erased, and that is for good.
pub(crate) struct Failure {
    failed: AtomicBool,
    queue: Arc<CommitQueue>,
}

impl Failure {
    pub(crate) fn new(queue: Arc<CommitQueue>) -> Arc<Self> {
        Arc::new(Self { failed: AtomicBool::new(false), queue })
    }

    pub(crate) fn is(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Ends the store: what waits to be written is answered, the writer ends, and after it the applier.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        self.queue.abort();
    }

    /// Does a piece of the store's work. `false` when it fails or panics; then the store has failed.
    pub(crate) fn watch(&self, work: impl FnOnce() -> bool) -> bool {
        // Nothing that it leaves half done is used again.
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let advice =
                "please report the line of the panic above, then start again: what was acknowledged is there";
            tracing::error!(thread = std::thread::current().name(), advice, "store.panicked");
            false
        });
        if !done {
            self.fail();
        }
        done
    }
}
