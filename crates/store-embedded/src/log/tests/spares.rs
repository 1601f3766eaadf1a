//! The thread that readies segments and lets old ones go.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::files::MemoryFiles;
use super::support::{Log, SEGMENT_BYTES, assert_front, failure, read_image, segment};
use crate::deleted::now;
use crate::log::archive::archived_path;
use crate::log::spare::Spares;

fn spare() -> PathBuf {
    PathBuf::from("log/spare")
}

/// Starts the thread, lets segments go, and waits for its end.
fn recycle(files: &MemoryFiles, old: &[u64]) {
    let spares =
        Spares::start(Arc::new(files.clone()), PathBuf::from("log"), SEGMENT_BYTES, 1, 0, failure()).unwrap();
    spares.recycle(old.iter().copied().map(segment));
}

/// Five segments of a frame each, of which the view needs the last two.
fn five() -> Log {
    let mut log = Log::new();
    for _ in 0..4 {
        log.append(&[40]);
        log.roll();
    }
    log.append(&[40]);
    log
}

fn holds(bytes: &[u8], ciphertext: &[u8]) -> bool {
    bytes.windows(ciphertext.len()).any(|window| window == ciphertext)
}

#[test]
fn old_segments_are_gone_with_all_they_held() {
    let files = MemoryFiles::of(five().image());
    recycle(&files, &[1, 2, 3]);
    let image = files.image();
    for gone in [1, 2, 3] {
        assert!(!image.contains_key(&segment(gone)));
    }
    assert!(!image.keys().any(|path| path.extension().is_some_and(|end| end == "old")));
    if let Some(spare) = image.get(&spare()) {
        assert!(spare.iter().all(|byte| *byte == 0));
    }
    assert_eq!(read_image(&image).unwrap().1.len(), 2);
}

/// A segment was erased before it lost its name, so that a process that was killed in between left a segment without a
/// header in front of others, which the next start took for damage. It now loses its name first; and what a killed
/// process left half erased is erased by the next.
#[test]
fn letting_segments_go_may_be_cut_off_anywhere() {
    let image = five().image();
    for calls in 0.. {
        let files = MemoryFiles::of(image.clone());
        files.stop_after(calls);
        recycle(&files, &[1, 2, 3]);
        let stopped = files.has_stopped();
        let left = files.image();
        let (found, _) = read_image(&left).unwrap_or_else(|fault| panic!("after {calls} calls: {fault}"));
        assert_eq!(found.next_sequence, 6, "after {calls} calls");
        let again = MemoryFiles::of(left);
        let oldest = found.segments[0].number;
        recycle(&again, &(oldest..4).collect::<Vec<_>>());
        let left = again.image();
        assert!(!left.keys().any(|path| path.extension().is_some_and(|end| end == "old")));
        assert_eq!(read_image(&left).unwrap().1.len(), 2, "after {calls} calls");
        if !stopped {
            break;
        }
    }
}

/// What is archived keeps its bytes under another name; cut off anywhere, the log is whole, and the next process goes on.
#[test]
fn archiving_segments_may_be_cut_off_anywhere() {
    let image = five().image();
    let archive = |files: &MemoryFiles, bytes_max: u64, old: &[u64]| {
        let (shared, log) = (Arc::new(files.clone()), PathBuf::from("log"));
        let spares = Spares::start(shared, log, SEGMENT_BYTES, 1, bytes_max, failure()).unwrap();
        spares.recycle(old.iter().copied().map(segment));
    };
    let archived = |number: u64| archived_path(Path::new("log"), number);
    for calls in 0.. {
        let files = MemoryFiles::of(image.clone());
        files.stop_after(calls);
        archive(&files, 3 * SEGMENT_BYTES, &[1, 2, 3]);
        let stopped = files.has_stopped();
        let left = files.image();
        let (found, _) = read_image(&left).unwrap_or_else(|fault| panic!("after {calls} calls: {fault}"));
        assert_eq!(found.next_sequence, 6, "after {calls} calls");
        let again = MemoryFiles::of(left);
        archive(&again, 3 * SEGMENT_BYTES, &(found.segments[0].number..4).collect::<Vec<_>>());
        let left = again.image();
        for number in 1..=3 {
            let (kept, rest) = image[&segment(number)].split_at(left[&archived(number)].len());
            assert_eq!(left[&archived(number)], kept, "after {calls} calls");
            assert!(rest.iter().all(|byte| *byte == 0), "after {calls} calls what was cut was empty");
        }
        assert_eq!(read_image(&left).unwrap().1.len(), 2, "after {calls} calls");
        if !stopped {
            // Less may be kept by now; and what is given up without being kept leaves none before it.
            let less = MemoryFiles::of(left.clone());
            let bytes = [2, 3].map(|number| left[&archived(number)].len() as u64);
            archive(&less, bytes.iter().sum(), &[]);
            assert!(!less.image().contains_key(&archived(1)) && less.image().contains_key(&archived(2)));
            let none = MemoryFiles::of(left);
            archive(&none, 0, &[]);
            assert!(none.image().contains_key(&archived(1)));
            archive(&none, 0, &[4]);
            assert!((1..=4).all(|number| !none.image().contains_key(&archived(number))));
            break;
        }
    }
}

