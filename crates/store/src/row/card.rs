//! A stored card. What most cards have alike is left out.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 6 |
//! | 12 | id; absent where the row is kept under it |
//! | 1 | flags, below |
//! | 12 | organisation |
//! | 4 | version; absent with flag 1: it is 1 |
//! | 1 | brand, or 0 |
//! | 6 | first six digits, ASCII, or zeroes |
//! | 4 | last four digits, ASCII |
//! | 2 | year of expiry |
//! | 1 | month of expiry |
//! | | absent with flag 2, when nothing is known of the issuer: |
//! | text? | issuer's name |
//! | 2 | issuer's country, or zeroes |
//! | 3 | currency, or zeroes |
//! | 1 | type, or 0 |
//! | text? | variant |
//! | 4 | version of the BIN table; absent with flag 4: it is 0 |
//! | 16 | fingerprint |
//! | 4 | version of the fingerprint's key; absent with flag 8: it is 1, and the next two are absent |
//! | 4 | version of the key of the fingerprint before; 0 where there is none |
//! | 16 | that fingerprint, where there is one |
//! | pairs | metadata |
//! | 6 | when it was made |
//! | 6 | when it last changed; absent with flag 16: when it was made |
//! | 4 · 6 | version when it was sealed · when that was; absent with flag 64: its version, when it last changed |
//! | 2 | version of the tag's key; absent with flag 32: it is 1 |
//! | 16 | keyed tag over all that the sealed part is bound to, version and time of its last change, and the sealed part; zeroes in an idempotency record |
//! | the rest | sealed part; empty in an idempotency record |
//!
//! Flag 128: it is a network token. How `text?` and `pairs` are written is said in `codec.rs`. A row has one spelling: a flag that is not set where it could be is refused.

use std::sync::Arc;

use panvault_model::{
    Bin, Brand, CardId, CardKind, CardType, Country, Currency, Expiry, Fingerprint, IssuerFacts, LastFour,
    OrganisationId, Sealed, Tag, Timestamp,
};

use crate::codec::{Reader, RowFault, Writer};

/// A stored card. Everything but `sealed` and `tag` is clear, and is bound to `sealed` as associated data; only `version` and
/// `updated_at` are not, which move with a CVV too, for which no card is opened and sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRow {
    /// The token.
    pub id: CardId,
    /// Who owns it.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// What its number is.
    pub kind: CardKind,
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
    /// While that key takes the place of another: the fingerprint of before, and the version of the key that made it. The card is found by both.
    pub fingerprint_before: Option<(Fingerprint, u32)>,
    /// The caller's own pairs, sorted by name.
    pub metadata: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed, its CVV included.
    pub updated_at: Timestamp,
    /// Its version when anything of it but its CVV last changed: it was sealed then.
    pub sealed_version: u32,
    /// When that was.
    pub sealed_at: Timestamp,
    /// Card number and holder.
    pub sealed: Sealed,
    /// Keyed tag over all of the above, made by the vault: the row is held against it without being opened.
    pub tag: Tag,
}

const FIRST_VERSION: u8 = 1;
const NO_FACTS: u8 = 2;
const NO_TABLE: u8 = 4;
const FIRST_KEY: u8 = 8;
const UNCHANGED: u8 = 16;
const FIRST_TAG_KEY: u8 = 32;
const SEALED_LAST: u8 = 64;
const NETWORK_TOKEN: u8 = 128;

impl CardRow {
    const FORMAT: u8 = 7;

