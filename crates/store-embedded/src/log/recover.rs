use std::path::{Path, PathBuf};

use panvault_model::VaultId;
use panvault_store::Chain;

use crate::fault::OpenFault;
use crate::files::Files;
use crate::limits::UNUSED_SEGMENT_BYTES_MAX;
use crate::log::erase::is_erased;
use crate::log::frame::{ALIGN, Frame, MAGIC, TAG_BYTES, Verified};
use crate::log::segment::{BLOCK_BYTES, Block, SegmentHeader, segment_number};

/// A log as it was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Its segments, oldest first.
    pub(crate) segments: Vec<SegmentHeader>,
    /// The next step's place.
    pub(crate) next_sequence: u64,
    /// Tag of the last frame.
    pub(crate) tag: [u8; TAG_BYTES],
    /// Version of the key of that.
    pub(crate) key: u16,
    /// Where the next frame goes in the last segment.
    pub(crate) offset: u64,
    /// Whether anything is there: a torn frame, which was dropped.
    pub(crate) torn: bool,
}

/// Reads a log from its oldest segment to its end, and hands every frame to `each`. Changes nothing.
///
/// A last frame that does not verify is a torn tail and is dropped: it was never acknowledged. A frame that does not
/// verify with a later one that does is damage. Bytes behind the last frame of a segment that the next one follows are
/// nothing: the chain shows that no frame is missing.
pub(crate) fn recover(
    files: &dyn Files,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    each: &mut dyn FnMut(Frame) -> Result<(), OpenFault>,
) -> Result<Recovered, OpenFault> {
    let found = segments(files, log)?;
    let last = found.last().map_or(0, |(number, _)| *number);
    let mut log: Option<Recovered> = None;
    for (number, path) in found {
        let read = |bytes_max: u64| files.read(&path, bytes_max).map_err(OpenFault::io(&path));
        // The header first: it is what says how much is to be read, and nobody else can write it.
        let header = match SegmentHeader::read(&read(BLOCK_BYTES as u64)?, vault, chain, &path)? {
            Block::Header(header) if header.number == number => header,
            Block::Header(_) => return Err(damaged(number, 0, "the segment has the name of another")),
            Block::Ended => {
                return Err(damaged(number, 0, "the segment is under a key of the chain that was destroyed"));
            }
            Block::Other => {
                // A crash came when it was about to become a segment. It holds nothing, and the next one takes its name.
                if number == last && log.is_some() {
                    let bytes = read(UNUSED_SEGMENT_BYTES_MAX + 1)?;
                    let is_short = bytes.len() as u64 <= UNUSED_SEGMENT_BYTES_MAX;
                    if is_short && bytes.get(BLOCK_BYTES..).is_some_and(is_erased) {
                        continue;
                    }
                }
                return Err(damaged(number, 0, "the segment's header does not verify"));
            }
        };
        let bytes = read(header.bytes.saturating_add(1))?;
        if bytes.len() as u64 > header.bytes {
            return Err(damaged(
                number,
                header.bytes,
                "the segment ends here by its header, and its file is longer: somebody made it so",
            ));
        }
        if header.bytes > bytes.len() as u64 {
            return Err(damaged(
                number,
                bytes.len() as u64,
                "the segment ends here, and its header says that it is longer",
            ));
        }
        let mut state = match log.take() {
            Some(before) => after(before, &header)?,
            None => Recovered {
                segments: Vec::new(),
                next_sequence: header.first_sequence,
                tag: header.previous,
                key: header.key,
                offset: 0,
                torn: false,
            },
        };
        state.key = header.key;
        state.segments.push(header);
        read_frames(&bytes, number, chain, &mut state, each)?;
        log = Some(state);
    }
    log.ok_or_else(|| damaged(0, 0, "there is no segment"))
}

/// The segments of a log by their names, oldest first.
fn segments(files: &dyn Files, log: &Path) -> Result<Vec<(u64, PathBuf)>, OpenFault> {
    let listed = files.list(log).map_err(OpenFault::io(log))?;
    let mut found: Vec<_> =
        listed.into_iter().filter_map(|path| Some((segment_number(&path)?, path))).collect();
    found.sort();
    Ok(found)
}

/// The log so far, if the segment goes on where it ends.
fn after(log: Recovered, header: &SegmentHeader) -> Result<Recovered, OpenFault> {
    let Some(before) = log.segments.last() else { return Ok(log) };
    if before.number + 1 != header.number {
        return Err(damaged(before.number + 1, 0, "the segment is missing, and a later one is there"));
    }
    if header.first_sequence == log.next_sequence && header.previous == log.tag && header.key >= log.key {
        return Ok(log);
    }
    Err(if log.torn {
        damaged(before.number, log.offset, "a frame does not verify, and a later segment follows")
    } else {
        damaged(header.number, 0, "the segment does not follow the one before it")
    })
}

/// Reads the frames of one segment.
fn read_frames(
    bytes: &[u8],
    number: u64,
    chain: &dyn Chain,
    log: &mut Recovered,
    each: &mut dyn FnMut(Frame) -> Result<(), OpenFault>,
) -> Result<(), OpenFault> {
    let mut at = BLOCK_BYTES;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let offset = at as u64;
        let next = Verified::read(rest, chain).filter(|frame| {
            frame.segment == number
                && frame.first_sequence == log.next_sequence
                && frame.previous == log.tag
                && frame.key >= log.key
        });
        let Some(next) = next else {
            // The word that says so is written with that which says that a frame is there, or not at all.
            if let Some(key) = Verified::key_said(rest).filter(|key| chain.is_later(*key)) {
                return Err(OpenFault::LaterKey {
                    what: format!("segment {number} of the log, at byte {offset}"),
                    key,
                });
            }
            // Nothing is behind the end of most logs: that is seen at once, where a look for frames takes every start its time.
            log.torn = !is_erased(rest);
            if log.torn && later_frame(bytes, at, number, log.next_sequence, chain) {
                return Err(damaged(number, offset, "a frame does not verify, and a later one does"));
            }
            log.offset = offset;
            return Ok(());
        };
        let unreadable = |source| OpenFault::Unreadable { segment: number, offset, source };
        let frame = next.decode().map_err(unreadable)?;
        at += frame.bytes;
        log.next_sequence = frame.last_sequence() + 1;
        (log.tag, log.key) = (frame.tag, frame.key);
        each(frame)?;
    }
}

/// Whether a frame begins behind `at` that verifies and is not an old one of a segment that was used again.
fn later_frame(bytes: &[u8], at: usize, number: u64, next_sequence: u64, chain: &dyn Chain) -> bool {
    let behind = bytes.get(at + ALIGN..).unwrap_or_default();
    let places = behind.chunks(ALIGN).enumerate().filter(|(_, block)| block.starts_with(&MAGIC));
    places
        .filter_map(|(nth, _)| behind.get(nth * ALIGN..))
        .filter_map(|rest| Verified::read(rest, chain))
        .any(|frame| frame.segment == number && frame.first_sequence >= next_sequence)
}

const fn damaged(segment: u64, offset: u64, what: &'static str) -> OpenFault {
    OpenFault::Damaged { segment, offset, what }
}
