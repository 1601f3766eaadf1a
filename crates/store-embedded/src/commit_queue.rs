//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use panvault_store::{Commit, Outcome, StoreFault};
use tokio::sync::oneshot;

use crate::limits::COMMIT_STEPS_MAX;

/// A commit that waits to be written, and who waits for it.
pub(crate) struct Job {
    pub(crate) commit: Commit,
    pub(crate) reply: oneshot::Sender<CommitResult>,
}

/// What became of a commit.
pub(crate) type CommitResult = Result<Outcome, StoreFault>;

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct CommitQueue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    roll: bool,
    closed: Option<StoreFault>,
}

/// What the writer is to do next.
pub(crate) enum Work {
    Commit,
    Roll,
    End,
}

impl CommitQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step in, unless too many wait or the store has stopped. `true` when no other waits: then the writer has to be told.
    pub(crate) fn push(&self, job: Job, steps_max: usize) -> Result<bool, StoreFault> {
        let mut waiting = self.lock();
        if let Some(fault) = waiting.closed {
            return Err(fault);
        }
        if waiting.jobs.len() >= steps_max {
            return Err(StoreFault::Busy);
        }
        waiting.jobs.push_back(job);
        Ok(waiting.jobs.len() == 1)
    }

    /// Tells the writer that there is something to do.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Takes out what is to be committed together.
    pub(crate) fn take(&self) -> Vec<Job> {
        let mut waiting = self.lock();
        let count = waiting.jobs.len().min(COMMIT_STEPS_MAX);
        waiting.jobs.drain(..count).collect()
    }

    /// Asks for a new segment, so that the current one can be erased.
    pub(crate) fn roll(&self) {
        self.lock().roll = true;
        self.changed.notify_one();
    }

    /// Takes nothing more in; what waits is still done.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed.get_or_insert(StoreFault::Stopped);
        self.changed.notify_one();
    }

    /// Takes nothing more in, and answers all that waits: nothing of it was written.
    pub(crate) fn abort(&self) {
        let mut waiting = self.lock();
        waiting.closed = Some(StoreFault::Stopped);
        for job in waiting.jobs.drain(..) {
            drop(job.reply.send(Err(StoreFault::Stopped)));
        }
        self.changed.notify_one();
    }

    /// Steps that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Waits for something to do. A new segment is begun before what waits is committed, which may never be nothing, and both before the end.
    pub(crate) fn next(&self) -> Work {
        let mut waiting = self.lock();
        loop {
            if core::mem::take(&mut waiting.roll) {
                return Work::Roll;
            }
            if !waiting.jobs.is_empty() {
                return Work::Commit;
            }
            if waiting.closed.is_some() {
                return Work::End;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
