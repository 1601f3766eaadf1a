//! A node that serves the vault, where several share the store: until when the transactions that it has in hand are its own.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2; 1 where the part is not there |
//! | 12 | id |
//! | 4 | version |
//! | 6 | until when its lease runs, by the calendar |
//! | 6 | when it started |
//! | 1 | its part, in bits: 1 it serves, 2 it holds CVVs in its own process |
//! | 18 | keyed tag over all of the above |

use panvault_model::{NodeId, Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePart {
    /// It serves, and may do what one node does for all.
    pub serves: bool,
    /// The CVVs that it holds are in its own process: no other node sees them.
    pub cvvs_in_process: bool,
}

impl NodePart {
    const SERVES: u8 = 1;
    const CVVS_IN_PROCESS: u8 = 2;

    const fn bits(self) -> u8 {
        let serves = if self.serves { Self::SERVES } else { 0 };
        let cvvs_in_process = if self.cvvs_in_process { Self::CVVS_IN_PROCESS } else { 0 };
        serves | cvvs_in_process
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !(Self::SERVES | Self::CVVS_IN_PROCESS) != 0 {
            return None;
        }
        Some(Self { serves: bits & Self::SERVES != 0, cvvs_in_process: bits & Self::CVVS_IN_PROCESS != 0 })
    }
}

/// A node writes this row when it starts, again and again while it lives, and takes it away when it ends. Others take over what it
/// has left when the row is gone, or its lease ran out long enough ago that no clock can be so wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Names it; another at every start.
    pub id: NodeId,
    /// Counts its changes, from 1.
    pub version: u32,
    /// Until when its lease runs, by its own calendar.
    pub lease_until: Timestamp,
    /// When it started.
    pub started_at: Timestamp,
    /// What it does; `None` in a row of format 1, whose node serves.
    pub part: Option<NodePart>,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl NodeRow {
    const FORMAT: u8 = 2;
    const FORMAT_WITHOUT_PART: u8 = 1;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(if self.part.is_some() { Self::FORMAT } else { Self::FORMAT_WITHOUT_PART });
        writer.fixed(self.id.as_bytes());
        writer.u32(self.version);
        writer.timestamp(self.lease_until);
        writer.timestamp(self.started_at);
        if let Some(part) = self.part {
            writer.u8(part.bits());
        }
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`NodeRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let has_part = bytes.first() != Some(&Self::FORMAT_WITHOUT_PART);
        let format = if has_part { Self::FORMAT } else { Self::FORMAT_WITHOUT_PART };
        let mut reader = Reader::of_format(bytes, format)?;
        let row = Self {
            id: NodeId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            lease_until: reader.timestamp()?,
            started_at: reader.timestamp()?,
            part: if has_part { Some(reader.code(NodePart::from_bits)?) } else { None },
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_as_it_was_written_in_either_format() {
        let row = NodeRow {
            id: NodeId::from_bytes([3; 12]),
            version: 9,
            lease_until: Timestamp::from_unix_millis(258),
            started_at: Timestamp::from_unix_millis(7),
            part: Some(NodePart { serves: false, cvvs_in_process: true }),
            tag: Tag { key: 2, bytes: [0x7b; 16] },
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let clear = [&[3; 12][..], &[0, 0, 0, 9], &[0, 0, 0, 0, 1, 2], &[0, 0, 0, 0, 0, 7]].concat();
        let tag = [&[0, 2][..], &[0x7b; 16]].concat();
        assert_eq!(bytes, [&[2][..], &clear, &[2], &tag].concat());
        assert_eq!(NodeRow::decode(&bytes).as_ref(), Ok(&row));
        let without = NodeRow { part: None, ..row };
        let old = [&[1][..], &clear, &tag].concat();
        assert_eq!(NodeRow::decode(&old), Ok(without));
        bytes[29] = 4;
        assert!(NodeRow::decode(&bytes).is_err(), "a part that nobody knows");
        bytes[0] = 3;
        assert!(NodeRow::decode(&bytes).is_err(), "a format that nobody knows");
    }
}
