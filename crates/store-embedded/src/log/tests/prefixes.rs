//! Every length that a write could have come to.

use super::support::{Log, assert_front, place, read_image, segment, small_log};
use crate::fault::OpenFault;
use crate::log::segment::BLOCK_BYTES;

/// A segment is full of zeroes before it is one, so a write that ended early leaves zeroes behind it.
#[test]
fn every_prefix_of_the_writes_keeps_the_frames_that_are_whole() {
    let mut log = Log::new();
    log.append(&[40]);
    log.append(&[50, 60]);
    log.append(&[0]);
    let image = log.image();
    let whole = &image[&segment(1)];
    for length in BLOCK_BYTES..=log.frames[2].to {
        let mut image = image.clone();
        image.insert(segment(1), [&whole[..length], &vec![0; whole.len() - length]].concat());
        let (found, frames) = read_image(&image).unwrap();
        let complete = log.frames.iter().take_while(|frame| frame.to <= length).count();
        assert_front(&frames, &log.frames);
        assert_eq!(frames.len(), complete, "{length} bytes");
        let left = &image[&segment(1)][usize::try_from(found.offset).unwrap()..];
        assert_eq!(found.torn, left.iter().any(|byte| *byte != 0), "{length} bytes");
        assert_eq!(found.next_sequence, log.frames.get(complete).map_or(5, |frame| frame.first_sequence));
    }
}

#[test]
fn every_prefix_of_a_header_is_refused_where_it_is_the_only_segment() {
    let image = Log::new().image();
    let whole = &image[&segment(1)];
    for length in 0..112 {
        let mut image = image.clone();
        image.insert(segment(1), [&whole[..length], &vec![0; whole.len() - length]].concat());
        let fault = read_image(&image).map(drop).unwrap_err();
        // A header that is cut in the vault's id reads as another vault's.
        assert!(matches!(
            fault,
            OpenFault::Damaged { segment: 1, offset: 0, .. } | OpenFault::Foreign { .. }
        ));
    }
}

/// A segment's file has its full length, durably, before it is one: no crash makes it shorter.
#[test]
fn a_file_of_any_shorter_length_is_refused() {
    let log = small_log();
    let image = log.image();
    for number in [1, 2] {
        let whole = &image[&segment(number)];
        for length in (0..whole.len()).filter(|length| *length < 5200 || length % 64 == 0) {
            let mut image = image.clone();
            image.insert(segment(number), whole[..length].to_vec());
            match read_image(&image) {
                Err(OpenFault::Foreign { .. }) => assert!(length < 24),
                Err(fault) => {
                    let offset = if length < 112 { 0 } else { length as u64 };
                    assert_eq!(place(&fault), (number, offset), "{length} bytes of segment {number}");
                }
                Ok(_) => panic!("{length} bytes of segment {number} are taken for all"),
            }
        }
    }
}
