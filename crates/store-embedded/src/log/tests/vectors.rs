//! The log as it is on disks. The files in `testdata/v2` are added to and never changed.

use std::path::Path;

use panvault_model::{ApiKeyId, CardId, Id, OrganisationId, RequestId, Timestamp, VaultId};
use panvault_store::{Action, AuditNote, DocumentKind, Effect, Effects, IdempotencyKey, RowKey};
use panvault_testkit::conformance::rows;

use crate::log::frame::{FrameBuilder, Verified};
use crate::log::segment::{BLOCK_BYTES, Block, SegmentHeader};

/// The bytes in a file of hexadecimal digits; lines that begin with `#` are for people.
fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v2").join(name).with_extension("hex");
    let text = std::fs::read_to_string(&path).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(digits).unwrap()
}

fn vault() -> VaultId {
    VaultId::from_bytes([0x5a; 12])
}

fn note(action: Action) -> AuditNote {
    AuditNote {
        at: Timestamp::from_unix_millis(1_700_000_000_000),
        action,
        actor: Some(ApiKeyId::from_bytes([0x91; 12])),
        organisation: OrganisationId::from_bytes([0x22; 12]),
        object: Id::from_bytes([0x11; 12]),
        request: RequestId::from_bytes([0xa1; 12]),
        address: [0xfe; 16],
        outcome: 0,
        counted: None,
    }
}

/// A step that deletes a card, and one with two effects.
fn steps() -> Vec<(AuditNote, Effects)> {
    let delete = Effect::Delete(RowKey::Card(CardId::from_bytes([0x11; 12])));
    let two = vec![
        Effect::Delete(RowKey::Document(DocumentKind::ApiKey, Id::from_bytes([0x91; 12]))),
        Effect::Delete(RowKey::Idempotency(IdempotencyKey([0x61; 16]))),
    ];
    vec![(note(Action::CardDelete), vec![delete]), (note(Action::DocumentDelete), two)]
}

#[test]
fn a_frame() {
    let chain = rows::chain(vault());
    let mut builder = FrameBuilder::default();
    for (note, effects) in steps() {
        assert!(builder.push(&note, &effects, usize::MAX));
    }
    let (bytes, finished) = builder.finish(7, 41, (&[0x3c; 32], 0), chain.as_ref()).unwrap();
    let vector = vector("frame-3");
    assert_eq!(hex::encode(bytes), hex::encode(&vector));
    let frame = Verified::read(&vector, chain.as_ref()).unwrap().decode().unwrap();
    assert_eq!((frame.segment, frame.first_sequence, frame.last_sequence()), (7, 41, 42));
    assert_eq!((frame.previous, frame.tag, frame.bytes), ([0x3c; 32], finished.tag, vector.len()));
    let read: Vec<_> = frame.notes.into_iter().zip(frame.effects).collect();
    assert_eq!(read, steps());
}

#[test]
fn a_segment_header() {
    let chain = rows::chain(vault());
    let header = SegmentHeader {
        vault: vault(),
        number: 7,
        first_sequence: 41,
        bytes: 32 << 20,
        previous: [0x3c; 32],
        key: 1,
    };
    let encoded = header.encode(chain.as_ref()).unwrap();
    let mut vector = vector("segment-header");
    assert_eq!(encoded.len(), BLOCK_BYTES);
    assert_eq!(hex::encode(&encoded[..112]), hex::encode(&vector));
    assert!(encoded[112..].iter().all(|byte| *byte == 0));
    vector.resize(BLOCK_BYTES, 0);
    let read = SegmentHeader::read(&vector, vault(), chain.as_ref(), Path::new("segment"));
    assert!(matches!(read, Ok(Block::Header(read)) if read == header));
}
