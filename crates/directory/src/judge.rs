use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// What stands in the place of a file and is not used, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// It could lead anywhere.
    #[error("is a symbolic link, which is not followed: put the file itself there, or remove the link")]
    Link,
    /// What is written to it changes whatever has its other names.
    #[error(
        "has {names} names (hard links), so that a change of it changes another file: find the others with find -samefile, \
             and remove the one that is not the vault's"
    )]
    Names {
        /// How many.
        names: u64,
    },
    /// It is something else.
    #[error("is not a regular file but {what}: move it away")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// It is something else than a directory.
    #[error("is not a directory: move it away")]
    NotADirectory,
    /// It is not this user's.
    #[error("belongs to another user: run panvault as the user that the vault belongs to")]
    Owner,
}

impl Unsafe {
    /// What an error says was refused, if it is that.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
    }
}

impl From<Unsafe> for io::Error {
    fn from(refused: Unsafe) -> Self {
        Self::other(refused)
    }
}

/// Refuses what is no regular file with one name. Takes what is known of the name itself, not of what it leads to.
pub fn judge(found: &Metadata) -> Result<(), Unsafe> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return Err(Unsafe::Link);
    }
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_file() {
        // None is left when it was removed meanwhile, which harms nobody.
        let names = found.nlink();
        return if names > 1 { Err(Unsafe::Names { names }) } else { Ok(()) };
    } else {
        "a device"
    };
    Err(Unsafe::NotAFile { what })
}

/// The same for what is to be written to: it must be this user's.
pub(crate) fn judge_to_write(found: &Metadata) -> Result<(), Unsafe> {
    judge(found)?;
    if found.uid() == rustix::process::geteuid().as_raw() { Ok(()) } else { Err(Unsafe::Owner) }
}

/// Whether a file belongs to this user or to root: else somebody else decides what is in it, whatever its mode is.
pub fn is_own_or_roots(found: &Metadata) -> bool {
    let owner = found.uid();
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}
