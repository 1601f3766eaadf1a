use panvault_keys::limits::HEAD_BYTES;
use panvault_keys::{KeysError, VaultKeys};
use panvault_model::{Id, Tag};
use panvault_store::{DocumentKind, DocumentRow, RowKey};

use crate::error::VaultError;

/// Id of the one head.
pub(crate) const HEAD_ID: Id = Id::from_bytes([0; 12]);

/// Names its row: the one at fault when documents are not those that it covers.
pub(crate) const HEAD_ROW: RowKey = RowKey::Document(DocumentKind::DocumentHead, HEAD_ID);

/// What says which documents there are: a row that was put back, taken away or rolled back does not agree with it.
///
/// It holds the exclusive or of a keyed hash of each row, so a change takes away the hashes of the rows as they were and adds those of
/// the rows as they are. Whoever knew the hashes could choose rows whose differences cancel, so they and what comes of them
/// are kept only sealed, and this is not printed.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    /// Changes of documents so far; the version of its row, and what snapshots count by.
    pub(crate) counter: u32,
    /// Version of the header of keys under which it was written; `None` before the first document.
    pub(crate) header_version: Option<u32>,
    /// How often the vault was sealed and unsealed, together: it is sealed where that is odd.
    pub(crate) seals: u32,
    /// Version of the key that seals it and makes the hashes in it. Which that is the documents say, of every moment: two that change them never mix hashes of two keys.
    pub(crate) key: u16,
    covered: Covered,
}

/// A multiset of rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Covered {
    count: u64,
    hash: [u8; 32],
}

/// A row as the head knows it: its tag stands for its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) version: u32,
    pub(crate) tag: Tag,
}

impl Head {
    /// Before the first document, which is hashed with this version of the key.
    pub(crate) const fn none(key: u16) -> Self {
        let covered = Covered { count: 0, hash: [0; 32] };
        Self { counter: 0, header_version: None, seals: 0, key, covered }
    }

    /// Opens the row of a head.
    /// [`VaultError::Tampered`] when it is another vault's, of another moment, or was changed; [`VaultError::Keys`] when the header
    /// of keys is older than it. Whose it is its seal says; its tag is looked at beside.
    pub(crate) fn open(row: &DocumentRow, keys: &VaultKeys) -> Result<Self, VaultError> {
        let mut plaintext = [0; HEAD_BYTES];
        let key = keys.head_open(row.version.into(), &row.body, &mut plaintext).map_err(|error| {
            let older = matches!(error, KeysError::HeaderOlder);
            if older { VaultError::Keys(error) } else { VaultError::Tampered(HEAD_ROW) }
        })?;
        Self::decode(row.version, key, &plaintext).ok_or(VaultError::Tampered(HEAD_ROW))
    }

    /// The next, after a change that left these documents, as this version of the key hashes them, under this version of the header of keys.
    pub(super) fn next(self, covered: Covered, key: u16, header_version: u32) -> Option<Self> {
        let counter = self.counter.checked_add(1)?;
        Some(Self { counter, header_version: Some(header_version), key, covered, ..self })
    }

    /// The same of a vault that was sealed and unsealed so often.
    pub(super) const fn sealed(self, seals: u32) -> Self {
        Self { seals, ..self }
    }

    /// Whether nothing opens the vault until somebody unseals it.
    pub(crate) const fn is_sealed(&self) -> bool {
        self.seals % 2 == 1
    }

    pub(super) fn covers(&self, covered: &Covered) -> bool {
        self.covered.is(covered)
    }

    /// Whether it says what a stored one says.
    pub(super) fn is_same(&self, stored: &Self) -> bool {
        (self.counter, self.key) == (stored.counter, stored.key) && self.covered.is(&stored.covered)
    }

    pub(super) const fn covered(&self) -> Covered {
        self.covered
    }

    /// Number of documents (8) · exclusive or of their hashes (32) · version of the header of keys (4) · how often it was sealed and unsealed (4) · zeroes (16).
    pub(crate) fn encode(&self) -> [u8; HEAD_BYTES] {
        let parts = self.covered.count.to_be_bytes().into_iter().chain(self.covered.hash);
        let mut out = [0; HEAD_BYTES];
        let parts = parts.chain(self.header_version.unwrap_or(0).to_be_bytes());
        for (slot, byte) in out.iter_mut().zip(parts.chain(self.seals.to_be_bytes())) {
            *slot = byte;
        }
        out
    }

    fn decode(counter: u32, key: u16, bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (header_version, rest) = rest.split_first_chunk()?;
        let (seals, rest) = rest.split_first_chunk()?;
        let covered = Covered { count: u64::from_be_bytes(*count), hash: *hash };
        let header_version = Some(u32::from_be_bytes(*header_version));
        let seals = u32::from_be_bytes(*seals);
        rest.iter().all(|byte| *byte == 0).then_some(Self { counter, header_version, seals, key, covered })
    }
}

impl Stamp {
    pub(crate) const fn of(row: &DocumentRow) -> Self {
        Self { version: row.version, tag: row.tag }
    }

    /// What is hashed: kind (1) · id (12) · version (4) · version of the tag's key (2) · tag (16).
    fn bytes(&self, kind: DocumentKind, id: Id) -> [u8; 35] {
        let mut out = [0; 35];
        let parts = [kind.code()].into_iter().chain(*id.as_bytes()).chain(self.version.to_be_bytes());
        let parts = parts.chain(self.tag.key.to_be_bytes()).chain(self.tag.bytes);
        for (slot, byte) in out.iter_mut().zip(parts) {
            *slot = byte;
        }
        out
    }

    /// The keyed hash by which the head knows the row.
    pub(super) fn hash(
        &self,
        kind: DocumentKind,
        id: Id,
        keys: &VaultKeys,
        key: u16,
    ) -> Result<[u8; 32], VaultError> {
        Ok(keys.head_hash(key, &self.bytes(kind, id))?)
    }
}

impl Covered {
    pub(super) fn add(&mut self, hash: [u8; 32]) {
        self.count = self.count.saturating_add(1);
        self.turn(hash);
    }

    pub(super) fn take(&mut self, hash: [u8; 32]) {
        self.count = self.count.saturating_sub(1);
        self.turn(hash);
    }

    fn turn(&mut self, hash: [u8; 32]) {
        for (byte, other) in self.hash.iter_mut().zip(hash) {
            *byte ^= other;
        }
    }

    /// Takes the same time whatever the answer.
    fn is(&self, other: &Self) -> bool {
        let differs =
            self.hash.iter().zip(other.hash).fold(0, |differs, (one, other)| differs | (one ^ other));
        differs == 0 && self.count == other.count
    }
}

#[cfg(test)]
mod tests;
