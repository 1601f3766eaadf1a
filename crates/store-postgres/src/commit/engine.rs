//! What does the steps, one after the other, and knows the fate of each before the next.
//!
//! A step has a place in the node's chain, which is a key of the database. So one whose connection was lost is simply tried again at the same
//! place: whichever of them comes first takes it, and the others fail by it. Where nothing is to be tried again, the place is marked,
//! and what is still on its way fails by the mark.

use core::hash::{Hash as _, Hasher as _};
use core::time::Duration;
use std::collections::VecDeque;
use std::hash::DefaultHasher;
use std::sync::Arc;

use panvault_store::{Chain, Commit, StoreFault};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::types::{ToSql, Type};

use crate::audit::{self, Step};
use crate::commit::attempt::{Attempt, Attempting};
use crate::commit::chain_end::ChainEnd;
use crate::commit::{Answer, Job, Progress};
use crate::connect::Database;
use crate::limits::{
    ALONE_LOCK_TIME, ALONE_TIME, CONFLICT_TIME, CONFLICT_TRIES_MAX, GATHER_FROM, GATHER_TIME_MAX,
    JITTER_MICROS, LOCK_TIME, RESOLVE_TIME, RETRY_TIME, STATEMENT_TIME,
};
use crate::row::guarded;

const CLOSED: &str = "its chain was closed: it was not heard of for a while";

pub(crate) struct Engine {
    database: Database,
    chain: Arc<dyn Chain>,
    end: ChainEnd,
    progress: Arc<Progress>,
    receiver: mpsc::Receiver<Job>,
    waiting: VecDeque<Job>,
    /// The step before.
    before: Option<Before>,
    /// Nothing more is written: the database is not the one that it was.
    stopped: bool,
    /// Told when that is so because of a failure.
    stop: watch::Sender<bool>,
}

/// A step that has ended.
struct Before {
    /// How many were answered.
    answered: usize,
    took: Duration,
    ended: Instant,
}

/// What was sent and may have been done: the step, and what whoever waits is told then.
type Fate = Vec<(Step, Vec<Answer>)>;

/// What a look at a place shows.
enum Seen {
    /// One of those that were sent took it.
    Done(Step, Vec<Answer>),
    /// None did so far.
    Open,
    /// None did, and none can.
    Dead,
    /// None did, and the chain is to go on no more.
    Closed,
    /// Something else is there.
    Strange,
    Unreached,
}

/// Who waits for a step.
struct Replies(Vec<oneshot::Sender<Answer>>);

impl Replies {
    fn are_given(&self) -> bool {
        self.0.is_empty()
    }

    /// Whoever no longer waits has gone; the step is what it is all the same.
    fn give(&mut self, answers: Vec<Answer>) {
        self.0.drain(..).zip(answers).for_each(|(reply, answer)| drop(reply.send(answer)));
    }

    fn refuse(&mut self, fault: StoreFault) {
        self.0.drain(..).for_each(|reply| drop(reply.send(Err(fault))));
    }
}

impl Engine {
    pub(crate) fn new(
        database: Database,
        chain: Arc<dyn Chain>,
        end: ChainEnd,
        progress: Arc<Progress>,
        receiver: mpsc::Receiver<Job>,
        stop: watch::Sender<bool>,
    ) -> Self {
        let waiting = VecDeque::new();
        Self { database, chain, end, progress, receiver, waiting, before: None, stopped: false, stop }
    }

    /// Until nobody can hand anything over any more, or writing has ended.
    pub(crate) async fn run(mut self) {
        let max = self.database.commit_rows_max();
        while !self.stopped {
            if self.waiting.is_empty() {
                let Some(job) = self.next().await else { return };
                self.waiting.push_back(job);
            }
            // What is for later steps waits in the queue, which has a bound.
            while self.waiting.len() < max
                && let Ok(job) = self.receiver.try_recv()
            {
                self.waiting.push_back(job);
            }
            self.gather(max).await;
            let jobs: Vec<Job> = self.waiting.drain(..max.min(self.waiting.len())).collect();
            let (answered, begun) = (jobs.len(), Instant::now());
            self.step(jobs, LOCK_TIME).await;
            let ended = Instant::now();
            self.before = Some(Before { answered, took: ended - begun, ended });
        }
        self.receiver.close();
        self.refuse_waiting(StoreFault::Stopped);
        while let Some(job) = self.receiver.recv().await {
            drop(job.reply.send(Err(StoreFault::Stopped)));
        }
    }

