//! A stored checkout.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 12 | account |
//! | 4 | amount |
//! | 1 | whether a transaction is made: 0 or 1 |
//! | 1 | capture now: 0 or 1 |
//! | 1 or 13 | customer: 0, or 1 and an id |
//! | text | merchant reference |
//! | text | dynamic descriptor |
//! | text | return URL |
//! | text? | address of the webhook |
//! | text? | language |
//! | 6 | when it expires |
//! | 6 | when it is removed |
//! | 1 or 13 | card: 0, or 1 and an id |
//! | 1 | cards that were made at it |
//! | 1 | attempts that were begun |
//! | 1 | of those before the last, the ones that reached no processor |
//! | 1 or 13 | transaction of the last attempt: 0, or 1 and an id |
//! | 1 | how it ended without a transaction, or 0 |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | tag | keyed tag over all of the above |

use panvault_model::{
    AccountId, Amount, CardId, CheckoutId, Id, OrganisationId, Tag, Timestamp, TransactionId,
};

use crate::codec::{Reader, RowFault, Writer};

/// How a checkout ended without a transaction. The numbers are those of stored records and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckoutEnd {
    /// Its card was stored, and nothing else was asked for.
    Tokenised,
    /// The shopper gave up.
    Cancelled,
}

impl CheckoutEnd {
    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::Tokenised => 1,
            Self::Cancelled => 2,
        }
    }

    /// The one that a stored number stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Tokenised, Self::Cancelled].into_iter().find(|end| end.code() == code)
    }
}

/// What a shopper is asked to pay, and how far that has come. Where a payment stands, its transaction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRow {
    /// Names it.
    pub id: CheckoutId,
    /// The account's organisation, whose its cards are.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Where the money goes.
    pub account: AccountId,
    /// Minor units of the account's currency; 0 verifies.
    pub amount: Amount,
    /// `false` only stores the card.
    pub process_transaction: bool,
    /// `false` reserves only.
    pub capture_now: bool,
    /// As sent.
    pub customer: Option<Id>,
    /// As sent.
    pub merchant_reference: String,
    /// As sent.
    pub dynamic_descriptor: String,
    /// Where the shopper's browser goes to when it has ended.
    pub return_url: String,
    /// As sent.
    pub webhook_transaction_update: Option<String>,
    /// The language that the page begins in.
    pub locale: Option<String>,
    /// Until when it may be paid.
    pub expires_at: Timestamp,
    /// When this row is removed.
    pub remove_at: Timestamp,
    /// The card that was made at it last.
    pub card: Option<CardId>,
    /// How many were.
    pub cards: u8,
    /// How often it was tried to be paid: each has a transaction, the last that below.
    pub attempts: u8,
    /// How many of those before the last reached no processor, and so count for nothing.
    pub unreached: u8,
    /// The transaction of the last attempt.
    pub transaction: Option<TransactionId>,
    /// How it ended without one.
    pub end: Option<CheckoutEnd>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl CheckoutRow {
    const FORMAT: u8 = 2;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        writer.fixed(self.account.as_bytes());
        writer.u32(self.amount.minor_units());
        writer.u8(u8::from(self.process_transaction));
        writer.u8(u8::from(self.capture_now));
        id_option(&mut writer, self.customer);
        writer.text(&self.merchant_reference);
        writer.text(&self.dynamic_descriptor);
        writer.text(&self.return_url);
        writer.text_option(self.webhook_transaction_update.as_deref());
        writer.text_option(self.locale.as_deref());
        writer.timestamp(self.expires_at);
        writer.timestamp(self.remove_at);
        id_option(&mut writer, self.card.map(|card| card.0));
        writer.u8(self.cards);
        writer.u8(self.attempts);
        writer.u8(self.unreached);
        id_option(&mut writer, self.transaction.map(|transaction| transaction.0));
        writer.u8(self.end.map_or(0, CheckoutEnd::code));
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`CheckoutRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            id: CheckoutId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            account: AccountId::from_bytes(reader.fixed()?),
            amount: Amount::new(reader.u32()?).ok_or(RowFault::Value)?,
            process_transaction: reader.flag()?,
            capture_now: reader.flag()?,
            customer: read_id_option(&mut reader)?,
            merchant_reference: reader.text()?.to_owned(),
            dynamic_descriptor: reader.text()?.to_owned(),
            return_url: reader.text()?.to_owned(),
            webhook_transaction_update: reader.text_option()?.map(str::to_owned),
            locale: reader.text_option()?.map(str::to_owned),
            expires_at: reader.timestamp()?,
            remove_at: reader.timestamp()?,
            card: read_id_option(&mut reader)?.map(CardId),
            cards: reader.u8()?,
            attempts: reader.u8()?,
            unreached: reader.u8()?,
            transaction: read_id_option(&mut reader)?.map(TransactionId),
            end: reader.code_option(CheckoutEnd::from_code)?,
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}

fn id_option(writer: &mut Writer<'_>, id: Option<Id>) {
    writer.u8(u8::from(id.is_some()));
    if let Some(id) = id {
        writer.fixed(id.as_bytes());
    }
}

fn read_id_option(reader: &mut Reader<'_>) -> Result<Option<Id>, RowFault> {
    Ok(if reader.flag()? { Some(Id::from_bytes(reader.fixed()?)) } else { None })
}
