use aws_lc_rs::hmac;
use panvault_model::VaultId;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::xaes::KEY_BYTES;

/// The key above all keys: 256 bits, in memory only, wiped when it goes. It wraps the keys in a vault's header, and nothing else.
pub struct RootKey(Box<[u8; KEY_BYTES]>);

impl RootKey {
    /// Makes a new one.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        entropy.fill_secret(key.0.as_mut_slice())?;
        Ok(key)
    }

    pub(crate) fn from_boxed(bytes: Box<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// What a header keeps to tell a wrong root key from damage.
    pub(crate) fn derive_check_value(&self, vault: VaultId) -> [u8; 16] {
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *self.derive("header-check", vault);
        head
    }

    /// A key for one use in one vault: HMAC-SHA-256 over `panvault/2/` ‖ label ‖ `/` ‖ vault.
    pub(crate) fn derive(&self, label: &str, vault: VaultId) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()));
        for part in [b"panvault/2/".as_slice(), label.as_bytes(), b"/", vault.as_bytes()] {
            context.update(part);
        }
        Zeroizing::new(digest(&context.sign()))
    }

    /// The key, to be sealed to a slot.
    pub(crate) fn expose_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for RootKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The 32 bytes of an HMAC-SHA-256 tag.
pub(crate) fn digest(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(tag.as_ref()) {
        *slot = *byte;
    }
    bytes
}

/// The first 16 bytes of an HMAC-SHA-256 tag.
pub(crate) fn digest_head(tag: &hmac::Tag) -> [u8; 16] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_are_those_of_the_written_kdf() {
        let root = RootKey::from_boxed(Box::new([7; 32]));
        let vault = VaultId::from_bytes(*b"vault-number");
        // python3: hmac.new(bytes([7]*32), b"panvault/2/header-check/vault-number", "sha256").hexdigest()
        let expected = "aaa561ac406ff9315b8bb1c32f0b0728356280516ab7197a63c99c41a934605f";
        let derived = hex::encode(root.derive("header-check", vault).as_slice());
        assert_eq!(hex::encode(root.derive_check_value(vault)), derived[..32]);
        assert_eq!(derived, expected);
        assert_ne!(root.derive("header-check", vault), root.derive("header-mac", vault));
        let other = VaultId::from_bytes([0; 12]);
        assert_ne!(root.derive("header-check", vault), root.derive("header-check", other));
    }
}
