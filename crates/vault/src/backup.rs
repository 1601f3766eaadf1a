//! What the trail has of backups. A backup is made of the files of a vault, by who has those.

use panvault_model::{Id, OrganisationId, Timestamp};
use panvault_store::{Action, Commit, Outcome, Store};

use crate::audit::Requester;
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
pub async fn restore_note(store: &dyn Store, now: Timestamp, backup: Id) -> Result<(), VaultError> {
    let audit = Requester::VAULT.note(now, Action::VaultRestore, NOBODY, backup);
    let commit = Commit { claim: None, expects: Vec::new(), effects: Vec::new(), audit };
    match store.commit(commit).await? {
        Outcome::Done { .. } => Ok(()),
        Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
    }
}
