//! SQLite's own log of the view: how long it is, and how it comes to the disk.
//!
//! The vault's log and the view mostly share a disk, and a flush of the log waits for whatever else is on its way there. So the view is
//! flushed seldom: before SQLite's log is carried into the view's file, and after that. What is written in between begins to go to the
//! disk at once, a little at a time, and a flush finds little to do.
//!
//! The order is SQLite's: its log is durable before any of it is written to the view's file, and that file before the log is begun anew.
//! After a power cut the view is as it was at some earlier commit, and the vault's log has the rest: nothing of that is given up before.

use std::io;
use std::path::Path;
use std::sync::Arc;

use core::time::Duration;

use rusqlite::Connection;

use crate::apply_queue::ApplyQueue;
use crate::files::{Files, LogFile};
use crate::limits::{WRITE_OUT_BYTES, WRITE_OUT_PAUSE_MILLIS};
use crate::readers::Readers;
use crate::view;

/// The files of the view, held open as long as any connection to it is: to close one of them would free the locks that SQLite has on it.
pub(crate) struct ViewFiles {
    view: Box<dyn LogFile>,
    log: Box<dyn LogFile>,
}

impl ViewFiles {
    /// Opens both. A connection to the view has made the log.
    pub(crate) fn open(files: &dyn Files, directory: &Path) -> io::Result<Arc<Self>> {
        let (view, log) = (files.open(&view::view_path(directory))?, files.open(&view::log_path(directory))?);
        Ok(Arc::new(Self { view, log }))
    }
}

/// What becomes of SQLite's log when all of it is in the view's file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is written over from its front. What is behind that stays in it for a while.
    Reuse,
    /// It is cut to nothing.
    Cut,
}

/// Why a checkpoint was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointFault {
    #[error(transparent)]
    Flush(#[from] io::Error),
    #[error(transparent)]
    View(#[from] rusqlite::Error),
}

/// SQLite's log of the view.
pub(crate) struct ViewLog {
    files: Arc<ViewFiles>,
    bytes_max: u64,
    bytes: u64,
    /// With more bytes it is carried into the view's file.
    due_bytes: u64,
}

impl ViewLog {
    pub(crate) const fn new(files: Arc<ViewFiles>, bytes_max: u64) -> Self {
        Self { files, bytes_max, bytes: 0, due_bytes: bytes_max }
    }

    /// The view was written to: looks how long the log is by now, and has what is new in it begin to go to the disk.
    pub(crate) fn written(&mut self, view: &Connection) -> Result<(), rusqlite::Error> {
        let bytes = view::log_bytes(view)?;
        // It is shorter when it was begun anew.
        let from = if bytes < self.bytes { 0 } else { self.bytes };
        self.files.log.start_write_out(from, bytes);
        self.bytes = bytes;
        Ok(())
    }

    /// Whether it is to be carried into the view's file.
    pub(crate) const fn is_due(&self) -> bool {
        self.bytes > self.due_bytes
    }

    /// Whether what can wait is not to be written now.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Carries it into the view's file, durably, and begins it anew. Only the applier writes to the view, and it is here meanwhile. `false`
    /// when somebody who reads or writes is in the way.
    pub(crate) fn checkpoint(
        &mut self,
        view: &Connection,
        readers: &Readers,
        queue: &ApplyQueue,
        then: Then,
    ) -> Result<bool, CheckpointFault> {
        // With somebody in the way it is tried again when a good deal has been added.
        self.due_bytes = self.bytes.saturating_add(self.bytes_max / 4);
        self.files.log.flush()?;
        let before = self.files.view.bytes()?;
        if readers.while_released(|| view::carry_log(view)).transpose()? != Some(true) {
            return Ok(false);
        }
        self.write_out(before, queue)?;
        if readers.while_released(|| view::end_log(view, then == Then::Cut)).transpose()? != Some(true) {
            return Ok(false);
        }
        (self.bytes, self.due_bytes) = (0, self.bytes_max);
        Ok(true)
    }

    /// Makes the view's file durable. Most of what is new in it is at its end.
    fn write_out(&self, before: u64, queue: &ApplyQueue) -> io::Result<()> {
        let (file, end) = (&self.files.view, self.files.view.bytes()?);
        let mut from = before.min(end);
        while from < end {
            let to = from.saturating_add(WRITE_OUT_BYTES).min(end);
            file.start_write_out(from, to);
            from = to;
            if queue.hurried_within(Duration::from_millis(WRITE_OUT_PAUSE_MILLIS)) {
                break;
            }
        }
        file.flush()
    }
}
