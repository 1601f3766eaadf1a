use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a store is not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// There is no store.
    #[error("{} holds no store; make one with panvault init", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// There is a store already.
    #[error("{} holds a store already; name another directory", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// There are two logs.
    #[error(
        "{} is there, and the settings name {} for the log: look which one the view belongs to, and move the other away",
        there.display(), named.display()
    )]
    TwoLogs {
        /// The one in the store's directory.
        there: PathBuf,
        /// The one that is set.
        named: PathBuf,
    },
    /// Another process writes to it.
    #[error(
        "the vault is in use by process {pid}; stop that process first (looking with panvault doctor works beside it)"
    )]
    InUse {
        /// The process, as it wrote it down.
        pid: String,
    },
    /// It was made by another vault.
    #[error("{what} belongs to another vault; restore the file that belongs here")]
    Foreign {
        /// Which file.
        what: String,
    },
    /// It was made by a later version.
    #[error(
        "{what} has a format that this version does not know; use the version that wrote it, or a later one"
    )]
    NewerFormat {
        /// Which file.
        what: String,
    },
    /// It was made by an earlier version.
    #[error(
        "{what} is of format {format}, which this version no longer reads; use the version that wrote it"
    )]
    OlderFormat {
        /// Which file.
        what: String,
        /// Its format.
        format: u32,
    },
    /// It names a key that the header of the keys does not have.
    #[error(
        "{what} is chained with key {key}, which the keys of this vault do not have: their header is one of before, or somebody changed this"
    )]
    LaterKey {
        /// Which file.
        what: String,
        /// The version of the key.
        key: u16,
    },
    /// The log has bytes that were not written so.
    #[error(
        "the log is damaged: segment {segment}, byte {offset}: {what}; restore the data directory from a backup"
    )]
    Damaged {
        /// Number of the segment.
        segment: u64,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The log has a commit that was written so, and that this version cannot read.
    #[error(
        "segment {segment} of the log, byte {offset}, holds a commit that this version cannot read; \
         use the version that wrote it, or a later one"
    )]
    Unreadable {
        /// Number of the segment.
        segment: u64,
        /// Where in it.
        offset: u64,
        /// Why.
        #[source]
        source: panvault_store::RowFault,
    },
    /// The view lacks steps that the log no longer has.
    #[error(
        "the view ends at step {applied} and the log begins at step {first}; \
         restore view.sqlite and the log from the same backup"
    )]
    ViewTooOld {
        /// Last step of the view.
        applied: u64,
        /// First step of the log.
        first: u64,
    },
    /// The view has steps that the log never had.
    #[error(
        "the view holds step {applied} and the log ends at step {last}; \
         the log lacks what was acknowledged: restore the data directory from a backup"
    )]
    ViewAhead {
        /// Last step of the view.
        applied: u64,
        /// Last step of the log.
        last: u64,
    },
    /// The view and the log disagree on what a step was.
    #[error(
        "view.sqlite and the log do not belong together at step {sequence}; restore both from the same backup"
    )]
    ViewForeign {
        /// The step.
        sequence: u64,
    },
    /// A file cannot be used.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no room for the view.
    #[error("the disk of the data directory has no room for view.sqlite; free some space and start again")]
    ViewFull(#[source] rusqlite::Error),
    /// Somebody else writes to the view.
    #[error("another process writes to view.sqlite; end it, or what it does there, and start again")]
    ViewBusy(#[source] rusqlite::Error),
    /// The view has what is never written so.
    #[error("view.sqlite is damaged: {what}; restore the data directory from a backup")]
    ViewDamaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The view cannot be used.
    #[error(
        "view.sqlite cannot be used; if the log reaches back to step 1 it may be moved away and is rebuilt"
    )]
    View(#[source] rusqlite::Error),
    /// A row of the view cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[source] panvault_store::RowFault),
}

impl OpenFault {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl From<rusqlite::Error> for OpenFault {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) {
            Self::ViewFull(error)
        } else if is_busy(&error) {
            Self::ViewBusy(error)
        } else {
            Self::View(error)
        }
    }
}

impl From<panvault_store::RowFault> for OpenFault {
    fn from(fault: panvault_store::RowFault) -> Self {
        Self::Row(fault)
    }
}

/// Whether somebody else, who writes to the view too, was in the way.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether a write of the view failed for want of room: of its file, its log, or the index of its log.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    let shm_size = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == shm_size)
}
