//! A vault is made of a backup.

use std::fs;
use std::path::Path;

use anyhow::Context;
use panvault_directory::Directory;
use panvault_keys::Slot;
use panvault_store_embedded::EmbeddedStore;
use panvault_vault::{Clock, SystemClock, restore_note};

use crate::data::backup::FRAMES;
use crate::data::backup::apply::{Applied, Ended, apply};
use crate::data::backup::export::{Export, Since};
use crate::data::backup::make::parts_copy;
use crate::data::backup::series::Series;
use crate::data::backup::verify::{Verified, verify_in};
use crate::data::make::{making_in, parent};
use crate::data::{DataDirectory, OpenSettings, chain, is_free_for_a_vault, target, when_free};

/// A vault that was made of a backup.
pub(crate) struct RestoredVault {
    pub(crate) verified: Verified,
    /// What an exported trail told of the time since, and what was done of that.
    pub(crate) since: Option<(Since, Applied)>,
}

/// Makes a vault in a directory that is not there or is empty, of a backup that was found to be whole. It is made beside it, and moved there when its trail says of what
/// it was made, and all of an exported trail is applied that says what has ended since.
pub(crate) async fn restore(
    backup: &Series,
    path: &Path,
    slot: &dyn Slot,
    settings: &OpenSettings,
    export: Option<&Export>,
) -> anyhow::Result<RestoredVault> {
    is_free_for_a_vault(path)?;
    let parent = parent(path);
    // Removed again if anything below fails.
    let making = making_in(parent)?;
    let (verified, since) = tokio::task::block_in_place(|| {
        let verified = verify_in(backup, slot, making.path())?;
        let since = export.map(|export| export.since(&verified)).transpose()?;
        let (from, into) = (Directory::open(backup.newest()?)?, Directory::open(making.path())?);
        // The view of an increment is there already.
        parts_copy(&from, &into, &verified.manifest, |name| name != FRAMES)?;
        into.sync().with_context(|| format!("{} cannot be flushed", into.path().display()))?;
        anyhow::Ok((verified, since))
    })?;
    let directory = DataDirectory::find(making.path())?;
    let keys = directory.header_by(slot)?.keys;
    let store = &settings.store;
    EmbeddedStore::create_from_copy(making.path(), directory.vault, chain(&keys).as_ref(), store)?;
    let kept = EmbeddedStore::open(making.path(), directory.vault, chain(&keys), store.clone())?;
    // Before the vault is opened, which may write too: no record is between the backup and this one.
    restore_note(&kept, &keys, SystemClock::start().now().wall, verified.manifest.id).await?;
    drop((keys, kept));
    let open = when_free(async || directory.open_by(slot, settings).await).await;
    let open = open.context("the backup was copied, and does not open")?;
    let applied = match &since {
        Some(since) => Some(apply(&open, since, &Ended::default()).await),
        None => None,
    };
    open.vault.close().await?;
    drop(open);
    let applied = applied.transpose()?;
    if let (Some(export), Some(applied)) = (export, &applied) {
        export.accepts(applied, "nothing was restored")?;
    }
    let making = making.keep();
    fs::rename(&making, path)
        .inspect_err(|_| drop(fs::remove_dir_all(&making)))
        .map_err(|error| target::not_moved(path, error))?;
    fs::File::open(parent).and_then(|parent| parent.sync_all()).with_context(|| {
        format!(
            "{} is restored and whole, but may be gone after a power cut: {} cannot be flushed",
            path.display(),
            parent.display()
        )
    })?;
    Ok(RestoredVault { verified, since: since.zip(applied) })
}
