//! A data directory with a store in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panvault_model::OrganisationId;
use panvault_store::{IdempotencyKey, Outcome, Store};
use panvault_store_embedded::{EmbeddedStore, Examination, Files, OpenFault, Settings, examine};
use panvault_testkit::conformance::rows::{VAULT, chain, key, organisation};
use panvault_testkit::conformance::{Contents, contents};
use tempfile::TempDir;

/// A directory with a store.
pub(crate) struct Home {
    directory: TempDir,
}

/// Small segments, and little of everything else.
pub(crate) fn settings() -> Settings {
    Settings { segment_bytes: 1 << 20, readers: 1, cache_kib: 512, ..Settings::default() }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Name of the threads of [`led`].
pub(crate) const LEADER: &str = "leader";

/// On a runtime that has one thread at a time for its tasks, as a server has several: there a step that comes alone is committed
/// by the task that brings it.
pub(crate) fn led<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).thread_name(LEADER).enable_time().build().unwrap();
    runtime.block_on(runtime.spawn(future)).unwrap()
}

/// The order of a commit that is done.
pub(crate) fn done(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Done { order } => order,
        Outcome::Claimed(_) | Outcome::Unmet(_) => panic!("the commit is not done"),
    }
}

/// Whether a commit is done.
pub(crate) const fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { .. })
}

impl Home {
    /// A directory with an empty store.
    pub(crate) fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        EmbeddedStore::create(home.path(), VAULT, chain(VAULT).as_ref(), &settings()).unwrap();
        home
    }

    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A directory with these files.
    pub(crate) fn of(image: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let home = Self::empty();
        std::fs::create_dir(home.path().join("log")).unwrap();
        for (path, bytes) in image {
            std::fs::write(home.path().join(path), bytes).unwrap();
        }
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn open(&self) -> EmbeddedStore {
        self.try_open().unwrap_or_else(|fault| panic!("{fault}: {fault:?}"))
    }

    pub(crate) fn try_open(&self) -> Result<EmbeddedStore, OpenFault> {
        EmbeddedStore::open(self.path(), VAULT, chain(VAULT), settings())
    }

    pub(crate) fn open_with(&self, files: Arc<dyn Files>) -> Result<EmbeddedStore, OpenFault> {
        EmbeddedStore::open_with(self.path(), VAULT, chain(VAULT), settings(), files)
    }

    pub(crate) fn examine(&self) -> Examination {
        examine(self.path(), None, VAULT, chain(VAULT).as_ref()).unwrap()
    }

    /// Throws the view away, as an operator would: only the file itself.
    pub(crate) fn remove_view(&self) {
        std::fs::remove_file(self.path().join("view.sqlite")).unwrap();
    }

    /// Every file but the lock, with its bytes.
    pub(crate) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut image = BTreeMap::new();
        for directory in [self.path().to_owned(), self.path().join("log")] {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                // Files come and go while a store is open.
                if let Ok(bytes) = std::fs::read(&path) {
                    image.insert(path.strip_prefix(self.path()).unwrap().to_owned(), bytes);
                }
            }
        }
        image.remove(Path::new("lock"));
        image
    }

    /// The bytes of the log and of the view: what a refusal must not change. SQLite's companions come and go with every
    /// look.
    pub(crate) fn kept(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut image = self.image();
        image.retain(|path, _| path.starts_with("log") || path == Path::new("view.sqlite"));
        image
    }

    /// The files that have these bytes.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let holds = |file: &[u8]| {
            let mut rest = file;
            while let Some(at) = rest.iter().position(|byte| *byte == bytes[0]) {
                if rest[at..].starts_with(bytes) {
                    return true;
                }
                rest = &rest[at + 1..];
            }
            false
        };
        self.image().into_iter().filter(|(_, file)| holds(file)).map(|(path, _)| path).collect()
    }

    /// Waits until no file has these bytes.
    pub(crate) fn until_gone(&self, bytes: &[u8]) {
        let mut polls = 0;
        while !self.holding(bytes).is_empty() {
            // Many more than it takes; the end is for a store that does not do it.
            polls += 1;
            assert!(
                polls < 20_000,
                "{} lingers in {:?}",
                String::from_utf8_lossy(bytes),
                self.holding(bytes)
            );
        }
    }

    /// The names of the segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let log = std::fs::read_dir(self.path().join("log")).unwrap();
        let mut segments: Vec<_> = log.map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|end| end == "seg"));
        segments.sort();
        segments
    }
}

/// All that a store holds of the organisations and keys of tests.
pub(crate) async fn all_of(store: &dyn Store) -> Contents {
    let organisations: Vec<OrganisationId> = (1..=4).map(organisation).collect();
    let keys: Vec<IdempotencyKey> = (1..=3).map(key).collect();
    contents(store, &organisations, &keys).await
}
