//! Segments that the log has given up and that are kept for incremental backups, as files that were only renamed: to archive one writes nothing, and nobody waits for it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::log::frame::{ALIGN, TAG_BYTES};
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

/// Which segments are kept: those that the log gave up last, without a gap.
#[derive(Default)]
pub(crate) struct Archive {
    bytes_max: u64,
    /// Number and bytes of each, oldest first.
    segments: VecDeque<(u64, u64)>,
    bytes: u64,
    /// Nobody wants those before this number.
    wanted_from: u64,
}

impl Archive {
    /// What an earlier process left.
    pub(crate) fn found(files: &dyn Files, log: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut numbers: Vec<u64> =
            files.list(log)?.iter().filter_map(|path| archived_number(path)).collect();
        numbers.sort_unstable();
        let mut archive = Self { bytes_max, ..Self::default() };
        for number in numbers {
            let bytes = files.open(&archived_path(log, number))?.bytes()?;
            archive.put(number, bytes);
        }
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
    pub(crate) fn put(&mut self, number: u64, bytes: u64) {
        if self.segments.back().is_some_and(|(last, _)| last.checked_add(1) != Some(number)) {
            // Nobody can go on from what is before a gap.
            self.release(number);
        }
        self.segments.push_back((number, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Those before this number are no longer wanted.
    pub(crate) fn release(&mut self, number: u64) {
        self.wanted_from = self.wanted_from.max(number);
    }

    /// Gives up the oldest, of so many bytes together, because room is needed. `false` where there are none.
    pub(crate) fn shrink(&mut self, bytes: u64) -> bool {
        let (mut room, mut upto) = (0_u64, self.wanted_from);
        for (number, of_it) in self.segments.iter().filter(|(number, _)| *number >= self.wanted_from) {
            if room >= bytes {
                break;
            }
            room = room.saturating_add(*of_it);
            upto = number.saturating_add(1);
        }
        self.release(upto);
        !self.segments.is_empty()
    }

    /// Gives all up.
    pub(crate) fn clear(&mut self) {
        let last = self.segments.back().map_or(0, |(last, _)| last.saturating_add(1));
        self.release(last);
    }

    /// Whether one is to be erased.
    pub(crate) fn has_leaving(&self) -> bool {
        // What is there while nothing more is kept goes when there would be a gap behind it.
        let is_over = self.keeps() && self.bytes > self.bytes_max;
        self.segments.front().is_some_and(|(number, _)| is_over || *number < self.wanted_from)
    }

    /// Takes out one that is to be erased: the oldest goes first.
    pub(crate) fn take_leaving(&mut self) -> Option<u64> {
        if !self.has_leaving() {
            return None;
        }
        let (number, bytes) = self.segments.front().copied()?;
        self.segments.pop_front();
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaving(archive: &mut Archive) -> Vec<u64> {
        core::iter::from_fn(|| archive.take_leaving()).collect()
    }

    #[test]
    fn the_oldest_goes_when_there_is_more_than_may_be() {
        let mut archive = Archive { bytes_max: 100, ..Archive::default() };
        for number in 1..=4 {
            archive.put(number, 25);
        }
        assert_eq!(leaving(&mut archive), [0; 0]);
        archive.put(5, 1);
        assert_eq!(leaving(&mut archive), [1]);
        archive.put(6, 101);
        assert_eq!(leaving(&mut archive), [2, 3, 4, 5, 6], "one that is too large by itself is not kept");
    }

    #[test]
    fn nothing_stays_before_a_gap_or_before_what_is_wanted() {
        let mut archive = Archive { bytes_max: 100, ..Archive::default() };
        for number in [1, 2, 4, 5] {
            archive.put(number, 1);
        }
        assert_eq!(leaving(&mut archive), [1, 2]);
        archive.release(5);
        assert_eq!(leaving(&mut archive), [4]);
        for number in 6..=9 {
            archive.put(number, 2);
        }
        assert!(archive.shrink(4) && archive.has_leaving());
        assert_eq!(leaving(&mut archive), [5, 6, 7], "as many as make room");
        assert!(archive.shrink(100));
        assert_eq!(leaving(&mut archive), [8, 9]);
        assert!(!archive.shrink(1));
        archive.put(10, 1);
        archive.clear();
        assert_eq!(leaving(&mut archive), [10]);
    }

    /// A command that is run once does not know how much the server may keep, and leaves it what it has.
    #[test]
    fn what_is_there_while_nothing_is_kept_stays_until_there_is_a_gap() {
        let mut archive = Archive::default();
        archive.put(3, 1000);
        assert_eq!(leaving(&mut archive), [0; 0]);
        archive.release(5);
        assert_eq!(leaving(&mut archive), [3]);
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
