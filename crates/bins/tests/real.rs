//! A real list, which is not in this repository: `cargo xtask test` installs it and says where it is.
//!
//! It is <https://github.com/venelinkochev/bin-list-data> by Venelin Kochev, CC BY 4.0, as the package card-generator 0.1.6 has it.

#![cfg(test)]

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::LazyLock;

use panvault_bins::{About, Contradiction, Imported, Layout, Table, TagKey, import};
use panvault_card::BinTable;
use panvault_model::{CardType, Tag, Timestamp};

const ROWS: u64 = 374_788;
/// Rows that name another scheme than their digits do. Known and looked at; many more would be a fault of ours.
const CONTRADICTIONS: u64 = 614;
const FILE_BYTES_MAX: usize = 6_000_000;

#[expect(
    clippy::disallowed_methods,
    reason = "the list is not in this repository, so this must be told where it is"
)]
fn list() -> PathBuf {
    let said = std::env::var("PANVAULT_BIN_LIST");
    PathBuf::from(said.expect("PANVAULT_BIN_LIST must say where the list is; cargo xtask test does"))
}

/// Tags that anybody can make; the hash is what finds damage here.
struct NoKey;

impl TagKey for NoKey {
    fn make(&self, _bytes: &[u8]) -> Tag {
        Tag { key: 1, bytes: [7; 16] }
    }

    fn matches(&self, _bytes: &[u8], tag: &Tag) -> bool {
        *tag == self.make(&[])
    }
}

static IMPORTED: LazyLock<Imported> = LazyLock::new(|| {
    let about = About {
        version: 1,
        imported_at: Timestamp::from_unix_millis(1_750_000_000_000),
        source: "https://github.com/venelinkochev/bin-list-data".to_owned(),
        licence: "CC-BY-4.0".to_owned(),
        attribution: Some("Venelin Kochev".to_owned()),
    };
    let file = BufReader::with_capacity(256 * 1024, File::open(list()).unwrap());
    import(file, &Layout::BinListData, about, &mut |_| {}).unwrap()
});

static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::read(&IMPORTED.contents.encode(&NoKey), &NoKey).unwrap());

/// Issuer, country, type and product as one text.
fn found(digits: &str) -> String {
    let facts = TABLE.lookup(digits.as_bytes());
    let parts = [
        facts.issuer_name.as_deref().unwrap_or_default().to_owned(),
        facts.issuer_country.map(|country| country.to_string()).unwrap_or_default(),
        facts.card_type.map(|card_type| card_type.to_string()).unwrap_or_default(),
        facts.variant.as_deref().unwrap_or_default().to_owned(),
    ];
    parts.join("|")
}

#[test]
fn every_row_is_taken_and_the_contradictions_are_those_that_are_known() {
    let report = &IMPORTED.report;
    assert_eq!((report.rows, report.taken), (ROWS, ROWS), "{report:?}");
    assert!(
        report.refused.is_empty() && report.left_out.is_empty() && report.merged.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.contradictions_in(Contradiction::Brand), CONTRADICTIONS);
    assert_eq!(report.contradictions.len(), 1);
}

#[test]
fn the_file_is_small_and_is_read_back() {
    let file = IMPORTED.contents.encode(&NoKey);
    assert!(file.len() <= FILE_BYTES_MAX, "{} bytes", file.len());
    assert_eq!((u64::from(TABLE.rows()), TABLE.ranges() as u64), (ROWS, IMPORTED.report.ranges));
    assert_eq!(TABLE.about().attribution.as_deref(), Some("Venelin Kochev"));
    // Cut or changed anywhere, it is none. All places take too long for a file of this size; small ones are tried whole elsewhere.
    for at in (0..file.len()).step_by(file.len() / 23) {
        assert!(Table::read(&file[..at], &NoKey).is_err(), "cut at {at}");
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        assert!(Table::read(&changed, &NoKey).is_err(), "changed at {at}");
    }
}

