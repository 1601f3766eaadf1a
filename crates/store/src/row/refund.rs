//! A stored refund.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 12 | node |
//! | 12 | transaction |
//! | 12 | account |
//! | 12 | processor |
//! | 4 | amount |
//! | 3 | currency |
//! | text? | reason that was given |
//! | text? | merchant reference |
//! | 1 | status |
//! | text? | why, in words |
//! | text? | acquirer's code |
//! | text? | what the acquirer calls it |
//! | 1 | what became of it |
//! | 1 | how often the acquirer was asked about it without saying |
//! | 1 or 7 | when it is asked next: 0, or 1 and the moment |
//! | 1 or 17 | idempotency record: 0, or 1 and its key |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | tag | keyed tag over all of the above |

use panvault_model::{
    AccountId, ActionState, Amount, Currency, NodeId, OrganisationId, ProcessorId, RefundId, RefundStatus,
    Tag, Timestamp, TransactionId,
};

use crate::codec::{Reader, RowFault, Writer};
use crate::row::IdempotencyKey;

/// A stored refund of a transaction, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    /// Names it.
    pub id: RefundId,
    /// The transaction's organisation.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Which node has it in hand, or had last.
    pub node: NodeId,
    /// What is refunded.
    pub transaction: TransactionId,
    /// Where the money comes from.
    pub account: AccountId,
    /// Which connection is used: the transaction's.
    pub processor: ProcessorId,
    /// Minor units.
    pub amount: Amount,
    /// The transaction's.
    pub currency: Currency,
    /// As sent.
    pub reason: Option<String>,
    /// As sent.
    pub merchant_reference: Option<String>,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why, in words.
    pub status_reason: Option<String>,
    /// The acquirer's code.
    pub reason_code: Option<String>,
    /// What the acquirer calls it.
    pub processor_reference: Option<String>,
    /// What became of it at the processor.
    pub state: ActionState,
    /// How often the acquirer was asked about it, and could not say.
    pub asks: u8,
    /// When it is asked next, if it is.
    pub ask_at: Option<Timestamp>,
    /// The idempotency record that waits for its outcome.
    pub idempotency: Option<IdempotencyKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl RefundRow {
    const FORMAT: u8 = 2;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        writer.fixed(self.node.as_bytes());
        writer.fixed(self.transaction.as_bytes());
        writer.fixed(self.account.as_bytes());
        writer.fixed(self.processor.as_bytes());
        writer.u32(self.amount.minor_units());
        writer.fixed(self.currency.as_bytes());
        writer.text_option(self.reason.as_deref());
        writer.text_option(self.merchant_reference.as_deref());
        writer.u8(self.status.code());
        writer.text_option(self.status_reason.as_deref());
        writer.text_option(self.reason_code.as_deref());
        writer.text_option(self.processor_reference.as_deref());
        writer.u8(self.state.code());
        writer.u8(self.asks);
        writer.timestamp_option(self.ask_at);
        writer.u8(u8::from(self.idempotency.is_some()));
        if let Some(key) = self.idempotency {
            writer.fixed(&key.0);
        }
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    }

    /// Whether this vault has still to do something so that it is known what became of it.
    pub const fn is_open(&self) -> bool {
        self.state.is_open() || self.ask_at.is_some()
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`RefundRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            id: RefundId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            node: NodeId::from_bytes(reader.fixed()?),
            transaction: TransactionId::from_bytes(reader.fixed()?),
            account: AccountId::from_bytes(reader.fixed()?),
            processor: ProcessorId::from_bytes(reader.fixed()?),
            amount: Amount::new(reader.u32()?).ok_or(RowFault::Value)?,
            currency: Currency::from_bytes(reader.fixed()?).ok_or(RowFault::Value)?,
            reason: reader.text_option()?.map(str::to_owned),
            merchant_reference: reader.text_option()?.map(str::to_owned),
            status: reader.code(RefundStatus::from_code)?,
            status_reason: reader.text_option()?.map(str::to_owned),
            reason_code: reader.text_option()?.map(str::to_owned),
            processor_reference: reader.text_option()?.map(str::to_owned),
            state: reader.code(ActionState::from_code)?,
            asks: reader.u8()?,
            ask_at: reader.timestamp_option()?,
            idempotency: if reader.flag()? { Some(IdempotencyKey(reader.fixed()?)) } else { None },
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}