    /// Waits a moment for those who were just answered: under load they are back at once, and go with those who waited meanwhile. Else one half of all
    /// callers would go in each step, and the database would do twice as many.
    async fn gather(&mut self, max: usize) {
        let Some(Before { answered, took, ended }) = self.before.take() else { return };
        if answered < GATHER_FROM {
            return;
        }
        let until = ended + GATHER_TIME_MAX.min(took);
        let full = max.min(answered + self.waiting.len());
        while self.waiting.len() < full
            && let Ok(Some(job)) = timeout_at(until, self.receiver.recv()).await
        {
            self.waiting.push_back(job);
        }
    }

    /// The next commit. While the database is away, it is asked now and then whether it is back.
    async fn next(&mut self) -> Option<Job> {
        loop {
            if self.progress.fault_now().is_none() {
                return self.receiver.recv().await;
            }
            if let Ok(job) = timeout(RETRY_TIME, self.receiver.recv()).await {
                return job;
            }
            if self.database.query("SELECT 1", &[]).await.is_ok() {
                self.progress.fault(None);
            }
        }
    }

    fn refuse_waiting(&mut self, fault: StoreFault) {
        while let Ok(job) = self.receiver.try_recv() {
            self.waiting.push_back(job);
        }
        self.waiting.drain(..).for_each(|job| drop(job.reply.send(Err(fault))));
    }

    /// Does what goes together, and answers. Returns when it is known what became of it. A row that somebody holds is waited for so long.
    async fn step(&mut self, jobs: Vec<Job>, lock_time: Duration) {
        let (commits, replies): (Vec<Commit>, Vec<_>) =
            jobs.into_iter().map(|job| (job.commit, job.reply)).unzip();
        let mut replies = Replies(replies);
        if self.stopped {
            return replies.refuse(StoreFault::Stopped);
        }
        let mut fate = Fate::new();
        let begun = Instant::now();
        let (mut tries, mut with_care) = (0, false);
        loop {
            if replies.are_given() && self.receiver.is_closed() {
                // The store is to end: the next one looks where the chain ends.
                self.stopped = true;
                return;
            }
            if !fate.is_empty() {
                match self.look(&mut fate).await {
                    Seen::Done(step, answers) => return self.done(&step, answers, &mut replies, begun),
                    Seen::Open => {}
                    Seen::Dead => fate.clear(),
                    Seen::Closed => return self.stop(&mut replies, StoreFault::Stopped, CLOSED),
                    Seen::Strange => {
                        return self.stop(&mut replies, StoreFault::Unresolved, "another wrote in its name");
                    }
                    Seen::Unreached => {
                        self.wait_for_database(begun, &mut replies).await;
                        continue;
                    }
                }
            }
            if replies.are_given() {
                // Nobody waits: it is only to be known that it is not done later.
                if fate.is_empty() || self.mark().await {
                    return;
                }
                self.wait_for_database(begun, &mut replies).await;
                continue;
            }
            let attempting = Attempting {
                database: &self.database,
                chain: self.chain.as_ref(),
                end: &self.end,
                lock_time,
            };
            let attempt =
                if with_care { attempting.decide(&commits).await } else { attempting.hope(&commits).await };
            let refusal = match attempt {
                Attempt::Done(step, answers) => return self.done(&step, answers, &mut replies, begun),
                Attempt::Unknown(step, answers) => {
                    tracing::warn!(
                        advice = "none; it is looked up before anything else is written",
                        "store.commit_lost"
                    );
                    self.database.forget_readers();
                    fate.push((step, answers));
                    self.wait_for_database(begun, &mut replies).await;
                    continue;
                }
                Attempt::Unhoped => {
                    with_care = true;
                    continue;
                }
                Attempt::Met if tries < CONFLICT_TRIES_MAX && begun.elapsed() < CONFLICT_TIME => {
                    tries += 1;
                    with_care = true;
                    sleep(self.jitter(tries)).await;
                    continue;
                }
                // What holds it may be what was sent before, which waits for a standby.
                Attempt::Lost | Attempt::Held if !fate.is_empty() => {
                    self.wait_for_database(begun, &mut replies).await;
                    continue;
                }
                // What was sent before may have come first; the look above says.
                Attempt::Taken if !fate.is_empty() => continue,
                Attempt::Taken => {
                    let at = audit::at(&self.database, self.end.writer, self.end.place).await;
                    let is_closed = matches!(at, Ok(Some(step)) if step.count == 0);
                    let why = if is_closed { CLOSED } else { "another wrote in its name" };
                    return self.stop(&mut replies, StoreFault::Stopped, why);
                }
                Attempt::Rewound => {
                    let fault = if fate.is_empty() { StoreFault::Stopped } else { StoreFault::Unresolved };
                    return self.stop(&mut replies, fault, "the database has lost what it had committed");
                }
                Attempt::Nothing(answers) => Ok(answers),
                Attempt::Met | Attempt::Held => Err(StoreFault::Busy),
                Attempt::Lost => Err(StoreFault::Unreachable),
                Attempt::Refused(fault) => Err(fault),
            };
            // Nothing was done now; and nothing of it may be done later.
            if !fate.is_empty() && !self.mark().await {
                self.wait_for_database(begun, &mut replies).await;
                continue;
            }
            return self.refused(refusal, commits, replies).await;
        }
    }

