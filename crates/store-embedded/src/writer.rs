//! The one thread that writes the log: takes all that waits, decides it, appends one frame, flushes once, answers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use panvault_store::{Commit, Outcome, StoreFault};
use tokio::runtime::RuntimeFlavor;
use tokio::sync::oneshot;

use crate::applier::ToApply;
use crate::commit::Committer;
use crate::limits::COMMIT_STEPS_MAX;

/// A commit that waits to be written, and who waits for it.
pub(crate) struct Job {
    pub(crate) commit: Commit,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What became of a commit.
pub(crate) type Answer = Result<Outcome, StoreFault>;

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Queue {
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
enum Work {
    Commit,
    Roll,
    End,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step in, unless too many wait or the store has stopped. `true` when no other waits: then the writer has to be told.
    fn push(&self, job: Job, steps_max: usize) -> Result<bool, StoreFault> {
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

    /// Takes out what is to be committed together.
    fn take(&self) -> Vec<Job> {
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
    fn abort(&self) {
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

    fn next(&self) -> Work {
        let mut waiting = self.lock();
        loop {
            if !waiting.jobs.is_empty() {
                return Work::Commit;
            }
            if core::mem::take(&mut waiting.roll) {
                return Work::Roll;
            }
            if waiting.closed.is_some() {
                return Work::End;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Has steps committed, by its own thread or by whoever brings one.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    committer: Mutex<Committer>,
}

impl Writer {
    pub(crate) fn new(queue: Arc<Queue>, committer: Committer) -> Self {
        Self { queue, committer: Mutex::new(committer) }
    }

    /// Takes a step in, unless too many wait or the store has stopped. While steps come one at a time, whoever brings one commits it:
    /// handing it to another thread, and its answer back, takes as long as the flush.
    pub(crate) fn push(&self, job: Job, steps_max: usize) -> Result<(), StoreFault> {
        if self.queue.push(job, steps_max)? && !self.lead() {
            self.queue.changed.notify_one();
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
        if !tokio::task::block_in_place(|| committer.commit(self.queue.take())) {
            self.queue.abort();
        }
        drop(committer);
        if self.queue.len() > 0 {
            self.queue.changed.notify_one();
        }
        true
    }

    /// Works until the queue is closed and empty, or until a write fails. Says which: `false` for a failed write.
    pub(crate) fn run(&self, to_apply: &ToApply) -> bool {
        let ended = loop {
            let work = self.queue.next();
            // A thread that panicked over a commit has left nobody knows what.
            let Ok(mut committer) = self.committer.lock() else { break false };
            let written = match work {
                Work::Commit => committer.commit(self.queue.take()),
                Work::Roll => committer.roll(),
                Work::End => break !committer.failed,
            };
            if !written {
                break false;
            }
        };
        self.queue.abort();
        to_apply.end(!ended);
        ended
    }
}
