use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

/// What a new file system of the ext family has in it.
const LOST_AND_FOUND: &str = "lost+found";

/// Refuses a place where no vault can be made: a directory with something in it, a link, or a directory that a file system is
/// mounted on, for a vault is made beside its place and moved there whole.
pub(super) fn is_free(path: &Path, parent: &Path) -> anyhow::Result<()> {
    // With a slash at its end, the path is of what the link leads to.
    let itself: PathBuf = path.components().collect();
    if let Ok(target) = fs::read_link(&itself) {
        bail!(
            "{} is a symbolic link, and a vault cannot be moved over it: name the directory that it leads to, {}",
            itself.display(),
            parent.join(target).display()
        );
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries.take(2).map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    let entries = entries.with_context(|| format!("{} cannot be used", path.display()))?;
    let is_mounted_on = is_on_its_own(path, parent);
    match entries.as_slice() {
        [only] if only == LOST_AND_FOUND => {
            bail!("{} holds {LOST_AND_FOUND}: {}", path.display(), mounted_on(path))
        }
        [] => ensure!(!is_mounted_on, "{}", mounted_on(path)),
        _ => bail!("{} is not empty; name another directory", path.display()),
    }
    Ok(())
}

/// Why a finished vault could not be moved to its place.
pub(super) fn not_moved(path: &Path, error: io::Error) -> anyhow::Error {
    let said = match error.kind() {
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => mounted_on(path),
        _ => format!("{} cannot be made", path.display()),
    };
    anyhow::Error::from(error).context(format!("{said}; nothing was made, whatever was printed"))
}

fn is_on_its_own(path: &Path, parent: &Path) -> bool {
    // Also a directory of the same file system can be mounted; kernels before 5.8 do not say so.
    if statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    {
        return true;
    }
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    matches!((device(path), device(parent)), (Ok(own), Ok(around)) if own != around)
}

fn mounted_on(path: &Path) -> String {
    format!(
        "a file system is mounted on {}, and a vault cannot be moved over it: name a directory in it, such as {}, and with \
         --slot-key-file a place for the key file outside of it",
        path.display(),
        path.join("vault").display()
    )
}
