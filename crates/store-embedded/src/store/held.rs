//! The directory of a store, held open and locked for as long as the store is open.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use panvault_directory::Directory;

use crate::fault::OpenFault;
use crate::files::HeldFiles;
use crate::store::open::LOG;

/// Says which process has the lock, to whoever is refused. It is no lock itself: whoever removes it has freed nothing.
const LOCK: &str = "lock";

/// A directory that this process writes to, and the one of its log.
pub(crate) struct Held {
    pub(crate) directory: Directory,
    pub(crate) log: Directory,
}

impl Held {
    /// Opens and locks both: another name for the one, or another place for the other, makes no second store of them.
    pub(crate) fn take(path: &Path, log: Option<&Path>) -> Result<Self, OpenFault> {
        let directory = there(Directory::open(path), path, path)?;
        let log = log_of(&directory, log)?;
        lock(&directory)?;
        if !log.try_lock().map_err(OpenFault::io(log.path()))? {
            return Err(in_use(&directory));
        }
        Ok(Self { directory, log })
    }

    /// The files of both.
    pub(crate) fn files(&self) -> io::Result<HeldFiles<2>> {
        Ok(HeldFiles([self.directory.again()?, self.log.again()?]))
    }
}

/// The directory of a store's log: the one that is set, else the one in the store's.
pub(crate) fn log_of(directory: &Directory, set: Option<&Path>) -> Result<Directory, OpenFault> {
    let inside = directory.path().join(LOG);
    match set.filter(|set| **set != inside) {
        None => there(directory.below(LOG), &inside, directory.path()),
        // It was not moved whole, or is of another vault.
        Some(set) if directory.entry(LOG).map_err(OpenFault::io(&inside))?.is_some() => {
            Err(OpenFault::TwoLogs { there: inside, named: set.to_owned() })
        }
        Some(set) => Directory::open(set).map_err(OpenFault::io(set)),
    }
}

/// What was opened; where it is missing there is no store.
fn there(opened: io::Result<Directory>, what: &Path, store: &Path) -> Result<Directory, OpenFault> {
    match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(OpenFault::Missing { path: store.to_owned() })
        }
        opened => opened.map_err(OpenFault::io(what)),
    }
}

/// Takes a directory's lock, and writes down who has it. It is held until the directory is dropped. [`OpenFault::InUse`] when another has it.
pub fn lock(directory: &Directory) -> Result<(), OpenFault> {
    if !directory.try_lock().map_err(OpenFault::io(directory.path()))? {
        return Err(in_use(directory));
    }
    let written = directory.write_or_create(LOCK).and_then(|mut file| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    });
    written.map_err(OpenFault::io(directory.path().join(LOCK)))
}

/// The process that has the store in a directory, as it wrote it down; `None` when none has it. The lock is held for the moment of asking.
pub fn holder(path: &Path) -> io::Result<Option<String>> {
    let directory = Directory::open(path)?;
    Ok(if directory.try_lock()? { None } else { Some(holder_said(&directory)) })
}

fn in_use(directory: &Directory) -> OpenFault {
    OpenFault::InUse { pid: holder_said(directory) }
}

fn holder_said(directory: &Directory) -> String {
    let mut pid = String::new();
    let read = directory.read(LOCK).and_then(|file| file.take(20).read_to_string(&mut pid));
    // What is no number was not written by us, and is not repeated.
    let pid = read.ok().and_then(|_| pid.trim().parse::<u32>().ok());
    pid.map_or_else(|| "of unknown number".to_owned(), |pid| pid.to_string())
}
