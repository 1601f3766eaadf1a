//! What of a job's output is said once more at the end of a run, where people and logs that are cut look first.

use std::collections::VecDeque;

/// The last lines of what has no list of failures.
const LAST_MAX: usize = 15;
/// The first ones of a list of failures.
const FAILURES_MAX: usize = 40;
const FAILURES: &str = "failures:";
const TRACE_BEGINS: &str = "stack backtrace:";
const TRACE_ENDS: &str = "note: ";

/// Reads the lines of one job as they come.
#[derive(Default)]
pub(crate) struct Recap {
    lines: VecDeque<String>,
    is_list: bool,
    is_trace: bool,
}

impl Recap {
    pub(crate) fn note(&mut self, line: &str) {
        if line == FAILURES && !self.is_list {
            // From here on a test binary says what each failure printed; what came before is the others.
            self.is_list = true;
            self.lines.clear();
            return;
        }
        self.is_trace = match line {
            TRACE_BEGINS => true,
            line if self.is_trace => !line.starts_with(TRACE_ENDS),
            _ => false,
        };
        let is_full = self.is_list && self.lines.len() == FAILURES_MAX;
        if line.trim().is_empty()
            || line == FAILURES
            || self.is_trace
            || line.starts_with(TRACE_ENDS)
            || is_full
        {
            return;
        }
        if !self.is_list && self.lines.len() == LAST_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    pub(crate) fn lines(self) -> impl Iterator<Item = String> {
        self.lines.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(output: &str) -> Vec<String> {
        let mut recap = Recap::default();
        output.lines().for_each(|line| recap.note(line));
        recap.lines().collect()
    }

    #[test]
    fn failures_are_said_without_their_traces() {
        let output = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n\nthread 'b' panicked at b.rs:1:1:\nnot so\n\
            stack backtrace:\n   0: core::panicking\nnote: some are left out\nprinted by b\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed";
        let said = [
            "---- b stdout ----",
            "thread 'b' panicked at b.rs:1:1:",
            "not so",
            "printed by b",
            "    b",
            "test result: FAILED. 1 passed; 1 failed",
        ];
        assert_eq!(of(output), said);
    }

    #[test]
    fn a_long_list_of_failures_is_cut_at_its_end_and_any_other_output_at_its_beginning() {
        let lines: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
        let failures = of(&format!("{FAILURES}\n{lines}"));
        assert_eq!((failures.len(), failures[0].as_str()), (FAILURES_MAX, "line 0"));
        let last = of(&lines);
        assert_eq!((last.len(), last[LAST_MAX - 1].as_str()), (LAST_MAX, "line 999"));
    }
}
