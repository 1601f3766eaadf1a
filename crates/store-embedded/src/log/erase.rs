use std::io;

use crate::files::LogFile;

/// Bytes written at a time when a part of a file is filled with zeroes.
static ZEROES: [u8; 1 << 18] = [0; 1 << 18];

/// Fills a file with zeroes from one place to another, durably.
pub(crate) fn erase(file: &dyn LogFile, from: u64, to: u64) -> io::Result<()> {
    zero(file, from, to)?;
    file.flush()
}

/// Fills a file with zeroes from one place to another. They are not durable yet.
pub(crate) fn zero(file: &dyn LogFile, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROES.len());
        file.write_at(ZEROES.get(..len).unwrap_or(&ZEROES), at)?;
        at += len as u64;
    }
    Ok(())
}

/// Whether all bytes are zero.
pub(crate) fn is_erased(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROES.len()).all(|chunk| ZEROES.starts_with(chunk))
}
