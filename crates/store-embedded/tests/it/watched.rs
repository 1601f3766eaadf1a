//! The machine's files, with somebody who is asked before every call.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panvault_store_embedded::{Files, LogFile, SystemFiles};

/// A call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Rename,
    Remove,
    SyncDirectory,
    Write,
    Flush,
}

/// What is asked: may this call of the thread with this name be done?
type Ask = dyn Fn(Call, &str) -> io::Result<()> + Send + Sync;

/// The machine's files. A write that is refused is done half.
#[derive(Clone)]
pub(crate) struct Watched(Arc<Ask>);

struct WatchedFile(Box<dyn LogFile>, Watched);

impl Watched {
    pub(crate) fn new(ask: impl Fn(Call, &str) -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Arc::new(ask)))
    }

    fn ask(&self, call: Call) -> io::Result<()> {
        (self.0)(call, std::thread::current().name().unwrap_or_default())
    }
}

impl Files for Watched {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.ask(Call::Create)?;
        Ok(Box::new(WatchedFile(SystemFiles.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(WatchedFile(SystemFiles.open(path)?, self.clone())))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        SystemFiles.read(path, bytes_max)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Call::Rename)?;
        SystemFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Remove)?;
        SystemFiles.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::SyncDirectory)?;
        SystemFiles.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        SystemFiles.list(path)
    }
}

impl LogFile for WatchedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(refused) = self.1.ask(Call::Write) {
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(refused);
        }
        self.0.write_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.1.ask(Call::Flush)?;
        self.0.flush()
    }

    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.1.ask(Call::Write)?;
        self.0.cut(bytes)
    }
}
