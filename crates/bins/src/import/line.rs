//! Lines and their cells: CSV as RFC 4180 has it, but for one thing. A row is one line: a quote that is not closed spoils its own
//! line, and never swallows the rest of a list.

use std::io::{self, BufRead};

use csv_core::{ReadFieldResult, Reader, ReaderBuilder, Terminator};

use crate::import::report::Refused;
use crate::limits::LINE_BYTES_MAX;

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// From 1.
    pub(super) number: u64,
    /// How many bytes of the list have been read with it.
    pub(super) bytes: u64,
    /// Whether it has an end: the last may have none.
    pub(super) ended: bool,
}

/// The lines of a list. Of one that is too long the beginning is kept, and a byte more than is allowed.
pub(super) struct Lines<R> {
    list: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(list: R) -> Self {
        Self { list, line: Vec::with_capacity(1024), number: 0, bytes: 0 }
    }

    /// How many bytes have been read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut any = false;
        let mut ended = false;
        loop {
            let read = match self.list.fill_buf() {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read.is_empty() {
                break;
            }
            any = true;
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = end.and_then(|end| read.get(..end)).unwrap_or(read);
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            let used = part.len() + usize::from(end.is_some());
            self.list.consume(used);
            self.bytes += used as u64;
            ended = end.is_some();
            if ended {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let line = self.line.as_slice();
        let line = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(Line { text, number: self.number, bytes: self.bytes, ended }))
    }
}

/// The cells of a line, trimmed.
#[derive(Default)]
pub(super) struct Cells {
    /// With the sign that it separates by.
    reader: Option<(u8, Reader)>,
    /// The cells one behind the other, then what is left of longer lines.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    /// Takes a line apart. The reader takes quotes as they come; a list with a quote in the wrong place is refused instead.
    pub(super) fn split(&mut self, line: &[u8], separator: char) -> Result<(), Refused> {
        self.ends.clear();
        if line.len() > LINE_BYTES_MAX {
            return Err(Refused::LineTooLong);
        }
        core::str::from_utf8(line).map_err(|_| Refused::NotUtf8)?;
        if line.is_empty() {
            // For the reader it is no row.
            self.ends.push(0);
            return Ok(());
        }
        if self.text.len() < line.len() {
            self.text.resize(line.len(), 0);
        }
        let separator = u8::try_from(separator).map_err(|_| Refused::Quotes)?;
        let reader = match &mut self.reader {
            Some((known, reader)) if *known == separator => reader,
            other => &mut other.insert((separator, reader(separator))).1,
        };
        reader.reset();
        let (mut start, mut read, mut written) = (0, 0, 0);
        loop {
            let rest = line.get(read..).unwrap_or_default();
            let room = self.text.get_mut(written..).unwrap_or_default();
            let (result, bytes_read, bytes_written) = reader.read_field(rest, room);
            read += bytes_read;
            written += bytes_written;
            match result {
                // The next call is told so by having nothing to read.
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => return Err(Refused::Quotes),
                ReadFieldResult::End => return Ok(()),
                ReadFieldResult::Field { record_end } => {
                    let end = if record_end { read } else { read.saturating_sub(1) };
                    let source = line.get(start..end).unwrap_or_default();
                    let cell_start = self.ends.last().copied().unwrap_or(0);
                    let cell = self.text.get(cell_start..written).unwrap_or_default();
                    if source.starts_with(b"\"") && !is_quoted(source, cell) {
                        return Err(Refused::Quotes);
                    }
                    self.ends.push(written);
                    start = read;
                    if record_end {
                        return Ok(());
                    }
                }
            }
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.ends.len()
    }

    /// A cell, trimmed; empty when there is none.
    pub(super) fn cell(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(0);
        let cell = self.text.get(start..end).unwrap_or_default();
        core::str::from_utf8(cell).unwrap_or_default().trim_matches(' ')
    }
}

/// Whether a cell stands between two quotes, and each quote in it twice.
fn is_quoted(source: &[u8], cell: &[u8]) -> bool {
    let quotes = cell.iter().filter(|byte| **byte == b'"').count();
    source.ends_with(b"\"") && source.len() == cell.len() + quotes + 2
}

/// A reader of lines that are given one by one: a carriage return within one is a sign like any other.
fn reader(separator: u8) -> Reader {
    ReaderBuilder::new().delimiter(separator).terminator(Terminator::Any(b'\n')).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(line: &str) -> Result<Vec<String>, Refused> {
        let mut cells = Cells::default();
        cells.split(line.as_bytes(), ',')?;
        Ok((0..cells.count()).map(|at| cells.cell(at).to_owned()).collect())
    }

    #[test]
    fn cells_are_those_of_rfc_4180() {
        assert_eq!(cells("a,b").unwrap(), ["a", "b"]);
        assert_eq!(cells("").unwrap(), [""]);
        assert_eq!(cells(",\"\",").unwrap(), ["", "", ""]);
        assert_eq!(cells("\"a,b\",\"say \"\"no\"\"\", c ").unwrap(), ["a,b", "say \"no\"", "c"]);
        assert_eq!(cells("a\"b,c").unwrap(), ["a\"b", "c"]);
        assert_eq!(cells("a\rb,\u{e9}").unwrap(), ["a\rb", "\u{e9}"]);
        for line in ["\"a", "\"a\"b,c", "a,\"", "\"a\"\"", "\"a\"b\"", "\"a\" ,b", "\"a,b"] {
            assert_eq!(cells(line), Err(Refused::Quotes), "{line}");
        }
        let mut other = Cells::default();
        assert_eq!(other.split(b"\xff", ','), Err(Refused::NotUtf8));
        assert_eq!(other.split(&[b'a'; LINE_BYTES_MAX + 1], ','), Err(Refused::LineTooLong));
        assert_eq!(other.split(&[b'a'; LINE_BYTES_MAX], ','), Ok(()));
    }

    #[test]
    fn lines_end_with_either_end_and_the_last_with_none() {
        for text in ["\u{feff}a\r\nb\n\nc", "a\nb\r\n\r\nc\n"] {
            let mut lines = Lines::new(io::BufReader::with_capacity(2, text.as_bytes()));
            let mut found = Vec::new();
            let mut ends = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push(String::from_utf8(line.text.to_vec()).unwrap());
                assert_eq!(line.number, found.len() as u64);
                ends.push(line.ended);
            }
            assert_eq!(ends, [true, true, true, text.ends_with('\n')]);
            assert_eq!(found, ["a", "b", "", "c"]);
            assert_eq!(lines.bytes(), text.len() as u64);
        }
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let text = [vec![b'x'; 10 * LINE_BYTES_MAX], b"\nend".to_vec()].concat();
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(lines.next().unwrap().map(|line| line.text.len()), Some(LINE_BYTES_MAX + 1));
        assert_eq!(lines.next().unwrap().map(|line| line.text), Some(&b"end"[..]));
        assert_eq!(lines.next().unwrap(), None);
    }
}
