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
#[derive(Clone)]
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
    /// Since when it seals or makes; `None` where it does not yet.
    pub active_from: Option<Timestamp>,
    /// Until when it did.
    pub active_until: Option<Timestamp>,
    /// When it was destroyed; of one that only opens, when it is to be, once nothing is made with it any more.
    pub destroyed_at: Option<Timestamp>,
    /// Names the document that keeps it, where that is known; no part of its bytes.
    pub document: Option<Id>,
    /// Version of the wrapping key.
    pub(crate) wrapping: u16,
    wrapped: Wrapped,
}

const FORMAT: u8 = 2;
/// Format 2 (1) · purpose (1) · organisation (12) · version (4) · made at (6) · version of the wrapping key (2) · state (1) · active from (6) ·
/// active until (6) · destroyed at (6) · wrapped.
const BYTES: usize = 1 + 1 + 12 + 4 + 6 + 2 + 1 + 3 * TIME_BYTES + Wrapped::BYTES;
const TIME_BYTES: usize = 6;

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Data, Self::Fingerprint];

    const fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Fingerprint => 2,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Fingerprint => "fingerprint",
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
        let first = Self::make_version(keys, purpose, organisation, 1, now, entropy)?;
        Ok(first.activated(now))
    }

    /// Makes the key that is to take the place of this one, and wraps it. It does nothing until it is activated.
    pub fn make_next(
        &self,
        keys: &VaultKeys,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let version = self.version.checked_add(1).ok_or(KeysError::Exists)?;
        Self::make_version(keys, self.purpose, self.organisation, version, now, entropy)
    }

    fn make_version(
        keys: &VaultKeys,
        purpose: Purpose,
        organisation: OrganisationId,
        version: u32,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let (wrapping, key) = keys.wrapping();
        let mut made = Self {
            purpose,
            organisation,
            version,
            state: KeyState::PreActive,
            created_at: now,
            active_from: None,
            active_until: None,
            destroyed_at: None,
            document: None,
            wrapping,
            wrapped: Wrapped::NONE,
        };
        made.wrapped = Wrapped::make(&key, &made.associated(keys.vault()), entropy)?;
        Ok(made)
    }

    /// The key as one that seals or makes from now on.
    #[must_use]
    pub fn activated(self, now: Timestamp) -> Self {
        Self { state: KeyState::Active, active_from: Some(now), ..self }
    }

    /// The key as one that only opens or checks from now on, for another took its place.
    #[must_use]
    pub fn retired(self, now: Timestamp) -> Self {
        Self { state: KeyState::OpenOnly, active_until: Some(now), ..self }
    }

    /// The key as one that nothing needs from this moment on.
    #[must_use]
    pub fn ending(self, at: Timestamp) -> Self {
        Self { destroyed_at: Some(at), ..self }
    }

    /// Whether another wrapping key wraps it than the one that wraps new keys now.
    pub fn needs_rewrap(&self, keys: &VaultKeys) -> bool {
        self.state != KeyState::Destroyed && self.wrapping != keys.wrapping().0
    }

    /// The same key, wrapped with the key that wraps new ones. [`KeysError::KeyDamaged`] where it does not open as what it is.
    pub fn rewrap(self, keys: &VaultKeys, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let (before, (wrapping, key)) = (keys.wrappings(), keys.wrapping());
        let unwrapped = self.unwrap(before.of(self.wrapping).as_deref(), keys.vault())?;
        let mut rewrapped = Self { wrapping, wrapped: Wrapped::NONE, ..self };
        rewrapped.wrapped = Wrapped::wrap(&key, &rewrapped.associated(keys.vault()), unwrapped, entropy)?;
        Ok(rewrapped)
    }

    /// What is left when it is destroyed: the wrapped bytes are gone, and what it sealed opens no more.
    #[must_use]
    pub fn destroyed(self, now: Timestamp) -> Self {
        let active_until = self.active_until.or(self.active_from.map(|_| now));
        let destroyed_at = Some(now);
        Self { state: KeyState::Destroyed, active_until, destroyed_at, wrapped: Wrapped::NONE, ..self }
    }

    /// What may be said of it anywhere: all but the wrapped key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { wrapped: Wrapped::NONE, ..self.clone() }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.push(FORMAT);
        self.encode_attributes(&mut out);
        out.push(self.state.code());
        for at in [self.active_from, self.active_until, self.destroyed_at] {
            out.extend_from_slice(&time_encode(at.unwrap_or(Timestamp::from_unix_millis(0))));
        }
        self.wrapped.encode(&mut out);
        out
    }

    /// Reads what [`OrganisationKey::encode`] wrote; [`KeysError::KeyDamaged`] when it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeysError> {
        Self::read(bytes).ok_or(KeysError::KeyDamaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let (purpose, rest) = rest.split_first()?;
        let (organisation, rest) = rest.split_first_chunk::<12>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (created_at, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let (wrapping, rest) = rest.split_first_chunk::<2>()?;
        let (state, rest) = rest.split_first()?;
        let (active_from, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let (active_until, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let (destroyed_at, wrapped) = rest.split_first_chunk::<TIME_BYTES>()?;
        if *format != FORMAT {
            return None;
        }
        Some(Self {
            purpose: Purpose::ALL.into_iter().find(|value| value.code() == *purpose)?,
            organisation: OrganisationId::from_bytes(*organisation),
            version: u32::from_be_bytes(*version),
            created_at: time_decode(*created_at),
            active_from: time_read(*active_from),
            active_until: time_read(*active_until),
            destroyed_at: time_read(*destroyed_at),
            state: KeyState::from_code(*state)?,
            document: None,
            wrapping: u16::from_be_bytes(*wrapping),
            wrapped: Wrapped::decode(wrapped)?,
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
        out.extend_from_slice(&time_encode(self.created_at));
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

const fn time_encode(at: Timestamp) -> [u8; TIME_BYTES] {
    let [_, _, millis @ ..] = at.unix_millis().to_be_bytes();
    millis
}

const fn time_decode([a, b, c, d, e, f]: [u8; TIME_BYTES]) -> Timestamp {
    Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

/// A time that may not have come.
fn time_read(bytes: [u8; TIME_BYTES]) -> Option<Timestamp> {
    Some(time_decode(bytes)).filter(|at| at.unix_millis() > 0)
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
        key.unwrap(keys.wrapping_of(key.wrapping).as_deref(), keys.vault())
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let keys = test_keys(1, VAULT);
        let key = made(&keys);
        let bytes = key.encode();
        assert_eq!(bytes.len(), 117);
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
        // Nor as the format before, which had neither bytes 27 to 44 nor a release.
        let first = [&[1], &bytes[1..27], &bytes[45..]].concat();
        assert!(OrganisationKey::decode(&first).is_err());
        assert!(OrganisationKey::decode(&[&[1], &bytes[1..]].concat()).is_err());
    }

    #[test]
    fn a_key_says_when_it_was_what() {
        let keys = test_keys(1, VAULT);
        let (first, at) = (made(&keys), Timestamp::from_unix_millis);
        let next = first.make_next(&keys, at(5), &SystemEntropy::new()).unwrap();
        assert_eq!((next.version, next.state, next.active_from), (2, KeyState::PreActive, None));
        assert_ne!(unwrap(&next, &keys).unwrap(), unwrap(&first, &keys).unwrap());
        let again = |key: OrganisationKey| OrganisationKey::decode(&key.encode()).unwrap();
        let key = again(again(again(next).activated(at(6))).retired(at(7)));
        assert_eq!((key.state, key.created_at), (KeyState::OpenOnly, at(5)));
        assert!(unwrap(&key, &keys).is_ok(), "what changes is not what it is bound to");
        let key = again(key.destroyed(at(8)));
        assert_eq!(
            (key.active_from, key.active_until, key.destroyed_at),
            (Some(at(6)), Some(at(7)), Some(at(8)))
        );
        let key = first.destroyed(at(9));
        assert_eq!(
            (key.active_until, key.destroyed_at),
            (Some(at(9)), Some(at(9))),
            "out of the active state"
        );
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
        let destroyed =
            OrganisationKey::decode(&made(&keys).destroyed(Timestamp::from_unix_millis(7)).encode()).unwrap();
        assert_eq!((destroyed.state, destroyed.version), (KeyState::Destroyed, 1));
        assert_eq!(destroyed.encode()[45..], [0; 72]);
        assert!(unwrap(&destroyed, &keys).is_err());
    }
}
