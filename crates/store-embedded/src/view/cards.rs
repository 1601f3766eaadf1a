//! A card's row as the view keeps it: without what its key says, and without what most cards have alike.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 3 |
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
//! | 4 | version of the fingerprint's key; absent with flag 8: it is 1 |
//! | pairs | metadata |
//! | 6 | when it was made |
//! | 6 | when it last changed; absent with flag 16: when it was made |
//! | 2 | version of the tag's key; absent with flag 32: it is 1 |
//! | 16 | tag |
//! | the rest | sealed part |

use std::sync::Arc;

use panvault_model::{
    Brand, CardId, CardType, Country, Currency, Expiry, Fingerprint, IssuerFacts, LastFour, OrganisationId,
    Sealed, Tag,
};
use panvault_store::codec::{Reader, Writer};
use panvault_store::{CardRow, RowFault};

const FORMAT: u8 = 3;

const FIRST_VERSION: u8 = 1;
const NO_FACTS: u8 = 2;
const NO_TABLE: u8 = 4;
const FIRST_KEY: u8 = 8;
const UNCHANGED: u8 = 16;
const FIRST_TAG_KEY: u8 = 32;
const KNOWN: u8 = FIRST_VERSION | NO_FACTS | NO_TABLE | FIRST_KEY | UNCHANGED | FIRST_TAG_KEY;

/// Appends a row without its id.
pub(crate) fn encode(row: &CardRow, out: &mut Vec<u8>) {
    let facts = &row.facts;
    let unknown = IssuerFacts { table_version: facts.table_version, ..IssuerFacts::default() };
    let flags = [
        (FIRST_VERSION, row.version == 1),
        (NO_FACTS, *facts == unknown),
        (NO_TABLE, facts.table_version == 0),
        (FIRST_KEY, row.fingerprint_key == 1),
        (UNCHANGED, row.updated_at == row.created_at),
        (FIRST_TAG_KEY, row.tag.key == 1),
    ];
    let flags = flags.iter().filter(|(_, is)| *is).fold(0, |flags, (flag, _)| flags | flag);
    let has = |flag| flags & flag == 0;
    let mut writer = Writer::new(out);
    writer.fixed(&[FORMAT, flags]);
    writer.fixed(row.organisation.as_bytes());
    if has(FIRST_VERSION) {
        writer.u32(row.version);
    }
    writer.u8(row.brand.map_or(0, Brand::code));
    writer.fixed(row.bin.as_ref().map_or(&[0; 6], |bin| bin.as_bytes()).as_slice());
    writer.fixed(row.last_four.as_bytes());
    writer.u16(row.expiry.year());
    writer.u8(row.expiry.month());
    if has(NO_FACTS) {
        writer.text_option(facts.issuer_name.as_deref());
        writer.fixed(facts.issuer_country.as_ref().map_or(&[0; 2], |code| code.as_bytes().as_slice()));
        writer.fixed(facts.currency.as_ref().map_or(&[0; 3], |code| code.as_bytes().as_slice()));
        writer.u8(facts.card_type.map_or(0, CardType::code));
        writer.text_option(facts.variant.as_deref());
    }
    if has(NO_TABLE) {
        writer.u32(facts.table_version);
    }
    writer.fixed(row.fingerprint.as_bytes());
    if has(FIRST_KEY) {
        writer.u32(row.fingerprint_key);
    }
    writer.pairs(&row.metadata);
    writer.timestamp(row.created_at);
    if has(UNCHANGED) {
        writer.timestamp(row.updated_at);
    }
    if has(FIRST_TAG_KEY) {
        writer.u16(row.tag.key);
    }
    writer.fixed(&row.tag.bytes);
    writer.fixed(row.sealed.as_bytes());
}

/// Reads the row that is kept under an id.
pub(crate) fn decode(id: &[u8], bytes: &[u8]) -> Result<CardRow, RowFault> {
    let id = CardId::from_bytes(id.try_into().map_err(|_| RowFault::Size)?);
    let mut reader = Reader::new(bytes);
    if reader.u8()? != FORMAT {
        return Err(RowFault::Value);
    }
    let flags = reader.u8()?;
    if flags & !KNOWN != 0 {
        return Err(RowFault::Value);
    }
    let has = |flag| flags & flag == 0;
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
    let fingerprint_key = if has(FIRST_KEY) { reader.u32()? } else { 1 };
    let metadata = reader.pairs()?;
    let created_at = reader.timestamp()?;
    let updated_at = if has(UNCHANGED) { reader.timestamp()? } else { created_at };
    let key = if has(FIRST_TAG_KEY) { reader.u16()? } else { 1 };
    let tag = Tag { key, bytes: reader.fixed()? };
    let sealed = Sealed::from_bytes(reader.rest());
    Ok(CardRow {
        id,
        organisation,
        version,
        brand,
        bin,
        last_four,
        expiry,
        facts,
        fingerprint,
        fingerprint_key,
        metadata,
        created_at,
        updated_at,
        sealed,
        tag,
    })
}

