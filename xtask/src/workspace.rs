use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::{Metadata, MetadataCommand};

use crate::run;

/// An example of the card crate, and the only one of this name.
const SCHEMES_FOR_BROWSERS: &str = "schemes_for_browsers";

/// The profile of what is handed out.
pub(crate) const SHIPPED: &str = "dist";

/// This repository.
pub(crate) struct Workspace {
    /// Its root directory.
    pub(crate) root: PathBuf,
    /// Where Cargo builds.
    pub(crate) target: PathBuf,
    /// What Cargo knows of its packages; their declared dependencies, not those further down.
    pub(crate) metadata: Metadata,
}

/// A Rust source file.
pub(crate) struct SourceFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

impl Workspace {
    /// Asks Cargo.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .context("cargo metadata failed")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            target: metadata.target_directory.clone().into_std_path_buf(),
            metadata,
        })
    }

    /// The debug build of `panvault`, of the same libraries that `cargo test --workspace` builds.
    pub(crate) fn debug_binary(&self) -> anyhow::Result<PathBuf> {
        self.build_debug()?;
        Ok(self.target.join("debug/panvault"))
    }

    /// The release build of `panvault`.
    pub(crate) fn release_binary(&self) -> anyhow::Result<PathBuf> {
        let arguments = ["build", "--release", "--locked", "--bin", "panvault"];
        run::succeed_quietly(run::cargo(&self.root, &arguments)).context("the release build failed")?;
        Ok(self.target.join("release/panvault"))
    }

    /// The debug build of what the card crate says to browsers.
    pub(crate) fn schemes_for_browsers(&self) -> anyhow::Result<PathBuf> {
        self.build_debug()?;
        Ok(self.target.join("debug/examples").join(SCHEMES_FOR_BROWSERS))
    }

    /// A binary alone would be built of libraries with other features than the tests', so that all of them were compiled twice: the whole
    /// workspace and an example beside it have Cargo take the features that tests have.
    fn build_debug(&self) -> anyhow::Result<()> {
        let arguments =
            ["build", "--workspace", "--locked", "--bin", "panvault", "--example", SCHEMES_FOR_BROWSERS];
        run::succeed_quietly(run::cargo(&self.root, &arguments)).context("the binary does not build")
    }

    /// Every Rust file below these directories of the root, sorted.
    pub(crate) fn sources(&self, below: &[&str]) -> anyhow::Result<Vec<SourceFile>> {
        let mut paths = Vec::new();
        for directory in below {
            collect(&self.root.join(directory), &mut paths)?;
        }
        paths.sort();
        paths.into_iter().map(|path| self.source(&path)).collect()
    }

    fn source(&self, path: &Path) -> anyhow::Result<SourceFile> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.strip_prefix(&self.root)?.to_string_lossy().replace('\\', "/");
        Ok(SourceFile { path, text })
    }
}

fn collect(directory: &Path, out: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    Ok(())
}
