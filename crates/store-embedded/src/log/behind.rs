//! What the log and its archive have behind a place. It is read while both are in use, and nobody waits for that: what is erased meanwhile does not verify.

use std::io;
use std::path::{Path, PathBuf};

use panvault_model::VaultId;
use panvault_store::Chain;

use crate::fault::OpenFault;
use crate::files::Files;
use crate::frames::{FramesFault, LogPlace};
use crate::log::archive::{archived_number, archived_path};
use crate::log::frame::Verified;
use crate::log::segment::{BLOCK_BYTES, Block, SegmentHeader, segment_number, segment_path};

/// The log, as far as it is read.
pub(crate) struct LogRead<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) log: &'a Path,
    pub(crate) vault: VaultId,
    pub(crate) chain: &'a dyn Chain,
}

impl LogRead<'_> {
    /// Hands out every frame behind a place, up to the step `until`, which is durable. Says which segment has the last.
    pub(crate) fn behind(
        &self,
        since: LogPlace,
        until: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<(), FramesFault>,
    ) -> Result<(LogPlace, u64), FramesFault> {
        if since.sequence > until {
            return Err(FramesFault::Ahead { sequence: since.sequence, last: until });
        }
        let gone = || FramesFault::Gone { sequence: since.sequence };
        let (mut number, mut place) = self.start(since)?.ok_or_else(gone)?;
        let (mut read, mut key) = (number, 0);
        loop {
            let found = self.segment(number, u64::MAX)?;
            let follows = |header: &SegmentHeader| {
                header.first_sequence == place.sequence.saturating_add(1) && header.previous == place.tag
            };
            let Some((header, bytes)) = found.filter(|(header, _)| follows(header)) else {
                let is_damaged = self.is_there(number)? && self.is_there(read)?;
                return Err(if is_damaged { FramesFault::Damaged { segment: read } } else { gone() });
            };
            (read, key) = (number, key.max(header.key));
            let mut rest = bytes.get(BLOCK_BYTES..).unwrap_or_default();
            loop {
                if place.sequence == since.sequence && place.tag != since.tag {
                    return Err(FramesFault::Another { sequence: since.sequence });
                }
                if place.sequence >= until {
                    return Ok((place, number));
                }
                let next = Verified::read(rest, self.chain)
                    .filter(|frame| frame.segment == number && frame.follows(&place, key));
                let Some(frame) = next else { break };
                let (end, is_new) = (frame.end(), place.sequence >= since.sequence);
                key = frame.key;
                let Some((frame, behind)) = rest.split_at_checked(frame.bytes()) else { break };
                if is_new {
                    each(frame)?;
                } else if end.sequence > since.sequence {
                    return Err(FramesFault::Another { sequence: since.sequence });
                }
                (place, rest) = (end, behind);
            }
            number = number.saturating_add(1);
        }
    }

    /// The newest segment that begins no later than behind a place, and where it begins.
    fn start(&self, since: LogPlace) -> Result<Option<(u64, LogPlace)>, FramesFault> {
        let listed = self.files.list(self.log).map_err(|error| self.unread(error))?;
        let number = |path: &PathBuf| segment_number(path).or_else(|| archived_number(path));
        let mut numbers: Vec<u64> = listed.iter().filter_map(number).collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            // The newest may not have its header yet, and the oldest may just have gone.
            let Some((header, _)) = self.segment(number, BLOCK_BYTES as u64)? else { continue };
            if let Some(before) =
                header.first_sequence.checked_sub(1).filter(|before| *before <= since.sequence)
            {
                return Ok(Some((number, LogPlace { sequence: before, tag: header.previous })));
            }
        }
        Ok(None)
    }

    /// Header and first bytes of a segment, in the log or archived; `None` where it is not there, or is erased.
    fn segment(&self, number: u64, bytes_max: u64) -> Result<Option<(SegmentHeader, Vec<u8>)>, FramesFault> {
        // In this order: one that is archived between the two is met.
        for path in [segment_path(self.log, number), archived_path(self.log, number)] {
            let block = match self.files.read(&path, BLOCK_BYTES as u64) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(|error| self.unread(error))?,
            };
            let header = match SegmentHeader::read(&block, self.vault, self.chain, &path) {
                Ok(Block::Header(header)) if header.number == number => header,
                Ok(Block::Ended) => return Err(FramesFault::KeyGone),
                Ok(Block::Header(_) | Block::Other) => return Ok(None),
                Err(fault) => return Err(FramesFault::Read(fault)),
            };
            let read = self.files.read(&path, header.bytes.min(bytes_max));
            return match read {
                // It went from one name to the other, or for good.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => Ok(Some((header, read.map_err(|error| self.unread(error))?))),
            };
        }
        Ok(None)
    }

    /// Version of the key that the first segment of the log begins with; `None` where the log is changing.
    pub(crate) fn first_key(&self) -> Result<Option<u16>, FramesFault> {
        let listed = self.files.list(self.log).map_err(|error| self.unread(error))?;
        let first = listed.iter().filter_map(|path| segment_number(path)).min();
        let found = first.map(|number| self.segment(number, BLOCK_BYTES as u64)).transpose()?;
        Ok(found.flatten().map(|(header, _)| header.key))
    }

    /// Whether a segment is there, in the log or archived.
    fn is_there(&self, number: u64) -> Result<bool, FramesFault> {
        let listed = self.files.list(self.log).map_err(|error| self.unread(error))?;
        let paths = [segment_path(self.log, number), archived_path(self.log, number)];
        Ok(paths.iter().any(|path| listed.contains(path)))
    }

    fn unread(&self, error: io::Error) -> FramesFault {
        FramesFault::Read(OpenFault::io(self.log)(error))
    }
}
