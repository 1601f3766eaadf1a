use panvault_model::{OrganisationId, Tag, Timestamp, VaultId};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::purpose::KeyState;
use crate::vault_keys::VaultKeys;
use crate::wrapped::Wrapped;
use crate::xaes::KEY_BYTES;

/// What a key is for. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Seals cards.
    Data,
    /// Makes fingerprints.
    Fingerprint,
}

/// A key of an organisation, wrapped by the vault's wrapping key and bound to what is said of it here.
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
    /// Version of the wrapping key.
    wrapping: u16,
    wrapped: Wrapped,
}

/// Every key of every organisation, wrapped, and authenticated as one.
pub struct Registry(Vec<RegistryEntry>);

const FORMAT: u8 = 2;
const ENTRY_BYTES: usize = 1 + 12 + 4 + 6 + 2 + 1 + Wrapped::BYTES;
const TAG_BYTES: usize = 2 + 16;

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Fingerprint => 2,
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
        keys: &VaultKeys,
        organisation: OrganisationId,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        if self.0.iter().any(|entry| entry.organisation == organisation) {
            return Err(KeysError::Exists);
        }
        for purpose in [Purpose::Data, Purpose::Fingerprint] {
            self.0.push(RegistryEntry::make(keys, purpose, organisation, now, entropy)?);
        }
        Ok(())
    }

    /// Destroys a key: its wrapped bytes go, and what it sealed opens no more. [`KeysError::KeyUnknown`] when there is none.
    pub fn destroy(
        &mut self,
        purpose: Purpose,
        organisation: OrganisationId,
        version: u32,
    ) -> Result<(), KeysError> {
        let of = |entry: &&mut RegistryEntry| {
            (entry.purpose, entry.organisation, entry.version) == (purpose, organisation, version)
        };
        let entry = self.0.iter_mut().find(of).ok_or(KeysError::KeyUnknown)?;
        entry.state = KeyState::Destroyed;
        entry.wrapped = Wrapped::NONE;
        Ok(())
    }

    /// Its bytes, with a tag over all of them at the end.
    pub fn encode(&self, keys: &VaultKeys) -> Vec<u8> {
        let mut out = Vec::with_capacity(5 + self.0.len() * ENTRY_BYTES + TAG_BYTES);
        out.push(FORMAT);
        out.extend_from_slice(&u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        for entry in &self.0 {
            entry.encode_attributes(&mut out);
            out.push(entry.state.code());
            entry.wrapped.encode(&mut out);
        }
        let tag = keys.registry_tag(&out);
        out.extend_from_slice(&tag.key.to_be_bytes());
        out.extend_from_slice(&tag.bytes);
        out
    }

    /// Reads a registry. [`KeysError::RegistryDamaged`] when its tag does not verify.
    pub fn parse(bytes: &[u8], keys: &VaultKeys) -> Result<Self, KeysError> {
        let (body, [high, low, tag @ ..]) =
            bytes.split_last_chunk::<TAG_BYTES>().ok_or(KeysError::RegistryDamaged)?;
        let tag = Tag { key: u16::from_be_bytes([*high, *low]), bytes: *tag };
        if !keys.registry_tag_matches(body, &tag) {
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
        keys: &VaultKeys,
        purpose: Purpose,
        organisation: OrganisationId,
        created_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let (wrapping, key) = keys.wrapping();
        let state = KeyState::Active;
        let mut entry =
            Self { purpose, organisation, version: 1, state, created_at, wrapping, wrapped: Wrapped::NONE };
        entry.wrapped = Wrapped::make(key, &entry.associated(keys.vault()), entropy)?;
        Ok(entry)
    }

    /// The key itself.
    pub(crate) fn unwrap(&self, keys: &VaultKeys) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeysError> {
        let key = keys.wrapping_of(self.wrapping).ok_or(KeysError::RegistryDamaged)?;
        self.wrapped.unwrap(key, &self.associated(keys.vault())).map_err(|_| KeysError::RegistryDamaged)
    }

    fn encode_attributes(&self, out: &mut Vec<u8>) {
        out.push(self.purpose.code());
        out.extend_from_slice(self.organisation.as_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        let [_, _, millis @ ..] = self.created_at.unix_millis().to_be_bytes();
        out.extend_from_slice(&millis);
        out.extend_from_slice(&self.wrapping.to_be_bytes());
    }

    /// The state is not bound to the wrapped key: it changes, and the registry's tag covers it.
    fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut out = b"wrap/2".to_vec();
        out.extend_from_slice(vault.as_bytes());
        self.encode_attributes(&mut out);
        out
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (purpose, rest) = bytes.split_first()?;
        let (organisation, rest) = rest.split_first_chunk::<12>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let ([a, b, c, d, e, f], rest) = rest.split_first_chunk::<6>()?;
        let (wrapping, rest) = rest.split_first_chunk::<2>()?;
        let (state, rest) = rest.split_first()?;
        Some(Self {
            purpose: [Purpose::Data, Purpose::Fingerprint]
                .into_iter()
                .find(|value| value.code() == *purpose)?,
            organisation: OrganisationId::from_bytes(*organisation),
            version: u32::from_be_bytes(*version),
            created_at: Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])),
            state: KeyState::from_code(*state)?,
            wrapping: u16::from_be_bytes(*wrapping),
            wrapped: Wrapped::decode(rest)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::vectors::test_keys;

    fn organisation(number: u8) -> OrganisationId {
        OrganisationId::from_bytes([number; 12])
    }

    fn keys() -> VaultKeys {
        test_keys(1, VaultId::from_bytes([1; 12]))
    }

    fn filled(keys: &VaultKeys) -> Registry {
        let mut registry = Registry::empty();
        for number in [2, 3] {
            let now = Timestamp::from_unix_millis(1_700_000_000_000);
            registry.organisation_add(keys, organisation(number), now, &SystemEntropy::new()).unwrap();
        }
        registry
    }

    #[test]
    fn reads_what_it_wrote() {
        let keys = keys();
        let registry = filled(&keys);
        let bytes = registry.encode(&keys);
        assert_eq!(bytes.len(), 5 + 4 * ENTRY_BYTES + TAG_BYTES);
        let read = Registry::parse(&bytes, &keys).unwrap();
        assert_eq!(read.encode(&keys), bytes);
        for (a, b) in registry.entries().zip(read.entries()) {
            assert_eq!(a.unwrap(&keys).unwrap(), b.unwrap(&keys).unwrap());
        }
    }

    #[test]
    fn any_changed_byte_and_any_other_vault_is_refused() {
        let keys = keys();
        let bytes = filled(&keys).encode(&keys);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Registry::parse(&flipped, &keys).is_err(), "byte {at}");
            assert!(Registry::parse(&bytes[..at], &keys).is_err(), "cut at {at}");
        }
        assert!(Registry::parse(&bytes, &test_keys(2, VaultId::from_bytes([1; 12]))).is_err());
    }

    /// An attacker who could forge the tag still cannot move a wrapped key: it is bound to what is said of it.
    #[test]
    fn a_wrapped_key_opens_only_as_what_it_is() {
        let keys = keys();
        let changes: [fn(&mut RegistryEntry); 6] = [
            |entry| entry.organisation = organisation(3),
            |entry| entry.purpose = Purpose::Fingerprint,
            |entry| entry.version = 2,
            |entry| entry.created_at = Timestamp::from_unix_millis(0),
            |entry| entry.wrapping = 2,
            |entry| entry.wrapped = Wrapped::NONE,
        ];
        for change in changes {
            let mut registry = filled(&keys);
            assert!(registry.0[0].unwrap(&keys).is_ok());
            change(&mut registry.0[0]);
            assert!(registry.0[0].unwrap(&keys).is_err());
        }
        // The same keys, in another vault.
        assert!(filled(&keys).0[0].unwrap(&test_keys(1, VaultId::from_bytes([9; 12]))).is_err());
    }

    #[test]
    fn an_organisation_is_added_once() {
        let keys = keys();
        let mut registry = filled(&keys);
        let now = Timestamp::from_unix_millis(0);
        let again = registry.organisation_add(&keys, organisation(2), now, &SystemEntropy::new());
        assert!(matches!(again, Err(KeysError::Exists)));
    }

    #[test]
    fn a_destroyed_key_leaves_nothing_but_its_name() {
        let keys = keys();
        let mut registry = filled(&keys);
        let unknown = registry.destroy(Purpose::Data, organisation(2), 2);
        assert!(matches!(unknown, Err(KeysError::KeyUnknown)));
        registry.destroy(Purpose::Data, organisation(2), 1).unwrap();
        let read = Registry::parse(&registry.encode(&keys), &keys).unwrap();
        assert_eq!(read.0[0].state, KeyState::Destroyed);
        assert!(read.0[0].unwrap(&keys).is_err());
        assert!(read.0[1].unwrap(&keys).is_ok());
    }
}
