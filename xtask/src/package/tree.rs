use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::package::{Release, manual};
use crate::run;
use crate::workspace::Workspace;

/// What is installed, laid out below a directory as it will be below `/`.
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

/// Files of this repository: from where, to where.
const COPIED: [(&str, &str); 13] = [
    ("packaging/panvault.service", "usr/lib/systemd/system/panvault.service"),
    ("packaging/debian/copyright", "usr/share/doc/panvault/copyright"),
    ("LICENSE", "usr/share/doc/panvault/LICENSE"),
    ("README.md", "usr/share/doc/panvault/README.md"),
    ("CHANGELOG.md", "usr/share/doc/panvault/CHANGELOG.md"),
    ("docs/running.md", "usr/share/doc/panvault/running.md"),
    ("docs/operations.md", "usr/share/doc/panvault/operations.md"),
    ("docs/keys.md", "usr/share/doc/panvault/keys.md"),
    ("docs/pci.md", "usr/share/doc/panvault/pci.md"),
    ("docs/processors.md", "usr/share/doc/panvault/processors.md"),
    ("docs/scaling.md", "usr/share/doc/panvault/scaling.md"),
    ("docs/guide.md", "usr/share/doc/panvault/guide.md"),
    ("docs/errors.md", "usr/share/doc/panvault/errors.md"),
];
const BINARY: &str = "usr/bin/panvault";
/// What a shell completes, by the name that `panvault completions` takes.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/panvault"),
    ("zsh", "usr/share/zsh/vendor-completions/_panvault"),
    ("fish", "usr/share/fish/vendor_completions.d/panvault.fish"),
];

impl Tree {
    /// Lays it out.
    pub(super) fn lay(
        workspace: &Workspace,
        release: &Release,
        binary: &Path,
        sbom: &Path,
    ) -> anyhow::Result<Self> {
        let tree = Self { root: release.directory.join("tree") };
        for (from, to) in COPIED {
            tree.copy(&workspace.root.join(from), to, 0o644)?;
        }
        tree.copy(binary, BINARY, 0o755)?;
        tree.copy(sbom, "usr/share/doc/panvault/panvault.cdx.json", 0o644)?;
        let asked = |arguments: &[&str]| run::output(run::command(binary, &workspace.root, arguments));
        tree.write(
            "usr/share/doc/panvault/panvault.toml.example",
            &asked(&["config", "print", "--data", "/var/lib/panvault/vault"])?,
        )?;
        let help = String::from_utf8(asked(&["--help"])?)?;
        tree.write("usr/share/man/man1/panvault.1", manual::page(&help, &release.version).as_bytes())?;
        if manual::commands(&help).any(|(name, _)| name == "completions") {
            for (shell, to) in COMPLETIONS {
                tree.write(to, &asked(&["completions", shell])?)?;
            }
        }
        let mut gzip = run::command("gzip", &tree.root, &["--no-name", "--best"]);
        gzip.args(["usr/share/man/man1/panvault.1", "usr/share/doc/panvault/CHANGELOG.md"]);
        run::output(gzip)?;
        Ok(tree)
    }

    fn copy(&self, from: &Path, to: &str, mode: u32) -> anyhow::Result<()> {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.write(to, &bytes)?;
        Ok(fs::set_permissions(self.root.join(to), Permissions::from_mode(mode))?)
    }

    fn write(&self, to: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let to = self.root.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&self.root))?;
        fs::write(&to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(fs::set_permissions(&to, Permissions::from_mode(0o644))?)
    }
}
