//! A stored card.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 1 | brand, or 0 |
//! | 6 | first six digits, ASCII, or zeroes |
//! | 4 | last four digits, ASCII |
//! | 2 | year of expiry |
//! | 1 | month of expiry |
//! | text? | issuer's name |
//! | 2 | issuer's country, or zeroes |
//! | 3 | currency, or zeroes |
//! | 1 | type, or 0 |
//! | text? | variant |
//! | 4 | version of the BIN table, or 0 |
//! | 16 | fingerprint |
//! | 4 | version of the fingerprint's key |
//! | pairs | metadata |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | bytes | sealed part; empty in an idempotency record |
//! | tag | keyed tag over all that the sealed part is bound to, and the sealed part; zeroes in an idempotency record |
//!
//! How `text?`, `pairs` and `bytes` are written is said in `codec.rs`. The sealed part is bound to everything before it.

use std::sync::Arc;

use panvault_model::{
    Bin, Brand, CardId, CardType, Country, Currency, Expiry, Fingerprint, IssuerFacts, LastFour,
    OrganisationId, Sealed, Tag, Timestamp,
};

use crate::codec::{Reader, RowFault, Writer};

/// A stored card. Everything but `sealed` and `tag` is clear, and is bound to `sealed` as associated data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRow {
    /// The token.
    pub id: CardId,
    /// Who owns it.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Scheme; `None` when the number is of none that is known.
    pub brand: Option<Brand>,
    /// First six digits, where they may be shown.
    pub bin: Option<Bin>,
    /// Last four digits.
    pub last_four: LastFour,
    /// Month at whose end it expires.
    pub expiry: Expiry,
    /// What the BIN table said when the card was made.
    pub facts: IssuerFacts,
    /// Keyed hash of the card number.
    pub fingerprint: Fingerprint,
    /// Version of the key that made the fingerprint.
    pub fingerprint_key: u32,
    /// The caller's own pairs, sorted by name.
    pub metadata: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this row last changed.
    pub updated_at: Timestamp,
    /// Card number and holder.
    pub sealed: Sealed,
    /// Keyed tag over all of the above, made by the vault: the row is held against it without being opened.
    pub tag: Tag,
}

impl CardRow {
    const FORMAT: u8 = 2;

    /// Appends the clear fields that are bound to the sealed part, beside id, organisation and version.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(self.brand.map_or(0, Brand::code));
        writer.fixed(self.bin.as_ref().map_or(&[0; 6], |bin| bin.as_bytes()).as_slice());
        writer.fixed(self.last_four.as_bytes());
        writer.u16(self.expiry.year());
        writer.u8(self.expiry.month());
        writer.text_option(self.facts.issuer_name.as_deref());
        writer.fixed(self.facts.issuer_country.as_ref().map_or(&[0; 2], |code| code.as_bytes().as_slice()));
        writer.fixed(self.facts.currency.as_ref().map_or(&[0; 3], |code| code.as_bytes().as_slice()));
        writer.u8(self.facts.card_type.map_or(0, CardType::code));
        writer.text_option(self.facts.variant.as_deref());
        writer.u32(self.facts.table_version);
        writer.fixed(self.fingerprint.as_bytes());
        writer.u32(self.fingerprint_key);
        writer.pairs(&self.metadata);
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_with(self.sealed.as_bytes(), &self.tag, out);
    }

    /// Appends the row as [`CardRow::without_sealed`] has it, without making that.
    pub fn encode_without_sealed(&self, out: &mut Vec<u8>) {
        self.encode_with(&[], &Tag::NONE, out);
    }

    fn encode_with(&self, sealed: &[u8], tag: &Tag, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        self.encode_clear(out);
        let mut writer = Writer::new(out);
        writer.bytes(sealed);
        writer.tag(tag);
    }

    /// Reads a row that [`CardRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != Self::FORMAT {
            return Err(RowFault::Value);
        }
        let row = Self {
            id: CardId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            brand: reader.code_option(Brand::from_code)?,
            bin: reader.bin()?,
            last_four: LastFour::from_digits(reader.fixed()?).ok_or(RowFault::Value)?,
            expiry: Expiry::new(reader.u16()?, reader.u8()?).ok_or(RowFault::Value)?,
            facts: IssuerFacts {
                issuer_name: reader.text_option()?.map(Arc::from),
                issuer_country: letters(reader.fixed()?, Country::from_bytes)?,
                currency: letters(reader.fixed()?, Currency::from_bytes)?,
                card_type: reader.code_option(CardType::from_code)?,
                variant: reader.text_option()?.map(Arc::from),
                table_version: reader.u32()?,
            },
            fingerprint: Fingerprint::from_bytes(reader.fixed()?),
            fingerprint_key: reader.u32()?,
            metadata: reader.pairs()?,
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            sealed: Sealed::from_bytes(reader.bytes()?),
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }

    /// The row as an answer keeps it: without the sealed part, which must go when the card goes, and the tag over it.
    #[must_use]
    pub fn without_sealed(&self) -> Self {
        Self { sealed: Sealed::from_bytes([]), tag: Tag::NONE, ..self.clone() }
    }
}

fn letters<const N: usize, T>(bytes: [u8; N], read: fn([u8; N]) -> Option<T>) -> Result<Option<T>, RowFault> {
    if bytes == [0; N] { Ok(None) } else { read(bytes).map(Some).ok_or(RowFault::Value) }
}
