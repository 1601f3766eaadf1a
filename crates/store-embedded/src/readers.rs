//! Connections that read the view by id. A read of SQLite's takes and gives back a lock of the file, which is a good part of what it
//! costs; so a connection keeps what it sees for as long as nothing new is in the view.

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use panvault_directory::Directory;
use rusqlite::Connection;

use crate::fault::OpenFault;
use crate::view::{self, Access};

/// The connections: some for everyone, one that is waited for when those are in use, and one for whoever commits.
pub(crate) struct Readers {
    free: Vec<Mutex<Reader>>,
    last: Mutex<Reader>,
    committing: Mutex<Reader>,
    turn: AtomicUsize,
    /// Counts the commits of the view.
    commits: AtomicU64,
    /// The view is being checkpointed: nobody is to keep anything.
    checkpointing: AtomicBool,
}

/// A connection, and the count of commits whose outcome it sees for as long as it is kept.
pub(crate) struct Reader {
    view: Connection,
    sees: Option<u64>,
}

impl Readers {
    /// Connects so many for everyone.
    pub(crate) fn open(directory: &Directory, count: usize, cache_kib: u32) -> Result<Self, OpenFault> {
        let reader = || {
            let view = view::connect(directory, Access::Read, cache_kib)?;
            Ok::<_, OpenFault>(Mutex::new(Reader { view, sees: None }))
        };
        Ok(Self {
            free: (0..count.max(1)).map(|_| reader()).collect::<Result<_, _>>()?,
            last: reader()?,
            committing: reader()?,
            turn: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            checkpointing: AtomicBool::new(false),
        })
    }

    /// A connection that nobody uses, or the one that is waited for. It sees all that is in the view now.
    pub(crate) fn any(&self) -> MutexGuard<'_, Reader> {
        self.first_free(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The same, first of all the one that reads what was made about when this id was: such rows lie on the same pages, so that each
    /// connection has pages of its own in its cache, and not every one the same few.
    pub(crate) fn near(&self, id: &[u8; 12]) -> MutexGuard<'_, Reader> {
        let [a, b, c, d, e, f, ..] = *id;
        // Seconds and milliseconds, without the lowest seven bits of these; multiplied so that neighbours are spread.
        let eighths = u64::from_be_bytes([0, 0, a, b, c, d, e, f]) >> (6 + 7);
        let spread = eighths.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.first_free(usize::try_from(spread).unwrap_or(0))
    }

    fn first_free(&self, from: usize) -> MutexGuard<'_, Reader> {
        let (before, behind) = self.free.split_at(from % self.free.len());
        let free = behind.iter().chain(before).find_map(|reader| reader.try_lock().ok());
        self.seeing(free.unwrap_or_else(|| self.last.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The connection of whoever commits. It sees all that is in the view now.
    pub(crate) fn committing(&self) -> MutexGuard<'_, Reader> {
        self.seeing(self.committing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn seeing<'a>(&self, mut reader: MutexGuard<'a, Reader>) -> MutexGuard<'a, Reader> {
        if self.checkpointing.load(Ordering::SeqCst) {
            reader.release();
            return reader;
        }
        // Read before the first look: what is seen then is at least as new.
        let commits = self.commits.load(Ordering::SeqCst);
        if reader.sees != Some(commits) {
            reader.release();
            reader.sees = reader.view.execute_batch("BEGIN").is_ok().then_some(commits);
        }
        reader
    }

    /// Something new is in the view. To be called before anything else forgets it.
    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::SeqCst);
    }

    /// Has nobody keep what they see while `checkpoint` runs; it is not run while somebody is reading.
    pub(crate) fn while_released<T>(&self, checkpoint: impl FnOnce() -> T) -> Option<T> {
        self.checkpointing.store(true, Ordering::SeqCst);
        let all = self.free.iter().chain([&self.last, &self.committing]);
        let release = |reader: &Mutex<Reader>| match reader.try_lock() {
            Ok(mut reader) => {
                reader.release();
                true
            }
            Err(TryLockError::Poisoned(reader)) => {
                reader.into_inner().release();
                true
            }
            Err(TryLockError::WouldBlock) => false,
        };
        // Every one of them, also when one is in use.
        let in_use = all.map(release).filter(|gone| !gone).count();
        let done = (in_use == 0).then(checkpoint);
        self.checkpointing.store(false, Ordering::SeqCst);
        done
    }

    /// Takes every connection that everyone may use.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> Vec<MutexGuard<'_, Reader>> {
        self.free.iter().chain([&self.last]).map(|reader| reader.lock().unwrap()).collect()
    }
}

impl Reader {
    fn release(&mut self) {
        if self.sees.take().is_some() {
            // A failed read may have ended the transaction already.
            drop(self.view.execute_batch("ROLLBACK"));
        }
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.view
    }
}
