//! What waits for the writer.

use core::time::Duration;
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
    /// How many have to wait before the writer is told; it waits for these, or for the first.
    wanted: usize,
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

    /// Takes a step in, unless too many wait or the store has stopped. `true` when the writer has to be told: no other waits, or as many do as it wants.
    pub(crate) fn push(&self, job: Job, steps_max: usize) -> Result<bool, StoreFault> {
        let mut waiting = self.lock();
        if let Some(fault) = waiting.closed {
            return Err(fault);
        }
        if waiting.jobs.len() >= steps_max {
            return Err(StoreFault::Busy);
        }
        waiting.jobs.push_back(job);
        Ok(waiting.jobs.len() == waiting.wanted.max(1))
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

    /// Waits until so many wait, for so long at most, and for nothing where something else is to be done.
    pub(crate) fn gather(&self, wanted: usize, longest: Duration) {
        let mut waiting = self.lock();
        let wanted = wanted.min(COMMIT_STEPS_MAX);
        waiting.wanted = wanted;
        let few =
            |waiting: &mut Waiting| waiting.jobs.len() < wanted && !waiting.roll && waiting.closed.is_none();
        let waited = self.changed.wait_timeout_while(waiting, longest, few);
        waited.unwrap_or_else(PoisonError::into_inner).0.wanted = 0;
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

#[cfg(test)]
mod tests {
    use std::thread;

    use panvault_testkit::conformance::card_insert;
    use panvault_testkit::conformance::rows::card;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    /// Whether the writer was to be told.
    fn pushed(queue: &CommitQueue, n: u64) -> bool {
        let (reply, _) = oneshot::channel();
        queue.push(Job { commit: card_insert(&card(n)), reply }, 1000).unwrap()
    }

    /// Runs `during` while another thread gathers so many.
    fn gathering(queue: &CommitQueue, wanted: usize, during: impl FnOnce()) {
        thread::scope(|scope| {
            let gathers = scope.spawn(|| queue.gather(wanted, LONG));
            while queue.lock().wanted == 0 {
                assert!(!gathers.is_finished(), "nothing was waited for");
                thread::yield_now();
            }
            during();
        });
    }

    #[test]
    fn the_writer_is_told_when_as_many_wait_as_it_wants() {
        let queue = CommitQueue::default();
        gathering(&queue, 3, || {
            assert!(!pushed(&queue, 0) && !pushed(&queue, 1));
            assert!(pushed(&queue, 2));
            queue.wake();
        });
        assert_eq!(queue.take().len(), 3);
    }

    #[test]
    fn what_else_is_to_be_done_does_not_wait_for_steps() {
        let (rolls, closes) = (CommitQueue::default(), CommitQueue::default());
        gathering(&rolls, 3, || rolls.roll());
        assert!(matches!(rolls.next(), Work::Roll));
        gathering(&closes, 3, || {
            pushed(&closes, 0);
            closes.close();
        });
        assert!(matches!(closes.next(), Work::Commit));
    }

    #[test]
    fn once_nobody_gathers_the_first_step_tells_the_writer() {
        let queue = CommitQueue::default();
        queue.gather(3, Duration::ZERO);
        assert!(pushed(&queue, 0));
        // What is there already is not waited for.
        queue.gather(1, LONG);
    }
}
