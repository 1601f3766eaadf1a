//! A vault is made of a backup.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_directory::Directory;
use panvault_keys::Slot;
use panvault_store_embedded::EmbeddedStore;

use crate::data::backup::make::part_copy;
use crate::data::backup::verify::{Verified, verify};
use crate::data::make::{making_in, parent};
use crate::data::{DataDirectory, OpenSettings, chain, is_free_for_a_vault, target};

/// Makes a vault in a directory that is not there or is empty, of a backup that was found to be whole. It is made beside it, and moved there when its trail says of what
/// it was made.
pub(crate) async fn restore(
    backup: &Path,
    path: &Path,
    slot: &dyn Slot,
    settings: &OpenSettings,
) -> anyhow::Result<Verified> {
    is_free_for_a_vault(path)?;
    let verified = tokio::task::block_in_place(|| verify(backup, slot))?;
    let parent = parent(path);
    // Removed again if anything below fails.
    let making = making_in(parent)?;
    tokio::task::block_in_place(|| copy(backup, making.path(), &verified))?;
    let directory = DataDirectory::find(making.path())?;
    let keys = directory.header_by(slot)?.keys;
    let store = &settings.store;
    EmbeddedStore::create_from_copy(making.path(), directory.vault, chain(&keys).as_ref(), store)?;
    drop(keys);
    let open = directory.open_by(slot, settings).await.context("the backup was copied, and does not open")?;
    let noted = open.vault.restore_note(verified.manifest.id).await;
    open.vault.close().await?;
    drop(open);
    noted?;
    let making = making.keep();
    fs::rename(&making, path)
        .inspect_err(|_| drop(fs::remove_dir_all(&making)))
        .map_err(|error| target::not_moved(path, error))?;
    fs::File::open(parent)?.sync_all()?;
    Ok(verified)
}

/// Copies the parts, and looks at them once more: what was verified a moment ago may be another file by now.
fn copy(backup: &Path, into: &Path, verified: &Verified) -> anyhow::Result<()> {
    let (from, into) = (Directory::open(backup)?, Directory::open(into)?);
    for (name, part) in &verified.manifest.parts {
        let copied = part_copy(&from, &into, name)
            .with_context(|| format!("{name} of the backup cannot be copied"))?;
        ensure!(
            copied.bytes == part.bytes && copied.sha256 == part.sha256,
            "{name} of the backup was changed while it was copied"
        );
    }
    Ok(into.sync()?)
}
