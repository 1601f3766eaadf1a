//! Segments that are missing, renamed, foreign, newer, used again or only begun.

use std::collections::BTreeMap;
use std::path::PathBuf;

use panvault_model::VaultId;
use panvault_testkit::conformance::rows::{self, VAULT};

use super::files::MemoryFiles;
use super::support::{Log, SEGMENT_BYTES, assert_front, empty, place, read, read_image, segment, small_log};
use crate::fault::OpenFault;
use crate::limits::UNUSED_SEGMENT_BYTES_MAX;
use crate::log::segment::BLOCK_BYTES;

/// Four segments of a frame each.
fn four() -> Log {
    let mut log = Log::new();
    for n in 0..4 {
        if n > 0 {
            log.roll();
        }
        log.append(&[40 + n]);
    }
    log
}

#[test]
fn the_log_may_begin_anywhere() {
    let log = four();
    let mut image = log.image();
    for gone in 1..=3 {
        image.remove(&segment(gone));
        let (found, frames) = read_image(&image).unwrap();
        assert_front(&frames, &log.frames[usize::try_from(gone).unwrap()..]);
        assert_eq!((found.segments[0].number, found.next_sequence), (gone + 1, 5));
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_named() {
    for gone in [2, 3] {
        let mut image = four().image();
        image.remove(&segment(gone));
        assert_eq!(place(&read_image(&image).unwrap_err()), (gone, 0));
    }
}

#[test]
fn a_log_without_segments_is_refused() {
    let image = BTreeMap::from([(PathBuf::from("log/spare"), vec![0; 4096])]);
    assert_eq!(place(&read_image(&image).unwrap_err()), (0, 0));
}

#[test]
fn renamed_segments_are_named() {
    let mut image = four().image();
    let (two, three) = (image[&segment(2)].clone(), image[&segment(3)].clone());
    image.insert(segment(2), three);
    image.insert(segment(3), two);
    assert_eq!(place(&read_image(&image).unwrap_err()), (2, 0));
    let mut image = four().image();
    let last = image.remove(&segment(4)).unwrap();
    image.insert(segment(5), last);
    assert_eq!(place(&read_image(&image).unwrap_err()), (5, 0));
}

#[test]
fn a_segment_of_another_log_of_the_same_vault_does_not_follow() {
    let mut other = Log::new();
    other.append(&[99]);
    other.roll();
    other.append(&[41]);
    let mut image = four().image();
    image.insert(segment(2), other.image()[&segment(2)].clone());
    assert_eq!(place(&read_image(&image).unwrap_err()), (2, 0));
}

/// A frame of another log of the same vault, in the same place and of the same step, does not follow either.
#[test]
fn a_frame_of_another_log_of_the_same_vault_does_not_follow() {
    let [ours, theirs] = [40, 41].map(|first| {
        let mut log = Log::new();
        log.append(&[first]);
        log.append(&[50]);
        log
    });
    let (from, to) = (ours.frames[1].from, ours.frames[1].to);
    assert_eq!((theirs.frames[1].from, theirs.frames[1].to), (from, to));
    let mut image = ours.image();
    let frame = theirs.image()[&segment(1)][from..to].to_vec();
    image.get_mut(&segment(1)).unwrap()[from..to].copy_from_slice(&frame);
    let (found, frames) = read_image(&image).unwrap();
    assert_front(&frames, &ours.frames);
    assert_eq!((frames.len(), found.torn), (1, true));
}

#[test]
fn files_with_other_names_are_not_segments() {
    let log = four();
    let mut image = log.image();
    for name in ["log/spare", "log/1.seg", "log/0000000000000005.old", "log/000000000000000g.seg"] {
        image.insert(PathBuf::from(name), vec![0xee; 5000]);
    }
    assert_front(&read_image(&image).unwrap().1, &log.frames);
}

#[test]
fn a_segment_of_another_vault_is_refused() {
    let other = empty(VaultId::from_bytes([0x0b; 12]), SEGMENT_BYTES).image();
    assert!(matches!(read_image(&other), Err(OpenFault::Foreign { .. })));
    let mut image = small_log().image();
    image.insert(segment(3), other[&segment(1)].clone());
    assert!(matches!(read_image(&image), Err(OpenFault::Foreign { .. })));
}

#[test]
fn a_segment_of_a_later_format_is_refused() {
    for number in [1, 2] {
        let mut image = small_log().image();
        image.get_mut(&segment(number)).unwrap()[9] = 3;
        assert!(matches!(read_image(&image), Err(OpenFault::NewerFormat { .. })));
    }
}

/// A segment is erased before it is used again; should frames of its earlier life still be there, they are not read.
#[test]
fn old_frames_in_a_segment_that_was_used_again_are_nothing() {
    let mut log = Log::new();
    log.append(&[900]);
    log.append(&[901]);
    log.append(&[902]);
    log.roll();
    log.append(&[7]);
    let mut image = log.image();
    let old = image[&segment(1)].clone();
    let end = log.frames[3].to.next_multiple_of(8);
    image.get_mut(&segment(2)).unwrap()[end..].copy_from_slice(&old[end..]);
    let (found, frames) = read_image(&image).unwrap();
    assert_front(&frames, &log.frames);
    assert_eq!((frames.len(), found.torn), (4, true));
    let mut again = Log::open(MemoryFiles::of(image)).unwrap();
    again.append(&[8]);
    assert_eq!(read_image(&again.image()).unwrap().1.len(), 5);
    assert!(again.image()[&segment(2)][again.frames[0].to..].iter().all(|byte| *byte == 0));
}

/// The same frame again at the end is not the next one.
#[test]
fn a_copy_of_a_frame_is_nothing() {
    let mut log = Log::new();
    log.append(&[40]);
    let mut image = log.image();
    let (from, to) = (log.frames[0].from, log.frames[0].to);
    let end = to.next_multiple_of(8);
    image.get_mut(&segment(1)).unwrap().copy_within(from..to, end);
    let (found, frames) = read_image(&image).unwrap();
    assert_eq!((frames.len(), found.torn, found.offset), (1, true, end as u64));
}

/// Nor is a frame of the next segment, though it is of the next step.
#[test]
fn a_frame_of_the_next_segment_is_nothing_in_the_one_before() {
    let log = small_log();
    let mut image = log.image();
    let (from, to) = (log.frames[3].from, log.frames[3].to);
    let frame = image[&segment(2)][from..to].to_vec();
    let end = log.frames[2].to.next_multiple_of(8);
    image.get_mut(&segment(1)).unwrap()[end..end + frame.len()].copy_from_slice(&frame);
    let (_, frames) = read_image(&image).unwrap();
    assert_front(&frames, &log.frames);
    assert_eq!(frames.len(), 5);
}

#[test]
fn a_last_segment_without_a_header_was_only_begun() {
    let log = small_log();
    let mut image = log.image();
    image.insert(segment(3), vec![0; usize::try_from(SEGMENT_BYTES).unwrap()]);
    let (found, frames) = read_image(&image).unwrap();
    assert_front(&frames, &log.frames);
    assert_eq!((frames.len(), found.segments.len()), (5, 2));
    // The next one takes its name.
    let mut again = Log::open(MemoryFiles::of(image)).unwrap();
    again.append(&[5]);
    again.roll();
    again.append(&[6]);
    assert_eq!(read_image(&again.image()).unwrap().1.len(), 7);
}

#[test]
fn any_other_segment_without_a_header_is_damaged() {
    let image = four().image();
    for (number, with_frames) in [(1, true), (2, false), (3, true), (4, true)] {
        let mut image = image.clone();
        let bytes = image.get_mut(&segment(number)).unwrap();
        bytes[..BLOCK_BYTES].fill(0);
        if !with_frames {
            bytes.fill(0);
        }
        assert_eq!(place(&read_image(&image).unwrap_err()), (number, 0), "segment {number}");
    }
    let only = BTreeMap::from([(segment(1), vec![0; 8192])]);
    assert_eq!(place(&read_image(&only).unwrap_err()), (1, 0));
}

#[test]
fn damage_before_a_good_frame_changes_nothing() {
    let log = small_log();
    for frame in &log.frames[..4] {
        let mut image = log.image();
        image.get_mut(&segment(frame.segment)).unwrap()[frame.from + 80] ^= 1;
        let files = MemoryFiles::of(image.clone());
        let fault = Log::open(files.clone()).map(drop).unwrap_err();
        assert_eq!(place(&fault), (frame.segment, frame.from as u64));
        let said = fault.to_string();
        assert!(said.contains(&format!("segment {}, byte {}", frame.segment, frame.from)), "{said}");
        assert_eq!(files.image(), image);
    }
}

#[test]
fn a_frame_of_another_vault_does_not_verify() {
    let image = small_log().image();
    let chain = rows::chain(VaultId::from_bytes([0x0b; 12]));
    let frame = &image[&segment(1)][BLOCK_BYTES..];
    assert!(crate::log::frame::Verified::read(frame, chain.as_ref()).is_none());
    assert!(crate::log::frame::Verified::read(frame, rows::chain(VAULT).as_ref()).is_some());
}

/// The bug: a segment whose file was made longer was read into memory whole, some 1.6 GB of one with a hole in it, and taken for good. Its
/// cause: only one that is shorter than its header says was refused. Its cure: the header is read first, and no more than it says.
#[test]
fn a_segment_is_as_long_as_its_header_says_and_no_more_of_it_is_read() {
    let log = small_log();
    let bytes = usize::try_from(SEGMENT_BYTES).unwrap();
    for number in [1, 2] {
        let mut image = log.image();
        image.get_mut(&segment(number)).unwrap().resize(bytes + 1, 0);
        assert_eq!(place(&read_image(&image).unwrap_err()), (number, SEGMENT_BYTES));
        image.get_mut(&segment(number)).unwrap().resize(bytes * 50, 0);
        let files = MemoryFiles::of(image);
        assert_eq!(place(&read(&files).unwrap_err()), (number, SEGMENT_BYTES));
        assert_eq!(files.read_bytes_max(), bytes + 1);
    }
}

/// One that was only begun is held against a limit: it has no header that says how long it is.
#[test]
fn a_last_segment_without_a_header_has_a_limit() {
    let log = small_log();
    let mut image = log.image();
    let most = usize::try_from(UNUSED_SEGMENT_BYTES_MAX).unwrap();
    image.insert(segment(3), vec![0; most]);
    assert_eq!(read_image(&image).unwrap().1.len(), 5);
    image.insert(segment(3), vec![0; most + 1]);
    assert_eq!(place(&read_image(&image).unwrap_err()), (3, 0));
}
