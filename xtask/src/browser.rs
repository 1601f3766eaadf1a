//! The pages of the real binary in a real browser: Debian's chromium, driven from Node by what `xtask/browser` pins.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::dev_vault::DevVault;
use crate::workspace::Workspace;
use crate::{node, packages, run};

const DIRECTORY: &str = "xtask/browser";
/// What is pinned there.
const DRIVER: &str = "playwright-core";
/// The oldest Node that the pinned version runs on.
const NODE_MAJOR_MIN: u32 = 18;
const FONTS: &str = "/usr/share/fonts/truetype";
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Installs what it needs, starts a vault, and looks at its pages.
pub(crate) fn browser(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = ready(workspace)?;
    let binary = workspace.debug_binary()?;
    let log = workspace.target.join("browser/server.log");
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let mut vault = DevVault::start(workspace, &binary, &data.path().join("data"), &log)?;
    let mut command = run::command("node", &directory, &["docs.mjs", &vault.url]);
    // What the browser leaves is removed with the data.
    command.env("TMPDIR", data.path());
    let ran = run::succeed(command);
    vault.still_runs().and(ran)
}

/// The directory, with the driver installed; Node and the browser are Debian's unless they are there.
fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = &workspace.root;
    packages::need_node(root)?;
    packages::need(root, "chromium", || BROWSERS.iter().any(|path| Path::new(path).exists()))?;
    // A browser without fonts has other widths than any reader's.
    packages::need(root, "fonts-liberation", || Path::new(FONTS).is_dir())?;
    node::is_new_enough(root, NODE_MAJOR_MIN)?;
    let directory = root.join(DIRECTORY);
    node::install(&directory, DIRECTORY, DRIVER)?;
    Ok(directory)
}
