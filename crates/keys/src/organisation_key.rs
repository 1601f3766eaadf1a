use panvault_model::{Id, OrganisationId, Timestamp, VaultId};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::purpose::KeyState;
use crate::vault_keys::VaultKeys;
use crate::wrapped::Wrapped;
use crate::xaes::{KEY_BYTES, Xaes};

/// What a key is for. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Seals cards.
    Data,
    /// Makes fingerprints.
    Fingerprint,
}

/// A key of an organisation, wrapped by the vault's wrapping key and bound to what is said of it here. Whoever keeps it also keeps
/// what says that it is genuine and the latest: a document's tag, and the head of the documents.
pub struct OrganisationKey {
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Counts the organisation's keys of this purpose, from 1.
    pub version: u32,
    /// What may still be done with it.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Names the document that keeps it, where that is known; no part of its bytes.
    pub document: Option<Id>,
    /// Version of the wrapping key.
    pub(crate) wrapping: u16,
    wrapped: Wrapped,
}

const FORMAT: u8 = 1;
/// Format 1 (1) · purpose (1) · organisation (12) · version (4) · made at (6) · version of the wrapping key (2) · state (1) · wrapped.
const BYTES: usize = 1 + 1 + 12 + 4 + 6 + 2 + 1 + Wrapped::BYTES;

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Data, Self::Fingerprint];

    const fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Fingerprint => 2,
        }
    }
}

impl OrganisationKey {
    /// Makes the first key of an organisation for a purpose, and wraps it.
    pub fn make(
        keys: &VaultKeys,
        purpose: Purpose,
        organisation: OrganisationId,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let (wrapping, key) = keys.wrapping();
        let mut made = Self {
            purpose,
            organisation,
            version: 1,
            state: KeyState::Active,
            created_at: now,
            document: None,
            wrapping,
            wrapped: Wrapped::NONE,
        };
        made.wrapped = Wrapped::make(key, &made.associated(keys.vault()), entropy)?;
        Ok(made)
    }

    /// What is left when it is destroyed: the wrapped bytes are gone, and what it sealed opens no more.
    #[must_use]
    pub fn destroyed(self) -> Self {
        Self { state: KeyState::Destroyed, wrapped: Wrapped::NONE, ..self }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.push(FORMAT);
        self.encode_attributes(&mut out);
        out.push(self.state.code());
        self.wrapped.encode(&mut out);
        out
    }

    /// Reads what [`OrganisationKey::encode`] wrote; [`KeysError::KeyDamaged`] when it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeysError> {
        bytes.try_into().ok().and_then(Self::read).ok_or(KeysError::KeyDamaged)
    }

    fn read(bytes: &[u8; BYTES]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let (purpose, rest) = rest.split_first()?;
        let (organisation, rest) = rest.split_first_chunk::<12>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let ([a, b, c, d, e, f], rest) = rest.split_first_chunk::<6>()?;
        let (wrapping, rest) = rest.split_first_chunk::<2>()?;
        let (state, rest) = rest.split_first()?;
        (*format == FORMAT).then_some(())?;
        Some(Self {
            purpose: Purpose::ALL.into_iter().find(|value| value.code() == *purpose)?,
            organisation: OrganisationId::from_bytes(*organisation),
            version: u32::from_be_bytes(*version),
            created_at: Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])),
            state: KeyState::from_code(*state)?,
            document: None,
            wrapping: u16::from_be_bytes(*wrapping),
            wrapped: Wrapped::decode(rest)?,
        })
    }

    /// The key itself, if `wrapping` is the key that wrapped it. [`KeysError::KeyDamaged`] when that is not so or anything that is said
    /// of it has changed.
    pub(crate) fn unwrap(
        &self,
        wrapping: Option<&Xaes>,
        vault: VaultId,
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        let wrapping = wrapping.ok_or(KeysError::KeyDamaged)?;
        self.wrapped.unwrap(wrapping, &self.associated(vault)).map_err(|_| KeysError::KeyDamaged)
    }

    fn encode_attributes(&self, out: &mut Vec<u8>) {
        out.push(self.purpose.code());
        out.extend_from_slice(self.organisation.as_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        let [_, _, millis @ ..] = self.created_at.unix_millis().to_be_bytes();
        out.extend_from_slice(&millis);
        out.extend_from_slice(&self.wrapping.to_be_bytes());
    }

    /// The state is not bound to the wrapped key: it changes, and the document's tag covers it.
    fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut out = b"wrap/2".to_vec();
        out.extend_from_slice(vault.as_bytes());
        self.encode_attributes(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::vectors::test_keys;

    const VAULT: VaultId = VaultId::from_bytes([1; 12]);

    fn organisation(number: u8) -> OrganisationId {
        OrganisationId::from_bytes([number; 12])
    }

    fn made(keys: &VaultKeys) -> OrganisationKey {
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        OrganisationKey::make(keys, Purpose::Data, organisation(2), now, &SystemEntropy::new()).unwrap()
    }

    fn unwrap(key: &OrganisationKey, keys: &VaultKeys) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        key.unwrap(keys.wrapping_of(key.wrapping), keys.vault())
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let keys = test_keys(1, VAULT);
        let key = made(&keys);
        let bytes = key.encode();
        assert_eq!(bytes.len(), 99);
        let read = OrganisationKey::decode(&bytes).unwrap();
        assert_eq!(read.encode(), bytes);
        assert_eq!(unwrap(&read, &keys).unwrap(), unwrap(&key, &keys).unwrap());
        for length in 0..bytes.len() {
            assert!(matches!(OrganisationKey::decode(&bytes[..length]), Err(KeysError::KeyDamaged)));
        }
        assert!(OrganisationKey::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        // Format, purpose and state.
        for at in [0, 1, 26] {
            let mut changed = bytes.clone();
            changed[at] = 99;
            assert!(OrganisationKey::decode(&changed).is_err(), "byte {at}");
        }
    }

    /// An attacker who could forge the tag still cannot move a wrapped key: it is bound to what is said of it.
    #[test]
    fn a_wrapped_key_opens_only_as_what_it_is() {
        let keys = test_keys(1, VAULT);
        let changes: [fn(&mut OrganisationKey); 6] = [
            |key| key.organisation = organisation(3),
            |key| key.purpose = Purpose::Fingerprint,
            |key| key.version = 2,
            |key| key.created_at = Timestamp::from_unix_millis(0),
            |key| key.wrapping = 2,
            |key| key.wrapped = Wrapped::NONE,
        ];
        for change in changes {
            let mut key = made(&keys);
            assert!(unwrap(&key, &keys).is_ok());
            change(&mut key);
            assert!(matches!(unwrap(&key, &keys), Err(KeysError::KeyDamaged)));
        }
        // The same keys, in another vault; other keys, in the same.
        assert!(unwrap(&made(&keys), &test_keys(1, VaultId::from_bytes([9; 12]))).is_err());
        assert!(unwrap(&made(&keys), &test_keys(2, VAULT)).is_err());
    }

    #[test]
    fn a_destroyed_key_leaves_nothing_but_its_name() {
        let keys = test_keys(1, VAULT);
        let destroyed = OrganisationKey::decode(&made(&keys).destroyed().encode()).unwrap();
        assert_eq!((destroyed.state, destroyed.version), (KeyState::Destroyed, 1));
        assert_eq!(destroyed.encode()[27..], [0; 72]);
        assert!(unwrap(&destroyed, &keys).is_err());
    }
}
