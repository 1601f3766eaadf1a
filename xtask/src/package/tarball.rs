use std::fs;
use std::path::Path;

use crate::package::Release;
use crate::package::tree::Tree;
use crate::run;

/// Packs it for machines without `dpkg`: the same bytes from the same sources, whoever packs.
pub(super) fn build(release: &Release, tree: &Tree, to: &Path) -> anyhow::Result<()> {
    let tar = to.with_extension("");
    let mut command = run::command("tar", &tree.root, &["--create", "--sort=name", "--format=ustar"]);
    command
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--mtime=@{}", release.epoch))
        .arg(format!("--transform=s,^usr,panvault-{},", release.version))
        .arg("--file")
        .arg(&tar)
        .arg("usr");
    run::output(command)?;
    let mut gzip = run::command("gzip", &release.directory, &["--no-name", "--stdout"]);
    gzip.arg(&tar);
    fs::write(to, run::output(gzip)?)?;
    Ok(fs::remove_file(tar)?)
}
