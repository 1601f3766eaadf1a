//! A copy of the view, made while the store is open: as of one commit, and no commit waits for it.

use std::fs::File;
use std::io;

use panvault_directory::start_write_out;
use panvault_model::VaultId;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::sync::oneshot;

use crate::fault::{OpenFault, is_full};
use crate::frames::LogPlace;
use crate::limits::COPY_BUSY_PAGES;
use crate::view;

/// A copy of the view, or of the log since an earlier one, that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where the log was as of it.
    pub end: LogPlace,
    /// The segment that has the last step: nothing before it is needed to go on from there.
    pub segment: u64,
}

/// Why there is no copy of the view. What was written of it is nothing.
#[derive(Debug, thiserror::Error)]
pub enum CopyFault {
    /// One is being made already.
    #[error("another copy is to be made first; ask again when that is done")]
    Busy,
    /// The store has ended, or ended meanwhile.
    #[error("the store has ended")]
    Stopped,
    /// Nothing more fits where it is made.
    #[error("there is no room for the copy")]
    Full(#[source] rusqlite::Error),
    /// The view cannot be read, or the copy not written.
    #[error("the copy cannot be made")]
    Sqlite(#[source] rusqlite::Error),
    /// The file of the copy cannot be made, or is not what was written.
    #[error("the copy cannot be used")]
    Unusable(#[source] OpenFault),
    /// It is not durable.
    #[error("the copy cannot be flushed")]
    Flush(#[source] io::Error),
}

impl From<rusqlite::Error> for CopyFault {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) { Self::Full(error) } else { Self::Sqlite(error) }
    }
}

/// A copy that somebody waits for.
pub(crate) struct ViewCopy {
    pub(crate) vault: VaultId,
    /// What stands for the tag of a frame before the first.
    pub(crate) first_tag: [u8; 32],
    /// To the file of the copy, which is empty.
    pub(crate) to: Connection,
    /// The same file.
    pub(crate) file: File,
    pub(crate) reply: oneshot::Sender<Result<Copied, CopyFault>>,
}

/// Why a copy was not made to its end.
pub(crate) enum Unmade<E> {
    Fault(CopyFault),
    /// Whoever copies has a fault of its own.
    Own(E),
}

impl ViewCopy {
    /// Copies the view from the only connection that writes to it, and calls `between` between any two slices, which says how many pages the next has: `None` ends it. What the connection commits
    /// there SQLite writes to the copy as well, where the copy has that page already.
    pub(crate) fn copy<E>(
        &mut self,
        view: &Connection,
        mut between: impl FnMut() -> Result<Option<i32>, E>,
    ) -> Result<Copied, Unmade<E>> {
        let fault = |error: rusqlite::Error| Unmade::Fault(error.into());
        let backup = Backup::new(view, &mut self.to).map_err(fault)?;
        let (mut written, mut pages, mut all) = (0, COPY_BUSY_PAGES, None);
        while backup.step(pages).map_err(fault)? != StepResult::Done {
            let end = self.file.metadata().map_or(written, |found| found.len());
            // A hint: the flush at the end does what this does not.
            drop(start_write_out(&self.file, written, end));
            written = end;
            let next = between().map_err(Unmade::Own)?.filter(|_| !self.reply.is_closed());
            let Some(next) = next else { return Err(Unmade::Fault(CopyFault::Stopped)) };
            // However fast the view grows, the copy is faster.
            let count = backup.progress().pagecount;
            let grown = count.saturating_sub(all.unwrap_or(count));
            (pages, all) = (next.max(grown.saturating_mul(2)), Some(count));
        }
        drop(backup);
        let meta = view::meta(&self.to, self.vault);
        let meta = meta.map_err(|fault| Unmade::Fault(CopyFault::Unusable(fault)))?;
        let segment = view::last_segment(&self.to).map_err(fault)?;
        let tag = meta.link.map_or(self.first_tag, |(tag, _)| tag);
        Ok(Copied { end: LogPlace { sequence: meta.applied, tag }, segment })
    }

    /// Tells who waits. Gives back what is not for them.
    pub(crate) fn answer<E>(self, copied: Result<Copied, Unmade<E>>) -> Option<E> {
        let Self { to, file, reply, .. } = self;
        drop((to, file));
        let (told, own) = match copied {
            Ok(copied) => (Ok(copied), None),
            Err(Unmade::Fault(fault)) => (Err(fault), None),
            Err(Unmade::Own(own)) => (Err(CopyFault::Stopped), Some(own)),
        };
        // Who has gone wants no copy.
        drop(reply.send(told));
        own
    }
}
