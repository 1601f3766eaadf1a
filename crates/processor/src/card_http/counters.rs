//! What a processor has done, for metrics.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds up to which an answer is of each bucket of the times that answers took; longer ones are of the one behind the last.
pub const ANSWER_BUCKETS_MILLIS: [u64; 11] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000];

/// What became of the acts of a processor, and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpCounters {
    /// Acts that were answered.
    pub answered: u64,
    /// Those of which no byte left, but for the following two.
    pub not_reached: u64,
    /// Those of which no byte left, for the PSP is left alone.
    pub breaker_refused: u64,
    /// Those of which no byte left, for all connections were in use for too long, or too many waited for one.
    pub full_refused: u64,
    /// Those whose answer did not come, or means nothing.
    pub unknown: u64,
    /// Questions what became of an act that were answered with what settles it; none of these is among the acts.
    pub questions_answered: u64,
    /// Questions that were not: the PSP was not reached, did not answer, or could not tell.
    pub questions_unanswered: u64,
    /// Acts that wait for a connection.
    pub waiting: u64,
    /// Connections that were made.
    pub connections_made: u64,
    /// Times that an act went out on one that had been used before.
    pub connections_reused: u64,
    /// Times that one could not be made, and was tried again.
    pub connections_retried: u64,
    /// Connections that stand.
    pub connections_open: u64,
    /// Breakers that let none pass, or one to see.
    pub breakers_open: u64,
    /// Times that one opened.
    pub breaker_openings: u64,
    /// How long answers took.
    pub answer_times: AnswerTimes,
}

/// From the first byte of a request to the last of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerTimes {
    /// How many are of each bucket, and of no smaller one.
    pub buckets: [u64; ANSWER_BUCKETS_MILLIS.len() + 1],
    /// All of them together.
    pub micros: u64,
}

/// The same while it counts.
#[derive(Default)]
pub(crate) struct Counts {
    pub(super) answered: AtomicU64,
    pub(super) not_reached: AtomicU64,
    pub(super) breaker_refused: AtomicU64,
    pub(super) full_refused: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) questions_answered: AtomicU64,
    pub(super) questions_unanswered: AtomicU64,
    waiting: AtomicU64,
    connections_made: AtomicU64,
    pub(super) connections_reused: AtomicU64,
    pub(super) connections_retried: AtomicU64,
    connections_open: AtomicU64,
    pub(super) breakers_open: AtomicU64,
    pub(super) breaker_openings: AtomicU64,
    answers: [AtomicU64; ANSWER_BUCKETS_MILLIS.len() + 1],
    answer_micros: AtomicU64,
}

/// A connection that is counted while it stands.
pub(super) struct OpenConnection(Arc<Counts>);

/// An act that is counted while it waits for a connection.
pub(super) struct Waiting<'c>(&'c Counts);

impl Counts {
    pub(super) fn opened(self: &Arc<Self>) -> OpenConnection {
        add_one(&self.connections_made);
        add_one(&self.connections_open);
        OpenConnection(Arc::clone(self))
    }

    pub(super) fn waits(&self) -> Waiting<'_> {
        add_one(&self.waiting);
        Waiting(self)
    }

    pub(super) fn answered_after(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = ANSWER_BUCKETS_MILLIS.iter().take_while(|bound| **bound * 1_000 < micros).count();
        if let Some(bucket) = self.answers.get(place) {
            add_one(bucket);
        }
        self.answer_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn shown(&self) -> HttpCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut answer_times = AnswerTimes { micros: read(&self.answer_micros), ..AnswerTimes::default() };
        for (shown, counted) in answer_times.buckets.iter_mut().zip(&self.answers) {
            *shown = read(counted);
        }
        HttpCounters {
            answered: read(&self.answered),
            not_reached: read(&self.not_reached),
            breaker_refused: read(&self.breaker_refused),
            full_refused: read(&self.full_refused),
            unknown: read(&self.unknown),
            questions_answered: read(&self.questions_answered),
            questions_unanswered: read(&self.questions_unanswered),
            waiting: read(&self.waiting),
            connections_made: read(&self.connections_made),
            connections_reused: read(&self.connections_reused),
            connections_retried: read(&self.connections_retried),
            connections_open: read(&self.connections_open),
            breakers_open: read(&self.breakers_open),
            breaker_openings: read(&self.breaker_openings),
            answer_times,
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        take_one(&self.0.connections_open);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        take_one(&self.0.waiting);
    }
}

pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn take_one(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_of_the_first_bucket_that_it_fits() {
        let counts = Counts::default();
        for micros in [0, 9_999, 10_000, 10_001, 2_000_000, 20_000_000, 20_000_001] {
            counts.answered_after(Duration::from_micros(micros));
        }
        let times = counts.shown().answer_times;
        assert_eq!(times.buckets, [3, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1]);
        assert_eq!(times.micros, 42_030_001);
    }
}
