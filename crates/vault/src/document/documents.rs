use std::sync::{Arc, OnceLock};

use imbl::ordmap::Entry;
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdMap, OrdSet};
use panvault_keys::VaultKeys;
use panvault_model::{AccountId, ApiKeyId, Id, IdHash, OrganisationId, ProcessorId};
use panvault_processor::{Processor, is_test_only};
use panvault_store::{
    AccountRow, ApiKeyRow, DocumentKind, DocumentRow, OrganisationRow, ProcessorRow, Totals,
};

use crate::api_key::LastUse;
use crate::document::change::DocumentChange;
use crate::document::head::{Covered, Stamp};
use crate::error::VaultError;
use crate::limits::TREE_LEVELS_MAX;
use crate::vault::VaultTotals;

/// A map of which a changed copy shares what did not change, so that both are cheap.
type Map<K, V> = GenericHashMap<K, V, IdHash, DefaultSharedPtr>;

/// Every document but the keys and the head, decoded, as of one moment.
#[derive(Clone, Default)]
pub(crate) struct Documents {
    stamps: Map<(DocumentKind, Id), Stamp>,
    organisations: Map<OrganisationId, Arc<OrganisationRow>>,
    /// Organisations with the one above them, which comes first.
    children: OrdSet<(OrganisationId, OrganisationId)>,
    accounts: Map<AccountId, Arc<AccountRow>>,
    processors: Map<ProcessorId, Arc<Connected>>,
    api_keys: Map<ApiKeyId, Arc<KnownKey>>,
    /// By the version of the key that hashed them, and the hash.
    api_keys_by_hash: Map<(u16, [u8; 32]), Arc<KnownKey>>,
    /// Web origins that browsers' keys allow.
    origins: Origins,
    /// Web origins of organisations whose cards are created without a key.
    keyless_origins: Origins,
}

/// A processor and the connection to it, which lives as long as the row does not change.
pub(crate) struct Connected {
    row: Arc<ProcessorRow>,
    connection: OnceLock<Arc<dyn Processor>>,
}

impl Connected {
    pub(crate) const fn row(&self) -> &Arc<ProcessorRow> {
        &self.row
    }

    /// The connection, made when it is first needed: before that all keys may not be there that its secrets are sealed with.
    pub(crate) fn connection(
        &self,
        connect: impl FnOnce(&ProcessorRow) -> Arc<dyn Processor>,
    ) -> &Arc<dyn Processor> {
        self.connection.get_or_init(|| connect(&self.row))
    }
}

/// An API key, and when it was last used, as far as this process knows.
pub(crate) struct KnownKey {
    pub(crate) row: Arc<ApiKeyRow>,
    pub(crate) last_use: Arc<LastUse>,
}

/// Web origins (RFC 6454), each with how many documents name it.
#[derive(Clone, Default)]
struct Origins(OrdMap<Arc<str>, u32>);

impl Origins {
    fn add(&mut self, origins: &[String]) {
        for origin in origins {
            *self.0.entry(Arc::from(origin.as_str())).or_default() += 1;
        }
    }

    fn remove(&mut self, origins: &[String]) {
        for origin in origins {
            if let Entry::Occupied(mut documents) = self.0.entry(Arc::from(origin.as_str())) {
                *documents.get_mut() -= 1;
                if *documents.get() == 0 {
                    documents.remove();
                }
            }
        }
    }
}

