//! What commands print. Logs go elsewhere: see `telemetry.rs`.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use anyhow::{Context, ensure};
use rustix::fs::fstat;

use crate::standard_error;

/// Prints a line of a command that changes nothing. A reader that has gone away has seen enough: the rest is left out, and the
/// command ends as it would have.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    is_read(text).map(drop)
}

/// Prints such a line, and says whether anybody is there to read more.
pub(crate) fn is_read(text: impl AsRef<str>) -> io::Result<bool> {
    match write(text.as_ref()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        // "No space left on device" alone would send its reader to the disk of the vault.
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("standard output cannot be written to: {error}")))
        }
        Ok(()) => Ok(true),
    }
}

/// Prints what a command is about to do, all of it, before it is done: a reader that has gone away is an error too.
pub(crate) fn first(text: impl AsRef<str>) -> io::Result<()> {
    write(text.as_ref())
}

/// Prints what a command is about to make. What nobody can see is then not made.
pub(crate) fn show(text: impl AsRef<str>) -> anyhow::Result<()> {
    first(text).context("standard output cannot be written to, so nothing was made")
}

/// Refuses to go on when a secret that is to be printed would be seen by nobody. A closed standard output is `/dev/null` as
/// well by the time that `main` runs.
pub(crate) fn secret_is_seen() -> anyhow::Result<()> {
    ensure!(
        !is_null(),
        "standard output is closed or leads to /dev/null, where nobody would see the key, so none was made"
    );
    Ok(())
}

fn is_null() -> bool {
    let (Ok(out), Ok(null)) = (fstat(io::stdout()), fs::metadata("/dev/null")) else { return false };
    null.file_type().is_char_device()
        && rustix::fs::FileType::from_raw_mode(out.st_mode).is_char_device()
        && out.st_rdev == null.rdev()
}

/// Says on standard error what is not an error: what was asked for is done.
pub(crate) fn note(text: impl AsRef<str>) {
    standard_error::line(format!("note: {}", text.as_ref()));
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints an error with its causes, each once.
pub(crate) fn error(error: &anyhow::Error) {
    let mut shown = String::from("error");
    let mut last = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if text != last {
            shown.push_str(": ");
            shown.push_str(&text);
        }
        last = text;
    }
    standard_error::line(shown);
}
