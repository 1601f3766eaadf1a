//! The shipped description of Stripe against another's fake of it, which is under the GNU GPL: in a process of its own, in a namespace with no network but the
//! loopback address, for it listens on all addresses.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::parts::{Parts, Totals};
use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{packages, run, test_binaries};

const LOCALSTRIPE: Environment = Environment {
    what: "localstripe",
    directory: ".venv-localstripe",
    requirements: "xtask/localstripe/requirements.txt",
};
/// A network of its own; who is not root is so in it alone.
const APART: [&str; 3] = ["--user", "--map-root-user", "--net"];
const LOOPBACK: &str = "ip link set lo up && exec \"$@\"";

/// The part of the tests that it is.
pub(crate) fn part(workspace: &Workspace, parts: &mut Parts) {
    let mut command = run::command("unshare", &workspace.root, &APART);
    command.arg("true");
    if run::works(command) {
        parts.part("localstripe", || test(workspace));
    } else {
        parts.skip("localstripe", "no network namespace is to be had");
    }
}

/// Installs it, and runs the tests of `panvault-processor` that need it.
fn test(workspace: &Workspace) -> anyhow::Result<Totals> {
    let root = &workspace.root;
    packages::need(root, "iproute2", || run::works(run::command("ip", root, &["-V"])))?;
    let python = |environment: &Path| environment.join("bin/python");
    let works = |environment: &Path| {
        run::works(run::command(python(environment), root, &["-c", "import localstripe.server"]))
    };
    let python = python(&LOCALSTRIPE.ready(workspace, works)?);
    // What is missing is fetched and built outside.
    run::succeed(cargo(root, &["--no-run"]))?;
    let totals = test_binaries::by_cargo(apart(root, python))?;
    ensure!(totals.passed + totals.failed > 0, "no test was run");
    Ok(totals)
}

fn cargo(root: &Path, more: &[&str]) -> Command {
    let mut command = run::cargo(root, &["test", "--workspace", "--locked", "--test", "localstripe"]);
    command.args(more);
    command
}

/// The same inside.
fn apart(root: &Path, python: PathBuf) -> Command {
    let inside = cargo(root, &["--offline"]);
    let mut command = run::command("unshare", root, &APART);
    command.args(["sh", "-c", LOOPBACK, "sh"]).arg(inside.get_program()).args(inside.get_args());
    command.env("PANVAULT_LOCALSTRIPE", python);
    command
}
