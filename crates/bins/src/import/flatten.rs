//! Ranges that may lie inside of each other become segments that do not overlap: of any number the narrowest range stands.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::file::Segment;
use crate::import::report::{Refused, Report};

/// A range of the first eleven digits, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) line: u64,
    pub(super) facts: u32,
}

/// Sorts ranges, and refuses those that are there more than once: the first of the list stands.
pub(super) fn without_repetitions(mut ranges: Vec<Range>, report: &mut Report) -> Vec<Range> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end, range.line));
    let mut refused = Vec::new();
    ranges.dedup_by(|later, first| {
        let repeated = (later.start, later.end) == (first.start, first.end);
        if repeated {
            let reason = if later.facts == first.facts { Refused::Repeated } else { Refused::Conflict };
            refused.push((later.line, reason));
        }
        repeated
    });
    refused.sort_unstable_by_key(|(line, _)| *line);
    refused.into_iter().for_each(|(line, reason)| report.refused(reason, line));
    ranges
}

/// Goes along the scale once. Of ranges of the same width that overlap, the one that is first in the list stands.
pub(super) fn flatten(ranges: Vec<Range>) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::with_capacity(ranges.len());
    // The narrowest range that has begun is on top. Those that have ended are taken away when they come up.
    let mut begun = BinaryHeap::new();
    let mut coming = ranges.into_iter().peekable();
    let mut at = 0;
    loop {
        while begun.peek().is_some_and(|Reverse((_, _, end, _))| *end < at) {
            begun.pop();
        }
        if begun.is_empty() {
            match coming.peek() {
                Some(next) => at = next.start,
                None => return segments,
            }
        }
        while let Some(next) = coming.next_if(|next| next.start <= at) {
            begun.push(Reverse((next.end - next.start, next.line, next.end, next.facts)));
        }
        // Nothing that was taken up above has ended, but it may lie below what was there.
        let Some(Reverse((_, _, end, facts))) = begun.peek().copied() else { return segments };
        let until = coming.peek().map_or(end, |next| end.min(next.start - 1));
        match segments.last_mut() {
            Some(before) if before.end + 1 == at && before.facts == facts => before.end = until,
            Some(_) | None => segments.push(Segment { start: at, end: until, facts }),
        }
        at = until + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(ranges: &[(u64, u64, u32)]) -> Vec<(u64, u64, u32)> {
        let numbered = (1..).zip(ranges);
        let ranges = numbered.map(|(line, (start, end, facts))| Range {
            start: *start,
            end: *end,
            line,
            facts: *facts,
        });
        let ranges = without_repetitions(ranges.collect(), &mut Report::default());
        flatten(ranges).into_iter().map(|segment| (segment.start, segment.end, segment.facts)).collect()
    }

    #[test]
    fn the_narrowest_range_stands() {
        assert_eq!(flat(&[]), []);
        assert_eq!(flat(&[(10, 19, 1), (12, 13, 2)]), [(10, 11, 1), (12, 13, 2), (14, 19, 1)]);
        assert_eq!(flat(&[(12, 13, 2), (10, 13, 1)]), [(10, 11, 1), (12, 13, 2)]);
        assert_eq!(flat(&[(10, 19, 1), (10, 14, 2), (10, 10, 3)]), [(10, 10, 3), (11, 14, 2), (15, 19, 1)]);
        assert_eq!(flat(&[(10, 19, 1), (15, 30, 2)]), [(10, 19, 1), (20, 30, 2)], "crossing");
    }

    #[test]
    fn of_equal_widths_the_first_in_the_list_stands() {
        assert_eq!(flat(&[(10, 19, 1), (15, 24, 2)]), [(10, 19, 1), (20, 24, 2)]);
        assert_eq!(flat(&[(15, 24, 2), (10, 19, 1)]), [(10, 14, 1), (15, 24, 2)]);
        assert_eq!(flat(&[(10, 19, 1), (10, 19, 2)]), [(10, 19, 1)]);
    }

    #[test]
    fn neighbours_that_say_the_same_are_one() {
        assert_eq!(flat(&[(10, 19, 1), (20, 29, 1), (31, 39, 1)]), [(10, 29, 1), (31, 39, 1)]);
        assert_eq!(flat(&[(10, 19, 1), (12, 13, 1)]), [(10, 19, 1)]);
    }
}
