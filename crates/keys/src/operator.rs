//! What a command on this machine proves itself by: that it has the root key.

mod handshake;
mod record;

use aws_lc_rs::hmac;
use panvault_model::VaultId;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::root::{RootKey, digest};
use crate::xaes::KEY_BYTES;

pub use handshake::{SocketClient, SocketHandshake, SocketServer};
pub use record::{RecordLength, RecordOpener, RecordSealer};

/// Stands for the root key where it has to be proved that one has it. Only a root key gives it, it opens nothing that is stored, and
/// the root key cannot be computed from it: so a server keeps this, and not the root key, for as long as it runs.
pub struct OperatorKey {
    vault: VaultId,
    key: hmac::Key,
}

impl RootKey {
    /// The operator key of a vault.
    pub fn derive_operator_key(&self, vault: VaultId) -> OperatorKey {
        OperatorKey::from_bytes(vault, &self.derive("operator", vault))
    }
}

impl OperatorKey {
    /// Of bytes that were derived for it.
    pub(crate) fn from_bytes(vault: VaultId, key: &[u8; KEY_BYTES]) -> Self {
        Self { vault, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Of which vault.
    pub const fn vault(&self) -> VaultId {
        self.vault
    }

    /// HMAC-SHA-256 over `panvault-socket/1/` ‖ label ‖ `/` ‖ vault ‖ parts. All that follows a label has the same length for all of
    /// its uses, so that no two read alike.
    fn derive(&self, label: &str, parts: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [b"panvault-socket/1/".as_slice(), label.as_bytes(), b"/", self.vault.as_bytes()] {
            context.update(part);
        }
        parts.iter().for_each(|part| context.update(part));
        Zeroizing::new(digest(&context.sign()))
    }

    /// Whether it is the same key; takes the same time whatever the answer.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.derive("check", &[]).ct_eq(other.derive("check", &[]).as_slice()).into()
    }
}

#[cfg(test)]
mod tests;
