//! What is handed to who runs Panvault: a Debian package, a tarball, the list of all that is in them, and their checksums.

mod deb;
mod dockerfile;
mod manual;
mod sbom;
mod tarball;
mod tree;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::parts::Parts;
use crate::workspace::Workspace;
use crate::{packages, run, say};

/// Where a release was put, and what it is.
pub(crate) struct Release {
    /// `target/package`.
    directory: PathBuf,
    /// Files for everybody to have, by their names in it.
    files: Vec<String>,
    /// Such as `amd64`.
    architecture: String,
    version: String,
    /// Seconds since 1970, of the commit: it stands in for the time at which a file was written.
    epoch: String,
}

/// Makes all of it in `target/package`, of the binary of a profile.
pub(crate) fn package(workspace: &Workspace, profile: &str) -> anyhow::Result<Release> {
    let root = &workspace.root;
    for (package, program) in [("dpkg-dev", "dpkg-shlibdeps"), ("xz-utils", "xz")] {
        packages::need(root, package, || run::works(run::command(program, root, &["--version"])))?;
    }
    run::succeed(run::cargo(root, &["build", "--profile", profile, "--locked", "--package", "panvault"]))?;
    let binary = workspace.target.join(profile).join("panvault");
    let directory = workspace.target.join("package");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("the package before cannot be removed")?;
    }
    fs::create_dir_all(&directory)?;
    let mut release = Release {
        files: Vec::new(),
        architecture: line(run::command("dpkg", root, &["--print-architecture"]))?,
        version: version(workspace)?,
        epoch: epoch(root),
        directory,
    };
    let sbom = release.add(|release| format!("panvault-{}.cdx.json", release.version));
    sbom::write(workspace, &sbom)?;
    let tree = tree::Tree::lay(workspace, &release, &binary, &sbom)?;
    let deb = release.add(|release| format!("panvault_{}_{}.deb", release.version, release.architecture));
    deb::build(workspace, &release, &tree, &deb)?;
    let tarball =
        release.add(|release| format!("panvault-{}-linux-{}.tar.gz", release.version, release.architecture));
    tarball::build(&release, &tree, &tarball)?;
    let mut sums = run::command("sha256sum", &release.directory, &[]);
    sums.args(&release.files);
    fs::write(release.directory.join("SHA256SUMS"), run::output(sums)?)?;
    for file in &release.files {
        let bytes = fs::metadata(release.directory.join(file))?.len();
        say::line(format_args!("{file}: {bytes} bytes"));
    }
    Ok(release)
}

/// The parts of `cargo xtask test` that make the package, and install and run what is in it.
pub(crate) fn test(workspace: &Workspace, parts: &mut Parts, without_python: bool) {
    let mut release = None;
    parts.check("the package", || {
        // As `cargo run --release` builds it, so that it is built once.
        let made = package(workspace, "release")?;
        sbom::check(workspace, &made)?;
        made.check_sums()?;
        release = Some(made);
        Ok(())
    });
    if without_python {
        parts.skip("the Dockerfile, linted", "--without-python");
    } else {
        parts.check("the Dockerfile, linted", || dockerfile::lint(workspace));
    }
    let Some(release) = release else { return };
    match trial::cannot(workspace) {
        Some(why) => parts.skip("the package, installed and run", &why),
        None => {
            parts.check("the package, installed and run", || trial::installed(workspace, &release));
            parts.check("the image's files, run without a shell", || trial::image(workspace, &release));
        }
    }
}

impl Release {
    fn add(&mut self, name: impl FnOnce(&Self) -> String) -> PathBuf {
        let name = name(self);
        let path = self.directory.join(&name);
        self.files.push(name);
        path
    }

    fn check_sums(&self) -> anyhow::Result<()> {
        run::output(run::command("sha256sum", &self.directory, &["--check", "--strict", "SHA256SUMS"]))
            .map(drop)
    }

    fn file(&self, ending: &str) -> anyhow::Result<PathBuf> {
        match self.files.iter().find(|file| file.ends_with(ending)) {
            Some(file) => Ok(self.directory.join(file)),
            None => bail!("no file of the package ends with {ending}"),
        }
    }
}

fn version(workspace: &Workspace) -> anyhow::Result<String> {
    let packages = workspace.metadata.workspace_packages();
    let package = packages.iter().find(|package| package.name.as_str() == "panvault");
    Ok(package.context("there is no crate panvault")?.version.to_string())
}

fn epoch(root: &Path) -> String {
    // An export of the sources has no history.
    line(run::command("git", root, &["log", "-1", "--format=%ct"])).unwrap_or_else(|_| "0".to_owned())
}

fn line(command: std::process::Command) -> anyhow::Result<String> {
    Ok(String::from_utf8(run::output(command)?)?.trim().to_owned())
}
