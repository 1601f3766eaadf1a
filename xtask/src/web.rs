//! What browsers load: `web/` is built into `crates/web/dist`, which is committed, so that `cargo build` needs no Node.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::workspace::Workspace;
use crate::{node, packages, run, say};

const DIRECTORY: &str = "web";
/// What is pinned there.
const TOOLS: &str = "the compiler and bundler of TypeScript";
/// The oldest Node that they run on.
const NODE_MAJOR_MIN: u32 = 18;
/// What the card crate says of schemes, for browsers.
const SCHEMES: &str = "web/src/schemes.ts";
const DIST: &str = "crates/web/dist";

/// Builds it and writes what is committed of it.
pub(crate) fn write(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = ready(workspace)?;
    let schemes = workspace.root.join(SCHEMES);
    fs::write(&schemes, schemes_printed(workspace)?)
        .with_context(|| format!("cannot write {}", schemes.display()))?;
    let built = build(workspace, &directory)?;
    let dist = workspace.root.join(DIST);
    for name in differing(&built, &dist)? {
        let (from, to) = (built.join(&name), dist.join(&name));
        if from.exists() {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
            say::line(format_args!("wrote {DIST}/{name}"));
        } else {
            fs::remove_file(&to).with_context(|| format!("cannot remove {}", to.display()))?;
            say::line(format_args!("removed {DIST}/{name}"));
        }
    }
    Ok(())
}

/// Fails unless what is committed is what would be written.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = ready(workspace)?;
    if fs::read(workspace.root.join(SCHEMES)).unwrap_or_default() != schemes_printed(workspace)? {
        bail!("{SCHEMES} is out of date: run `cargo xtask web`");
    }
    let built = build(workspace, &directory)?;
    match differing(&built, &workspace.root.join(DIST))?.first() {
        None => Ok(()),
        Some(name) => bail!("{DIST}/{name} is not what web/ builds: run `cargo xtask web`"),
    }
}

/// Builds the npm package, `web/lib`, which is not committed.
pub(crate) fn build_library(workspace: &Workspace) -> anyhow::Result<()> {
    build(workspace, &ready(workspace)?).map(drop)
}

/// The directory, with its tools installed.
fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = &workspace.root;
    packages::need_node(root)?;
    node::is_new_enough(root, NODE_MAJOR_MIN)?;
    let directory = root.join(DIRECTORY);
    node::install(&directory, DIRECTORY, TOOLS)?;
    Ok(directory)
}

fn schemes_printed(workspace: &Workspace) -> anyhow::Result<Vec<u8>> {
    run::output(run::command(workspace.schemes_for_browsers()?, &workspace.root, &[]))
}

/// Checks the types, and builds into `target/web`. Fails where a file is larger than it may be.
fn build(workspace: &Workspace, directory: &Path) -> anyhow::Result<PathBuf> {
    let built = workspace.target.join("web");
    for project in [".", "console"] {
        run::succeed(run::command("node", directory, &["node_modules/typescript/bin/tsc", "-p", project]))?;
    }
    let mut command = run::command("node", directory, &["build.mjs"]);
    command.arg(&built).arg(workspace.root.join(DIST));
    run::succeed(command)?;
    Ok(built)
}

/// Files that are not the same in both, by their path from there. Versions that were released before are in `dist` alone, as is what no source
/// is there for; what the present version has no more counts.
fn differing(built: &Path, dist: &Path) -> anyhow::Result<Vec<String>> {
    let new = files(built)?;
    let version = |name: &str| name.split_once('/').map(|(version, _)| version.to_owned());
    let current: BTreeSet<_> = new.iter().filter_map(|name| version(name)).collect();
    let old = if dist.exists() { files(dist)? } else { BTreeSet::new() };
    let gone =
        old.difference(&new).filter(|name| version(name).is_some_and(|version| current.contains(&version)));
    let changed = new.iter().filter(|name| {
        let there = fs::read(dist.join(name)).ok();
        there.is_none() || there != fs::read(built.join(name)).ok()
    });
    Ok(changed.chain(gone).cloned().collect())
}

/// The files below a directory, by their path from there, with `/`.
fn files(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(path.strip_prefix(directory)?.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_what_was_built_otherwise_and_what_the_version_has_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let (built, dist) = (directory.path().join("built"), directory.path().join("dist"));
        for (name, text) in [
            ("built/0.2.0/same.js", "a"),
            ("dist/0.2.0/same.js", "a"),
            ("built/0.2.0/other.js", "a"),
            ("dist/0.2.0/other.js", "b"),
            ("built/0.2.0/new.js", "a"),
            ("dist/0.2.0/gone.js", "a"),
            ("dist/0.1.0/released.js", "a"),
            ("built/hashes.json", "{}"),
            ("dist/hashes.json", "{}"),
            ("dist/page.html", "a"),
        ] {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(differing(&built, &dist).unwrap(), ["0.2.0/new.js", "0.2.0/other.js", "0.2.0/gone.js"]);
    }
}
