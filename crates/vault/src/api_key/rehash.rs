//! Hashes of API keys are made anew by another key of the vault when an API key is next used: only then there is what is hashed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use panvault_model::ApiKeyId;
use panvault_store::{Action, AuditNote, DocumentKind};

use crate::audit::Requester;
use crate::document::DocumentPlan;
use crate::error::VaultError;
use crate::vault::Vault;

/// The version of the key that made a hash, and the hash.
pub(crate) type Hashed = (u16, [u8; 32]);

/// API keys that were used, and are stored with the hash of a key that another took the place of: each with the hash that the key of now makes.
#[derive(Default)]
pub(crate) struct Rehashes(Mutex<BTreeMap<ApiKeyId, Hashed>>);

impl Rehashes {
    pub(crate) fn add(&self, id: ApiKeyId, hashed: Hashed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, hashed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> BTreeMap<ApiKeyId, Hashed> {
        core::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Vault {
    /// Stores the new hashes of API keys that were used since. What cannot be stored now is made once more at the key's next use.
    pub(crate) async fn apikeys_rehash(&self) -> Result<(), VaultError> {
        for (id, hashed) in self.rehashes().take() {
            self.apikey_rehash(id, hashed).await?;
        }
        Ok(())
    }

    /// Nothing is done where the API key is gone, or another node was first.
    async fn apikey_rehash(&self, id: ApiKeyId, (hash_key, hash): Hashed) -> Result<(), VaultError> {
        self.document_change_own(|snapshot| {
            let Some(known) = snapshot.documents.api_key(id) else { return Ok(None) };
            if known.row.hash_key >= hash_key || hash_key != self.keys().api_key_hash_version() {
                return Ok(None);
            }
            let mut row = known.row.as_ref().clone();
            (row.hash_key, row.hash) = (hash_key, hash);
            let version = snapshot.documents.version(DocumentKind::ApiKey, id.0);
            let version = version.checked_add(1).ok_or(VaultError::Contended)?;
            let changes = vec![self.document_put(DocumentKind::ApiKey, id.0, version, row.encode())];
            let now = self.now().wall;
            let mut audit = Requester::VAULT.note(now, Action::DocumentUpdate, row.organisation, id.0);
            audit.outcome = AuditNote::REHASHED;
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await
    }
}
