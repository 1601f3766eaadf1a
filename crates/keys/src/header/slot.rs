use panvault_model::{Timestamp, VaultId};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::hpke::{self, PUBLIC_BYTES, Sealed};
use crate::limits::SLOT_LABEL_BYTES_MAX;
use crate::root::RootKey;
use crate::slot::{
    NewSlot, PassphraseLock, PeerKind, PeerLock, Protection, ShareScheme, SlotKey, label_fits,
};
use crate::wrapped::Wrapped;
use crate::xaes::{KEY_BYTES, TAG_BYTES, Xaes};

/// A way to the root key: who has the private half of its pair opens it.
pub struct HeaderSlot {
    number: u16,
    created_at: Timestamp,
    label: String,
    pub(crate) public: [u8; PUBLIC_BYTES],
    pub(crate) protection: Protection,
    root: Sealed<KEY_BYTES>,
    /// What says that who sealed the root key had one: under the header's wrapping key.
    sender: Wrapped,
}

/// Which slot it is, for who has no header: nothing of what anybody called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDescription {
    /// Its number.
    pub number: u16,
    /// What protects its key, by the number that stands for it in a header.
    pub kind: u8,
}

/// A root key, what it wraps with, and what is bound to it in its header.
pub(super) struct Under<'r> {
    pub(super) root: &'r RootKey,
    pub(super) wrapping: Xaes,
    pub(super) context: [u8; 17],
}

const KEY_FILE: u8 = 1;
const PASSPHRASE: u8 = 2;
const SHARES: u8 = 3;
const PKCS11: u8 = 4;
const AWS_KMS: u8 = 5;
const TRANSIT: u8 = 6;
const SHARES_BYTES: usize = 1 + 1 + 4;
/// The longest protection is that of a peer.
const PROTECTION_BYTES_MAX: usize = PeerLock::BYTES_MAX;
const LENGTHS_BYTES: usize = 1 + 2;
const FIXED_BYTES: usize = 2 + 6 + 1 + PUBLIC_BYTES + PUBLIC_BYTES + KEY_BYTES + TAG_BYTES + Wrapped::BYTES;

impl HeaderSlot {
    /// Of a slot at most.
    pub(super) const BYTES_MAX: usize =
        FIXED_BYTES + LENGTHS_BYTES + SLOT_LABEL_BYTES_MAX + PROTECTION_BYTES_MAX;

    /// Which it is, from 1; no number comes twice.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// What it was called when it was made.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Since when it is.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The public half of its pair, which is no secret.
    pub const fn public(&self) -> &[u8; PUBLIC_BYTES] {
        &self.public
    }

    /// Which it is.
    pub(super) const fn described(&self) -> SlotDescription {
        SlotDescription { number: self.number, kind: self.kind() }
    }

    /// How its key is protected.
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    pub(super) fn make(
        new: NewSlot,
        number: u16,
        created_at: Timestamp,
        under: &Under<'_>,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let NewSlot { label, public, sender, protection } = new;
        let root =
            hpke::seal(&public, &sender, &info(&under.context, number), under.root.expose_bytes(), entropy)?;
        let sender = Wrapped::wrap(&under.wrapping, &associated(&under.context, number), sender, entropy)?;
        Ok(Self { number, created_at, label, public, protection, root, sender })
    }

    /// The same slot with this root key behind it.
    pub(super) fn resealed(
        &self,
        old: &Under<'_>,
        new: &Under<'_>,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let sender = self.sender.unwrap(&old.wrapping, &associated(&old.context, self.number));
        let (label, sender) = (self.label.clone(), sender.map_err(|_| KeysError::HeaderDamaged)?);
        let again = NewSlot { label, public: self.public, sender, protection: self.protection.clone() };
        Self::make(again, self.number, self.created_at, new, entropy)
    }

