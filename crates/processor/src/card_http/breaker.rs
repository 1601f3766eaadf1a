//! Leaves a PSP alone for a while that has failed several times in a row.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::counters::{Counts, add_one, take_one};

/// Counts failures in a row.
pub(super) struct Breaker {
    failures_max: u64,
    pause: Duration,
    counts: Arc<Counts>,
    changed: Changed,
    state: Mutex<State>,
}

/// Who is told that a PSP is left alone, and that it is not any more: once each change.
pub(crate) type Changed = Box<dyn Fn(BreakerChange) + Send + Sync>;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// The PSP is left alone from now on.
    Opened {
        /// Acts in a row that have failed.
        failures: u64,
        /// What was wrong with the last of them.
        reason: &'static str,
    },
    /// It has answered.
    Closed,
}

const ABANDONED: &str = "nobody waited for its end";

enum State {
    /// Acts pass; so many have failed in a row.
    Closed { failures: u64 },
    /// Nothing passes until then.
    Open { until: Instant },
    /// One act is on its way to see whether the PSP is there again.
    HalfOpen,
}

/// What an act that passed has shown. Dropped without a word it was a failure: whoever waited has given up.
pub(super) struct Passed {
    breaker: Arc<Breaker>,
    is_trial: bool,
    is_told: bool,
}

