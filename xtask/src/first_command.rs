//! The first command of the README, as a visitor gives it: a release build, and its walk through a card's life. The other blocks of the
//! pages are run by a test of `panvault` in the debug build, for which this one stands in.

use std::fs;

use anyhow::{Context, ensure};

use crate::workspace::Workspace;
use crate::{run, say};

const COMMAND: &str = "cargo run --release -- demo";
const LAST_LINE: &str = "Everything was as the API promises.";

/// Runs it, and looks at the last line that it prints.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<()> {
    let readme = fs::read_to_string(workspace.root.join("README.md")).context("cannot read README.md")?;
    let first = first_block(&readme).context("README.md has no block of commands")?;
    ensure!(first == COMMAND, "the first command of README.md is not {COMMAND}");
    let printed = run::output(run::command("bash", &workspace.root, &["-euc", first]))?;
    let printed = String::from_utf8(printed)?;
    let last = printed.trim_end().lines().next_back().unwrap_or_default();
    say::line(last);
    ensure!(last == LAST_LINE, "it does not end with: {LAST_LINE}");
    Ok(())
}

/// What the first block of commands holds.
fn first_block(page: &str) -> Option<&str> {
    let (_, behind) = page.split_once("\n```sh\n")?;
    behind.split_once("\n```").map(|(block, _)| block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_found() {
        assert_eq!(
            first_block("# a\n\n```console\nx\n```\n\n```sh\na\nb\n```\n\n```sh\nc\n```\n"),
            Some("a\nb")
        );
        assert_eq!(first_block("# a\n"), None);
    }
}