fn until(is_so: impl Fn() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
    }
}

/// The bug: a segment that could not be erased stayed until the next start, an archived one without anybody knowing of it. Its cause: the thread forgot the one, and stopped before the other. Its cure: it is
/// tried again, and counted meanwhile.
#[test]
fn what_could_not_be_erased_is_tried_again() {
    let archived = |number: u64| archived_path(Path::new("log"), number);
    let files = MemoryFiles::of(five().image());
    let start = || {
        let (shared, log) = (Arc::new(files.clone()), PathBuf::from("log"));
        Spares::start(shared, log, SEGMENT_BYTES, 1, 3 * SEGMENT_BYTES, failure()).unwrap()
    };
    let spares = start();
    let is_there = |path: &PathBuf| files.image().contains_key(path);
    // One that cannot be archived is archived later.
    files.hold(Some(segment(1)));
    spares.recycle([1, 2, 3].map(segment));
    until(|| spares.unerased() == 3);
    assert!(is_there(&segment(1)) && is_there(&segment(2)), "those behind it wait");
    files.hold(None);
    until(|| is_there(&archived(3)));
    assert_eq!(spares.unerased(), 0);
    // One that cannot be erased is erased later.
    files.hold(Some(archived(1)));
    spares.archive_release(3);
    until(|| spares.unerased() == 1);
    assert!(is_there(&archived(1)) && !is_there(&archived(2)), "what has to go and can, goes");
    // It is no hindrance to the end, and the next start goes on.
    drop(spares);
    assert!(is_there(&archived(1)));
    let spares = start();
    spares.archive_release(3);
    until(|| spares.unerased() > 0);
    files.hold(None);
    until(|| !is_there(&archived(1)) && !is_there(&archived(2)) && spares.unerased() == 0);
    assert!(is_there(&archived(3)));
}

/// A segment was erased as far as new segments are long. One that was made when they were longer kept what was behind
/// that, and took it into its next life. It is now erased to its own end, and used again only if its length is right.
#[test]
fn a_segment_of_another_length_is_erased_to_its_end() {
    let ciphertext = [0xc4; 64];
    for bytes in [SEGMENT_BYTES * 2, SEGMENT_BYTES / 2] {
        // As a killed process leaves it; it is the first thing that the thread looks at.
        let mut image = five().image();
        let mut other = vec![0; usize::try_from(bytes).unwrap()];
        let end = other.len() - 64;
        other[end..].copy_from_slice(&ciphertext);
        image.insert(segment(1).with_extension("old"), other);
        let files = MemoryFiles::of(image);
        let log = PathBuf::from("log");
        let spares = Spares::start(Arc::new(files.clone()), log, SEGMENT_BYTES, 1, 0, failure()).unwrap();
        assert!(spares.take(&segment(6)).unwrap().is_some());
        drop(spares);
        let image = files.image();
        assert!(!image.contains_key(&segment(1).with_extension("old")));
        for (path, bytes) in &image {
            assert!(!holds(bytes, &ciphertext), "{}", path.display());
            assert_eq!(bytes.len() as u64, SEGMENT_BYTES, "{}", path.display());
        }
    }
}

#[test]
fn a_missing_spare_is_made_and_one_that_is_there_is_made_anew() {
    let image = five().image();
    for there in [None, Some(vec![0xee; 100])] {
        let mut image = image.clone();
        if let Some(bytes) = there {
            image.insert(spare(), bytes);
        }
        let mut log = Log::open(MemoryFiles::of(image)).unwrap();
        log.roll();
        log.append(&[50]);
        assert_eq!(read_image(&log.image()).unwrap().1.len(), 6);
        let last = &log.image()[&segment(6)];
        assert_eq!(last.len() as u64, SEGMENT_BYTES);
    }
}

/// The writer took the spare and then gave it its segment's name. In between, the thread removed that name to make the
/// next spare under it: the rename failed, or it named the next spare, and frames went into a file without a name and
/// were lost. The spare now gets its segment's name before the thread can go on.
#[test]
fn the_next_spare_does_not_take_the_name_of_this_one() {
    let mut log = Log::new();
    for _ in 0..300 {
        log.append(&[40]);
        log.roll();
    }
    let (found, frames) = read_image(&log.image()).unwrap();
    assert_front(&frames, &log.frames);
    assert_eq!((frames.len(), found.segments.len()), (300, 301));
}

#[test]
fn going_on_in_a_new_segment_may_be_cut_off_anywhere() {
    let image = five().image();
    for calls in 0..20 {
        let files = MemoryFiles::of(image.clone());
        let log = Log::open(files.clone());
        files.stop_after(calls);
        let Ok(mut log) = log else { panic!("a whole log does not open") };
        let rolled = log.try_roll();
        drop(log);
        let (found, frames) = read_image(&files.image()).unwrap();
        assert_eq!((frames.len(), found.next_sequence), (5, 6), "after {calls} calls");
        let mut again = Log::open(MemoryFiles::of(files.image())).unwrap();
        again.append(&[50]);
        again.roll();
        again.append(&[51]);
        assert_eq!(read_image(&again.image()).unwrap().1.len(), 7, "after {calls} calls, rolled: {rolled}");
    }
}
