//! Commits: what waits goes in one step, one step at a time, so that the fate of each is known before the next.

mod attempt;
mod batch;
mod chain_end;
mod decided;
mod engine;
mod renewal;
mod statement;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use panvault_model::NodeId;
use panvault_store::{Batches, Chain, Commit, Outcome, Pending, StoreFault, StoreStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub(crate) use crate::commit::chain_end::ChainEnd;
use crate::commit::engine::Engine;
use crate::connect::Database;
use crate::limits::QUEUE_COMMITS_MAX;

/// What becomes of a commit.
pub(crate) type Answer = Result<Outcome, StoreFault>;

/// A commit, and who waits for what becomes of it.
pub(crate) struct Job {
    pub(crate) commit: Commit,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// How it goes.
#[derive(Default)]
pub(crate) struct Progress {
    /// Commits that this node has done.
    done: AtomicU64,
    batches: Mutex<Batches>,
    fault: Mutex<Option<StoreFault>>,
}

impl Progress {
    pub(crate) fn done(&self, commits: u64) {
        self.done.store(commits, Ordering::SeqCst);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// So many commits were written together, in so long.
    pub(crate) fn batch(&self, commits: u64, time: Duration) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.count += 1;
        batches.commits += commits;
        batches.micros = batches.micros.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn fault_now(&self) -> Option<StoreFault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, fault: Option<StoreFault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

/// Takes commits in. A task of its own does them, whoever waits.
pub(crate) struct Committer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    progress: Arc<Progress>,
    task: Mutex<Option<JoinHandle<()>>>,
    stopped: watch::Receiver<bool>,
}

impl Committer {
    /// Goes on where the node's chain ends.
    pub(crate) async fn start(
        database: Database,
        chain: Arc<dyn Chain>,
        node: NodeId,
    ) -> Result<Self, StoreFault> {
        let end = ChainEnd::read(&database, node).await?;
        let (sender, receiver) = mpsc::channel(QUEUE_COMMITS_MAX);
        let progress = Arc::new(Progress::default());
        progress.done(end.place - 1);
        let (stop, stopped) = watch::channel(false);
        let engine = Engine::new(database, chain, end, Arc::clone(&progress), receiver, stop);
        let task = tokio::spawn(engine.run());
        Ok(Self { queue: Mutex::new(Some(sender)), progress, task: Mutex::new(Some(task)), stopped })
    }

    /// Hands a commit over. It is in the queue when this returns.
    pub(crate) fn commit(&self, commit: Commit) -> Pending<'_, Outcome> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = queue.as_ref().ok_or(StoreFault::Stopped).and_then(|queue| {
            queue.try_send(Job { commit, reply }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreFault::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreFault::Stopped,
            })
        });
        drop(queue);
        Box::pin(async move {
            taken?;
            // The task ends with the runtime, in the middle of whatever it does.
            answer.await.unwrap_or(Err(StoreFault::Unresolved))
        })
    }

    pub(crate) fn status(&self) -> StoreStatus {
        let waiting = {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
        };
        StoreStatus {
            fault: self.progress.fault_now(),
            sequence: self.progress.done.load(Ordering::SeqCst),
            patrolled: true,
            waiting,
            batches: *self.progress.batches.lock().unwrap_or_else(PoisonError::into_inner),
            ..StoreStatus::default()
        }
    }

    /// Waits until nothing more is written: after a failure, or because it was closed.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            // An error means that the task has ended.
            drop(stopped.wait_for(|stopped| *stopped).await);
        }
    }

    /// Takes nothing more in, and waits until all that was taken is done. An error when writing had ended by itself.
    pub(crate) async fn close(&self) -> Result<(), StoreFault> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // What ended it otherwise has been said where it did.
            drop(task.await);
        }
        if *self.stopped.borrow() { Err(StoreFault::Stopped) } else { Ok(()) }
    }
}
