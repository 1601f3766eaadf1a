//! Debian packages that tests need, installed when they are missing, and said so.

use std::path::Path;

use anyhow::bail;

use crate::{node, run, say};

/// Installs a package unless `found` holds already.
pub(crate) fn need(root: &Path, package: &str, found: impl Fn() -> bool) -> anyhow::Result<()> {
    if found() {
        return Ok(());
    }
    say::note(format_args!("the Debian package {package} is needed: installing it"));
    let installed = apt(root, &["update", "-qq"])
        .and_then(|()| apt(root, &["install", "-y", "-qq", "--no-install-recommends", package]));
    if installed.is_ok() && found() {
        return Ok(());
    }
    bail!("the package {package} is needed and could not be installed: install it and run this again")
}

/// Node and what installs its packages.
pub(crate) fn need_node(root: &Path) -> anyhow::Result<()> {
    need(root, "nodejs", || node::major(root).is_some())?;
    need(root, "npm", || run::works(run::command("npm", root, &["--version"])))
}

fn apt(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let is_root = run::output(run::command("id", root, &["-u"])).is_ok_and(|user| user == b"0\n");
    let mut command = if is_root {
        run::command("apt-get", root, arguments)
    } else {
        let mut command = run::command("sudo", root, &["-n", "apt-get"]);
        command.args(arguments);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // What is asked of us may be one object on standard output.
    run::output(command).map(drop)
}
