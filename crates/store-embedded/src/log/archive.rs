//! Segments that the log has given up and that are kept for incremental backups, as files that were only renamed: to archive one writes nothing, and nobody waits for it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use panvault_model::Timestamp;
use panvault_store::codec::Reader;
use panvault_store::{Archived, AuditNote};

use crate::files::Files;
use crate::log::frame::{ALIGN, HEADER_BYTES, TAG_BYTES};
use crate::log::segment::{BLOCK_BYTES, segment_number, segment_path};

/// What the name of such a file ends with.
const ARCHIVED: &str = "archived";

/// Name of a segment that is archived.
pub(crate) fn archived_path(log: &Path, number: u64) -> PathBuf {
    segment_path(log, number).with_extension(ARCHIVED)
}

/// Number of the segment in a file of that name.
pub(crate) fn archived_number(path: &Path) -> Option<u64> {
    let is_archived = path.extension().is_some_and(|end| end == ARCHIVED);
    segment_number(&path.with_extension("seg")).filter(|_| is_archived)
}

/// Bytes of a segment that have anything in them: behind these are zeroes only, and the last frame is whole.
pub(crate) fn used_bytes(segment: &[u8]) -> u64 {
    let last = segment.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    // A tag may end with zeroes, and zeroes fill up what is behind it.
    let used = (last + TAG_BYTES + ALIGN).next_multiple_of(BLOCK_BYTES);
    used.min(segment.len()) as u64
}

/// First bytes of a segment, with the note of its first step.
const FRONT_BYTES: u64 = (BLOCK_BYTES + HEADER_BYTES + AuditNote::BYTES) as u64;

/// What is known of a segment that is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchivedSegment {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// When its first step was made; `None` where that cannot be read.
    pub(crate) begun_at: Option<Timestamp>,
}

impl ArchivedSegment {
    /// What the first bytes of one say, or all of them.
    pub(crate) fn read(number: u64, bytes: u64, front: &[u8]) -> Self {
        let note = front.get(BLOCK_BYTES + HEADER_BYTES..);
        let note = note.and_then(|note| AuditNote::decode_from(&mut Reader::new(note)).ok());
        Self { number, bytes, begun_at: note.map(|note| note.at) }
    }
}

