//! How far the trail was exported.
//!
//! The body of the state:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 8 | number of the last checkpoint |
//! | 8 | records that are signed |
//! | 8 | number of the first checkpoint that is kept |
//! | 32 | SHA-256 of the line of the last checkpoint; zeroes for none |
//! | 2 | version of the key that signed it; 0 for none |
//! | 6 | when it was signed |
//! | 4 | number of writers |
//! | 20 each | writer (12), in their order · place of its last record that is signed (8) |
//! | 4 | number of destinations |
//! | each | its name, with its length (2) before it, in their order · number of the last checkpoint that it took (8) · since when it is behind: 0, or 1 and the time (1 or 7) |
//!
//! The body of a checkpoint: format, 1 (1) · number (8) · records before it (8) · SHA-256 of the line of the checkpoint before (32) · when it was signed (6) · number of writers (4) ·
//! each: writer (12) · first place (8) · number of records (4) · the lines behind the records, with their length (4) before them.

use std::collections::BTreeMap;

use panvault_model::{NodeId, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

const FORMAT: u8 = 1;

/// How far the trail was exported, and who has how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailState {
    /// The last checkpoint; 0 for none.
    pub number: u64,
    /// Records that are signed.
    pub sequence: u64,
    /// The first checkpoint that is kept; those before it have been taken by every destination.
    pub kept_from: u64,
    /// SHA-256 of the line of the last checkpoint.
    pub checkpoint: [u8; 32],
    /// Version of the key that signed it; 0 for none.
    pub key: u16,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The place of the last record of each writer that is signed.
    pub ends: BTreeMap<NodeId, u64>,
    /// Destinations by name.
    pub taken: BTreeMap<String, TrailTaken>,
}

/// How far one destination is, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailTaken {
    /// The last checkpoint that it took.
    pub number: u64,
    /// When the first checkpoint was signed that it has not taken.
    pub behind_since: Option<Timestamp>,
}

/// A checkpoint, and where the records are that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailCheckpoint {
    /// Counts the checkpoints, from 1.
    pub number: u64,
    /// Records before it.
    pub sequence: u64,
    /// SHA-256 of the line of the checkpoint before.
    pub before: [u8; 32],
    /// When it was signed.
    pub signed_at: Timestamp,
    /// Its records, in their order: writer, first place, how many.
    pub records: Vec<(NodeId, u64, u32)>,
    /// The lines behind them, the last of which is the checkpoint.
    pub lines: Vec<u8>,
}

impl TrailState {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.ends.len() * 20);
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        writer.u64(self.number);
        writer.u64(self.sequence);
        writer.u64(self.kept_from);
        writer.fixed(&self.checkpoint);
        writer.u16(self.key);
        writer.timestamp(self.signed_at);
        writer.u32(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        for (node, place) in &self.ends {
            writer.fixed(node.as_bytes());
            writer.u64(*place);
        }
        writer.u32(u32::try_from(self.taken.len()).unwrap_or(u32::MAX));
        for (name, taken) in &self.taken {
            writer.text(name);
            writer.u64(taken.number);
            writer.timestamp_option(taken.behind_since);
        }
        out
    }

    /// Reads what [`TrailState::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let mut state = Self {
            number: reader.u64()?,
            sequence: reader.u64()?,
            kept_from: reader.u64()?,
            checkpoint: reader.fixed()?,
            key: reader.u16()?,
            signed_at: reader.timestamp()?,
            ends: BTreeMap::new(),
            taken: BTreeMap::new(),
        };
        for _ in 0..reader.u32()? {
            let node = NodeId::from_bytes(reader.fixed()?);
            if state.ends.last_key_value().is_some_and(|(before, _)| *before >= node) {
                return Err(RowFault::Value);
            }
            state.ends.insert(node, reader.u64()?);
        }
        for _ in 0..reader.u32()? {
            let name = reader.text()?.to_owned();
            if state.taken.last_key_value().is_some_and(|(before, _)| *before >= name) {
                return Err(RowFault::Value);
            }
            let taken = TrailTaken { number: reader.u64()?, behind_since: reader.timestamp_option()? };
            state.taken.insert(name, taken);
        }
        reader.end()?;
        Ok(state)
    }
}

impl TrailCheckpoint {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.records.len() * 24 + self.lines.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        writer.u64(self.number);
        writer.u64(self.sequence);
        writer.fixed(&self.before);
        writer.timestamp(self.signed_at);
        writer.u32(u32::try_from(self.records.len()).unwrap_or(u32::MAX));
        for (node, first, count) in &self.records {
            writer.fixed(node.as_bytes());
            writer.u64(*first);
            writer.u32(*count);
        }
        writer.bytes(&self.lines);
        out
    }

    /// Reads what [`TrailCheckpoint::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let (number, sequence, before) = (reader.u64()?, reader.u64()?, reader.fixed()?);
        let signed_at = reader.timestamp()?;
        let mut records = Vec::new();
        for _ in 0..reader.u32()? {
            records.push((NodeId::from_bytes(reader.fixed()?), reader.u64()?, reader.u32()?));
        }
        let lines = reader.bytes()?.to_vec();
        reader.end()?;
        Ok(Self { number, sequence, before, signed_at, records, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_unix_millis(0x0102_0304_0506);

    #[test]
    fn a_state_is_read_as_it_was_written_and_else_refused() {
        let node = |n| NodeId::from_bytes([n; 12]);
        let taken = TrailTaken { number: 2, behind_since: Some(AT) };
        let state = TrailState {
            number: 3,
            sequence: 4,
            kept_from: 2,
            checkpoint: [5; 32],
            key: 6,
            signed_at: AT,
            ends: BTreeMap::from([(node(1), 7), (node(2), 8)]),
            taken: BTreeMap::from([("a".to_owned(), taken)]),
        };
        let bytes = state.encode();
        let head = [
            &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2][..],
            &[5; 32],
            &[0, 6, 1, 2, 3, 4, 5, 6],
        ];
        assert_eq!(bytes[..65], head.concat());
        assert_eq!(TrailState::decode(&bytes), Ok(state));
        for len in 0..bytes.len() {
            assert!(TrailState::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert!(TrailState::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        let mut twice = bytes;
        twice[89..101].copy_from_slice(&[1; 12]);
        assert_eq!(TrailState::decode(&twice), Err(RowFault::Value), "each writer once");
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_else_refused() {
        let checkpoint = TrailCheckpoint {
            number: 1,
            sequence: 2,
            before: [3; 32],
            signed_at: AT,
            records: vec![(NodeId::from_bytes([4; 12]), 5, 6)],
            lines: b"line\n".to_vec(),
        };
        let bytes = checkpoint.encode();
        assert_eq!(bytes[..17], [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(TrailCheckpoint::decode(&bytes), Ok(checkpoint));
        for len in 0..bytes.len() {
            assert!(TrailCheckpoint::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert!(TrailCheckpoint::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}
