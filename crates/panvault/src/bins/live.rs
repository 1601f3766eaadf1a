use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use panvault_bins::{FileFault, Table};
use panvault_card::{BinStatus, BinTable, NoBinTable};
use panvault_model::{Id, IssuerFacts};
use panvault_vault::Vault;

use super::{BinsFault, Replacing, VaultTags, bytes, open, path, path_before};

/// Time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const NOTHING_KNOWN: &str = "no issuer is known until a list is imported with panvault bin import, or brought back with panvault bin restore";
const FOREIGN: &str = "find out who put it there; the table before is in use: import the list again with panvault bin import, or go back with panvault bin restore";
const OLD_KEPT: &str = "the table before is in use; import the list again with panvault bin import, or go back with panvault bin restore";

/// The table that a vault looks up in. It follows the file: a new one is taken up whole, a damaged one is not taken up.
pub(crate) struct LiveBins {
    directory: PathBuf,
    tags: VaultTags,
    /// What is used when no list is imported.
    without: Arc<dyn BinTable>,
    current: ArcSwap<Arc<dyn BinTable>>,
    /// The file that was looked at last, if there was one.
    seen: Mutex<Option<Seen>>,
    /// The imported table that is in use, and the one that the audit trail was told of last.
    in_use: Mutex<Option<Id>>,
    noted: Mutex<Option<Id>>,
}

/// Tells a file from the one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    mode: u32,
    modified: (i64, i64),
}

impl LiveBins {
    /// Reads the table of a vault. Without one, `without` is used; with one that is damaged, nothing is known: a vault that can
    /// store cards and pay is worth more than the facts, which can be derived again.
    pub(crate) fn open(directory: &Path, without: Arc<dyn BinTable>, tags: VaultTags) -> Self {
        let live = Self {
            directory: directory.to_owned(),
            tags,
            current: ArcSwap::from_pointee(Arc::clone(&without)),
            without,
            seen: Mutex::new(None),
            in_use: Mutex::new(None),
            noted: Mutex::new(None),
        };
        if let Err(fault) = live.look(true) {
            live.current.store(Arc::new(Arc::new(NoBinTable)));
            let path = path(directory);
            tracing::error!(
                path = %path.display(), error = %causes(&fault), advice = NOTHING_KNOWN,
                "bins.unusable"
            );
        }
        live
    }

