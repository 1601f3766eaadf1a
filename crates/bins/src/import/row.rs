//! One row of a list.

use panvault_card::{Scheme, holds_card_number, scheme_between};
use panvault_model::CardType;

use crate::import::Taking;
use crate::import::brand::{agree, brands};
use crate::import::flatten::Range;
use crate::import::layout::{Column, Places};
use crate::import::line::{Cells, Line};
use crate::import::report::{self, Contradiction, LeftOut, Refused, Report};
use crate::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_BYTES_MAX, VARIANT_BYTES_MAX};

/// Cells of a line by their column. Columns that a layout does not have are empty.
struct Row<'a> {
    cells: &'a Cells,
    places: &'a Places,
    line: u64,
}

impl<'a> Row<'a> {
    fn cell(&self, column: Column) -> &'a str {
        self.places.at(column).map_or("", |at| self.cells.cell(at))
    }
}

/// Reads a line. What is left out and what contradicts goes into the report; a row that is refused leaves nothing there.
pub(super) fn read(
    line: Line<'_>,
    places: &Places,
    taking: &mut Taking,
    report: &mut Report,
) -> Result<Range, Refused> {
    let mut cells = core::mem::take(&mut taking.cells);
    let read = cells.split(line.text, places.delimiter).and_then(|()| {
        if cells.count() != places.cells {
            return Err(Refused::Cells);
        }
        let row = Row { cells: &cells, places, line: line.number };
        let (start, end) = range(&row)?;
        let facts = facts(&row, taking, report);
        contradictions(&row, start, end, report);
        Ok(Range { start, end, line: line.number, facts })
    });
    taking.cells = cells;
    read
}

/// The first and the last number of eleven digits.
fn range(row: &Row<'_>) -> Result<(u64, u64), Refused> {
    let first = match row.places.at(Column::Bin) {
        Some(_) => row.cell(Column::Bin),
        None => row.cell(Column::Start),
    };
    let last = Some(row.cell(Column::End)).filter(|end| !end.is_empty()).unwrap_or(first);
    let (start, _) = numbers(first)?;
    let (_, end) = numbers(last)?;
    if start <= end { Ok((start, end)) } else { Err(Refused::Backwards) }
}

/// The numbers of eleven digits that begin so.
fn numbers(digits: &str) -> Result<(u64, u64), Refused> {
    // However they are grouped: so many digits could be a card number, and are said to be too many.
    if digits.chars().filter(|symbol| symbol.is_numeric()).count() > BIN_DIGITS_MAX {
        return Err(Refused::TooManyDigits);
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::NotDigits);
    }
    if digits.len() < BIN_DIGITS_MIN {
        return Err(Refused::TooFewDigits);
    }
    let low: u64 = digits.parse().map_err(|_| Refused::NotDigits)?;
    let missing = u32::try_from(BIN_DIGITS_MAX - digits.len()).map_err(|_| Refused::NotDigits)?;
    let numbers = 10u64.pow(missing);
    Ok((low * numbers, low * numbers + (numbers - 1)))
}

fn facts(row: &Row<'_>, taking: &mut Taking, report: &mut Report) -> u32 {
    let country = row.cell(Column::Country);
    let known = taking.country(country);
    if known.is_none() && !country.is_empty() {
        report.left_out(LeftOut::Country, row.line, country);
    }
    let (card_type, variant) = kind(row, report);
    let issuer = text(row, row.cell(Column::Issuer), ISSUER_BYTES_MAX, report);
    let variant = text(row, variant, VARIANT_BYTES_MAX, report);
    taking.facts(issuer, known, card_type, variant)
}

/// Type and product. Some lists have no type for prepaid cards and say it with the product.
fn kind<'a>(row: &Row<'a>, report: &mut Report) -> (Option<CardType>, &'a str) {
    let listed = row.cell(Column::Type);
    let mut card_type = card_type(listed);
    if card_type.is_none() && !listed.is_empty() {
        report.left_out(LeftOut::Type, row.line, listed);
    }
    let mut variant = row.cell(Column::Variant);
    if let Some(rest) = without_prepaid(variant) {
        (card_type, variant) = (Some(CardType::Prepaid), rest);
    }
    match flag(row.cell(Column::Prepaid)) {
        Ok(Some(true)) => card_type = Some(CardType::Prepaid),
        Ok(Some(false) | None) => {}
        Err(()) => report.left_out(LeftOut::Prepaid, row.line, row.cell(Column::Prepaid)),
    }
    (card_type, variant)
}

