//! The thread that carries durable frames into the view, and gives segments up that the view no longer needs.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use panvault_store::StoreFault;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::watch;

use crate::apply_queue::{ApplyQueue, End};
use crate::checkpoint::{CheckpointFault, Then, ViewLog};
use crate::commit_queue::CommitQueue;
use crate::copy::ViewCopy;
use crate::deleted::{Deleted, Ended, ended, now};
use crate::fault::{is_busy, is_full};
use crate::limits::{
    APPLY_MILLIS, COPY_BUSY_MILLIS, COPY_BUSY_PAGES, COPY_BUSY_PAUSE_MILLIS, COPY_PAGES, PATROL_BUSY_ROWS,
    PATROL_PAUSE_MILLIS, PATROL_ROWS, SPARE_RETRY_MILLIS, VIEW_WRITE_BUSY_MILLIS,
};
use crate::log::{Spares, segment_path};
use crate::overlay::Overlay;
use crate::patrol::Patrol;
use crate::readers::Readers;
use crate::view::{ApplyFrame, Fingerprints, FoundBy, SchemaWatch, Tallies, apply, forget_notes};

/// What ends the applier's work.
type WorkFault = Box<dyn core::error::Error>;

/// Whether the applier waits for something to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    WhileNothingIsThere,
    /// It has something to do already.
    Never,
}

/// The applier's own things, beside its connection to the view.
pub(crate) struct Applier {
    pub(crate) schema: SchemaWatch,
    pub(crate) tallies: Arc<Tallies>,
    pub(crate) patrol: Patrol,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) view_log: ViewLog,
    pub(crate) log: PathBuf,
    pub(crate) apply_queue: Arc<ApplyQueue>,
    pub(crate) overlay: Arc<RwLock<Overlay>>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) applied: watch::Sender<u64>,
    /// Why the view cannot follow for now: its disk has no room, or another process writes to it.
    pub(crate) held_up: watch::Sender<Option<StoreFault>>,
    pub(crate) queue: Arc<CommitQueue>,
    pub(crate) spares: Arc<Spares>,
    /// The log is on the view's disk.
    pub(crate) log_shares_disk: bool,
    /// The oldest segment that is still there.
    pub(crate) oldest: u64,
    pub(crate) deleted: Deleted,
}

impl Applier {
    /// Works until the writer has ended. `false` when the view could not be written.
    pub(crate) fn run(mut self, view: Connection) -> bool {
        let timeout = Duration::from_millis(VIEW_WRITE_BUSY_MILLIS);
        let worked = view.busy_timeout(timeout).map_err(Into::into).and_then(|()| self.work(&view));
        worked.unwrap_or_else(|fault| failed(&view, fault.as_ref()))
    }

