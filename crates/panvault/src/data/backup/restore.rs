//! A vault is made of a backup.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_directory::Directory;
use panvault_keys::Slot;
use panvault_store_embedded::EmbeddedStore;
use panvault_vault::{Clock, SystemClock, restore_note};

use crate::data::backup::apply::{Applied, Ended, apply};
use crate::data::backup::export::{Export, Since};
use crate::data::backup::make::part_copy;
use crate::data::backup::verify::{Verified, verify};
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
    backup: &Path,
    path: &Path,
    slot: &dyn Slot,
    settings: &OpenSettings,
    export: Option<&Export>,
) -> anyhow::Result<RestoredVault> {
    is_free_for_a_vault(path)?;
    let (verified, since) = tokio::task::block_in_place(|| {
        let verified = verify(backup, slot)?;
        let since = export.map(|export| export.since(&verified)).transpose()?;
        anyhow::Ok((verified, since))
    })?;
    let parent = parent(path);
    // Removed again if anything below fails.
    let making = making_in(parent)?;
    tokio::task::block_in_place(|| copy(backup, making.path(), &verified))?;
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
    into.sync().with_context(|| format!("{} cannot be flushed", into.path().display()))
}