fn decode_facts(reader: &mut Reader<'_>) -> Result<IssuerFacts, RowFault> {
    Ok(IssuerFacts {
        issuer_name: reader.text_option()?.map(Arc::from),
        issuer_country: known(reader.fixed()?, Country::from_bytes)?,
        currency: known(reader.fixed()?, Currency::from_bytes)?,
        card_type: reader.code_option(CardType::from_code)?,
        variant: reader.text_option()?.map(Arc::from),
        table_version: 0,
    })
}

fn known<const N: usize, T>(bytes: [u8; N], read: fn([u8; N]) -> Option<T>) -> Result<Option<T>, RowFault> {
    if bytes == [0; N] { Ok(None) } else { read(bytes).map(Some).ok_or(RowFault::Value) }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;
    use panvault_testkit::conformance::rows::{card, card_changed};

    use panvault_model::Bin;

    use super::*;

    fn kept(row: &CardRow) -> Vec<u8> {
        let mut out = Vec::new();
        encode(row, &mut out);
        out
    }

    fn plain() -> CardRow {
        let at = Timestamp::from_unix_millis(0x0102_0304_0506);
        CardRow {
            organisation: OrganisationId::from_bytes([7; 12]),
            version: 1,
            brand: Brand::from_code(9),
            bin: Bin::from_digits(*b"411111"),
            last_four: LastFour::from_digits(*b"1111").unwrap(),
            expiry: Expiry::new(0x0801, 2).unwrap(),
            facts: IssuerFacts::default(),
            fingerprint: Fingerprint::from_bytes([8; 16]),
            fingerprint_key: 1,
            metadata: Vec::new(),
            created_at: at,
            updated_at: at,
            sealed: Sealed::from_bytes([9; 3]),
            tag: Tag { key: 1, bytes: [10; 16] },
            ..card(1)
        }
    }

    #[test]
    fn a_plain_card_has_these_bytes() {
        let expected = [
            [3, 63].as_slice(),
            &[7; 12],
            &[9],
            b"4111111111",
            &[8, 1, 2],
            &[8; 16],
            &[0],
            &[1, 2, 3, 4, 5, 6],
            &[10; 16],
            &[9; 3],
        ];
        assert_eq!(kept(&plain()), expected.concat());
    }

    #[test]
    fn every_part_is_read_back() {
        let changes: [fn(&mut CardRow); 12] = [
            |_| {},
            |row| row.version = 2,
            |row| row.brand = None,
            |row| row.facts.issuer_name = Some("A bank".into()),
            |row| row.facts.issuer_country = Country::parse("NL"),
            |row| row.facts.currency = Currency::parse("EUR"),
            |row| row.facts.card_type = Some(CardType::Prepaid),
            |row| row.facts.variant = Some("GOLD".into()),
            |row| row.facts.table_version = 5,
            |row| row.fingerprint_key = 2,
            |row| row.tag.key = 0x0102,
            |row| row.metadata = vec![("a".into(), "b".into())],
        ];
        let mut all = plain();
        all.updated_at = Timestamp::from_unix_millis(1);
        for change in changes {
            let mut one = plain();
            change(&mut one);
            change(&mut all);
            for row in [&one, &all] {
                assert_eq!(decode(row.id.as_bytes(), &kept(row)).as_ref(), Ok(row));
            }
        }
        let changed = card_changed(&card(3));
        assert_eq!(decode(changed.id.as_bytes(), &kept(&changed)), Ok(changed));
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        let row = card(3);
        let whole = kept(&row);
        for end in 0..whole.len() - row.sealed.as_bytes().len() {
            assert!(decode(row.id.as_bytes(), &whole[..end]).is_err(), "cut at {end}");
        }
        let with = |at: usize, byte| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            decode(row.id.as_bytes(), &bytes)
        };
        assert_eq!(with(0, 2), Err(RowFault::Value));
        assert_eq!(with(1, 64), Err(RowFault::Value));
        assert_eq!(decode(&[1; 11], &whole), Err(RowFault::Size));
    }
}
