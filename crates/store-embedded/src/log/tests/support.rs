//! A small log, made by the code that makes real ones, and what is read back of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panvault_model::{Sealed, VaultId};
use panvault_store::{CardRow, Effects};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{self, VAULT};

use super::files::MemoryFiles;
use crate::failure::Failure;
use crate::fault::OpenFault;
use crate::files::Files;
use crate::log::frame::{Frame, FrameBuilder, HEADER_BYTES, TAG_BYTES};
use crate::log::recover::{Recovered, recover};
use crate::log::segment::{SegmentHeader, segment_path};
use crate::log::spare::Spares;
use crate::log::tail::Tail;

/// Bytes of a segment of the small log.
pub(super) const SEGMENT_BYTES: u64 = 8192;

/// Name of a segment's file.
pub(super) fn segment(number: u64) -> PathBuf {
    segment_path(Path::new("log"), number)
}

/// A log that is written to.
pub(super) struct Log {
    pub(super) files: MemoryFiles,
    pub(super) frames: Vec<Written>,
    tail: Tail,
    spares: Spares,
    builder: FrameBuilder,
}

/// A frame that was written: where, and what.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) segment: u64,
    pub(super) from: usize,
    /// Without the zeroes that fill it up.
    pub(super) to: usize,
    pub(super) first_sequence: u64,
    pub(super) effects: Vec<Effects>,
}

/// Files with one empty segment of a vault.
pub(super) fn empty(vault: VaultId, bytes: u64) -> MemoryFiles {
    let chain = rows::chain(vault);
    let previous = chain.digest(vault.as_bytes());
    let header = SegmentHeader { vault, number: 1, first_sequence: 1, bytes, previous, key: 1 };
    let mut first = header.encode(chain.as_ref()).unwrap();
    first.resize(usize::try_from(bytes).unwrap(), 0);
    MemoryFiles::of(BTreeMap::from([(segment(1), first)]))
}

/// Stores a card with so many sealed bytes.
pub(super) fn effects(n: u64, sealed: usize) -> Effects {
    vec![CardRow { sealed: Sealed::from_bytes(vec![0xc4; sealed]), ..rows::card(n) }.into()]
}

/// That of a store that has not failed.
pub(super) fn failure() -> Arc<Failure> {
    Failure::new(Arc::default())
}

impl Log {
    /// An empty log.
    pub(super) fn new() -> Self {
        Self::open(empty(VAULT, SEGMENT_BYTES)).unwrap()
    }

    /// Goes on with the log in these files, as a start does.
    pub(super) fn open(files: MemoryFiles) -> Result<Self, OpenFault> {
        let (found, _) = read(&files)?;
        let shared: Arc<dyn Files> = Arc::new(files.clone());
        let log = PathBuf::from("log");
        let tail = Tail::open(Arc::clone(&shared), log.clone(), VAULT, SEGMENT_BYTES, &found)
            .map_err(OpenFault::io(&log))?;
        let spares = Spares::start(shared, log.clone(), SEGMENT_BYTES, 1, 0, failure())
            .map_err(OpenFault::io(&log))?;
        Ok(Self { files, frames: Vec::new(), tail, spares, builder: FrameBuilder::default() })
    }

    /// Appends a frame of one step for each size, with so many sealed bytes.
    pub(super) fn append(&mut self, sizes: &[usize]) {
        let chain = rows::chain(VAULT);
        let first_sequence = self.tail.next_sequence();
        self.builder.clear();
        let mut all = Vec::new();
        for (n, sealed) in (first_sequence..).zip(sizes) {
            let effects = effects(n, *sealed);
            assert!(self.builder.push(&card_insert(&rows::card(n)).audit, &effects, usize::MAX));
            all.push(effects);
        }
        let padded = self.builder.len();
        let (finished, _) =
            self.tail.append(&mut self.builder, chain.as_ref(), &self.spares).map_err(drop).unwrap();
        let to = usize::try_from(self.tail.offset()).unwrap();
        let notes = sizes.len() * panvault_store::AuditNote::BYTES;
        let effects_bytes = usize::try_from(finished.effects_bytes).unwrap();
        let from = to - padded;
        let to = from + HEADER_BYTES + notes + effects_bytes + TAG_BYTES;
        self.frames.push(Written { segment: finished.segment, from, to, first_sequence, effects: all });
    }

    /// Goes on in a new segment.
    pub(super) fn roll(&mut self) {
        assert!(self.try_roll());
    }

    /// Goes on in a new segment, if the files let it.
    pub(super) fn try_roll(&mut self) -> bool {
        self.tail.roll(rows::chain(VAULT).as_ref(), &self.spares).is_ok()
    }

    /// The segments as they are on the disk; the spare is not one of them.
    pub(super) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut image = self.files.image();
        image.retain(|path, _| path.extension().is_some_and(|end| end == "seg"));
        image
    }
}

/// Two segments: three frames, the second of two steps, and two frames.
pub(super) fn small_log() -> Log {
    let mut log = Log::new();
    log.append(&[40]);
    log.append(&[50, 60]);
    log.append(&[0]);
    log.roll();
    log.append(&[33]);
    log.append(&[900]);
    log
}

/// Reads a log as a start does.
pub(super) fn read(files: &dyn Files) -> Result<(Recovered, Vec<Frame>), OpenFault> {
    let mut frames = Vec::new();
    let chain = rows::chain(VAULT);
    let found = recover(files, Path::new("log"), VAULT, chain.as_ref(), &mut |frame| {
        frames.push(frame);
        Ok(())
    })?;
    Ok((found, frames))
}

/// Reads the log in an image.
pub(super) fn read_image(image: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(Recovered, Vec<Frame>), OpenFault> {
    read(&MemoryFiles::of(image.clone()))
}

/// What was read is what was written, as far as it goes.
pub(super) fn assert_front(read: &[Frame], written: &[Written]) {
    assert!(read.len() <= written.len(), "more frames than were written");
    for (read, written) in read.iter().zip(written) {
        assert_eq!(read.first_sequence, written.first_sequence);
        assert_eq!(read.effects, written.effects);
        assert_eq!(read.notes.len(), written.effects.len());
    }
}

/// Segment and byte of a damage.
pub(super) fn place(fault: &OpenFault) -> (u64, u64) {
    match fault {
        OpenFault::Damaged { segment, offset, .. } => (*segment, *offset),
        other => panic!("not a damage: {other:?}"),
    }
}
