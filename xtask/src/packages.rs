//! Debian packages that tests need, installed when they are missing, and said so.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, bail};

use crate::{node, run, say};

/// Installs a package unless `found` holds already.
pub(crate) fn need(root: &Path, package: &str, found: impl Fn() -> bool) -> anyhow::Result<()> {
    if found() {
        return Ok(());
    }
    let _turn = turn(root)?;
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

/// Installs a package with a service that the tests start themselves, from its program: the system's own is not started, now or when the machine is.
pub(crate) fn need_server(root: &Path, package: &str, unit: &str, program: &str) -> anyhow::Result<()> {
    let found = || Path::new(program).exists();
    if found() {
        return Ok(());
    }
    let _turn = turn(root)?;
    if found() {
        return Ok(());
    }
    say::note(format_args!(
        "the Debian package {package} is needed: installing it, with its service {unit} switched off"
    ));
    let installed = apt(root, &["update", "-qq"])
        .and_then(|()| as_root(root, "sh", &["-c", INSTALL_SWITCHED_OFF, "sh", package, unit]));
    if installed.is_ok() && found() {
        return Ok(());
    }
    bail!("the package {package} is needed and could not be installed: install it and run this again")
}

/// The file says to what installs packages that no service may be started; one that is there already says what this machine wants.
const INSTALL_SWITCHED_OFF: &str = r#"set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get install -y -qq --no-install-recommends "$1"
systemctl disable --quiet "$2" || true
"#;

/// Node and what installs its packages.
pub(crate) fn need_node(root: &Path) -> anyhow::Result<()> {
    need(root, "nodejs", || node::major(root).is_some())?;
    need(root, "npm", || run::works(run::command("npm", root, &["--version"])))
}

/// One installation at a time: of those that wait, most find then that what they need is there.
fn turn(root: &Path) -> anyhow::Result<File> {
    let target = root.join("target");
    fs::create_dir_all(&target)?;
    let file = File::create(target.join("installing.lock")).context("no turn can be waited for")?;
    file.lock()?;
    Ok(file)
}

fn apt(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    as_root(root, "apt-get", arguments)
}

fn as_root(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let is_root = run::output(run::command("id", root, &["-u"])).is_ok_and(|user| user == b"0\n");
    let mut command = if is_root {
        run::command(program, root, arguments)
    } else {
        // `sudo` hands no environment on by itself.
        let mut command = run::command("sudo", root, &["-n", "DEBIAN_FRONTEND=noninteractive", program]);
        command.args(arguments);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // What is asked of us may be one object on standard output.
    run::output(command).map(drop)
}
