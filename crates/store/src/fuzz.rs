//! What the fuzz targets of this crate run (`fuzz/`). A test runs them too, over the kept corpus. Each says whether what it was given was taken.

use crate::codec::Reader;
use crate::effect::Effect;
use crate::row::{AuditNote, Row, RowKey, Table};

/// A row: the number of its table, then its bytes.
///
/// # Panics
///
/// When a row that was read is not read alike once it is written again.
pub fn row(bytes: &[u8]) -> bool {
    let Some((table, bytes)) = bytes.split_first() else { return false };
    let Some(table) = Table::from_code(*table) else { return false };
    let Ok(row) = Row::decode(table, bytes) else { return false };
    let mut again = Vec::new();
    row.encode(&mut again);
    assert_eq!(Row::decode(table, &again).as_ref(), Ok(&row), "reads otherwise");
    let mut key = Vec::new();
    row.key().encode(&mut key);
    assert_eq!(RowKey::decode(table, &key), Ok(row.key()), "its key reads otherwise");
    true
}

/// What a commit leaves in the log: its audit note, then its effects to the end.
///
/// # Panics
///
/// When what was read is not what is written again, byte by byte, but for effects whose rows have several spellings: those read alike.
pub fn commit(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    let Ok(note) = AuditNote::decode_from(&mut reader) else { return false };
    let mut again = Vec::new();
    note.encode(&mut again);
    assert_eq!(
        again.as_slice(),
        bytes.get(..again.len()).unwrap_or_default(),
        "the note is written otherwise"
    );
    while !reader.is_empty() {
        let Ok(effect) = Effect::decode_from(&mut reader) else { return false };
        let mut again = Vec::new();
        effect.encode(&mut again);
        assert_eq!(Effect::decode_from(&mut Reader::new(&again)), Ok(effect), "reads otherwise");
    }
    true
}
