//! What a key sealed, sealed with the one that took its place, and with the fingerprint that the key of now makes. Nothing else of it changes: its version counts, and
//! when it last changed stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use panvault_card::CardBlock;
use panvault_keys::{KeyRing, OrganisationKey, Purpose};
use panvault_model::{Id, OrganisationId, Sealed};
use panvault_store::{
    AccountRow, Action, CardRow, Commit, CustomerRow, DocumentKind, Expect, Outcome, ProcessorRow, RowKey,
    SealedSecret,
};

use crate::audit::Requester;
use crate::customer::email_digest;
use crate::document::{DocumentPlan, Snapshot};
use crate::env::Env;
use crate::error::VaultError;
use crate::key::rotation::Retired;
use crate::seal;
use crate::vault::Vault;

/// A row that a key has sealed.
pub(super) enum Old {
    Card(Arc<CardRow>),
    Customer(Arc<CustomerRow>),
}

impl Old {
    /// The keys that it is by: the one that sealed it, and the one that made its fingerprint, or the digest that it is found by.
    pub(super) fn made_by(&self) -> impl Iterator<Item = Retired> + use<> {
        let (organisation, sealed, found_by) = match self {
            Self::Card(row) => (row.organisation, &row.sealed, Some(row.fingerprint_key)),
            Self::Customer(row) => (row.organisation, &row.sealed, row.email.map(|_| row.email_key)),
        };
        let sealed_by = KeyRing::sealed_by(sealed).map(|version| (organisation, Purpose::Data, version));
        let found_by = found_by.map(|version| (organisation, Purpose::Fingerprint, version));
        sealed_by.into_iter().chain(found_by)
    }

    /// The key that made the fingerprint that it has beside its own.
    pub(super) fn before(&self) -> Option<Retired> {
        match self {
            Self::Card(row) => {
                row.fingerprint_before.map(|(_, version)| (row.organisation, Purpose::Fingerprint, version))
            }
            Self::Customer(_) => None,
        }
    }

    pub(super) fn row_key(&self) -> RowKey {
        match self {
            Self::Card(row) => RowKey::Card(row.id),
            Self::Customer(row) => RowKey::Customer(row.id),
        }
    }

    /// Whether it bears its tag.
    pub(super) fn is_ours(&self, vault: &Vault) -> bool {
        match self {
            Self::Card(row) => seal::card_is_ours(row, vault.keys().row_tags()),
            Self::Customer(row) => seal::customer_is_ours(row, vault.keys().row_tags()),
        }
    }

    /// The step that seals it anew, without a fingerprint that one of these keys made, if it is as it was read. The plaintext ends here.
    pub(super) fn reseal(&self, forgotten: &BTreeSet<Retired>, env: &Env<'_>) -> Result<Commit, VaultError> {
        let (effect, action, organisation, object, version) = match self {
            Self::Card(row) => {
                let resealed = Arc::new(card_resealed(
                    row,
                    self.before().filter(|key| !forgotten.contains(key)).is_some(),
                    env,
                )?);
                (resealed.into(), Action::CardReseal, row.organisation, row.id.0, row.version)
            }
            Self::Customer(row) => {
                let resealed = Arc::new(customer_resealed(row, env)?);
                (resealed.into(), Action::CustomerReseal, row.organisation, row.id.0, row.version)
            }
        };
        Ok(Commit {
            claim: None,
            expects: vec![Expect::Version(self.row_key(), version)],
            effects: vec![effect],
            audit: Requester::VAULT.note(env.now.wall, action, organisation, object),
        })
    }
}

fn card_resealed(stored: &CardRow, keeps_before: bool, env: &Env<'_>) -> Result<CardRow, VaultError> {
    seal::card_verify(stored, stored.organisation, env.vault_keys)?;
    let (pan, holder) = seal::card_open(stored, stored.organisation, env.vault, env.keys)?;
    let (fingerprint, fingerprint_key) =
        env.keys.fingerprint(stored.organisation, stored.kind, pan.expose_digits())?;
    let block = CardBlock::pack(&pan, holder.as_ref());
    drop((pan, holder));
    let fingerprint_before = if fingerprint_key == stored.fingerprint_key {
        stored.fingerprint_before.filter(|_| keeps_before)
    } else {
        Some((stored.fingerprint, stored.fingerprint_key))
    };
    let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
    let row = CardRow {
        version,
        sealed_version: version,
        fingerprint,
        fingerprint_key,
        fingerprint_before,
        ..stored.clone()
    };
    Ok(seal::card_seal(row, &block, env)?)
}