impl Documents {
    /// Takes up a document that was held against its tag, and gives what there was in its place. A connection of `before` lives on where
    /// its row is the same.
    pub(super) fn put(
        &mut self,
        row: &DocumentRow,
        test_mode: bool,
        before: Option<&Self>,
    ) -> Result<Option<Stamp>, VaultError> {
        let replaced = self.stamps.insert((row.kind, row.id), Stamp::of(row));
        match row.kind {
            DocumentKind::Organisation => self.organisation_put(OrganisationRow::decode(&row.body)?),
            DocumentKind::Account => {
                let account = AccountRow::decode(&row.body)?;
                self.accounts.insert(account.id, Arc::new(account));
            }
            DocumentKind::Processor => {
                let processor = ProcessorRow::decode(&row.body)?;
                // It may have another tag, and be the same.
                let connected = before.and_then(|before| before.processors.get(&processor.id));
                match connected.filter(|connected| *connected.row == processor) {
                    Some(connected) => drop(self.processors.insert(processor.id, Arc::clone(connected))),
                    None => self.processor_put(processor, test_mode),
                }
            }
            DocumentKind::ApiKey => {
                self.api_key_put(ApiKeyRow::decode(&row.body)?, before);
            }
            // The snapshot has them beside these.
            DocumentKind::OrganisationKey
            | DocumentKind::DocumentHead
            | DocumentKind::AuditCheckpoint
            | DocumentKind::AuditEnd
            | DocumentKind::AuditStart
            | DocumentKind::ChangeLog
            | DocumentKind::Logo
            | DocumentKind::TrailState
            | DocumentKind::TrailCheckpoint
            | DocumentKind::HandOver => {}
        }
        Ok(replaced)
    }

    /// Takes up another tag of a document, and gives what there was.
    pub(super) fn retag(&mut self, row: &DocumentRow) -> Option<Stamp> {
        self.stamps.insert((row.kind, row.id), Stamp::of(row))
    }

    /// Takes away a document, and gives what there was.
    pub(super) fn delete(&mut self, kind: DocumentKind, id: Id) -> Option<Stamp> {
        match kind {
            DocumentKind::Organisation => {
                let id = OrganisationId(id);
                if let Some(row) = self.organisations.remove(&id) {
                    self.organisation_forget(&row);
                }
            }
            DocumentKind::Account => drop(self.accounts.remove(&AccountId(id))),
            DocumentKind::Processor => drop(self.processors.remove(&ProcessorId(id))),
            DocumentKind::ApiKey => {
                if let Some(known) = self.api_keys.remove(&ApiKeyId(id)) {
                    self.api_key_forget(&known.row);
                }
            }
            DocumentKind::OrganisationKey
            | DocumentKind::DocumentHead
            | DocumentKind::AuditCheckpoint
            | DocumentKind::AuditEnd
            | DocumentKind::AuditStart
            | DocumentKind::ChangeLog
            | DocumentKind::Logo
            | DocumentKind::TrailState
            | DocumentKind::TrailCheckpoint
            | DocumentKind::HandOver => {}
        }
        self.stamps.remove(&(kind, id))
    }

    fn api_key_put(&mut self, row: ApiKeyRow, before: Option<&Self>) {
        let row = Arc::new(row);
        let known =
            self.api_keys.get(&row.id).or_else(|| before.and_then(|before| before.api_keys.get(&row.id)));
        let last_use = known.map_or_else(Arc::default, |known| Arc::clone(&known.last_use));
        let known = Arc::new(KnownKey { row: Arc::clone(&row), last_use });
        if let Some(replaced) = self.api_keys.insert(row.id, Arc::clone(&known)) {
            self.api_key_forget(&replaced.row);
        }
        self.api_keys_by_hash.insert((row.hash_key, row.hash), known);
        self.origins.add(&row.allowed_origins);
    }

    fn api_key_forget(&mut self, row: &ApiKeyRow) {
        self.api_keys_by_hash.remove(&(row.hash_key, row.hash));
        self.origins.remove(&row.allowed_origins);
    }

    fn organisation_put(&mut self, row: OrganisationRow) {
        let row = Arc::new(row);
        if let Some(before) = self.organisations.insert(row.id, Arc::clone(&row)) {
            self.organisation_forget(&before);
        }
        if let Some(parent) = row.parent {
            self.children.insert((parent, row.id));
        }
        self.keyless_origins.add(&row.keyless_capture_origins);
    }

