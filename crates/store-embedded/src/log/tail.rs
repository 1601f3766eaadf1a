use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use panvault_model::VaultId;
use panvault_store::Chain;

use crate::files::{Files, LogFile};
use crate::log::erase::erase;
use crate::log::frame::{Finished, FrameBuilder, TAG_BYTES};
use crate::log::recover::Recovered;
use crate::log::segment::{BLOCK_BYTES, SegmentHeader, segment_path};
use crate::log::spare::Spares;

/// The end of the log, where the one writer appends.
pub(crate) struct Tail {
    files: Arc<dyn Files>,
    log: PathBuf,
    vault: VaultId,
    bytes: u64,
    segment: Open,
    next_sequence: u64,
    tag: [u8; TAG_BYTES],
    /// Version of the key of that.
    key: u16,
}

/// The segment that is written to.
struct Open {
    file: Box<dyn LogFile>,
    number: u64,
    bytes: u64,
    offset: u64,
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(crate) enum AppendFault {
    /// There is no room for another segment; nothing was written.
    Full,
    /// A write or flush failed: what is on the disk cannot be told, and nothing more may be written.
    Failed(io::Error),
}

impl Tail {
    /// Goes on where a recovered log ends. A torn frame is erased first: a shorter one over it would leave its end behind.
    pub(crate) fn open(
        files: Arc<dyn Files>,
        log: PathBuf,
        vault: VaultId,
        bytes: u64,
        found: &Recovered,
    ) -> io::Result<Self> {
        let last = found.segments.last().ok_or(io::ErrorKind::NotFound)?;
        let file = files.open(&segment_path(&log, last.number))?;
        if found.torn {
            erase(file.as_ref(), found.offset, file.bytes()?)?;
        }
        let segment = Open { file, number: last.number, bytes: last.bytes, offset: found.offset };
        let (next_sequence, tag, key) = (found.next_sequence, found.tag, found.key);
        Ok(Self { files, log, vault, bytes, segment, next_sequence, tag, key })
    }

    /// Place of the next step.
    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Where the next frame goes in the segment.
    #[cfg(test)]
    pub(crate) const fn offset(&self) -> u64 {
        self.segment.offset
    }

    /// Number of the segment that is written to.
    pub(crate) const fn segment(&self) -> u64 {
        self.segment.number
    }

    /// Appends a frame and flushes it: when this returns, its steps are durable. Gives the tag of the frame before it too.
    pub(crate) fn append(
        &mut self,
        builder: &mut FrameBuilder,
        chain: &dyn Chain,
        spares: &Spares,
    ) -> Result<(Finished, [u8; TAG_BYTES]), AppendFault> {
        if self.segment.offset + builder.len() as u64 > self.segment.bytes {
            self.roll(chain, spares)?;
        }
        let previous = self.tag;
        let finished = builder.finish(self.segment.number, self.next_sequence, (&previous, self.key), chain);
        let (bytes, finished) = finished.ok_or_else(no_key)?;
        self.segment.file.write_at(bytes, self.segment.offset).map_err(AppendFault::Failed)?;
        self.segment.file.flush().map_err(AppendFault::Failed)?;
        self.segment.offset += bytes.len() as u64;
        (self.tag, self.key) = (finished.tag, finished.key);
        self.next_sequence += u64::from(builder.count());
        Ok((finished, previous))
    }

    /// Goes on in a new segment.
    pub(crate) fn roll(&mut self, chain: &dyn Chain, spares: &Spares) -> Result<(), AppendFault> {
        let number = self.segment.number + 1;
        let file = spares
            .take(&segment_path(&self.log, number))
            .map_err(AppendFault::Failed)?
            .ok_or(AppendFault::Full)?;
        let header = SegmentHeader {
            vault: self.vault,
            number,
            first_sequence: self.next_sequence,
            bytes: self.bytes,
            previous: self.tag,
            key: chain.version(self.key),
        };
        self.key = header.key;
        let block = header.encode(chain).ok_or_else(no_key)?;
        file.write_at(&block, 0)
            .and_then(|()| file.flush())
            .and_then(|()| self.files.sync_directory(&self.log))
            .map_err(AppendFault::Failed)?;
        self.segment = Open { file, number, bytes: self.bytes, offset: BLOCK_BYTES as u64 };
        Ok(())
    }
}

/// The key that chains was destroyed while it made something: it never is.
fn no_key() -> AppendFault {
    AppendFault::Failed(io::Error::other("there is no key to chain with"))
}
