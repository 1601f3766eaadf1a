//! Every byte with a bit of it changed.

use super::support::{Written, assert_front, place, read_image, segment, small_log};
use crate::fault::OpenFault;
use crate::log::frame::Frame;
use crate::log::recover::Recovered;
use crate::log::segment::BLOCK_BYTES;

/// Hands every flip of every byte of the small log to `look`: segment, byte, frames as written, what was read.
fn every_flip(mut look: impl FnMut(u64, usize, &[Written], Result<(Recovered, Vec<Frame>), OpenFault>)) {
    let log = small_log();
    let image = log.image();
    for number in [1, 2] {
        for at in 0..image[&segment(number)].len() {
            let mut image = image.clone();
            image.get_mut(&segment(number)).unwrap()[at] ^= 1 << (at % 8);
            look(number, at, &log.frames, read_image(&image));
        }
    }
}

/// The frame that a byte is in, padding left out.
fn frame_at(frames: &[Written], segment: u64, at: usize) -> Option<usize> {
    frames.iter().position(|frame| frame.segment == segment && (frame.from..frame.to).contains(&at))
}

#[test]
fn no_flipped_byte_gives_a_wrong_row_or_hides_a_frame_before_others() {
    every_flip(|number, at, written, read| match (frame_at(written, number, at), read) {
        // What says that it is under a key that is not there is refused, and left as it is.
        (Some(frame), Err(OpenFault::LaterKey { .. })) => {
            assert!((6..8).contains(&(at - written[frame].from)), "byte {at} of segment {number}");
        }
        // The last frame cannot be told from a torn one.
        (Some(4), Ok((found, frames))) => {
            assert_front(&frames, written);
            assert_eq!((frames.len(), found.torn), (4, true), "byte {at} of the last frame");
        }
        (Some(frame), Err(fault)) if frame < 4 => {
            assert_eq!(place(&fault), (number, written[frame].from as u64), "byte {at} of segment {number}");
        }
        (Some(frame), read) => panic!("byte {at} of frame {frame}: {read:?}"),
        // Behind the frames, and in zeroes that fill up, nothing is lost.
        (None, Ok((_, frames))) if at >= 112 => {
            assert_front(&frames, written);
            assert_eq!(frames.len(), 5, "byte {at} of segment {number}");
        }
        (None, Err(fault)) if at < 112 => match fault {
            OpenFault::Damaged { segment, offset, .. } => assert_eq!((segment, offset), (number, 0)),
            OpenFault::NewerFormat { .. } => assert!((8..10).contains(&at)),
            OpenFault::LaterKey { .. } => assert!((10..12).contains(&at)),
            OpenFault::Foreign { .. } => assert!((12..24).contains(&at)),
            other => panic!("byte {at} of a header: {other:?}"),
        },
        (None, read) => panic!("byte {at} of segment {number}: {read:?}"),
    });
}

#[test]
fn the_frames_are_where_the_other_tests_look() {
    let log = small_log();
    assert_eq!(log.frames.len(), 5);
    assert_eq!(log.frames[0].from, BLOCK_BYTES);
    assert_eq!(log.frames.iter().map(|frame| frame.segment).collect::<Vec<_>>(), [1, 1, 1, 2, 2]);
    let image = log.image();
    for frame in &log.frames {
        assert!(image[&segment(frame.segment)][frame.from..].starts_with(b"PVFR"));
    }
}
