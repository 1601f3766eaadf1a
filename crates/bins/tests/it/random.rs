//! Random lists: importing them never panics, and looking up agrees with a model that tries every row.

use panvault_bins::{Layout, Report, import};
use panvault_card::BinTable;
use panvault_model::IssuerFacts;
use proptest::prelude::*;

use crate::support::{HEADER, about, imported, plain, table};

/// A row of the model: first and last number of eleven digits, and who issued them.
type Row = (u64, u64, String, &'static str);

/// The narrowest row that holds a number; of equal widths the first.
fn model(rows: &[Row], number: u64) -> Option<&Row> {
    rows.iter().filter(|row| row.0 <= number && number <= row.1).min_by_key(|row| row.1 - row.0)
}

fn issuer(facts: &IssuerFacts) -> (Option<String>, Option<String>) {
    (facts.issuer_name.as_deref().map(str::to_owned), facts.issuer_country.map(|country| country.to_string()))
}

/// Digits in a small space, so that ranges meet.
fn digits() -> impl Strategy<Value = String> {
    prop_oneof!["4111[01]{2}", "4111[01]{2}[09]{0,5}", "[09]{6}", "41110[0-9]{1,6}", "9999[89]{2,7}",]
}

fn rows() -> impl Strategy<Value = Vec<(String, Option<String>, usize)>> {
    proptest::collection::vec((digits(), proptest::option::weighted(0.2, digits()), 0..4usize), 1..24)
}

fn padded(digits: &str, fill: char) -> u64 {
    let missing = core::iter::repeat_n(fill, 11 - digits.len());
    digits
        .chars()
        .chain(missing)
        .fold(0, |number, digit| number * 10 + u64::from(digit.to_digit(10).unwrap_or(0)))
}

fn low(digits: &str) -> u64 {
    padded(digits, '0')
}

fn high(digits: &str) -> u64 {
    padded(digits, '9')
}

const BANKS: [(&str, &str); 4] = [("A", "NL"), ("B", "DE"), ("", "FR"), ("C", "")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn look_ups_agree_with_a_model_at_every_border(rows in rows()) {
        let mut list = "start,end,issuer,country,type,variant\n".to_owned();
        let mut modelled: Vec<Row> = Vec::new();
        for (start, end, bank) in &rows {
            let (name, country) = BANKS[*bank];
            list += &format!("{start},{},{name},{country},,\n", end.as_deref().unwrap_or_default());
            let (first, last) = (low(start), high(end.as_ref().unwrap_or(start)));
            let is_new = !modelled.iter().any(|row| (row.0, row.1) == (first, last));
            if first <= last && is_new {
                modelled.push((first, last, name.to_owned(), country));
            }
        }
        let Ok(imported) = import(list.as_bytes(), &plain(), about(), &mut |_| {}) else {
            prop_assert!(modelled.is_empty());
            return Ok(());
        };
        prop_assert_eq!(imported.report.taken, modelled.len() as u64);
        let table = table(&imported.contents);
        let borders = modelled.iter().flat_map(|row| [row.0.saturating_sub(1), row.0, row.1, row.1 + 1]);
        let numbers = borders.filter(|number| *number < 100_000_000_000).chain([0, 99_999_999_999]);
        for digits in numbers.map(|number| format!("{number:011}")) {
            for length in [6, 7, 8, 11] {
                let found = issuer(&table.lookup(&digits.as_bytes()[..length]));
                let expected = common(&modelled, &digits[..length.min(8)]);
                prop_assert_eq!(found, expected, "{} of {} in\n{}", length, digits, list);
            }
        }
    }

    #[test]
    fn importing_arbitrary_bytes_never_panics(list in proptest::collection::vec(any::<u8>(), 0..400), layout in 0..3usize) {
        let layout = [Layout::BinListData, Layout::BinlistRanges, plain()][layout].clone();
        drop(import(list.as_slice(), &layout, about(), &mut |_| {}));
        let headed = [format!("{HEADER}\n").into_bytes(), list].concat();
        drop(import(headed.as_slice(), &Layout::BinListData, about(), &mut |_| {}));
    }

    #[test]
    fn importing_almost_rows_never_panics_and_counts_every_one(
        lines in proptest::collection::vec(("[0-9x\"-]{0,18}", "[A-Z/ ,\"]{0,9}", "(CREDIT|DEBIT|PREPAID|[A-Z\"]{0,5})", "\\PC{0,12}", "[A-Zx]{0,3}"), 0..30)
    ) {
        let row = |(bin, brand, kind, issuer, country): &(String, String, String, String, String)| {
            format!("{bin},{brand},{kind},PREPAID {issuer},{issuer},,,{country},,\r\n")
        };
        let list = lines.iter().map(row).fold(format!("{HEADER}\r\n411111,,,,,,,,,\n"), |list, row| list + &row);
        let imported = imported(&list, &Layout::BinListData);
        let Report { rows, taken, refused, .. } = &imported.report;
        prop_assert_eq!(*rows, taken + refused.iter().map(|counted| counted.count).sum::<u64>());
        drop(table(&imported.contents));
    }
}

/// What all numbers that begin so have in common, by asking the model wherever a row begins or ends.
fn common(rows: &[Row], digits: &str) -> (Option<String>, Option<String>) {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let of = |number| model(rows, number).map_or((None, None), |row| (text(&row.2), text(row.3)));
    let (low, high) = (low(digits), high(digits));
    let borders =
        rows.iter().flat_map(|row| [row.0, row.1 + 1]).filter(|number| (low..=high).contains(number));
    let mut common = of(low);
    for other in borders.map(of) {
        common.0 = common.0.filter(|name| other.0.as_ref() == Some(name));
        common.1 = common.1.filter(|country| other.1.as_ref() == Some(country));
    }
    common
}