    fn organisation_forget(&mut self, row: &OrganisationRow) {
        if let Some(parent) = row.parent {
            self.children.remove(&(parent, row.id));
        }
        self.keyless_origins.remove(&row.keyless_capture_origins);
    }

    fn processor_put(&mut self, row: ProcessorRow, test_mode: bool) {
        if test_mode || !is_test_only(&row.type_name) {
            let (id, row) = (row.id, Arc::new(row));
            self.processors.insert(id, Arc::new(Connected { row, connection: OnceLock::new() }));
        }
    }

    /// Version and tag of a document, if it is there.
    pub(crate) fn stamp(&self, kind: DocumentKind, id: Id) -> Option<Stamp> {
        self.stamps.get(&(kind, id)).copied()
    }

    /// What a head covers of all of them, as this version of the key for heads hashes them.
    pub(super) fn covered(&self, keys: &VaultKeys, head_key: u16) -> Result<Covered, VaultError> {
        let mut covered = Covered::default();
        for ((kind, id), stamp) in &self.stamps {
            covered.add(stamp.hash(*kind, *id, keys, head_key)?);
        }
        Ok(covered)
    }

    /// Documents whose tag this version of the key for documents made.
    pub(crate) fn tagged_by(&self, key: u16) -> impl Iterator<Item = (DocumentKind, Id)> {
        self.stamps.iter().filter(move |(_, stamp)| stamp.tag.key == key).map(|(document, _)| *document)
    }

    /// Version of a document; 0 when there is none.
    pub(crate) fn version(&self, kind: DocumentKind, id: Id) -> u32 {
        self.stamp(kind, id).map_or(0, |stamp| stamp.version)
    }

    /// Whether changes were made against the documents as they are here.
    pub(crate) fn are_before(&self, changes: &[DocumentChange]) -> bool {
        changes.iter().all(|change| match change {
            DocumentChange::Put(row) => row.version.checked_sub(1) == Some(self.version(row.kind, row.id)),
            DocumentChange::Retag(row) => row.version == self.version(row.kind, row.id),
            DocumentChange::Delete(kind, id, version) => *version == self.version(*kind, *id),
            DocumentChange::Beside(_) | DocumentChange::Seals(_) => true,
        })
    }

    /// How many organisations have a picture: gone through, for one more is seldom given.
    pub(crate) fn logos(&self) -> usize {
        self.organisations().filter(|row| row.logo.is_some()).count()
    }

    pub(crate) fn organisation(&self, id: OrganisationId) -> Option<&Arc<OrganisationRow>> {
        self.organisations.get(&id)
    }

    pub(crate) fn organisations(&self) -> impl ExactSizeIterator<Item = &Arc<OrganisationRow>> {
        self.organisations.values()
    }

    /// Whether an organisation and all above it are there and not disabled.
    pub(crate) fn is_enabled(&self, organisation: OrganisationId) -> bool {
        self.enabled(organisation).is_ok()
    }

    /// [`VaultError::Disabled`] with the organisation that is disabled: this one, or the first above it.
    pub(crate) fn enabled(&self, organisation: OrganisationId) -> Result<(), VaultError> {
        let mut level = organisation;
        for _ in 0..TREE_LEVELS_MAX {
            match self.organisation(level) {
                Some(row) if row.disabled => break,
                Some(row) => match row.parent {
                    Some(parent) => level = parent,
                    None => return Ok(()),
                },
                None => break,
            }
        }
        Err(VaultError::Disabled(level))
    }

    /// Whether an organisation is above others.
    pub(crate) fn has_children(&self, organisation: OrganisationId) -> bool {
        let first = (organisation, OrganisationId::from_bytes([0; 12]));
        self.children.range(first..).next().is_some_and(|(parent, _)| *parent == organisation)
    }

