use panvault_model::Timestamp;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
use crate::wrapped::Wrapped;
use crate::xaes::{KEY_BYTES, Xaes};

/// A key of the vault, wrapped, and bound to what is said of it here. The state is not bound: it changes, and the header's MAC
/// covers it.
pub(super) struct HeaderKey {
    pub(super) purpose: VaultPurpose,
    pub(super) version: u16,
    pub(super) state: KeyState,
    created_at: Timestamp,
    wrapped: Wrapped,
}

impl HeaderKey {
    pub(super) const BYTES: usize = 1 + 2 + 6 + 1 + Wrapped::BYTES;

    /// Makes a key. `context` is what all keys of the header are bound to.
    pub(super) fn make(
        wrapping: &Xaes,
        context: &[u8],
        (purpose, version, state): (VaultPurpose, u16, KeyState),
        created_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut key = Self { purpose, version, state, created_at, wrapped: Wrapped::NONE };
        key.wrapped = Wrapped::make(wrapping, &key.associated(context), entropy)?;
        Ok(key)
    }

    /// The same key, wrapped anew. One that is destroyed stays so.
    pub(super) fn rewrap(
        &self,
        old: &Xaes,
        old_context: &[u8],
        new: &Xaes,
        new_context: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let wrapped = match self.state {
            KeyState::PreActive | KeyState::Active | KeyState::OpenOnly => {
                let key = self.unwrap(old, old_context)?;
                Wrapped::wrap(new, &self.associated(new_context), key, entropy)?
            }
            KeyState::Destroyed => Wrapped::NONE,
        };
        Ok(Self { wrapped, ..*self })
    }

    /// What is left of it when it is destroyed.
    pub(super) const fn destroyed(&self) -> Self {
        Self { state: KeyState::Destroyed, wrapped: Wrapped::NONE, ..*self }
    }

    /// The key itself.
    pub(super) fn unwrap(
        &self,
        wrapping: &Xaes,
        context: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        self.wrapped.unwrap(wrapping, &self.associated(context)).map_err(|_| KeysError::HeaderDamaged)
    }

    /// What may be said of it.
    pub(super) const fn described(&self) -> VaultKeyDescription {
        let Self { purpose, version, state, created_at, .. } = *self;
        VaultKeyDescription { purpose, version, state, created_at }
    }

    /// Its state among these, where it has come further than is said here.
    pub(super) fn further(&self, states: &[VaultKeyDescription]) -> Option<KeyState> {
        let is_it = |of: &&VaultKeyDescription| (of.purpose, of.version) == (self.purpose, self.version);
        let state = states.iter().find(is_it).map(|of| of.state);
        state.filter(|state| state.order() > self.state.order())
    }

    /// What keys are sorted by.
    pub(super) const fn place(&self) -> (u8, u16) {
        (self.purpose.code(), self.version)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.attributes());
        out.push(self.state.code());
        self.wrapped.encode(out);
    }

    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let ([purpose, a, b, millis @ .., state], wrapped) = bytes.split_first_chunk::<10>()?;
        let [c, d, e, f, g, h] = *millis;
        let version = u16::from_be_bytes([*a, *b]);
        (version > 0).then_some(())?;
        let state = KeyState::from_code(*state)?;
        Some(Self {
            purpose: VaultPurpose::from_code(*purpose)?,
            version,
            created_at: Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, c, d, e, f, g, h])),
            state,
            wrapped: Wrapped::decode(wrapped)?,
        })
    }

    fn associated(&self, context: &[u8]) -> Vec<u8> {
        [b"purpose/1".as_slice(), context, &self.attributes()].concat()
    }

    const fn attributes(&self) -> [u8; 9] {
        let [a, b] = self.version.to_be_bytes();
        let [_, _, c, d, e, f, g, h] = self.created_at.unix_millis().to_be_bytes();
        [self.purpose.code(), a, b, c, d, e, f, g, h]
    }
}
