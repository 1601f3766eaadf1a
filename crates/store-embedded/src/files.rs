//! The seam between the log and the file system. Tests stand in for it to make any call fail.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use panvault_directory::{Directory, start_write_out};

/// A directory of log files.
pub trait Files: Send + Sync {
    /// Makes a new file, which must not be there, for its owner only.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file for writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// The first bytes of a file, as many as it has and at most so many: how long one is may be anybody's say.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;
    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Every file in a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
}

/// An open log file.
pub trait LogFile: Send + Sync {
    /// Writes all bytes at a place.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Has a part of it begin to go to the disk, and waits for none of it: the next flush then has little left to do, and whoever else
    /// flushes meanwhile does not wait for all of it. A hint: nothing is durable by it, and doing nothing is right too.
    fn start_write_out(&self, _from: u64, _to: u64) {}
    /// Makes what was written durable (`fdatasync`).
    fn flush(&self) -> io::Result<()>;
    /// How long it is.
    fn bytes(&self) -> io::Result<u64>;
    /// Takes away what is behind so many bytes. It only gives room back: nothing is durable by it, and doing nothing is right too.
    fn cut(&self, bytes: u64) -> io::Result<()>;
}

/// The files of directories that are held open. A path is of the one that was opened by the rest of it, wherever that is by now.
pub(crate) struct HeldFiles<const N: usize>(pub(crate) [Directory; N]);

impl<const N: usize> HeldFiles<N> {
    fn at(&self, path: &Path) -> io::Result<&Directory> {
        self.0.iter().find(|held| held.path() == path).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn split<'a>(&self, path: &'a Path) -> io::Result<(&Directory, &'a OsStr)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok((self.at(parent)?, name))
    }
}

impl<const N: usize> Files for HeldFiles<N> {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let (held, name) = self.split(path)?;
        Ok(Box::new(held.create(name)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let (held, name) = self.split(path)?;
        Ok(Box::new(held.write(name)?))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let (held, name) = self.split(path)?;
        let file = held.read(name)?;
        let len = file.metadata()?.len().min(bytes_max);
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((held, from), to) = (self.split(from)?, to.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        held.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (held, name) = self.split(path)?;
        held.remove(name)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.at(path)?.sync()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.at(path)?.names()?.into_iter().map(|name| path.join(name)).collect())
    }
}

/// The file system, for tests that stand in for a part of it: the same, but each call opens the directory of its path anew.
#[derive(Clone, Copy, Default)]
pub struct SystemFiles;

impl SystemFiles {
    fn held(directory: Option<&Path>) -> io::Result<HeldFiles<1>> {
        Directory::open(directory.ok_or(io::ErrorKind::InvalidInput)?).map(|held| HeldFiles([held]))
    }
}

impl Files for SystemFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Self::held(path.parent())?.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Self::held(path.parent())?.open(path)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        Self::held(path.parent())?.read(path, bytes_max)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Self::held(from.parent())?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Self::held(path.parent())?.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        Self::held(Some(path))?.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Self::held(Some(path))?.list(path)
    }
}

impl LogFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn start_write_out(&self, from: u64, to: u64) {
        // What cannot be begun now, the flush does; what cannot be written, it says.
        drop(start_write_out(self, from, to));
    }

    fn flush(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn bytes(&self) -> io::Result<u64> {
        self.metadata().map(|file| file.len())
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}
