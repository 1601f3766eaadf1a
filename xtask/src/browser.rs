//! The pages of the real binary in a real browser: Debian's chromium, driven from Node by what `xtask/browser` pins.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::dev_vault::DevVault;
use crate::workspace::Workspace;
use crate::{node, packages, run, web};

const DIRECTORY: &str = "xtask/browser";
/// What is pinned there.
const DRIVER: &str = "playwright-core";
/// The oldest Node that the pinned version runs on.
const NODE_MAJOR_MIN: u32 = 18;
const FONTS: &str = "/usr/share/fonts/truetype";
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// What the tests type of numbers, without the last four digits that may be shown.
const TYPED: [&str; 5] = ["411111111111", "555555555555", "37828224631", "422222222222", "400000000000"];

/// What the console is measured against.
const CARDS: &str = "100000";
const TRANSACTIONS: &str = "50000";

/// Installs what it needs, starts a vault, and looks at its pages; what they look like is kept where `screenshots` says.
pub(crate) fn browser(workspace: &Workspace, screenshots: Option<&Path>) -> anyhow::Result<()> {
    let directory = ready(workspace)?;
    let binary = workspace.debug_binary()?;
    let log = workspace.target.join("browser/server.log");
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let vault_data = data.path().join("data");
    let mut vault = DevVault::start(workspace, &binary, &vault_data, &log)?;
    let DevVault { url, console_url, api_key, organisation, account, .. } = &vault;
    let docs = ["docs.mjs", url];
    let fields = ["fields/main.mjs", url, organisation, account];
    let checkout = ["checkout/main.mjs", url, organisation, account];
    let console = ["console/main.mjs", console_url, organisation, account];
    let parts = [docs.as_slice(), fields.as_slice(), checkout.as_slice(), console.as_slice()];
    let ran = parts.into_iter().try_for_each(|arguments| {
        let mut command = run::command("node", &directory, arguments);
        // What the browser leaves is removed with the data.
        command.env("TMPDIR", data.path()).env("PANVAULT_API_KEY", api_key);
        command.env("BINARY", &binary).env("DATA", &vault_data);
        command.args(screenshots.map(std::path::absolute).transpose()?);
        run::succeed(command)
    });
    vault.still_runs().and(ran)?;
    log_has_no_card(&log)
}

/// Measures the screens of the console of a release build against a vault that is full; some minutes.
pub(crate) fn measure(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = ready(workspace)?;
    let binary = workspace.release_binary()?;
    let log = workspace.target.join("browser/measured.log");
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let vault = DevVault::start(workspace, &binary, &data.path().join("data"), &log)?;
    let DevVault { console_url, api_key, account, .. } = &vault;
    let arguments = ["console/bench.mjs", console_url, account, CARDS, TRANSACTIONS];
    let mut command = run::command("node", &directory, &arguments);
    command.env("TMPDIR", data.path()).env("PANVAULT_API_KEY", api_key);
    run::succeed(command)
}

/// Fails when the server logged a number that the tests typed.
fn log_has_no_card(log: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    match number_in(&text) {
        None => Ok(()),
        Some(line) => bail!("line {line} of {} has a card number", log.display()),
    }
}

/// The line with one of these numbers, or with all but the last four digits of one, however it is spaced.
fn number_in(text: &str) -> Option<usize> {
    let has = |line: &str| {
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        TYPED.iter().any(|number| digits.contains(number))
    };
    text.lines().position(has).map(|at| at + 1)
}

/// The directory, with the driver installed; Node and the browser are Debian's unless they are there.
pub(crate) fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = &workspace.root;
    packages::need_node(root)?;
    packages::need(root, "chromium", || BROWSERS.iter().any(|path| Path::new(path).exists()))?;
    // A browser without fonts has other widths than any reader's.
    packages::need(root, "fonts-liberation", || Path::new(FONTS).is_dir())?;
    node::is_new_enough(root, NODE_MAJOR_MIN)?;
    let directory = root.join(DIRECTORY);
    node::install(&directory, DIRECTORY, DRIVER)?;
    // A page in React is bundled, as a shop does it, from the package that is built there.
    web::build_library(workspace)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_number_in_a_log() {
        assert_eq!(number_in("card.create\nbody 4111 1111 1111 1111\n"), Some(2));
        assert_eq!(number_in("n=378282246310005"), Some(1));
        assert_eq!(number_in("last four 1111\n"), None);
    }
}
