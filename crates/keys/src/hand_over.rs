//! What the nodes of a vault are told of its header while they serve: they have no root key, and could not open another header.

use base64ct::{Base64, Encoding};
use panvault_model::{Timestamp, VaultId};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::header::SlotDescription;
use crate::limits::{HEADER_KEYS_MAX, HEADER_SLOTS_MAX};
use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
use crate::root::RootKey;
use crate::vault_keys::VaultKeys;
use crate::wrapped::Wrapped;
use crate::xaes::Xaes;

/// Which header the documents name, which keys it has and what may be done with each, and, until every node has them, what is new among
/// these: under a key that every node has, and that comes of the key for the head of the documents.
#[derive(Clone)]
pub struct HandOver {
    header_version: u32,
    /// Version of the key for the head that what is wrapped here is under.
    head_key: u16,
    operator: Wrapped,
    keys: Vec<HandedKey>,
    slots: Vec<SlotDescription>,
}

/// What became of the slots of a header with its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChange {
    /// This one came.
    Added(SlotDescription),
    /// This one went.
    Removed(SlotDescription),
}

#[derive(Clone, Copy)]
pub(crate) struct HandedKey {
    pub(crate) described: VaultKeyDescription,
    /// Since when it is in its state; [`UNKNOWN`] where nobody noted that.
    since: Timestamp,
    /// [`Wrapped::NONE`] where every node has it.
    pub(crate) wrapped: Wrapped,
}

const FORMAT: u8 = 3;
const KEY_BYTES: usize = 1 + 2 + 1 + 6 + 6 + Wrapped::BYTES;
const SLOT_BYTES: usize = 2 + 1;
const FIXED_BYTES: usize = 1 + 4 + 2 + Wrapped::BYTES + 2;
const UNKNOWN: Timestamp = Timestamp::from_unix_millis(0);
/// Stands where a key has its purpose.
const OPERATOR: u8 = 0;

impl HandOver {
    /// Of a header with these keys, of which `new` are wrapped under the key `hand` that comes of this version of the key for the head.
    pub(crate) fn make(
        vault: VaultId,
        header_version: u32,
        root: &RootKey,
        (head_key, hand): (u16, &Xaes),
        (keys, slots): (Vec<VaultKeyDescription>, Vec<SlotDescription>),
        new: impl Fn(&VaultKeyDescription) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, KeysError>,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let wrap = |purpose, version, key| {
            Wrapped::wrap(hand, &associated(vault, header_version, purpose, version), key, entropy)
        };
        let operator = wrap(OPERATOR, 0, root.derive("operator", vault))?;
        let mut handed = Vec::with_capacity(keys.len());
        for described in keys {
            let wrapped = match new(&described)? {
                Some(key) => wrap(described.purpose.code(), described.version, key)?,
                None => Wrapped::NONE,
            };
            handed.push(HandedKey { described, since: UNKNOWN, wrapped });
        }
        Ok(Self { header_version, head_key, operator, keys: handed, slots })
    }

    /// Of the header that these keys came out of, which every node has.
    pub fn of(keys: &VaultKeys) -> Self {
        let key = |described| HandedKey { described, since: UNKNOWN, wrapped: Wrapped::NONE };
        let (header_version, slots) = (keys.header_version(), keys.slots());
        let keys = keys.descriptions().into_iter().map(key).collect();
        Self { header_version, head_key: 0, operator: Wrapped::NONE, keys, slots }
    }

    /// Which header it is of.
    pub const fn header_version(&self) -> u32 {
        self.header_version
    }

    /// Which keys there are, and what may be done with each.
    pub fn keys(&self) -> impl Iterator<Item = VaultKeyDescription> {
        self.keys.iter().map(|key| key.described)
    }

    /// Which slots there are, by number.
    pub fn slots(&self) -> &[SlotDescription] {
        &self.slots
    }

