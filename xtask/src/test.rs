use std::thread;

use anyhow::{Context, anyhow};
use clap::ValueEnum;

use crate::ahead::ReleaseBuild;
use crate::attack::Outcomes;
use crate::lanes::{self, Beside};
use crate::parts::{Parts, Totals};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{attack, cluster, deploy, first_command, package, packages, run, servers, test_binaries};

/// What is left out.
#[derive(Default)]
pub(crate) struct Without {
    pub(crate) python: bool,
    pub(crate) browser: bool,
}

impl Without {
    /// Whether something is left out, which is said.
    fn skip(&self, beside: Beside, parts: &mut Parts) -> bool {
        let why = match () {
            () if self.python && beside.needs_python() => "--without-python",
            () if self.browser && beside.needs_node() => "--without-browser",
            () => return false,
        };
        parts.skip(beside.name(), why);
        true
    }
}

/// Every test, and a summary.
pub(crate) fn test(workspace: &Workspace, without: &Without) -> bool {
    let mut parts = Parts::default();
    tests(workspace, without, &mut parts);
    parts.finish()
}

/// The parts that are tests.
pub(crate) fn tests(workspace: &Workspace, without: &Without, parts: &mut Parts) {
    let mut outcomes = Outcomes::default();
    let mut binaries = Vec::new();
    thread::scope(|scope| {
        // They wait for others' servers, where the compiler wants the processor.
        let packages = Stopwatch::start();
        let needed = scope.spawn(|| needed(workspace));
        parts.check("the tests, compiled", || test_binaries::built(workspace).map(|built| binaries = built));
        let needed = needed.join().unwrap_or_else(|_| Err(anyhow!("it ended before it was done")));
        parts.ended("packages", &packages, needed.map(|()| Totals::ONE));
    });
    let release = ReleaseBuild::begin(workspace);
    let others: Vec<_> =
        Beside::value_variants().iter().copied().filter(|beside| !without.skip(*beside, parts)).collect();
    lanes::all(workspace, binaries, &others, parts, |line| outcomes.note(line));
    parts.check("attacks", || attack::judge(&outcomes));
    parts.check("three nodes, up and down", || cluster::test(workspace));
    if without.python {
        parts.skip("what is in deploy/", "--without-python");
    } else {
        parts.check("what is in deploy/", || deploy::check(workspace));
    }
    parts.check("the first command of the README", || {
        release?.wait()?;
        first_command::test(workspace)
    });
    package::test(workspace, parts, without.python);
}

/// The packages that tests of the workspace need.
fn needed(workspace: &Workspace) -> anyhow::Result<()> {
    let root = &workspace.root;
    let works = |program| run::works(run::command(program, root, &["--version"]));
    // The lines that `panvault dev` prints are run as they are.
    packages::need(root, "curl", || works("curl"))?;
    // Power cuts are made from a record of every call that changes a file.
    packages::need(root, "strace", || works("strace"))?;
    servers::needed(workspace)
}

/// What races and what is killed over three nodes, for longer.
pub(crate) fn soak(workspace: &Workspace) -> anyhow::Result<()> {
    needed(workspace)?;
    let binaries = test_binaries::built(workspace)?;
    let binary =
        binaries.iter().find(|binary| binary.is("panvault", "it")).context("a test binary is missing")?;
    // Each says what it did and how long that took.
    let totals = binary.run(&["cluster::", "--nocapture"], &[("PANVAULT_TEST_ROUNDS", "20")], |_| {})?;
    anyhow::ensure!(totals.passed > 0 && totals.failed == 0, "{} tests failed", totals.failed);
    Ok(())
}
