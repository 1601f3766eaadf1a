use crate::attack::Outcomes;
use crate::parts::{Parts, Totals};
use crate::workspace::Workspace;
use crate::{
    attack, bin_list, browser, clients, cluster, deploy, examples, first_command, package, packages, run,
    schemathesis, servers,
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
    parts.part("cargo test", || cargo_test(workspace, &mut outcomes));
    parts.check("attacks", || attack::judge(&outcomes));
    if without.python {
        parts.skip("a real list of BINs", "--without-python");
        parts.skip("schemathesis", "--without-python");
    } else {
        parts.part("a real list of BINs", || bin_list::test(workspace));
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
    parts.check("the first command of the README", || first_command::test(workspace));
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

/// Unit, integration and documentation tests of every crate, in debug.
fn cargo_test(workspace: &Workspace, outcomes: &mut Outcomes) -> anyhow::Result<Totals> {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let totals = totals_and(run::cargo(&workspace.root, &arguments), |line| outcomes.note(line))?;
    anyhow::ensure!(totals.passed + totals.failed > 0, "no test was run");
    Ok(totals)
}

/// What races and what is killed over three nodes, for longer.
pub(crate) fn soak(workspace: &Workspace) -> anyhow::Result<()> {
    needed(workspace)?;
    // Each says what it did and how long that took.
    let arguments =
        ["test", "--locked", "--package", "panvault", "--test", "it", "cluster::", "--", "--nocapture"];
    let mut command = run::cargo(&workspace.root, &arguments);
    command.env("PANVAULT_TEST_ROUNDS", "20");
    let totals = totals(command)?;
    anyhow::ensure!(totals.passed > 0 && totals.failed == 0, "{} tests failed", totals.failed);
    Ok(())
}

/// Runs test binaries, and adds up what they say.
pub(crate) fn totals(command: std::process::Command) -> anyhow::Result<Totals> {
    totals_and(command, |_| {})
}

/// The same, and hands each line on.
fn totals_and(command: std::process::Command, mut each: impl FnMut(&str)) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let success = run::lines(command, |line| {
        each(line);
        totals += result(line).unwrap_or_default();
    })?;
    if !success && totals.failed == 0 {
        // It did not compile, or a test ended the process.
        totals.failed = 1;
    }
    Ok(totals)
}

/// Reads the last line of a test binary, such as `test result: ok. 3 passed; 0 failed; …`.
fn result(line: &str) -> Option<Totals> {
    let mut words = line.strip_prefix("test result: ")?.split_ascii_whitespace().skip(1);
    let passed = words.next()?.parse().ok()?;
    let failed = words.nth(1)?.parse().ok()?;
    Some(Totals { passed, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_last_line_of_a_test_binary() {
        let ok =
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(result(ok), Some(Totals { passed: 12, failed: 0 }));
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(result(bad), Some(Totals { passed: 1, failed: 2 }));
        for other in ["test card::tests::result ... ok", "test result:", "test result: ok. many passed", ""] {
            assert_eq!(result(other), None, "{other}");
        }
    }
}
