//! Tests beside each other, two at a time: much of what they do is waiting for disks, servers, browsers and time to pass.

use std::collections::VecDeque;
use std::env;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use clap::ValueEnum;

use crate::parts::{Parts, Totals};
use crate::recap::Recap;
use crate::stopwatch::Stopwatch;
use crate::test_binaries::{self, TestBinary};
use crate::workspace::Workspace;
use crate::{attack, bin_list, browser, clients, examples, localstripe, run, say, schemathesis};

const LANES: usize = 2;
/// Those that take longest begin first, so that none of them is left alone at the end.
const LONGEST: [&str; 5] =
    ["panvault it", "browser", "store-postgres it", "store-embedded it", "schemathesis"];
const PASSED: &str = " passed, ";
const SKIPPED: &str = "skipped: ";

/// Tests that are no test binary. Each is run by a process of this program, whose output stays together behind its name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Beside {
    Documentation,
    BinList,
    Localstripe,
    Schemathesis,
    Clients,
    Examples,
    Browser,
}

impl Beside {
    /// What it is called where people read.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Documentation => "examples in the documentation",
            Self::BinList => "a real list of BINs",
            Self::Localstripe => "localstripe",
            Self::Schemathesis => "schemathesis",
            Self::Clients => "generated clients",
            Self::Examples => "examples",
            Self::Browser => "browser",
        }
    }

    /// Whether it needs packages of Python.
    pub(crate) const fn needs_python(self) -> bool {
        matches!(
            self,
            Self::BinList | Self::Localstripe | Self::Schemathesis | Self::Clients | Self::Examples
        )
    }

    /// Whether it needs Node, a browser or the runtime of another language.
    pub(crate) const fn needs_node(self) -> bool {
        matches!(self, Self::Clients | Self::Examples | Self::Browser)
    }

    /// Runs it in this process.
    pub(crate) fn run(self, workspace: &Workspace, parts: &mut Parts) {
        let name = self.name();
        match self {
            Self::Documentation => parts.part(name, || documentation(workspace)),
            Self::BinList => parts.part(name, || bin_list::test(workspace)),
            Self::Localstripe => localstripe::part(workspace, parts),
            Self::Schemathesis => parts.check(name, || schemathesis::schemathesis(workspace)),
            Self::Clients => parts.check(name, || clients::clients(workspace)),
            Self::Examples => parts.check(name, || examples::examples(workspace)),
            Self::Browser => parts.check(name, || browser::browser(workspace, None)),
        }
    }

    /// Runs it in a process of its own.
    fn run_apart(self, workspace: &Workspace, recap: &mut Recap) -> anyhow::Result<Ended> {
        let value = self.to_possible_value().context("it cannot be asked for")?;
        let program = env::current_exe().context("this program is not found")?;
        let command = run::command(program, &workspace.root, &["beside", value.get_name()]);
        let mut ended = Ended::default();
        let success = run::lines_behind(&format!("{}: ", self.name()), command, |line| {
            ended.totals = totals(line).unwrap_or(ended.totals);
            ended.skipped.extend(line.strip_prefix(SKIPPED).map(str::to_owned));
            recap.note(line);
        })?;
        if !success && ended.totals.failed == 0 {
            ended.totals.failed = 1;
        }
        Ok(ended)
    }
}

