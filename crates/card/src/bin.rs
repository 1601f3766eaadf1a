use std::sync::{Arc, LazyLock};

use panvault_model::{Bin, Brand, CardType, Country, Currency, IssuerFacts, Timestamp};

use crate::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_DIGITS_MAX};
use crate::pan::shows_eight;
use crate::scheme::{self, Scheme};

/// Who issued which numbers. What a table does not know it leaves out; nothing is guessed.
pub trait BinTable: Send + Sync {
    /// What is known of every number that begins with these digits, ASCII: six to eight of them. Of fewer nothing is known, and digits
    /// behind the eighth are not looked at.
    ///
    /// Of a card number only [`crate::Pan::issuer_digits`] may be given.
    fn lookup(&self, digits: &[u8]) -> IssuerFacts;
    /// Version of the table; 0 for one that knows nothing.
    fn version(&self) -> u32;

    /// Version of the vault's key that tagged the file that it came out of, where it came out of one.
    fn tag_key(&self) -> Option<u16> {
        None
    }

    /// Whether it came out of the file that is there now: one that was put there since may not be taken up yet.
    fn is_of_now(&self) -> bool {
        true
    }

    /// How the table is doing.
    fn status(&self) -> BinStatus {
        BinStatus { version: self.version(), rows: 0, imported_at: None }
    }
}

/// How a table of issuers is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinStatus {
    /// Its version; 0 when there is none.
    pub version: u32,
    /// Rows of the list that it was made from; 0 when it was made from none.
    pub rows: u64,
    /// When that list was imported.
    pub imported_at: Option<Timestamp>,
}

/// The first 6 to 11 digits of a number, of which its issuer is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BinPrefix {
    digits: [u8; BIN_DIGITS_MAX],
    len: u8,
    bin: Bin,
}

/// A text is no such digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 6 to 11 digits, never a whole card number")]
pub struct BinPrefixFault;

impl BinPrefix {
    /// Reads 6 to 11 ASCII digits, and nothing else.
    pub fn parse(text: &str) -> Result<Self, BinPrefixFault> {
        let bytes = text.as_bytes();
        if !(BIN_DIGITS_MIN..=BIN_DIGITS_MAX).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit)
        {
            return Err(BinPrefixFault);
        }
        let mut digits = [0; BIN_DIGITS_MAX];
        digits.iter_mut().zip(bytes).for_each(|(slot, digit)| *slot = *digit);
        let bin = bytes.first_chunk().and_then(|digits| Bin::from_digits(*digits)).ok_or(BinPrefixFault)?;
        Ok(Self { digits, len: u8::try_from(bytes.len()).map_err(|_| BinPrefixFault)?, bin })
    }

    /// Its digits, ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Those of them that a table may be asked with: as many as tell the issuer of a card of 16 digits that begins so.
    pub fn issuer_digits(&self) -> &[u8] {
        let shown = if self.brand().is_some_and(shows_eight) { ISSUER_DIGITS_MAX } else { BIN_DIGITS_MIN };
        let digits = self.as_bytes();
        digits.get(..shown).unwrap_or(digits)
    }

    /// The first six of them.
    pub const fn bin(&self) -> Bin {
        self.bin
    }

    /// The scheme of all numbers that begin so.
    pub fn brand(&self) -> Option<Brand> {
        scheme::scheme_of_prefix(self.as_bytes()).map(Scheme::brand)
    }
}

// Digits 7 to 11 are not for logs.
impl core::fmt::Debug for BinPrefix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BinPrefix")
    }
}

/// A table that knows nothing.
pub struct NoBinTable;

impl BinTable for NoBinTable {
    fn lookup(&self, _digits: &[u8]) -> IssuerFacts {
        IssuerFacts::default()
    }

    fn version(&self) -> u32 {
        0
    }
}

/// The usual published test numbers, with invented issuers that say so. For test vaults only.
pub struct TestBinTable;

/// Version of the test table.
const TEST_VERSION: u32 = 1;

impl BinTable for TestBinTable {
    fn lookup(&self, digits: &[u8]) -> IssuerFacts {
        let Some(bin) = digits.first_chunk::<6>() else { return IssuerFacts::default() };
        match TEST_ROWS.binary_search_by(|(row, _)| (*row).cmp(bin)) {
            Ok(at) => TEST_ROWS.get(at).map(|(_, facts)| facts.clone()).unwrap_or_default(),
            Err(_) => IssuerFacts::default(),
        }
    }

    fn version(&self) -> u32 {
        TEST_VERSION
    }
}

