//! The thread that carries durable frames into the view, and gives segments up that the view no longer needs.

use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use panvault_model::Fingerprint;
use panvault_store::{Effect, Row, RowKey, StoreFault};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::watch;

use crate::apply_queue::{ApplyQueue, End};
use crate::commit_queue::CommitQueue;
use crate::fault::{is_busy, is_full};
use crate::files::Files;
use crate::limits::{
    PATROL_BUSY_ROWS, PATROL_PAUSE_MILLIS, PATROL_ROWS, SPARE_RETRY_MILLIS, VIEW_LOG_BYTES_MAX,
    VIEW_WRITE_BUSY_MILLIS,
};
use crate::log::{Spares, segment_path};
use crate::overlay::Overlay;
use crate::patrol::Patrol;
use crate::readers::Readers;
use crate::view::{ApplyFrame, Fingerprints, SchemaWatch, Tallies, apply};

/// The applier's own things.
pub(crate) struct Applier {
    pub(crate) view: Connection,
    pub(crate) schema: SchemaWatch,
    pub(crate) tallies: Arc<Tallies>,
    pub(crate) patrol: Patrol,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) view_log: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) apply_queue: Arc<ApplyQueue>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) applied: watch::Sender<u64>,
    /// Why the view cannot follow for now: its disk has no room, or another process writes to it.
    pub(crate) held_up: watch::Sender<Option<StoreFault>>,
    pub(crate) queue: Arc<CommitQueue>,
    pub(crate) spares: Arc<Spares>,
    /// The oldest segment that is still there.
    pub(crate) oldest: u64,
    /// The last segment that has a card which was deleted since.
    pub(crate) deleted_in: Option<u64>,
}

impl Applier {
    /// Works until the writer has ended. `false` when the view could not be written.
    pub(crate) fn run(mut self) -> bool {
        if let Err(error) = self.view.busy_timeout(Duration::from_millis(VIEW_WRITE_BUSY_MILLIS)) {
            return self.failed(&error);
        }
        let mut dirty = true;
        loop {
            let (frames, segment, end) = self.apply_queue.next(dirty || self.patrol.is_under_way());
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
                if dirty && end != Some(End::Failed) {
                    dirty = match self.checkpoint(segment) {
                        Ok(checkpointed) => !checkpointed,
                        Err(error) => return self.failed(&error),
                    };
                    if self.deleted_in >= Some(segment) && end.is_none() {
                        // What was deleted is still in the segment that is written to: go on in another, and erase it.
                        // Without room for another this is tried again.
                        self.queue.roll();
                        dirty = true;
                    }
                }
                while end.is_none() && self.patrol.is_under_way() {
                    if let Err(error) = self.patrol(PATROL_ROWS) {
                        return self.failed(&error);
                    }
                    if self.apply_queue.wanted_within(Duration::from_millis(PATROL_PAUSE_MILLIS)) {
                        break;
                    }
                }
                match end {
                    Some(End::Closed | End::Failed) => return end == Some(End::Closed),
                    None => continue,
                }
            }
            if let Err(fault) = self.schema.look(&self.view) {
                return self.failed(&fault);
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
            if let Err(error) = self.tidy().and_then(|_| self.patrol(PATROL_BUSY_ROWS)) {
                return self.failed(&error);
            }
            let bytes = match self.view_log_bytes() {
                Ok(bytes) => bytes,
                Err(error) => return self.failed(&error),
            };
            if bytes > VIEW_LOG_BYTES_MAX {
                dirty = match self.checkpoint(segment) {
                    Ok(checkpointed) => !checkpointed,
                    Err(error) => return self.failed(&error),
                };
            }
        }
    }

    /// Flushes SQLite's own log, and says how long it is. A little now and then: a flush of the vault's log that meets one of
    /// everything waits as long as that takes.
    fn view_log_bytes(&self) -> io::Result<u64> {
        // The checkpoint has to have it flushed, and says so when it cannot.
        let Ok(file) = self.files.open(&self.view_log) else { return Ok(0) };
        // What a flush has lost, the flush of a checkpoint may not notice: the system says it once.
        file.flush()?;
        file.bytes()
    }

    /// One piece of work on the index of fingerprints, if there is one. What keeps the view from being written is waited for.
    fn tidy(&mut self) -> Result<bool, rusqlite::Error> {
        match self.fingerprints.tidy(&mut self.view) {
            Err(error) if hold_up(&error).is_some() => Ok(false),
            worked => worked,
        }
    }

    /// A slice of the look at everything. What keeps the view from being read is waited for.
    fn patrol(&mut self, rows: usize) -> Result<(), rusqlite::Error> {
        match self.patrol.look(&self.view, &self.tallies, rows) {
            Err(error) if hold_up(&error).is_some() => Ok(()),
            looked => looked,
        }
    }

