use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use panvault_directory::{Unsafe, is_own_or_roots, open_to_read};
use zeroize::Zeroizing;

use crate::error::{KeyFileFault, KeysError};
use crate::header::Header;
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::slot::{Slot, SlotKey};
use crate::xaes::KEY_BYTES;

/// The key of a slot in a file that only its owner can read.
///
/// The file: a comment line, then `panvault-slot-key-1 ` ‖ 64 hexadecimal digits ‖ a space ‖ CRC-32 of the key in 8 hexadecimal
/// digits ‖ a line feed.
pub struct KeyFile {
    path: PathBuf,
    vault_owner: Option<u32>,
}

const COMMENT: &str = "# Key of a Panvault. Who has this file and the vault's data can open every card.\n";
const LABEL: &str = "panvault-slot-key-1";

impl KeyFile {
    /// The file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), vault_owner: None }
    }

    /// The same of a vault that belongs to a user: it may be theirs, beside being root's or of whoever runs this. So root uses a vault of
    /// another user.
    #[must_use]
    pub fn of_vault_of(self, owner: u32) -> Self {
        Self { vault_owner: Some(owner), ..self }
    }

    /// Whether something is there, be it a key or not.
    pub fn is_there(&self) -> bool {
        !matches!(self.path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a key into a file that must not be there yet, with mode 0600, durably.
    pub fn create(&self, key: &SlotKey) -> Result<(), KeysError> {
        self.write(key).map_err(|error| {
            self.fault(match error.kind() {
                io::ErrorKind::AlreadyExists => KeyFileFault::Exists,
                _ => KeyFileFault::Io(error),
            })
        })
    }

    fn write(&self, key: &SlotKey) -> io::Result<()> {
        let digits = Zeroizing::new(hex::encode(key.expose_bytes()));
        let checksum = format!("{:08x}", crc32fast::hash(key.expose_bytes()));
        // Made in one piece: a text that grows leaves copies of the key behind.
        let text = Zeroizing::new([COMMENT, LABEL, " ", digits.as_str(), " ", &checksum, "\n"].concat());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        let directory =
            self.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(directory)?.sync_all());
        // Half a key would be in the way of the next try.
        written.inspect_err(|_| drop(fs::remove_file(&self.path)))
    }

    fn fault(&self, fault: KeyFileFault) -> KeysError {
        KeysError::KeyFile { path: self.path.clone(), fault }
    }

    /// The key that is in it.
    pub fn read_key(&self) -> Result<SlotKey, KeysError> {
        self.read().map_err(|fault| self.fault(fault))
    }

    fn read(&self) -> Result<SlotKey, KeyFileFault> {
        let file = open_to_read(&self.path).map_err(|error| match (Unsafe::of(&error), error.kind()) {
            (Some(refused), _) => KeyFileFault::Unsafe(refused),
            (None, io::ErrorKind::NotFound) => KeyFileFault::Missing,
            (None, _) => KeyFileFault::Io(error),
        })?;
        let metadata = file.metadata().map_err(KeyFileFault::Io)?;
        if !is_own_or_roots(&metadata) && self.vault_owner != Some(metadata.uid()) {
            return Err(KeyFileFault::Owner { owner: metadata.uid() });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileFault::Readable { mode });
        }
        // As long as it can get, and the read that finds its end: one that grows leaves a copy of the key behind.
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX + 64));
        file.take(KEY_FILE_BYTES_MAX as u64).read_to_end(&mut text).map_err(KeyFileFault::Io)?;
        parse(&text)
    }
}

/// Reads the one line that is no comment.
fn parse(text: &[u8]) -> Result<SlotKey, KeyFileFault> {
    let text = core::str::from_utf8(text).map_err(|_| KeyFileFault::Format)?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(KeyFileFault::Format) };
    let mut words = line.split(' ');
    let (Some(LABEL), Some(key), Some(checksum), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(KeyFileFault::Format);
    };
    let mut bytes = Box::new([0; KEY_BYTES]);
    if hex::decode_to_slice(key, bytes.as_mut_slice()).is_err() {
        return Err(KeyFileFault::Format);
    }
    let key = SlotKey::from_boxed(bytes);
    let expected = u32::from_str_radix(checksum, 16).map_err(|_| KeyFileFault::Format)?;
    if checksum.len() == 8 && crc32fast::hash(key.expose_bytes()) == expected {
        Ok(key)
    } else {
        Err(KeyFileFault::Checksum)
    }
}

