//! Files in memory. They may stop: from a certain call on, all calls fail, as if the process had been killed there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files::{Files, LogFile};

#[derive(Clone, Default)]
pub(super) struct MemoryFiles(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    names: BTreeMap<PathBuf, Arc<Mutex<Vec<u8>>>>,
    calls: usize,
    stop_at: Option<usize>,
    /// It can be given no other name.
    held: Option<PathBuf>,
    /// Most bytes that were read at once.
    read_bytes_max: usize,
}

struct MemoryFile {
    disk: MemoryFiles,
    bytes: Arc<Mutex<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryFiles {
    /// The disk, for one call that changes something.
    fn call(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = lock(&self.0);
        disk.calls += 1;
        if disk.stop_at.is_some_and(|stop_at| disk.calls > stop_at) {
            return Err(io::Error::other("killed"));
        }
        Ok(disk)
    }

    /// Lets so many more calls that change something through.
    pub(super) fn stop_after(&self, calls: usize) {
        let mut disk = lock(&self.0);
        disk.stop_at = Some(disk.calls + calls);
    }

    /// Lets this file be given no other name, or all again.
    pub(super) fn hold(&self, path: Option<PathBuf>) {
        lock(&self.0).held = path;
    }

    /// Most bytes of a file that were read at once.
    pub(super) fn read_bytes_max(&self) -> usize {
        lock(&self.0).read_bytes_max
    }

    /// Whether a call failed since.
    pub(super) fn has_stopped(&self) -> bool {
        let disk = lock(&self.0);
        disk.stop_at.is_some_and(|stop_at| disk.calls > stop_at)
    }

    /// The files as they are, by name.
    pub(super) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        lock(&self.0).names.iter().map(|(path, bytes)| (path.clone(), lock(bytes).clone())).collect()
    }

    /// These files, on a disk that works.
    pub(super) fn of(image: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let names = image.into_iter().map(|(path, bytes)| (path, Arc::new(Mutex::new(bytes))));
        Self(Arc::new(Mutex::new(Disk { names: names.collect(), ..Disk::default() })))
    }

    fn file(&self, bytes: &Arc<Mutex<Vec<u8>>>) -> Box<dyn LogFile> {
        Box::new(MemoryFile { disk: self.clone(), bytes: Arc::clone(bytes) })
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Files for MemoryFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let bytes = Arc::default();
        self.call()?.names.insert(path.to_owned(), Arc::clone(&bytes));
        Ok(self.file(&bytes))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let disk = lock(&self.0);
        let bytes = disk.names.get(path).ok_or_else(missing)?;
        Ok(self.file(bytes))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut disk = lock(&self.0);
        let bytes = disk.names.get(path).map(|bytes| lock(bytes).clone()).ok_or_else(missing)?;
        let read: Vec<u8> = bytes.into_iter().take(usize::try_from(bytes_max).unwrap()).collect();
        disk.read_bytes_max = disk.read_bytes_max.max(read.len());
        Ok(read)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.call()?;
        if disk.held.as_deref() == Some(from) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let bytes = disk.names.remove(from).ok_or_else(missing)?;
        disk.names.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?.names.remove(path).map(drop).ok_or_else(missing)
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        self.call().map(drop)
    }

    fn list(&self, _path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(lock(&self.0).names.keys().cloned().collect())
    }
}

impl LogFile for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let disk = self.disk.call()?;
        let mut file = lock(&self.bytes);
        let from = usize::try_from(offset).unwrap();
        let end = from + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[from..end].copy_from_slice(bytes);
        drop(disk);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.disk.call().map(drop)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(lock(&self.bytes).len() as u64)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        let disk = self.disk.call()?;
        lock(&self.bytes).truncate(usize::try_from(bytes).unwrap());
        drop(disk);
        Ok(())
    }
}
