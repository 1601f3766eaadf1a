use std::path::Path;

use panvault_keys::{Entropy, HeaderSlot, PeerKind, PeerLock, SlotKey};
use panvault_model::{Timestamp, VaultId};
use zeroize::Zeroizing;

use crate::fault::PeerFault;
use crate::kms::Kms;
use crate::token::Token;
use crate::transit::Transit;

/// Reads a file with a secret, which others may not read; in words what is wrong with it, and never what is in it.
pub type ReadSecret = fn(&Path) -> Result<Zeroizing<String>, String>;

/// What protects the keys of slots, as the settings name it.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A token that is spoken to by PKCS#11.
    Pkcs11(Token),
    /// AWS KMS.
    AwsKms(Kms),
    /// A transit engine.
    Transit(Transit),
}

/// What a wrapped key is bound to: which vault, and which slot by the public half of its pair.
#[derive(Clone, Copy)]
pub struct Context {
    vault: VaultId,
    public: [u8; 32],
}

impl Context {
    /// That of a slot in a header.
    pub const fn of_slot(vault: VaultId, slot: &HeaderSlot) -> Self {
        Self { vault, public: *slot.public() }
    }

    /// That of a slot that is to be made; `None` where its key has no public half.
    pub fn of_key(vault: VaultId, key: &SlotKey) -> Option<Self> {
        Some(Self { vault, public: key.public().ok()? })
    }

    pub(crate) fn vault(&self) -> String {
        self.vault.to_string()
    }

    pub(crate) fn slot(&self) -> String {
        hex::encode(self.public)
    }

    /// As one text of bytes, for peers that take no names.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [b"panvault-slot/1".as_slice(), self.vault.as_bytes(), &self.public].concat()
    }
}

/// What of the outside a peer is asked with.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The time, which some requests are signed with.
    pub now: Timestamp,
    /// Randomness, for those who want some of ours.
    pub entropy: &'a dyn Entropy,
}

impl Peer {
    /// Its kind.
    pub const fn kind(&self) -> PeerKind {
        match self {
            Self::Pkcs11(_) => PeerKind::Pkcs11,
            Self::AwsKms(_) => PeerKind::AwsKms,
            Self::Transit(_) => PeerKind::Transit,
        }
    }

    /// Who it is, in words, by what the settings say.
    pub fn describe(&self) -> String {
        match self {
            Self::Pkcs11(token) => token.describe(),
            Self::AwsKms(kms) => kms.describe(),
            Self::Transit(transit) => transit.describe(),
        }
    }

    /// Whether a slot is under the key that the settings name. Others it is not asked for.
    pub fn names(&self, lock: &PeerLock) -> bool {
        let (place, key) = match self {
            Self::Pkcs11(token) => token.names(),
            Self::AwsKms(kms) => kms.names(),
            Self::Transit(transit) => transit.names(),
        };
        lock.kind() == self.kind() && lock.place() == place && lock.key() == key
    }

    /// Wraps the key of a new slot, and sees that it comes back.
    pub async fn wrap(&self, key: &SlotKey, context: Context, env: Env<'_>) -> Result<PeerLock, PeerFault> {
        let wrapped = match self {
            Self::Pkcs11(token) => token.wrap(key, context, env).await,
            Self::AwsKms(kms) => kms.wrap(key, context, env).await,
            Self::Transit(transit) => transit.wrap(key, context).await,
        };
        let lock = wrapped.map_err(|fault| fault.of(self.describe()))?;
        let again = self.unwrap(&lock, context, env).await?;
        if again.public().is_ok_and(|public| public == context.public) {
            Ok(lock)
        } else {
            Err(crate::fault::Fault::refused("it gives back another key than it was given")
                .of(self.describe()))
        }
    }

    /// Unwraps the key of a slot. Whether it is the right one is seen where it opens the header.
    pub async fn unwrap(
        &self,
        lock: &PeerLock,
        context: Context,
        env: Env<'_>,
    ) -> Result<SlotKey, PeerFault> {
        let unwrapped = match self {
            Self::Pkcs11(token) => token.unwrap(lock, context).await,
            Self::AwsKms(kms) => kms.unwrap(lock, context, env).await,
            Self::Transit(transit) => transit.unwrap(lock, context).await,
        };
        unwrapped.map(|bytes| SlotKey::from_bytes(&bytes)).map_err(|fault| fault.of(self.describe()))
    }
}