    /// The root key behind it.
    pub(super) fn open(&self, key: &SlotKey, context: &[u8]) -> Result<RootKey, KeysError> {
        let opened =
            hpke::open(&key.derive_private(), &key.derive_sender(), &info(context, self.number), &self.root);
        let opened = opened.map_err(|_| KeysError::HeaderDamaged)?;
        let mut bytes = Box::new([0; KEY_BYTES]);
        bytes.copy_from_slice(opened.as_slice());
        Ok(RootKey::from_boxed(bytes))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let [_, _, millis @ ..] = self.created_at.unix_millis().to_be_bytes();
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&millis);
        out.push(u8::try_from(self.label.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self.label.as_bytes());
        out.extend_from_slice(&self.public);
        out.extend_from_slice(&self.root.enc);
        out.extend_from_slice(&self.root.bytes);
        out.extend_from_slice(&self.root.tag);
        self.sender.encode(out);
        let (kind, mut protection) = (self.kind(), Vec::with_capacity(PROTECTION_BYTES_MAX));
        match &self.protection {
            Protection::KeyFile => {}
            Protection::Passphrase(lock) => lock.encode(&mut protection),
            Protection::Shares(ShareScheme { needed, made, set }) => {
                protection.extend_from_slice(&[*needed, *made]);
                protection.extend_from_slice(&set.to_be_bytes());
            }
            Protection::Peer(lock) => lock.encode(&mut protection),
        }
        out.push(kind);
        out.extend_from_slice(&u16::try_from(protection.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(&protection);
    }

    const fn kind(&self) -> u8 {
        match self.protection {
            Protection::KeyFile => KEY_FILE,
            Protection::Passphrase(_) => PASSPHRASE,
            Protection::Shares(_) => SHARES,
            Protection::Peer(ref lock) => match lock.kind() {
                PeerKind::Pkcs11 => PKCS11,
                PeerKind::AwsKms => AWS_KMS,
                PeerKind::Transit => TRANSIT,
            },
        }
    }

    /// Reads one, and gives what is behind it.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = bytes.split_first_chunk::<2>()?;
        let ([a, b, c, d, e, f], rest) = rest.split_first_chunk::<6>()?;
        let (label, rest) = with_length(rest)?;
        let (public, rest) = rest.split_first_chunk::<PUBLIC_BYTES>()?;
        let (enc, rest) = rest.split_first_chunk::<PUBLIC_BYTES>()?;
        let (root, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (tag, rest) = rest.split_first_chunk::<TAG_BYTES>()?;
        let (sender, rest) = rest.split_first_chunk::<{ Wrapped::BYTES }>()?;
        let ([kind], rest) = rest.split_first_chunk::<1>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (protection, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let label = core::str::from_utf8(label).ok().filter(|label| label_fits(label))?;
        let number = u16::from_be_bytes(*number);
        (number > 0).then_some(())?;
        let slot = Self {
            number,
            created_at: Timestamp::from_unix_millis(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])),
            label: label.to_owned(),
            public: *public,
            protection: decode_protection(*kind, protection)?,
            root: Sealed { enc: *enc, bytes: *root, tag: *tag },
            sender: Wrapped::decode(sender)?,
        };
        Some((slot, rest))
    }
}

/// What is sealed with the root key: which vault, which root key, which slot.
fn info(context: &[u8], number: u16) -> Vec<u8> {
    [b"slot/1".as_slice(), context, &number.to_be_bytes()].concat()
}

fn associated(context: &[u8], number: u16) -> Vec<u8> {
    [b"slot-sender/1".as_slice(), context, &number.to_be_bytes()].concat()
}

fn decode_protection(kind: u8, bytes: &[u8]) -> Option<Protection> {
    match kind {
        KEY_FILE => bytes.is_empty().then_some(Protection::KeyFile),
        PASSPHRASE => Some(Protection::Passphrase(PassphraseLock::decode(bytes)?)),
        SHARES => {
            let [needed, made, set @ ..]: &[u8; SHARES_BYTES] = bytes.try_into().ok()?;
            Some(Protection::Shares(ShareScheme::new(*needed, *made, u32::from_be_bytes(*set))?))
        }
        PKCS11 => Some(Protection::Peer(PeerLock::decode(PeerKind::Pkcs11, bytes)?)),
        AWS_KMS => Some(Protection::Peer(PeerLock::decode(PeerKind::AwsKms, bytes)?)),
        TRANSIT => Some(Protection::Peer(PeerLock::decode(PeerKind::Transit, bytes)?)),
        _ => None,
    }
}

fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// What every wrapped key and every sealed root of a header is bound to: vault, mode and which root key it is.
pub(super) fn context(vault: VaultId, mode: u8, root_version: u32) -> [u8; 17] {
    let mut out = [0; 17];
    let root_version = root_version.to_be_bytes();
    let parts = vault.as_bytes().iter().chain(core::slice::from_ref(&mode)).chain(&root_version);
    for (slot, byte) in out.iter_mut().zip(parts) {
        *slot = *byte;
    }
    out
}
