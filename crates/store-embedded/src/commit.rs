//! One commit: steps are decided against the current state, appended as one frame, flushed once, and answered.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use panvault_store::decide::{Decision, Standing, State, decide};
use panvault_store::{
    AuditNote, Chain, Commit, Effect, Effects, IdempotencyKey, IdempotencyRow, Outcome, Row, RowKey,
    StoreFault,
};
use tokio::sync::oneshot;

use crate::apply_queue::ApplyQueue;
use crate::commit_queue::{CommitResult, Job};
use crate::log::{AppendFault, FrameBuilder, Spares, Tail};
use crate::overlay::Overlay;
use crate::readers::Readers;
use crate::row_cache::{KEPT, RowCache};
use crate::view::{self, ApplyFrame};

/// What commits: the end of the log, and all that steps are decided by. One at a time has it.
pub(crate) struct Committer {
    pub(crate) tail: Tail,
    pub(crate) spares: Arc<Spares>,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    /// What the steps of the frame in the making change. It is here so that its room is used again.
    pub(crate) staged: Overlay,
    pub(crate) readers: Arc<Readers>,
    pub(crate) row_cache: Arc<RowCache>,
    pub(crate) apply_queue: Arc<ApplyQueue>,
    /// Place of the last durable step.
    pub(crate) durable: Arc<AtomicU64>,
    pub(crate) step_bytes_max: usize,
    /// Bytes of a commit after which no further step is added to it. With one more step it still fits a segment.
    pub(crate) commit_bytes_max: usize,
    pub(crate) builder: FrameBuilder,
    /// Steps in the last commit.
    pub(crate) last_steps: u32,
    /// A write failed: nothing more is written.
    pub(crate) failed: bool,
}

impl Committer {
    /// Goes on in another segment. `false` when a write failed.
    pub(crate) fn roll(&mut self) -> bool {
        match self.tail.roll(self.chain.as_ref(), &self.spares) {
            Ok(()) => self.apply_queue.rolled(self.tail.segment()),
            // Without room the old segment stays until there is some.
            Err(AppendFault::Full) => {}
            Err(AppendFault::Failed(error)) => self.fail(&error),
        }
        !self.failed
    }

    /// Decides, appends, flushes, answers. `false` when a write failed.
    pub(crate) fn commit(&mut self, jobs: Vec<Job>) -> bool {
        let mut jobs = VecDeque::from(jobs);
        while !jobs.is_empty() {
            self.builder.clear();
            let mut batch = Batch::default();
            while let Some(job) = jobs.pop_front() {
                self.decide(job, &mut batch);
                if self.builder.len() > self.commit_bytes_max {
                    break;
                }
            }
            if !self.flush(batch) {
                jobs.into_iter().for_each(|job| drop(job.reply.send(Err(StoreFault::Stopped))));
                return false;
            }
        }
        true
    }

    fn decide(&mut self, job: Job, batch: &mut Batch) {
        let Job { commit, reply } = job;
        let sequence = self.tail.next_sequence() + u64::from(self.builder.count());
        let decided = {
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            let (staged, overlay, cache, view) = (&self.staged, &*overlay, &*self.row_cache, &*self.readers);
            decide(&commit, &Pending { staged, overlay, cache, view })
        };
        let answer = match decided {
            Ok(Decision::Do) => self.add(commit, sequence, batch),
            Ok(Decision::Claimed(row)) => Ok(Outcome::Claimed(row)),
            Ok(Decision::Unmet(at)) => Ok(Outcome::Unmet(at)),
            Err(fault) => Err(fault),
        };
        batch.answers.push((reply, answer));
    }

    /// Adds a commit to the frame in the making.
    fn add(&mut self, commit: Commit, sequence: u64, batch: &mut Batch) -> CommitResult {
        let Commit { claim, mut effects, audit, .. } = commit;
        effects.extend(claim.map(|claim| Effect::from(*claim.row)));
        if !self.builder.push(&audit, &effects, self.step_bytes_max) {
            return Err(StoreFault::TooLarge);
        }
        effects.iter().for_each(|effect| self.staged.put(sequence, effect));
        batch.notes.push(audit);
        batch.effects.push(effects);
        Ok(Outcome::Done { order: sequence })
    }

