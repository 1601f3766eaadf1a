use core::time::Duration;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::stopwatch::Stopwatch;

/// Flushes of one round.
const FLUSHES: usize = 100;
/// Bytes of the batch of one flush: what a commit of some dozen cards comes to.
pub(super) const BATCH_BYTES: usize = 16 << 10;
/// Bytes of the smallest batch: one page.
pub(super) const PAGE_BYTES: usize = 4 << 10;
/// What `st_blocks` counts in, whatever the file system.
const BLOCK_BYTES: u64 = 512;

/// A file full of zeroes, to be appended to as the log is.
pub(super) struct Flush {
    file: File,
}

impl Flush {
    /// Makes the file.
    pub(super) fn make(directory: &Path) -> anyhow::Result<Self> {
        let mut file = File::create(directory.join("flush"))?;
        file.write_all(&vec![0; FLUSHES * BATCH_BYTES])?;
        file.sync_all()?;
        Ok(Self { file })
    }

    /// What the disk takes to make one batch durable: the median.
    pub(super) fn median(&mut self, batch_bytes: usize) -> anyhow::Result<Duration> {
        self.file.seek(SeekFrom::Start(0))?;
        let batch = vec![0x5a; batch_bytes];
        let mut times = Vec::with_capacity(FLUSHES);
        for _ in 0..FLUSHES {
            let watch = Stopwatch::start();
            self.file.write_all(&batch)?;
            self.file.sync_data()?;
            times.push(watch.elapsed());
        }
        times.sort_unstable();
        Ok(times.get(FLUSHES / 2).copied().unwrap_or_default())
    }
}

/// Bytes that a vault's directory takes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Of the log, whose segments are preallocated and written again.
    pub(super) log: u64,
    /// Of everything else: it grows with the cards.
    pub(super) rest: u64,
}

/// Adds up the blocks of a vault's directory.
pub(super) fn usage(data: &Path) -> anyhow::Result<Usage> {
    let log = blocks(&data.join("log"))?;
    Ok(Usage { log, rest: blocks(data)?.saturating_sub(log) })
}

fn blocks(path: &Path) -> anyhow::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * BLOCK_BYTES;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += blocks(&entry?.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_from_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("log")).unwrap();
        fs::write(directory.path().join("log/1"), [1; 40_000]).unwrap();
        fs::write(directory.path().join("view.sqlite"), [1; 20_000]).unwrap();
        let usage = usage(directory.path()).unwrap();
        assert!(usage.log >= 40_000 && usage.rest >= 20_000 && usage.rest < 40_000, "{usage:?}");
    }
}
