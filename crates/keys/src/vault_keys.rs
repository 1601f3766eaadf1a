use aws_lc_rs::{digest as sha, hmac};
use panvault_model::VaultId;
use subtle::ConstantTimeEq;

use crate::api_key::ApiKey;
use crate::root::{RootKey, digest};

/// The keys of one vault that belong to no organisation, all derived from the root key.
pub struct VaultKeys {
    chain: hmac::Key,
    api_key: hmac::Key,
    idempotency: hmac::Key,
    row_tag: hmac::Key,
    registry: hmac::Key,
}

/// The key that chains commits. It may live in a thread of its own.
pub struct ChainKey(hmac::Key);

impl VaultKeys {
    /// Derives them.
    pub fn derive(root: &RootKey, vault: VaultId) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, root.derive(label, vault).as_slice());
        Self {
            chain: key("chain"),
            api_key: key("api-key"),
            idempotency: key("idempotency"),
            row_tag: key("row-tag"),
            registry: key("registry"),
        }
    }

    /// The key that chains commits.
    pub fn chain(&self) -> ChainKey {
        ChainKey(self.chain.clone())
    }

    /// What is stored of an API key: HMAC-SHA-256 over its text.
    pub fn api_key_hash(&self, key: &ApiKey) -> [u8; 32] {
        digest(&hmac::sign(&self.api_key, key.expose_text().as_bytes()))
    }

    /// Digest of a request that may be repeated: HMAC-SHA-256 over the parts, each with its length (8 bytes) before it.
    pub fn idempotency_digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.idempotency);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        digest(&context.sign())
    }

    /// Tag of a stored row that is not sealed: the first 128 bits of HMAC-SHA-256 over its kind and bytes.
    pub fn row_tag(&self, kind: u8, clear: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.row_tag);
        context.update(&[kind]);
        context.update(clear);
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest(&context.sign());
        head
    }

    /// Whether a row bears its tag; takes the same time whatever the answer.
    pub fn row_tag_matches(&self, kind: u8, clear: &[u8], tag: &[u8; 16]) -> bool {
        self.row_tag(kind, clear).ct_eq(tag).into()
    }

    pub(crate) fn registry_tag(&self, bytes: &[u8]) -> [u8; 32] {
        digest(&hmac::sign(&self.registry, bytes))
    }
}

impl ChainKey {
    /// SHA-256.
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        for (slot, byte) in out.iter_mut().zip(sha::digest(&sha::SHA256, bytes).as_ref()) {
            *slot = *byte;
        }
        out
    }

    /// HMAC-SHA-256 over the concatenation of the parts.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        digest(&context.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> VaultKeys {
        VaultKeys::derive(&RootKey::from_boxed(Box::new([7; 32])), VaultId::from_bytes([9; 12]))
    }

    #[test]
    fn tags_tell_kind_and_bytes_apart() {
        let keys = keys();
        let tag = keys.row_tag(1, b"row");
        assert!(keys.row_tag_matches(1, b"row", &tag));
        assert!(!keys.row_tag_matches(2, b"row", &tag) && !keys.row_tag_matches(1, b"rox", &tag));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let keys = keys();
        assert_ne!(keys.idempotency_digest(&[b"ab", b"c"]), keys.idempotency_digest(&[b"a", b"bc"]));
    }

    #[test]
    fn the_chain_uses_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(keys().chain().digest(b"")), empty);
        assert_eq!(keys().chain().tag(&[b"a", b"b"]), keys().chain().tag(&[b"ab"]));
    }
}
