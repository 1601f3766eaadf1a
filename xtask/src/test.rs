use anyhow::Context;

use crate::ahead::ReleaseBuild;
use crate::attack::Outcomes;
use crate::parts::{Parts, Totals};
use crate::test_binaries::TestBinary;
use crate::workspace::Workspace;
use crate::{
    attack, bin_list, browser, clients, cluster, deploy, examples, first_command, localstripe, package,
    packages, run, schemathesis, servers, test_binaries,
};

/// What is left out.
#[derive(Default)]
pub(crate) struct Without {
    pub(crate) python: bool,
    pub(crate) browser: bool,
}

/// Every test, and a summary.
pub(crate) fn test(workspace: &Workspace, without: &Without) -> bool {
    let mut parts = Parts::default();
    tests(workspace, without, &mut parts);
    parts.finish()
}

/// The parts that are tests.
pub(crate) fn tests(workspace: &Workspace, without: &Without, parts: &mut Parts) {
    parts.check("packages", || needed(workspace));
    let mut outcomes = Outcomes::default();
    let mut binaries = Vec::new();
    parts.check("the tests, compiled", || test_binaries::built(workspace).map(|built| binaries = built));
    let release = ReleaseBuild::begin(workspace);
    parts.part("the tests of the workspace", || cargo_test(workspace, binaries, |line| outcomes.note(line)));
    parts.check("attacks", || attack::judge(&outcomes));
    if without.python {
        parts.skip("a real list of BINs", "--without-python");
        parts.skip("localstripe", "--without-python");
        parts.skip("schemathesis", "--without-python");
    } else {
        parts.part("a real list of BINs", || bin_list::test(workspace));
        localstripe::part(workspace, parts);
        parts.check("schemathesis", || schemathesis::schemathesis(workspace));
    }
    if without.python || without.browser {
        parts.skip("generated clients", "they need Python and Node");
    } else {
        parts.check("generated clients", || clients::clients(workspace));
    }
    if without.python || without.browser {
        parts.skip("examples", "they need the runtimes of other languages");
    } else {
        parts.check("examples", || examples::examples(workspace));
    }
    if without.browser {
        parts.skip("browser", "--without-browser");
    } else {
        parts.check("browser", || browser::browser(workspace, None));
    }
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

/// Unit, integration and documentation tests of every crate, in debug; each line of the first two is handed on.
fn cargo_test(
    workspace: &Workspace,
    binaries: Vec<TestBinary>,
    each: impl FnMut(&str) + Send,
) -> anyhow::Result<Totals> {
    let mut totals = test_binaries::all(binaries, each)?;
    totals += self::totals(run::cargo(
        &workspace.root,
        &["test", "--workspace", "--locked", "--no-fail-fast", "--doc"],
    ))?;
    Ok(totals)
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

/// Runs test binaries by Cargo, and adds up what they say.
pub(crate) fn totals(command: std::process::Command) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let success = run::lines(command, |line| totals += test_binaries::result(line).unwrap_or_default())?;
    if !success && totals.failed == 0 {
        // It did not compile, or a test ended the process.
        totals.failed = 1;
    }
    Ok(totals)
}
