use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use panvault_bins::{Table, retagged};
use panvault_directory::Directory;
use rustix::fs::{FlockOperation, flock};

use super::{BEFORE, BinsFault, FILE, VaultTags, read_at};

const NEW: &str = "bins.table.new";
/// The table in use, while another takes its place.
const LEAVING: &str = "bins.table.leaving";

/// A change of the table of a vault: what is written is under a name of its own until it takes the place of what is in use, which is
/// kept as the table before. One change is made at a time; it does not keep a server from running.
pub(crate) struct Replacing {
    directory: PathBuf,
    tags: VaultTags,
    held: Directory,
    /// Locked as long as it is open.
    file: File,
    done: bool,
}

impl Replacing {
    /// Begins one. What a killed one left is used again, or brought to its end.
    pub(crate) fn begin(directory: &Path, tags: &VaultTags) -> anyhow::Result<Self> {
        let new = directory.join(NEW);
        let written = || format!("{} cannot be written", new.display());
        let held = Directory::open(directory).with_context(written)?;
        loop {
            // What stands there is the file that a killed one left, or it is not ours and is refused.
            let file = held.write_or_create(NEW).with_context(written)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                    bail!("another change of the table of {} is running", directory.display())
                }
                Err(error) => return Err(io::Error::from(error)).with_context(written),
            }
            // Whoever held it before may have moved it to its place: then it is the table, and not to be written.
            let named = held.entry(NEW).with_context(written)?;
            let is_there = named.is_some_and(|named| same(&named, &file));
            if is_there {
                let private = Permissions::from_mode(0o600);
                file.set_len(0).and_then(|()| file.set_permissions(private)).with_context(written)?;
                let (directory, tags) = (directory.to_owned(), tags.clone());
                let replacing = Self { directory, tags, held, file, done: false };
                let leaving = replacing.directory.join(LEAVING);
                end_what_was_begun(&replacing.directory, &replacing.held, &replacing.tags)
                    .with_context(|| format!("{} cannot be moved or removed", leaving.display()))?;
                return Ok(replacing);
            }
        }
    }

    /// The table in use, if there is one.
    pub(crate) fn in_use(&self) -> Result<Option<Table>, BinsFault> {
        super::read(&self.directory, &self.tags)
    }

    /// The table before it, if there is one.
    pub(crate) fn before(&self) -> Result<Option<Table>, BinsFault> {
        super::read_before(&self.directory, &self.tags)
    }

    /// Writes the table and puts it in the place of the one in use, durably: a crash leaves the one or the other, whole.
    pub(crate) fn finish(mut self, table: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(table).and_then(|()| self.file.sync_all());
        written.and_then(|()| self.put(NEW)).with_context(|| self.unwritten())?;
        self.done = true;
        Ok(())
    }

    /// Gives the table in use, or the one before, the tag that the key of now makes, durably; nothing where it has it, is not there or cannot be used.
    pub(crate) fn retag(mut self, before: bool) -> anyhow::Result<()> {
        let name = if before { BEFORE } else { FILE };
        let Some(bytes) = read_at(&self.directory.join(name)).ok().flatten() else { return Ok(()) };
        let Ok(retagged) = retagged(&bytes, &self.tags) else { return Ok(()) };
        if retagged == bytes {
            return Ok(());
        }
        let written = self.file.write_all(&retagged).and_then(|()| self.file.sync_all());
        let written = written.and_then(|()| self.held.rename(NEW, name)).and_then(|()| self.flush());
        written.with_context(|| self.unwritten())?;
        self.done = true;
        Ok(())
    }

    /// Puts the table before in the place of the one in use, and that in its place.
    pub(crate) fn restore(self) -> anyhow::Result<()> {
        self.put(BEFORE).with_context(|| self.unwritten())
    }

    /// Takes the table in use away, and keeps it as the table before if it can be used. There must be one.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        let path = super::path(&self.directory);
        let gone =
            if self.in_use().is_ok() { self.held.rename(FILE, BEFORE) } else { self.held.remove(FILE) };
        gone.and_then(|()| self.flush()).with_context(|| format!("{} cannot be removed", path.display()))
    }

    /// Moves `from` to the place of the table in use. That is copied first, for no file of a vault has two names: at no moment is there no
    /// table, and after a crash at any moment both are there under one name or the other.
    fn put(&self, from: &str) -> io::Result<()> {
        // What cannot be used is not worth to be kept, nor to take the place of a table before that can.
        let is_kept = matches!(self.in_use(), Ok(Some(_)));
        if is_kept {
            let mut leaving = self.held.create(LEAVING)?;
            io::copy(&mut self.held.read(FILE)?, &mut leaving)?;
            leaving.sync_all()?;
        }
        if let Err(error) = self.held.rename(from, FILE) {
            drop(self.held.remove(LEAVING));
            return Err(error);
        }
        if is_kept {
            self.held.rename(LEAVING, BEFORE)?;
        }
        self.flush()
    }

    fn flush(&self) -> io::Result<()> {
        self.held.sync()
    }

    fn unwritten(&self) -> String {
        format!("the table in {} cannot be written", self.directory.display())
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if !self.done {
            // It is in nobody's way when it stays.
            drop(self.held.remove(NEW));
        }
    }
}

