//! The table of issuers of a vault: one file in its directory, and what a server makes of it while it runs.

mod install;
mod live;

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use panvault_bins::limits::FILE_BYTES_MAX;
use panvault_bins::{FileFault, Table};

pub(crate) use install::{Replacing, remove};
pub(crate) use live::LiveBins;

const FILE: &str = "bins.table";

/// Why the file of a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinsFault {
    #[error("cannot be read")]
    Read(#[from] io::Error),
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

fn open(directory: &Path) -> io::Result<Option<(File, Metadata)>> {
    match File::open(path(directory)) {
        Ok(file) => {
            let metadata = file.metadata()?;
            Ok(Some((file, metadata)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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
