//! How a store comes into being, and how it starts.

use core::sync::atomic::AtomicU64;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, JoinHandle};

use panvault_model::{NodeId, VaultId};
use panvault_store::Chain;
use tokio::sync::{Semaphore, watch};

use crate::applier::Applier;
use crate::commit::Committer;
use crate::failure::Failure;
use crate::fault::OpenFault;
use crate::files::{Files, SystemFiles};
use crate::limits::{COMMIT_BYTES_MAX, LISTS_MAX, Settings};
use crate::log::{FrameBuilder, SegmentHeader, Spares, Tail, erase, segment_path};
use crate::overlay::Overlay;
use crate::queue::Queue;
use crate::readers::Readers;
use crate::replay::replay;
use crate::store::{EmbeddedStore, Shared};
use crate::to_apply::ToApply;
use crate::view::{self, Access, Fingerprints};
use crate::writer::Writer;

/// Directory of the segments.
pub(crate) fn log_path(directory: &Path) -> PathBuf {
    directory.join("log")
}

impl EmbeddedStore {
    /// Makes an empty store in a directory that has none.
    pub fn create(
        directory: &Path,
        vault: VaultId,
        chain: &dyn Chain,
        settings: &Settings,
    ) -> Result<(), OpenFault> {
        let log = log_path(directory);
        if log.exists() || view::view_path(directory).exists() {
            return Err(OpenFault::Exists { path: directory.to_owned() });
        }
        let _lock = lock(directory)?;
        // The log gets its name when it is whole, and from then on there is a store: a crash before that leaves a part of
        // a log under another name, which the next try replaces, and a missing view is made when the store is opened.
        let files = SystemFiles;
        let making = directory.join("log.new");
        make_log(&files, &making, vault, chain, settings.segment_bytes).map_err(OpenFault::io(&making))?;
        files
            .rename(&making, &log)
            .and_then(|()| files.sync_directory(directory))
            .map_err(OpenFault::io(&log))?;
        view::create(directory, vault)
    }

    /// Opens a store for writing: takes its lock, reads the log's tail into the view, and starts. Changes nothing when it
    /// refuses.
    pub fn open(
        directory: &Path,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
    ) -> Result<Self, OpenFault> {
        Self::open_with(directory, vault, chain, settings, Arc::new(SystemFiles))
    }

    /// Opens a store over another file system than the machine's, for tests of faults.
    pub fn open_with(
        directory: &Path,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
        files: Arc<dyn Files>,
    ) -> Result<Self, OpenFault> {
        let log = log_path(directory);
        if !log.is_dir() {
            return Err(OpenFault::Missing { path: directory.to_owned() });
        }
        let lock = lock(directory)?;
        let (found, deleted_in) =
            replay(directory, &log, vault, chain.as_ref(), files.as_ref(), settings.cache_kib)?;
        let tail = Tail::open(Arc::clone(&files), log.clone(), vault, settings.segment_bytes, &found)
            .map_err(OpenFault::io(&log))?;
        let queue = Arc::new(Queue::default());
        let failure = Failure::new(Arc::clone(&queue));
        let spares =
            Spares::start(Arc::clone(&files), log.clone(), settings.segment_bytes, Arc::clone(&failure))
                .map_err(OpenFault::io(&log))?;
        let spares = Arc::new(spares);
        let durable = Arc::new(AtomicU64::new(found.next_sequence - 1));
        let (applied_sender, applied) = watch::channel(found.next_sequence - 1);
        let (held_up_sender, view_held_up) = watch::channel(None);
        let (stopped_sender, stopped) = watch::channel(false);
        let to_apply = Arc::new(ToApply::new(tail.segment()));
        let view = view::connect(directory, Access::Write, settings.cache_kib)?;
        let overlay = Overlay::over(view::largest(&view)?);
        let overlay = Arc::new(RwLock::new(overlay));
        let readers = Arc::new(Readers::open(directory, settings.readers, settings.cache_kib)?);
        let applier = Applier {
            readers: Arc::clone(&readers),
            fingerprints: Fingerprints::open(&view)?,
            view,
            files,
            view_log: directory.join("view.sqlite-wal"),
            log: log.clone(),
            to_apply: Arc::clone(&to_apply),
            overlay: Arc::clone(&overlay),
            applied: applied_sender,
            held_up: held_up_sender,
            queue: Arc::clone(&queue),
            spares: Arc::clone(&spares),
            oldest: found.segments.first().map_or(1, |segment| segment.number),
            deleted_in,
        };
        let committer = Committer {
            tail,
            spares: Arc::clone(&spares),
            chain,
            overlay: Arc::clone(&overlay),
            staged: Overlay::default(),
            readers: Arc::clone(&readers),
            to_apply: Arc::clone(&to_apply),
            durable: Arc::clone(&durable),
            step_bytes_max: usize::try_from(settings.segment_bytes / 4).unwrap_or(usize::MAX),
            commit_bytes_max: usize::try_from(settings.segment_bytes / 2)
                .map_or(COMMIT_BYTES_MAX, |half| half.min(COMMIT_BYTES_MAX)),
            builder: FrameBuilder::default(),
            last_steps: 0,
            failed: false,
        };
        let writer = Arc::new(Writer::new(Arc::clone(&queue), committer, Arc::clone(&failure)));
        // A list goes from front to back, and little of what it has read is read again.
        let listers = (0..LISTS_MAX)
            .map(|_| view::connect(directory, Access::Read, settings.cache_kib / 4).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let (to_write, to_carry) = (Arc::clone(&writer), Arc::clone(&to_apply));
        let shared = Arc::new(Shared {
            writer_id: NodeId(vault.0),
            queue,
            writer,
            overlay,
            readers,
            listers,
            lists: Arc::new(Semaphore::new(LISTS_MAX)),
            to_apply,
            applied,
            view_held_up,
            stopped,
            durable,
            failure: Arc::clone(&failure),
            spares,
            settings,
        });
        let theirs = Arc::clone(&failure);
        let writer = spawn("panvault-writer", move || {
            theirs.watch(|| to_write.run());
            to_carry.end(theirs.is());
        });
        let applier = spawn("panvault-applier", move || {
            failure.watch(|| applier.run());
            stopped_sender.send_replace(true);
        });
        let threads =
            [writer, applier].into_iter().collect::<Result<_, _>>().map_err(OpenFault::io(directory))?;
        Ok(Self { shared, threads: Mutex::new(threads), _lock: lock })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Makes a log with one empty segment, in place of what an earlier try left.
fn make_log(
    files: &dyn Files,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    bytes: u64,
) -> std::io::Result<()> {
    if log.exists() {
        std::fs::remove_dir_all(log)?;
    }
    DirBuilder::new().mode(0o700).create(log)?;
    let previous = chain.digest(vault.as_bytes());
    let header = SegmentHeader { vault, number: 1, first_sequence: 1, bytes, previous };
    let file = files.create(&segment_path(log, 1))?;
    erase(file.as_ref(), 0, bytes)?;
    file.write_at(&header.encode(chain), 0)?;
    file.flush()?;
    files.sync_directory(log)
}

/// Takes the directory's lock, and writes down who has it.
fn lock(directory: &Path) -> Result<File, OpenFault> {
    let path = directory.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(OpenFault::io(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            drop(file.take(20).read_to_string(&mut pid));
            return Err(OpenFault::InUse { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(OpenFault::io(&path)(error)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(OpenFault::io(&path))?;
    Ok(file)
}