/// The last line of a run of this program, such as `3 passed, 0 failed`.
fn totals(line: &str) -> Option<Totals> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(PASSED)?;
    Some(Totals { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

/// The documentation tests of every crate.
fn documentation(workspace: &Workspace) -> anyhow::Result<Totals> {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast", "--doc"];
    test_binaries::by_cargo(run::cargo(&workspace.root, &arguments))
}

/// One thing to run.
enum Job {
    Binary(TestBinary),
    Beside(Beside),
}

impl Job {
    /// Whether it is known what of it has failed.
    const fn can_run_again(&self, ended: &Ended) -> bool {
        match self {
            Self::Binary(_) => !ended.failed.is_empty(),
            Self::Beside(_) => true,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Binary(binary) => binary.name(),
            Self::Beside(beside) => beside.name().to_owned(),
        }
    }
}

/// What became of one.
#[derive(Default)]
struct Ended {
    totals: Totals,
    skipped: Vec<String>,
    /// Its tests that failed, where it is a test binary.
    failed: Vec<String>,
}

/// What failed beside others, and is run once more when nothing else is.
struct Failed {
    job: Job,
    watch: Stopwatch,
    ended: Ended,
    recap: Recap,
}

/// Runs test binaries and the others, and hands each line of a test binary on.
///
/// What fails is run once more, alone: four at a time on two cores of a machine that others use too, a test can meet a limit of time that says nothing of the
/// code. One that passes then is said in the summary by its name, so that somebody looks at it; what fails again has failed.
pub(crate) fn all(
    workspace: &Workspace,
    binaries: Vec<TestBinary>,
    others: &[Beside],
    parts: &mut Parts,
    each: impl FnMut(&str) + Send,
) {
    let binaries = binaries.into_iter().map(Job::Binary);
    let mut jobs: Vec<_> = binaries.chain(others.iter().copied().map(Job::Beside)).collect();
    jobs.sort_by_cached_key(|job| {
        let name = job.name();
        (LONGEST.iter().position(|longest| *longest == name).unwrap_or(LONGEST.len()), name)
    });
    let waiting = Mutex::new(VecDeque::from(jobs));
    let (parts, each) = (Mutex::new(parts), Mutex::new(each));
    let again = Mutex::new(Vec::new());
    let lane = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some(job) = next() {
            let watch = Stopwatch::start();
            let mut recap = Recap::default();
            let ended = match &job {
                Job::Binary(binary) => {
                    let mut failed = Vec::new();
                    let ran = binary.run(&[], &[], |line| {
                        recap.note(line);
                        match attack::outcome(line) {
                            Some((name, false)) => failed.push(name.to_owned()),
                            _ => each.lock().unwrap_or_else(PoisonError::into_inner)(line),
                        }
                    });
                    ran.map(|totals| Ended { totals, failed, ..Ended::default() })
                }
                Job::Beside(beside) => beside.run_apart(workspace, &mut recap),
            };
            let ended = match ended {
                // One that ended before its tests did has not said which failed.
                Ok(ended) if ended.totals.failed > 0 && job.can_run_again(&ended) => {
                    say::line(format_args!(
                        "== {}: FAILED, and is run again at the end, {watch}",
                        job.name()
                    ));
                    let mut again = again.lock().unwrap_or_else(PoisonError::into_inner);
                    again.push(Failed { job, watch, ended, recap });
                    continue;
                }
                ended => ended,
            };
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            match ended {
                Ok(Ended { totals, skipped, .. }) => {
                    skipped.into_iter().for_each(|what| parts.skipped(what));
                    if totals.failed > 0 {
                        parts.said(&job.name(), recap);
                    }
                    parts.ended(&job.name(), &watch, Ok(totals));
                }
                Err(error) => parts.ended(&job.name(), &watch, Err(error)),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut each = each.into_inner().unwrap_or_else(PoisonError::into_inner);
    for failed in again.into_inner().unwrap_or_else(PoisonError::into_inner) {
        run_again(workspace, failed, parts, &mut each);
    }
}

/// Runs once more, alone, what failed beside others.
fn run_again(workspace: &Workspace, before: Failed, parts: &mut Parts, each: &mut impl FnMut(&str)) {
    let Failed { job, watch, ended: Ended { mut totals, skipped, failed }, recap } = before;
    let name = job.name();
    let (mut recap_again, mut alone) = (Recap::default(), Vec::new());
    let ran = match &job {
        Job::Binary(binary) => {
            let arguments: Vec<&str> = ["--exact", "--test-threads", "1"]
                .into_iter()
                .chain(failed.iter().map(String::as_str))
                .collect();
            binary.run(&arguments, &[], |line| {
                recap_again.note(line);
                if let Some((name, true)) = attack::outcome(line) {
                    alone.push(name.to_owned());
                }
                each(line);
            })
        }
        Job::Beside(beside) => beside.run_apart(workspace, &mut recap_again).map(|ended| ended.totals),
    };
    skipped.into_iter().for_each(|what| parts.skipped(what));
    parts.said(&name, recap);
    let still = match ran {
        Ok(ran) => {
            if failed.is_empty() && ran.failed == 0 {
                parts.passed_alone(name.clone());
            } else if !alone.is_empty() {
                parts.passed_alone(format!("{name}: {}", alone.join(", ")));
            }
            if ran.failed > 0 {
                parts.said(&format!("{name}, again"), recap_again);
            }
            totals.passed += totals.failed.saturating_sub(ran.failed);
            ran.failed
        }
        Err(error) => return parts.ended(&name, &watch, Err(error)),
    };
    totals.failed = still;
    parts.ended(&name, &watch, Ok(totals));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_last_line_of_a_run() {
        assert_eq!(totals("3 passed, 1 failed"), Some(Totals { passed: 3, failed: 1 }));
        for other in
            ["3 passed, 1 failed, 2 more", "failed: browser", "many passed, 0 failed", " passed,  failed"]
        {
            assert_eq!(totals(other), None, "{other}");
        }
    }

    /// Each is asked for by a name of its own, and the longest ones are there.
    #[test]
    fn the_longest_are_called_as_they_are() {
        for name in ["browser", "schemathesis"] {
            assert!(LONGEST.contains(&name));
            assert!(Beside::value_variants().iter().any(|beside| beside.name() == name), "{name}");
        }
    }
}
