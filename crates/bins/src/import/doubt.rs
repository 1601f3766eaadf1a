//! Signs that a list is not what its importer takes it for.

use core::fmt;
use core::str::FromStr;

use crate::import::report::{Refused, Report};
use crate::table::Table;

/// A share of rows, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

/// What is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 0 to 100 percent, with at most two digits behind the point")]
pub struct ShareFault;

impl FromStr for Share {
    type Err = ShareFault;

    /// Reads `1`, `0.25` or `5%`.
    fn from_str(text: &str) -> Result<Self, ShareFault> {
        let text = text.strip_suffix('%').unwrap_or(text);
        let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
        let number = |digits: &str| {
            let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if fits { digits.parse::<u32>().map_err(|_| ShareFault) } else { Err(ShareFault) }
        };
        let hundredths = match part {
            None => 0,
            Some(tenths) if tenths.len() == 1 => number(tenths)? * 10,
            Some(hundredths) if hundredths.len() == 2 => number(hundredths)?,
            Some(_) => return Err(ShareFault),
        };
        let share = number(whole)? * 100 + hundredths;
        if share <= 10_000 { Ok(Self(share)) } else { Err(ShareFault) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(out, "{whole} %"),
            (whole, part) => write!(out, "{whole}.{part:02} %"),
        }
    }
}

/// How much the table in use holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Rows.
    pub rows: u64,
    /// Ranges.
    pub ranges: u64,
}

impl From<&Table> for InUse {
    fn from(table: &Table) -> Self {
        Self { rows: u64::from(table.rows()), ranges: table.ranges() as u64 }
    }
}

/// A reason to keep the table in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// More rows are refused than may be.
    #[error("{refused} of its {rows} rows are refused, and {max} may be")]
    Refused {
        /// Rows that are lost.
        refused: u64,
        /// All rows.
        rows: u64,
        /// The share that may be.
        max: Share,
    },
    /// It is much smaller.
    #[error("only {now} of its rows can be taken, less than half of the {before} in use")]
    Rows {
        /// Rows that are taken.
        now: u64,
        /// Rows of the table in use.
        before: u64,
    },
    /// It tells much less apart.
    #[error("its number of ranges is {now}, less than half of the {before} in use")]
    Ranges {
        /// Ranges that they make.
        now: u64,
        /// Ranges of the table in use.
        before: u64,
    },
    /// Its last row is none.
    #[error("it ends within line {line}, so it was cut short")]
    Cut {
        /// The last line.
        line: u64,
    },
    /// It may have been cut between two bytes of a row that is still one.
    #[error(
        "its last line has no end and it has fewer rows than the {before} in use, so it may have been cut short"
    )]
    Unended {
        /// Rows of the table in use.
        before: u64,
    },
}

impl Report {
    /// Rows that are lost: a row that says again what another says is not.
    pub fn lost(&self) -> u64 {
        self.rows.saturating_sub(self.taken).saturating_sub(self.refused_for(Refused::Repeated))
    }

    /// Why the table in use should stay.
    pub fn doubts(&self, in_use: Option<InUse>, refused_max: Share) -> Vec<Doubt> {
        let refused = self.lost();
        let lost = Doubt::Refused { refused, rows: self.rows, max: refused_max };
        let too_many = u128::from(refused) * 10_000 > u128::from(self.rows) * u128::from(refused_max.0);
        let mut doubts: Vec<Doubt> = too_many.then_some(lost).into_iter().collect();
        let is_less = |now: u64, before: u64| now < before.div_ceil(2);
        if let Some(InUse { rows, ranges }) = in_use {
            if is_less(self.taken, rows) {
                doubts.push(Doubt::Rows { now: self.taken, before: rows });
            }
            if is_less(self.ranges, ranges) {
                doubts.push(Doubt::Ranges { now: self.ranges, before: ranges });
            }
            if self.unended && self.cut.is_none() && self.taken < rows {
                doubts.push(Doubt::Unended { before: rows });
            }
        }
        doubts.extend(self.cut.map(|line| Doubt::Cut { line }));
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::report::{Counted, Shown};

    const ONE_PERCENT: Share = Share(100);

    fn report(rows: u64, taken: u64) -> Report {
        Report { rows, taken, ranges: taken, ..Report::default() }
    }

    #[test]
    fn shares_are_percent() {
        for (text, share, shown) in [
            ("1", 100, "1 %"),
            ("0", 0, "0 %"),
            ("100%", 10_000, "100 %"),
            ("0.25", 25, "0.25 %"),
            ("2.5%", 250, "2.50 %"),
        ] {
            let read: Share = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (share, shown));
        }
        for text in ["", "%", "-1", "+1", "101", "100.01", "1.", ".5", "1.234", "1e1", "1 %", "٥"] {
            assert_eq!(text.parse::<Share>(), Err(ShareFault), "{text}");
        }
    }

    #[test]
    fn as_many_rows_may_be_refused_as_was_said() {
        assert_eq!(report(1000, 990).doubts(None, ONE_PERCENT), []);
        let lost = Doubt::Refused { refused: 11, rows: 1000, max: ONE_PERCENT };
        assert_eq!(report(1000, 989).doubts(None, ONE_PERCENT), [lost]);
        assert_eq!(report(1000, 1).doubts(None, Share(10_000)), []);
        assert_eq!(report(1000, 999).doubts(None, Share(0)).len(), 1);
        let shown = vec![Shown { line: 2, what: String::new() }];
        let repeated = vec![Counted { kind: Refused::Repeated, count: 500, shown }];
        let twice = Report { refused: repeated, ..report(1000, 500) };
        assert_eq!(twice.doubts(None, Share(0)), [], "what is said twice is not lost");
    }

    #[test]
    fn a_table_does_not_shrink_to_less_than_half() {
        let in_use = Some(InUse { rows: 999, ranges: 10 });
        let doubts = |taken, ranges| Report { ranges, ..report(taken, taken) }.doubts(in_use, ONE_PERCENT);
        assert_eq!(doubts(500, 5), []);
        assert_eq!(doubts(499, 5), [Doubt::Rows { now: 499, before: 999 }]);
        assert_eq!(doubts(500, 4), [Doubt::Ranges { now: 4, before: 10 }]);
    }

    #[test]
    fn a_list_that_ends_within_a_line_was_cut() {
        let cut = Report { unended: true, cut: Some(9), ..report(1000, 999) };
        assert_eq!(cut.doubts(None, ONE_PERCENT), [Doubt::Cut { line: 9 }]);
        let unended = Report { unended: true, ..report(999, 999) };
        let in_use = |rows| Some(InUse { rows, ranges: 1 });
        assert_eq!(unended.doubts(None, ONE_PERCENT), []);
        assert_eq!(unended.doubts(in_use(999), ONE_PERCENT), [], "as long as before");
        assert_eq!(unended.doubts(in_use(1000), ONE_PERCENT), [Doubt::Unended { before: 1000 }]);
    }
}