impl Slot for KeyFile {
    fn open(&self, _: &Header) -> Result<SlotKey, KeysError> {
        self.read_key()
    }

    fn describe(&self) -> String {
        format!("key file {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key() -> SlotKey {
        SlotKey::from_boxed(Box::new(core::array::from_fn(|at| u8::try_from(at).unwrap())))
    }

    fn fault(path: &Path) -> KeyFileFault {
        match KeyFile::new(path).read_key().err() {
            Some(KeysError::KeyFile { fault, .. }) => fault,
            _ => panic!("opened"),
        }
    }

    #[test]
    fn opens_what_it_wrote_and_does_not_overwrite() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slot.key");
        KeyFile::new(&path).create(&key()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(KeyFile::new(&path).read_key().ok().unwrap().expose_bytes(), key().expose_bytes());
        let again = KeyFile::new(&path).create(&key());
        assert!(matches!(again, Err(KeysError::KeyFile { fault: KeyFileFault::Exists, .. })));
    }

    #[test]
    fn refuses_a_file_that_others_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slot.key");
        KeyFile::new(&path).create(&key()).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(fault(&path), KeyFileFault::Readable { mode: found } if found == mode),
                "{mode:o}"
            );
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(KeyFile::new(&path).read_key().is_ok());
    }

    /// The bug: a root key of any user was taken. Its cause: only the mode was looked at, so that whoever could put a file there, of mode
    /// 0600 and their own, chose the key. Its cure: it is of this user, of root, or of whoever the vault belongs to.
    #[test]
    fn a_key_of_somebody_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slot.key");
        KeyFile::new(&path).create(&key()).unwrap();
        let own = fs::metadata(&path).unwrap().uid();
        if own != 0 {
            return;
        }
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(matches!(fault(&path), KeyFileFault::Owner { owner: 12_345 }));
        assert!(KeyFile::new(&path).of_vault_of(12_345).read_key().is_ok());
        assert!(KeyFile::new(&path).of_vault_of(12_346).read_key().is_err());
        std::os::unix::fs::chown(&path, Some(own), None).unwrap();
        assert!(KeyFile::new(&path).of_vault_of(12_346).read_key().is_ok());
    }

    /// The bug: with a pipe in the place of the key file, a start waited for ever. Its cause: opening a pipe waits for its other end,
    /// before it can be seen what it is. Its cure: nothing is waited for.
    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slot.key");
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap();
        assert!(made.success());
        assert!(matches!(fault(&path), KeyFileFault::Unsafe(Unsafe::NotAFile { what: "a pipe" })));
    }

    /// A key that has a second name may be changed, or cut short, under that.
    #[test]
    fn a_key_is_not_read_through_a_link_or_beside_another_name() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("slot.key"), directory.path().join("other"));
        KeyFile::new(&path).create(&key()).unwrap();
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(matches!(fault(&other), KeyFileFault::Unsafe(Unsafe::Link)));
        assert!(KeyFile::new(&path).read_key().is_ok());
        fs::remove_file(&other).unwrap();
        fs::hard_link(&path, &other).unwrap();
        assert!(matches!(fault(&path), KeyFileFault::Unsafe(Unsafe::Names { names: 2 })));
    }

    #[test]
    fn refuses_what_is_no_key_file_and_says_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(
            fault(directory.path()),
            KeyFileFault::Unsafe(Unsafe::NotAFile { what: "a directory" })
        ));
        assert!(matches!(fault(&directory.path().join("none")), KeyFileFault::Missing));
        let good = format!(
            "{LABEL} {} {:08x}\n",
            hex::encode(key().expose_bytes()),
            crc32fast::hash(key().expose_bytes())
        );
        assert!(parse(good.as_bytes()).is_ok());
        for cut in 0..good.len() - 1 {
            assert!(parse(&good.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..good.len() - 1 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(parse(&bytes).is_err(), "byte {at}");
        }
        assert!(parse(format!("{good}{good}").as_bytes()).is_err());
        let error = KeyFile::new(directory.path().join("none")).read_key().err().unwrap().to_string();
        assert!(error.contains("none: is missing"), "{error}");
    }
}
