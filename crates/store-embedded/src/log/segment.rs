//! A segment is a file of fixed size, written once from front to back: a block that says what it is, then frames.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | `PANVLOG` and a zero byte |
//! | 8 | 2 | format, 2 |
//! | 10 | 2 | version of the key of its tag |
//! | 12 | 12 | id of the vault |
//! | 24 | 8 | number of the segment, from 1 |
//! | 32 | 8 | sequence of the first step in it |
//! | 40 | 8 | bytes of the segment |
//! | 48 | 32 | tag of the last frame before it; in the first segment, SHA-256 of the vault id |
//! | 80 | 32 | tag: HMAC-SHA-256 over bytes 0 to 79 |
//! | 112 | 3984 | zeroes |
//! | 4096 | | frames, then zeroes |

use std::path::{Path, PathBuf};

use panvault_model::VaultId;
use panvault_store::Chain;
use panvault_store::codec::Reader;

use crate::fault::OpenFault;
use crate::log::frame::TAG_BYTES;

/// Bytes before the first frame of a segment.
pub(crate) const BLOCK_BYTES: usize = 4096;

const MAGIC: [u8; 8] = *b"PANVLOG\0";
const FORMAT: u16 = 2;
const TAGGED_BYTES: usize = 80;

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Whose log it is of.
    pub(crate) vault: VaultId,
    /// Counts segments, from 1.
    pub(crate) number: u64,
    /// Place of the first step in it.
    pub(crate) first_sequence: u64,
    /// Bytes of the segment.
    pub(crate) bytes: u64,
    /// Version of the key of its tag: no frame in it has one of before.
    pub(crate) key: u16,
    /// Tag of the last frame before it.
    pub(crate) previous: [u8; TAG_BYTES],
}

/// What the first block of a segment is.
pub(crate) enum Block {
    /// A header that verifies.
    Header(SegmentHeader),
    /// Says that it is under a key that was destroyed.
    Ended,
    /// Nothing that verifies.
    Other,
}

/// Name of a segment's file.
pub(crate) fn segment_path(log: &Path, number: u64) -> PathBuf {
    log.join(format!("{number:016x}.seg"))
}

/// Number of the segment in a file of that name.
pub(crate) fn segment_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    if name.len() == 16 { u64::from_str_radix(name, 16).ok() } else { None }
}

impl SegmentHeader {
    /// The first block; `None` where its key is gone.
    pub(crate) fn encode(&self, chain: &dyn Chain) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(self.vault.as_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.first_sequence.to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.previous);
        let tag = chain.tag(self.key, &[&out])?;
        out.extend_from_slice(&tag);
        out.resize(BLOCK_BYTES, 0);
        Some(out)
    }

    /// Reads the first block. A good header of another vault or a later format is a fault of its own.
    pub(crate) fn read(
        bytes: &[u8],
        vault: VaultId,
        chain: &dyn Chain,
        what: &Path,
    ) -> Result<Block, OpenFault> {
        let Some(tagged) = bytes.get(..TAGGED_BYTES) else { return Ok(Block::Other) };
        let what = || what.display().to_string();
        let mut reader = Reader::new(bytes);
        if reader.fixed::<8>()? != MAGIC {
            return Ok(Block::Other);
        }
        match reader.u16()? {
            FORMAT => {}
            0 => return Ok(Block::Other),
            format if format > FORMAT => return Err(OpenFault::NewerFormat { what: what() }),
            format => return Err(OpenFault::OlderFormat { what: what(), format: format.into() }),
        }
        let key = reader.u16()?;
        if VaultId::from_bytes(reader.fixed()?) != vault {
            return Err(OpenFault::Foreign { what: what() });
        }
        let header = Self {
            vault,
            number: reader.u64()?,
            first_sequence: reader.u64()?,
            bytes: reader.u64()?,
            previous: reader.fixed()?,
            key,
        };
        let Ok(tag) = reader.fixed::<TAG_BYTES>() else { return Ok(Block::Other) };
        match chain.tag(key, &[tagged]) {
            Some(ours) if ours == tag => Ok(Block::Header(header)),
            None if chain.is_later(key) => Err(OpenFault::LaterKey { what: what(), key }),
            None if key > 0 => Ok(Block::Ended),
            Some(_) | None => Ok(Block::Other),
        }
    }
}