/// The segments that are archived, oldest first, where `bytes` says how long a file is. One that goes meanwhile is left out.
pub(crate) fn archived_segments(
    files: &dyn Files,
    log: &Path,
    bytes: &dyn Fn(&Path) -> io::Result<u64>,
) -> io::Result<Vec<ArchivedSegment>> {
    let mut found = Vec::new();
    for path in files.list(log)? {
        let Some(number) = archived_number(&path) else { continue };
        let read = bytes(&path).and_then(|bytes| Ok((bytes, files.read(&path, FRONT_BYTES)?)));
        match read {
            Ok((bytes, front)) => found.push(ArchivedSegment::read(number, bytes, &front)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_unstable_by_key(|segment| segment.number);
    Ok(found)
}

/// Which segments are kept: those that the log gave up last, without a gap.
#[derive(Default)]
pub(crate) struct Archive {
    bytes_max: u64,
    /// Oldest first.
    segments: VecDeque<ArchivedSegment>,
    bytes: u64,
    /// Nobody wants those before this number.
    wanted_from: u64,
}

impl Archive {
    /// What an earlier process left.
    pub(crate) fn found(files: &dyn Files, log: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut archive = Self { bytes_max, ..Self::default() };
        let bytes = |path: &Path| files.open(path)?.bytes();
        archived_segments(files, log, &bytes)?.into_iter().for_each(|segment| archive.put(segment));
        Ok(archive)
    }

    /// Whether any is kept.
    pub(crate) const fn keeps(&self) -> bool {
        self.bytes_max > 0
    }

    /// Whether this one is to be kept.
    pub(crate) const fn wants(&self, number: u64) -> bool {
        self.keeps() && number >= self.wanted_from
    }

    /// Keeps one more.
    pub(crate) fn put(&mut self, segment: ArchivedSegment) {
        if self.segments.back().is_some_and(|last| last.number.checked_add(1) != Some(segment.number)) {
            // Nobody can go on from what is before a gap.
            self.release(segment.number);
        }
        self.segments.push_back(segment);
        self.bytes = self.bytes.saturating_add(segment.bytes);
    }

    /// What there is of it; `None` where there is none, and none is to be.
    pub(crate) fn status(&self) -> Option<Archived> {
        let mut kept = self.segments.iter().filter(|segment| segment.number >= self.wanted_from);
        let since = kept.next().and_then(|oldest| oldest.begun_at);
        let (segments, bytes, bytes_max) = (self.segments.len(), self.bytes, self.bytes_max);
        (self.keeps() || segments > 0).then_some(Archived { segments, bytes, bytes_max, since })
    }

    /// Those before this number are no longer wanted.
    pub(crate) fn release(&mut self, number: u64) {
        self.wanted_from = self.wanted_from.max(number);
    }

    /// Gives up the oldest, of so many bytes together, because room is needed. `false` where there are none.
    pub(crate) fn shrink(&mut self, bytes: u64) -> bool {
        let (mut room, mut upto) = (0_u64, self.wanted_from);
        for segment in self.segments.iter().filter(|segment| segment.number >= self.wanted_from) {
            if room >= bytes {
                break;
            }
            room = room.saturating_add(segment.bytes);
            upto = segment.number.saturating_add(1);
        }
        self.release(upto);
        !self.segments.is_empty()
    }

    /// Gives all up.
    pub(crate) fn clear(&mut self) {
        let last = self.segments.back().map_or(0, |last| last.number.saturating_add(1));
        self.release(last);
    }

    /// Whether one is to be erased.
    pub(crate) fn has_leaving(&self) -> bool {
        // What is there while nothing more is kept goes when there would be a gap behind it.
        let is_over = self.keeps() && self.bytes > self.bytes_max;
        self.segments.front().is_some_and(|oldest| is_over || oldest.number < self.wanted_from)
    }

    /// How many nobody wants any more.
    pub(crate) fn leaving(&self) -> usize {
        self.segments.iter().filter(|segment| segment.number < self.wanted_from).count()
    }

    /// Takes out one that is to be erased: the oldest goes first.
    pub(crate) fn take_leaving(&mut self) -> Option<u64> {
        if !self.has_leaving() {
            return None;
        }
        let oldest = self.segments.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        Some(oldest.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(archive: &mut Archive, number: u64, bytes: u64) {
        archive.put(ArchivedSegment { number, bytes, begun_at: Some(Timestamp::from_unix_millis(number)) });
    }

    fn leaving(archive: &mut Archive) -> Vec<u64> {
        core::iter::from_fn(|| archive.take_leaving()).collect()
    }

    #[test]
    fn the_oldest_goes_when_there_is_more_than_may_be() {
        let mut archive = Archive { bytes_max: 100, ..Archive::default() };
        for number in 1..=4 {
            put(&mut archive, number, 25);
        }
        assert_eq!(leaving(&mut archive), [0; 0]);
        put(&mut archive, 5, 1);
        assert_eq!(leaving(&mut archive), [1]);
        put(&mut archive, 6, 101);
        assert_eq!(leaving(&mut archive), [2, 3, 4, 5, 6], "one that is too large by itself is not kept");
    }

    #[test]
    fn nothing_stays_before_a_gap_or_before_what_is_wanted() {
        let mut archive = Archive { bytes_max: 100, ..Archive::default() };
        for number in [1, 2, 4, 5] {
            put(&mut archive, number, 1);
        }
        assert_eq!(leaving(&mut archive), [1, 2]);
        archive.release(5);
        assert_eq!(leaving(&mut archive), [4]);
        for number in 6..=9 {
            put(&mut archive, number, 2);
        }
        assert!(archive.shrink(4) && archive.has_leaving());
        assert_eq!(leaving(&mut archive), [5, 6, 7], "as many as make room");
        assert!(archive.shrink(100));
        assert_eq!(leaving(&mut archive), [8, 9]);
        assert!(!archive.shrink(1));
        put(&mut archive, 10, 1);
        archive.clear();
        assert_eq!(leaving(&mut archive), [10]);
    }

    /// A command that is run once does not know how much the server may keep, and leaves it what it has.
    #[test]
    fn what_is_there_while_nothing_is_kept_stays_until_there_is_a_gap() {
        let mut archive = Archive::default();
        put(&mut archive, 3, 1000);
        assert_eq!(leaving(&mut archive), [0; 0]);
        archive.release(5);
        assert_eq!(leaving(&mut archive), [3]);
    }

    #[test]
    fn it_says_how_much_there_is_and_since_when() {
        assert_eq!(Archive::default().status(), None);
        let mut archive = Archive { bytes_max: 100, ..Archive::default() };
        let none = Archived { bytes_max: 100, ..Archived::default() };
        assert_eq!(archive.status(), Some(none));
        for number in 5..8 {
            put(&mut archive, number, 10);
        }
        let said = |bytes_max: u64, since: Option<u64>| {
            let since = since.map(Timestamp::from_unix_millis);
            Some(Archived { segments: 3, bytes: 30, bytes_max, since })
        };
        assert_eq!(archive.status(), said(100, Some(5)));
        // What is on its way out takes room, and is no use to anybody.
        archive.release(7);
        assert_eq!(archive.status(), said(100, Some(7)));
        archive.release(8);
        assert_eq!(archive.status(), said(100, None));
        archive.bytes_max = 0;
        assert_eq!(archive.status(), said(0, None), "it was kept once");
    }

    #[test]
    fn a_frame_is_in_what_is_used_whatever_its_tag_ends_with() {
        let block = BLOCK_BYTES;
        for (last, used) in [(1, 1), (block - TAG_BYTES - ALIGN, 1), (block - TAG_BYTES, 2), (block, 2)] {
            let mut segment = vec![0; block * 4];
            segment[last - 1] = 1;
            assert_eq!(used_bytes(&segment), (used * block) as u64, "{last}");
        }
        assert_eq!(used_bytes(&vec![1; block * 4]), (block * 4) as u64);
    }
}
