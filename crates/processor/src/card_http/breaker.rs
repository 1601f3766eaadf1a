//! Leaves a PSP alone for a while that has failed several times in a row.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Counts failures in a row.
pub(super) struct Breaker {
    failures_max: u64,
    pause: Duration,
    state: Mutex<State>,
}

enum State {
    /// Acts pass; so many have failed in a row.
    Closed { failures: u64 },
    /// Nothing passes until then.
    Open { until: Instant },
    /// One act is on its way to see whether the PSP is there again.
    HalfOpen,
}

/// Whether acts pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// They do.
    Closed,
    /// They do not: each is answered at once as not reached.
    Open,
    /// One is on its way, to see.
    HalfOpen,
}

/// What an act that passed has shown. Dropped without a word it was a failure: whoever waited has given up.
pub(super) struct Passed {
    breaker: Arc<Breaker>,
    is_trial: bool,
    is_told: bool,
}

impl Breaker {
    pub(super) fn new(failures_max: u64, pause: Duration) -> Self {
        Self { failures_max, pause, state: Mutex::new(State::Closed { failures: 0 }) }
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

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match &*self.lock() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if *until > now => BreakerState::Open,
            State::Open { .. } | State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passed {
    /// The PSP is there.
    pub(super) fn succeeded(mut self) {
        self.is_told = true;
        *self.breaker.lock() = State::Closed { failures: 0 };
    }

    /// It was not reached, or did not answer.
    pub(super) fn failed(mut self) {
        self.fail();
    }

    /// Nothing was learned of the PSP.
    pub(super) fn untried(mut self) {
        self.is_told = true;
        if self.is_trial {
            // The next may see.
            *self.breaker.lock() = State::Open { until: Instant::now() };
        }
    }

    fn fail(&mut self) {
        self.is_told = true;
        let breaker = &self.breaker;
        let open = || State::Open { until: Instant::now() + breaker.pause };
        let mut state = breaker.lock();
        match &mut *state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures >= breaker.failures_max {
                    *state = open();
                }
            }
            State::HalfOpen if self.is_trial => *state = open(),
            State::Open { .. } | State::HalfOpen => {}
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if !self.is_told {
            self.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause is over.
    fn elapse(breaker: &Breaker) {
        let mut state = breaker.lock();
        assert!(matches!(*state, State::Open { .. }));
        *state = State::Open { until: Instant::now() };
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_see() {
        let breaker = Arc::new(Breaker::new(3, Duration::from_secs(10)));
        let pass = || breaker.pass(Instant::now());
        pass().unwrap().failed();
        pass().unwrap().failed();
        pass().unwrap().succeeded();
        pass().unwrap().failed();
        // Nobody waited for its end.
        drop(pass().unwrap());
        pass().unwrap().untried();
        assert_eq!(breaker.state(Instant::now()), BreakerState::Closed);
        pass().unwrap().failed();
        assert!(pass().is_none());
        assert_eq!(breaker.state(Instant::now()), BreakerState::Open);
        elapse(&breaker);
        let trial = pass().unwrap();
        assert!(pass().is_none(), "one sees, and no other");
        trial.failed();
        assert!(pass().is_none());
        elapse(&breaker);
        pass().unwrap().untried();
        pass().unwrap().succeeded();
        assert_eq!(breaker.state(Instant::now()), BreakerState::Closed);
    }

    /// An act that passed before the breaker opened says nothing of the trial.
    #[test]
    fn a_late_failure_does_not_end_a_trial() {
        let breaker = Arc::new(Breaker::new(1, Duration::from_secs(10)));
        let early = breaker.pass(Instant::now()).unwrap();
        breaker.pass(Instant::now()).unwrap().failed();
        elapse(&breaker);
        let trial = breaker.pass(Instant::now()).unwrap();
        early.failed();
        trial.succeeded();
        assert_eq!(breaker.state(Instant::now()), BreakerState::Closed);
    }
}
