//! What the trail has of backups. A backup is made of the files of a vault, by who has those.

use panvault_keys::VaultKeys;
use panvault_model::{Id, NodeId, OrganisationId, Timestamp};
use panvault_store::checkpoint::TrailEnd;
use panvault_store::{Action, Commit, Expect, Outcome, Store};

use crate::audit::{CHECKPOINT_ROW, Requester, checkpoint_read, checkpoint_row, known_trails};
use crate::document::keys_as_documents_say;
use crate::error::VaultError;
use crate::permit::{Permit, VaultBackup};
use crate::vault::Vault;

/// Of no organisation.
const NOBODY: OrganisationId = OrganisationId::from_bytes([0; 12]);

impl Vault {
    /// Writes down that a backup is begun, before anything is copied: whoever has the copy, it is known that there is one.
    pub async fn backup_note(&self, permit: &Permit<VaultBackup>, backup: Id) -> Result<(), VaultError> {
        self.note_write(permit.asked().note(permit.now().wall, Action::VaultBackup, NOBODY, backup)).await
    }
}

/// Writes down that a vault was made of a backup, before it is opened for the first time: it is the first of all records behind those of the backup, and tells whoever
/// reads the exported trail where that parts from what the vault wrote before. Its restorer has proved nothing but that a slot opens it.
///
/// Where nodes share the store, it is in the chain of the [`restore_writer`], and the checkpoint says that this goes so far: who cuts it off again is seen.
pub async fn restore_note(
    store: &dyn Store,
    keys: &VaultKeys,
    now: Timestamp,
    backup: Id,
) -> Result<(), VaultError> {
    keys_as_documents_say(store, keys).await?;
    let audit = Requester::VAULT.note(now, Action::VaultRestore, NOBODY, backup);
    let (mut expects, mut effects) = (Vec::new(), Vec::new());
    if store.is_shared() {
        let writer = restore_writer(store, keys).await?.ok_or(VaultError::Tampered(CHECKPOINT_ROW))?;
        let stored = checkpoint_read(store, keys).await?.ok_or(VaultError::Tampered(CHECKPOINT_ROW))?;
        let marks = store.audit_marks(vec![(writer, u64::MAX)]).await?;
        let mut checkpoint = stored.checkpoint;
        // This record comes behind what was put back.
        checkpoint.ends.insert(writer, marks.first().copied().map_or(TrailEnd::NONE, TrailEnd::behind));
        let number = stored.number.checked_add(1).ok_or(VaultError::Contended)?;
        expects.push(Expect::Version(CHECKPOINT_ROW, stored.number));
        effects.push(checkpoint_row(keys, number, &checkpoint).into());
    }
    let commit = Commit { claim: None, expects, effects, audit };
    match store.commit(commit).await? {
        Outcome::Done { .. } => Ok(()),
        Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
    }
}

/// In whose chain a restore is written down where nodes share a store: the one that comes first in each checkpoint of an export. So what an export of the vault has behind the backup
/// and what the restored vault exports are the same up to that record, however many nodes had records that were not signed yet. `None` where nobody has written.
pub async fn restore_writer(store: &dyn Store, keys: &VaultKeys) -> Result<Option<NodeId>, VaultError> {
    Ok(first_chain(store, keys).await?.map(|(writer, _)| writer))
}

/// The first of the chains that count, and the place of its last record.
async fn first_chain(store: &dyn Store, keys: &VaultKeys) -> Result<Option<(NodeId, u64)>, VaultError> {
    let writers = store.audit_writers().await?;
    Ok(known_trails(store, keys, writers).await?.ends.into_iter().min())
}

/// The backup of which the vault was made last, and when, where nodes share the store and it was made of one.
pub async fn restored_from(
    store: &dyn Store,
    keys: &VaultKeys,
) -> Result<Option<(Id, Timestamp)>, VaultError> {
    last_if(store, keys, |action| action == Action::VaultRestore).await
}

/// Of what the vault in this store was made last, where nodes share the store: of a backup, or of a vault that was moved here; and when.
pub async fn made_from(store: &dyn Store, keys: &VaultKeys) -> Result<Option<(Id, Timestamp)>, VaultError> {
    last_if(store, keys, |action| matches!(action, Action::VaultRestore | Action::VaultMove)).await
}

/// Object and time of the last record of the chain that comes first, where it is one of these.
async fn last_if(
    store: &dyn Store,
    keys: &VaultKeys,
    is_one: impl Fn(Action) -> bool,
) -> Result<Option<(Id, Timestamp)>, VaultError> {
    let Some((writer, end)) = first_chain(store, keys).await? else { return Ok(None) };
    let last = store.audit_read(writer, end, 1).await?;
    // The node whose chain it is has ended with the vault before, so nothing comes behind it.
    let last = last.first().filter(|record| record.place == end && is_one(record.note.action));
    Ok(last.map(|record| (record.note.object, record.note.at)))
}
