use std::collections::HashMap;
use std::sync::Arc;

use panvault_keys::{KeyRing, Registry, VaultKeys};
use panvault_model::{AccountId, Id, OrganisationId, ProcessorId};
use panvault_processor::{Configuration, Processor};
use panvault_store::{
    AccountRow, ApiKeyRow, DocumentKind, DocumentRow, DocumentSetRow, OrganisationRow, ProcessorRow,
};

use crate::document::change::DocumentChange;
use crate::error::VaultError;
use crate::limits::TREE_LEVELS_MAX;
use crate::seal;

/// Id of the one key registry.
pub(crate) const REGISTRY_ID: Id = Id::from_bytes([0; 12]);

/// Id of the one set of documents.
pub(crate) const SET_ID: Id = Id::from_bytes([0; 12]);

/// All that is cached whole, as of one moment. Readers take it without a lock.
pub(crate) struct Snapshot {
    /// Every durable step up to this one is in it.
    pub(crate) as_of: u64,
    pub(crate) documents: Documents,
    pub(crate) keys: KeyRing,
}

/// Every document, each held against its tag.
#[derive(Default)]
pub(crate) struct Documents {
    organisations: HashMap<OrganisationId, OrganisationRow>,
    children: HashMap<OrganisationId, Vec<OrganisationId>>,
    accounts: HashMap<AccountId, AccountRow>,
    processors: HashMap<ProcessorId, (ProcessorRow, Arc<dyn Processor>)>,
    /// By the version of the key that hashed them, and the hash.
    api_keys: HashMap<(u16, [u8; 32]), ApiKeyRow>,
    versions: HashMap<(DocumentKind, Id), u32>,
    registry: Vec<u8>,
    /// Version of the header of keys that the set names; `None` before the first document.
    header_version: Option<u32>,
}

impl Snapshot {
    /// Reads stored documents. [`VaultError::Tampered`] when one is not what the vault wrote, or when they are not exactly
    /// those that their set lists: one was put back, taken away, or rolled back. [`VaultError::Keys`] also when the header that the
    /// keys came out of is not one that the set allows.
    pub(crate) fn read(
        rows: &[Arc<DocumentRow>],
        vault_keys: &VaultKeys,
        test_mode: bool,
    ) -> Result<Self, VaultError> {
        let mut documents = Documents::default();
        for row in rows {
            seal::document_verify(vault_keys, row)?;
            documents.add(row, test_mode)?;
        }
        if let Some(set) = set_verify(rows)? {
            vault_keys.header_check(set.header_version)?;
            documents.header_version = Some(set.header_version);
        }
        let registry = documents.registry(vault_keys)?;
        let keys = KeyRing::open(vault_keys, &registry)?;
        // Organisations and keys are made in one step, so neither can go missing alone.
        let complete = documents.organisations.keys().all(|organisation| keys.has_keys(*organisation));
        if complete && documents.organisations.len() == keys.organisations() {
            Ok(Self { as_of: 0, documents, keys })
        } else {
            Err(VaultError::Tampered)
        }
    }
}

/// The set of documents, which are exactly those that it lists. Before the first change there are none, and no set.
fn set_verify(rows: &[Arc<DocumentRow>]) -> Result<Option<DocumentSetRow>, VaultError> {
    let (sets, others): (Vec<&Arc<DocumentRow>>, Vec<&Arc<DocumentRow>>) =
        rows.iter().partition(|row| row.kind == DocumentKind::DocumentSet);
    let mut there: Vec<_> = others.iter().map(|row| (row.kind, row.id, row.version)).collect();
    there.sort_unstable();
    let set = match sets.as_slice() {
        [] => None,
        [set] => Some(DocumentSetRow::decode(&set.body)?),
        [_, _, ..] => return Err(VaultError::Tampered),
    };
    let listed = set.as_ref().map_or(&[] as &[_], |set| set.entries.as_slice());
    if listed == there { Ok(set) } else { Err(VaultError::Tampered) }
}

impl Documents {
    fn add(&mut self, row: &DocumentRow, test_mode: bool) -> Result<(), VaultError> {
        self.versions.insert((row.kind, row.id), row.version);
        match row.kind {
            DocumentKind::Organisation => {
                let organisation = OrganisationRow::decode(&row.body)?;
                if let Some(parent) = organisation.parent {
                    self.children.entry(parent).or_default().push(organisation.id);
                }
                self.organisations.insert(organisation.id, organisation);
            }
            DocumentKind::Account => {
                let account = AccountRow::decode(&row.body)?;
                self.accounts.insert(account.id, account);
            }
            DocumentKind::Processor => {
                let processor = ProcessorRow::decode(&row.body)?;
                let configuration = Configuration::parse(&processor.type_name, &processor.settings)
                    .map_err(|_| VaultError::Tampered)?;
                if test_mode || !configuration.is_test_only() {
                    self.processors.insert(processor.id, (processor, Arc::from(configuration.connect())));
                }
            }
            DocumentKind::ApiKey => {
                let key = ApiKeyRow::decode(&row.body)?;
                self.api_keys.insert((key.hash_key, key.hash), key);
            }
            DocumentKind::KeyRegistry => self.registry.clone_from(&row.body),
            // Held against all documents at once.
            DocumentKind::DocumentSet => {}
        }
        Ok(())
    }

