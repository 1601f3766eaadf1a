//! The test binaries of the workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use cargo_metadata::Message;

use crate::parts::Totals;
use crate::workspace::Workspace;
use crate::{run, say};

/// One of them.
pub(crate) struct TestBinary {
    /// The directory of its package, in which it runs.
    package: PathBuf,
    /// The target's name, such as `it`.
    target: String,
    executable: PathBuf,
}

/// Builds all of them.
pub(crate) fn built(workspace: &Workspace) -> anyhow::Result<Vec<TestBinary>> {
    let arguments =
        ["test", "--workspace", "--locked", "--no-run", "--message-format", "json-render-diagnostics"];
    let messages =
        run::output(run::cargo(&workspace.root, &arguments)).context("the tests do not compile")?;
    let mut binaries = Vec::new();
    for message in Message::parse_stream(messages.as_slice()) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let Some(executable) = artifact.executable.filter(|_| artifact.profile.test) else { continue };
        let package = artifact.manifest_path.parent().context("a manifest is in a directory")?;
        binaries.push(TestBinary {
            package: package.into(),
            target: artifact.target.name,
            executable: executable.into(),
        });
    }
    Ok(binaries)
}

impl TestBinary {
    /// Whether it is this target of the package in this directory.
    pub(crate) fn is(&self, package: &str, target: &str) -> bool {
        self.package.ends_with(package) && self.target == target
    }

    /// Its name, such as `store it`.
    pub(crate) fn name(&self) -> String {
        let package = self.package.file_name().unwrap_or_default().to_string_lossy();
        format!("{package} {}", self.target)
    }

    /// Runs it; each line is printed behind its name. What ends without a total has failed.
    pub(crate) fn run(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        mut each: impl FnMut(&str),
    ) -> anyhow::Result<Totals> {
        let name = self.name();
        let mut command = run::command(&self.executable, &self.package, arguments);
        command.env("CARGO_MANIFEST_DIR", &self.package).envs(environment.iter().copied());
        let mut totals = Totals::default();
        let success = run::lines_behind(&format!("{name}: "), command, |line| {
            each(line);
            totals += result(line).unwrap_or_default();
        })?;
        if !success && totals.failed == 0 {
            say::trouble(format_args!("{name} ended before its tests did"));
            totals.failed = 1;
        }
        Ok(totals)
    }
}

/// Reads the last line of a test binary, such as `test result: ok. 3 passed; 0 failed; …`.
pub(crate) fn result(line: &str) -> Option<Totals> {
    let mut words = line.strip_prefix("test result: ")?.split_ascii_whitespace().skip(1);
    let passed = words.next()?.parse().ok()?;
    let failed = words.nth(1)?.parse().ok()?;
    Some(Totals { passed, failed })
}

/// Runs test binaries by Cargo, and adds up what they say.
pub(crate) fn by_cargo(command: Command) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let success = run::lines(command, |line| totals += result(line).unwrap_or_default())?;
    if !success && totals.failed == 0 {
        // It did not compile, or a test ended the process.
        totals.failed = 1;
    }
    Ok(totals)
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
