//! What is durable and on its way to the view.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::{APPLY_MILLIS, APPLY_STEPS, IDLE_MILLIS};
use crate::view::ApplyFrame;

/// Frames on their way to the view.
#[derive(Default)]
pub(crate) struct ApplyQueue {
    /// Bytes of the frames that the view does not show yet.
    bytes: AtomicU64,
    state: Mutex<Frames>,
    changed: Condvar,
}

#[derive(Default)]
struct Frames {
    frames: VecDeque<ApplyFrame>,
    /// Steps in these frames.
    steps: usize,
    /// Somebody waits for the view.
    wanted: bool,
    /// The segment that is written to.
    segment: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order: the view is checkpointed.
    Closed,
    /// A write failed.
    Failed,
}

impl ApplyQueue {
    /// Starts with the segment that is written to.
    pub(crate) fn new(segment: u64) -> Self {
        let state = Mutex::new(Frames { segment, ..Frames::default() });
        Self { bytes: AtomicU64::new(0), state, changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, frame: ApplyFrame) {
        self.bytes.fetch_add(u64::from(frame.effects_bytes), Ordering::Relaxed);
        let mut state = self.lock();
        state.segment = frame.segment;
        state.steps += frame.notes.len();
        state.frames.push_back(frame);
        // In between it has nothing to do yet.
        if state.frames.len() == 1 || state.steps >= APPLY_STEPS {
            self.changed.notify_one();
        }
    }

    /// The view shows these.
    pub(crate) fn shown(&self, frames: &[ApplyFrame]) {
        let bytes = frames.iter().map(|frame| u64::from(frame.effects_bytes)).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of the frames that the view does not show yet.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Somebody waits for the view: what is there goes into it now.
    pub(crate) fn want(&self) {
        self.lock().wanted = true;
        self.changed.notify_one();
    }

    pub(crate) fn rolled(&self, segment: u64) {
        self.lock().segment = segment;
        self.changed.notify_one();
    }

    /// All frames that wait; none after a while without any.
    pub(crate) fn next(&self, dirty: bool) -> (Vec<ApplyFrame>, u64, Option<End>) {
        let mut state = self.lock();
        while state.frames.is_empty() && state.end.is_none() {
            if dirty {
                let idle = Duration::from_millis(IDLE_MILLIS);
                let waited = self.changed.wait_timeout(state, idle);
                let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = waited;
                if timeout.timed_out() {
                    break;
                }
            } else {
                let segment = state.segment;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                if state.segment != segment && state.frames.is_empty() {
                    break;
                }
            }
        }
        if !state.frames.is_empty() {
            // Many at once cost the view far less than one after the other.
            let time = Duration::from_millis(APPLY_MILLIS);
            let few = |state: &mut Frames| state.steps < APPLY_STEPS && !state.wanted && state.end.is_none();
            let waited = self.changed.wait_timeout_while(state, time, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.steps = 0;
        state.wanted = false;
        (state.frames.drain(..).collect(), state.segment, state.end)
    }

    /// Waits a while, unless there is something to do.
    pub(crate) fn wanted_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let idle = |state: &mut Frames| state.frames.is_empty() && state.end.is_none();
        let waited = self.changed.wait_timeout_while(state, time, idle);
        !idle(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits a while, unless the writer has ended or ends meanwhile.
    pub(crate) fn ended_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, time, |state| state.end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.end.is_some()
    }

    pub(crate) fn end(&self, failed: bool) {
        self.lock().end = Some(if failed { End::Failed } else { End::Closed });
        self.changed.notify_one();
    }
}
