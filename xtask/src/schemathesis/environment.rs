//! A virtual environment of its own with pinned versions, made when it is missing or out of date.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::workspace::Workspace;
use crate::{packages, run, say};

/// The oldest Python that the pinned versions run on.
const PYTHON_MINOR_MIN: u32 = 11;

/// The program, installed.
pub(super) fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = &workspace.root;
    let requirements = root.join("xtask/schemathesis/requirements.txt");
    let wanted = fs::read_to_string(&requirements).context("cannot read the requirements")?;
    let environment = root.join(".venv-schemathesis");
    let installed = environment.join("installed.txt");
    let program = environment.join("bin/schemathesis");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) && works(root, &program) {
        say::line("schemathesis is installed in .venv-schemathesis");
        return Ok(program);
    }
    say::line("schemathesis is needed: installing it into .venv-schemathesis");
    python_is_new_enough(root)?;
    // Debian ships Python without what makes virtual environments.
    let package = format!("python3.{}-venv", python_minor(root)?);
    packages::need(root, &package, || can_make_environments(root))?;
    let made = run::command("python3", root, &["-m", "venv", "--clear", ".venv-schemathesis"]);
    run::succeed(made).context("a virtual environment could not be made")?;
    let pip = environment.join("bin/python");
    let arguments =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"];
    let mut install = run::command(pip, root, &arguments);
    install.arg(&requirements);
    run::succeed(install).context(
        "schemathesis could not be installed: is a Python package index within reach? \
         `cargo xtask test --without-schemathesis` runs everything else",
    )?;
    ensure!(works(root, &program), "schemathesis was installed and does not start");
    fs::write(&installed, &wanted)?;
    Ok(program)
}

fn works(root: &Path, program: &Path) -> bool {
    run::works(run::command(program, root, &["--version"]))
}

fn python_is_new_enough(root: &Path) -> anyhow::Result<()> {
    let minor = python_minor(root).context("python3 is needed and was not found")?;
    ensure!(minor >= PYTHON_MINOR_MIN, "Python 3.{PYTHON_MINOR_MIN} or later is needed; this is 3.{minor}");
    Ok(())
}

fn python_minor(root: &Path) -> anyhow::Result<u32> {
    let code = "import sys; print(sys.version_info.minor if sys.version_info.major == 3 else 0)";
    let printed = run::output(run::command("python3", root, &["-c", code]))?;
    Ok(String::from_utf8(printed)?.trim().parse()?)
}

fn can_make_environments(root: &Path) -> bool {
    run::works(run::command("python3", root, &["-c", "import venv, ensurepip"]))
}
