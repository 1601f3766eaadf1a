use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

const NEW: &str = "bins.table.new";

/// A table in the making, under a name of its own, until it takes the place of the one before. One import runs at a time; it
/// does not keep a server from running.
pub(crate) struct Replacing {
    directory: PathBuf,
    new: PathBuf,
    /// Locked as long as it is open.
    file: File,
    done: bool,
}

impl Replacing {
    /// Begins one. What a killed import left is used again.
    pub(crate) fn begin(directory: &Path) -> anyhow::Result<Self> {
        let new = directory.join(NEW);
        let written = || format!("{} cannot be written", new.display());
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&new);
            let file = file.with_context(written)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                    bail!("another import into {} is running", directory.display())
                }
                Err(error) => return Err(io::Error::from(error)).with_context(written),
            }
            // Whoever held it before may have moved it to its place: then it is the table, and not to be written.
            let is_there = fs::metadata(&new).is_ok_and(|named| same(&named, &file));
            if is_there {
                let private = Permissions::from_mode(0o600);
                file.set_len(0).and_then(|()| file.set_permissions(private)).with_context(written)?;
                return Ok(Self { directory: directory.to_owned(), new, file, done: false });
            }
        }
    }

    /// Writes the table and puts it in the place of the one before, durably: a crash leaves the one or the other, whole.
    pub(crate) fn finish(mut self, table: &[u8]) -> anyhow::Result<()> {
        self.file
            .write_all(table)
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.new, super::path(&self.directory)))
            .and_then(|()| {
                self.done = true;
                File::open(&self.directory)?.sync_all()
            })
            .with_context(|| format!("the table in {} cannot be written", self.directory.display()))
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if !self.done {
            // It is in nobody's way when it stays.
            drop(fs::remove_file(&self.new));
        }
    }
}

fn same(named: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|opened| (opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

/// Removes the table of a vault; answers whether there was one.
pub(crate) fn remove(directory: &Path) -> anyhow::Result<bool> {
    let path = super::path(directory);
    match fs::remove_file(&path).and_then(|()| File::open(directory)?.sync_all()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be removed", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before_or_leaves_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = super::super::path(directory.path());
        drop(Replacing::begin(directory.path()).unwrap());
        assert!(!path.exists() && !directory.path().join(NEW).exists());
        Replacing::begin(directory.path()).unwrap().finish(b"first").unwrap();
        // A killed import leaves its file behind.
        fs::write(directory.path().join(NEW), "something much longer than a table").unwrap();
        let running = Replacing::begin(directory.path()).unwrap();
        let said = Replacing::begin(directory.path()).err().map(|error| error.to_string());
        assert!(said.is_some_and(|said| said.contains("another import")));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        running.finish(b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(remove(directory.path()).unwrap() && !remove(directory.path()).unwrap());
    }
}