    /// Makes a batch durable and visible, and answers it. `false` when a write failed.
    fn flush(&mut self, batch: Batch) -> bool {
        let Batch { notes, effects, answers, .. } = batch;
        let mut fault = None;
        if self.builder.count() > 0 {
            let first_sequence = self.tail.next_sequence();
            self.last_steps = self.builder.count();
            match self.tail.append(&mut self.builder, self.chain.as_ref(), &self.spares) {
                Ok((finished, previous)) => {
                    let frame = ApplyFrame {
                        segment: finished.segment,
                        first_sequence,
                        notes,
                        effects,
                        effects_bytes: finished.effects_bytes,
                        effects_digest: finished.effects_digest,
                        previous,
                        tag: finished.tag,
                        key: finished.key,
                    };
                    let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
                    // As one step for whoever reads: the cache is asked first, then this.
                    for (key, row) in KEPT.into_iter().flat_map(|table| self.staged.rows_of(table)) {
                        self.row_cache.written(key, row);
                    }
                    overlay.take_over(&mut self.staged);
                    drop(overlay);
                    self.durable.store(frame.last_sequence(), Ordering::SeqCst);
                    self.apply_queue.push(frame);
                }
                Err(AppendFault::Full) => fault = Some(StoreFault::Full),
                Err(AppendFault::Failed(error)) => {
                    self.fail(&error);
                    fault = Some(StoreFault::Stopped);
                }
            }
        }
        self.staged.clear();
        for (reply, answer) in answers {
            // Whoever no longer waits has gone; the step is done all the same.
            drop(reply.send(fault.map_or(answer, Err)));
        }
        fault != Some(StoreFault::Stopped)
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.failed = true;
        let advice = "nothing more is acknowledged; look at the disk of the log, then start again: \
                      what was acknowledged is there";
        tracing::error!(%error, advice, "log.write_failed");
    }
}

/// One commit in the making.
#[derive(Default)]
struct Batch {
    notes: Vec<AuditNote>,
    effects: Vec<Effects>,
    answers: Vec<(oneshot::Sender<CommitResult>, CommitResult)>,
}

/// What steps are decided against: this frame so far, then what is durable, then the view, of which the cache has a part.
struct Pending<'a> {
    staged: &'a Overlay,
    overlay: &'a Overlay,
    cache: &'a RowCache,
    view: &'a Readers,
}

impl Pending<'_> {
    /// What the layers above the view say of a row; `None` when they do not have it.
    fn newer(&self, key: RowKey) -> Option<Option<&Row>> {
        self.staged.newer(key).or_else(|| self.overlay.newer(key))
    }

    /// Whether a row is newer than all that the view has, so that the view need not be asked. That is so of nearly every new card, and
    /// asking takes longer than all else that is decided of it.
    fn is_beyond_the_view(&self, key: RowKey) -> bool {
        let largest = self.overlay.view;
        match key {
            RowKey::Card(id) => Some(id) > largest.card,
            RowKey::Transaction(id) | RowKey::History(id, _) => Some(id) > largest.transaction,
            RowKey::Document(..)
            | RowKey::Idempotency(_)
            | RowKey::CardCvv(_)
            | RowKey::Node(_)
            | RowKey::ApiKeyUse(_)
            | RowKey::Refund(_)
            | RowKey::Customer(_)
            | RowKey::Delivery(_)
            | RowKey::Checkout(_) => false,
        }
    }
}

impl State for Pending<'_> {
    fn standing(&self, key: RowKey) -> Result<Option<Standing>, StoreFault> {
        let of = |row: &Row| Standing { version: row.version(), organisation: row.organisation() };
        match self.newer(key) {
            Some(row) => Ok(row.map(of)),
            None if self.is_beyond_the_view(key) => Ok(None),
            None => match self.cache.look(key) {
                Ok(row) => Ok(Some(of(&row))),
                Err(_) => view::standing(&self.view.committing(), key),
            },
        }
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        self.staged
            .idempotency(key)
            .or_else(|| self.overlay.idempotency(key))
            .map_or_else(|| view::idempotency(&self.view.committing(), key), Ok)
    }
}
