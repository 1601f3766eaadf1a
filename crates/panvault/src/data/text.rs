use std::io::{self, Read};
use std::path::Path;

use panvault_directory::open_to_read;

/// Bytes of `vault.toml` at most: far more than it has.
const BYTES_MAX: usize = 64 << 10;

/// Reads a small file; `None` for what is longer or no text. What leads elsewhere, or is no file, is an error that says so.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = open_to_read(path)?;
    let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > BYTES_MAX { None } else { String::from_utf8(bytes).ok() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{DataDirectory, FILE};

    /// The bug: a pipe in the place of `vault.toml` was waited for, and a file without an end was read into memory. Its cause: it was
    /// read as whatever it was. Its cure: it must be a file, and of a size that such a file has.
    #[test]
    fn what_cannot_be_a_vault_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let refused = || format!("{:#}", DataDirectory::find(directory.path()).err().unwrap());
        let of = |bytes: usize| format!("format = 1\n{}", "#".repeat(bytes - 11));
        fs::write(&path, of(BYTES_MAX)).unwrap();
        assert!(refused().contains("is of format 1"));
        fs::write(&path, of(BYTES_MAX + 1)).unwrap();
        assert!(refused().contains("is not what panvault wrote"));
        fs::write(&path, [0xff]).unwrap();
        assert!(refused().contains("is not what panvault wrote"));
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap();
        assert!(made.success());
        assert!(refused().contains("vault.toml cannot be read: is not a regular file but a pipe"));
    }
}
