//! A real list of BINs, for the tests and the benchmark: none of it is in this repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::parts::Totals;
use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{run, test_binaries};

const LIST: Environment = Environment {
    what: "a real list of BINs",
    directory: ".venv-bin-list",
    requirements: "xtask/bin-list/requirements.txt",
};

/// The list, installed.
pub(crate) fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let environment = LIST.ready(workspace, |environment| found(environment).is_some())?;
    found(&environment).context("the package has no list in it")
}

/// `lib/python3.…/site-packages/card_generator/bin-list-data.csv`
fn found(environment: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(environment.join("lib")).ok()?;
    let list = |version: fs::DirEntry| version.path().join("site-packages/card_generator/bin-list-data.csv");
    versions.filter_map(Result::ok).map(list).find(|list| list.is_file())
}

/// Imports it and looks up in it: the tests of `panvault-bins` that need a real list.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<Totals> {
    let list = ready(workspace)?;
    let arguments = ["test", "--workspace", "--locked", "--test", "real"];
    let mut command = run::cargo(&workspace.root, &arguments);
    command.env("PANVAULT_BIN_LIST", list);
    let totals = test_binaries::by_cargo(command)?;
    ensure!(totals.passed + totals.failed > 0, "no test was run");
    Ok(totals)
}