impl Breaker {
    /// Opens after so many failures in a row, or never after 0.
    pub(super) fn new(failures_max: u64, pause: Duration, counts: Arc<Counts>, changed: Changed) -> Self {
        Self { failures_max, pause, counts, changed, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Lets an act pass, or not.
    pub(super) fn pass(self: &Arc<Self>, now: Instant) -> Option<Passed> {
        let mut state = self.lock();
        let is_trial = match &*state {
            State::Closed { .. } => false,
            State::Open { until } if *until <= now => {
                *state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => return None,
        };
        drop(state);
        Some(Passed { breaker: Arc::clone(self), is_trial, is_told: false })
    }

    /// Whether it was closed before.
    fn open(&self, state: &mut State) -> bool {
        let was_closed = matches!(state, State::Closed { .. });
        if was_closed {
            add_one(&self.counts.breakers_open);
            add_one(&self.counts.breaker_openings);
        }
        *state = State::Open { until: Instant::now() + self.pause };
        was_closed
    }

    /// Whether it was open before.
    fn close(&self) -> bool {
        let mut state = self.lock();
        let was_open = !matches!(*state, State::Closed { .. });
        if was_open {
            take_one(&self.counts.breakers_open);
        }
        *state = State::Closed { failures: 0 };
        was_open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    /// One that is gone is not counted as open.
    fn drop(&mut self) {
        self.close();
    }
}

impl Passed {
    /// Whether it may still go out: an act that has waited for a connection does not, once the PSP is left alone.
    pub(super) fn holds(&self) -> bool {
        self.is_trial || matches!(*self.breaker.lock(), State::Closed { .. })
    }

    /// The PSP is there.
    pub(super) fn succeeded(mut self) {
        self.is_told = true;
        if self.breaker.close() {
            (self.breaker.changed)(BreakerChange::Closed);
        }
    }

    /// It was not reached, or did not answer.
    pub(super) fn failed(mut self, reason: &'static str) {
        self.fail(reason);
    }

    /// Nothing was learned of the PSP.
    pub(super) fn untried(mut self) {
        self.is_told = true;
        let mut state = self.breaker.lock();
        // An act from before may have come back meanwhile, and have shown that the PSP is there.
        if self.is_trial && matches!(*state, State::HalfOpen) {
            // The next may see.
            *state = State::Open { until: Instant::now() };
        }
    }

    fn fail(&mut self, reason: &'static str) {
        self.is_told = true;
        let breaker = &self.breaker;
        let mut state = breaker.lock();
        let (opens, failures) = match &mut *state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                (breaker.failures_max > 0 && *failures >= breaker.failures_max, *failures)
            }
            State::HalfOpen => (self.is_trial, 0),
            State::Open { .. } => (false, 0),
        };
        let has_opened = opens && breaker.open(&mut state);
        drop(state);
        if has_opened {
            (breaker.changed)(BreakerChange::Opened { failures, reason });
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if !self.is_told {
            self.fail(ABANDONED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: &str = "it is away";

    fn made(failures_max: u64) -> (Arc<Breaker>, Arc<Counts>) {
        told(failures_max, Box::new(|_| {}))
    }

    fn told(failures_max: u64, changed: Changed) -> (Arc<Breaker>, Arc<Counts>) {
        let counts = Arc::<Counts>::default();
        let breaker = Breaker::new(failures_max, Duration::from_secs(10), Arc::clone(&counts), changed);
        (Arc::new(breaker), counts)
    }

    /// Not at each trial that fails, nor at its own end.
    #[test]
    fn each_change_is_told_once_and_why() {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&changes);
        let (breaker, _counts) = told(2, Box::new(move |change| kept.lock().unwrap().push(change)));
        let pass = || breaker.pass(Instant::now());
        let late = pass().unwrap();
        pass().unwrap().failed("another");
        pass().unwrap().failed(AWAY);
        late.failed(AWAY);
        let opened = BreakerChange::Opened { failures: 2, reason: AWAY };
        assert_eq!(*changes.lock().unwrap(), [opened]);
        for _ in 0..3 {
            elapse(&breaker);
            pass().unwrap().failed(AWAY);
        }
        assert_eq!(*changes.lock().unwrap(), [opened], "it was left alone all the time");
        elapse(&breaker);
        pass().unwrap().succeeded();
        pass().unwrap().succeeded();
        assert_eq!(*changes.lock().unwrap(), [opened, BreakerChange::Closed]);
        drop(pass().unwrap());
        drop(pass().unwrap());
        let abandoned = BreakerChange::Opened { failures: 2, reason: ABANDONED };
        assert_eq!(*changes.lock().unwrap(), [opened, BreakerChange::Closed, abandoned]);
        drop(breaker);
        assert_eq!(changes.lock().unwrap().len(), 3, "one that is gone has not been answered");
    }

    /// The pause is over.
    fn elapse(breaker: &Breaker) {
        let mut state = breaker.lock();
        assert!(matches!(*state, State::Open { .. }));
        *state = State::Open { until: Instant::now() };
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_see() {
        let (breaker, counts) = made(3);
        let counted = || (counts.shown().breakers_open, counts.shown().breaker_openings);
        let pass = || breaker.pass(Instant::now());
        pass().unwrap().failed(AWAY);
        pass().unwrap().failed(AWAY);
        pass().unwrap().succeeded();
        pass().unwrap().failed(AWAY);
        // Nobody waited for its end.
        drop(pass().unwrap());
        pass().unwrap().untried();
        assert_eq!(counted(), (0, 0));
        pass().unwrap().failed(AWAY);
        assert!(pass().is_none());
        assert_eq!(counted(), (1, 1));
        elapse(&breaker);
        let trial = pass().unwrap();
        assert!(pass().is_none(), "one sees, and no other");
        trial.failed(AWAY);
        assert!(pass().is_none());
        elapse(&breaker);
        pass().unwrap().untried();
        assert_eq!(counted(), (1, 1), "it was open all the time");
        pass().unwrap().succeeded();
        assert_eq!(counted(), (0, 1));
        (0..3).for_each(|_| pass().unwrap().failed(AWAY));
        assert_eq!(counted(), (1, 2));
        drop(breaker);
        assert_eq!(counts.shown().breakers_open, 0, "what is gone is not open");
    }

    #[test]
    fn after_0_failures_it_never_opens() {
        let (breaker, counts) = made(0);
        for _ in 0..5_000 {
            breaker.pass(Instant::now()).unwrap().failed(AWAY);
        }
        assert_eq!(counts.shown().breakers_open, 0);
    }

    /// An act that passed before the breaker opened says nothing of the trial.
    #[test]
    fn a_late_failure_does_not_end_a_trial() {
        let (breaker, counts) = made(1);
        let early = breaker.pass(Instant::now()).unwrap();
        breaker.pass(Instant::now()).unwrap().failed(AWAY);
        elapse(&breaker);
        let trial = breaker.pass(Instant::now()).unwrap();
        early.failed(AWAY);
        assert!(matches!(*breaker.lock(), State::HalfOpen));
        trial.succeeded();
        assert_eq!(counts.shown().breakers_open, 0);
    }

    /// The bug: a PSP that was found to be there was left alone again, and the count of those that are went below zero. Its cause: a trial that had tried nothing opened
    /// the breaker, whatever an earlier act had shown since. Its cure: it opens what is still waiting for it.
    #[test]
    fn a_trial_that_tries_nothing_leaves_what_an_early_act_has_shown() {
        let (breaker, counts) = made(1);
        let early = breaker.pass(Instant::now()).unwrap();
        breaker.pass(Instant::now()).unwrap().failed(AWAY);
        elapse(&breaker);
        let trial = breaker.pass(Instant::now()).unwrap();
        early.succeeded();
        trial.untried();
        breaker.pass(Instant::now()).unwrap().succeeded();
        assert_eq!(counts.shown().breakers_open, 0);
    }

    /// The bug: of acts that waited for a connection, each went out to a PSP that was left alone by then, and lost its CVV there. Its cause: the breaker was asked before
    /// the wait only. Its cure: it is asked behind it too.
    #[test]
    fn who_has_waited_goes_out_only_where_the_psp_is_not_left_alone() {
        let (breaker, _counts) = made(1);
        let waiting = breaker.pass(Instant::now()).unwrap();
        assert!(waiting.holds());
        breaker.pass(Instant::now()).unwrap().failed(AWAY);
        assert!(!waiting.holds());
        elapse(&breaker);
        let trial = breaker.pass(Instant::now()).unwrap();
        assert!(trial.holds() && !waiting.holds());
        trial.succeeded();
        assert!(waiting.holds());
    }
}
