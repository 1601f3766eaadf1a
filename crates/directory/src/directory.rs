use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    Advice, AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, fadvise, flock, fsync, openat, renameat,
    unlinkat,
};
use rustix::io::Errno;

use crate::judge::{Unsafe, judge, judge_to_write};

/// Opened without waiting for the other end of a pipe.
const ALWAYS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A directory that is held open: whatever becomes of its path, its files are those that are in it.
#[derive(Debug)]
pub struct Directory {
    pub(crate) held: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory by a path that the operator gave: links on the way are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let held = openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { held, path: path.to_owned() })
    }

    /// Opens a directory that is in this one, and no link.
    pub fn below(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.held, name, flags, Mode::empty()) {
            Ok(held) => Ok(Self { held, path: self.path.join(name) }),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let is_link = self.entry(name)?.is_some_and(|found| found.is_symlink());
                Err(if is_link { Unsafe::Link } else { Unsafe::NotADirectory }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same directory, opened once more: a lock of it is another one.
    pub fn again(&self) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { held: openat(&self.held, ".", flags, Mode::empty())?, path: self.path.clone() })
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the directory's lock, which is held until this is dropped; `false` when another has it. No file has to be there for that,
    /// so that none can be removed that frees it.
    pub fn try_lock(&self) -> io::Result<bool> {
        match flock(&self.held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let file = self.open_file(name.as_ref(), OFlags::RDONLY)?;
        judge(&file.metadata()?)?;
        Ok(file)
    }

    /// Opens a file for writing, as it is.
    pub fn write(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let file = self.open_file(name.as_ref(), OFlags::WRONLY)?;
        judge_to_write(&file.metadata()?)?;
        Ok(file)
    }

    /// The same, and makes it for its owner only where it is not there.
    pub fn write_or_create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let file = self.open_file(name.as_ref(), OFlags::WRONLY | OFlags::CREATE)?;
        judge_to_write(&file.metadata()?)?;
        Ok(file)
    }

    /// Makes a file that must not be there, for its owner only.
    pub fn create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.open_file(name.as_ref(), OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    fn open_file(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        match openat(&self.held, name, flags | ALWAYS, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(File::from(file)),
            // Pipes, sockets, directories and links say so in ways of their own.
            Err(error @ (Errno::LOOP | Errno::NXIO | Errno::ISDIR | Errno::NODEV)) => {
                let found = self.entry(name)?.ok_or(error)?;
                judge(&found)?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a name is of, itself and not what it leads to; `None` when it is not there.
    ///
    /// Nothing is opened for reading or writing: to close such a file would free the locks that this process has on it.
    pub fn entry(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Metadata>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.held, name.as_ref(), flags, Mode::empty()) {
            Ok(found) => File::from(found).metadata().map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same of a file, and refuses what would not be opened for reading, or for writing.
    pub fn judged(&self, name: impl AsRef<OsStr>, to_write: bool) -> io::Result<Option<Metadata>> {
        let found = self.entry(name)?;
        if let Some(found) = &found {
            if to_write { judge_to_write(found)? } else { judge(found)? }
        }
        Ok(found)
    }

    /// Gives a file another name, in place of what has it.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(renameat(&self.held, from.as_ref(), &self.held, to.as_ref())?)
    }

    /// Removes a name, whatever it is of, unless that is a directory.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.held, name.as_ref(), AtFlags::empty())?)
    }

    /// The same, and it is no fault when it is not there.
    pub fn clear(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes names durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.held)?)
    }

    /// Every name in it, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.held)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// What is known of the directory itself.
    pub fn metadata(&self) -> io::Result<Metadata> {
        File::from(self.held.try_clone()?).metadata()
    }
}

impl Drop for Directory {
    /// Gives the lock back by name. Closing alone does not, while a process that was just forked has a copy of the descriptor and has
    /// not yet become its own program.
    fn drop(&mut self) {
        // Without a lock nothing happens; and what fails here, closing does.
        let _done = flock(&self.held, FlockOperation::Unlock);
    }
}

/// Has the system begin to write a part of a file to the disk, and waits for none of it: nothing is durable by that, and a flush that
/// follows has the less to do.
///
/// `POSIX_FADV_DONTNEED` is how Linux is asked for it: what is written is on its way, and stays in memory until it has arrived.
pub fn start_write_out(file: &File, from: u64, to: u64) -> io::Result<()> {
    match NonZeroU64::new(to.saturating_sub(from)) {
        Some(bytes) => Ok(fadvise(file, from, Some(bytes), Advice::DontNeed)?),
        None => Ok(()),
    }
}

/// Opens a file for reading through the directory that it is in.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let (directory, name) = split(path)?;
    directory.read(name)
}

fn split(path: &Path) -> io::Result<(Directory, &OsStr)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Directory::open(parent)?, name))
}