    /// The key registry, or an empty one before the first organisation.
    pub(crate) fn registry(&self, keys: &VaultKeys) -> Result<Registry, VaultError> {
        if self.registry.is_empty() {
            Ok(Registry::empty())
        } else {
            Ok(Registry::parse(&self.registry, keys)?)
        }
    }

    pub(crate) fn version(&self, kind: DocumentKind, id: Id) -> u32 {
        self.versions.get(&(kind, id)).copied().unwrap_or(0)
    }

    /// Whether changes were made against the documents as they are here.
    pub(crate) fn are_before(&self, changes: &[DocumentChange]) -> bool {
        changes.iter().all(|change| match change {
            DocumentChange::Put(row) => row.version.checked_sub(1) == Some(self.version(row.kind, row.id)),
            DocumentChange::Delete(kind, id, version) => *version == self.version(*kind, *id),
        })
    }

    /// The set of documents after these changes, under this version of the header of keys.
    pub(crate) fn set_after(&self, changes: &[DocumentChange], header_version: u32) -> DocumentSetRow {
        let mut versions = self.versions.clone();
        versions.remove(&(DocumentKind::DocumentSet, SET_ID));
        for change in changes {
            match change {
                DocumentChange::Put(row) => versions.insert((row.kind, row.id), row.version),
                DocumentChange::Delete(kind, id, _) => versions.remove(&(*kind, *id)),
            };
        }
        let mut entries: Vec<_> =
            versions.into_iter().map(|((kind, id), version)| (kind, id, version)).collect();
        entries.sort_unstable();
        DocumentSetRow { header_version, entries }
    }

    pub(crate) fn organisation(&self, id: OrganisationId) -> Option<&OrganisationRow> {
        self.organisations.get(&id)
    }

    pub(crate) fn organisations(&self) -> impl Iterator<Item = &OrganisationRow> {
        self.organisations.values()
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &AccountRow> {
        self.accounts.values()
    }

    pub(crate) fn processors(&self) -> impl Iterator<Item = &ProcessorRow> {
        self.processors.values().map(|(row, _)| row)
    }

    pub(crate) fn api_keys(&self) -> impl Iterator<Item = &ApiKeyRow> {
        self.api_keys.values()
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&AccountRow> {
        self.accounts.get(&id)
    }

    pub(crate) fn processor(&self, id: ProcessorId) -> Option<(&ProcessorRow, &Arc<dyn Processor>)> {
        self.processors.get(&id).map(|(row, connection)| (row, connection))
    }

    /// The API key that was hashed to this by this version of the key for hashes.
    pub(crate) fn api_key(&self, hash_key: u16, hash: [u8; 32]) -> Option<&ApiKeyRow> {
        self.api_keys.get(&(hash_key, hash))
    }

    /// Version of the header of keys that the documents were written under, if there are any.
    pub(crate) const fn header_version(&self) -> Option<u32> {
        self.header_version
    }

    /// Whether an organisation is `top` or below it.
    pub(crate) fn is_below(&self, organisation: OrganisationId, top: OrganisationId) -> bool {
        let mut level = self.organisations.get(&organisation);
        for _ in 0..TREE_LEVELS_MAX {
            match level {
                Some(row) if row.id == top => return true,
                Some(row) => level = row.parent.and_then(|parent| self.organisations.get(&parent)),
                None => return false,
            }
        }
        false
    }

    /// `top` and every organisation below it.
    pub(crate) fn below(&self, top: OrganisationId) -> Vec<OrganisationId> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(organisation) = found.get(next).copied() {
            if let Some(children) = self.children.get(&organisation) {
                found.extend(children.iter().filter(|child| self.is_below(**child, top)));
            }
            next += 1;
        }
        found
    }

    /// Levels from an organisation up to the top of its tree, itself included.
    pub(crate) fn levels(&self, organisation: OrganisationId) -> usize {
        let above = |row: &OrganisationRow| row.parent.and_then(|parent| self.organisations.get(&parent));
        let mut level = self.organisations.get(&organisation);
        let mut levels = 0;
        while let Some(row) = level
            && levels <= TREE_LEVELS_MAX
        {
            levels += 1;
            level = above(row);
        }
        levels
    }
}
