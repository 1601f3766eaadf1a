use std::io;
use std::path::PathBuf;

/// Why a key operation failed. Says nothing of keys or plaintext.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The random source failed or repeats itself.
    #[error("the random source failed")]
    Entropy,
    /// There is no such key in the ring.
    #[error("the organisation has no such key")]
    KeyUnknown,
    /// Sealed bytes do not open in this place.
    #[error("sealed bytes do not open in this place")]
    Refused,
    /// The plaintext is longer than is sealed.
    #[error("the plaintext is too long to be sealed")]
    TooLong,
    /// A cipher refused to work.
    #[error("the cipher refused to work")]
    Cipher,
    /// The registry was changed from outside, or belongs to another root key.
    #[error("the key registry does not verify")]
    RegistryDamaged,
    /// The organisation has keys already.
    #[error("the organisation has keys already")]
    Exists,
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
    /// It is not a file.
    #[error("is not a regular file")]
    NotAFile,
    /// Others can read it.
    #[error(
        "can be read by others (mode {mode:04o}); run chmod 600 on it, and consider whether the key has leaked"
    )]
    Readable {
        /// Permission bits.
        mode: u32,
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