    /// The slot that came or went since an earlier header, where it is one.
    pub fn slot_change(&self, before: &Self) -> Option<SlotChange> {
        let missing = |of: &Self, slot: &SlotDescription| !of.slots.iter().any(|is| is.number == slot.number);
        let added = self.slots.iter().filter(|slot| missing(before, slot)).copied().map(SlotChange::Added);
        let removed =
            before.slots.iter().filter(|slot| missing(self, slot)).copied().map(SlotChange::Removed);
        let mut changes = added.chain(removed);
        changes.next().filter(|_| changes.next().is_none())
    }

    /// Version of the key that is active for a purpose.
    pub fn active(&self, purpose: VaultPurpose) -> Option<u16> {
        let is_it = |key: &VaultKeyDescription| key.purpose == purpose && key.state == KeyState::Active;
        self.keys().find(is_it).map(|key| key.version)
    }

    /// Whether there is something in it that a node may not have yet.
    pub fn hands(&self) -> bool {
        !self.operator.is_none() || self.keys.iter().any(|key| !key.wrapped.is_none())
    }

    /// The same when every node has what it hands over.
    #[must_use]
    pub fn taken(&self) -> Self {
        let keys = self.keys.iter().map(|key| HandedKey { wrapped: Wrapped::NONE, ..*key });
        let (keys, slots) = (keys.collect(), self.slots.clone());
        Self { operator: Wrapped::NONE, keys, slots, ..*self }
    }

    /// The same with no key less far than it was before.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for key in &mut self.keys {
            let (purpose, version) = (key.described.purpose, key.described.version);
            let is_it = |of: &&HandedKey| (of.described.purpose, of.described.version) == (purpose, version);
            let earlier = before.keys.iter().find(is_it);
            let is_further = |of: &&HandedKey| of.described.state.order() >= key.described.state.order();
            if let Some(earlier) = earlier.filter(is_further) {
                (key.described.state, key.since) = (earlier.described.state, earlier.since);
            }
        }
        self
    }

    /// The same with a key in another state from now on, if there is this key.
    #[must_use]
    pub fn with(mut self, purpose: VaultPurpose, version: u16, state: KeyState, now: Timestamp) -> Self {
        let is_it =
            |key: &&mut HandedKey| (key.described.purpose, key.described.version) == (purpose, version);
        if let Some(key) = self.keys.iter_mut().find(is_it) {
            (key.described.state, key.since) = (state, now);
        }
        self
    }

    /// Since when a key is in its state, where that was noted.
    pub fn since(&self, purpose: VaultPurpose, version: u16) -> Option<Timestamp> {
        let is_it = |key: &&HandedKey| (key.described.purpose, key.described.version) == (purpose, version);
        self.keys.iter().find(is_it).map(|key| key.since).filter(|since| *since != UNKNOWN)
    }

    pub(crate) fn handed(&self) -> &[HandedKey] {
        &self.keys
    }

    /// Version of the key for the head that what is handed over is under.
    pub const fn head_key(&self) -> u16 {
        self.head_key
    }

    /// The key of a command on a node's machine, if it is handed over.
    pub(crate) fn operator(
        &self,
        hand: &Xaes,
        vault: VaultId,
    ) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, KeysError> {
        self.unwrap(&self.operator, hand, vault, OPERATOR, 0)
    }

    /// A key of the vault, if it is handed over.
    pub(crate) fn key(
        &self,
        key: &HandedKey,
        hand: &Xaes,
        vault: VaultId,
    ) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, KeysError> {
        self.unwrap(&key.wrapped, hand, vault, key.described.purpose.code(), key.described.version)
    }

    fn unwrap(
        &self,
        wrapped: &Wrapped,
        hand: &Xaes,
        vault: VaultId,
        purpose: u8,
        version: u16,
    ) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, KeysError> {
        if wrapped.is_none() {
            return Ok(None);
        }
        wrapped.unwrap(hand, &associated(vault, self.header_version, purpose, version)).map(Some)
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(FIXED_BYTES + self.keys.len() * KEY_BYTES + 1 + self.slots.len() * SLOT_BYTES);
        out.push(FORMAT);
        out.extend_from_slice(&self.header_version.to_be_bytes());
        out.extend_from_slice(&self.head_key.to_be_bytes());
        self.operator.encode(&mut out);
        out.extend_from_slice(&u16::try_from(self.keys.len()).unwrap_or(u16::MAX).to_be_bytes());
        for HandedKey { described, since, wrapped } in &self.keys {
            let VaultKeyDescription { purpose, version, state, created_at } = described;
            out.push(purpose.code());
            out.extend_from_slice(&version.to_be_bytes());
            out.push(state.code());
            for moment in [created_at, since] {
                let [_, _, millis @ ..] = moment.unix_millis().to_be_bytes();
                out.extend_from_slice(&millis);
            }
            wrapped.encode(&mut out);
        }
        out.push(u8::try_from(self.slots.len()).unwrap_or(u8::MAX));
        for SlotDescription { number, kind } in &self.slots {
            out.extend_from_slice(&number.to_be_bytes());
            out.push(*kind);
        }
        out
    }

    /// Reads what [`HandOver::encode`] wrote; [`KeysError::HeaderDamaged`] when it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeysError> {
        Self::read(bytes).ok_or(KeysError::HeaderDamaged)
    }

    /// The same as text.
    pub fn encode_text(&self) -> String {
        Base64::encode_string(&self.encode())
    }

    /// Reads what [`HandOver::encode_text`] wrote; [`KeysError::HeaderDamaged`] when it is anything else.
    pub fn decode_text(text: &str) -> Result<Self, KeysError> {
        Self::decode(&Base64::decode_vec(text).map_err(|_| KeysError::HeaderDamaged)?)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let ([format], rest) = bytes.split_first_chunk::<1>()?;
        let (header_version, rest) = rest.split_first_chunk::<4>()?;
        let (head_key, rest) = rest.split_first_chunk::<2>()?;
        let (operator, rest) = rest.split_first_chunk::<{ Wrapped::BYTES }>()?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_be_bytes(*count));
        let (keys, rest) = rest.split_at_checked(count * KEY_BYTES)?;
        let ([slots], rest) = rest.split_first_chunk::<1>()?;
        let (described, behind) = rest.as_chunks::<SLOT_BYTES>();
        let is_whole = described.len() == usize::from(*slots) && behind.is_empty();
        let fits = count <= HEADER_KEYS_MAX && described.len() <= HEADER_SLOTS_MAX;
        (*format == FORMAT && is_whole && fits).then_some(())?;
        Some(Self {
            header_version: u32::from_be_bytes(*header_version),
            head_key: u16::from_be_bytes(*head_key),
            operator: Wrapped::decode(operator)?,
            keys: keys.as_chunks::<KEY_BYTES>().0.iter().map(read_key).collect::<Option<_>>()?,
            slots: described.iter().map(read_slot).collect(),
        })
    }
}