type TestRow = (&'static [u8; 6], &'static str, &'static str, &'static str, CardType, Option<&'static str>);

/// First six digits, issuer, country, currency, type, product. Sorted.
const TEST_TABLE: [TestRow; 25] = [
    (b"222300", "TEST BANK MASTERCARD NL", "NL", "EUR", CardType::Credit, Some("WORLD")),
    (b"300000", "TEST BANK DINERS US", "US", "USD", CardType::Charge, None),
    (b"305693", "TEST BANK DINERS US", "US", "USD", CardType::Charge, None),
    (b"340000", "TEST BANK AMEX GB", "GB", "GBP", CardType::Charge, Some("GREEN")),
    (b"353011", "TEST BANK JCB JP", "JP", "JPY", CardType::Credit, None),
    (b"356600", "TEST BANK JCB JP", "JP", "JPY", CardType::Credit, None),
    (b"371449", "TEST BANK AMEX US", "US", "USD", CardType::Charge, Some("CORPORATE")),
    (b"378282", "TEST BANK AMEX US", "US", "USD", CardType::Charge, Some("GOLD")),
    (b"378734", "TEST BANK AMEX US", "US", "USD", CardType::Charge, Some("CORPORATE")),
    (b"385200", "TEST BANK DINERS US", "US", "USD", CardType::Charge, None),
    (b"400000", "TEST BANK VISA GB", "GB", "GBP", CardType::Credit, Some("CLASSIC")),
    (b"400005", "TEST BANK VISA US", "US", "USD", CardType::Debit, Some("CLASSIC")),
    (b"401288", "TEST BANK VISA US", "US", "USD", CardType::Credit, Some("CLASSIC")),
    (b"411111", "TEST BANK VISA NL", "NL", "EUR", CardType::Credit, Some("CLASSIC")),
    (b"424242", "TEST BANK VISA US", "US", "USD", CardType::Credit, Some("CLASSIC")),
    (b"501800", "TEST BANK MAESTRO DE", "DE", "EUR", CardType::Debit, None),
    (b"510510", "TEST BANK MASTERCARD US", "US", "USD", CardType::Prepaid, Some("STANDARD")),
    (b"520000", "TEST BANK MASTERCARD GB", "GB", "GBP", CardType::Credit, Some("STANDARD")),
    (b"520082", "TEST BANK MASTERCARD US", "US", "USD", CardType::Debit, Some("STANDARD")),
    (b"545454", "TEST BANK MASTERCARD FR", "FR", "EUR", CardType::Credit, Some("GOLD")),
    (b"555555", "TEST BANK MASTERCARD NL", "NL", "EUR", CardType::Credit, Some("STANDARD")),
    (b"601111", "TEST BANK DISCOVER US", "US", "USD", CardType::Credit, None),
    (b"620000", "TEST BANK UNIONPAY CN", "CN", "CNY", CardType::Credit, None),
    (b"630490", "TEST BANK MAESTRO IE", "IE", "EUR", CardType::Debit, None),
    (b"675964", "TEST BANK MAESTRO GB", "GB", "GBP", CardType::Debit, None),
];

/// The table as facts, made once: handing them out is a matter of counting references.
static TEST_ROWS: LazyLock<Vec<(&'static [u8; 6], IssuerFacts)>> = LazyLock::new(|| {
    let facts = |row: &TestRow| IssuerFacts {
        issuer_name: Some(Arc::from(row.1)),
        issuer_country: Country::parse(row.2),
        currency: Currency::parse(row.3),
        card_type: Some(row.4),
        variant: row.5.map(Arc::from),
        table_version: TEST_VERSION,
    };
    TEST_TABLE.iter().map(|row| (row.0, facts(row))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_table_is_sorted_and_marked_as_test_data() {
        assert!(TEST_TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for row in &TEST_TABLE {
            assert!(row.1.starts_with("TEST BANK "), "{}", row.1);
            let facts = TestBinTable.lookup(row.0);
            assert_eq!(facts.issuer_name.as_deref(), Some(row.1));
            assert!(facts.issuer_country.is_some() && facts.currency.is_some(), "{}", row.1);
        }
    }

    #[test]
    fn a_prefix_has_six_to_eleven_digits() {
        for text in ["411111", "41111111", "41111111111", "000000"] {
            let prefix = BinPrefix::parse(text).unwrap();
            assert_eq!((prefix.as_bytes(), prefix.bin().as_str()), (text.as_bytes(), &text[..6]));
            assert_eq!(format!("{prefix:?}"), "BinPrefix");
        }
        assert_eq!(BinPrefix::parse("411111").unwrap().brand(), Some(Brand::Visa));
        assert_eq!(BinPrefix::parse("990000").unwrap().brand(), None);
        for text in [
            "",
            "41111",
            "411111111111",
            "4111111111111111",
            "4111 11",
            "41111a",
            "٤١١١١١",
            "+41111",
            "411111\n",
        ] {
            assert_eq!(BinPrefix::parse(text), Err(BinPrefixFault), "{text}");
        }
    }

    #[test]
    fn knows_the_usual_number_and_nothing_else() {
        let facts = TestBinTable.lookup(b"4111111111111111");
        assert_eq!(facts.issuer_country.map(|country| country.to_string()).as_deref(), Some("NL"));
        assert_eq!(facts.card_type, Some(CardType::Credit));
        assert_eq!(TestBinTable.lookup(b"4999991111111111"), IssuerFacts::default());
        assert_eq!(TestBinTable.lookup(b"41111"), IssuerFacts::default());
        assert_eq!(NoBinTable.lookup(b"4111111111111111"), IssuerFacts::default());
    }
}
