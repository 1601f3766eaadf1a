//! A vault in its directory, as it is moved from there or made there.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_directory::Directory;
use panvault_model::VaultId;
use panvault_store::Chain;
use panvault_store_embedded::{Examination, OpenFault, examine, lock};

use crate::data::moving::mark::{MOVING, MovingFile};
use crate::data::{FILE, LOG, target, write_private};

/// What an examination of a store finds, without a process that writes to it.
pub(super) fn findings(
    directory: &Path,
    wal: Option<&Path>,
    vault: VaultId,
    chain: &dyn Chain,
) -> Result<Vec<String>, OpenFault> {
    let found: Examination = tokio::task::block_in_place(|| examine(directory, wal, vault, chain))?;
    Ok(found.findings.iter().map(|found| format!("{}: {}", found.part, found.what)).collect())
}

/// Makes ready the directory that a vault is moved into, or finds the one that was begun. Anything else there is left alone.
pub(super) fn make_ready(directory: &Path, vault: VaultId, from: &str, state: &str) -> anyhow::Result<()> {
    let shown = directory.display();
    let Some(begun) = MovingFile::read(directory)? else {
        never_begun(directory);
        target::is_free(directory, directory.parent().unwrap_or(Path::new("/")))?;
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("{shown} cannot be made"));
            }
            Ok(()) | Err(_) => {}
        }
        return MovingFile::new(vault, from, state).write(directory);
    };
    ensure!(
        begun.vault == vault.to_string() && begun.from == from,
        "{shown} is where another vault, or this one from elsewhere, was being moved to, and that was not finished: finish that, or remove {shown}"
    );
    if begun.state == state {
        return Ok(());
    }
    // Its source was served in between. What is here was never a vault, and is made anew.
    let held = Directory::open(directory).with_context(|| format!("{shown} cannot be used"))?;
    lock(&held)?;
    let log = directory.join(LOG);
    if log.symlink_metadata().is_ok() {
        fs::remove_dir_all(&log).with_context(|| format!("{} cannot be removed", log.display()))?;
    }
    for name in ["view.sqlite", "view.sqlite-wal", "view.sqlite-shm"] {
        held.clear(name).with_context(|| format!("{} cannot be removed", directory.join(name).display()))?;
    }
    MovingFile::new(vault, from, state).write(directory)
}

/// Takes away what a move left that was killed while it wrote down that it begins, if nothing else is there.
fn never_begun(directory: &Path) {
    let new = format!("{MOVING}.new");
    let is_link = directory.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let Ok(mut entries) = fs::read_dir(directory) else { return };
    let alone = entries.next().is_some_and(|entry| entry.is_ok_and(|entry| *entry.file_name() == *new));
    if alone && entries.next().is_none() && !is_link {
        // Where it stays, the directory is refused for not being empty.
        drop(fs::remove_file(directory.join(new)));
    }
}

/// Makes a vault of what was moved: from here on it is served.
pub(super) fn finish(directory: &Path, vault_file: &str) -> anyhow::Result<()> {
    let new = format!("{FILE}.new");
    let held = Directory::open(directory)?;
    held.clear(&new)?;
    write_private(&directory.join(&new), vault_file.as_bytes())?;
    held.rename(&new, FILE)
        .and_then(|()| held.sync())
        .with_context(|| format!("{} cannot be written", directory.join(FILE).display()))?;
    finished(directory);
    Ok(())
}

/// The vault is there.
pub(super) fn finished(directory: &Path) {
    // A vault that is there is served, whether or not this is.
    drop(fs::remove_file(directory.join(MOVING)));
}
