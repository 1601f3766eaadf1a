use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::failure::Failure;
use crate::files::{Files, LogFile};
use crate::limits::SPARE_RETRY_MILLIS;
use crate::log::erase::zero;

/// The thread that readies the next segment and erases old ones, so that the writer never does.
pub(crate) struct Spares {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    files: Arc<dyn Files>,
    log: PathBuf,
    bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    failure: Arc<Failure>,
}

#[derive(Default)]
struct State {
    ready: Option<Box<dyn LogFile>>,
    /// The last try to ready a segment failed; the next follows by itself.
    failed: bool,
    /// Segments that are no longer needed, oldest first.
    old: VecDeque<PathBuf>,
    /// One of them could not be let go. Those behind it stay too, for the log must not have a gap.
    stuck: bool,
    stop: bool,
    /// The thread has ended.
    ended: bool,
}

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

/// Name of the file that is to be the next segment.
fn spare_path(log: &Path) -> PathBuf {
    log.join("spare")
}

/// Name of a file that was a segment and is being erased.
fn old_path(segment: &Path) -> PathBuf {
    segment.with_extension("old")
}

impl Spares {
    /// Starts the thread. A spare that an earlier process left is made anew, and what it was erasing is erased.
    pub(crate) fn start(
        files: Arc<dyn Files>,
        log: PathBuf,
        bytes: u64,
        failure: Arc<Failure>,
    ) -> io::Result<Self> {
        let mut old = files.list(&log)?;
        old.retain(|path| *path == old_path(path));
        let state = Mutex::new(State { old: old.into(), ..State::default() });
        let shared = Arc::new(Shared { files, log, bytes, state, changed: Condvar::new(), failure });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("panvault-spare".to_owned()).spawn(move || {
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
            if let Some(file) = state.ready.take() {
                // Before anyone else may go on: the next spare is made under the name that this one has until now.
                self.shared.files.rename(&spare_path(&self.shared.log), segment)?;
                self.shared.changed.notify_all();
                return Ok(Some(file));
            }
            if state.ended && !state.stop {
                return Err(io::Error::other("the thread that readies segments has ended"));
            }
            if state.failed || state.stop {
                return Ok(None);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the disk had no room for the next segment.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.lock().failed
    }

    /// Hands over segments that are no longer needed, to be erased.
    pub(crate) fn recycle(&self, old: impl IntoIterator<Item = PathBuf>) {
        self.shared.lock().old.extend(old);
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

    /// `false` when a flush failed.
    fn run(&self) -> bool {
        let mut state = self.lock();
        loop {
            if self.failure.is() {
                // Nothing is erased any more. Whoever failed has said why.
                return false;
            }
            let wanted = state.ready.is_none() && !state.stop;
            // Old segments are erased even when the store is closing, so that nothing lingers.
            let old = if state.stuck { None } else { state.old.pop_front() };
            state = if let Some(path) = old {
                drop(state);
                match self.retire(&path, wanted) {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => self.retired(Err(error)),
                    Ok(retired) => self.retired(Ok(retired)),
                }
            } else if wanted {
                drop(state);
                match self.make() {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => self.made(Err(error)),
                    Ok(made) => self.made(Ok(made)),
                }
            } else if state.stop {
                return true;
            } else {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// After a flush that failed, a later one that succeeds proves nothing.
    fn failed(&self, error: &io::Error) -> bool {
        let advice = "nothing more is acknowledged, and nothing is erased; look at the disk of the data directory, then start \
                      again: what was acknowledged is there";
        tracing::error!(%error, advice, "log.flush_failed");
        false
    }

    fn retired(&self, retired: io::Result<Option<Box<dyn LogFile>>>) -> MutexGuard<'_, State> {
        match retired {
            Ok(Some(file)) => self.made(Ok(file)),
            Ok(None) => self.lock(),
            Err(error) => {
                tracing::warn!(%error, advice = "none; the next start tries again", "log.segment_not_erased");
                let mut state = self.lock();
                state.stuck = true;
                state
            }
        }
    }

    /// Hands out a new spare; or says that there is no room for one, and waits a while.
    fn made(&self, made: io::Result<Box<dyn LogFile>>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        self.changed.notify_all();
        match made {
            Ok(file) => {
                if core::mem::take(&mut state.failed) {
                    tracing::info!("log.room_again");
                }
                state.ready = Some(file);
                state
            }
            Err(error) => {
                if !core::mem::replace(&mut state.failed, true) {
                    let is_full =
                        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                    let advice = if is_full {
                        "free space on the disk of the data directory; writes resume by themselves"
                    } else {
                        "see what is in the place of log/spare; writes resume by themselves once it can be made"
                    };
                    tracing::error!(%error, advice, "log.no_room");
                }
                if state.stop {
                    return state;
                }
                let pause = Duration::from_millis(SPARE_RETRY_MILLIS);
                self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// A new file full of zeroes under the spare's name. What a failure leaves is removed: others need the room.
    fn make(&self) -> Result<Box<dyn LogFile>, SpareFault> {
        let path = spare_path(&self.log);
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let file = self.files.create(&path)?;
        if let Err(error) = zero(file.as_ref(), 0, self.bytes) {
            drop(self.files.remove(&path));
            return Err(error.into());
        }
        file.flush().map_err(SpareFault::Flush)?;
        Ok(file)
    }

    /// Erases an old segment, and keeps it as the spare or removes it. It loses its name first, durably: a start that
    /// finds a segment without its header takes it for damage.
    fn retire(&self, path: &Path, keep: bool) -> Result<Option<Box<dyn LogFile>>, SpareFault> {
        let old = old_path(path);
        if *path != old {
            self.files.rename(path, &old)?;
            self.files.sync_directory(&self.log).map_err(SpareFault::Flush)?;
        }
        let file = self.files.open(&old)?;
        let bytes = file.bytes()?;
        zero(file.as_ref(), 0, bytes)?;
        file.flush().map_err(SpareFault::Flush)?;
        if keep && bytes == self.bytes {
            self.files.rename(&old, &spare_path(&self.log))?;
            Ok(Some(file))
        } else {
            self.files.remove(&old)?;
            Ok(None)
        }
    }
}
