use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding};
use panvault_model::{Timestamp, VaultId};
use subtle::ConstantTimeEq;

use crate::api_key::KeyMode;
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::hand_over::HandOver;
use crate::header::entry::HeaderKey;
use crate::limits::{HEADER_BYTES_MAX, HEADER_KEYS_MAX, HEADER_SLOTS_MAX};
use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
use crate::root::{RootKey, digest};
use crate::slot::{NewSlot, SlotKey};
use crate::vault_keys::VaultKeys;
use crate::xaes::Xaes;

mod change;
mod entry;
mod slot;

pub use self::slot::{HeaderSlot, SlotDescription};

/// A vault's keys, each wrapped by the root key, the slots that open that, and what is said of them: which vault, test or live, how
/// often the header changed; all of it authenticated as one. It is read before anything else, and is no secret.
///
/// [`Header::parse`] finds damage without a key; nothing in a header is believed before [`Header::open`].
pub struct Header {
    version: u32,
    vault: VaultId,
    mode: KeyMode,
    root_version: u32,
    /// Tells another root key from a changed header; says nothing of the key.
    check: [u8; CHECK_BYTES],
    keys: Vec<HeaderKey>,
    /// Slots made so far: the next has the number after it.
    slots_made: u16,
    slots: Vec<HeaderSlot>,
    mac: [u8; MAC_BYTES],
}

const MAGIC: &[u8; 8] = b"PANVKEYS";
const FORMAT: u16 = 5;
const CHECK_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

impl Header {
    /// Makes the header of a new vault: version 1, with the first key of each purpose and its first slot.
    pub fn make(
        root: &RootKey,
        slot: NewSlot,
        vault: VaultId,
        mode: KeyMode,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut header = Self::unkeyed(1, vault, mode, 1);
        let wrapping = header.wrapping(root)?;
        for purpose in VaultPurpose::ALL {
            let context = header.context();
            let first = (purpose, 1, KeyState::Active);
            header.keys.push(HeaderKey::make(&wrapping, &context, first, now, entropy)?);
        }
        header.slot_push(slot, root, now, entropy)?;
        Ok(header.authenticated(root))
    }

