//! Node, and packages of it for tests: each directory has a lock file, and what is installed there is installed again when that changes.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};

use crate::{run, say};

/// Fails unless Node is there and new enough.
pub(crate) fn is_new_enough(root: &Path, major_min: u32) -> anyhow::Result<()> {
    let major = major(root).context("node does not say its version")?;
    ensure!(major >= major_min, "Node {major_min} or later is needed; this is {major}");
    Ok(())
}

/// Installs what the lock file of a directory says, unless it is there.
pub(crate) fn install(directory: &Path, name: &str, what: &str) -> anyhow::Result<()> {
    let wanted =
        fs::read_to_string(directory.join("package-lock.json")).context("cannot read the lock file")?;
    let installed = directory.join("node_modules/installed.json");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        say::line(format_args!("{what} is installed in {name}/node_modules"));
        return Ok(());
    }
    say::line(format_args!("{what} is needed: installing it into {name}/node_modules"));
    run::succeed(run::command("npm", directory, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
        .with_context(|| {
            format!(
                "{what} could not be installed: is a registry of Node packages within reach? \
             `cargo xtask test --without-browser` runs everything that needs none"
            )
        })?;
    fs::write(&installed, &wanted)?;
    Ok(())
}

/// The 18 of `v18.19.0`.
pub(crate) fn major(root: &Path) -> Option<u32> {
    let mut command = run::command("node", root, &["--version"]);
    command.stderr(Stdio::null());
    let printed = command.output().ok()?.stdout;
    let printed = String::from_utf8(printed).ok()?;
    printed.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