    /// Follows the file for as long as it is polled, and the key that tags it.
    pub(crate) async fn follow(self: Arc<Self>, vault: Vault) {
        // What another key tagged while nobody served the vault is tagged anew too.
        let (mut tagged_by, mut looked_by, mut failed) = (0, 0, 0);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let version = self.tags.version();
            // What is wrong with it is logged.
            let looked = self.look_again(version != looked_by && looked_by != 0).await;
            looked_by = version;
            // A command that began before the key changed may have put one there since.
            let is_old = || self.tag_key().is_some_and(|key| key != version);
            if looked.is_ok() && (version != tagged_by || is_old()) {
                match self.retag().await {
                    Ok(()) => tagged_by = version,
                    Err(error) if failed != version => {
                        failed = version;
                        let advice = "see who may write to the directory, or import the list again with panvault bin import; the key of before is kept until then";
                        let path = path(&self.directory);
                        tracing::warn!(path = %path.display(), error = %format_args!("{error:#}"), advice, "bins.not_retagged");
                    }
                    // It was said, and is tried again.
                    Err(_) => {}
                }
            }
            self.note(&vault).await;
        }
    }

    /// Writes down in the audit trail that another table is in use than was written down before. What cannot be written is tried again at
    /// the next look.
    pub(crate) async fn note(&self, vault: &Vault) {
        let in_use = *lock(&self.in_use);
        if in_use == *lock(&self.noted) {
            return;
        }
        match vault.bins_note(in_use).await {
            Ok(true) => *lock(&self.noted) = in_use,
            // There is no organisation yet, so no card either.
            Ok(false) => {}
            Err(error) => {
                let advice = "see the store's log lines; it is tried again";
                tracing::error!(%error, advice, "bins.not_noted");
            }
        }
    }

    /// Takes up the file if it is another one than before, or `anyway`. Reading and hashing one takes longer than a request may
    /// wait, so it is done elsewhere.
    pub(crate) async fn look_again(self: &Arc<Self>, anyway: bool) -> Result<(), BinsFault> {
        let live = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || live.look(anyway)).await;
        let looked = looked.unwrap_or(Ok(()));
        if let Err(fault) = &looked {
            let path = path(&self.directory);
            if matches!(fault, BinsFault::File(FileFault::Tag)) {
                // Whoever wrote it can write here, and wants another table to be used.
                tracing::error!(
                    path = %path.display(), error = %causes(fault), advice = FOREIGN,
                    "bins.foreign"
                );
            } else {
                tracing::warn!(
                    path = %path.display(), error = %causes(fault), advice = OLD_KEPT,
                    "bins.kept"
                );
            }
        }
        looked
    }

    /// Gives the table in use, and the one before it, the tag of the key that tags now.
    async fn retag(self: &Arc<Self>) -> anyhow::Result<()> {
        let is_there = self.is_imported() || path_before(&self.directory).exists();
        if !is_there {
            return Ok(());
        }
        let live = Arc::clone(self);
        let retag = move || {
            // The one in use is what is looked at to tell whether it was done.
            for before in [true, false] {
                Replacing::begin(&live.directory, &live.tags)?.retag(before)?;
            }
            anyhow::Ok(())
        };
        tokio::task::spawn_blocking(retag).await.context("the server is stopping")??;
        Ok(self.look_again(false).await?)
    }

    /// Whether a list is imported, usable or not.
    pub(crate) fn is_imported(&self) -> bool {
        lock(&self.seen).is_some()
    }

    /// A fault is said once for each file.
    fn look(&self, anyway: bool) -> Result<(), BinsFault> {
        let mut seen = lock(&self.seen);
        // Most looks end here.
        let now = match std::fs::symlink_metadata(path(&self.directory)) {
            Ok(metadata) => Some(Seen::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return if anyway { Err(error.into()) } else { Ok(()) },
        };
        if now == *seen && !anyway {
            return Ok(());
        }
        let was_there = core::mem::replace(&mut *seen, now).is_some();
        let Some((file, metadata)) = open(&path(&self.directory))? else {
            if was_there {
                tracing::info!("bins.removed");
                self.current.store(Arc::new(Arc::clone(&self.without)));
                *lock(&self.in_use) = None;
            }
            return Ok(());
        };
        let table = Table::read(&bytes(file, &metadata)?, &self.tags)?;
        let about = table.about();
        tracing::info!(
            bins.version = about.version,
            bins.rows = table.rows(),
            bins.source = about.source,
            "bins.loaded"
        );
        let id = table.id();
        self.current.store(Arc::new(Arc::new(table)));
        *lock(&self.in_use) = Some(id);
        Ok(())
    }
}

impl BinTable for LiveBins {
    fn lookup(&self, digits: &[u8]) -> IssuerFacts {
        self.current.load().lookup(digits)
    }

    fn version(&self) -> u32 {
        self.current.load().version()
    }

    fn tag_key(&self) -> Option<u16> {
        self.current.load().tag_key()
    }

    /// A fault of what is there now was said, and the table before it goes on. Whoever looks at it has not taken it up yet, and is not waited for.
    fn is_of_now(&self) -> bool {
        let now = std::fs::symlink_metadata(path(&self.directory)).ok();
        self.seen.try_lock().is_ok_and(|seen| now.as_ref().map(Seen::of) == *seen)
    }

    fn status(&self) -> BinStatus {
        self.current.load().status()
    }
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn causes(fault: &BinsFault) -> String {
    match fault {
        BinsFault::Read(error) => format!("{fault}: {error}"),
        BinsFault::NotAFile | BinsFault::Unsafe(_) | BinsFault::Exposed | BinsFault::File(_) => {
            fault.to_string()
        }
    }
}
