//! A list becomes a table: every row is taken, or refused with a reason that is counted.

mod brand;
mod doubt;
mod flatten;
mod header;
mod layout;
mod line;
mod merge;
mod report;
mod row;

use std::collections::HashMap;
use std::io::{self, BufRead};

use panvault_model::{CardType, Country};

use crate::country::{country, currency};
use crate::file::{About, AboutFault, Contents, Facts};
use crate::import::flatten::{Range, flatten, without_repetitions};
use crate::import::layout::Places;
use crate::import::line::{Cells, Lines};
use crate::import::merge::{merge, without_unused};
use crate::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_DIGITS_MAX, PROGRESS_BYTES, ROWS_MAX};

pub use doubt::{Doubt, InUse, Share, ShareFault};
pub use header::Found;
pub use layout::{Column, Layout, LayoutFault};
pub use report::{Contradiction, Counted, LeftOut, Merged, Refused, Report, Shown};

/// Why a list does not become a table at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// It cannot be read.
    #[error("the list cannot be read")]
    Read(#[source] io::Error),
    /// It is not laid out as it was said to be.
    #[error("the list is not laid out so")]
    Layout(#[from] LayoutFault),
    /// What is said about it cannot be kept.
    #[error("the list cannot be described so")]
    About(#[from] AboutFault),
    /// It has too many rows.
    #[error("the list has more than {ROWS_MAX} rows")]
    Rows,
    /// Not one row was taken.
    #[error("not one of the list's rows can be taken")]
    Nothing(Box<Report>),
}

/// A list that was imported.
#[derive(Debug)]
pub struct Imported {
    /// The table, to be written.
    pub contents: Contents,
    /// What became of the rows.
    pub report: Report,
}

/// Reads a whole list. `progress` is told, now and then, how many bytes have been read.
pub fn import(
    list: impl BufRead,
    layout: &Layout,
    about: About,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportFault> {
    if let Some(fault) = about.fault() {
        return Err(fault.into());
    }
    let mut lines = Lines::new(list);
    let header = lines.next().map_err(ImportFault::Read)?;
    let places = Places::find(layout, header.map_or(&[], |line| line.text))?;
    let mut taking = Taking::default();
    let mut report = Report::default();
    let mut told = 0;
    while let Some(line) = lines.next().map_err(ImportFault::Read)? {
        if line.bytes - told >= PROGRESS_BYTES {
            told = line.bytes;
            progress(told);
        }
        if line.text.is_empty() {
            continue;
        }
        report.rows += 1;
        report.unended = !line.ended;
        match row::read(line, &places, &mut taking, &mut report) {
            Ok(range) if taking.ranges.len() < ROWS_MAX => taking.ranges.push(range),
            Ok(_) => return Err(ImportFault::Rows),
            Err(refused) => {
                report.cut = (!line.ended).then_some(line.number);
                report.refused(refused, line.number);
            }
        }
    }
    progress(lines.bytes());
    taking.finish(about, report)
}

/// Numbers of a list's scale that one of the table's stands for, and numbers of the table's that begin with the same six digits.
const FINER_UNIT: u64 = 1_000;
const COARSER_UNIT: u64 = 100;
const _: () =
    assert!(BIN_DIGITS_MAX == 11 && ISSUER_DIGITS_MAX == 8 && BIN_DIGITS_MIN == 6, "the units fit them");

/// What has been taken so far. Texts and facts are kept once.
#[derive(Default)]
struct Taking {
    strings: Vec<String>,
    string_numbers: HashMap<String, u32>,
    facts: Vec<Facts>,
    fact_numbers: HashMap<Facts, u32>,
    cells: Cells,
    /// Lists name few countries: each is looked up once.
    countries: HashMap<[u8; 2], Option<Country>>,
    ranges: Vec<Range>,
}

impl Taking {
    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.string_numbers.get(text) {
            return *number;
        }
        // There are never more texts than twice the rows.
        let number = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        self.strings.push(text.to_owned());
        self.string_numbers.insert(text.to_owned(), number);
        number
    }

    fn country(&mut self, text: &str) -> Option<Country> {
        let code = text.as_bytes().try_into().ok()?;
        *self.countries.entry(code).or_insert_with(|| country(text))
    }

    fn facts(
        &mut self,
        issuer: Option<&str>,
        country: Option<Country>,
        card_type: Option<CardType>,
        variant: Option<&str>,
    ) -> u32 {
        let issuer = issuer.map(|text| self.text(text));
        let variant = variant.map(|text| self.text(text));
        // The currency follows from the country, and is found when the table is written.
        let facts = Facts { issuer, variant, country, currency: None, card_type };
        let next = u32::try_from(self.facts.len()).unwrap_or(u32::MAX);
        let number = *self.fact_numbers.entry(facts).or_insert(next);
        if number == next {
            self.facts.push(facts);
        }
        number
    }

    fn finish(mut self, about: About, mut report: Report) -> Result<Imported, ImportFault> {
        let ranges = without_repetitions(self.ranges, &mut report);
        report.taken = ranges.len() as u64;
        report.sort();
        let rows = u32::try_from(ranges.len()).map_err(|_| ImportFault::Rows)?;
        if rows == 0 {
            return Err(ImportFault::Nothing(Box::new(report)));
        }
        for facts in &mut self.facts {
            facts.currency = facts.country.and_then(currency);
        }
        // Once for the digits that may tell something of some cards, and once for the fewer of all others.
        let finer = merge(&flatten(ranges), FINER_UNIT, &mut self.facts);
        let mut segments = finer.segments;
        let coarser = merge(&segments, COARSER_UNIT, &mut self.facts);
        report.merged(ISSUER_DIGITS_MAX, &finer.contradicted);
        report.merged(BIN_DIGITS_MIN, &coarser.contradicted);
        // The coarser ones follow from the finer: a table answers by either.
        without_unused(&mut segments, &mut self.facts, &mut self.strings);
        report.ranges = segments.len() as u64;
        let contents = Contents { about, rows, strings: self.strings, facts: self.facts, segments };
        Ok(Imported { contents, report })
    }
}
