use panvault_model::{OrganisationId, Timestamp, VaultId};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::root::RootKey;
use crate::vault_keys::VaultKeys;
use crate::xaes::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes};

/// What a key is for. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Seals cards.
    Data,
    /// Makes fingerprints.
    Fingerprint,
}

/// What may still be done with a key. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens what was sealed before.
    OpenOnly,
    /// Gone.
    Destroyed,
}

/// A key of an organisation, wrapped by the root key and bound to what is said of it here.
pub struct RegistryEntry {
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
    nonce: [u8; NONCE_BYTES],
    wrapped: [u8; KEY_BYTES],
    tag: [u8; TAG_BYTES],
}

/// Every key of every organisation, wrapped, and authenticated as one.
pub struct Registry(Vec<RegistryEntry>);

const FORMAT: u8 = 1;
const ENTRY_BYTES: usize = 1 + 12 + 4 + 1 + 6 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const MAC_BYTES: usize = 32;

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Fingerprint => 2,
        }
    }
}

impl KeyState {
    const fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::OpenOnly => 2,
            Self::Destroyed => 3,
        }
    }
}

impl Registry {
    /// A registry without keys.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.0.iter()
    }

    /// Makes the first data key and the first fingerprint key of an organisation.
    pub fn organisation_add(
        &mut self,
        root: &RootKey,
        vault: VaultId,
        organisation: OrganisationId,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        if self.0.iter().any(|entry| entry.organisation == organisation) {
            return Err(KeysError::Exists);
        }
        for purpose in [Purpose::Data, Purpose::Fingerprint] {
            self.0.push(RegistryEntry::make(root, vault, purpose, organisation, now, entropy)?);
        }
        Ok(())
    }

    /// Its bytes, with a tag over all of them at the end.
    pub fn encode(&self, keys: &VaultKeys) -> Vec<u8> {
        let mut out = Vec::with_capacity(5 + self.0.len() * ENTRY_BYTES + MAC_BYTES);
        out.push(FORMAT);
        out.extend_from_slice(&u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        for entry in &self.0 {
            entry.encode_attributes(&mut out);
            out.push(entry.state.code());
            out.extend_from_slice(&entry.nonce);
            out.extend_from_slice(&entry.wrapped);
            out.extend_from_slice(&entry.tag);
        }
        let tag = keys.registry_tag(&out);
        out.extend_from_slice(&tag);
        out
    }

    /// Reads a registry. [`KeysError::RegistryDamaged`] when its tag does not verify.
    pub fn parse(bytes: &[u8], keys: &VaultKeys) -> Result<Self, KeysError> {
        let (body, tag) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(KeysError::RegistryDamaged)?;
        if !bool::from(keys.registry_tag(body).ct_eq(tag)) {
            return Err(KeysError::RegistryDamaged);
        }
        let ([FORMAT, count @ ..], rest) = body.split_first_chunk::<5>().ok_or(KeysError::RegistryDamaged)?
        else {
            return Err(KeysError::RegistryDamaged);
        };
        let (entries, rest) = rest.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || u32::try_from(entries.len()).ok() != Some(u32::from_be_bytes(*count)) {
            return Err(KeysError::RegistryDamaged);
        }
        entries
            .iter()
            .map(RegistryEntry::decode)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(KeysError::RegistryDamaged)
    }
}

impl RegistryEntry {
    fn make(
        root: &RootKey,
        vault: VaultId,
        purpose: Purpose,
        organisation: OrganisationId,
        created_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(key.as_mut_slice())?;
        let mut entry = Self {
            purpose,
            organisation,
            version: 1,
            state: KeyState::Active,
            created_at,
            nonce: [0; NONCE_BYTES],
            wrapped: [0; KEY_BYTES],
            tag: [0; TAG_BYTES],
        };
        entropy.fill(&mut entry.nonce)?;
        entry.tag =
            wrapping(root, vault)?.seal(&entry.nonce, &entry.associated(vault), key.as_mut_slice())?;
        entry.wrapped.copy_from_slice(key.as_slice());
        Ok(entry)
    }

    /// The key itself.
    pub(crate) fn unwrap(
        &self,
        root: &RootKey,
        vault: VaultId,
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        let mut key = Zeroizing::new(self.wrapped);
        wrapping(root, vault)?
            .open(&self.nonce, &self.associated(vault), key.as_mut_slice(), &self.tag)
            .map_err(|_| KeysError::RegistryDamaged)?;
        Ok(key)
    }

