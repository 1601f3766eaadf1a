//! Slots: ways to come by the root key, of which any one opens. Each has a key pair (X25519): the root key is sealed to the public half, in the header, and
//! what the private half comes of is what a slot protects. So a new root key is sealed to all slots without anybody who has to bring something.

mod gf256;
mod key_file;
mod passphrase;
mod peer;
mod shares;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::header::Header;
use crate::hpke::{PUBLIC_BYTES, public_of};
use crate::limits::SLOT_LABEL_BYTES_MAX;
use crate::root::digest;
use crate::xaes::KEY_BYTES;

pub use self::key_file::KeyFile;
pub use self::passphrase::{Passphrase, PassphraseLock};
pub use self::peer::{PeerKind, PeerLock};
pub use self::shares::{Share, ShareScheme, Shares};

/// Where the key of a slot comes from when a vault is opened.
pub trait Slot: Send + Sync {
    /// Gets the key of the slot. What the header says of slots is not authenticated yet: the key is right if it opens the header.
    fn open(&self, header: &Header) -> Result<SlotKey, KeysError>;
    /// What it is, in words, without anything secret.
    fn describe(&self) -> String;
}

/// What a slot protects. Of it come the private half of its key pair, and the key that says that who sealed to the public half had the vault's root key. Wiped
/// when it goes.
pub struct SlotKey(Box<[u8; KEY_BYTES]>);

impl Drop for SlotKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SlotKey {
    /// Makes a new one.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        entropy.fill_secret(key.0.as_mut_slice())?;
        Ok(key)
    }

    pub(crate) fn from_boxed(bytes: Box<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// One that a peer has given back.
    pub fn from_bytes(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(Box::new(**bytes))
    }

    /// What the root key is sealed to: no secret, and of this key alone, so that it says which slot it is.
    pub fn public(&self) -> Result<[u8; PUBLIC_BYTES], KeysError> {
        public_of(&self.derive_private())
    }

    /// The private half of its pair.
    pub(crate) fn derive_private(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        self.derive(b"panvault/slot-private/1")
    }

    /// What whoever seals to the slot has too: it is in the header, under the root key. Without it anybody who can write a header could seal a root key
    /// of their own to a slot, whose public half is no secret.
    pub(crate) fn derive_sender(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        self.derive(b"panvault/slot-sender/1")
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        Zeroizing::new(digest(&hmac::sign(&key, label)))
    }

    /// The key, to be protected or to open with.
    pub fn expose_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Slot for SlotKey {
    /// A copy of itself: who has it has come by it already.
    fn open(&self, _: &Header) -> Result<SlotKey, KeysError> {
        Ok(Self(self.0.clone()))
    }

    fn describe(&self) -> String {
        "slot's key".to_owned()
    }
}

/// How the private half of a slot is protected, as far as a header says it.
#[derive(Clone)]
pub enum Protection {
    /// It is in a file, which its owner alone can read.
    KeyFile,
    /// A passphrase opens it.
    Passphrase(PassphraseLock),
    /// Custodians have shares of it.
    Shares(ShareScheme),
    /// Something else has wrapped it under a key of its own.
    Peer(PeerLock),
}

impl Protection {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::KeyFile => "key_file",
            Self::Passphrase(_) => "passphrase",
            Self::Shares(_) => "shares",
            Self::Peer(lock) => lock.kind().name(),
        }
    }
}

/// A slot that is to be added to a header.
pub struct NewSlot {
    pub(crate) label: String,
    pub(crate) public: [u8; PUBLIC_BYTES],
    pub(crate) sender: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) protection: Protection,
}

impl NewSlot {
    /// The slot whose key was put into a file.
    pub fn of_key_file(key: &SlotKey, label: &str) -> Result<Self, KeysError> {
        Self::new(key, label, Protection::KeyFile)
    }

    /// The slot of a new key under a passphrase.
    pub fn of_passphrase(
        passphrase: &Passphrase,
        label: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let key = SlotKey::make(entropy)?;
        let lock = passphrase.lock(&key, entropy)?;
        Self::new(&key, label, Protection::Passphrase(lock))
    }

    /// The slot of a new key in shares. The key itself is not kept anywhere.
    pub fn of_shares(
        scheme: ShareScheme,
        label: &str,
        entropy: &dyn Entropy,
    ) -> Result<(Self, Vec<Share>), KeysError> {
        let key = SlotKey::make(entropy)?;
        let shares = shares::split(&key, scheme, entropy)?;
        Ok((Self::new(&key, label, Protection::Shares(scheme))?, shares))
    }

    /// The slot whose key a peer has wrapped.
    pub fn of_peer(key: &SlotKey, label: &str, lock: PeerLock) -> Result<Self, KeysError> {
        Self::new(key, label, Protection::Peer(lock))
    }

    /// The public half of its pair, which is no secret.
    pub const fn public(&self) -> &[u8; PUBLIC_BYTES] {
        &self.public
    }

    fn new(key: &SlotKey, label: &str, protection: Protection) -> Result<Self, KeysError> {
        if !label_fits(label) {
            return Err(KeysError::SlotLabel);
        }
        Ok(Self { label: label.to_owned(), public: key.public()?, sender: key.derive_sender(), protection })
    }
}

/// Whether a slot may be called so: what a terminal shows as it is, and that says something.
pub(crate) fn label_fits(label: &str) -> bool {
    let visible =
        |character: char| character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric();
    (1..=SLOT_LABEL_BYTES_MAX).contains(&label.len()) && label.trim() == label && label.chars().all(visible)
}
