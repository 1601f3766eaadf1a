use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use panvault_directory::{Unsafe, is_own_or_roots, judge};
use rustix::fs::OFlags;

use crate::data::whom;

/// Bytes of a file of settings at most: far more than all settings have.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Write permissions of anybody but the owner.
const OTHERS_WRITE: u32 = 0o022;

/// Reads a file of settings that nobody but root and this user decides what is in, or says what is wrong with it and what to do.
///
/// It names the vault and its root key: whoever can change it has a vault of their own served. Links are followed, as configurations are
/// often mounted through them; what is judged is what was opened.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unread = |error: std::io::Error| {
        let advice = whom::advice(path, &error).map(|advice| format!("; {advice}")).unwrap_or_default();
        format!("cannot be read: {error}{advice}")
    };
    // What stands there may be a pipe, whose other end nobody has: that is not waited for.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    // A second name of a file of settings changes nothing by itself.
    if let Err(refused @ Unsafe::NotAFile { .. }) = judge(&metadata) {
        return Err(format!("{refused}, or name a file"));
    }
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if !is_own_or_roots(&metadata) {
        return Err(format!(
            "belongs to {}, who could have another vault used with another key: {}; or name a file of your own, or of root",
            whom::name(owner),
            whom::run_as(owner)
        ));
    }
    if mode & OTHERS_WRITE != 0 {
        return Err(format!(
            "can be changed by others (mode {mode:04o}), who could have another vault used with another key: look at what it says, \
             then run chmod go-w {}",
            path.display()
        ));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes, so it is something else"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// The bug: settings that anybody could change were taken without a word, and with them the vault and the root key that they named.
    /// Its cause: the file was read as whatever it was. Its cure: it must be of this user or root, and changed by nobody else.
    #[test]
    fn settings_that_somebody_else_can_change_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("v.toml");
        fs::write(&path, "a").unwrap();
        for (mode, is_good) in
            [(0o600, true), (0o644, true), (0o640, true), (0o664, false), (0o602, false), (0o666, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(bytes) => assert!(is_good && bytes == b"a", "{mode:o}"),
                Err(said) => {
                    assert!(!is_good && said.contains(&format!("(mode {mode:04o})")), "{mode:o}: {said}");
                    assert!(said.contains(&format!("chmod go-w {}", path.display())), "{said}");
                }
            }
        }
        // Through a link it is the file that is judged.
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(read(&link).unwrap_err().contains("can be changed by others"));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&link).unwrap(), b"a");
        if fs::metadata(&path).unwrap().uid() == 0 {
            chown(&path, Some(12_345), None).unwrap();
            assert!(read(&path).unwrap_err().contains("belongs to the user with the number 12345"));
        }
    }

    #[test]
    fn what_is_no_file_of_settings_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("v.toml");
        assert!(read(directory.path()).unwrap_err().contains("not a regular file but a directory"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().contains("not a regular file but a device"));
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(read(&path).unwrap_err().contains("not a regular file but a pipe"));
        fs::remove_file(&path).unwrap();
        let file = fs::File::create(&path).unwrap();
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        file.set_len(FILE_BYTES_MAX).unwrap();
        assert!(read(&path).is_ok());
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(read(&path).unwrap_err().contains("is larger than"));
    }
}