fn card_type(text: &str) -> Option<CardType> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("CREDIT") {
        Some(CardType::Credit)
    } else if is("DEBIT") {
        Some(CardType::Debit)
    } else if is("PREPAID") {
        Some(CardType::Prepaid)
    } else if is("CHARGE") || is("CHARGE CARD") {
        Some(CardType::Charge)
    } else {
        None
    }
}

/// The rest of a product whose first or last word is `PREPAID`.
fn without_prepaid(variant: &str) -> Option<&str> {
    const PREPAID: &str = "PREPAID";
    let is = |word: &str| word.eq_ignore_ascii_case(PREPAID);
    if is(variant) {
        return Some("");
    }
    match (variant.split_once(' '), variant.rsplit_once(' ')) {
        (Some((first, rest)), _) if is(first) => Some(rest.trim_start()),
        (_, Some((rest, last))) if is(last) => Some(rest.trim_end()),
        (_, _) => None,
    }
}

/// True, false, or nothing said.
fn flag(text: &str) -> Result<Option<bool>, ()> {
    let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if text.is_empty() {
        Ok(None)
    } else if is(&["true", "yes", "y", "1"]) {
        Ok(Some(true))
    } else if is(&["false", "no", "n", "0"]) {
        Ok(Some(false))
    } else {
        Err(())
    }
}

/// A text as it may be kept; `None` when it is empty or left out.
fn text<'a>(row: &Row<'_>, text: &'a str, bytes_max: usize, report: &mut Report) -> Option<&'a str> {
    if text.is_empty() {
        return None;
    }
    let reason = if text.len() > bytes_max {
        LeftOut::TextTooLong
    } else if text.contains(is_control) {
        LeftOut::TextControl
    } else if holds_card_number(text) {
        LeftOut::TextCardNumber
    } else {
        return Some(text);
    };
    report.left_out(reason, row.line, "");
    None
}

/// Control characters, and those that change how the text around them looks without being seen.
pub(super) fn is_control(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Holds the row against what the schemes publish.
fn contradictions(row: &Row<'_>, start: u64, end: u64, report: &mut Report) {
    let scheme = scheme_between(start / 1000, end / 1000);
    let listed = row.cell(Column::Brand);
    let length = row.cell(Column::Length);
    // Where lengths are not sure, numbers of another length are of no scheme that is known.
    let of_another = |scheme: &&Scheme| {
        length.parse().is_ok_and(|digits| !scheme.has_length(digits) && !scheme.refuses_length(digits))
    };
    if let Some(scheme) = scheme.filter(|scheme| !of_another(scheme))
        && let Some(first) = brands(listed).next()
        && !brands(listed).any(|brand| agree(brand, scheme.brand()))
    {
        report.contradiction(Contradiction::Brand, row.line, || report::brands(first, scheme.brand()));
    }
    match length.parse::<usize>() {
        Ok(digits @ 12..=19) => {
            if let Some(scheme) = scheme.filter(|scheme| scheme.refuses_length(digits)) {
                let what = || format!("{digits} digits in the list, {} by its digits", scheme.brand());
                report.contradiction(Contradiction::Length, row.line, what);
            }
        }
        Err(_) if length.is_empty() => {}
        Ok(_) | Err(_) => report.left_out(LeftOut::Length, row.line, ""),
    }
    match flag(row.cell(Column::Luhn)) {
        Ok(Some(false)) => report.contradiction(Contradiction::Luhn, row.line, String::new),
        Ok(Some(true) | None) => {}
        Err(()) => report.left_out(LeftOut::Luhn, row.line, row.cell(Column::Luhn)),
    }
}