#[test]
fn known_rows_are_found() {
    for (bin, expected) in [
        ("002102", "CHINA MERCHANTS BANK|CN|credit|STANDARD"),
        ("220000", "PUBLIC JOINT-STOCK COMPANY BANK OTKRITIE FINANCIAL CORPORATION|RU|debit|PREMIUM"),
        ("240212", "||debit|"),
        ("353011", "|JP|credit|STANDARD"),
        ("371449", "AMERICAN EXPRESS US CONSUMER|US|credit|PERSONAL"),
        ("374727", "AEASEL|GB|prepaid|PERSONAL GREEN"),
        ("375800", "SWISSCARD AECS AG - CARE CONS CHARGE|CH|charge|PERSONAL"),
        ("403861", "BANCO CUSCATLAN DE EL SALVADOR, S.A.|SV|debit|CLASSIC"),
        ("411111", "CONOTOXIA SP. Z O.O|PL|debit|CLASSIC"),
        ("424242", "STRIPE PAYMENTS UK, LTD.|GB|credit|CLASSIC"),
        ("440393", "SUTTON BANK|US|prepaid|CLASSIC"),
        ("457173", "VESTJYSK BANK A/S|DK|debit|CLASSIC"),
        ("475187", "RAIFFEISEN BANK KOSOVO JSC|XK|credit|CLASSIC"),
        ("485603", "JAMUNA BANK, LTD.|BD|prepaid|GOLD"),
        ("545454", "CENTRAL TRUST BANK|US|credit|B2B"),
        ("555555", "CIAGROUP|BR|prepaid|"),
        ("601111", "DISCOVER BANK|US|credit|PERSONAL"),
        ("636368", "BANCO BRADESCO SA|BR|credit|BASIC"),
        ("650202", "OMNIPAY PHILIPPINES INC|PH|prepaid|"),
        ("999999", "|IN|debit|CLASSIC"),
    ] {
        for digits in
            [bin.to_owned(), format!("{bin}00000"), format!("{bin}99999"), format!("{bin}1234567890")]
        {
            assert_eq!(found(&digits), expected, "{bin}");
        }
    }
    for (bin, currency) in [("475187", "EUR"), ("403861", "USD"), ("411111", "PLN"), ("353011", "JPY")] {
        let found = TABLE.lookup(bin.as_bytes()).currency.map(|currency| currency.to_string());
        assert_eq!(found.as_deref(), Some(currency), "{bin}");
    }
    assert_eq!(TABLE.lookup(b"516600").currency, None, "of Palestine ISO 4217 knows none");
}

/// The list read in another way: by splitting lines at quotes and commas.
fn rows() -> HashMap<u64, String> {
    let text = std::fs::read_to_string(list()).unwrap();
    let row = |line: &str| {
        let mut cells = vec![String::new()];
        for (at, part) in line.split('"').enumerate() {
            // Between quotes, commas are text.
            let mut pieces = if at % 2 == 1 { vec![part] } else { part.split(',').collect() }.into_iter();
            cells.last_mut().unwrap().push_str(pieces.next().unwrap());
            cells.extend(pieces.map(str::to_owned));
        }
        let [bin, _, listed, category, issuer, _, _, country, ..] = cells.as_slice() else {
            panic!("{line}")
        };
        let words: Vec<&str> = category.split(' ').filter(|word| *word != "PREPAID").collect();
        let card_type = match listed.as_str() {
            _ if category.split(' ').any(|word| word == "PREPAID") => CardType::Prepaid,
            "CREDIT" => CardType::Credit,
            "DEBIT" => CardType::Debit,
            "CHARGE CARD" => CardType::Charge,
            other => panic!("{other}"),
        };
        (bin.parse().unwrap(), [issuer.as_str(), country, card_type.as_str(), &words.join(" ")].join("|"))
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn look_ups_at_every_border_of_a_sample_are_right() {
    let rows = rows();
    assert_eq!(rows.len() as u64, ROWS);
    let expected = |number: u64| rows.get(&(number / 100_000)).cloned().unwrap_or_else(|| "|||".to_owned());
    let mut looked_at = 0;
    for bin in (0..1_000_000u64).filter(|bin| bin % 29 == 0 && rows.contains_key(bin)) {
        let first = bin * 100_000;
        for number in [first.saturating_sub(1), first, first + 1, first + 99_999, first + 100_000] {
            if number < 100_000_000_000 {
                assert_eq!(found(&format!("{number:011}")), expected(number), "{number:011}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 60_000, "{looked_at}");
}