    /// What the card is found by: its fingerprint, and the one of before.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        [Some(self.fingerprint), self.fingerprint_before.map(|(before, _)| before)].into_iter().flatten()
    }

    /// Appends the clear fields that are bound to the sealed part, beside id, organisation and its version then.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(self.kind.code());
        self.encode_digits(&mut writer);
        encode_facts(&self.facts, &mut writer);
        writer.u32(self.facts.table_version);
        writer.fixed(self.fingerprint.as_bytes());
        writer.u32(self.fingerprint_key);
        writer.pairs(&self.metadata);
        writer.timestamp(self.created_at);
        writer.timestamp(self.sealed_at);
        if let Some((before, key)) = self.fingerprint_before {
            writer.u32(key);
            writer.fixed(before.as_bytes());
        }
    }

    /// Appends what the tag is over beside those, and the sealed part is not bound to.
    pub fn encode_tagged_only(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u32(self.sealed_version);
        writer.timestamp(self.updated_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_with(true, self.sealed.as_bytes(), &self.tag, out);
    }

    /// Appends the row without its id, for whoever keeps it under that.
    pub fn encode_under_id(&self, out: &mut Vec<u8>) {
        self.encode_with(false, self.sealed.as_bytes(), &self.tag, out);
    }

    /// Appends the row as [`CardRow::without_sealed`] has it, without making that.
    pub fn encode_without_sealed(&self, out: &mut Vec<u8>) {
        self.encode_with(true, &[], &Tag::NONE, out);
    }

    fn encode_with(&self, with_id: bool, sealed: &[u8], tag: &Tag, out: &mut Vec<u8>) {
        let flags = self.flags(tag);
        let has = |flag| flags & flag == 0;
        let facts = &self.facts;
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        if with_id {
            writer.fixed(self.id.as_bytes());
        }
        writer.u8(flags);
        writer.fixed(self.organisation.as_bytes());
        if has(FIRST_VERSION) {
            writer.u32(self.version);
        }
        self.encode_digits(&mut writer);
        if has(NO_FACTS) {
            encode_facts(facts, &mut writer);
        }
        if has(NO_TABLE) {
            writer.u32(facts.table_version);
        }
        writer.fixed(self.fingerprint.as_bytes());
        if has(FIRST_KEY) {
            writer.u32(self.fingerprint_key);
            writer.u32(self.fingerprint_before.map_or(0, |(_, key)| key));
            if let Some((before, _)) = self.fingerprint_before {
                writer.fixed(before.as_bytes());
            }
        }
        writer.pairs(&self.metadata);
        writer.timestamp(self.created_at);
        if has(UNCHANGED) {
            writer.timestamp(self.updated_at);
        }
        if has(SEALED_LAST) {
            writer.u32(self.sealed_version);
            writer.timestamp(self.sealed_at);
        }
        if has(FIRST_TAG_KEY) {
            writer.u16(tag.key);
        }
        writer.fixed(&tag.bytes);
        writer.fixed(sealed);
    }

    fn encode_digits(&self, writer: &mut Writer<'_>) {
        writer.u8(self.brand.map_or(0, Brand::code));
        writer.fixed(self.bin.as_ref().map_or(&[0; 6], |bin| bin.as_bytes()).as_slice());
        writer.fixed(self.last_four.as_bytes());
        writer.u16(self.expiry.year());
        writer.u8(self.expiry.month());
    }

    /// What is left out of the row with this tag, and what it is.
    fn flags(&self, tag: &Tag) -> u8 {
        let unknown = IssuerFacts { table_version: self.facts.table_version, ..IssuerFacts::default() };
        let flags = [
            (FIRST_VERSION, self.version == 1),
            (NO_FACTS, self.facts == unknown),
            (NO_TABLE, self.facts.table_version == 0),
            (FIRST_KEY, self.fingerprint_key == 1 && self.fingerprint_before.is_none()),
            (UNCHANGED, self.updated_at == self.created_at),
            (FIRST_TAG_KEY, tag.key == 1),
            (NETWORK_TOKEN, self.kind == CardKind::NetworkToken),
            (SEALED_LAST, (self.sealed_version, self.sealed_at) == (self.version, self.updated_at)),
        ];
        flags.iter().filter(|(_, is)| *is).fold(0, |flags, (flag, _)| flags | flag)
    }

    /// Reads a row that [`CardRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let id = CardId::from_bytes(reader.fixed()?);
        Self::decode_rest(id, reader)
    }

    /// Reads a row that [`CardRow::encode_under_id`] wrote.
    pub fn decode_under_id(id: &[u8], bytes: &[u8]) -> Result<Self, RowFault> {
        let id = CardId::from_bytes(id.try_into().map_err(|_| RowFault::Size)?);
        Self::decode_rest(id, Reader::of_format(bytes, Self::FORMAT)?)
    }

    fn decode_rest(id: CardId, mut reader: Reader<'_>) -> Result<Self, RowFault> {
        let flags = reader.u8()?;
        let has = |flag| flags & flag == 0;
        let kind = if flags & NETWORK_TOKEN == 0 { CardKind::Card } else { CardKind::NetworkToken };
        let organisation = OrganisationId::from_bytes(reader.fixed()?);
        let version = if has(FIRST_VERSION) { reader.u32()? } else { 1 };
        let brand = reader.code_option(Brand::from_code)?;
        let bin = reader.bin()?;
        let last_four = LastFour::from_digits(reader.fixed()?).ok_or(RowFault::Value)?;
        let expiry = Expiry::new(reader.u16()?, reader.u8()?).ok_or(RowFault::Value)?;
        let mut facts = if has(NO_FACTS) { decode_facts(&mut reader)? } else { IssuerFacts::default() };
        if has(NO_TABLE) {
            facts.table_version = reader.u32()?;
        }
        let fingerprint = Fingerprint::from_bytes(reader.fixed()?);
        let (fingerprint_key, key_before) =
            if has(FIRST_KEY) { (reader.u32()?, reader.u32()?) } else { (1, 0) };
        let fingerprint_before = match key_before {
            0 => None,
            key => Some((Fingerprint::from_bytes(reader.fixed()?), key)),
        };
        let metadata = reader.pairs()?;
        let created_at = reader.timestamp()?;
        let updated_at = if has(UNCHANGED) { reader.timestamp()? } else { created_at };
        let (sealed_version, sealed_at) =
            if has(SEALED_LAST) { (reader.u32()?, reader.timestamp()?) } else { (version, updated_at) };
        let key = if has(FIRST_TAG_KEY) { reader.u16()? } else { 1 };
        let tag = Tag { key, bytes: reader.fixed()? };
        let row = Self {
            id,
            organisation,
            version,
            kind,
            brand,
            bin,
            last_four,
            expiry,
            facts,
            fingerprint,
            fingerprint_key,
            fingerprint_before,
            metadata,
            created_at,
            updated_at,
            sealed_version,
            sealed_at,
            sealed: Sealed::from_bytes(reader.rest()),
            tag,
        };
        if row.flags(&row.tag) == flags { Ok(row) } else { Err(RowFault::Value) }
    }

    /// The row as an answer keeps it: without the sealed part, which must go when the card goes, and the tag over it.
    #[must_use]
    pub fn without_sealed(&self) -> Self {
        Self { sealed: Sealed::from_bytes([]), tag: Tag::NONE, ..self.clone() }
    }
}

