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
    #[error("is not a Panvault root key file")]
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
