//! The table of issuers of a vault: one file in its directory, and what a server makes of it while it runs.

mod install;
mod live;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use panvault_bins::limits::FILE_BYTES_MAX;
use panvault_bins::{FileFault, Table};
use rustix::fs::OFlags;

pub(crate) use install::{Replacing, remove};
pub(crate) use live::LiveBins;

const FILE: &str = "bins.table";

/// Why the file of a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinsFault {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("is not a file")]
    NotAFile,
    #[error("can be read or changed by others; chmod 600 mends that")]
    Exposed,
    #[error(transparent)]
    File(#[from] FileFault),
}

/// Where the table of a vault is.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Reads the table of a vault; `None` when no list was imported.
pub(crate) fn read(directory: &Path) -> Result<Option<Table>, BinsFault> {
    match open(directory)? {
        Some((file, metadata)) => Ok(Some(Table::read(&bytes(file, &metadata)?)?)),
        None => Ok(None),
    }
}

fn open(directory: &Path) -> Result<Option<(File, Metadata)>, BinsFault> {
    // What stands there may be a pipe, whose other end nobody has: that is not waited for.
    match OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path(directory))
    {
        Ok(file) => {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(BinsFault::NotAFile);
            }
            if metadata.mode() & 0o077 != 0 {
                return Err(BinsFault::Exposed);
            }
            Ok(Some((file, metadata)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
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