fn customer_resealed(stored: &CustomerRow, env: &Env<'_>) -> Result<CustomerRow, VaultError> {
    seal::customer_verify(stored, stored.organisation, env.vault_keys)?;
    let details = seal::customer_open(stored, stored.organisation, env.vault, env.keys)?;
    let (email, email_key) = email_digest(&details, stored.organisation, env)?;
    let block = details.pack();
    drop(details);
    let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
    let row = CustomerRow { version, sealed_version: version, email, email_key, ..stored.clone() };
    Ok(seal::customer_seal(row, &block, env)?)
}

/// Whose a data key is, and its version.
type DataKey = (OrganisationId, u32);

/// Documents in which there is something that a key has sealed.
pub(super) fn secrets_of(snapshot: &Snapshot, key: &OrganisationKey) -> Vec<(DocumentKind, Id)> {
    let key = (key.organisation, key.version);
    let accounts = snapshot.documents.accounts().filter(|row| account_needs(row, key));
    let processors = snapshot.documents.processors().filter(|row| processor_needs(row, key));
    let accounts = accounts.map(|row| (DocumentKind::Account, row.id.0));
    accounts.chain(processors.map(|row| (DocumentKind::Processor, row.id.0))).collect()
}

fn account_needs(row: &AccountRow, (organisation, version): DataKey) -> bool {
    let mut secrets = row.webhook_secrets.iter();
    row.organisation == organisation && secrets.any(|secret| is_by(&secret.sealed, version))
}

fn processor_needs(row: &ProcessorRow, (organisation, version): DataKey) -> bool {
    row.organisation == organisation && row.secrets.iter().any(|(_, sealed)| is_by(sealed, version))
}

fn is_by(sealed: &Sealed, version: u32) -> bool {
    KeyRing::sealed_by(sealed) == Some(version)
}

impl Vault {
    /// Seals the secrets of a document with the key that its organisation has now. Nothing is done where it is gone or they are.
    pub(super) async fn secrets_reseal(
        &self,
        kind: DocumentKind,
        id: Id,
        key: &OrganisationKey,
    ) -> Result<(), VaultError> {
        let (organisation, key) = (key.organisation, (key.organisation, key.version));
        self.document_change_own(|snapshot| {
            let env = self.env(snapshot, self.now());
            let body = match kind {
                DocumentKind::Account => {
                    let row = snapshot.documents.accounts().find(|row| row.id.0 == id);
                    row.filter(|row| account_needs(row, key))
                        .map(|row| account_resealed(row, &env))
                        .transpose()?
                }
                _ => {
                    let row = snapshot.documents.processors().find(|row| row.id.0 == id);
                    row.filter(|row| processor_needs(row, key))
                        .map(|row| processor_resealed(row, &env))
                        .transpose()?
                }
            };
            let Some(body) = body else { return Ok(None) };
            let version = snapshot.documents.version(kind, id).checked_add(1).ok_or(VaultError::Contended)?;
            let changes = vec![self.document_put(kind, id, version, body)];
            let audit = Requester::VAULT.note(env.now.wall, Action::DocumentUpdate, organisation, id);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await
    }
}

fn account_resealed(stored: &AccountRow, env: &Env<'_>) -> Result<Vec<u8>, VaultError> {
    let mut row = stored.clone();
    for secret in &mut row.webhook_secrets {
        let opened = seal::webhook_secret_open(secret, stored, env.vault, env.keys)?;
        let sealed = seal::webhook_secret_seal(&opened, secret.number, row.id, row.organisation, env)?;
        *secret = SealedSecret { sealed, ..secret.clone() };
    }
    Ok(row.encode())
}

fn processor_resealed(stored: &ProcessorRow, env: &Env<'_>) -> Result<Vec<u8>, VaultError> {
    let mut row = stored.clone();
    for (name, sealed) in &mut row.secrets {
        let opened = seal::processor_secret_open(sealed, name, stored, env.vault, env.keys)?;
        *sealed = seal::processor_secret_seal(&opened, name, stored.id, stored.organisation, env)?;
    }
    Ok(row.encode())
}

/// Whether a step was done. Of a row that changed or went meanwhile it was not, and it is found again if it still needs the key.
pub(super) const fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { .. })
}
