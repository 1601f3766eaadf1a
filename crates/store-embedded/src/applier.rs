//! The thread that carries durable frames into the view, and lets segments go that the view no longer needs.

use core::time::Duration;
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use panvault_store::{Effect, Row, RowKey};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::limits::{
    APPLY_MILLIS, APPLY_STEPS, IDLE_MILLIS, SPARE_RETRY_MILLIS, VIEW_BUSY_MILLIS, VIEW_LOG_BYTES_MAX,
};
use crate::log::{Spares, segment_path};
use crate::overlay::Overlay;
use crate::readers::Readers;
use crate::view::{ApplyFrame, Fingerprints, apply, is_full};
use crate::writer::Queue;

/// Frames on their way to the view.
#[derive(Default)]
pub(crate) struct ToApply {
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
enum End {
    /// In order: the view is folded back.
    Closed,
    /// A write failed.
    Failed,
}

impl ToApply {
    /// Starts with the segment that is written to.
    pub(crate) fn new(segment: u64) -> Self {
        let state = Mutex::new(Frames { segment, ..Frames::default() });
        Self { state, changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, frame: ApplyFrame) {
        let mut state = self.lock();
        state.segment = frame.segment;
        state.steps += frame.notes.len();
        state.frames.push_back(frame);
        // In between it has nothing to do yet.
        if state.frames.len() == 1 || state.steps >= APPLY_STEPS {
            self.changed.notify_one();
        }
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

    /// Waits a while, unless the writer has ended or ends meanwhile.
    fn ended_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, time, |state| state.end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.end.is_some()
    }

    pub(crate) fn end(&self, failed: bool) {
        self.lock().end = Some(if failed { End::Failed } else { End::Closed });
        self.changed.notify_one();
    }
}

/// The applier's own things.
pub(crate) struct Applier {
    pub(crate) view: Connection,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) view_log: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) to_apply: Arc<ToApply>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) applied: watch::Sender<u64>,
    /// Whether the disk has no room for the view.
    pub(crate) full: watch::Sender<bool>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) spares: Arc<Spares>,
    /// The oldest segment that is still there.
    pub(crate) oldest: u64,
    /// The last segment that has a card which was deleted since.
    pub(crate) deleted_in: Option<u64>,
}

impl Applier {
    /// Works until the writer has ended. `false` when the view could not be written.
    pub(crate) fn run(mut self) -> bool {
        let mut dirty = true;
        loop {
            let (frames, segment, end) = self.next(dirty);
            if frames.is_empty() {
                if end.is_none() {
                    match self.tidy() {
                        Ok(false) => {}
                        Ok(true) => {
                            dirty = true;
                            continue;
                        }
                        Err(error) => return self.failed(&error),
                    }
                }
                if dirty {
                    dirty = !self.fold(segment);
                    if self.deleted_in >= Some(segment) && end.is_none() {
                        // What was deleted is still in the segment that is written to: go on in another, and erase it.
                        // Without room for another this is tried again.
                        self.queue.roll();
                        dirty = true;
                    }
                }
                match end {
                    Some(End::Closed | End::Failed) => return end == Some(End::Closed),
                    None => continue,
                }
            }
            match self.carry(&frames) {
                Ok(true) => {}
                // The log has these frames; the next start carries them.
                Ok(false) => return true,
                Err(error) => return self.failed(&error),
            }
            dirty = true;
            let deleting = frames.iter().rev().find(|frame| frame.effects.iter().flatten().any(is_delete));
            self.deleted_in = deleting.map(|frame| frame.segment).or(self.deleted_in);
            self.applied(&frames);
            if let Err(error) = self.tidy() {
                return self.failed(&error);
            }
            if self.view_log_bytes() > VIEW_LOG_BYTES_MAX {
                dirty = !self.fold(segment);
            }
        }
    }

    /// Flushes SQLite's own log, and says how long it is. A little now and then: a flush of the vault's log that meets one of
    /// everything waits as long as that takes.
    fn view_log_bytes(&self) -> u64 {
        // It is the fold that has to have it flushed, and that says so when it cannot.
        let file =
            File::open(&self.view_log).and_then(|file| file.sync_data().and_then(|()| file.metadata()));
        file.map_or(0, |file| file.len())
    }

    /// One piece of work on the index of fingerprints, if there is one. Without room it waits until there is.
    fn tidy(&mut self) -> Result<bool, rusqlite::Error> {
        match self.fingerprints.tidy(&mut self.view) {
            Err(error) if is_full(&error) => Ok(false),
            worked => worked,
        }
    }

