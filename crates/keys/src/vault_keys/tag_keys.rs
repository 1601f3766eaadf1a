//! Keys that tag, for who outlives the others: of rows, tables of issuers, and manifests of backups.

use std::sync::Arc;

use aws_lc_rs::hmac;
use panvault_model::{Sealed, Tag, VaultId};
use subtle::ConstantTimeEq;

use crate::error::KeysError;
use crate::ring::Place;
use crate::root::digest_head;
use crate::vault_keys::Versions;

/// The key under which a vault's tables of issuers are tagged. It may outlive the others, and is cheap to clone.
#[derive(Clone)]
pub struct BinsKey(pub(super) Arc<Versions<hmac::Key>>);

/// The key under which manifests of a vault's backups are tagged. It may outlive the others, and is cheap to clone.
#[derive(Clone)]
pub struct BackupKey {
    pub(super) keys: Arc<Versions<hmac::Key>>,
    /// The one that tags, where a backup was begun with it.
    pub(super) version: Option<u16>,
}

/// The key under which rows are tagged, to hold rows against their tags with. It may outlive the others, and is cheap to clone.
#[derive(Clone)]
pub struct RowTagKey {
    pub(super) vault: VaultId,
    pub(super) keys: Arc<Versions<hmac::Key>>,
}

/// What a tag is over, before the bytes. Kinds of rows have the numbers of `panvault-vault`, beside these.
pub(super) const TAG_CARD: u8 = 5;
const TAG_BINS: u8 = 11;
const TAG_BACKUP: u8 = 16;

impl RowTagKey {
    /// Whose rows they tag.
    pub const fn vault(&self) -> VaultId {
        self.vault
    }

    /// Whether a row bears its tag; takes the same time whatever the answer.
    pub fn row_tag_matches(&self, kind: u8, clear: &[u8], tag: &Tag) -> bool {
        tag_matches(&self.keys, &[&[kind], clear], tag)
    }

    /// Whether a sealed card bears its tag in this place; takes the same time whatever the answer.
    pub fn card_tag_matches(&self, place: &Place<'_>, sealed: &Sealed, tag: &Tag) -> bool {
        let parts = [[TAG_CARD].as_slice(), &place.associated_head(0), place.clear, sealed.as_bytes()];
        tag_matches(&self.keys, &parts, tag)
    }
}

impl BinsKey {
    /// Version of the key that tags new tables: the last there is. Who imports one knows of a header only, and not which of its keys is active by now.
    pub fn version(&self) -> u16 {
        self.0.newest().0
    }

    /// Tag of the file of a table of issuers, which begins with its format: the first 128 bits of HMAC-SHA-256 over its kind and bytes.
    pub fn tag(&self, file: &[u8]) -> Tag {
        let (version, key) = self.0.newest();
        Tag { key: version, bytes: mac(&key, &[&[TAG_BINS], file]) }
    }

    /// Whether the file of a table bears its tag; takes the same time whatever the answer.
    pub fn tag_matches(&self, file: &[u8], tag: &Tag) -> bool {
        tag_matches(&self.0, &[&[TAG_BINS], file], tag)
    }
}

impl BackupKey {
    /// For a backup that is begun now: it is tagged with the key of now, which is in the header that is copied, whichever is active when it is done.
    #[must_use]
    pub fn begun(&self) -> Self {
        Self { keys: Arc::clone(&self.keys), version: Some(self.keys.active().0) }
    }

    /// Tag of a manifest: the first 128 bits of HMAC-SHA-256 over its kind and bytes. [`KeysError::KeyDestroyed`] when the key is gone with which the backup was begun.
    pub fn tag(&self, manifest: &[u8]) -> Result<Tag, KeysError> {
        let version = self.version.unwrap_or_else(|| self.keys.active().0);
        let key = self.keys.of(version).ok_or(KeysError::KeyDestroyed)?;
        Ok(Tag { key: version, bytes: mac(&key, &[&[TAG_BACKUP], manifest]) })
    }

    /// Whether the key is still there that a manifest says it was tagged with.
    pub fn has_key_of(&self, tag: &Tag) -> bool {
        self.keys.of(tag.key).is_some()
    }

    /// Whether a manifest bears its tag; takes the same time whatever the answer.
    pub fn tag_matches(&self, manifest: &[u8], tag: &Tag) -> bool {
        tag_matches(&self.keys, &[&[TAG_BACKUP], manifest], tag)
    }
}

pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    digest_head(&context.sign())
}

pub(super) fn tag_make(keys: &Versions<hmac::Key>, parts: &[&[u8]]) -> Tag {
    let (version, key) = keys.active();
    Tag { key: version, bytes: mac(&key, parts) }
}

/// A tag that names a key which does not exist, or no longer, matches nothing.
pub(super) fn tag_matches(keys: &Versions<hmac::Key>, parts: &[&[u8]], tag: &Tag) -> bool {
    keys.of(tag.key).is_some_and(|key| mac(&key, parts).ct_eq(&tag.bytes).into())
}
