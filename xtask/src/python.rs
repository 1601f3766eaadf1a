//! Packages of Python for tests: each in a virtual environment of its own with pinned versions, made when it is missing or out of date.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::workspace::Workspace;
use crate::{packages, run, say};

/// The oldest Python that the pinned versions run on.
const PYTHON_MINOR_MIN: u32 = 11;

/// A virtual environment.
pub(crate) struct Environment {
    /// What is in it, by its name.
    pub(crate) what: &'static str,
    /// Its directory in the root.
    pub(crate) directory: &'static str,
    /// The versions, a file in the root.
    pub(crate) requirements: &'static str,
}

impl Environment {
    /// Its directory, with everything installed; `works` says whether it can be used.
    pub(crate) fn ready(
        &self,
        workspace: &Workspace,
        works: impl Fn(&Path) -> bool,
    ) -> anyhow::Result<PathBuf> {
        let Self { what, directory, requirements } = self;
        let root = &workspace.root;
        let requirements = root.join(requirements);
        let wanted = fs::read_to_string(&requirements).context("cannot read the requirements")?;
        let environment = root.join(directory);
        let installed = environment.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) && works(&environment) {
            say::line(format_args!("{what} is installed in {directory}"));
            return Ok(environment);
        }
        say::line(format_args!("{what} is needed: installing it into {directory}"));
        python_is_new_enough(root)?;
        // Debian ships Python without what makes virtual environments.
        let package = format!("python3.{}-venv", python_minor(root)?);
        packages::need(root, &package, || can_make_environments(root))?;
        let made = run::command("python3", root, &["-m", "venv", "--clear", directory]);
        run::succeed(made).context("a virtual environment could not be made")?;
        let pip = environment.join("bin/python");
        let arguments =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"];
        let mut install = run::command(pip, root, &arguments);
        install.arg(&requirements);
        run::succeed(install).with_context(|| {
            format!(
                "{what} could not be installed: is a Python package index within reach? \
                 `cargo xtask test --without-python` runs everything that needs none"
            )
        })?;
        ensure!(works(&environment), "{what} was installed and cannot be used");
        fs::write(&installed, &wanted)?;
        Ok(environment)
    }
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
