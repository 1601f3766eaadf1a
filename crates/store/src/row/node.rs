//! A node that serves the vault, where several share the store: until when the transactions that it has in hand are its own.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 12 | id |
//! | 4 | version |
//! | 6 | until when its lease runs, by the calendar |
//! | 6 | when it started |
//! | 18 | keyed tag over all of the above |

use panvault_model::{NodeId, Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

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
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl NodeRow {
    const FORMAT: u8 = 1;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.u32(self.version);
        writer.timestamp(self.lease_until);
        writer.timestamp(self.started_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`NodeRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            id: NodeId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            lease_until: reader.timestamp()?,
            started_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}
