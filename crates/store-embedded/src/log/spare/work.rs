//! What the thread does: first whoever waits for a segment, then what is to go, oldest first.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use crate::deleted::now;
use crate::limits::{ERASE_RETRY_MILLIS, ERASE_RETRY_SECONDS_MAX, SPARE_RETRY_MILLIS};
use crate::log::archive::archived_path;
use crate::log::segment::segment_number;
use crate::log::spare::{Again, Shared, Spare, SpareFault, State, is_full, old_path};

impl Shared {
    /// `false` when a flush failed.
    pub(super) fn run(&self) -> bool {
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
            // What could not be erased is tried again by the next start, where this is the end.
            let is_off = state.again.is_some_and(|again| state.stop || now() < again.at);
            let leaving = if is_waited { None } else { state.archive.take_leaving() };
            // Old segments are erased even when the store is closing, so that nothing lingers.
            let is_held = is_off || leaving.is_some() || (is_waited && state.archive.has_leaving());
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
                        Err(SpareFault::Other(error)) => self.not_erased(&archived, &error),
                        Ok(Some(spare)) => self.made(Ok(spare)),
                        // Another that could not be let go is still there.
                        Ok(None) => self.lock(),
                    }
                }
            } else if let Some((path, number)) = to_archive(&state, old.as_ref()) {
                drop(state);
                match self.archive(path, number) {
                    Err(SpareFault::Flush(error)) => return self.failed(&error),
                    Err(SpareFault::Other(error)) => self.not_erased(path, &error),
                    Ok(archived) => {
                        let mut state = self.erased();
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
                    Err(SpareFault::Other(error)) => self.not_erased(&path, &error),
                    Ok(retired) => self.retired(retired),
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
                self.changed_or_again(state)
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

    fn retired(&self, retired: Option<Spare>) -> MutexGuard<'_, State> {
        drop(self.erased());
        match retired {
            Some(spare) => self.made(Ok(spare)),
            None => self.lock(),
        }
    }

    /// A segment could be let go: whatever was in the way is not there any more.
    fn erased(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if state.again.take().is_some() {
            tracing::info!("log.segment_erased_again");
        }
        state
    }

    /// What could not be let go is tried again after a pause that doubles, and what came after it waits: the log must not have a gap.
    fn not_erased(&self, path: &Path, error: &io::Error) -> MutexGuard<'_, State> {
        let there = self.files.list(&self.log);
        let mut state = self.lock();
        let pause = match state.again {
            Some(again) => (again.pause * 2).min(Duration::from_secs(ERASE_RETRY_SECONDS_MAX)),
            None => {
                let advice = "see who may write to the directory of the log, and what is in the place of the file; it is tried again by itself";
                tracing::warn!(%error, path = %path.display(), advice, "log.segment_not_erased");
                Duration::from_millis(ERASE_RETRY_MILLIS)
            }
        };
        state.again = Some(Again { at: now() + pause, pause });
        // It may have lost its name by then, and may be gone.
        let is_there = |name: &PathBuf| there.as_ref().map_or(name == path, |there| there.contains(name));
        match [old_path(path), path.to_owned()].into_iter().find(is_there) {
            Some(left) => state.old.push_front(left),
            None => state.again = None,
        }
        state
    }

    /// Waits until there is something to do.
    fn changed_or_again<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        match state.again {
            Some(again) if state.has_old() => {
                let pause = again.at.saturating_duration_since(now());
                self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
            }
            Some(_) | None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
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
}

/// An old segment that is to be archived, with its number: not one that is half erased, or that nobody wants.
fn to_archive<'a>(state: &State, old: Option<&'a PathBuf>) -> Option<(&'a PathBuf, u64)> {
    let path = old?;
    Some((path, segment_number(path).filter(|number| state.archive.wants(*number))?))
}
