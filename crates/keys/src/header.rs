use aws_lc_rs::hmac;
use panvault_model::{Timestamp, VaultId};
use subtle::ConstantTimeEq;

use crate::api_key::KeyMode;
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::header::entry::HeaderKey;
use crate::limits::{HEADER_BYTES_MAX, HEADER_KEYS_MAX, PURPOSE_VERSIONS_MAX};
use crate::purpose::{KeyState, VaultPurpose};
use crate::root::{RootKey, digest};
use crate::vault_keys::VaultKeys;
use crate::xaes::Xaes;

mod entry;

/// A vault's keys, each wrapped by the root key, and authenticated as one with what is said of them: which vault, test or live, how
/// often the header changed. It is read before anything else, and is no secret.
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
    mac: [u8; MAC_BYTES],
}

const MAGIC: &[u8; 8] = b"PANVKEYS";
const FORMAT: u16 = 1;
const CHECK_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

impl Header {
    /// Makes the header of a new vault: version 1, with the first key of each purpose.
    pub fn make(
        root: &RootKey,
        vault: VaultId,
        mode: KeyMode,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut header = Self::unkeyed(1, vault, mode, 1);
        let wrapping = header.wrapping(root)?;
        for purpose in VaultPurpose::ALL {
            let context = header.context();
            header.keys.push(HeaderKey::make(&wrapping, &context, purpose, 1, now, entropy)?);
        }
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

    /// Opens the keys of a vault.
    ///
    /// [`KeysError::HeaderOfOtherVault`], [`KeysError::HeaderOfOtherMode`]: it says itself that it is not this vault's.
    /// [`KeysError::RootKeyWrong`]: another root key wraps its keys. [`KeysError::HeaderDamaged`]: somebody without the root key
    /// changed it.
    pub fn open(&self, root: &RootKey, vault: VaultId, mode: KeyMode) -> Result<VaultKeys, KeysError> {
        if self.vault != vault {
            return Err(KeysError::HeaderOfOtherVault);
        }
        if self.mode != mode {
            return Err(KeysError::HeaderOfOtherMode);
        }
        self.verify(root)?;
        let wrapping = self.wrapping(root)?;
        let context = self.context();
        let operator = root.derive_operator_key(vault).derive_check();
        VaultKeys::open(vault, self.version, operator, |purpose| {
            self.keys
                .iter()
                .filter(|key| key.purpose == purpose && key.state != KeyState::Destroyed)
                .map(|key| Ok((key.version, key.state, key.unwrap(&wrapping, &context)?)))
                .collect()
        })
    }

    /// The same keys under another root key, as the next version of the header.
    pub fn rewrap(&self, old: &RootKey, new: &RootKey, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        self.verify(old)?;
        let mut header = Self::unkeyed(next(self.version)?, self.vault, self.mode, next(self.root_version)?);
        let (old_wrapping, old_context) = (self.wrapping(old)?, self.context());
        let (new_wrapping, new_context) = (header.wrapping(new)?, header.context());
        for key in &self.keys {
            let rewrapped = key.rewrap(&old_wrapping, &old_context, &new_wrapping, &new_context, entropy)?;
            header.keys.push(rewrapped);
        }
        Ok(header.authenticated(new))
    }

    /// With a new key for one purpose, as the next version of the header. The one before opens or checks what was made with it.
    ///
    /// [`KeysError::NotRenewable`] for the chain, whose frames do not name their key, and when as many versions are open as may be.
    pub fn renew(
        &self,
        root: &RootKey,
        purpose: VaultPurpose,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        self.verify(root)?;
        let open = |key: &&HeaderKey| key.purpose == purpose && key.state != KeyState::Destroyed;
        if purpose == VaultPurpose::AuditChain
            || self.keys.iter().filter(open).count() >= PURPOSE_VERSIONS_MAX
            || self.keys.len() >= HEADER_KEYS_MAX
        {
            return Err(KeysError::NotRenewable);
        }
        let mut header = Self::unkeyed(next(self.version)?, self.vault, self.mode, self.root_version);
        let (wrapping, context) = (header.wrapping(root)?, header.context());
        let mut newest = 0;
        for key in &self.keys {
            let mut kept = key.rewrap(&wrapping, &self.context(), &wrapping, &context, entropy)?;
            if key.purpose == purpose {
                newest = newest.max(key.version);
                if key.state == KeyState::Active {
                    kept.state = KeyState::OpenOnly;
                }
            }
            header.keys.push(kept);
        }
        let version = newest.checked_add(1).ok_or(KeysError::NotRenewable)?;
        header.keys.push(HeaderKey::make(&wrapping, &context, purpose, version, now, entropy)?);
        header.keys.sort_unstable_by_key(HeaderKey::place);
        Ok(header.authenticated(root))
    }

    /// Counts the changes of the header, from 1. Not to be believed before it was opened.
    pub const fn version(&self) -> u32 {
        self.version
    }

    const fn unkeyed(version: u32, vault: VaultId, mode: KeyMode, root_version: u32) -> Self {
        let (check, mac) = ([0; CHECK_BYTES], [0; MAC_BYTES]);
        Self { version, vault, mode, root_version, check, keys: Vec::new(), mac }
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

    /// What every wrapped key is bound to beside its own attributes.
    fn context(&self) -> [u8; 17] {
        let mut out = [0; 17];
        let mode = [mode_code(self.mode)];
        let root_version = self.root_version.to_be_bytes();
        let parts = self.vault.as_bytes().iter().chain(&mode).chain(&root_version);
        for (slot, byte) in out.iter_mut().zip(parts) {
            *slot = *byte;
        }
        out
    }

    fn encode_authenticated(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(64 + self.keys.len() * HeaderKey::BYTES + MAC_BYTES + CHECKSUM_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(self.vault.as_bytes());
        out.push(mode_code(self.mode));
        out.extend_from_slice(&self.root_version.to_be_bytes());
        out.extend_from_slice(&self.check);
        out.extend_from_slice(&u16::try_from(self.keys.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.keys.iter().for_each(|key| key.encode(&mut out));
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
        let (keys, mac) = rest.split_last_chunk::<MAC_BYTES>()?;
        let (entries, rest) = keys.as_chunks::<{ HeaderKey::BYTES }>();
        let counted = usize::from(u16::from_be_bytes(*count)) == entries.len();
        if !counted || !rest.is_empty() || entries.len() > HEADER_KEYS_MAX {
            return None;
        }
        let keys: Vec<_> = entries.iter().map(HeaderKey::decode).collect::<Option<_>>()?;
        // One form: what says the same has the same bytes.
        if !keys.is_sorted_by(|key, later| key.place() < later.place()) {
            return None;
        }
        Some(Self {
            version: u32::from_be_bytes(*version),
            vault: VaultId::from_bytes(*vault),
            mode: [KeyMode::Test, KeyMode::Live].into_iter().find(|value| mode_code(*value) == *mode)?,
            root_version: u32::from_be_bytes(*root_version),
            check: *check,
            keys,
            mac: *mac,
        })
    }
}

const fn mode_code(mode: KeyMode) -> u8 {
    match mode {
        KeyMode::Test => 1,
        KeyMode::Live => 2,
    }
}

/// A header that has no next version is not one that a vault wrote.
fn next(version: u32) -> Result<u32, KeysError> {
    version.checked_add(1).ok_or(KeysError::HeaderDamaged)
}

#[cfg(test)]
mod tests;