    fn done(&mut self, step: &Step, answers: Vec<Answer>, replies: &mut Replies, begun: Instant) {
        self.end.follow(step);
        self.progress.batch(step.count, begun.elapsed());
        self.progress.done(self.end.place - 1);
        replies.give(answers);
    }

    /// Answers what was not done. One that the database does not take, or whose row somebody holds, is found by trying each by itself.
    async fn refused(
        &mut self,
        refusal: Result<Vec<Answer>, StoreFault>,
        commits: Vec<Commit>,
        mut replies: Replies,
    ) {
        match refusal {
            Ok(answers) => {
                self.progress.fault(None);
                replies.give(answers);
            }
            Err(StoreFault::Unreachable) => {
                self.database.forget_readers();
                self.progress.fault(Some(StoreFault::Unreachable));
                replies.refuse(StoreFault::Unreachable);
                self.refuse_waiting(StoreFault::Unreachable);
            }
            Err(StoreFault::Full) => {
                self.progress.fault(Some(StoreFault::Full));
                replies.refuse(StoreFault::Full);
            }
            Err(_) if commits.len() > 1 => {
                // It answered.
                self.progress.fault(None);
                self.one_by_one(commits, replies).await;
            }
            Err(StoreFault::Busy) => {
                self.progress.fault(None);
                replies.refuse(StoreFault::Busy);
            }
            Err(fault) => {
                tracing::error!(error = %fault, advice = "see the log of the database", "store.commit_refused");
                replies.refuse(fault);
            }
        }
    }

    /// Each by itself, as long as there is time and the database is there.
    async fn one_by_one(&mut self, commits: Vec<Commit>, replies: Replies) {
        let begun = Instant::now();
        let mut jobs = commits.into_iter().zip(replies.0).map(|(commit, reply)| Job { commit, reply });
        while let Some(job) = jobs.next() {
            Box::pin(self.step(vec![job], ALONE_LOCK_TIME)).await;
            let fault = if self.stopped {
                StoreFault::Stopped
            } else if self.progress.fault_now() == Some(StoreFault::Unreachable) {
                StoreFault::Unreachable
            } else if begun.elapsed() >= ALONE_TIME {
                StoreFault::Busy
            } else {
                continue;
            };
            jobs.for_each(|job| drop(job.reply.send(Err(fault))));
            return;
        }
    }

