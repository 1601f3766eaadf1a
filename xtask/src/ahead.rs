//! The release build, made while tests wait for disks and servers: it has the machine when nothing else wants it.

use std::fs::File;
use std::process::Child;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{run, say};

/// What is under way. A build that fails fails again, and aloud, for whoever wants what it makes.
pub(crate) struct ReleaseBuild(Child);

impl ReleaseBuild {
    /// Begins it.
    pub(crate) fn begin(workspace: &Workspace) -> anyhow::Result<Self> {
        let log = workspace.target.join("release-build.log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = run::command("nice", &workspace.root, &["-n", "19"]);
        command.arg(run::cargo(&workspace.root, &[]).get_program());
        command.args(["build", "--release", "--locked", "--package", "panvault"]);
        let child = command.stdout(output.try_clone()?).stderr(output).spawn();
        say::note(format_args!("the release build goes on beside the tests: {}", log.display()));
        child.map(Self).context("cannot start the release build")
    }

    /// Waits until it is done.
    pub(crate) fn wait(mut self) -> anyhow::Result<()> {
        self.0.wait().context("the release build cannot be waited for")?;
        Ok(())
    }
}
