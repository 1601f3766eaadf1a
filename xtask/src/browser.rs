//! The pages of the real binary in a real browser: Debian's chromium, driven from Node by what `xtask/browser` pins.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::dev_vault::DevVault;
use crate::workspace::Workspace;
use crate::{packages, run, say};

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
    packages::need(root, "nodejs", || node_major(root).is_some())?;
    packages::need(root, "npm", || run::works(run::command("npm", root, &["--version"])))?;
    packages::need(root, "chromium", || BROWSERS.iter().any(|path| Path::new(path).exists()))?;
    // A browser without fonts has other widths than any reader's.
    packages::need(root, "fonts-liberation", || Path::new(FONTS).is_dir())?;
    let major = node_major(root).context("node does not say its version")?;
    ensure!(major >= NODE_MAJOR_MIN, "Node {NODE_MAJOR_MIN} or later is needed; this is {major}");
    let directory = root.join(DIRECTORY);
    let wanted =
        fs::read_to_string(directory.join("package-lock.json")).context("cannot read the lock file")?;
    let installed = directory.join("node_modules/installed.json");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        say::line(format_args!("{DRIVER} is installed in {DIRECTORY}/node_modules"));
        return Ok(directory);
    }
    say::line(format_args!("{DRIVER} is needed: installing it into {DIRECTORY}/node_modules"));
    run::succeed(run::command("npm", &directory, &["ci", "--ignore-scripts"])).with_context(|| {
        format!(
            "{DRIVER} could not be installed: is a registry of Node packages within reach? \
             `cargo xtask test --without-browser` runs everything that needs none"
        )
    })?;
    fs::write(&installed, &wanted)?;
    Ok(directory)
}

/// The 18 of `v18.19.0`.
fn node_major(root: &Path) -> Option<u32> {
    let mut command = run::command("node", root, &["--version"]);
    command.stderr(std::process::Stdio::null());
    let printed = command.output().ok()?.stdout;
    let printed = String::from_utf8(printed).ok()?;
    printed.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