    /// The view cannot be written: nothing more is taken in.
    fn failed(&self, error: &rusqlite::Error) -> bool {
        let advice = "the log has everything; look at the disk of the data directory, then start again";
        tracing::error!(%error, advice, "view.write_failed");
        self.queue.close();
        false
    }

    /// Carries frames into the view. While its disk is full it tries again; `false` when the store is closed meanwhile.
    fn carry(&mut self, frames: &[ApplyFrame]) -> Result<bool, rusqlite::Error> {
        loop {
            match apply(&mut self.view, frames) {
                Ok(()) => {
                    if self.full.send_replace(false) {
                        tracing::info!("view.room_again");
                    }
                    return Ok(true);
                }
                Err(error) if is_full(&error) => {
                    if !self.full.send_replace(true) {
                        let advice = "free space on the disk of the data directory; lists and, when the log is full too, \
                                      writes resume by themselves";
                        tracing::error!(%error, advice, "view.no_room");
                    }
                    if self.to_apply.ended_within(Duration::from_millis(SPARE_RETRY_MILLIS)) {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All frames that wait; none after a while without any.
    fn next(&self, dirty: bool) -> (Vec<ApplyFrame>, u64, Option<End>) {
        let mut state = self.to_apply.lock();
        while state.frames.is_empty() && state.end.is_none() {
            if dirty {
                let idle = Duration::from_millis(IDLE_MILLIS);
                let waited = self.to_apply.changed.wait_timeout(state, idle);
                let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = waited;
                if timeout.timed_out() {
                    break;
                }
            } else {
                let segment = state.segment;
                state = self.to_apply.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                if state.segment != segment && state.frames.is_empty() {
                    break;
                }
            }
        }
        if !state.frames.is_empty() {
            // Many at once cost the view far less than one after the other.
            let time = Duration::from_millis(APPLY_MILLIS);
            let few = |state: &mut Frames| state.steps < APPLY_STEPS && !state.wanted && state.end.is_none();
            let waited = self.to_apply.changed.wait_timeout_while(state, time, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.steps = 0;
        state.wanted = false;
        (state.frames.drain(..).collect(), state.segment, state.end)
    }

    /// The view has these frames: readers need no overlay for them.
    fn applied(&mut self, frames: &[ApplyFrame]) {
        self.readers.committed();
        let mut cards = 0;
        for frame in frames {
            // One frame at a time: the writer and every reader want the overlay too.
            let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
            for (sequence, effects) in (frame.first_sequence..).zip(&frame.effects) {
                effects.iter().for_each(|effect| overlay.forget(sequence, effect));
                cards += effects.iter().filter(|effect| is_new_card(effect)).count() as u64;
            }
        }
        self.fingerprints.added(cards);
        if let Some(last) = frames.last() {
            self.applied.send_replace(last.last_sequence());
        }
    }

    /// Folds SQLite's own log back into the view, durably, and lets go of the segments that it covers.
    /// `false` when a reader was in the way; then it is tried again.
    fn fold(&mut self, writing: u64) -> bool {
        // A reader is not waited for: what is durable would not be seen in the meantime.
        let view = &self.view;
        let folded = self.readers.while_none_keeps(|| {
            let folded = view
                .busy_timeout(Duration::ZERO)
                .and_then(|()| view.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)));
            let waits = view.busy_timeout(Duration::from_millis(VIEW_BUSY_MILLIS));
            folded.and_then(|busy: i64| waits.map(|()| busy))
        });
        match folded {
            Some(Ok(0)) => {}
            Some(Ok(_)) | None => return false,
            Some(Err(error)) => {
                tracing::warn!(%error, advice = "none; it is tried again", "view.fold_failed");
                return false;
            }
        }
        // Frames are handed over in the order of their segments, and all that were handed over when `writing` was read are
        // in the view: nothing before that segment is needed any more.
        let old: Vec<_> = (self.oldest..writing).map(|number| segment_path(&self.log, number)).collect();
        self.oldest = self.oldest.max(writing);
        self.spares.recycle(old);
        true
    }
}

fn is_new_card(effect: &Effect) -> bool {
    matches!(effect, Effect::Put(Row::Card(row)) if row.version == 1)
}

/// Whether ciphertext in the log has to go with it.
pub(crate) const fn is_delete(effect: &Effect) -> bool {
    matches!(effect, Effect::Delete(RowKey::Card(_)))
}
