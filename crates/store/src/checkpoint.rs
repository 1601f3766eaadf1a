//! How far the audit trail of each node has come, where nodes share a store.
//!
//! The body of a checkpoint:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 12 | the node that began last |
//! | 4 | number of nodes that go on |
//! | 20 each | node (12), in their order · place of its last record (8) |
//!
//! The body of the end of a node's trail: format, 1 (1) · place of its last record (8).

use std::collections::BTreeMap;

use panvault_model::NodeId;

use crate::codec::{Reader, RowFault, Writer};

const FORMAT: u8 = 1;

/// How far the trails of nodes have come, at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// The node that began last. Its first record names the one before it, and so on.
    pub last: NodeId,
    /// The place of the last record of each whose trail may go on.
    pub ends: BTreeMap<NodeId, u64>,
}

impl AuditCheckpoint {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + self.ends.len() * 20);
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        writer.fixed(self.last.as_bytes());
        writer.u32(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        for (node, place) in &self.ends {
            writer.fixed(node.as_bytes());
            writer.u64(*place);
        }
        out
    }

    /// Reads what [`AuditCheckpoint::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let last = NodeId::from_bytes(reader.fixed()?);
        let mut ends = BTreeMap::new();
        for _ in 0..reader.u32()? {
            let node = NodeId::from_bytes(reader.fixed()?);
            if ends.last_key_value().is_some_and(|(before, _)| *before >= node) {
                return Err(RowFault::Value);
            }
            ends.insert(node, reader.u64()?);
        }
        reader.end()?;
        Ok(Self { last, ends })
    }
}

/// The body of the row that says where a trail ended.
pub fn audit_end_encode(place: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    let mut writer = Writer::new(&mut out);
    writer.u8(FORMAT);
    writer.u64(place);
    out
}

/// The place in it.
pub fn audit_end_decode(bytes: &[u8]) -> Result<u64, RowFault> {
    let mut reader = Reader::of_format(bytes, FORMAT)?;
    let place = reader.u64()?;
    reader.end()?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 12])
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_else_refused() {
        let checkpoint =
            AuditCheckpoint { last: node(2), ends: BTreeMap::from([(node(1), 300), (node(2), 0)]) };
        let bytes = checkpoint.encode();
        let written: Vec<u8> =
            [&[1][..], &[2; 12], &[0, 0, 0, 2], &[1; 12], &[0, 0, 0, 0, 0, 0, 1, 44], &[2; 12], &[0; 8]]
                .concat();
        assert_eq!(bytes, written);
        assert_eq!(AuditCheckpoint::decode(&bytes), Ok(checkpoint));
        for len in 0..bytes.len() {
            assert!(AuditCheckpoint::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(AuditCheckpoint::decode(&[bytes.as_slice(), &[0]].concat()), Err(RowFault::Long));
        for twice in [[1; 12], [0; 12]] {
            let mut other = bytes.clone();
            other[37..49].copy_from_slice(&twice);
            assert_eq!(AuditCheckpoint::decode(&other), Err(RowFault::Value), "in their order, each once");
        }
    }

    #[test]
    fn an_end_is_read_as_it_was_written_and_else_refused() {
        assert_eq!(audit_end_encode(258), [1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(audit_end_decode(&audit_end_encode(258)), Ok(258));
        for refused in [&[2, 0, 0, 0, 0, 0, 0, 1, 2][..], &[1, 0], &[1, 0, 0, 0, 0, 0, 0, 1, 2, 0], &[]] {
            assert!(audit_end_decode(refused).is_err());
        }
    }
}
