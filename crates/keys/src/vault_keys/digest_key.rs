use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::residue;
use crate::root::digest;

/// One version of the key that makes digests of requests that may be repeated.
pub struct DigestKey {
    pub(super) version: u16,
    pub(super) key: Arc<hmac::Key>,
}

impl DigestKey {
    /// Which version it is; goes into the record beside the digests.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// HMAC-SHA-256 over the parts, each with its length (8 bytes) before it.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        residue::hashed(|| {
            let mut context = hmac::Context::with_key(&self.key);
            for part in parts {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
            digest(&context.sign())
        })
    }
}
