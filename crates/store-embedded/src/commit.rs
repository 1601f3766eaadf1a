//! One commit: steps are decided against the current state, appended as one frame, flushed once, and answered.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use panvault_model::{CardId, Id, Timestamp, TransactionId};
use panvault_store::decide::{State, decide};
use panvault_store::{
    AuditNote, CardRow, Chain, DocumentKind, Effects, IdempotencyKey, IdempotencyRow, Outcome, StoreFault,
    TransactionRow,
};
use tokio::sync::oneshot;

use crate::applier::ToApply;
use crate::log::{AppendFault, FrameBuilder, Spares, Tail};
use crate::overlay::{Overlay, Rows};
use crate::readers::Readers;
use crate::view::{self, ApplyFrame};
use crate::writer::{Answer, Job};

/// What commits: the end of the log, and all that steps are decided by. One at a time has it.
pub(crate) struct Committer {
    pub(crate) tail: Tail,
    pub(crate) spares: Arc<Spares>,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) to_apply: Arc<ToApply>,
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
            Ok(()) => self.to_apply.rolled(self.tail.segment()),
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
        let sequence = self.tail.next_sequence() + u64::from(self.builder.count());
        let decided = {
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            decide(&job.step, &Pending { staged: &batch.staged, overlay: &overlay, view: &self.readers })
        };
        let answer = match decided {
            Ok((Outcome::Done { value, .. }, effects)) => {
                let note = *job.step.audit();
                if self.builder.push(&note, &effects, self.step_bytes_max) {
                    effects.iter().for_each(|effect| batch.staged.put(sequence, effect));
                    batch.notes.push(note);
                    batch.effects.push(effects);
                    Ok(Outcome::Done { value, sequence })
                } else {
                    Err(StoreFault::TooLarge)
                }
            }
            Ok((outcome, _)) => Ok(outcome),
            Err(fault) => Err(fault),
        };
        batch.answers.push((job.reply, answer));
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
                    };
                    {
                        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
                        for (sequence, effects) in (first_sequence..).zip(&frame.effects) {
                            effects.iter().for_each(|effect| overlay.put(sequence, effect));
                        }
                    }
                    self.durable.store(frame.last_sequence(), Ordering::SeqCst);
                    self.to_apply.push(frame);
                }
                Err(AppendFault::Full) => fault = Some(StoreFault::Full),
                Err(AppendFault::Failed(error)) => {
                    self.fail(&error);
                    fault = Some(StoreFault::Stopped);
                }
            }
        }
        for (reply, answer) in answers {
            // Whoever no longer waits has gone; the step is done all the same.
            drop(reply.send(fault.map_or(answer, Err)));
        }
        fault != Some(StoreFault::Stopped)
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.failed = true;
        let advice = "nothing more is acknowledged; look at the disk of the data directory, then start again: \
                      what was acknowledged is there";
        tracing::error!(%error, advice, "log.write_failed");
    }
}

/// One commit in the making.
#[derive(Default)]
struct Batch {
    staged: Overlay,
    notes: Vec<AuditNote>,
    effects: Vec<Effects>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// What steps are decided against: this commit so far, then what is durable, then the view.
struct Pending<'a> {
    staged: &'a Overlay,
    overlay: &'a Overlay,
    view: &'a Readers,
}

/// The newest of a row in the layers above the view: `None` when they do not have it.
fn newest<K: Eq + core::hash::Hash, V: Clone>(layers: [&Rows<K, V>; 2], key: &K) -> Option<Option<V>> {
    layers.iter().find_map(|rows| rows.get(key)).map(|(_, row)| row.clone())
}

impl State for Pending<'_> {
    fn card(&self, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
        match newest([&self.staged.cards, &self.overlay.cards], &id) {
            Some(row) => Ok(row),
            // Nearly every new card: asking the view takes longer than all else that is decided of it.
            None if Some(id) > self.overlay.view.card => Ok(None),
            None => view::card(&self.view.committing(), id),
        }
    }

    fn transaction(&self, id: TransactionId) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
        match newest([&self.staged.transactions, &self.overlay.transactions], &id) {
            Some(row) => Ok(row),
            None if Some(id) > self.overlay.view.transaction => Ok(None),
            None => view::transaction(&self.view.committing(), id),
        }
    }

    fn document_version(&self, kind: DocumentKind, id: Id) -> Result<Option<u32>, StoreFault> {
        newest([&self.staged.documents, &self.overlay.documents], &(kind, id))
            .map_or_else(|| view::document_version(&self.view.committing(), kind, id), Ok)
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        newest([&self.staged.idempotency, &self.overlay.idempotency], &key)
            .map_or_else(|| view::idempotency(&self.view.committing(), key), Ok)
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Result<Vec<IdempotencyKey>, StoreFault> {
        let mut keys = view::idempotency_expired(&self.view.committing(), now, limit)?;
        // What the view calls expired may have been renewed or removed since.
        keys.retain(|key| newest([&self.staged.idempotency, &self.overlay.idempotency], key).is_none());
        let staged = self.staged.idempotency.values();
        let overlay =
            self.overlay.idempotency.iter().filter(|(key, _)| !self.staged.idempotency.contains_key(key));
        let newer = staged.chain(overlay.map(|(_, row)| row)).filter_map(|(_, row)| row.as_ref());
        let room = limit.saturating_sub(keys.len());
        keys.extend(newer.filter(|row| row.expires_at <= now).map(|row| row.key).take(room));
        Ok(keys)
    }
}
