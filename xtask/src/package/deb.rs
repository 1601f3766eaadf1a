use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;

use crate::package::Release;
use crate::package::tree::Tree;
use crate::run;
use crate::workspace::Workspace;

/// What Debian runs as the package comes and goes.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds the Debian package. `dpkg-deb` takes times from `SOURCE_DATE_EPOCH`, so that the same sources give the same bytes.
pub(super) fn build(workspace: &Workspace, release: &Release, tree: &Tree, to: &Path) -> anyhow::Result<()> {
    let staged = release.directory.join("deb");
    let debian = staged.join("DEBIAN");
    fs::create_dir_all(&debian)?;
    let mut copy = run::command("cp", &release.directory, &["-a"]);
    copy.arg(tree.root.join("usr")).arg(&staged);
    run::output(copy)?;
    fs::write(debian.join("control"), control(release, &depends(release, tree)?, kibibytes(&staged)?))?;
    for script in SCRIPTS {
        let to = debian.join(script);
        fs::copy(workspace.root.join("packaging/debian").join(script), &to)
            .with_context(|| format!("cannot copy {script}"))?;
        fs::set_permissions(&to, Permissions::from_mode(0o755))?;
    }
    // All of it is root's, and the modes do not depend on who builds.
    let mut modes = run::command("chmod", &staged, &["-R", "u=rwX,go=rX", "."]);
    modes.env("LC_ALL", "C");
    run::output(modes)?;
    let mut command =
        run::command("dpkg-deb", &release.directory, &["--root-owner-group", "-Zxz", "-z6", "--build"]);
    command.arg(&staged).arg(to).env("SOURCE_DATE_EPOCH", &release.epoch);
    run::output(command)?;
    Ok(fs::remove_dir_all(staged)?)
}

/// The packages whose libraries the binary loads, with the versions that have what it calls.
fn depends(release: &Release, tree: &Tree) -> anyhow::Result<String> {
    let directory = tempfile::tempdir_in(&release.directory)?;
    // The tool looks for this file, and for nothing in it.
    fs::create_dir(directory.path().join("debian"))?;
    fs::write(
        directory.path().join("debian/control"),
        "Source: panvault\n\nPackage: panvault\nArchitecture: any\n",
    )?;
    let mut command = run::command("dpkg-shlibdeps", directory.path(), &["-O", "--ignore-missing-info"]);
    command.arg(tree.root.join("usr/bin/panvault"));
    let printed = String::from_utf8(run::output(command)?)?;
    let depends = printed.trim().strip_prefix("shlibs:Depends=");
    depends.map(str::to_owned).context("dpkg-shlibdeps found no libraries")
}

fn kibibytes(directory: &Path) -> anyhow::Result<u64> {
    let mut command = run::command("du", directory, &["--summarize", "--apparent-size", "--block-size=1024"]);
    command.arg("usr");
    let printed = String::from_utf8(run::output(command)?)?;
    let number = printed.split_whitespace().next().context("du printed nothing")?;
    Ok(number.parse()?)
}

fn control(release: &Release, depends: &str, kibibytes: u64) -> String {
    format!(
        "Package: panvault\n\
         Version: {}\n\
         Section: net\n\
         Priority: optional\n\
         Architecture: {}\n\
         Maintainer: The Panvault authors <panvault@localhost>\n\
         Depends: {depends}, passwd\n\
         Installed-Size: {kibibytes}\n\
         Description: self-hosted vault for payment cards\n \
         Post a card once and get a token; pay with the token from then on. Card numbers\n \
         are sealed under a key that is kept elsewhere, a CVV is never on a disk, and the\n \
         API is the v1 API of a well-known payment gateway.\n \
         .\n \
         Run \"panvault setup\" after the installation.\n",
        release.version, release.architecture
    )
}
