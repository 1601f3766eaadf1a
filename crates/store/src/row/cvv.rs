//! What is known of a card's CVV, where several nodes share the place that holds it. The CVV itself is never in a row.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 12 | card |
//! | 4 | version |
//! | 4 | number of the CVV: the version that the row had when it was brought or ended |
//! | 6 | until when the CVV may be used |
//! | 1 | 1 once a transaction has been written down that uses it, or when there is none; else 0 |
//! | 18 | keyed tag over all of the above |

use panvault_model::{CardId, Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

/// A commit that brings, uses or ends a card's CVV writes this row, and expects it in the version that it read, or absent. So of two that
/// met one is done, and a CVV that its place brings back from the dead is refused: its number is not the row's, or is used.
///
/// A row does not begin with version 1 but with the time, in seconds since the Unix epoch, and is kept until its version is well below that: so
/// a card's numbers rise, though the row of an earlier CVV may be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardCvvRow {
    /// Whose CVV.
    pub card: CardId,
    /// One more with each change.
    pub version: u32,
    /// Of the CVV: the version that the row had when the CVV was brought, or ended. That it is used, or not after all, leaves it as it is.
    pub number: u32,
    /// Until when it may be used; then the row may go.
    pub cvv_until: Timestamp,
    /// Whether it was used or ended.
    pub used: bool,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl CardCvvRow {
    const FORMAT: u8 = 2;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.card.as_bytes());
        writer.u32(self.version);
        writer.u32(self.number);
        writer.timestamp(self.cvv_until);
        writer.u8(u8::from(self.used));
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`CardCvvRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            card: CardId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            number: reader.u32()?,
            cvv_until: reader.timestamp()?,
            used: reader.flag()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}
