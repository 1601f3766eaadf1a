use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use panvault_store::Archived;

use crate::failure::Failure;
use crate::files::{Files, LogFile};
use crate::limits::{SPARE_RETRY_MILLIS, ZERO_BYTES, ZERO_PAUSE_MILLIS};
use crate::log::archive::{Archive, ArchivedSegment, archived_path, used_bytes};
use crate::log::erase::zero;
use crate::log::segment::segment_number;

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
    stuck: bool,
    /// Those of them that are kept for backups.
    archive: Archive,
    /// What is archived gives way to the next segment.
    shrinking: bool,
    stop: bool,
    /// The thread has ended.
    ended: bool,
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

/// An old segment that is to be archived, with its number: not one that is half erased, or that nobody wants.
fn to_archive<'a>(state: &State, old: Option<&'a PathBuf>) -> Option<(&'a PathBuf, u64)> {
    let path = old?;
    Some((path, segment_number(path).filter(|number| state.archive.wants(*number))?))
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

    /// `false` when a flush failed.
    fn run(&self) -> bool {
        let mut state = self.lock();
        loop {
            if self.failure.is() {
                // Nothing is erased any more. Whoever failed has said why.
                return false;
            }
            let keep = self.free_number(&state).filter(|_| !state.stop);
            state.shrinking = state.shrinking && state.archive.has_leaving();
            // Whoever waits for a segment does not wait until all is erased that a backup has let go.
            let is_waited = state.awaited && state.ready.is_empty() && !state.stop && !state.shrinking;
            let leaving = if is_waited { None } else { state.archive.take_leaving() };
            // Old segments are erased even when the store is closing, so that nothing lingers.
            let is_held = state.stuck || leaving.is_some() || (is_waited && state.archive.has_leaving());
            let old = if is_held { None } else { state.old.pop_front() };
            state = if let Some(number) = leaving {
                let is_last_turn = state.stop;
                drop(state);
                let archived = archived_path(&self.log, number);
                if is_last_turn {
                    // There may be many: the next start erases them.
                    drop(self.files.rename(&archived, &old_path(&archived)));
                    self.lock()
                } else {
                    match self.retire(&archived, keep) {
                        Err(SpareFault::Flush(error)) => return self.failed(&error),
                        Err(SpareFault::Other(error)) => {
                            let advice = "none; the next start tries again";
                            tracing::warn!(%error, advice, "log.archived_segment_not_erased");
                            self.lock()
                        }
                        Ok(retired) => self.retired(Ok(retired)),
                    }
                }
            } else if let Some((path, number)) = to_archive(&state, old.as_ref()) {
                drop(state);
                match self.archive(path, number) {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => self.retired(Err(error)),
                    Ok(archived) => {
                        let mut state = self.lock();
                        state.archive.put(archived);
                        state
                    }
                }
            } else if let Some(path) = old {
                // Behind what is erased now, nobody can go on from what was archived, which goes first: what is there never has a gap.
                state.archive.release(segment_number(&path).unwrap_or(0));
                if state.archive.has_leaving() {
                    state.old.push_front(path);
                    continue;
                }
                drop(state);
                match self.retire(&path, keep) {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => self.retired(Err(error)),
                    Ok(retired) => self.retired(Ok(retired)),
                }
            } else if state.ready.is_empty() && !state.stop {
                drop(state);
                match self.make() {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => match self.shrunk(&error) {
                        Some(state) => state,
                        None => self.made(Err(error)),
                    },
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
        let advice = "nothing more is acknowledged, and nothing is erased; look at the disk of the log, then start \
                      again: what was acknowledged is there";
        tracing::error!(%error, advice, "log.flush_failed");
        false
    }

    fn retired(&self, retired: io::Result<Option<Spare>>) -> MutexGuard<'_, State> {
        match retired {
            Ok(Some(spare)) => self.made(Ok(spare)),
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
    fn made(&self, made: io::Result<Spare>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        self.changed.notify_all();
        match made {
            Ok(spare) => {
                if core::mem::take(&mut state.failed) {
                    tracing::info!("log.room_again");
                }
                state.ready.push_back(spare);
                state
            }
            Err(error) => {
                if !core::mem::replace(&mut state.failed, true) {
                    let advice = if is_full(&error) {
                        "free space on the disk of the log; writes resume by themselves"
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

    /// There is no room for the next segment: the oldest that is archived gives way, if there is one.
    fn shrunk(&self, error: &io::Error) -> Option<MutexGuard<'_, State>> {
        let mut state = self.lock();
        if !is_full(error) || !state.archive.shrink(self.bytes) {
            return None;
        }
        // Until then there is no room, and nobody waits for it.
        (state.shrinking, state.failed) = (true, true);
        self.changed.notify_all();
        let advice = "free space on the disk of the log, or set backup_archive_bytes lower; the next incremental backup may be a full one";
        tracing::warn!(advice, "log.archive_gave_way");
        Some(state)
    }

    /// The number of a further spare, if there may be one. Only this thread adds any.
    fn free_number(&self, state: &State) -> Option<usize> {
        (0..self.spares_max.max(1)).find(|number| state.ready.iter().all(|(taken, _)| taken != number))
    }

    /// A new file full of zeroes under the name of the first spare. What a failure leaves is removed: others need the room.
    fn make(&self) -> Result<Spare, SpareFault> {
        let path = spare_path(&self.log, 0);
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let file = self.files.create(&path)?;
        if let Err(error) = self.zero(file.as_ref(), 0, self.bytes) {
            drop(self.files.remove(&path));
            return Err(error.into());
        }
        file.flush().map_err(SpareFault::Flush)?;
        Ok((0, file))
    }

    /// Fills a file with zeroes, a little at a time unless somebody waits for it.
    fn zero(&self, file: &dyn LogFile, mut from: u64, bytes: u64) -> io::Result<()> {
        while from < bytes {
            let to = from.saturating_add(ZERO_BYTES).min(bytes);
            zero(file, from, to)?;
            file.start_write_out(from, to);
            from = to;
            if from < bytes {
                let pause = Duration::from_millis(ZERO_PAUSE_MILLIS);
                let calm = |state: &mut State| !state.awaited && !state.stop;
                drop(self.changed.wait_timeout_while(self.lock(), pause, calm));
            }
        }
        Ok(())
    }

    /// Archives an old segment: it gets another name, durably, and gives back the room that it does not use.
    fn archive(&self, path: &Path, number: u64) -> Result<ArchivedSegment, SpareFault> {
        let archived = archived_path(&self.log, number);
        self.files.rename(path, &archived)?;
        self.files.sync_directory(&self.log).map_err(SpareFault::Flush)?;
        // One that is not cut is as good, and takes more room.
        let cut = || {
            let segment = self.files.read(&archived, u64::MAX)?;
            let file = self.files.open(&archived)?;
            file.cut(used_bytes(&segment))?;
            Ok::<_, io::Error>(ArchivedSegment::read(number, file.bytes()?, &segment))
        };
        Ok(cut().unwrap_or(ArchivedSegment { number, bytes: self.bytes, begun_at: None }))
    }

    /// Erases an old segment, and keeps it as the spare of this number or removes it. It loses its name first, durably: a start that
    /// finds a segment without its header takes it for damage.
    fn retire(&self, path: &Path, keep: Option<usize>) -> Result<Option<Spare>, SpareFault> {
        let old = old_path(path);
        if *path != old {
            self.files.rename(path, &old)?;
            self.files.sync_directory(&self.log).map_err(SpareFault::Flush)?;
        }
        let file = self.files.open(&old)?;
        let bytes = file.bytes()?;
        let is_erased = self.zero(file.as_ref(), 0, bytes);
        if let Err(error) = is_erased {
            if is_full(&error) {
                // Where even to write over something takes room, there is more of it without the file.
                self.files.remove(&old)?;
            }
            return Err(error.into());
        }
        file.flush().map_err(SpareFault::Flush)?;
        // One that was cut is as long as the others again, where there is room.
        let is_whole = |file: &dyn LogFile| bytes == self.bytes || self.lengthened(file, bytes);
        match keep.filter(|_| bytes <= self.bytes && is_whole(file.as_ref())) {
            Some(number) => {
                file.flush().map_err(SpareFault::Flush)?;
                self.files.rename(&old, &spare_path(&self.log, number))?;
                Ok(Some((number, file)))
            }
            None => {
                self.files.remove(&old)?;
                Ok(None)
            }
        }
    }

    /// Fills a file up to the length of a segment.
    fn lengthened(&self, file: &dyn LogFile, from: u64) -> bool {
        self.zero(file, from, self.bytes).is_ok()
    }
}
