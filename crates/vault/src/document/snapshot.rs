use std::sync::Arc;

use panvault_keys::{HandOver, KeyRing, KeysError, OrganisationKey, VaultKeys, VaultPurpose};
use panvault_model::{Id, OrganisationId};
use panvault_store::{DocumentKind, DocumentRow, RowKey, Store};

use crate::document::change::DocumentChange;
use crate::document::documents::Documents;
use crate::document::head::{Covered, HEAD_ROW, Head, Stamp};
use crate::document::header::HAND_OVER_ID;
use crate::error::VaultError;
use crate::seal;

/// All that is cached whole, as of one moment. Readers take it without a lock.
pub(crate) struct Snapshot {
    pub(crate) head: Head,
    pub(crate) documents: Documents,
    pub(crate) keys: KeyRing,
    /// What nodes are handed of the header of keys, once it has changed.
    pub(crate) handed: Option<Arc<HandOver>>,
}

impl Snapshot {
    /// Reads stored documents. [`VaultError::Tampered`] when one is not what the vault wrote, or when they are not exactly
    /// those that their head covers: one was put back, taken away, or rolled back. [`VaultError::Keys`] also when the header that the
    /// keys came out of is not one that the head allows. Connections of `before` live on where their rows are the same. Each row goes
    /// when it has been read, so that a start with many needs no room for them twice.
    pub(crate) fn read(
        rows: Vec<Arc<DocumentRow>>,
        vault_keys: &VaultKeys,
        test_mode: bool,
        before: Option<&Documents>,
    ) -> Result<Self, VaultError> {
        let mut heads = rows.iter().filter(|row| row.kind == DocumentKind::DocumentHead);
        let head = match (heads.next(), heads.next()) {
            (None, _) => Head::none(vault_keys.head_version()),
            (Some(row), None) => {
                let tagged = naming_verify(vault_keys, row);
                // A header that was rolled back is named as that, and not its want of a key as a change of the row.
                if let (Err(_), Ok(head)) = (&tagged, Head::open(row, vault_keys))
                    && let (Some(named), None) = (head.header_version, before)
                {
                    vault_keys.header_check(named)?;
                }
                tagged?;
                Head::open(row, vault_keys)?
            }
            (Some(_), Some(_)) => return Err(VaultError::Tampered(HEAD_ROW)),
        };
        let mut of_header = rows.iter().filter(|row| row.kind == DocumentKind::HandOver);
        let handed = match (of_header.next(), of_header.next()) {
            (None, _) => None,
            (Some(row), None) => {
                naming_verify(vault_keys, row)?;
                Some(hand_over(row)?)
            }
            (Some(_), Some(_)) => return Err(VaultError::Tampered(HEAD_ROW)),
        };
        // Who opens a vault has its header, which must be the one that is named or the next. Who serves it is told of later ones.
        if let (Some(handed), true) = (&handed, before.is_some()) {
            vault_keys.take(handed)?;
        }
        if let Some(named) = head.header_version {
            vault_keys.header_check(named)?;
        }
        if let Some(handed) = &handed {
            vault_keys.take(handed)?;
        }
        let mut covered = Covered::default();
        let (mut documents, mut keys) = (Documents::default(), KeyRing::new(vault_keys));
        let covers = |row: &Arc<DocumentRow>| row.kind != DocumentKind::DocumentHead && !row.kind.is_beside();
        for row in rows.into_iter().filter(covers) {
            // Every key is here that the documents name.
            let tampered = || VaultError::Tampered(RowKey::Document(row.kind, row.id));
            seal::document_verify(vault_keys, &row).map_err(|_| tampered())?;
            covered.add(Stamp::of(&row).hash(row.kind, row.id, vault_keys, head.key)?);
            if documents.put(&row, test_mode, before)?.is_some() {
                return Err(VaultError::Tampered(RowKey::Document(row.kind, row.id)));
            }
            if row.kind == DocumentKind::OrganisationKey {
                keys.add(organisation_key(&row)?)?;
            }
        }
        if !head.covers(&covered) {
            return Err(VaultError::Tampered(HEAD_ROW));
        }
        // Organisations and their first keys are made in one step.
        let mut organisations = documents.organisations();
        if keys.organisations() != organisations.len() || !organisations.all(|row| keys.has_keys(row.id)) {
            return Err(VaultError::Tampered(HEAD_ROW));
        }
        drop(organisations);
        Ok(Self { head, documents, keys, handed })
    }

    /// The documents after these changes, and their head. It shares with this one what does not change. The change that lets another key for the head be active hashes
    /// all of them anew.
    pub(crate) fn after(
        &self,
        changes: &[DocumentChange],
        vault_keys: &VaultKeys,
        test_mode: bool,
    ) -> Result<Self, VaultError> {
        let handed = self.handed_after(changes)?;
        let active = handed.as_ref().and_then(|handed| handed.active(VaultPurpose::DocumentHead));
        let head_key = active.unwrap_or(self.head.key);
        let (documents, keys, covered) = self.changed(changes, head_key, vault_keys, test_mode)?;
        let before = self.head.header_version.unwrap_or_else(|| vault_keys.header_version());
        let named = handed.as_ref().map_or(before, |handed| handed.header_version());
        let head = self.head.next(covered, head_key, named.max(before)).ok_or(VaultError::Contended)?;
        let head = changes.iter().fold(head, |head, change| match change {
            DocumentChange::Seals(seals) => head.sealed(*seals),
            DocumentChange::Put(_)
            | DocumentChange::Retag(_)
            | DocumentChange::Delete(..)
            | DocumentChange::Beside(_) => head,
        });
        Ok(Self { head, documents, keys, handed })
    }

