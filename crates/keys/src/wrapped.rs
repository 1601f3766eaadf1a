use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::xaes::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes};

/// A key that another key wraps, bound to what is said of it. Nonce (24) · wrapped key (32) · tag (16).
#[derive(Clone, Copy)]
pub(crate) struct Wrapped {
    nonce: [u8; NONCE_BYTES],
    key: [u8; KEY_BYTES],
    tag: [u8; TAG_BYTES],
}

impl Wrapped {
    pub(crate) const BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

    /// What is left of a key that is destroyed.
    pub(crate) const NONE: Self = Self { nonce: [0; NONCE_BYTES], key: [0; KEY_BYTES], tag: [0; TAG_BYTES] };

    /// Whether it is what is left of a key.
    pub(crate) fn is_none(&self) -> bool {
        self.nonce == Self::NONE.nonce && self.key == Self::NONE.key && self.tag == Self::NONE.tag
    }

    /// Makes a random key and wraps it.
    pub(crate) fn make(wrapping: &Xaes, associated: &[u8], entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill_secret(key.as_mut_slice())?;
        Self::wrap(wrapping, associated, key, entropy)
    }

    /// Wraps a key.
    pub(crate) fn wrap(
        wrapping: &Xaes,
        associated: &[u8],
        mut key: Zeroizing<[u8; KEY_BYTES]>,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill_secret(&mut nonce)?;
        let tag = wrapping.seal(&nonce, associated, key.as_mut_slice())?;
        Ok(Self { nonce, key: *key, tag })
    }

    /// The key itself. [`KeysError::Refused`] under another wrapping key or with anything else said of it.
    pub(crate) fn unwrap(
        &self,
        wrapping: &Xaes,
        associated: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        let mut key = Zeroizing::new(self.key);
        wrapping.open(&self.nonce, associated, key.as_mut_slice(), &self.tag)?;
        Ok(key)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.tag);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        Some(Self { nonce: *nonce, key: *key, tag: rest.try_into().ok()? })
    }
}
