use std::io;
use std::path::PathBuf;

use panvault_directory::Unsafe;

/// Why a key operation failed. Says nothing of keys or plaintext.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The random source failed or repeats itself.
    #[error("the random source failed")]
    Entropy,
    /// There is no such key in the ring.
    #[error("the organisation has no such key")]
    KeyUnknown,
    /// A record was sealed with a key that is later than those in the ring: another node has it.
    #[error("the record was sealed with a later key of the organisation")]
    KeyLater,
    /// The key was destroyed, and what it sealed is gone with it.
    #[error("the key was destroyed")]
    KeyDestroyed,
    /// Sealed bytes do not open in this place.
    #[error("sealed bytes do not open in this place")]
    Refused,
    /// The plaintext is longer than is sealed.
    #[error("the plaintext is too long to be sealed")]
    TooLong,
    /// A cipher refused to work.
    #[error("the cipher refused to work")]
    Cipher,
    /// The header was cut, or a byte of it was changed.
    #[error("the header of keys is damaged")]
    HeaderDamaged,
    /// The header is whole, and a later version wrote it.
    #[error("the header of keys has format {format}, which this version does not know")]
    HeaderFormat {
        /// The number of its format.
        format: u16,
    },
    /// The header is another vault's.
    #[error("the header of keys is that of another vault")]
    HeaderOfOtherVault,
    /// The header is of a test vault and this is a live one, or the reverse.
    #[error("the header of keys is of the other mode, test or live")]
    HeaderOfOtherMode,
    /// The root key is not the one that wraps the keys in the header.
    #[error("the root key does not open the header of keys")]
    RootKeyWrong,
    /// The key is of no slot of this header.
    #[error("the key opens no slot of this vault")]
    SlotUnknown,
    /// There is no slot of this kind.
    #[error("the vault has no slot of the kind {kind}")]
    SlotOfKindMissing {
        /// Its name.
        kind: &'static str,
    },
    /// There is no other slot.
    #[error("it is the only slot of the vault; add another before this one goes")]
    SlotLast,
    /// There are as many slots as may be.
    #[error("the vault has as many slots as it may have; remove one")]
    SlotsFull,
    /// A slot cannot be called so.
    #[error("what a slot is called must be 1 to 64 bytes of letters, digits, signs and spaces between them")]
    SlotLabel,
    /// The passphrase opens no slot.
    #[error("the passphrase opens no slot of this vault")]
    PassphraseWrong,
    /// There is not as much memory as deriving a key takes.
    #[error("there are no {kib} KiB of memory, which the slot's passphrase takes")]
    PassphraseMemory {
        /// KiB that it takes.
        kib: u32,
    },
    /// Shares do not give a slot's key.
    #[error(transparent)]
    Share(#[from] ShareFault),
    /// The documents were written under a later header: this one was rolled back.
    #[error("the header of keys is older than the documents: it was rolled back")]
    HeaderOlder,
    /// The documents do not know of this header or the one before: they were rolled back.
    #[error("the header of keys is newer than the documents allow: they were rolled back")]
    HeaderNewer,
    /// A key of this purpose has no versions beside the first.
    #[error("a key of this purpose cannot be renewed")]
    NotRenewable,
    /// A key of an organisation was changed from outside, or belongs to another vault.
    #[error("a key of an organisation does not open as what it is said to be")]
    KeyDamaged,
    /// The organisation has a key of this purpose and version already.
    #[error("the organisation has two keys of one purpose and version")]
    Exists,
    /// The other end of the socket does not have the root key of this vault.
    #[error("it did not prove that it has the root key of this vault")]
    SocketUnproved,
    /// The other end of the socket is of another version.
    #[error("it speaks protocol {protocol} of the socket, and this version another")]
    SocketProtocol {
        /// The number that it said.
        protocol: u16,
    },
    /// The key file cannot be used.
    #[error("key file {path}: {fault}", path = path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: KeyFileFault,
    },
}

/// What is wrong with a passphrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PassphraseFault {
    /// It is too short for a slot.
    #[error("a passphrase has at least 15 characters: some words that do not belong together are best")]
    Short,
    /// It is longer than any.
    #[error("a passphrase has at most 1,024 bytes")]
    Long,
}

/// What is wrong with shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShareFault {
    /// It is something else.
    #[error("that is not a share: it begins with panvault-share-1")]
    NotAShare,
    /// There is a mistake in it.
    #[error("there is a typing error in the share: its checksum does not match")]
    Mistyped,
    /// There are fewer than are needed.
    #[error("there are fewer shares than are needed")]
    TooFew,
    /// One came twice.
    #[error("a share came twice")]
    Repeated,
    /// They were not made together.
    #[error(
        "the shares are of different sets: those of before shares were made anew do not mix with the new ones"
    )]
    Mixed,
    /// They belong together, and to no slot of this vault.
    #[error("the shares open no slot of this vault: they are another vault's, or their slot was removed")]
    Foreign,
}

/// What is wrong with a key file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It is not there.
    #[error("is missing; restore it from its backup, for nothing in the vault opens without it")]
    Missing,
    /// It is there already.
    #[error("exists already and is not overwritten; name another file")]
    Exists,
    /// It is no file of its own, but a link, a second name or something else.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// Others can read it.
    #[error(
        "can be read by others (mode {mode:04o}); run chmod 600 on it, and consider whether the key has leaked"
    )]
    Readable {
        /// Permission bits.
        mode: u32,
    },
    /// It belongs to somebody who has no part in the vault, and could put another key there.
    #[error(
        "belongs to another user (uid {owner}), who knows it and could put another there; if it is the right key, copy it to a file of \
         your own"
    )]
    Owner {
        /// Whose it is.
        owner: u32,
    },
    /// It is not a key file.
    #[error("is not a key file of a Panvault")]
    Format,
    /// Its checksum does not match.
    #[error("is damaged: its checksum does not match; restore it from its backup")]
    Checksum,
    /// It cannot be read or written.
    #[error("cannot be used")]
    Io(#[source] io::Error),
}

impl From<aws_lc_rs::error::Unspecified> for KeysError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Cipher
    }
}
