use panvault_bins::{About, Column, Contents, Imported, Layout, Table, TagKey, import};
use panvault_card::BinTable;
use panvault_model::{IssuerFacts, Tag, Timestamp};

pub(crate) const HEADER: &str =
    "BIN,Brand,Type,Category,Issuer,IssuerPhone,IssuerUrl,isoCode2,isoCode3,CountryName";

pub(crate) fn about() -> About {
    About {
        version: 7,
        imported_at: Timestamp::from_unix_millis(1_750_000_000_123),
        source: "invented for tests".to_owned(),
        licence: "CC0-1.0".to_owned(),
        attribution: None,
    }
}

/// A layout with every column under its own name.
pub(crate) fn plain() -> Layout {
    let columns =
        [Column::Start, Column::End, Column::Issuer, Column::Country, Column::Type, Column::Variant];
    Layout::Csv(columns.into_iter().map(|column| (column, column.as_str().to_owned())).collect())
}

pub(crate) fn imported(list: &str, layout: &Layout) -> Imported {
    import(list.as_bytes(), layout, about(), &mut |_| {}).unwrap()
}

/// The key of a vault whose tags are easy to forge.
pub(crate) struct SumKey;

impl TagKey for SumKey {
    fn make(&self, bytes: &[u8]) -> Tag {
        let sum = bytes.iter().fold(1u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
        Tag { key: 3, bytes: [sum.to_be_bytes(), [0xab; 8]].concat().try_into().unwrap() }
    }

    fn matches(&self, bytes: &[u8], tag: &Tag) -> bool {
        self.make(bytes) == *tag
    }
}

pub(crate) fn encoded(contents: &Contents) -> Vec<u8> {
    contents.encode(&SumKey)
}

pub(crate) fn table(contents: &Contents) -> Table {
    Table::read(&encoded(contents), &SumKey).unwrap()
}

/// Facts as one text: issuer, country, currency, type, product.
pub(crate) fn shown(facts: &IssuerFacts) -> String {
    let parts = [
        facts.issuer_name.as_deref().map(str::to_owned),
        facts.issuer_country.map(|country| country.to_string()),
        facts.currency.map(|currency| currency.to_string()),
        facts.card_type.map(|card_type| card_type.to_string()),
        facts.variant.as_deref().map(str::to_owned),
    ];
    parts.map(|part| part.unwrap_or_else(|| "-".to_owned())).join("|")
}

pub(crate) fn found(table: &Table, digits: &str) -> String {
    let facts = table.lookup(digits.as_bytes());
    assert_eq!(facts.table_version, table.about().version);
    shown(&facts)
}
