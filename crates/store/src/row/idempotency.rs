//! A kept request.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 2 | version of the key of both digests |
//! | 16 | key, a keyed digest |
//! | 32 | keyed digest of the body |
//! | 6 | when it may be forgotten |
//! | 1 | answer: 0 it still runs, 1 a card, 2 a transaction |
//! | 6 | of a card: until when its CVV was held, or 0 |
//! | | of a card: the row, its sealed part empty and its tag zeroes; of a transaction: the row |
//! | tag | keyed tag over all of the above |

use panvault_model::{Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};
use crate::row::{CardRow, TransactionRow};

/// Keyed digest of organisation, path and the caller's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 16]);

/// What an idempotent request was answered with, so that it can be answered so again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It still runs.
    Running,
    /// A card, without its sealed part, and until when its CVV was held.
    Card(Box<CardRow>, Option<Timestamp>),
    /// A transaction, whatever became of it.
    Transaction(Box<TransactionRow>),
}

/// A kept request: who it was (as digests) and what it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Version of the key that made the two digests.
    pub digest_key: u16,
    /// Names the record.
    pub key: IdempotencyKey,
    /// Keyed digest of the body.
    pub body: [u8; 32],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// The answer.
    pub answer: Answer,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl IdempotencyRow {
    const FORMAT: u8 = 2;

    /// 1 while the request runs, 2 once it is answered.
    pub fn version(&self) -> u32 {
        if self.answer == Answer::Running { 1 } else { 2 }
    }

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.u16(self.digest_key);
        writer.fixed(&self.key.0);
        writer.fixed(&self.body);
        writer.timestamp(self.expires_at);
        match &self.answer {
            Answer::Running => writer.u8(0),
            Answer::Card(row, cvv_expires_at) => {
                writer.u8(1);
                writer.timestamp(cvv_expires_at.unwrap_or(Timestamp::from_unix_millis(0)));
                row.encode(out);
            }
            Answer::Transaction(row) => {
                writer.u8(2);
                row.encode(out);
            }
        }
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`IdempotencyRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != Self::FORMAT {
            return Err(RowFault::Value);
        }
        let row = Self {
            digest_key: reader.u16()?,
            key: IdempotencyKey(reader.fixed()?),
            body: reader.fixed()?,
            expires_at: reader.timestamp()?,
            answer: match reader.u8()? {
                0 => Answer::Running,
                1 => {
                    let cvv_expires_at = reader.timestamp()?;
                    let held = (cvv_expires_at.unix_millis() != 0).then_some(cvv_expires_at);
                    Answer::Card(Box::new(CardRow::decode_from(&mut reader)?), held)
                }
                2 => Answer::Transaction(Box::new(TransactionRow::decode_from(&mut reader)?)),
                _ => return Err(RowFault::Value),
            },
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}
