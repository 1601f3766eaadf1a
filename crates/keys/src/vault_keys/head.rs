//! The head of the documents: a small plaintext that only a vault's own keys open, bound to the vault and to a counter; and the keyed
//! hash of a row, of which the head holds the exclusive or over all rows.

use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::HEAD_BYTES;
use crate::ring::Kind;
use crate::root::digest;
use crate::vault_keys::VaultKeys;
use crate::xaes::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes};

const FORMAT: u8 = 1;

/// Bytes of a sealed head: format 1 (1) · key version (2) · nonce (24) · ciphertext (64) · tag (16).
pub const HEAD_SEALED_BYTES: usize = 1 + 2 + NONCE_BYTES + HEAD_BYTES + TAG_BYTES;

/// Three keys from one: one seals, one hashes, and one wraps what nodes are handed.
pub(super) struct HeadKey {
    seal: Xaes,
    hash: hmac::Key,
    hand: Arc<Xaes>,
}

impl HeadKey {
    /// HMAC-SHA-256 over `head-seal/1`, over `head-hash/1` and over `hand-over/1`.
    pub(super) fn derive(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = |label: &[u8]| Zeroizing::new(digest(&hmac::sign(&key, label)));
        Ok(Self {
            seal: Xaes::new(&derived(b"head-seal/1"))?,
            hash: hmac::Key::new(hmac::HMAC_SHA256, derived(b"head-hash/1").as_slice()),
            hand: Arc::new(Xaes::new(&derived(b"hand-over/1"))?),
        })
    }
}

impl HeadKey {
    /// What wraps what nodes are handed.
    pub(super) fn hand(&self) -> Arc<Xaes> {
        Arc::clone(&self.hand)
    }
}

impl VaultKeys {
    /// Version of the key that seals the first head.
    pub fn head_version(&self) -> u16 {
        self.head.active().0
    }

    /// Seals the head of the documents after so many changes, under this version of the key.
    pub fn head_seal(
        &self,
        version: u16,
        counter: u64,
        plaintext: &[u8; HEAD_BYTES],
        entropy: &dyn Entropy,
    ) -> Result<[u8; HEAD_SEALED_BYTES], KeysError> {
        let key = self.head.of(version).ok_or(KeysError::KeyUnknown)?;
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill_secret(&mut nonce)?;
        let mut bytes = Zeroizing::new(*plaintext);
        let tag = key.seal.seal(&nonce, &self.head_associated(version, counter), bytes.as_mut_slice())?;
        let mut out = [0; HEAD_SEALED_BYTES];
        let head = [FORMAT].into_iter().chain(version.to_be_bytes()).chain(nonce);
        for (slot, byte) in out.iter_mut().zip(head.chain(*bytes).chain(tag)) {
            *slot = byte;
        }
        Ok(out)
    }

    /// Opens the head of the documents after so many changes; gives the version of the key that sealed it, by which its rows are
    /// hashed. [`KeysError::Refused`] when it is another vault's, of another moment, or was changed; [`KeysError::HeaderOlder`] when it
    /// names a key that only a later header has.
    pub fn head_open(
        &self,
        counter: u64,
        sealed: &[u8],
        plaintext: &mut [u8; HEAD_BYTES],
    ) -> Result<u16, KeysError> {
        let ([format, version @ ..], rest) = sealed.split_first_chunk::<3>().ok_or(KeysError::Refused)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(KeysError::Refused)?;
        let (bytes, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(KeysError::Refused)?;
        if *format != FORMAT {
            return Err(KeysError::Refused);
        }
        let version = u16::from_be_bytes(*version);
        let unknown = if version > self.head_version() { KeysError::HeaderOlder } else { KeysError::Refused };
        let key = self.head.of(version).ok_or(unknown)?;
        *plaintext = bytes.try_into().map_err(|_| KeysError::Refused)?;
        key.seal
            .open(nonce, &self.head_associated(version, counter), plaintext, tag)
            .inspect_err(|_| plaintext.zeroize())?;
        Ok(version)
    }

    /// Keyed hash of a row that the head covers, under this version of the key: HMAC-SHA-256. Hashes are combined by exclusive or,
    /// so they and the combination are kept only sealed.
    pub fn head_hash(&self, version: u16, row: &[u8]) -> Result<[u8; 32], KeysError> {
        let key = self.head.of(version).ok_or(KeysError::KeyUnknown)?;
        Ok(digest(&hmac::sign(&key.hash, row)))
    }

    /// Format (1) · kind (1) · vault (12) · key version (2) · counter (8).
    fn head_associated(&self, version: u16, counter: u64) -> [u8; 24] {
        let mut out = [0; 24];
        let parts = [FORMAT, Kind::DocumentHead.code()].into_iter().chain(*self.vault.as_bytes());
        let parts = parts.chain(version.to_be_bytes()).chain(counter.to_be_bytes());
        for (slot, byte) in out.iter_mut().zip(parts) {
            *slot = byte;
        }
        out
    }
}