    fn encode_attributes(&self, out: &mut Vec<u8>) {
        out.push(self.purpose.code());
        out.extend_from_slice(self.organisation.as_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        let [_, _, millis @ ..] = self.created_at.unix_millis().to_be_bytes();
        out.extend_from_slice(&millis);
    }

    /// The state is not bound to the wrapped key: it changes, and the registry's tag covers it.
    fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut out = b"wrap/1".to_vec();
        out.extend_from_slice(vault.as_bytes());
        self.encode_attributes(&mut out);
        out
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (purpose, rest) = bytes.split_first()?;
        let (organisation, rest) = rest.split_first_chunk::<12>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let ([a, b, c, d, e, f], rest) = rest.split_first_chunk::<6>()?;
        let (state, rest) = rest.split_first()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (wrapped, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        Some(Self {
            purpose: [Purpose::Data, Purpose::Fingerprint]
                .into_iter()
                .find(|value| value.code() == *purpose)?,
            organisation: OrganisationId::from_bytes(*organisation),
            version: u32::from_be_bytes(*version),
            created_at: Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])),
            state: [KeyState::Active, KeyState::OpenOnly, KeyState::Destroyed]
                .into_iter()
                .find(|value| value.code() == *state)?,
            nonce: *nonce,
            wrapped: *wrapped,
            tag: rest.try_into().ok()?,
        })
    }
}

/// The key that wraps keys and nothing else.
fn wrapping(root: &RootKey, vault: VaultId) -> Result<Xaes, KeysError> {
    Xaes::new(&root.derive("wrap", vault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const VAULT: VaultId = VaultId::from_bytes([1; 12]);

    fn organisation(number: u8) -> OrganisationId {
        OrganisationId::from_bytes([number; 12])
    }

    fn filled(root: &RootKey) -> Registry {
        let mut registry = Registry::empty();
        for number in [2, 3] {
            let now = Timestamp::from_unix_millis(1_700_000_000_000);
            registry.organisation_add(root, VAULT, organisation(number), now, &SystemEntropy::new()).unwrap();
        }
        registry
    }

    #[test]
    fn reads_what_it_wrote() {
        let root = RootKey::make(&SystemEntropy::new()).unwrap();
        let keys = VaultKeys::derive(&root, VAULT);
        let registry = filled(&root);
        let bytes = registry.encode(&keys);
        assert_eq!(bytes.len(), 5 + 4 * ENTRY_BYTES + MAC_BYTES);
        let read = Registry::parse(&bytes, &keys).unwrap();
        assert_eq!(read.encode(&keys), bytes);
        for (a, b) in registry.entries().zip(read.entries()) {
            assert_eq!(a.unwrap(&root, VAULT).unwrap(), b.unwrap(&root, VAULT).unwrap());
        }
    }

    #[test]
    fn any_changed_byte_and_any_other_root_is_refused() {
        let root = RootKey::make(&SystemEntropy::new()).unwrap();
        let keys = VaultKeys::derive(&root, VAULT);
        let bytes = filled(&root).encode(&keys);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Registry::parse(&flipped, &keys).is_err(), "byte {at}");
            assert!(Registry::parse(&bytes[..at], &keys).is_err(), "cut at {at}");
        }
        let other = RootKey::make(&SystemEntropy::new()).unwrap();
        assert!(Registry::parse(&bytes, &VaultKeys::derive(&other, VAULT)).is_err());
    }

    /// An attacker who could forge the tag still cannot move a wrapped key: it is bound to what is said of it.
    #[test]
    fn a_wrapped_key_opens_only_as_what_it_is() {
        let root = RootKey::make(&SystemEntropy::new()).unwrap();
        let changes: [fn(&mut RegistryEntry); 5] = [
            |entry| entry.organisation = organisation(3),
            |entry| entry.purpose = Purpose::Fingerprint,
            |entry| entry.version = 2,
            |entry| entry.created_at = Timestamp::from_unix_millis(0),
            |entry| entry.wrapped[0] ^= 1,
        ];
        for change in changes {
            let mut registry = filled(&root);
            change(&mut registry.0[0]);
            assert!(registry.0[0].unwrap(&root, VAULT).is_err());
        }
        assert!(filled(&root).0[0].unwrap(&root, VaultId::from_bytes([9; 12])).is_err(), "another vault");
    }

    #[test]
    fn an_organisation_is_added_once() {
        let root = RootKey::make(&SystemEntropy::new()).unwrap();
        let mut registry = filled(&root);
        let now = Timestamp::from_unix_millis(0);
        let again = registry.organisation_add(&root, VAULT, organisation(2), now, &SystemEntropy::new());
        assert!(matches!(again, Err(KeysError::Exists)));
    }
}
