//! Frames that are as they were written, and that this version cannot read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use panvault_store::RowFault;
use panvault_testkit::conformance::rows::{self, VAULT};

use super::files::MemoryFiles;
use super::support::{Log, read, read_image, segment};
use crate::fault::OpenFault;
use crate::log::frame::{HEADER_BYTES, TAG_BYTES};

/// A log whose last frame was changed and tagged again, as another version would have written it.
fn changed(change: impl FnOnce(&mut [u8])) -> (u64, BTreeMap<PathBuf, Vec<u8>>) {
    let mut log = Log::new();
    log.append(&[40]);
    log.append(&[41]);
    let mut image = log.image();
    let frame = &log.frames[1];
    let bytes = &mut image.get_mut(&segment(1)).unwrap()[frame.from..frame.to];
    change(bytes);
    let chain = rows::chain(VAULT);
    let audit_to = HEADER_BYTES + panvault_store::AuditNote::BYTES;
    let tag_from = bytes.len() - TAG_BYTES;
    let (audit, effects) = (&bytes[HEADER_BYTES..audit_to], &bytes[audit_to..tag_from]);
    let tag = chain.tag(1, &[&bytes[..HEADER_BYTES], &chain.digest(audit), &chain.digest(effects)]).unwrap();
    bytes[tag_from..].copy_from_slice(&tag);
    (frame.from as u64, image)
}

/// A frame that verified and did not decode was treated as one that does not verify: as the last frame it was dropped as a
/// torn tail, and what was acknowledged was lost. It is now a refusal that says where, and changes nothing.
#[test]
fn what_a_later_version_wrote_is_refused_and_not_dropped() {
    type Change = fn(&mut [u8]);
    let cases: [(&str, Change, RowFault); 5] = [
        ("an unknown effect", |frame| frame[HEADER_BYTES + 73 + 2] = 99, RowFault::Value),
        ("an unknown format of a row", |frame| frame[HEADER_BYTES + 73 + 8] = 99, RowFault::Value),
        ("an unknown action", |frame| frame[HEADER_BYTES + 7] = 99, RowFault::Value),
        ("an unknown format of a frame", |frame| frame[5] = 4, RowFault::Value),
        ("another number of steps", |frame| frame[19] = 0, RowFault::Value),
    ];
    for (name, change, why) in cases {
        let (at, image) = changed(change);
        let files = MemoryFiles::of(image.clone());
        match Log::open(files.clone()).map(drop) {
            Err(OpenFault::Unreadable { segment: 1, offset, source }) => {
                assert_eq!((offset, source), (at, why), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(files.image(), image, "{name}: something was changed");
    }
}

#[test]
fn a_frame_that_is_tagged_again_as_it_was_is_read() {
    let (_, image) = changed(|_| {});
    assert_eq!(read_image(&image).unwrap().1.len(), 2);
    assert_eq!(read(&MemoryFiles::of(image)).unwrap().0.next_sequence, 3);
}