    /// Writes nothing more: whoever asks from now on is refused.
    fn stop(&mut self, replies: &mut Replies, fault: StoreFault, why: &'static str) {
        let advice = if why == CLOSED {
            "none, where this machine stood still for an hour: what was acknowledged is kept, and started anew it serves. Else see who restores or moves the vault"
        } else {
            "nothing more is acknowledged; see which database this is, and whether it was put back to an older state"
        };
        tracing::error!(why, advice, "store.stopped");
        self.progress.fault(Some(StoreFault::Stopped));
        replies.refuse(fault);
        self.stopped = true;
        self.stop.send_replace(true);
    }

    /// Waits a moment. Whoever has waited for long enough is told that nobody knows, and whoever comes meanwhile is refused.
    async fn wait_for_database(&mut self, begun: Instant, replies: &mut Replies) {
        self.progress.fault(Some(StoreFault::Unreachable));
        if begun.elapsed() >= RESOLVE_TIME {
            replies.refuse(StoreFault::Unresolved);
            self.refuse_waiting(StoreFault::Unreachable);
        }
        sleep(RETRY_TIME).await;
    }

    /// Looks whether one of those that were sent took the place.
    async fn look(&mut self, fate: &mut Fate) -> Seen {
        let at = audit::at(&self.database, self.end.writer, self.end.place);
        match timeout(STATEMENT_TIME, at).await {
            Ok(Ok(None)) => Seen::Open,
            Ok(Ok(Some(step))) if step.count == 0 => {
                if self.end.mark == Some(step.tag) {
                    return Seen::Open;
                }
                let ChainEnd { writer, place, .. } = self.end;
                if step.tag == audit::closed(self.chain.as_ref(), audit::version_of(&step.tag), writer, place)
                {
                    return Seen::Closed;
                }
                // A mark of ours of which we did not hear: it came after all that was sent.
                self.end.mark = Some(step.tag);
                Seen::Dead
            }
            Ok(Ok(Some(step))) => {
                let Some(at) = fate.iter().position(|(sent, _)| sent.tag == step.tag) else {
                    return Seen::Strange;
                };
                let confirmed = audit::confirm(&self.database, self.end.writer, &step);
                if confirmed.await != Ok(true) {
                    return Seen::Unreached;
                }
                let (step, answers) = fate.swap_remove(at);
                Seen::Done(step, answers)
            }
            Ok(Err(_)) | Err(_) => Seen::Unreached,
        }
    }

    /// Marks the place, so that whatever is still on its way to it comes too late. `false` when that is not known.
    async fn mark(&mut self) -> bool {
        let before = self.end.mark.unwrap_or(self.end.tag);
        let mark = Step::new(self.chain.as_ref(), &before, self.end.writer, self.end.place, &[]).tag;
        let sql = if self.end.mark.is_some() {
            format!(
                "UPDATE audit SET tag = $3 \
                 WHERE writer = $1 AND place = $2 AND count = 0 AND tag = $4 AND {} RETURNING 1",
                guarded(LOCK_TIME)
            )
        } else {
            format!(
                "INSERT INTO audit (writer, place, count, notes, tag) \
                 SELECT $1, $2, 0, ''::bytea, $3 WHERE {} \
                 ON CONFLICT (writer, place) DO NOTHING RETURNING 1",
                guarded(LOCK_TIME)
            )
        };
        let (writer, tag, before) =
            (self.end.writer.as_bytes().as_slice(), mark.as_slice(), before.as_slice());
        let place = i64::try_from(self.end.place).unwrap_or(i64::MAX);
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&writer, Type::BYTEA), (&place, Type::INT8), (&tag, Type::BYTEA)];
        if self.end.mark.is_some() {
            parameters.push((&before, Type::BYTEA));
        }
        let Ok(rows) = self.database.write(&sql, &parameters).await else { return false };
        if rows.is_empty() {
            return false;
        }
        self.end.mark = Some(mark);
        self.progress.fault(None);
        true
    }

    /// A wait that differs from node to node, and grows.
    fn jitter(&self, tries: u32) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.end.writer, self.end.place, tries).hash(&mut hasher);
        let most = JITTER_MICROS.saturating_mul(u64::from(tries.min(8)));
        Duration::from_micros(hasher.finish() % most.max(1))
    }
}
