//! The one thread that writes the log: takes all that waits, decides it, appends one frame, flushes once, answers.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use panvault_model::{CardId, Id, Timestamp, TransactionId};
use panvault_store::decide::{Left, State, decide};
use panvault_store::{
    AuditNote, CardRow, Chain, DocumentKind, Effects, IdempotencyKey, IdempotencyRow, Outcome, Step,
    StoreFault, TransactionRow,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::applier::ToApply;
use crate::limits::COMMIT_STEPS_MAX;
use crate::log::{AppendFault, FrameBuilder, Spares, Tail};
use crate::overlay::{Overlay, Rows};
use crate::view::{self, ApplyFrame};

/// A step that waits to be written, and who waits for it.
pub(crate) struct Job {
    pub(crate) step: Step,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What became of a step.
pub(crate) type Answer = Result<Outcome<Left>, StoreFault>;

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
    Commit(Vec<Job>),
    Roll,
    End,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step in, unless too many wait or the store has stopped.
    pub(crate) fn push(&self, job: Job, steps_max: usize) -> Result<(), StoreFault> {
        let mut waiting = self.lock();
        if let Some(fault) = waiting.closed {
            return Err(fault);
        }
        if waiting.jobs.len() >= steps_max {
            return Err(StoreFault::Busy);
        }
        waiting.jobs.push_back(job);
        if waiting.jobs.len() == 1 {
            self.changed.notify_one();
        }
        Ok(())
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
    }

    /// Steps that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    fn next(&self) -> Work {
        let mut waiting = self.lock();
        loop {
            if !waiting.jobs.is_empty() {
                let count = waiting.jobs.len().min(COMMIT_STEPS_MAX);
                return Work::Commit(waiting.jobs.drain(..count).collect());
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

/// The writer's own things.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) tail: Tail,
    pub(crate) spares: Arc<Spares>,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    pub(crate) view: Connection,
    pub(crate) to_apply: Arc<ToApply>,
    /// Place of the last durable step.
    pub(crate) durable: Arc<AtomicU64>,
    pub(crate) step_bytes_max: usize,
    /// Bytes of a commit after which no further step is added to it. With one more step it still fits a segment.
    pub(crate) commit_bytes_max: usize,
}

impl Writer {
    /// Works until the queue is closed and empty, or until a write fails. Says which: `false` for a failed write.
    pub(crate) fn run(mut self) -> bool {
        let mut builder = FrameBuilder::default();
        let ended = loop {
            match self.queue.next() {
                Work::Commit(jobs) => {
                    if !self.commit(jobs, &mut builder) {
                        break false;
                    }
                }
                Work::Roll => match self.tail.roll(self.chain.as_ref(), &self.spares) {
                    Ok(()) => self.to_apply.rolled(self.tail.segment()),
                    // Without room the old segment stays until there is some.
                    Err(AppendFault::Full) => {}
                    Err(AppendFault::Failed(error)) => {
                        failed(&error);
                        break false;
                    }
                },
                Work::End => break true,
            }
        };
        self.queue.abort();
        self.to_apply.end(!ended);
        ended
    }

    /// Decides, appends, flushes, answers. `false` when a write failed.
    fn commit(&mut self, jobs: Vec<Job>, builder: &mut FrameBuilder) -> bool {
        let mut jobs = VecDeque::from(jobs);
        while !jobs.is_empty() {
            builder.clear();
            let mut batch = Batch::default();
            while let Some(job) = jobs.pop_front() {
                self.decide(job, &mut batch, builder);
                if builder.len() > self.commit_bytes_max {
                    break;
                }
            }
            if !self.flush(batch, builder) {
                jobs.into_iter().for_each(|job| drop(job.reply.send(Err(StoreFault::Stopped))));
                return false;
            }
        }
        true
    }

    fn decide(&self, job: Job, batch: &mut Batch, builder: &mut FrameBuilder) {
        let sequence = self.tail.next_sequence() + u64::from(builder.count());
        let decided = {
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            decide(&job.step, &Pending { staged: &batch.staged, overlay: &overlay, view: &self.view })
        };
        let answer = match decided {
            Ok((Outcome::Done { value, .. }, effects)) => {
                let note = *job.step.audit();
                if builder.push(&note, &effects, self.step_bytes_max) {
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
    fn flush(&mut self, batch: Batch, builder: &mut FrameBuilder) -> bool {
        let Batch { notes, effects, answers, .. } = batch;
        let mut fault = None;
        if builder.count() > 0 {
            let first_sequence = self.tail.next_sequence();
            match self.tail.append(builder, self.chain.as_ref(), &self.spares) {
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
                    failed(&error);
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
}

fn failed(error: &std::io::Error) {
    let advice = "nothing more is acknowledged; look at the disk of the data directory, then start again: \
                  what was acknowledged is there";
    tracing::error!(%error, advice, "log.write_failed");
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
    view: &'a Connection,
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
            None => view::card(self.view, id),
        }
    }

    fn transaction(&self, id: TransactionId) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
        match newest([&self.staged.transactions, &self.overlay.transactions], &id) {
            Some(row) => Ok(row),
            None if Some(id) > self.overlay.view.transaction => Ok(None),
            None => view::transaction(self.view, id),
        }
    }

    fn document_version(&self, kind: DocumentKind, id: Id) -> Result<Option<u32>, StoreFault> {
        newest([&self.staged.documents, &self.overlay.documents], &(kind, id))
            .map_or_else(|| view::document_version(self.view, kind, id), Ok)
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        newest([&self.staged.idempotency, &self.overlay.idempotency], &key)
            .map_or_else(|| view::idempotency(self.view, key), Ok)
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Result<Vec<IdempotencyKey>, StoreFault> {
        let mut keys = view::idempotency_expired(self.view, now, limit)?;
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
