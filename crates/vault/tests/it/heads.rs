//! The head of the documents, as its format is written down: made here without the vault, to write what only a vault can.

use panvault_keys::SystemEntropy;
use panvault_model::Tag;
use panvault_store::{DocumentKind, DocumentRow};

use crate::world::keys;

/// A document as the vault would have written it, which only who has the keys can make.
pub(crate) fn written(row: &DocumentRow, body: Vec<u8>) -> DocumentRow {
    let mut row = DocumentRow { body, tag: Tag::NONE, ..row.clone() };
    let mut clear = Vec::new();
    row.encode_clear(&mut clear);
    row.tag = keys().document_tag(2, &clear);
    row
}

/// Exclusive or of the hashes of rows: kind · id · version · tag.
fn hash(rows: &[DocumentRow]) -> [u8; 32] {
    let mut all = [0; 32];
    let covered = |row: &&DocumentRow| row.kind != DocumentKind::DocumentHead && !row.kind.is_beside();
    for row in rows.iter().filter(covered) {
        let mut bytes = vec![row.kind.code()];
        bytes.extend_from_slice(row.id.as_bytes());
        bytes.extend_from_slice(&row.version.to_be_bytes());
        bytes.extend_from_slice(&row.tag.key.to_be_bytes());
        bytes.extend_from_slice(&row.tag.bytes);
        let hash = keys().head_hash(1, &bytes).unwrap();
        all.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }
    all
}

/// What the head says, opened past the vault: number of documents, hash, version of the header of keys.
pub(crate) fn opened(rows: &[DocumentRow]) -> (u64, [u8; 32], u32) {
    let head = rows.iter().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    let mut plaintext = [0; 64];
    keys().head_open(head.version.into(), &head.body, &mut plaintext).unwrap();
    assert_eq!(plaintext[44..], [0; 20]);
    let count = u64::from_be_bytes(plaintext[..8].try_into().unwrap());
    let header = u32::from_be_bytes(plaintext[40..44].try_into().unwrap());
    (count, plaintext[8..40].try_into().unwrap(), header)
}

/// Holds the head against the rows.
pub(crate) fn agrees(rows: &[DocumentRow]) -> bool {
    let (count, covered, _) = opened(rows);
    let documents = rows.iter().filter(|row| !row.kind.is_beside()).count();
    (count, covered) == (documents as u64 - 1, hash(rows))
}

/// Makes the head that these rows would have.
pub(crate) fn head_anew(rows: &mut [DocumentRow]) {
    let (_, _, header) = opened(rows);
    let mut plaintext = [0; 64];
    plaintext[..8].copy_from_slice(&(rows.len() as u64 - 1).to_be_bytes());
    plaintext[8..40].copy_from_slice(&hash(rows));
    plaintext[40..44].copy_from_slice(&header.to_be_bytes());
    let head = rows.iter_mut().find(|row| row.kind == DocumentKind::DocumentHead).unwrap();
    let sealed = keys().head_seal(1, head.version.into(), &plaintext, &SystemEntropy::new()).unwrap();
    *head = written(head, sealed.to_vec());
}