    /// Whether a browser's key allows a web origin, or an organisation whose cards are created without one.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        self.origins.0.contains_key(origin) || self.keyless_origins.0.contains_key(origin)
    }

    /// Whether cards of any organisation are created without a key.
    pub(crate) fn is_keyless(&self) -> bool {
        !self.keyless_origins.0.is_empty()
    }

    /// Whether pages of a web origin create cards of an organisation without a key.
    pub(crate) fn allows_keyless(&self, origin: &str) -> bool {
        self.keyless_origins.0.contains_key(origin)
    }

    /// How many there are of each kind, beside what is stored.
    pub(crate) fn totals(&self, stored: Totals) -> VaultTotals {
        VaultTotals {
            organisations: self.organisations.len() as u64,
            accounts: self.accounts.len() as u64,
            processors: self.processors.len() as u64,
            api_keys: self.api_keys.len() as u64,
            stored,
        }
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Arc<AccountRow>> {
        self.accounts.values()
    }

    pub(crate) fn processors(&self) -> impl Iterator<Item = &Arc<ProcessorRow>> {
        self.processors.values().map(|connected| &connected.row)
    }

    pub(crate) fn api_keys(&self) -> impl Iterator<Item = &Arc<ApiKeyRow>> {
        self.api_keys.values().map(|known| &known.row)
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Arc<AccountRow>> {
        self.accounts.get(&id)
    }

    pub(crate) fn processor(&self, id: ProcessorId) -> Option<&Arc<ProcessorRow>> {
        self.connected(id).map(Connected::row)
    }

    pub(crate) fn connected(&self, id: ProcessorId) -> Option<&Connected> {
        self.processors.get(&id).map(Arc::as_ref)
    }

    pub(crate) fn api_key(&self, id: ApiKeyId) -> Option<&Arc<KnownKey>> {
        self.api_keys.get(&id)
    }

    /// The API key that was hashed to this by this version of the key for hashes.
    pub(crate) fn api_key_by_hash(&self, hash_key: u16, hash: [u8; 32]) -> Option<&Arc<KnownKey>> {
        self.api_keys_by_hash.get(&(hash_key, hash))
    }

    /// Whether an organisation is `top` or below it.
    pub(crate) fn is_below(&self, organisation: OrganisationId, top: OrganisationId) -> bool {
        let mut level = self.organisation(organisation);
        for _ in 0..TREE_LEVELS_MAX {
            match level {
                Some(row) if row.id == top => return true,
                Some(row) => level = row.parent.and_then(|parent| self.organisation(parent)),
                None => return false,
            }
        }
        false
    }

    /// To which web origins checkouts of an organisation may send shoppers back: those of its own list, or of the nearest above it that has one. Any, where
    /// there are none.
    pub(crate) fn return_origins(&self, organisation: OrganisationId) -> &[String] {
        let mut level = self.organisation(organisation);
        for _ in 0..TREE_LEVELS_MAX {
            match level {
                Some(row) if !row.return_origins.is_empty() => return &row.return_origins,
                Some(row) => level = row.parent.and_then(|parent| self.organisation(parent)),
                None => break,
            }
        }
        &[]
    }

    /// `top` and every organisation below it.
    pub(crate) fn below(&self, top: OrganisationId) -> Vec<OrganisationId> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(organisation) = found.get(next).copied() {
            let first = (organisation, OrganisationId::from_bytes([0; 12]));
            let children = self.children.range(first..).take_while(|(parent, _)| *parent == organisation);
            found.extend(children.map(|(_, child)| *child).filter(|child| self.is_below(*child, top)));
            next += 1;
        }
        found
    }

    /// Levels from an organisation up to the top of its tree, itself included.
    pub(crate) fn levels(&self, organisation: OrganisationId) -> usize {
        let above = |row: &OrganisationRow| row.parent.and_then(|parent| self.organisation(parent));
        let mut level = self.organisation(organisation);
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

#[cfg(test)]
mod tests;
