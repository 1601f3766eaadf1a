//! Lines and their cells: CSV as RFC 4180 has it, but for one thing. A row is one line: a quote that is not closed spoils its own
//! line, and never swallows the rest of a list.

use std::io::{self, BufRead};

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
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    /// Takes a line apart.
    pub(super) fn split(&mut self, line: &[u8], delimiter: char) -> Result<(), Refused> {
        self.text.clear();
        self.ends.clear();
        if line.len() > LINE_BYTES_MAX {
            return Err(Refused::LineTooLong);
        }
        let mut rest = core::str::from_utf8(line).map_err(|_| Refused::NotUtf8)?;
        loop {
            let behind = match rest.strip_prefix('"') {
                Some(quoted) => self.quoted(quoted)?,
                None => {
                    let end = rest.find(delimiter).unwrap_or(rest.len());
                    let (cell, behind) = rest.split_at(end);
                    self.text.push_str(cell);
                    behind
                }
            };
            self.ends.push(self.text.len());
            match behind.strip_prefix(delimiter) {
                Some(next) => rest = next,
                None if behind.is_empty() => return Ok(()),
                None => return Err(Refused::Quotes),
            }
        }
    }

    /// Takes a quoted cell, in which two quotes stand for one, and gives what is behind it.
    fn quoted<'a>(&mut self, mut rest: &'a str) -> Result<&'a str, Refused> {
        loop {
            let (cell, behind) = rest.split_once('"').ok_or(Refused::Quotes)?;
            self.text.push_str(cell);
            match behind.strip_prefix('"') {
                Some(more) => {
                    self.text.push('"');
                    rest = more;
                }
                None => return Ok(behind),
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
        self.text.get(start..end).unwrap_or_default().trim_matches(' ')
    }
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
        for line in ["\"a", "\"a\"b,c", "a,\"", "\"a\"\""] {
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
