use core::time::Duration;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::stopwatch::Stopwatch;

const FLUSHES: usize = 500;
const BYTES: usize = 4096;

/// What the disk takes to make 4 KiB durable that are appended within a file of zeroes: the median.
pub(super) fn flush(directory: &Path) -> anyhow::Result<Duration> {
    let path = directory.join("flush");
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; FLUSHES * BYTES])?;
    file.sync_all()?;
    let mut file = File::options().write(true).open(&path)?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let watch = Stopwatch::start();
        file.write_all(&[0x5a; BYTES])?;
        file.sync_data()?;
        times.push(watch.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(FLUSHES / 2).copied().unwrap_or_default())
}
