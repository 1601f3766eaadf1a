use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::files::{Files, LogFile};
use crate::limits::SPARE_RETRY_MILLIS;

/// Bytes written at a time when a segment is filled with zeroes.
const ZEROES: [u8; 1 << 18] = [0; 1 << 18];

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
}

#[derive(Default)]
struct State {
    ready: Option<Box<dyn LogFile>>,
    /// The last try to ready a segment failed; the next follows by itself.
    failed: bool,
    /// Segments that are no longer needed.
    old: Vec<PathBuf>,
    stop: bool,
}

/// Name of the file that is to be the next segment.
pub(crate) fn spare_path(log: &Path) -> PathBuf {
    log.join("spare")
}

/// Fills a file with zeroes, durably.
pub(crate) fn erase(file: &dyn LogFile, bytes: u64) -> io::Result<()> {
    let mut at = 0;
    while at < bytes {
        let len = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(ZEROES.len());
        file.write_at(ZEROES.get(..len).unwrap_or(&ZEROES), at)?;
        at += len as u64;
    }
    file.flush()
}

impl Spares {
    /// Starts the thread. A spare that an earlier process left is made anew.
    pub(crate) fn start(files: Arc<dyn Files>, log: PathBuf, bytes: u64) -> io::Result<Self> {
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { files, log, bytes, state, changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("panvault-spare".to_owned()).spawn(move || theirs.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The zeroed file that is to be the next segment; waits while it is being made. `None` when there is no room for one.
    pub(crate) fn take(&self) -> Option<Box<dyn LogFile>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(file) = state.ready.take() {
                self.shared.changed.notify_all();
                return Some(file);
            }
            if state.failed || state.stop {
                return None;
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

    fn run(&self) {
        let mut state = self.lock();
        loop {
            // Old segments are erased even when the store is closing, so that nothing lingers.
            let old = core::mem::take(&mut state.old);
            let wanted = state.ready.is_none() && !state.stop;
            if state.stop && old.is_empty() {
                return;
            }
            if !wanted && old.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            let mut reusable = None;
            for path in old {
                match self.retire(&path, wanted && reusable.is_none()) {
                    Ok(kept) => reusable = reusable.or(kept),
                    Err(error) => {
                        tracing::warn!(%error, advice = "none; the next start tries again", "log.segment_not_erased");
                    }
                }
            }
            let made = if wanted { Some(reusable.map_or_else(|| self.make(), Ok)) } else { None };
            state = self.lock();
            match made {
                Some(Ok(file)) => {
                    if core::mem::take(&mut state.failed) {
                        tracing::info!("log.room_again");
                    }
                    state.ready = Some(file);
                    self.changed.notify_all();
                }
                Some(Err(error)) => {
                    if !core::mem::replace(&mut state.failed, true) {
                        let advice =
                            "free space on the disk of the data directory; writes resume by themselves";
                        tracing::error!(%error, advice, "log.no_room");
                    }
                    self.changed.notify_all();
                    let pause = Duration::from_millis(SPARE_RETRY_MILLIS);
                    state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
                }
                None => {}
            }
        }
    }

    /// A new file full of zeroes under the spare's name.
    fn make(&self) -> io::Result<Box<dyn LogFile>> {
        let path = spare_path(&self.log);
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = self.files.create(&path)?;
        erase(file.as_ref(), self.bytes)?;
        Ok(file)
    }

    /// Erases an old segment, and keeps it as the spare or removes it.
    fn retire(&self, path: &Path, keep: bool) -> io::Result<Option<Box<dyn LogFile>>> {
        let file = self.files.open(path)?;
        erase(file.as_ref(), self.bytes)?;
        if keep {
            self.files.rename(path, &spare_path(&self.log))?;
            Ok(Some(file))
        } else {
            self.files.remove(path)?;
            Ok(None)
        }
    }
}
