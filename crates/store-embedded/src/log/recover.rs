use std::path::Path;

use panvault_model::VaultId;
use panvault_store::Chain;

use crate::fault::OpenFault;
use crate::files::Files;
use crate::log::frame::{ALIGN, Frame, TAG_BYTES};
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
    /// Where the next frame goes in the last segment.
    pub(crate) offset: u64,
    /// Whether a torn frame was dropped.
    pub(crate) torn: bool,
}

/// Reads a log from its oldest segment to its end, and hands every frame to `each`.
///
/// A last frame that does not verify is a torn tail and is dropped: it was never acknowledged. A frame that does not
/// verify with a later one that does is damage. Changes nothing.
pub(crate) fn recover(
    files: &dyn Files,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    each: &mut dyn FnMut(Frame) -> Result<(), OpenFault>,
) -> Result<Recovered, OpenFault> {
    let mut found: Vec<(u64, std::path::PathBuf)> = files
        .list(log)
        .map_err(OpenFault::io(log))?
        .into_iter()
        .filter_map(|path| Some((segment_number(&path)?, path)))
        .collect();
    found.sort();
    let mut log: Option<Recovered> = None;
    let last = found.last().map_or(0, |(number, _)| *number);
    for (number, path) in found {
        let bytes = files.read(&path).map_err(OpenFault::io(&path))?;
        let header = match SegmentHeader::read(&bytes, vault, chain, &path)? {
            Block::Header(header) if header.number == number => header,
            Block::Header(_) => return Err(damaged(number, 0, "the segment has the name of another")),
            Block::Other => {
                let begun = log.as_ref().map_or(0, |log| log.next_sequence);
                if number != last || log.is_none() || later_frame(&bytes, 0, number, begun, chain).is_some() {
                    return Err(damaged(number, 0, "the segment's header does not verify"));
                }
                // A crash came when it was about to become a segment. It holds nothing, and the next one takes its name.
                continue;
            }
        };
        if let Some(log) = &log {
            let follows = log.segments.last().is_some_and(|before| before.number + 1 == number)
                && header.first_sequence == log.next_sequence
                && header.previous == log.tag;
            if !follows {
                return Err(damaged(number, 0, "the segment does not follow the one before it"));
            }
        }
        let mut state = log.take().unwrap_or(Recovered {
            segments: Vec::new(),
            next_sequence: header.first_sequence,
            tag: header.previous,
            offset: 0,
            torn: false,
        });
        state.segments.push(header);
        read_frames(&bytes, number, chain, &mut state, each)?;
        if state.torn && number != last {
            return Err(damaged(
                number,
                state.offset,
                "a frame does not verify, and a later segment follows",
            ));
        }
        log = Some(state);
    }
    log.ok_or_else(|| damaged(0, 0, "there is no segment"))
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
        let frame = Frame::read(rest, chain).filter(|frame| {
            frame.segment == number && frame.first_sequence == log.next_sequence && frame.previous == log.tag
        });
        match frame {
            Some(frame) => {
                at += frame.bytes;
                log.next_sequence = frame.last_sequence() + 1;
                log.tag = frame.tag;
                each(frame)?;
            }
            None => {
                log.offset = at as u64;
                if let Some(later) = later_frame(bytes, at, number, log.next_sequence, chain) {
                    let what = "a frame does not verify, and a later one does";
                    return Err(damaged(number, later.min(at as u64), what));
                }
                log.torn = rest.iter().take(64).any(|byte| *byte != 0);
                return Ok(());
            }
        }
    }
}

/// Where behind `at` a frame begins that verifies and is not an old one of a segment that was used again.
fn later_frame(bytes: &[u8], at: usize, number: u64, next_sequence: u64, chain: &dyn Chain) -> Option<u64> {
    (at + ALIGN..bytes.len()).step_by(ALIGN).find_map(|place| {
        let rest = bytes.get(place..)?;
        if !rest.starts_with(b"PVFR") {
            return None;
        }
        let frame = Frame::read(rest, chain)?;
        (frame.segment == number && frame.first_sequence >= next_sequence).then_some(place as u64)
    })
}

const fn damaged(segment: u64, offset: u64, what: &'static str) -> OpenFault {
    OpenFault::Damaged { segment, offset, what }
}
