//! The first line of a list, and what may be said of it when columns are missing there.

use core::fmt;

use panvault_card::holds_card_number;

use crate::import::layout::LayoutFault;
use crate::import::line::Cells;
use crate::import::row::is_control;
use crate::limits::{HEADER_NAMES_MAX, LINE_BYTES_MAX, NAME_CHARS_MAX};

/// What separates the cells of a line.
pub(super) const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// A header taken apart.
pub(super) struct Header {
    pub(super) separator: char,
    cells: Cells,
}

impl Header {
    /// Takes it apart with the separator with which most of the columns that are looked for are found, and of several such
    /// with the one that gives most columns: so a name that is wrong is the one that is said to be missing.
    pub(super) fn read(line: &[u8], wanted: &[&str]) -> Result<Self, LayoutFault> {
        if line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") || line.contains(&0) {
            return Err(LayoutFault::NotUtf8);
        }
        if line.is_empty() || line.len() > LINE_BYTES_MAX {
            return Err(LayoutFault::Header);
        }
        let line = core::str::from_utf8(line).map_err(|_| LayoutFault::NotUtf8)?;
        let with = |separator| {
            let mut cells = Cells::default();
            // With a quoted first cell, another separator looks like bad quotes.
            cells.split(line.as_bytes(), separator).ok()?;
            Some(Self { separator, cells })
        };
        let rank = |header: &Self| (header.count_of(wanted), header.cells.count());
        // Of equals the last one is the greatest, and commas come first.
        SEPARATORS.into_iter().rev().filter_map(with).max_by_key(rank).ok_or(LayoutFault::Header)
    }

    fn count_of(&self, wanted: &[&str]) -> usize {
        wanted.iter().filter(|name| self.places(name).next().is_some()).count()
    }

    /// How many columns there are.
    pub(super) const fn columns(&self) -> usize {
        self.cells.count()
    }

    /// Where columns with this name are, in any case.
    pub(super) fn places(&self, name: &str) -> impl Iterator<Item = usize> {
        (0..self.cells.count()).filter(move |at| self.cells.cell(*at).to_lowercase() == name.to_lowercase())
    }

    /// What the list has instead, to be said.
    pub(super) fn found(&self) -> Found {
        let all: Vec<&str> = (0..self.cells.count()).map(|at| self.cells.cell(at)).collect();
        // A list without a header begins with a row, which may hold anything.
        let digits = |text: &str| text.chars().filter(|symbol| symbol.is_numeric()).count();
        let is_row = all.iter().any(|name| digits(name) > NAME_DIGITS_MAX)
            || all.iter().map(|name| digits(name)).sum::<usize>() >= CARD_DIGITS_MIN
            || holds_card_number(&all.join(" "));
        let names = all.iter().take(HEADER_NAMES_MAX).map(|name| shown(name)).collect();
        Found {
            separator: self.separator,
            columns: all.len(),
            names: if is_row { None } else { Some(names) },
        }
    }
}

/// Digits of a name that is still one, such as `isoCode2` or `year2026`.
const NAME_DIGITS_MAX: usize = 5;
/// So many digits in a line could be a card number.
const CARD_DIGITS_MIN: usize = 12;

/// A name as it may be printed.
fn shown(name: &str) -> String {
    name.chars().map(|symbol| if is_control(symbol) { '?' } else { symbol }).take(NAME_CHARS_MAX).collect()
}

/// What the first line of a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What separates its columns.
    pub separator: char,
    /// How many columns there are.
    pub columns: usize,
    /// Their names, the first few; none when the line looks like a row, which is not repeated.
    pub names: Option<Vec<String>>,
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match self.separator {
            ';' => "semicolons",
            '\t' => "tabs",
            _ => "commas",
        };
        let Some(names) = &self.names else {
            return out.write_str("its first line looks like a row, and must name the columns");
        };
        if self.columns == 1 {
            out.write_str("its first line has one column only, ")?;
        } else {
            write!(out, "its first line, separated by {separator}, has {} columns: ", self.columns)?;
        }
        out.write_str(&names.join(", "))?;
        if self.columns > names.len() {
            out.write_str(", …")?;
        }
        if self.columns == 1 {
            out.write_str("; columns are separated by commas, semicolons or tabs")?;
        }
        Ok(())
    }
}
