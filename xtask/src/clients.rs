//! Clients that others' generators make from `docs/openapi.json`, against the real binary: each goes the steps of the page about tokenization
//! and reads a decline; the collection for Postman is run whole.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::dev_vault::DevVault;
use crate::node;
use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{packages, run};

const DIRECTORY: &str = "xtask/clients";
const DOCUMENT: &str = "../../docs/openapi.json";
const PYTHON: Environment = Environment {
    what: "openapi-python-client",
    directory: ".venv-clients",
    requirements: "xtask/clients/requirements.txt",
};
/// The oldest Node that the pinned versions run on.
const NODE_MAJOR_MIN: u32 = 18;

/// Installs what it needs, makes the clients, starts a vault, and runs them.
pub(crate) fn clients(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = workspace.root.join(DIRECTORY);
    let made = directory.join("made");
    if made.exists() {
        fs::remove_dir_all(&made).context("the clients of the last run could not be removed")?;
    }
    fs::create_dir_all(&made)?;
    let python = make_python(workspace, &directory)?;
    make_scripts(workspace, &directory)?;
    let binary = workspace.debug_binary()?;
    let log = workspace.target.join("clients/server.log");
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let data = data.path().join("data");
    let mut vault = DevVault::start(workspace, &binary, &data, &log)?;
    let ran = steps(&vault, (&binary, &data), &python, &directory);
    vault.still_runs().and(ran)
}

/// The client in Python, and the Python that runs it.
fn make_python(workspace: &Workspace, directory: &Path) -> anyhow::Result<PathBuf> {
    let program = "bin/openapi-python-client";
    let works = |environment: &Path| {
        run::works(run::command(environment.join(program), &workspace.root, &["--version"]))
    };
    let environment = PYTHON.ready(workspace, works)?;
    let arguments = ["generate", "--path", DOCUMENT, "--output-path", "made/python"];
    // It says that it could not format what it made: nobody reads that.
    run::output(run::command(environment.join(program), directory, &arguments))?;
    Ok(environment.join("bin/python"))
}

/// The clients in TypeScript, compiled with the steps, and the collection for Postman.
fn make_scripts(workspace: &Workspace, directory: &Path) -> anyhow::Result<()> {
    packages::need_node(&workspace.root)?;
    node::is_new_enough(&workspace.root, NODE_MAJOR_MIN)?;
    node::install(directory, DIRECTORY, "what makes clients")?;
    let options = "folderStrategy=Tags,parametersResolution=Example,enableOptionalParameters=false";
    let commands: [&[&str]; 4] = [
        &[
            "openapi-ts",
            "--input",
            DOCUMENT,
            "--output",
            "made/hey-api",
            "--client",
            "@hey-api/client-fetch",
            "--silent",
        ],
        &["openapi-typescript", DOCUMENT, "--output", "made/schema.d.ts"],
        &["openapi2postmanv2", "--spec", DOCUMENT, "--output", "made/collection.json", "--options", options],
        &["tsc", "--project", "."],
    ];
    for command in commands {
        let Some((program, arguments)) = command.split_first() else { continue };
        run::succeed(run::command(directory.join("node_modules/.bin").join(program), directory, arguments))?;
    }
    Ok(())
}

fn steps(
    vault: &DevVault,
    (binary, data): (&Path, &Path),
    python: &Path,
    directory: &Path,
) -> anyhow::Result<()> {
    let node = OsStr::new("node");
    for (program, script) in [
        (python.as_os_str(), "steps.py"),
        (node, "made/js/hey-api.js"),
        (node, "made/js/openapi-fetch.js"),
        (node, "postman.js"),
    ] {
        let mut command = run::command(program, directory, &[script]);
        command
            .env("PANVAULT_URL", &vault.url)
            .env("PANVAULT_ORGANISATION", &vault.organisation)
            .env("PANVAULT_ACCOUNT", &vault.account)
            .env("PANVAULT_API_KEY", &vault.api_key)
            .env("PANVAULT_PROGRAM", binary)
            .env("PANVAULT_DATA", data)
            .env("PYTHONPATH", "made/python")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run::succeed(command)?;
    }
    Ok(())
}
