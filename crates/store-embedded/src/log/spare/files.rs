//! What the thread does with files.

use core::time::Duration;
use std::io;
use std::path::Path;

use crate::files::LogFile;
use crate::limits::{ZERO_BYTES, ZERO_PAUSE_MILLIS};
use crate::log::archive::{ArchivedSegment, archived_path, used_bytes};
use crate::log::erase::zero;
use crate::log::spare::{Shared, Spare, SpareFault, State, is_full, old_path, spare_path};

impl Shared {
    /// A new file full of zeroes under the name of the first spare. What a failure leaves is removed: others need the room.
    pub(super) fn make(&self) -> Result<Spare, SpareFault> {
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
    pub(super) fn archive(&self, path: &Path, number: u64) -> Result<ArchivedSegment, SpareFault> {
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
    pub(super) fn retire(&self, path: &Path, keep: Option<usize>) -> Result<Option<Spare>, SpareFault> {
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
