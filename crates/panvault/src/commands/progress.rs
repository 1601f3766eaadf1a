use std::io::{IsTerminal, Write, stderr};

const CELLS: u64 = 30;
/// Things of an unknown number between two that are shown.
const SHOWN_EVERY: u64 = 1_000;

/// How far something is, on one line of standard error; says nothing when that is no terminal.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    shown: Option<u64>,
    is_seen: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, shown: None, is_seen: stderr().is_terminal() }
    }

    /// So much is done.
    pub(crate) fn at(&mut self, done: u64) {
        let percent = (done.min(self.total) * 100).checked_div(self.total).unwrap_or(100);
        if self.is_seen && self.shown != Some(percent) {
            self.shown = Some(percent);
            // Nobody is there to be told that this failed.
            drop(write!(stderr(), "\r{}", line(self.what, percent)));
        }
    }

    /// Leaves the line to what is printed next.
    pub(crate) fn end(self) {
        if self.shown.is_some() {
            drop(write!(stderr(), "\r\x1b[K"));
        }
    }
}

/// How many things of an unknown number are done, on one line of standard error; says nothing when that is no terminal.
pub(super) struct Counted {
    what: &'static str,
    shown: u64,
    is_seen: bool,
}

impl Counted {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, shown: 0, is_seen: stderr().is_terminal() }
    }

    /// So many are done.
    pub(super) fn at(&mut self, done: u64) {
        if self.is_seen && done >= self.shown.saturating_add(SHOWN_EVERY) {
            self.shown = done;
            // Nobody is there to be told that this failed.
            drop(write!(stderr(), "\r{done} {}", self.what));
        }
    }

    /// Leaves the line to what is printed next.
    pub(super) fn end(self) {
        if self.shown > 0 {
            drop(write!(stderr(), "\r\x1b[K"));
        }
    }
}

fn line(what: &str, percent: u64) -> String {
    let full = percent * CELLS / 100;
    let cell = |at| if at < full { '#' } else { '.' };
    format!("{what} [{}] {percent:3} %", (0..CELLS).map(cell).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_always_as_long() {
        assert_eq!(line("x", 0), format!("x [{}]   0 %", ".".repeat(30)));
        assert_eq!(line("x", 50), format!("x [{}{}]  50 %", "#".repeat(15), ".".repeat(15)));
        assert_eq!(line("x", 100), format!("x [{}] 100 %", "#".repeat(30)));
    }
}
