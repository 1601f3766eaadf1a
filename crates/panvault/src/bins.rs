//! The table of issuers of a vault: one file in its directory, and what a server makes of it while it runs.

mod install;
mod live;
mod trail;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use panvault_bins::limits::FILE_BYTES_MAX;
use panvault_bins::{FileFault, Table, TagKey};
use panvault_directory::{Unsafe, open_to_read};
use panvault_keys::{BinsKey, VaultKeys};
use panvault_model::Tag;
use rustix::fs::OFlags;

pub(crate) use install::Replacing;
pub(crate) use live::LiveBins;
pub(crate) use trail::Trail;

const FILE: &str = "bins.table";
const BEFORE: &str = "bins.table.before";

/// Why the file of a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinsFault {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("is not a file")]
    NotAFile,
    /// It leads elsewhere, or is no file.
    #[error(transparent)]
    Unsafe(Unsafe),
    #[error("can be read or changed by others; chmod 600 mends that")]
    Exposed,
    #[error(transparent)]
    File(#[from] FileFault),
}

/// The key of a vault that its tables are tagged under: a table of somebody without it is none.
#[derive(Clone)]
pub(crate) struct VaultTags(BinsKey);

impl VaultTags {
    pub(crate) fn new(keys: &VaultKeys) -> Self {
        Self(keys.bins())
    }

    /// Version of the key that tags what is written now.
    pub(crate) fn version(&self) -> u16 {
        self.0.version()
    }
}

impl TagKey for VaultTags {
    fn make(&self, bytes: &[u8]) -> Tag {
        self.0.tag(bytes)
    }

    fn matches(&self, bytes: &[u8], tag: &Tag) -> bool {
        self.0.tag_matches(bytes, tag)
    }
}

/// Where the table of a vault is.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Where the one is whose place the table took.
pub(crate) fn path_before(directory: &Path) -> PathBuf {
    directory.join(BEFORE)
}

/// Reads the table of a vault; `None` when no list was imported.
pub(crate) fn read(directory: &Path, tags: &VaultTags) -> Result<Option<Table>, BinsFault> {
    table(&path(directory), tags)
}

/// Reads the table whose place the one in use took, or that was removed.
pub(crate) fn read_before(directory: &Path, tags: &VaultTags) -> Result<Option<Table>, BinsFault> {
    table(&path_before(directory), tags)
}

fn table(path: &Path, tags: &VaultTags) -> Result<Option<Table>, BinsFault> {
    Ok(read_at(path)?.map(|bytes| Table::read(&bytes, tags)).transpose()?)
}

fn read_at(path: &Path) -> Result<Option<Vec<u8>>, BinsFault> {
    open(path)?.map(|(file, metadata)| bytes(file, &metadata)).transpose()
}

/// Opens a list that is to be read whole, wherever it is, without waiting for the other end of a pipe; `None` when there is nothing.
pub(crate) fn open_regular(path: &Path) -> Result<Option<(File, Metadata)>, BinsFault> {
    match OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(BinsFault::NotAFile) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a table, which is the vault's own: not through a link, nor beside another name of it.
fn open(path: &Path) -> Result<Option<(File, Metadata)>, BinsFault> {
    let file = match open_to_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unsafe::of(&error).map_or(BinsFault::Read(error), BinsFault::Unsafe)),
    };
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 == 0 { Ok(Some((file, metadata))) } else { Err(BinsFault::Exposed) }
}

/// The whole file, and no more than a table can be.
fn bytes(file: File, metadata: &Metadata) -> Result<Vec<u8>, BinsFault> {
    let max = FILE_BYTES_MAX as u64;
    if metadata.len() > max {
        return Err(FileFault::Large.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
