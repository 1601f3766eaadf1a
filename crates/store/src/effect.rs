//! An effect:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the table, by its number |
//! | 1 | 1: the row is now this; 2: the row is gone; 3: the row has another tag, and all else of it is as before |
//! | bytes | the row; or, of one that is gone, its key |

use crate::codec::{Reader, RowFault};
use crate::row::{Row, RowKey, Table};

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The row is now this.
    Put(Row),
    /// The row is gone.
    Delete(RowKey),
    /// The row is there, in this version, which the commit expects, and has another tag: nothing else of it changes.
    Retag(Row),
}

/// The changes of one commit.
pub type Effects = Vec<Effect>;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const RETAG: u8 = 3;

impl Effect {
    /// The row that changes.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Put(row) | Self::Retag(row) => row.key(),
            Self::Delete(key) => *key,
        }
    }

    /// The row as it is from now on, if it is there.
    pub const fn row(&self) -> Option<&Row> {
        match self {
            Self::Put(row) | Self::Retag(row) => Some(row),
            Self::Delete(_) => None,
        }
    }

    /// Appends table, kind of change, a length in four bytes, and the row or its key.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.key().table().code());
        out.push(match self {
            Self::Put(_) => PUT,
            Self::Delete(_) => DELETE,
            Self::Retag(_) => RETAG,
        });
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let body_at = out.len();
        match self {
            Self::Put(row) | Self::Retag(row) => row.encode(out),
            Self::Delete(key) => key.encode(out),
        }
        let len = u32::try_from(out.len() - body_at).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(slot) = out.get_mut(length_at..body_at) {
            slot.copy_from_slice(&len);
        }
    }

    /// Reads one effect from the front.
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        let table = reader.code(Table::from_code)?;
        let change = reader.u8()?;
        let body = reader.bytes()?;
        match change {
            PUT => Row::decode(table, body).map(Self::Put),
            RETAG => Row::decode(table, body).map(Self::Retag),
            DELETE => RowKey::decode(table, body).map(Self::Delete),
            _ => Err(RowFault::Value),
        }
    }
}

impl<T: Into<Row>> From<T> for Effect {
    fn from(row: T) -> Self {
        Self::Put(row.into())
    }
}
