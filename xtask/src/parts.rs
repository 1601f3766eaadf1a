//! A run in parts: each says when it starts and how long it took, and none hides the next.

use core::ops::AddAssign;

use crate::recap::Recap;
use crate::say;
use crate::stopwatch::Stopwatch;

/// How many tests passed and failed. A part that is no test binary counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Totals {
    /// One that passed.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What has been run so far.
#[derive(Default)]
pub(crate) struct Parts {
    totals: Totals,
    failed: Vec<String>,
    skipped: Vec<String>,
    said: Vec<String>,
    alone: Vec<String>,
}

impl Parts {
    /// Runs one part. An error is a failure of that part alone.
    pub(crate) fn part(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<Totals>) {
        say::line(format_args!("== {name}"));
        let watch = Stopwatch::start();
        let totals = work();
        self.ended(name, &watch, totals);
    }

    /// Says what became of a part.
    pub(crate) fn ended(&mut self, name: &str, watch: &Stopwatch, totals: anyhow::Result<Totals>) {
        let totals = totals.unwrap_or_else(|error| {
            say::trouble(format_args!("{error:#}"));
            self.said.push(format!("{name}: {error:#}"));
            Totals { passed: 0, failed: 1 }
        });
        self.totals += totals;
        if totals.failed == 0 {
            say::line(format_args!("== {name}: ok, {watch}"));
        } else {
            say::line(format_args!("== {name}: FAILED, {watch}"));
            self.failed.push(name.to_owned());
        }
    }

    /// Runs one part that only can succeed or fail.
    pub(crate) fn check(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<()>) {
        self.part(name, || work().map(|()| Totals::ONE));
    }

    /// Says that a part was left out, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        say::line(format_args!("== {name}: skipped, {why}"));
        self.skipped(format!("{name} ({why})"));
    }

    /// The same of what a part has said.
    pub(crate) fn skipped(&mut self, what: String) {
        self.skipped.push(what);
    }

    /// Keeps what a part that failed said, for the summary.
    pub(crate) fn said(&mut self, name: &str, recap: Recap) {
        self.said.extend(recap.lines().map(|line| format!("{name}: {line}")));
    }

    /// Says that what failed beside others passed alone.
    pub(crate) fn passed_alone(&mut self, what: String) {
        self.alone.push(what);
    }

    /// Prints the summary; its last line is the totals and nothing else. Answers whether nothing failed.
    pub(crate) fn finish(self) -> bool {
        say::line("");
        self.said.iter().for_each(say::line);
        if !self.skipped.is_empty() {
            say::line(format_args!("skipped: {}", self.skipped.join(", ")));
        }
        for what in &self.alone {
            say::line(format_args!("failed beside others, and passed alone: {what}"));
        }
        if !self.failed.is_empty() {
            say::line(format_args!("failed: {}", self.failed.join(", ")));
        }
        say::line(format_args!("{} passed, {} failed", self.totals.passed, self.totals.failed));
        self.failed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_part_does_not_stop_the_next_and_fails_the_whole() {
        let mut parts = Parts::default();
        let mut ran = false;
        parts.check("first", || anyhow::bail!("on purpose"));
        parts.part("second", || {
            ran = true;
            Ok(Totals { passed: 3, failed: 0 })
        });
        assert_eq!(parts.totals, Totals { passed: 3, failed: 1 });
        assert!(ran && !parts.finish());
    }

    #[test]
    fn a_skipped_part_is_no_failure() {
        let mut parts = Parts::default();
        parts.check("first", || Ok(()));
        parts.skip("second", "there is no reason");
        assert!(parts.finish());
    }
}
