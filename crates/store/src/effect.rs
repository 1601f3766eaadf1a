//! An effect: its number in one byte, the length of what follows in four, and then:
//!
//! | number | effect | what follows |
//! | --- | --- | --- |
//! | 1 | card is now this | card |
//! | 2 | card is gone | id, 12 bytes; organisation, 12; fingerprint, 16 |
//! | 3 | transaction is now this | transaction |
//! | 4 | step of a history | step |
//! | 5 | document is now this | document |
//! | 6 | document is gone | kind, 1 byte; id, 12 |
//! | 7 | idempotency record is now this | record |
//! | 8 | idempotency record is gone | key, 16 bytes |

use std::sync::Arc;

use panvault_model::{CardId, Fingerprint, Id, OrganisationId};

use crate::codec::{Reader, RowFault, Writer};
use crate::document::{DocumentKind, DocumentRow};
use crate::row::{CardRow, HistoryRow, IdempotencyKey, IdempotencyRow, TransactionRow};

/// One change of one row. A durable step is a handful of these and its audit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The card is now this.
    CardPut(Arc<CardRow>),
    /// The card is gone; the rest says where the indexes have it.
    CardDelete {
        /// Which card.
        id: CardId,
        /// Whose it was.
        organisation: OrganisationId,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// The transaction is now this.
    TransactionPut(Arc<TransactionRow>),
    /// A step was added to a transaction's history.
    HistoryPut(HistoryRow),
    /// The document is now this.
    DocumentPut(DocumentRow),
    /// The document is gone.
    DocumentDelete(DocumentKind, Id),
    /// The idempotency record is now this.
    IdempotencyPut(Box<IdempotencyRow>),
    /// The idempotency record is gone.
    IdempotencyDelete(IdempotencyKey),
}

/// The changes of one durable step.
pub type Effects = Vec<Effect>;

impl Effect {
    /// Appends: the number of the effect, a length in four bytes, and the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.code());
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let body_at = out.len();
        match self {
            Self::CardPut(row) => row.encode(out),
            Self::CardDelete { id, organisation, fingerprint } => {
                let mut writer = Writer::new(out);
                writer.fixed(id.as_bytes());
                writer.fixed(organisation.as_bytes());
                writer.fixed(fingerprint.as_bytes());
            }
            Self::TransactionPut(row) => row.encode(out),
            Self::HistoryPut(row) => row.encode(out),
            Self::DocumentPut(row) => row.encode(out),
            Self::DocumentDelete(kind, id) => {
                let mut writer = Writer::new(out);
                writer.u8(kind.code());
                writer.fixed(id.as_bytes());
            }
            Self::IdempotencyPut(row) => row.encode(out),
            Self::IdempotencyDelete(key) => out.extend_from_slice(&key.0),
        }
        let len = u32::try_from(out.len() - body_at).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(slot) = out.get_mut(length_at..body_at) {
            slot.copy_from_slice(&len);
        }
    }

    /// Reads one effect from the front.
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        let code = reader.u8()?;
        let body = reader.bytes()?;
        let mut parts = Reader::new(body);
        match code {
            1 => CardRow::decode(body).map(Arc::new).map(Self::CardPut),
            2 => {
                let effect = Self::CardDelete {
                    id: CardId::from_bytes(parts.fixed()?),
                    organisation: OrganisationId::from_bytes(parts.fixed()?),
                    fingerprint: Fingerprint::from_bytes(parts.fixed()?),
                };
                parts.end().map(|()| effect)
            }
            3 => TransactionRow::decode(body).map(Arc::new).map(Self::TransactionPut),
            4 => HistoryRow::decode(body).map(Self::HistoryPut),
            5 => DocumentRow::decode(body).map(Self::DocumentPut),
            6 => {
                let kind = parts.code(DocumentKind::from_code)?;
                let id = Id::from_bytes(parts.fixed()?);
                parts.end().map(|()| Self::DocumentDelete(kind, id))
            }
            7 => IdempotencyRow::decode(body).map(Box::new).map(Self::IdempotencyPut),
            8 => {
                let key = IdempotencyKey(parts.fixed()?);
                parts.end().map(|()| Self::IdempotencyDelete(key))
            }
            _ => Err(RowFault::Value),
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::CardPut(_) => 1,
            Self::CardDelete { .. } => 2,
            Self::TransactionPut(_) => 3,
            Self::HistoryPut(_) => 4,
            Self::DocumentPut(_) => 5,
            Self::DocumentDelete(..) => 6,
            Self::IdempotencyPut(_) => 7,
            Self::IdempotencyDelete(_) => 8,
        }
    }
}