    /// The view cannot be written or flushed: nothing more is taken in, and nothing of the log is erased, for it is what the view is
    /// mended from.
    fn failed(&self, error: &dyn core::error::Error) -> bool {
        let advice = "the log has everything; look at the disk of the data directory, then start again";
        tracing::error!(error = %error, advice, "view.write_failed");
        // SQLite would checkpoint its own log back at the end, and take a flush that now succeeds for a proof.
        drop(self.view.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        false
    }

    /// Carries frames into the view. While its disk is full, or another process writes to it, it tries again; `false` when the store is
    /// closed meanwhile.
    fn carry(&mut self, frames: &[ApplyFrame]) -> Result<bool, rusqlite::Error> {
        loop {
            match apply(&mut self.view, &self.tallies, frames) {
                Ok(steps) => {
                    self.patrol.applied(&self.tallies, &steps);
                    match self.held_up.send_replace(None) {
                        Some(StoreFault::Full) => tracing::info!("view.room_again"),
                        Some(_) => tracing::info!("view.free_again"),
                        None => {}
                    }
                    return Ok(true);
                }
                Err(error) => match hold_up(&error) {
                    Some(why) => self.held_up(why, &error),
                    None => return Err(error),
                },
            }
            if self.apply_queue.ended_within(Duration::from_millis(SPARE_RETRY_MILLIS)) {
                return Ok(false);
            }
        }
    }

    /// Says once why the view cannot follow.
    fn held_up(&self, why: StoreFault, error: &rusqlite::Error) {
        if self.held_up.send_replace(Some(why)) == Some(why) {
            return;
        }
        if why == StoreFault::Full {
            let advice = "free space on the disk of the data directory; lists and, when the log is full too, \
                          writes resume by themselves";
            tracing::error!(%error, advice, "view.no_room");
        } else {
            let advice = "another process writes to view.sqlite: end it; lists resume by themselves, and nothing else waits for them";
            tracing::error!(%error, advice, "view.busy");
        }
    }

    /// The view has these frames: readers need no overlay for them.
    fn applied(&mut self, frames: &[ApplyFrame]) {
        self.readers.committed();
        self.fingerprints
            .added(frames.iter().flat_map(|frame| frame.effects.iter().flatten()).filter_map(new_card));
        for frame in frames {
            // One frame at a time: the writer and every reader want the overlay too.
            let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
            for (sequence, effects) in (frame.first_sequence..).zip(&frame.effects) {
                effects.iter().for_each(|effect| overlay.forget(sequence, effect));
            }
        }
        self.apply_queue.shown(frames);
        if let Some(last) = frames.last() {
            self.applied.send_replace(last.last_sequence());
        }
    }

    /// Checkpoints SQLite's own log, and gives up the segments that it covers.
    /// `false` when somebody was in the way, or there was no room; then it is tried again.
    fn checkpoint(&mut self, writing: u64) -> Result<bool, rusqlite::Error> {
        // A reader is not waited for: what is durable would not be seen in the meantime.
        let view = &self.view;
        let checkpointed = self.readers.while_released(|| {
            let checkpointed = view
                .busy_timeout(Duration::ZERO)
                .and_then(|()| view.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)));
            let waits = view.busy_timeout(Duration::from_millis(VIEW_WRITE_BUSY_MILLIS));
            checkpointed.and_then(|busy: i64| waits.map(|()| busy))
        });
        match checkpointed {
            Some(Ok(0)) => {}
            Some(Ok(_)) | None => return Ok(false),
            Some(Err(error)) if hold_up(&error).is_some() => {
                tracing::warn!(%error, advice = "none; it is tried again", "view.checkpoint_failed");
                return Ok(false);
            }
            Some(Err(error)) => return Err(error),
        }
        // Frames are handed over in the order of their segments, and all that were handed over when `writing` was read are
        // in the view: nothing before that segment is needed any more.
        let old: Vec<_> = (self.oldest..writing).map(|number| segment_path(&self.log, number)).collect();
        self.oldest = self.oldest.max(writing);
        self.spares.recycle(old);
        Ok(true)
    }
}

/// What keeps the view from being written, where that passes by itself or by what an operator does. After any other error nobody
/// knows what is on the disk.
fn hold_up(error: &rusqlite::Error) -> Option<StoreFault> {
    if is_full(error) {
        Some(StoreFault::Full)
    } else if is_busy(error) {
        Some(StoreFault::Busy)
    } else {
        None
    }
}

/// The entry of a card that the effect makes, if it makes one.
fn new_card(effect: &Effect) -> Option<(Fingerprint, [u8; 12])> {
    match effect {
        Effect::Put(Row::Card(row)) if row.version == 1 => Some((row.fingerprint, *row.id.as_bytes())),
        Effect::Put(_) | Effect::Delete(_) => None,
    }
}

/// Whether ciphertext in the log has to go with it.
pub(crate) const fn is_delete(effect: &Effect) -> bool {
    matches!(effect, Effect::Delete(RowKey::Card(_)))
}