/// A change that was killed half-way: the table that was leaving becomes the table before, if another has taken its place.
fn end_what_was_begun(directory: &Path, held: &Directory, tags: &VaultTags) -> io::Result<()> {
    let leaving = directory.join(LEAVING);
    let bytes = |path: &Path| read_at(path).ok().flatten();
    let left = bytes(&leaving).filter(|left| Table::read(left, tags).is_ok());
    if left.is_some() && left != bytes(&super::path(directory)) {
        return held.rename(LEAVING, BEFORE);
    }
    held.clear(LEAVING)
}

fn same(named: &Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|opened| (opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::sync::LazyLock;

    use panvault_bins::{About, Column, Layout, import};
    use panvault_keys::{Header, KeyMode, NewSlot, RootKey, SlotKey, SystemEntropy};
    use panvault_model::{Timestamp, VaultId};

    use super::*;

    /// The key of one vault.
    fn tags() -> VaultTags {
        static TAGS: LazyLock<VaultTags> = LazyLock::new(|| {
            let entropy = SystemEntropy::new();
            let (root, vault) = (RootKey::make(&entropy).unwrap(), VaultId::from_bytes([7; 12]));
            let at = Timestamp::from_unix_millis(0);
            let slot = NewSlot::of_key_file(&SlotKey::make(&entropy).unwrap(), "test").unwrap();
            let header = Header::make(&root, slot, vault, KeyMode::Test, at, &entropy).unwrap();
            VaultTags::new(&header.open(&root, vault, KeyMode::Test).unwrap())
        });
        TAGS.clone()
    }

    /// A table of that version.
    fn table(version: u32) -> Vec<u8> {
        let about = About {
            version,
            imported_at: Timestamp::from_unix_millis(1_750_000_000_000),
            source: "s".to_owned(),
            licence: "l".to_owned(),
            attribution: None,
        };
        let layout = Layout::Csv(vec![(Column::Bin, "bin".to_owned())]);
        import(&b"bin\n411111\n"[..], &layout, about, &mut |_| {}).unwrap().contents.encode(&tags())
    }

    fn install(directory: &Path, version: u32) {
        Replacing::begin(directory, &tags()).unwrap().finish(&table(version)).unwrap();
    }

    /// The versions of the table in use and of the one before; 0 for none. There is no other file.
    fn versions(directory: &Path) -> (u32, u32) {
        let version =
            |read: Result<Option<Table>, BinsFault>| read.unwrap().map_or(0, |table| table.about().version);
        let versions = (
            version(super::super::read(directory, &tags())),
            version(super::super::read_before(directory, &tags())),
        );
        let files = fs::read_dir(directory).unwrap().count();
        assert_eq!(files, usize::from(versions.0 > 0) + usize::from(versions.1 > 0));
        versions
    }

    #[test]
    fn a_table_takes_the_place_of_the_one_before_or_leaves_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        drop(Replacing::begin(directory, &tags()).unwrap());
        assert_eq!(versions(directory), (0, 0));
        install(directory, 1);
        // A killed import leaves its file behind.
        fs::write(directory.join(NEW), "something much longer than a table".repeat(20)).unwrap();
        let running = Replacing::begin(directory, &tags()).unwrap();
        let said = Replacing::begin(directory, &tags()).err().map(|error| error.to_string());
        assert!(said.is_some_and(|said| said.contains("another change")));
        running.finish(&table(2)).unwrap();
        assert_eq!(versions(directory), (2, 1));
        for path in [super::super::path(directory), directory.join(BEFORE)] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_table_before_comes_back_and_goes_again() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let begin = || Replacing::begin(directory, &tags()).unwrap();
        (1..=3).for_each(|version| install(directory, version));
        for expected in [(2, 3), (3, 2)] {
            begin().restore().unwrap();
            assert_eq!(versions(directory), expected);
        }
        begin().remove().unwrap();
        assert_eq!(versions(directory), (0, 3));
        install(directory, 4);
        assert_eq!(versions(directory), (4, 3), "there was none that 4 took the place of");
        begin().remove().unwrap();
        begin().restore().unwrap();
        assert_eq!(versions(directory), (4, 0));
    }

    #[test]
    fn a_damaged_table_does_not_become_the_table_before() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let damage = || fs::write(super::super::path(directory), "x").unwrap();
        (1..=2).for_each(|version| install(directory, version));
        damage();
        install(directory, 3);
        assert_eq!(versions(directory), (3, 1));
        damage();
        Replacing::begin(directory, &tags()).unwrap().remove().unwrap();
        assert_eq!(versions(directory), (0, 1));
        damage();
        Replacing::begin(directory, &tags()).unwrap().restore().unwrap();
        assert_eq!(versions(directory), (1, 0));
    }

    /// The bug: an import wrote its table into whatever file a link in the place of its new file led to, and waited for ever where a
    /// pipe was. Its cause: what stood there was opened as it was. Its cure: only a file is, and what is amiss is named.
    #[test]
    fn what_stands_in_the_place_of_the_new_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (new, other) = (directory.join(NEW), directory.join("other"));
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &new).unwrap();
        assert!(Replacing::begin(directory, &tags()).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
        fs::remove_file(&new).unwrap();
        fs::hard_link(&other, &new).unwrap();
        assert!(Replacing::begin(directory, &tags()).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
        fs::remove_file(&new).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &new, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Replacing::begin(directory, &tags()).is_err(), "and does not wait");
        // Somebody may be at the other end.
        let reader = OpenOptions::new().read(true).write(true).open(&new).unwrap();
        let said = Replacing::begin(directory, &tags()).err().map(|error| format!("{error:#}"));
        assert!(said.is_some_and(|said| {
            said.contains("bins.table.new cannot be written: is not a regular file but a pipe")
        }));
        drop(reader);
        fs::remove_file(&new).unwrap();
        fs::create_dir(directory.join(LEAVING)).unwrap();
        let said = Replacing::begin(directory, &tags()).err().map(|error| error.to_string());
        assert!(said.is_some_and(|said| said.ends_with("bins.table.leaving cannot be moved or removed")));
        assert!(!new.exists());
    }

    #[test]
    fn a_change_that_was_killed_loses_neither_table() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        (1..=2).for_each(|version| install(directory, version));
        // Killed when the table in use had been copied.
        fs::copy(super::super::path(directory), directory.join(LEAVING)).unwrap();
        drop(Replacing::begin(directory, &tags()).unwrap());
        assert_eq!(versions(directory), (2, 1));
        // Killed when a restore had put the table before in its place.
        fs::rename(super::super::path(directory), directory.join(LEAVING)).unwrap();
        fs::rename(directory.join(BEFORE), super::super::path(directory)).unwrap();
        drop(Replacing::begin(directory, &tags()).unwrap());
        assert_eq!(versions(directory), (1, 2));
        // What was being copied is no table yet.
        fs::write(directory.join(LEAVING), &table(9)[..40]).unwrap();
        drop(Replacing::begin(directory, &tags()).unwrap());
        assert_eq!(versions(directory), (1, 2));
    }
}