fn read_key(bytes: &[u8; KEY_BYTES]) -> Option<HandedKey> {
    let ([purpose, high, low, state], rest) = bytes.split_first_chunk::<4>()?;
    let (created_at, rest) = rest.split_first_chunk::<6>()?;
    let (since, wrapped) = rest.split_first_chunk::<6>()?;
    let moment = |[a, b, c, d, e, f]: [u8; 6]| {
        Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    };
    let described = VaultKeyDescription {
        purpose: VaultPurpose::from_code(*purpose)?,
        version: u16::from_be_bytes([*high, *low]),
        state: KeyState::from_code(*state)?,
        created_at: moment(*created_at),
    };
    Some(HandedKey { described, since: moment(*since), wrapped: Wrapped::decode(wrapped)? })
}

const fn read_slot([high, low, kind]: &[u8; SLOT_BYTES]) -> SlotDescription {
    SlotDescription { number: u16::from_be_bytes([*high, *low]), kind: *kind }
}

fn associated(vault: VaultId, header_version: u32, purpose: u8, version: u16) -> Vec<u8> {
    let mut out = b"hand-over/1".to_vec();
    out.extend_from_slice(vault.as_bytes());
    out.extend_from_slice(&header_version.to_be_bytes());
    out.push(purpose);
    out.extend_from_slice(&version.to_be_bytes());
    out
}

#[cfg(test)]
mod tests;