/// All but the version of the table.
fn encode_facts(facts: &IssuerFacts, writer: &mut Writer<'_>) {
    writer.text_option(facts.issuer_name.as_deref());
    writer.fixed(facts.issuer_country.as_ref().map_or(&[0; 2], |code| code.as_bytes().as_slice()));
    writer.fixed(facts.currency.as_ref().map_or(&[0; 3], |code| code.as_bytes().as_slice()));
    writer.u8(facts.card_type.map_or(0, CardType::code));
    writer.text_option(facts.variant.as_deref());
}

fn decode_facts(reader: &mut Reader<'_>) -> Result<IssuerFacts, RowFault> {
    Ok(IssuerFacts {
        issuer_name: reader.text_option()?.map(Arc::from),
        issuer_country: letters(reader.fixed()?, Country::from_bytes)?,
        currency: letters(reader.fixed()?, Currency::from_bytes)?,
        card_type: reader.code_option(CardType::from_code)?,
        variant: reader.text_option()?.map(Arc::from),
        table_version: 0,
    })
}

fn letters<const N: usize, T>(bytes: [u8; N], read: fn([u8; N]) -> Option<T>) -> Result<Option<T>, RowFault> {
    if bytes == [0; N] { Ok(None) } else { read(bytes).map(Some).ok_or(RowFault::Value) }
}
