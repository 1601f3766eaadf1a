mod files;
mod work;

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use panvault_store::Archived;

use crate::failure::Failure;
use crate::files::{Files, LogFile};
use crate::log::archive::Archive;

/// The thread that readies the next segment and erases or archives old ones, so that the writer never does.
pub(crate) struct Spares {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    files: Arc<dyn Files>,
    log: PathBuf,
    bytes: u64,
    spares_max: usize,
    state: Mutex<State>,
    changed: Condvar,
    failure: Arc<Failure>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Spare>,
    /// Somebody waits for one.
    awaited: bool,
    /// The last try to ready a segment failed; the next follows by itself.
    failed: bool,
    /// Segments that are no longer needed, oldest first.
    old: VecDeque<PathBuf>,
    /// One of them could not be let go. Those behind it stay too, for the log must not have a gap.
    again: Option<Again>,
    /// Those of them that are kept for backups.
    archive: Archive,
    /// What is archived gives way to the next segment.
    shrinking: bool,
    stop: bool,
    /// The thread has ended.
    ended: bool,
}

impl State {
    /// Whether there is anything that nobody needs.
    fn has_old(&self) -> bool {
        !self.old.is_empty() || self.archive.has_leaving()
    }
}

/// When what could not be let go is tried again, and how long the pause until then was made.
#[derive(Clone, Copy)]
struct Again {
    at: Instant,
    pause: Duration,
}

/// A zeroed file that is to be a segment, and the number in its name.
type Spare = (usize, Box<dyn LogFile>);

/// Why the thread did not do a piece of its work.
enum SpareFault {
    /// What is on the disk cannot be told.
    Flush(io::Error),
    /// It can be tried again.
    Other(io::Error),
}

impl From<io::Error> for SpareFault {
    fn from(error: io::Error) -> Self {
        Self::Other(error)
    }
}

/// Name of a file that is to be a segment.
fn spare_path(log: &Path, number: usize) -> PathBuf {
    if number == 0 { log.join("spare") } else { log.join(format!("spare.{number}")) }
}

/// Whether a file has such a name.
fn is_spare(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "spare" || name.strip_prefix("spare.").is_some_and(|number| number.parse::<usize>().is_ok())
}

/// Whether it is room that is missing.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Name of a file that was a segment and is being erased.
fn old_path(segment: &Path) -> PathBuf {
    segment.with_extension("old")
}

impl Spares {
    /// Starts the thread. Spares that an earlier process left are made anew as they are needed, and what it was erasing is erased.
    /// So many are kept at most, and always one.
    pub(crate) fn start(
        files: Arc<dyn Files>,
        log: PathBuf,
        bytes: u64,
        spares_max: usize,
        archive_bytes_max: u64,
        failure: Arc<Failure>,
    ) -> io::Result<Self> {
        let (left, mut old): (Vec<_>, Vec<_>) =
            files.list(&log)?.into_iter().partition(|path| is_spare(path));
        old.retain(|path| *path == old_path(path));
        let archive = Archive::found(files.as_ref(), &log, archive_bytes_max)?;
        let state = Mutex::new(State { old: old.into(), archive, ..State::default() });
        let shared =
            Arc::new(Shared { files, log, bytes, spares_max, state, changed: Condvar::new(), failure });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("panvault-spare".to_owned()).spawn(move || {
            // Nobody knows whether they are whole.
            left.iter().for_each(|spare| drop(theirs.files.remove(spare)));
            theirs.failure.watch(|| theirs.run());
            theirs.lock().ended = true;
            theirs.changed.notify_all();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Gives the zeroed file the name of a segment and hands it out; waits while it is being made. `None` when there is no
    /// room for one; an error when the thread that makes them is gone.
    pub(crate) fn take(&self, segment: &Path) -> io::Result<Option<Box<dyn LogFile>>> {
        let mut state = self.shared.lock();
        loop {
            if let Some((number, file)) = state.ready.pop_front() {
                // Before anyone else may go on: the next spare is made under the name that this one has until now.
                self.shared.files.rename(&spare_path(&self.shared.log, number), segment)?;
                state.awaited = false;
                self.shared.changed.notify_all();
                return Ok(Some(file));
            }
            if state.ended && !state.stop {
                return Err(io::Error::other("the thread that readies segments has ended"));
            }
            if state.failed || state.stop {
                state.awaited = false;
                return Ok(None);
            }
            state.awaited = true;
            self.shared.changed.notify_all();
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the disk had no room for the next segment.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.lock().failed
    }

    /// Hands over segments that are no longer needed, to be archived or erased.
    pub(crate) fn recycle(&self, old: impl IntoIterator<Item = PathBuf>) {
        self.shared.lock().old.extend(old);
        self.shared.changed.notify_all();
    }

    /// What is archived of segments before this number goes.
    pub(crate) fn archive_release(&self, number: u64) {
        self.shared.lock().archive.release(number);
        self.shared.changed.notify_all();
    }

    /// Whether what is no longer needed is kept for backups.
    pub(crate) fn archives(&self) -> bool {
        self.shared.lock().archive.keeps()
    }

    /// How much is archived.
    pub(crate) fn archived(&self) -> Option<Archived> {
        self.shared.lock().archive.status()
    }

    /// How many segments nobody needs that could not be erased, or wait for one that could not.
    pub(crate) fn unerased(&self) -> usize {
        let state = self.shared.lock();
        state.again.map_or(0, |_| state.old.len() + state.archive.leaving())
    }

    /// All that is archived goes: others need the room.
    pub(crate) fn archive_clear(&self) {
        self.shared.lock().archive.clear();
        self.shared.changed.notify_all();
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
