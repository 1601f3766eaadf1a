//! A disk that keeps what was flushed, and loses any part of the rest when its power is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_store_embedded::{Files, LogFile, SystemFiles};
use panvault_testkit::SeededRandom;

use crate::support::Home;

/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;

#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

struct State {
    files: Vec<Bytes>,
    /// Names as the process sees them, and as they are durable.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable yet, in order. Those of one call come together or not at all.
    renamed: Vec<Vec<Named>>,
    dice: SeededRandom,
    /// Whether a flush does what it says.
    honest: bool,
    calls_left: usize,
    left: Option<BTreeMap<PathBuf, Vec<u8>>>,
}

/// A name, and what it names from then on.
type Named = (PathBuf, Option<usize>);

#[derive(Default)]
struct Bytes {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that were written since the last flush.
    dirty: BTreeSet<usize>,
}

struct DiskFile(Disk, usize);

impl Disk {
    /// A disk with the log of a store, whose power is cut at a call that changes something.
    pub(crate) fn of(home: &Home, seed: u64, cut_at: usize) -> Self {
        Self::made(home, seed, cut_at, true)
    }

    /// The same, but of a disk that says that it has flushed and has not.
    pub(crate) fn deaf(home: &Home, seed: u64, cut_at: usize) -> Self {
        Self::made(home, seed, cut_at, false)
    }

    fn made(home: &Home, seed: u64, cut_at: usize, honest: bool) -> Self {
        let (mut files, mut names) = (Vec::new(), BTreeMap::new());
        for path in home.segments() {
            let bytes = std::fs::read(&path).unwrap();
            names.insert(path, files.len());
            files.push(Bytes { seen: bytes.clone(), durable: bytes, dirty: BTreeSet::new() });
        }
        Self(Arc::new(Mutex::new(State {
            files,
            durable_names: names.clone(),
            names,
            renamed: Vec::new(),
            dice: SeededRandom::new(seed),
            honest,
            calls_left: cut_at,
            left: None,
        })))
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.lock().left.is_some()
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.lock().names.keys().filter(|path| path.extension().is_some_and(|end| end == "seg")).count()
    }

    /// Writes what the cut left over the log of the store.
    pub(crate) fn leave(&self, home: &Home) {
        let log = home.path().join("log");
        std::fs::remove_dir_all(&log).unwrap();
        std::fs::create_dir(&log).unwrap();
        for (path, bytes) in self.lock().left.as_ref().unwrap() {
            std::fs::write(path, bytes).unwrap();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a call, unless the power is cut, now or before. What the call was to make durable is then lost in part.
    fn call<T>(&self, call: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        if state.left.is_none() && state.calls_left == 0 {
            state.left = Some(state.cut());
        }
        if state.left.is_some() {
            return Err(io::Error::other("the power is cut"));
        }
        state.calls_left -= 1;
        call(&mut state)
    }
}

impl State {
    fn name(&mut self, changes: Vec<Named>) {
        changes.iter().cloned().for_each(|change| apply(&mut self.names, change));
        self.renamed.push(changes);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn cut(&mut self) -> BTreeMap<PathBuf, Vec<u8>> {
        let Self { files, durable_names, renamed, dice, .. } = self;
        let mut names = durable_names.clone();
        // Names change in the order that they were changed in, as far as it came.
        let came = dice.below(renamed.len() + 1);
        renamed.iter().take(came).flatten().cloned().for_each(|change| apply(&mut names, change));
        let mut left = BTreeMap::new();
        // None of what was not flushed came, or all, or the first half, or the last, or any of it.
        let kind = dice.below(5);
        for (path, file) in names {
            let Bytes { seen, durable, dirty } = &files[file];
            let mut bytes = durable.clone();
            for (nth, sector) in dirty.iter().enumerate() {
                let first_half = nth < dirty.len() / 2;
                if [false, true, first_half, !first_half, dice.percent(50)][kind] {
                    let from = sector * SECTOR_BYTES;
                    let to = (from + SECTOR_BYTES).min(seen.len());
                    if bytes.len() < to {
                        bytes.resize(to, 0);
                    }
                    bytes[from..to].copy_from_slice(&seen[from..to]);
                }
            }
            left.insert(path, bytes);
        }
        left
    }
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, (path, file): Named) {
    match file {
        Some(file) => drop(names.insert(path, file)),
        None => drop(names.remove(&path)),
    }
}

impl Files for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = self.call(|state| {
            let file = state.files.len();
            state.files.push(Bytes::default());
            state.name(vec![(path.to_owned(), Some(file))]);
            Ok(file)
        })?;
        Ok(Box::new(DiskFile(self.clone(), file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        if path.parent().is_none_or(|parent| !parent.ends_with("log")) {
            // The view is on a disk that keeps everything.
            return SystemFiles.open(path);
        }
        let file = self.lock().file(path)?;
        Ok(Box::new(DiskFile(self.clone(), file)))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let seen = &state.files[state.file(path)?].seen;
        Ok(seen.iter().copied().take(usize::try_from(bytes_max).unwrap()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|state| {
            let file = state.file(from)?;
            state.name(vec![(from.to_owned(), None), (to.to_owned(), Some(file))]);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|state| {
            state.file(path)?;
            state.name(vec![(path.to_owned(), None)]);
            Ok(())
        })
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        self.call(|state| {
            if state.honest {
                state.durable_names = state.names.clone();
                state.renamed.clear();
            }
            Ok(())
        })
    }

    fn list(&self, _path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.lock().names.keys().cloned().collect())
    }
}

impl LogFile for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let write = |state: &mut State| {
            let file = &mut state.files[self.1];
            let to = from + bytes.len();
            if file.seen.len() < to {
                file.seen.resize(to, 0);
            }
            file.seen[from..to].copy_from_slice(bytes);
            file.dirty.extend(from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES));
            Ok(())
        };
        self.0.call(write)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.call(|state| {
            if state.honest {
                let file = &mut state.files[self.1];
                file.durable.clone_from(&file.seen);
                file.dirty.clear();
            }
            Ok(())
        })
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().files[self.1].seen.len() as u64)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).unwrap();
        self.0.call(|state| {
            let file = &mut state.files[self.1];
            file.seen.truncate(bytes);
            file.dirty.retain(|sector| sector * SECTOR_BYTES < bytes);
            Ok(())
        })
    }
}
