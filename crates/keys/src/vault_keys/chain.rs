//! The keys that chain commits. What is chained names its key.

use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::root::digest;
use crate::vault_keys::Versions;

/// The keys that chain commits, and did. They may outlive the others, know each version as soon as the vault has it.
pub struct ChainKeys {
    pub(super) keys: Arc<Versions<hmac::Key>>,
}

impl ChainKeys {
    /// For somebody who outlives these keys.
    pub fn share(&self) -> Self {
        Self { keys: Arc::clone(&self.keys) }
    }

    /// Version of the key that chains what is written now, behind what `least` chained: a chain goes from a key to a later one and never back, whoever has
    /// heard of what.
    pub fn version(&self, least: u16) -> u16 {
        let active = self.keys.active().0;
        if least > active && self.keys.of(least).is_some() { least } else { active }
    }

    /// HMAC-SHA-256 over the concatenation of the parts, under the key of a version; `None` where there is none, or no more.
    pub fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let key = self.keys.of(version)?;
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        Some(digest(&context.sign()))
    }

    /// Whether a version is later than all that are or were here.
    pub fn is_later(&self, version: u16) -> bool {
        self.keys.is_later(version)
    }
}
