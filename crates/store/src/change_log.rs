//! Which documents the last changes touched, where nodes share a store: so a node that has seen one of them reads these documents, and no others.
//!
//! There are [`CHANGE_LOG_ROWS`] rows, written over one after the other. That of a change has the number of the change as its version, and its place in the
//! row of them as its id. The body:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 4 | number of documents |
//! | 13 each | kind (1) · id (12), in their order |

use std::collections::BTreeSet;

use panvault_model::Id;

use crate::codec::{Reader, RowFault, Writer};
use crate::document::DocumentKind;
use crate::limits::CHANGE_LOG_ROWS;

const FORMAT: u8 = 1;

/// Kinds and ids of documents.
pub type Touched = BTreeSet<(DocumentKind, Id)>;

/// Names the row of a change, by the version of the head that it made.
pub fn change_log_id(change: u32) -> Id {
    let mut bytes = [0; 12];
    if let Some(last) = bytes.last_chunk_mut() {
        *last = (change % CHANGE_LOG_ROWS).to_be_bytes();
    }
    Id::from_bytes(bytes)
}

/// The body of the row of a change that touched these documents.
pub fn change_log_encode(touched: &Touched) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + touched.len() * 13);
    let mut writer = Writer::new(&mut out);
    writer.u8(FORMAT);
    writer.u32(u32::try_from(touched.len()).unwrap_or(u32::MAX));
    for (kind, id) in touched {
        writer.u8(kind.code());
        writer.fixed(id.as_bytes());
    }
    out
}

/// The documents in it.
pub fn change_log_decode(bytes: &[u8]) -> Result<Touched, RowFault> {
    let mut reader = Reader::of_format(bytes, FORMAT)?;
    let mut touched = Touched::new();
    for _ in 0..reader.u32()? {
        let document = (reader.code(DocumentKind::from_code)?, Id::from_bytes(reader.fixed()?));
        if touched.last().is_some_and(|before| *before >= document) {
            return Err(RowFault::Value);
        }
        touched.insert(document);
    }
    reader.end()?;
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_touched_is_read_as_it_was_written_and_else_refused() {
        let touched = Touched::from([
            (DocumentKind::ApiKey, Id::from_bytes([2; 12])),
            (DocumentKind::Organisation, Id::from_bytes([3; 12])),
        ]);
        let bytes = change_log_encode(&touched);
        let written: Vec<u8> = [&[1, 0, 0, 0, 2, 1][..], &[3; 12], &[4], &[2; 12]].concat();
        assert_eq!(bytes, written);
        assert_eq!(change_log_decode(&bytes), Ok(touched));
        for len in 0..bytes.len() {
            assert!(change_log_decode(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(change_log_decode(&[bytes.as_slice(), &[0]].concat()), Err(RowFault::Long));
        let mut twice = bytes;
        twice[18..].copy_from_slice(&written[5..18]);
        assert_eq!(change_log_decode(&twice), Err(RowFault::Value), "in their order, each once");
    }

    #[test]
    fn rows_of_changes_come_round() {
        assert_eq!(change_log_id(1).as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(change_log_id(CHANGE_LOG_ROWS + 1), change_log_id(1));
        assert_ne!(change_log_id(CHANGE_LOG_ROWS - 1), change_log_id(CHANGE_LOG_ROWS));
    }
}
