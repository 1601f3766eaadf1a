//! The attacks that were once made on the vault, run again: each must be held, and each has a control that shows that the tests
//! of it would notice.

mod backups;
mod keys;
mod nodes;
mod table;

use std::collections::BTreeSet;

use anyhow::ensure;

use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{run, say, servers};
use backups::ON_BACKUPS;
use keys::ON_KEYS;
use nodes::OVER_NODES;
use table::ATTACKS;

/// One attack.
struct Attack {
    /// What somebody tries.
    tried: &'static str,
    /// The tests that try it.
    tests: &'static [Test],
    /// What shows that they would notice, in the same tests or another.
    control: &'static str,
}

/// A test: its package, and its name in it.
type Test = (&'static str, &'static str);

/// The tests that have passed and those that have failed, of a run of test binaries.
#[derive(Default)]
pub(crate) struct Outcomes {
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Outcomes {
    /// Takes up a line that a test binary has printed.
    pub(crate) fn note(&mut self, line: &str) {
        match outcome(line) {
            Some((name, true)) => drop(self.passed.insert(name.to_owned())),
            Some((name, false)) => drop(self.failed.insert(name.to_owned())),
            None => {}
        }
    }

    /// Whether a test was run, and passed wherever there is one of its name.
    fn has_held(&self, (_, name): &Test) -> bool {
        self.passed.contains(*name) && !self.failed.contains(*name)
    }
}

/// On one node, and on several; on keys and on backups.
fn all() -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().chain(OVER_NODES).chain(ON_KEYS).chain(ON_BACKUPS)
}

/// Runs every test of the tables, and no other, and judges the attacks by them.
pub(crate) fn attack(workspace: &Workspace) -> anyhow::Result<()> {
    servers::needed_from_debian(&workspace.root)?;
    let watch = Stopwatch::start();
    // All packages at once, so that what they use is built as for all other tests. A name runs where it is.
    // Some are in the program itself, which is no library.
    let mut arguments = vec!["test", "--workspace", "--lib", "--bins", "--test", "it"];
    arguments.extend(["--locked", "--no-fail-fast", "--", "--exact"]);
    arguments.extend(names());
    let mut outcomes = Outcomes::default();
    // Whether all went well is told by the lines.
    run::lines(run::cargo(&workspace.root, &arguments), |line| outcomes.note(line))?;
    say::line(format_args!("in {watch}"));
    judge(&outcomes)
}

/// Says of each attack whether it was held, by what became of its tests in a run of them, or of all tests there are.
pub(crate) fn judge(outcomes: &Outcomes) -> anyhow::Result<()> {
    let mut lost = 0;
    say::line("");
    for attack in all() {
        let missing: Vec<_> = attack.tests.iter().filter(|test| !outcomes.has_held(test)).collect();
        let says = if missing.is_empty() { "held" } else { "LOST" };
        say::line(format_args!("{says}  {}\n      control: {}", attack.tried, attack.control));
        for (package, name) in &missing {
            say::line(format_args!("      failed, or is not there: {package} {name}"));
        }
        lost += usize::from(!missing.is_empty());
    }
    say::line(format_args!("{} attacks by {} tests, {lost} not held", all().count(), names().len()));
    ensure!(lost == 0, "{lost} attacks were not held");
    Ok(())
}

fn names() -> BTreeSet<&'static str> {
    all().flat_map(|attack| attack.tests).map(|(_, name)| *name).collect()
}

/// The name of a test and whether it has passed, from a line such as `test links::a_name ... ok`.
pub(crate) fn outcome(line: &str) -> Option<(&str, bool)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match outcome {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_that_has_passed_counts() {
        assert_eq!(outcome("test links::a_name ... ok"), Some(("links::a_name", true)));
        assert_eq!(outcome("test links::a_name ... FAILED"), Some(("links::a_name", false)));
        for other in ["test links::a_name ... ignored", "test result: ok. 1 passed", ""] {
            assert_eq!(outcome(other), None, "{other}");
        }
    }

    /// The bug: the tests of attacks ran a second time within all tests. Its cause: the attacks were judged by a run of their own only. Its cure:
    /// any run tells.
    #[test]
    fn attacks_are_judged_by_any_run() {
        let mut outcomes = Outcomes::default();
        assert!(judge(&outcomes).is_err(), "nothing was run");
        names().iter().for_each(|name| outcomes.note(&format!("test {name} ... ok")));
        outcomes.note("test some::other ... FAILED");
        assert!(judge(&outcomes).is_ok());
        let one = names().into_iter().next().unwrap();
        outcomes.note(&format!("test {one} ... FAILED"));
        assert!(judge(&outcomes).is_err(), "it failed in another package");
    }

    #[test]
    fn every_attack_has_tests_and_a_control() {
        for attack in all() {
            assert!(!attack.tests.is_empty() && !attack.control.is_empty(), "{}", attack.tried);
        }
    }
}
