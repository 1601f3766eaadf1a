//! Passwords, each in a file of its own.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use panvault_directory::{Unsafe, is_own_or_roots, judge};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::data::whom;

/// Bytes of a password at most.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Bytes of a file with secrets in several lines at most.
const LINES_BYTES_MAX: usize = 16 << 10;

/// Reads a password: the file's text, without a line's end behind it. Says what is wrong with the file, and never what is in it.
///
/// Links are followed, as secrets are often mounted through them; what is judged is what was opened.
pub(crate) fn password(path: &Path) -> Result<Zeroizing<String>, String> {
    read(path).map_err(|what| format!("the password file {} {what}", path.display()))
}

/// Reads a file with secrets in several lines. The same holds of it.
pub(crate) fn lines(path: &Path) -> Result<Zeroizing<String>, String> {
    text(path, LINES_BYTES_MAX).map_err(|what| format!("the file {} {what}", path.display()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = text(path, PASSWORD_BYTES_MAX)?;
    if text.chars().any(char::is_control) {
        return Err("must be one line, the password".to_owned());
    }
    Ok(text)
}

/// What is in a file, without a line's end behind it.
fn text(path: &Path, bytes_max: usize) -> Result<Zeroizing<String>, String> {
    let unread = |error: std::io::Error| {
        let advice = whom::advice(path, &error).map(|advice| format!("; {advice}")).unwrap_or_default();
        format!("cannot be read: {error}{advice}")
    };
    // What stands there may be a pipe, whose other end nobody has: that is not waited for.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(unread)?;
    judged(&file, path)?;
    // Room for all of it from the start: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 3));
    let read_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(read_max.saturating_add(3)).read_to_end(&mut bytes).map_err(unread)?;
    let text = core::str::from_utf8(&bytes).map_err(|_| "must be UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("is empty: write what is secret into it".to_owned());
    }
    if text.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes, so it is something else"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Refuses a file that others could read: its owner's alone, or root's for a group that this process is in.
pub(crate) fn judged(file: &File, path: &Path) -> Result<(), String> {
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if let Err(refused @ Unsafe::NotAFile { .. }) = judge(&metadata) {
        return Err(format!("{refused}, or name a file"));
    }
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if !is_own_or_roots(&metadata) {
        return Err(format!("belongs to {}: {}", whom::name(owner), whom::run_as(owner)));
    }
    let is_own = owner == rustix::process::geteuid().as_raw();
    let (refused, better) = if is_own { (0o077, 600) } else { (0o027, 640) };
    if mode & refused != 0 {
        return Err(format!(
            "can be read or changed by others (mode {mode:04o}); run chmod {better} {}, and think of a new one if anybody did",
            path.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &[u8], mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_password_is_the_line_in_its_file() {
        let longest = "p".repeat(PASSWORD_BYTES_MAX);
        for (text, password_read) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" with spaces ", " with spaces "),
            (&longest, &longest),
            (&format!("{longest}\r\n"), &longest),
        ] {
            let (_directory, path) = file(text.as_bytes(), 0o600);
            assert_eq!(*password(&path).unwrap(), password_read);
        }
    }

    #[test]
    fn a_file_that_holds_none_or_that_others_read_is_refused_and_not_repeated() {
        let long = "p".repeat(PASSWORD_BYTES_MAX + 1);
        for (text, mode, said) in [
            (&b""[..], 0o600, "is empty"),
            (b"\n", 0o600, "is empty"),
            (b"hunter\nhunter\n", 0o600, "must be one line"),
            (b"hunter\0", 0o600, "must be one line"),
            (b"hunter\xff", 0o600, "must be UTF-8"),
            (long.as_bytes(), 0o600, "is longer than 1024 bytes"),
            (b"hunter", 0o644, "can be read or changed by others (mode 0644); run chmod 600"),
            (b"hunter", 0o620, "can be read or changed by others (mode 0620)"),
        ] {
            let (directory, path) = file(text, mode);
            let refused = password(&path).unwrap_err();
            assert!(refused.contains(said) && refused.contains("password file"), "{refused}");
            assert!(!refused.contains("hunter"), "{refused}");
            drop(directory);
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(password(directory.path()).unwrap_err().contains("not a regular file but a directory"));
        assert!(password(&directory.path().join("none")).unwrap_err().contains("cannot be read"));
    }
}
