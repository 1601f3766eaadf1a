//! The one thread that writes the log: takes all that waits, decides it, appends one frame, flushes once, answers.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use panvault_store::StoreFault;
use tokio::runtime::RuntimeFlavor;

use crate::commit::Committer;
use crate::commit_queue::{CommitQueue, Job, Work};
use crate::deleted::now;
use crate::failure::Failure;
use crate::limits::{GATHER_MICROS_MAX, GATHER_STEPS_MIN};

/// Has steps committed, by its own thread or by whoever brings one.
pub(crate) struct Writer {
    queue: Arc<CommitQueue>,
    committer: Mutex<Committer>,
    failure: Arc<Failure>,
}

impl Writer {
    pub(crate) fn new(queue: Arc<CommitQueue>, committer: Committer, failure: Arc<Failure>) -> Self {
        Self { queue, committer: Mutex::new(committer), failure }
    }

    /// Takes a step in, unless too many wait or the store has stopped. While steps come one at a time, whoever brings one commits it:
    /// handing it to another thread, and its answer back, takes as long as the flush.
    pub(crate) fn push(&self, job: Job, steps_max: usize) -> Result<(), StoreFault> {
        if self.queue.push(job, steps_max)? && !self.lead() {
            self.queue.wake();
        }
        Ok(())
    }

    /// Commits what waits, unless somebody else is about to, or steps come many at a time.
    fn lead(&self) -> bool {
        // Other tasks of this thread must not wait for the disk: they go on in another, which only some runtimes can do.
        let runtime = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
        if !matches!(runtime, Ok(RuntimeFlavor::MultiThread)) {
            return false;
        }
        let Ok(mut committer) = self.committer.try_lock() else { return false };
        if committer.last_steps != 1 || committer.failed {
            return false;
        }
        // Before another may have the committer.
        self.failure.watch(|| tokio::task::block_in_place(|| committer.commit(self.queue.take())));
        drop(committer);
        if self.queue.len() > 0 {
            self.queue.wake();
        }
        true
    }

    /// Works until the queue is closed and empty, or until a write fails. Says which: `false` for a failed write.
    pub(crate) fn run(&self) -> bool {
        loop {
            let work = self.queue.next();
            // Who panicked over a commit has left nobody knows what.
            let Ok(mut committer) = self.committer.lock() else { return false };
            if self.failure.is() {
                return false;
            }
            let begun = now();
            let (written, answered) = match work {
                Work::Commit => {
                    let jobs = self.queue.take();
                    let count = jobs.len();
                    (committer.commit(jobs), count)
                }
                Work::Roll => (committer.roll(), 0),
                Work::End => return !committer.failed,
            };
            drop(committer);
            if !written {
                return false;
            }
            if answered >= GATHER_STEPS_MIN {
                // Who was answered is about to come again: half of all would be in each commit, and the other half wait for it.
                let longest = begun.elapsed().min(Duration::from_micros(GATHER_MICROS_MAX));
                self.queue.gather(answered.saturating_add(self.queue.len()), longest);
            }
        }
    }
}
