use aws_lc_rs::hmac;
use panvault_model::VaultId;
use zeroize::{Zeroize, Zeroizing};

use crate::api_key::KeyMode;
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::xaes::KEY_BYTES;

/// The key above all keys: 256 bits, in memory only, wiped when it goes.
pub struct RootKey(Box<[u8; KEY_BYTES]>);

impl RootKey {
    /// Makes a new one.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        entropy.fill(key.0.as_mut_slice())?;
        Ok(key)
    }

    pub(crate) fn from_boxed(bytes: Box<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// Counts the root keys of a vault, from 1.
    pub const fn version(&self) -> u32 {
        1
    }

    /// What a vault keeps beside its id to tell a wrong root key from a damaged vault. Test and live differ, so that the
    /// key of one does not open what was made into the other.
    pub fn derive_check_value(&self, vault: VaultId, mode: KeyMode) -> [u8; 16] {
        let label = match mode {
            KeyMode::Test => "check/test",
            KeyMode::Live => "check/live",
        };
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *self.derive(label, vault);
        head
    }

    /// A key for one use in one vault: HMAC-SHA-256 over `panvault/1/` ‖ label ‖ `/` ‖ vault.
    pub(crate) fn derive(&self, label: &str, vault: VaultId) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()));
        for part in [b"panvault/1/".as_slice(), label.as_bytes(), b"/", vault.as_bytes()] {
            context.update(part);
        }
        Zeroizing::new(digest(&context.sign()))
    }

    /// The key, to be written into a slot.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_are_those_of_the_written_kdf() {
        let root = RootKey::from_boxed(Box::new([7; 32]));
        let vault = VaultId::from_bytes(*b"vault-number");
        // python3: hmac.new(bytes([7]*32), b"panvault/1/check/test/vault-number", "sha256").hexdigest()
        let expected = "b47b986de634ccf22d4789e5be1eadc6445b9a0ea069dda04e52a16db2895353";
        let derived = hex::encode(root.derive("check/test", vault).as_slice());
        assert_eq!(hex::encode(root.derive_check_value(vault, KeyMode::Test)), derived[..32]);
        assert_eq!(derived, expected);
        assert_ne!(root.derive("check/test", vault), root.derive("chain", vault));
        assert_ne!(
            root.derive_check_value(vault, KeyMode::Live),
            root.derive_check_value(vault, KeyMode::Test)
        );
        assert_ne!(root.derive("check/test", vault), root.derive("check/test", VaultId::from_bytes([0; 12])));
    }
}