    /// The same; says of a fault which it was.
    fn work(&mut self, view: &Connection) -> Result<bool, WorkFault> {
        let mut dirty = true;
        loop {
            let ended = if let Some(copy) = self.apply_queue.take_copy() {
                self.copy(view, copy, &mut dirty)?
            } else if let Some((first, done)) = self.apply_queue.take_forget() {
                let ended = self.forget(view, first, &mut dirty)?;
                if ended.is_none() {
                    // Who asked may have gone.
                    let _gone = done.send(());
                }
                ended
            } else {
                self.turn(view, &mut dirty, Rest::WhileNothingIsThere)?
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Carries what is there into the view, or does what can be done while nothing is. `Some` at the end, with what [`Applier::run`] says.
    fn turn(&mut self, view: &Connection, dirty: &mut bool, rest: Rest) -> Result<Option<bool>, WorkFault> {
        let (frames, segment, end) =
            self.apply_queue.next(*dirty || self.patrol.is_under_way(), rest == Rest::Never);
        if frames.is_empty() {
            if rest == Rest::Never && end.is_none() {
                return Ok(None);
            }
            if end.is_none() && self.tidy(view)? {
                *dirty = true;
                self.written(view, segment)?;
                return Ok(None);
            }
            if *dirty && end != Some(End::Failed) {
                *dirty = !self.checkpoint(view, segment, Then::Cut)?;
                if self.deleted.is_in(segment) && end.is_none() {
                    // What was deleted is still in the segment that is written to: go on in another, and erase it.
                    // Without room for another this is tried again.
                    self.queue.roll();
                    *dirty = true;
                }
            }
            while end.is_none() && self.patrol.is_under_way() {
                self.patrol(view, PATROL_ROWS)?;
                if self.apply_queue.wanted_within(Duration::from_millis(PATROL_PAUSE_MILLIS)) {
                    break;
                }
            }
            match end {
                Some(End::Closed | End::Failed) => return Ok(Some(end == Some(End::Closed))),
                None => return Ok(None),
            }
        }
        self.schema.look(view)?;
        // What is kept for backups goes before these are in the view, which may be held up.
        for frame in frames.iter().filter(|frame| ended(&frame.notes, &frame.effects) == Ended::Keys) {
            self.spares.archive_release(frame.segment.saturating_add(1));
        }
        let Some(found_by) = self.carry(view, &frames)? else {
            // The log has these frames; the next start carries them.
            return Ok(Some(true));
        };
        *dirty = true;
        for frame in &frames {
            match ended(&frame.notes, &frame.effects) {
                Ended::Nothing => {}
                Ended::Rows | Ended::Keys => self.deleted.note(frame.segment),
            }
        }
        self.applied(&frames, found_by);
        self.written(view, segment)?;
        if self.tidy(view)? {
            self.written(view, segment)?;
        }
        self.patrol(view, PATROL_BUSY_ROWS)?;
        Ok(None)
    }

    /// Takes commits out of the trail whose records are all before a place, a slice between any two turns.
    fn forget(&mut self, view: &Connection, first: u64, dirty: &mut bool) -> Result<Option<bool>, WorkFault> {
        loop {
            if self.view_log.is_full() {
                self.written(view, self.apply_queue.oldest_segment())?;
                if self.view_log.is_full() {
                    // The rest goes when it is asked again: somebody who reads is in the way of a checkpoint.
                    return Ok(None);
                }
            }
            match forget_notes(view, first) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.readers.committed();
                    *dirty = true;
                }
                // The rest goes when it is asked again.
                Err(error) if hold_up(&error).is_some() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            self.written(view, self.apply_queue.oldest_segment())?;
            if let Some(ended) = self.turn(view, dirty, Rest::Never)? {
                return Ok(Some(ended));
            }
        }
    }

    /// Copies the view, a slice between any two turns. What is carried into the view meanwhile SQLite writes to the copy too, because it goes through the
    /// connection that is copied from: so the copy is as of the commit that is the last when it is done, and nothing waits for it.
    fn copy(
        &mut self,
        view: &Connection,
        mut copy: ViewCopy,
        dirty: &mut bool,
    ) -> Result<Option<bool>, WorkFault> {
        let (mut ended, mut carried, mut busy) = (None, now(), now());
        let copied = copy.copy(view, || {
            if self.apply_queue.bytes() > 0 {
                busy = now();
            }
            let is_busy = busy.elapsed() < Duration::from_millis(COPY_BUSY_MILLIS);
            let rest = Duration::from_millis(if is_busy { COPY_BUSY_PAUSE_MILLIS } else { 0 });
            let begun = now();
            loop {
                let is_long_ago = carried.elapsed() >= Duration::from_millis(APPLY_MILLIS);
                if is_long_ago || self.apply_queue.is_due() {
                    ended = self.turn(view, dirty, Rest::Never)?;
                    carried = now();
                }
                // The disk is left to those who commit for most of the time.
                let left = rest.saturating_sub(begun.elapsed());
                if ended.is_some() || left.is_zero() {
                    break;
                }
                self.apply_queue.hurried_within(left);
            }
            // Where a turn took longer than the rest, the copy makes up for it.
            let rests = begun.elapsed().as_millis() / u128::from(COPY_BUSY_PAUSE_MILLIS);
            let busy_pages =
                COPY_BUSY_PAGES.saturating_mul(i32::try_from(rests.max(1)).unwrap_or(COPY_PAGES));
            let pages = if is_busy { busy_pages.min(COPY_PAGES) } else { COPY_PAGES };
            Ok(Some(pages).filter(|_| ended.is_none()))
        });
        // What becomes of a copy is for who waits for it; what becomes of the view is not.
        let fault = copy.answer(copied);
        fault.map_or(Ok(ended), Err)
    }

    /// The view was written to, once: SQLite's own log is carried back when it is long, and what was deleted leaves the log in time, whatever
    /// else is going on. To be called after every commit of the view, so that the one is never longer than it may be.
    fn written(&mut self, view: &Connection, segment: u64) -> Result<(), CheckpointFault> {
        self.view_log.written(view)?;
        if self.deleted.begins_to_go(segment) {
            self.queue.roll();
        }
        let goes = self.deleted.can_go(segment);
        if self.view_log.is_due() || goes {
            self.checkpoint(view, segment, if goes { Then::Cut } else { Then::Reuse })?;
        }
        Ok(())
    }

    /// One piece of work on the index of fingerprints, if there is one. What keeps the view from being written is waited for.
    fn tidy(&mut self, view: &Connection) -> Result<bool, rusqlite::Error> {
        if self.view_log.is_full() {
            // It can wait until somebody who reads is no longer in the way of a checkpoint.
            return Ok(false);
        }
        match self.fingerprints.tidy(view) {
            Err(error) if hold_up(&error).is_some() => Ok(false),
            worked => worked,
        }
    }

    /// A slice of the look at everything. What keeps the view from being read is waited for.
    fn patrol(&mut self, view: &Connection, rows: usize) -> Result<(), rusqlite::Error> {
        match self.patrol.look(view, &self.tallies, rows) {
            Err(error) if hold_up(&error).is_some() => Ok(()),
            looked => looked,
        }
    }

    /// Carries frames into the view. While its disk is full, or another process writes to it, it tries again; `None` when the store is
    /// closed meanwhile, else what the index of fingerprints has now.
    fn carry(
        &mut self,
        view: &Connection,
        frames: &[ApplyFrame],
    ) -> Result<Option<Vec<FoundBy>>, rusqlite::Error> {
        loop {
            match apply(view, &self.tallies, frames) {
                Ok(applied) => {
                    self.patrol.applied(&self.tallies, &applied.steps);
                    match self.held_up.send_replace(None) {
                        Some(StoreFault::Full) => tracing::info!("view.room_again"),
                        Some(_) => tracing::info!("view.free_again"),
                        None => {}
                    }
                    return Ok(Some(applied.found_by));
                }
                Err(error) => match hold_up(&error) {
                    Some(why) => self.held_up(why, &error),
                    None => return Err(error),
                },
            }
            if self.apply_queue.ended_within(Duration::from_millis(SPARE_RETRY_MILLIS)) {
                return Ok(None);
            }
        }
    }

    /// Says once why the view cannot follow.
    fn held_up(&self, why: StoreFault, error: &rusqlite::Error) {
        if self.held_up.send_replace(Some(why)) == Some(why) {
            return;
        }
        if why == StoreFault::Full {
            if self.log_shares_disk {
                // What is kept for backups may be what fills it.
                self.spares.archive_clear();
            }
            let advice = "free space on the disk of the data directory; lists and, when the log is full too, \
                          writes resume by themselves";
            tracing::error!(%error, advice, "view.no_room");
        } else {
            let advice = "another process writes to view.sqlite: end it; lists resume by themselves, and nothing else waits for them";
            tracing::error!(%error, advice, "view.busy");
        }
    }

    /// The view has these frames: readers need no overlay for them.
    fn applied(&mut self, frames: &[ApplyFrame], found_by: Vec<FoundBy>) {
        self.readers.committed();
        self.fingerprints.added(found_by);
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

    /// Carries SQLite's own log into the view's file, durably, and gives up the segments that it covers. `false` when somebody was in the
    /// way, or there was no room; then it is tried again.
    fn checkpoint(&mut self, view: &Connection, writing: u64, then: Then) -> Result<bool, CheckpointFault> {
        match self.view_log.checkpoint(view, &self.readers, &self.apply_queue, then) {
            // Whoever reads the view may read the log beside it.
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(CheckpointFault::View(error)) if hold_up(&error).is_some() => {
                tracing::warn!(%error, advice = "none; it is tried again", "view.checkpoint_failed");
                return Ok(false);
            }
            Err(fault) => return Err(fault),
        }
        if then == Then::Cut {
            self.deleted.left(writing);
        }
        // Frames are handed over in the order of their segments, and all that were handed over when `writing` was read are
        // in the view: nothing before that segment is needed any more.
        let old: Vec<_> = (self.oldest..writing).map(|number| segment_path(&self.log, number)).collect();
        self.oldest = self.oldest.max(writing);
        self.spares.recycle(old);
        Ok(true)
    }
}

/// The view cannot be written or flushed: nothing more is taken in, and nothing of the log is erased, for it is what the view is
/// mended from.
fn failed(view: &Connection, error: &dyn core::error::Error) -> bool {
    let advice = "the log has everything; look at the disk of the data directory, then start again";
    tracing::error!(error = %error, advice, "view.write_failed");
    // SQLite would checkpoint its own log back at the end, and take a flush that now succeeds for a proof.
    drop(view.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
    false
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
