//! The schemathesis run: generated requests against the real binary, judged by its own OpenAPI document.

use std::path::Path;

use anyhow::Context;

use crate::dev_vault::DevVault;
use crate::python::Environment;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{run, say};

const SCHEMATHESIS: Environment = Environment {
    what: "schemathesis",
    directory: ".venv-schemathesis",
    requirements: "xtask/schemathesis/requirements.txt",
};
const PROGRAM: &str = "bin/schemathesis";

/// Installs what it needs, starts a vault, and runs it.
pub(crate) fn schemathesis(workspace: &Workspace) -> anyhow::Result<()> {
    let works = |environment: &Path| {
        run::works(run::command(environment.join(PROGRAM), &workspace.root, &["--version"]))
    };
    let program = SCHEMATHESIS.ready(workspace, works)?.join(PROGRAM);
    let binary = workspace.debug_binary()?;
    let log = workspace.target.join("schemathesis/server.log");
    let directory =
        tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let mut vault = DevVault::start(workspace, &binary, &directory.path().join("data"), &log)?;
    let configuration = workspace.root.join("xtask/schemathesis");
    let mut command = run::command(&program, &configuration, &["--config-file", "schemathesis.toml", "run"]);
    command
        .arg(format!("{}/openapi.json", vault.url))
        .env("PANVAULT_URL", &vault.url)
        .env("PANVAULT_ORGANISATION", &vault.organisation)
        .env("PANVAULT_ACCOUNT", &vault.account)
        .env("PANVAULT_API_KEY", &vault.api_key)
        .env("HYPOTHESIS_STORAGE_DIRECTORY", workspace.target.join("schemathesis/hypothesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0");
    let watch = Stopwatch::start();
    let ran = run::succeed(command);
    say::line(format_args!("schemathesis ran for {watch}; the server's log is {}", log.display()));
    vault.still_runs().and(ran)
}