    /// Reads a header that [`Header::encode`] wrote. [`KeysError::HeaderDamaged`] when it was cut or changed by accident;
    /// [`KeysError::HeaderFormat`] when a later version wrote it.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeysError> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(KeysError::HeaderDamaged)?;
        if bytes.len() > HEADER_BYTES_MAX || crc32fast::hash(body).to_be_bytes() != *checksum {
            return Err(KeysError::HeaderDamaged);
        }
        let ([magic @ .., high, low], rest) =
            body.split_first_chunk::<10>().ok_or(KeysError::HeaderDamaged)?;
        if magic != MAGIC {
            return Err(KeysError::HeaderDamaged);
        }
        match u16::from_be_bytes([*high, *low]) {
            FORMAT => Self::decode(rest).ok_or(KeysError::HeaderDamaged),
            format => Err(KeysError::HeaderFormat { format }),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_authenticated();
        out.extend_from_slice(&self.mac);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    /// The same as text.
    pub fn encode_text(&self) -> String {
        Base64::encode_string(&self.encode())
    }

    /// Whether it says of itself that it is of this vault. [`KeysError::HeaderOfOtherVault`] or [`KeysError::HeaderOfOtherMode`] where it does not.
    pub fn is_of(&self, vault: VaultId, mode: KeyMode) -> Result<(), KeysError> {
        if self.vault != vault {
            return Err(KeysError::HeaderOfOtherVault);
        }
        if self.mode != mode {
            return Err(KeysError::HeaderOfOtherMode);
        }
        Ok(())
    }

    /// The root key, by the key of one of the slots. [`KeysError::SlotUnknown`] where it is of none. What is said in the header is not
    /// authenticated before [`Header::open`].
    pub fn root(&self, key: &SlotKey) -> Result<RootKey, KeysError> {
        let public = key.public()?;
        let slot = self.slots.iter().find(|slot| slot.public == public).ok_or(KeysError::SlotUnknown)?;
        slot.open(key, &self.context())
    }

    /// The number of the slot that a key is of. [`KeysError::SlotUnknown`] where it is of none.
    pub fn slot_of(&self, key: &SlotKey) -> Result<u16, KeysError> {
        let public = key.public()?;
        let slot = self.slots.iter().find(|slot| slot.public == public);
        slot.map(HeaderSlot::number).ok_or(KeysError::SlotUnknown)
    }

    /// The ways to the root key, in the order in which they were made.
    pub fn slots(&self) -> &[HeaderSlot] {
        &self.slots
    }

    /// Opens the keys of a vault.
    ///
    /// [`KeysError::HeaderOfOtherVault`], [`KeysError::HeaderOfOtherMode`]: it says itself that it is not this vault's.
    /// [`KeysError::RootKeyWrong`]: another root key wraps its keys. [`KeysError::HeaderDamaged`]: somebody without the root key
    /// changed it.
    pub fn open(&self, root: &RootKey, vault: VaultId, mode: KeyMode) -> Result<VaultKeys, KeysError> {
        self.is_of(vault, mode)?;
        self.verify(root)?;
        let wrapping = self.wrapping(root)?;
        let context = self.context();
        let operator = root.derive_operator_key(vault);
        let keys = VaultKeys::open(vault, self.version, operator, |purpose| {
            self.keys
                .iter()
                .filter(|key| key.purpose == purpose && key.state != KeyState::Destroyed)
                .map(|key| Ok((key.version, key.state, key.unwrap(&wrapping, &context)?)))
                .collect()
        })?;
        let described = self.keys.iter().map(HeaderKey::described).collect();
        Ok(keys.described(described, self.slots.iter().map(HeaderSlot::described).collect()))
    }

    /// What nodes that serve are told of this header: all that is said of its keys, the operator key, and those keys that nothing is made with
    /// yet, which they may not have.
    pub fn hand_over(&self, root: &RootKey, entropy: &dyn Entropy) -> Result<HandOver, KeysError> {
        self.hand_over_by(&self.open(root, self.vault, self.mode)?, root, entropy)
    }

    /// The same where documents that name a header of before say how far its keys have come: what is handed over is under the key for their head that is active by now, which this
    /// header may not know. [`KeysError::HeaderOlder`] where they name a key that is not in it.
    pub fn hand_over_after(
        &self,
        root: &RootKey,
        named: &HandOver,
        entropy: &dyn Entropy,
    ) -> Result<HandOver, KeysError> {
        let keys = self.open(root, self.vault, self.mode)?;
        keys.take(named)?;
        self.hand_over_by(&keys, root, entropy)
    }

    fn hand_over_by(
        &self,
        keys: &VaultKeys,
        root: &RootKey,
        entropy: &dyn Entropy,
    ) -> Result<HandOver, KeysError> {
        let (wrapping, context) = (self.wrapping(root)?, self.context());
        let new = |described: &VaultKeyDescription| {
            let is_it =
                |key: &&HeaderKey| (key.purpose, key.version) == (described.purpose, described.version);
            let key = self.keys.iter().find(is_it).filter(|key| key.state == KeyState::PreActive);
            key.map(|key| key.unwrap(&wrapping, &context)).transpose()
        };
        let (head_key, hand) = keys.hand();
        HandOver::make(
            self.vault,
            self.version,
            root,
            (head_key, hand.as_ref()),
            (keys.descriptions(), keys.slots()),
            new,
            entropy,
        )
    }

    /// Counts the changes of the header, from 1. Not to be believed before it was opened.
    pub const fn version(&self) -> u32 {
        self.version
    }

    const fn unkeyed(version: u32, vault: VaultId, mode: KeyMode, root_version: u32) -> Self {
        let (check, mac) = ([0; CHECK_BYTES], [0; MAC_BYTES]);
        Self {
            version,
            vault,
            mode,
            root_version,
            check,
            keys: Vec::new(),
            slots_made: 0,
            slots: Vec::new(),
            mac,
        }
    }

    fn authenticated(mut self, root: &RootKey) -> Self {
        self.check = root.derive_check_value(self.vault);
        self.mac = self.derive_mac(root);
        self
    }

    fn verify(&self, root: &RootKey) -> Result<(), KeysError> {
        if !bool::from(root.derive_check_value(self.vault).ct_eq(&self.check)) {
            return Err(KeysError::RootKeyWrong);
        }
        if bool::from(self.derive_mac(root).ct_eq(&self.mac)) {
            Ok(())
        } else {
            Err(KeysError::HeaderDamaged)
        }
    }

    fn derive_mac(&self, root: &RootKey) -> [u8; MAC_BYTES] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, root.derive("header-mac", self.vault).as_slice());
        digest(&hmac::sign(&key, &self.encode_authenticated()))
    }

    /// The key that wraps the keys of the header and nothing else.
    fn wrapping(&self, root: &RootKey) -> Result<Xaes, KeysError> {
        Xaes::new(&root.derive("header-wrap", self.vault))
    }

    /// What every wrapped key and every sealed root key is bound to beside its own attributes.
    fn context(&self) -> [u8; 17] {
        slot::context(self.vault, mode_code(self.mode), self.root_version)
    }

    fn encode_authenticated(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            64 + self.keys.len() * HeaderKey::BYTES + self.slots.len() * HeaderSlot::BYTES_MAX,
        );
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(self.vault.as_bytes());
        out.push(mode_code(self.mode));
        out.extend_from_slice(&self.root_version.to_be_bytes());
        out.extend_from_slice(&self.check);
        out.extend_from_slice(&u16::try_from(self.keys.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.keys.iter().for_each(|key| key.encode(&mut out));
        out.extend_from_slice(&self.slots_made.to_be_bytes());
        out.push(u8::try_from(self.slots.len()).unwrap_or(u8::MAX));
        self.slots.iter().for_each(|slot| slot.encode(&mut out));
        out
    }

    /// Reads all between the format and the checksum.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<4>()?;
        let (vault, rest) = rest.split_first_chunk::<12>()?;
        let ([mode], rest) = rest.split_first_chunk::<1>()?;
        let (root_version, rest) = rest.split_first_chunk::<4>()?;
        let (check, rest) = rest.split_first_chunk::<CHECK_BYTES>()?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let (rest, mac) = rest.split_last_chunk::<MAC_BYTES>()?;
        let count = usize::from(u16::from_be_bytes(*count));
        let (entries, rest) = rest.split_at_checked(count * HeaderKey::BYTES)?;
        let keys = entries.as_chunks::<{ HeaderKey::BYTES }>().0.iter().map(HeaderKey::decode);
        let keys: Vec<_> = keys.collect::<Option<_>>()?;
        let (slots_made, rest) = rest.split_first_chunk::<2>()?;
        let slots_made = u16::from_be_bytes(*slots_made);
        let slots = decode_slots(rest)?;
        // One form: what says the same has the same bytes.
        let sorted = keys.is_sorted_by(|key, later| key.place() < later.place())
            && slots.is_sorted_by(|slot, later| slot.number() < later.number())
            && slots.last().is_some_and(|slot| slot.number() <= slots_made);
        if count > HEADER_KEYS_MAX || !sorted {
            return None;
        }
        Some(Self {
            version: u32::from_be_bytes(*version),
            vault: VaultId::from_bytes(*vault),
            mode: [KeyMode::Test, KeyMode::Live].into_iter().find(|value| mode_code(*value) == *mode)?,
            root_version: u32::from_be_bytes(*root_version),
            check: *check,
            keys,
            slots_made,
            slots,
            mac: *mac,
        })
    }
}

/// Reads all slots, and nothing behind them.
fn decode_slots(bytes: &[u8]) -> Option<Vec<HeaderSlot>> {
    let (count, mut rest) = bytes.split_first()?;
    let mut slots = Vec::new();
    for _ in 0..*count {
        let (slot, behind) = HeaderSlot::decode(rest)?;
        slots.push(slot);
        rest = behind;
    }
    (rest.is_empty() && slots.len() <= HEADER_SLOTS_MAX).then_some(slots)
}

const fn mode_code(mode: KeyMode) -> u8 {
    match mode {
        KeyMode::Test => 1,
        KeyMode::Live => 2,
    }
}

#[cfg(test)]
mod tests;
