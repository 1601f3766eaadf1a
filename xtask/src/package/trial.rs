//! The package in a scratch root: this machine's files under a layer that is thrown away, with a network of its own.

use std::path::Path;

use crate::package::Release;
use crate::workspace::Workspace;
use crate::{packages, run};

/// Namespaces of its own: mounts, network, processes. Nothing of it outlives the command.
const APART: [&str; 5] = ["--mount", "--net", "--pid", "--fork", "--kill-child"];

/// Why it cannot be tried here.
pub(super) fn cannot(workspace: &Workspace) -> Option<String> {
    let mut command = run::command("unshare", &workspace.root, &APART);
    command.args(["sh", "-c"]).arg(
        "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir up work all && \
         mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work all",
    );
    (!run::works(command)).then(|| "layers over this machine's files need root".to_owned())
}

/// Installs the Debian package, sets a vault up, serves it as the unit does, makes a token with what was printed, and purges it.
pub(super) fn installed(workspace: &Workspace, release: &Release) -> anyhow::Result<()> {
    trial(workspace, "installed.sh", &release.file(".deb")?)
}

/// Runs the files that the image has, and no others, as its user on a file system that cannot be written to.
pub(super) fn image(workspace: &Workspace, release: &Release) -> anyhow::Result<()> {
    trial(workspace, "image.sh", &release.directory.join("tree/usr/bin/panvault"))
}

fn trial(workspace: &Workspace, script: &str, subject: &Path) -> anyhow::Result<()> {
    let root = &workspace.root;
    packages::need(root, "iproute2", || run::works(run::command("ip", root, &["-V"])))?;
    let mut command = run::command("timeout", root, &["900", "unshare"]);
    command.args(APART).arg("bash").arg(root.join("packaging/trial").join(script)).arg(subject);
    run::succeed(command)
}
