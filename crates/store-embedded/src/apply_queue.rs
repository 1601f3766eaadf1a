//! What is durable and on its way to the view.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::copy::ViewCopy;
use crate::limits::{APPLY_BYTES_MAX, APPLY_MILLIS, APPLY_STEPS, APPLY_STEPS_MAX, IDLE_MILLIS};
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
    /// The copy of the view that somebody has asked for, until it is begun.
    copy: Option<ViewCopy>,
    /// Records before this place are kept no longer; told when they are gone.
    forget: Option<(u64, oneshot::Sender<()>)>,
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

    /// Somebody wants a copy of the view. `false` where the store has ended or another copy is to be begun.
    pub(crate) fn ask_copy(&self, copy: ViewCopy) -> bool {
        let mut state = self.lock();
        if state.end.is_some() || state.copy.is_some() {
            return false;
        }
        state.copy = Some(copy);
        self.changed.notify_one();
        true
    }

    /// The copy that somebody wants.
    pub(crate) fn take_copy(&self) -> Option<ViewCopy> {
        self.lock().copy.take()
    }

    /// Somebody wants records before a place to be kept no longer. `false` where the store has ended or others are to go first.
    pub(crate) fn ask_forget(&self, first: u64, done: oneshot::Sender<()>) -> bool {
        let mut state = self.lock();
        if state.end.is_some() || state.forget.is_some() {
            return false;
        }
        state.forget = Some((first, done));
        self.changed.notify_one();
        true
    }

    /// Before which place records are kept no longer, and who is told.
    pub(crate) fn take_forget(&self) -> Option<(u64, oneshot::Sender<()>)> {
        self.lock().forget.take()
    }

    /// The oldest segment that a frame is in which waits, or may come to be in.
    pub(crate) fn oldest_segment(&self) -> u64 {
        let state = self.lock();
        state.frames.front().map_or(state.segment, |frame| frame.segment)
    }

    /// Whether what is there is to be carried now, and not together with what comes within a moment.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.lock();
        state.wanted || state.end.is_some() || state.steps >= APPLY_STEPS
    }

    pub(crate) fn rolled(&self, segment: u64) {
        self.lock().segment = segment;
        self.changed.notify_one();
    }

    /// Frames that wait, as many as are carried at once; none after a while without any. With them the oldest segment that a frame
    /// which is still not handed over is in, or may come to be in. Who has something else to do is `busy`, and waits for nothing.
    pub(crate) fn next(&self, dirty: bool, busy: bool) -> (Vec<ApplyFrame>, u64, Option<End>) {
        let mut state = self.lock();
        while state.frames.is_empty()
            && state.end.is_none()
            && state.copy.is_none()
            && state.forget.is_none()
            && !busy
        {
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
        if !state.frames.is_empty() && !busy {
            // Many at once cost the view far less than one after the other.
            let time = Duration::from_millis(APPLY_MILLIS);
            let few = |state: &mut Frames| state.steps < APPLY_STEPS && !state.wanted && state.end.is_none();
            let waited = self.changed.wait_timeout_while(state, time, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = carried_at_once(&state.frames);
        let frames: Vec<_> = state.frames.drain(..count).collect();
        state.steps = state.frames.iter().map(|frame| frame.notes.len()).sum();
        // Whoever waits, waits for all that is there.
        state.wanted = state.wanted && !state.frames.is_empty();
        let segment = state.frames.front().map_or(state.segment, |frame| frame.segment);
        (frames, segment, state.end)
    }

    /// Waits a while, unless somebody waits for the view or the writer has ended.
    pub(crate) fn hurried_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let calm = |state: &mut Frames| !state.wanted && state.end.is_none();
        let waited = self.changed.wait_timeout_while(state, time, calm);
        !calm(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits a while, unless there is something to do.
    pub(crate) fn wanted_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let idle = |state: &mut Frames| {
            state.frames.is_empty() && state.end.is_none() && state.copy.is_none() && state.forget.is_none()
        };
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
        let mut state = self.lock();
        state.end = Some(if failed { End::Failed } else { End::Closed });
        // Whoever waits for them is told by that.
        (state.copy, state.forget) = (None, None);
        drop(state);
        self.changed.notify_one();
    }
}

/// How many of these frames, from the first on, one commit of the view carries: at least one, if there is one.
pub(crate) fn carried_at_once<'a>(frames: impl IntoIterator<Item = &'a ApplyFrame>) -> usize {
    let (mut count, mut steps, mut bytes) = (0, 0, 0);
    for frame in frames {
        steps += frame.notes.len();
        bytes += u64::from(frame.effects_bytes);
        if count > 0 && (steps > APPLY_STEPS_MAX || bytes > APPLY_BYTES_MAX) {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use panvault_testkit::conformance::card_insert;
    use panvault_testkit::conformance::rows::card;

    use super::*;

    fn frame(segment: u64, steps: usize) -> ApplyFrame {
        ApplyFrame {
            segment,
            first_sequence: 1,
            notes: vec![card_insert(&card(1)).audit; steps],
            effects: Vec::new(),
            effects_bytes: 0,
            effects_digest: [0; 32],
            previous: [0; 32],
            key: 1,
            tag: [0; 32],
        }
    }

    /// The bug: all that waited was carried into the view with one commit, and SQLite's own log became as long as that took. Its cause: nothing
    /// bounded a batch. Its cure: so many steps at a time; and the segment that is named is that of the first frame which still waits, for
    /// what is before it is given up.
    #[test]
    fn so_many_steps_are_carried_at_once_and_what_waits_keeps_its_segment() {
        let queue = ApplyQueue::new(1);
        queue.push(frame(1, APPLY_STEPS_MAX - 1));
        queue.push(frame(1, 1));
        queue.push(frame(2, APPLY_STEPS_MAX + 1));
        queue.push(frame(3, 1));
        queue.rolled(4);
        let segments = |frames: &[ApplyFrame]| frames.iter().map(|frame| frame.segment).collect::<Vec<_>>();
        for (carried, oldest) in [(vec![1, 1], 2), (vec![2], 3), (vec![3], 4)] {
            let (frames, segment, end) = queue.next(false, false);
            assert_eq!((segments(&frames), segment, end.is_none()), (carried, oldest, true));
        }
    }

    #[test]
    fn large_steps_are_carried_a_few_at_a_time() {
        let large =
            || ApplyFrame { effects_bytes: u32::try_from(APPLY_BYTES_MAX / 2).unwrap(), ..frame(1, 1) };
        assert_eq!(carried_at_once(&[]), 0);
        assert_eq!(carried_at_once(&[large(), large(), large()]), 2);
        let alone = ApplyFrame { effects_bytes: u32::MAX, ..frame(1, 1) };
        assert_eq!(carried_at_once(&[alone, large()]), 1);
    }
}
