//! A last frame of which any blocks are missing.

use super::files::MemoryFiles;
use super::support::{Log, assert_front, read, read_image, segment};

/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// A log of two frames, the second over six sectors, and the same with some of those sectors not written.
fn with_missing(missing: u32) -> (Log, MemoryFiles) {
    let mut log = Log::new();
    log.append(&[40]);
    log.append(&[2480]);
    let mut image = log.image();
    let (from, to) = (log.frames[1].from, log.frames[1].to);
    let bytes = image.get_mut(&segment(1)).unwrap();
    for (n, sector) in (from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES)).enumerate() {
        if missing >> n & 1 == 1 {
            let range = (sector * SECTOR_BYTES).max(from)..((sector + 1) * SECTOR_BYTES).min(to);
            bytes[range].fill(0);
        }
    }
    (log, MemoryFiles::of(image))
}

fn sectors() -> u32 {
    let (log, _) = with_missing(0);
    let count = log.frames[1].to.div_ceil(SECTOR_BYTES) - log.frames[1].from / SECTOR_BYTES;
    u32::try_from(count).unwrap()
}

#[test]
fn a_frame_with_any_sectors_missing_is_dropped() {
    assert_eq!(sectors(), 7);
    for missing in 0..1 << sectors() {
        let (log, files) = with_missing(missing);
        let (found, frames) = read(&files).unwrap();
        assert_front(&frames, &log.frames);
        assert_eq!(frames.len(), if missing == 0 { 2 } else { 1 }, "{missing:07b}");
        let left = missing != 0 && missing != (1 << sectors()) - 1;
        assert_eq!(found.torn, left, "{missing:07b}");
    }
}

/// A torn frame whose first sector was not written was taken for zeroes, and one that was seen was written over without
/// being erased. A shorter frame then left its end behind; when the segment rolled, the next start took that for damage
/// and refused, with nothing lost. Any byte behind the last frame now counts, it is erased before anything is appended,
/// and a segment that the next one follows has lost nothing whatever is behind its last frame.
#[test]
fn a_torn_frame_leaves_nothing_behind_a_shorter_one() {
    for missing in 1..1 << sectors() {
        let (_, files) = with_missing(missing);
        let mut log = Log::open(files).unwrap();
        log.append(&[7]);
        let image = log.image();
        let end = log.frames[0].to;
        assert!(image[&segment(1)][end..].iter().all(|byte| *byte == 0), "{missing:07b}");
        log.roll();
        log.append(&[8]);
        let (_, frames) = read_image(&log.image()).unwrap();
        assert_eq!(frames.len(), 3, "{missing:07b}");
        assert_front(&frames[1..], &log.frames);
    }
}

/// As above, for logs that were written before the cure.
#[test]
fn what_is_behind_the_last_frame_of_a_segment_that_is_followed_is_nothing() {
    let mut log = Log::new();
    log.append(&[40]);
    log.roll();
    log.append(&[41]);
    let mut image = log.image();
    image.get_mut(&segment(1)).unwrap()[6000..6600].fill(0xee);
    let (found, frames) = read_image(&image).unwrap();
    assert_front(&frames, &log.frames);
    assert_eq!((frames.len(), found.torn), (2, false));
}

/// A crash while a torn frame is erased leaves a part of it, which is erased at the next start.
#[test]
fn erasing_may_be_cut_off() {
    let (_, files) = with_missing(0b10);
    for calls in 0.. {
        let files = MemoryFiles::of(files.image());
        files.stop_after(calls);
        let opened = Log::open(files.clone()).is_ok();
        let (_, frames) = read_image(&files.image()).unwrap();
        assert_eq!(frames.len(), 1);
        if opened {
            break;
        }
    }
}