    /// The documents after changes that others made, as the head of these says them, and of which all were read; `None` where that does not
    /// agree.
    pub(super) fn caught_up(
        &self,
        changes: &[DocumentChange],
        head: Head,
        vault_keys: &VaultKeys,
        test_mode: bool,
    ) -> Result<Option<Self>, VaultError> {
        let (documents, keys, covered) = self.changed(changes, head.key, vault_keys, test_mode)?;
        // Organisations and their first keys are made in one step. A key that is taken away alone is left to a reading of all.
        let is_whole = |change: &DocumentChange| match change {
            DocumentChange::Put(row) => {
                row.kind != DocumentKind::Organisation || keys.has_keys(OrganisationId(row.id))
            }
            DocumentChange::Retag(_)
            | DocumentChange::Delete(..)
            | DocumentChange::Beside(_)
            | DocumentChange::Seals(_) => true,
        };
        let is_whole = head.covers(&covered)
            && keys.organisations() == documents.organisations().len()
            && changes.iter().all(is_whole);
        let handed = self.handed_after(changes)?;
        Ok(is_whole.then_some(Self { head, documents, keys, handed }))
    }

    /// What nodes are handed after these changes.
    fn handed_after(&self, changes: &[DocumentChange]) -> Result<Option<Arc<HandOver>>, VaultError> {
        let put = changes.iter().rev().find_map(|change| match change {
            DocumentChange::Put(row) => Some(row).filter(|row| row.kind == DocumentKind::HandOver),
            DocumentChange::Retag(_)
            | DocumentChange::Delete(..)
            | DocumentChange::Beside(_)
            | DocumentChange::Seals(_) => None,
        });
        put.map_or_else(|| Ok(self.handed.clone()), |row| hand_over(row).map(Some))
    }

    /// Documents, keys and what a head covers after these changes, as this version of the key for heads hashes them.
    fn changed(
        &self,
        changes: &[DocumentChange],
        head_key: u16,
        vault_keys: &VaultKeys,
        test_mode: bool,
    ) -> Result<(Documents, KeyRing, Covered), VaultError> {
        let (mut documents, mut keys, mut gone) = (self.documents.clone(), Vec::new(), Vec::new());
        let mut covered = self.head.covered();
        // Where the head is under another key, all are hashed anew below; the one before may be gone.
        let moves = head_key != self.head.key;
        let hash = |stamp: Stamp, kind: DocumentKind, id: Id| {
            if moves { Ok([0; 32]) } else { stamp.hash(kind, id, vault_keys, self.head.key) }
        };
        for change in changes {
            let (kind, id, before) = match change {
                DocumentChange::Put(row) => {
                    if row.kind == DocumentKind::OrganisationKey {
                        keys.push(organisation_key(row)?);
                    }
                    covered.add(hash(Stamp::of(row), row.kind, row.id)?);
                    (row.kind, row.id, documents.put(row, test_mode, Some(&self.documents))?)
                }
                DocumentChange::Retag(row) => {
                    covered.add(hash(Stamp::of(row), row.kind, row.id)?);
                    (row.kind, row.id, documents.retag(row))
                }
                DocumentChange::Delete(kind, id, _) => {
                    if *kind == DocumentKind::Organisation {
                        gone.push(OrganisationId(*id));
                    }
                    (*kind, *id, documents.delete(*kind, *id))
                }
                DocumentChange::Beside(_) | DocumentChange::Seals(_) => continue,
            };
            if let Some(before) = before {
                covered.take(hash(before, kind, id)?);
            }
        }
        if moves {
            covered = documents.covered(vault_keys, head_key)?;
        }
        let keys =
            gone.into_iter().fold(self.keys.with(keys), |keys, organisation| keys.without(organisation));
        Ok((documents, keys, covered))
    }
}

/// Lets keys that came out of a header alone be in the states that the documents of a store say: what a rotation ended is written into the header with the next change of it. To be called
/// before anything is tagged with keys of which no vault was opened.
pub async fn keys_as_documents_say(store: &dyn Store, keys: &VaultKeys) -> Result<(), VaultError> {
    match header_named_in(store, keys).await? {
        Some(handed) => Ok(keys.take(&handed)?),
        None => Ok(()),
    }
}

/// Which header the documents of a store name, and what they say of its keys, for who has opened no vault. `None` where its header has never changed.
pub async fn header_named_in(
    store: &dyn Store,
    keys: &VaultKeys,
) -> Result<Option<Arc<HandOver>>, VaultError> {
    let of = (DocumentKind::HandOver, HAND_OVER_ID);
    let Some(row) = store.document_read_many(vec![of]).await?.into_iter().next().flatten() else {
        return Ok(None);
    };
    naming_verify(keys, &row)?;
    hand_over(&row).map(Some)
}

/// Holds one of the two documents that name the header of keys against its tag. [`VaultError::Keys`] where that is of a key that only a later header has.
pub(super) fn naming_verify(keys: &VaultKeys, row: &DocumentRow) -> Result<(), VaultError> {
    let later = |error: VaultError| {
        if error.is_of_later_key() { VaultError::Keys(KeysError::HeaderOlder) } else { error }
    };
    seal::document_verify(keys, row).map_err(later)
}

/// What nodes are handed, as its document keeps it. There is one.
pub(super) fn hand_over(row: &DocumentRow) -> Result<Arc<HandOver>, VaultError> {
    if row.id == HAND_OVER_ID {
        Ok(Arc::new(HandOver::decode(&row.body)?))
    } else {
        Err(VaultError::Tampered(RowKey::Document(row.kind, row.id)))
    }
}

/// A key of an organisation, as its document keeps it.
fn organisation_key(row: &DocumentRow) -> Result<OrganisationKey, VaultError> {
    let mut key = OrganisationKey::decode(&row.body)?;
    key.document = Some(row.id);
    Ok(key)
}
