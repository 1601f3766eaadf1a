//! What the trail has of backups. A backup is made of the files of a vault, by who has those.

use panvault_model::{Id, OrganisationId};
use panvault_store::Action;

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

    /// Writes down that this vault was made of a backup, before it is served. Its restorer has proved nothing but that a slot opens it.
    pub async fn restore_note(&self, backup: Id) -> Result<(), VaultError> {
        let now = self.now().wall;
        self.note_write(Requester::VAULT.note(now, Action::VaultRestore, NOBODY, backup)).await
    }
}
