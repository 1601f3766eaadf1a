//! How a store comes into being, and how it starts.

use core::sync::atomic::AtomicU64;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, JoinHandle};

use panvault_directory::Directory;
use panvault_model::{NodeId, VaultId};
use panvault_store::{Chain, SlotLimits, Slots};
use tokio::sync::watch;

use crate::applier::Applier;
use crate::apply_queue::ApplyQueue;
use crate::checkpoint::{ViewFiles, ViewLog};
use crate::commit::Committer;
use crate::commit_queue::CommitQueue;
use crate::deleted::Deleted;
use crate::failure::Failure;
use crate::fault::OpenFault;
use crate::files::{Files, HeldFiles};
use crate::limits::{COMMIT_BYTES_MAX, LISTS_MAX, LISTS_OF_ONE_MAX, LISTS_WAITING_MAX, Settings};
use crate::log::{FrameBuilder, SegmentHeader, Spares, Tail, erase, segment_path};
use crate::overlay::Overlay;
use crate::patrol::Patrol;
use crate::readers::Readers;
use crate::replay::{Replayed, replay};
use crate::row_cache::RowCache;
use crate::store::held::{Held, lock};
use crate::store::{EmbeddedStore, Shared};
use crate::view::{self, Access, Fingerprints, SchemaWatch};
use crate::writer::Writer;

/// Name of the directory of the segments.
pub(crate) const LOG: &str = "log";
/// The same in the making.
const LOG_NEW: &str = "log.new";

impl EmbeddedStore {
    /// Makes an empty store in a directory that has none.
    pub fn create(
        directory: &Path,
        vault: VaultId,
        chain: &dyn Chain,
        settings: &Settings,
    ) -> Result<(), OpenFault> {
        let log = directory.join(LOG);
        if log.exists() || view::view_path(directory).exists() {
            return Err(OpenFault::Exists { path: directory.to_owned() });
        }
        let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
        lock(&held)?;
        if let Some(log) = settings.log_directory.as_deref().filter(|set| *set != log) {
            return create_beside(&held, log, vault, chain, settings);
        }
        // The log gets its name when it is whole, and from then on there is a store: a crash before that leaves a part of
        // a log under another name, which the next try replaces, and a missing view is made when the store is opened.
        let first = first_segment(vault, chain, settings.segment_bytes);
        make_log_within(&held, &first, chain)?;
        view::create(&held, vault, chain)
    }

    /// Opens a store for writing: takes its lock, reads the log's tail into the view, and starts. Changes nothing when it
    /// refuses.
    pub fn open(
        directory: &Path,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
    ) -> Result<Self, OpenFault> {
        let held = Held::take(directory, settings.log_directory.as_deref())?;
        let files = held.files().map_err(OpenFault::io(directory))?;
        Self::start(held, vault, chain, settings, Arc::new(files))
    }

    /// Opens a store over another file system than the machine's, for tests of faults.
    pub fn open_with(
        directory: &Path,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
        files: Arc<dyn Files>,
    ) -> Result<Self, OpenFault> {
        let held = Held::take(directory, settings.log_directory.as_deref())?;
        Self::start(held, vault, chain, settings, files)
    }

    fn start(
        held: Held,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
        files: Arc<dyn Files>,
    ) -> Result<Self, OpenFault> {
        let directory = &held.directory;
        let log = held.log.path().to_owned();
        let Replayed { found, tallies, deleted_in, keys_ended_in } =
            replay(directory, &log, vault, &chain, files.as_ref(), &settings)?;
        let tail = Tail::open(Arc::clone(&files), log.clone(), vault, settings.segment_bytes, &found)
            .map_err(OpenFault::io(&log))?;
        let queue = Arc::new(CommitQueue::default());
        let failure = Failure::new(Arc::clone(&queue));
        let spares = Spares::start(
            Arc::clone(&files),
            log.clone(),
            settings.segment_bytes,
            settings.spares_max,
            settings.archive_bytes_max,
            Arc::clone(&failure),
        );
        let spares = Arc::new(spares.map_err(OpenFault::io(&log))?);
        if let Some(segment) = keys_ended_in {
            spares.archive_release(segment.saturating_add(1));
        }
        let tallies = Arc::new(tallies);
        let durable = Arc::new(AtomicU64::new(found.next_sequence - 1));
        let (applied_sender, applied) = watch::channel(found.next_sequence - 1);
        let (held_up_sender, view_held_up) = watch::channel(None);
        let (stopped_sender, stopped) = watch::channel(false);
        let apply_queue = Arc::new(ApplyQueue::new(tail.segment()));
        let view = view::connect(directory, Access::Write, settings.cache_kib)?;
        let overlay = Overlay::over(view::largest(&view)?);
        let overlay = Arc::new(RwLock::new(overlay));
        let readers = Arc::new(Readers::open(directory, settings.readers, settings.cache_kib)?);
        let row_cache = Arc::new(RowCache::new(settings.row_cache_bytes));
        let log_shares_disk = shares_disk(directory, &held.log).map_err(OpenFault::io(directory.path()))?;
        let view_files =
            ViewFiles::open(files.as_ref(), directory.path()).map_err(OpenFault::io(directory.path()))?;
        let fingerprints = Fingerprints::open(&view, settings.merging)?;
        let fingerprint_tail = fingerprints.tail();
        let applier = Applier {
            readers: Arc::clone(&readers),
            schema: SchemaWatch::start(&view)?,
            tallies: Arc::clone(&tallies),
            patrol: Patrol::start(),
            fingerprints,
            view_log: ViewLog::new(Arc::clone(&view_files), settings.view_log_bytes_max),
            log: log.clone(),
            apply_queue: Arc::clone(&apply_queue),
            overlay: Arc::clone(&overlay),
            applied: applied_sender,
            held_up: held_up_sender,
            queue: Arc::clone(&queue),
            spares: Arc::clone(&spares),
            log_shares_disk,
            oldest: found.segments.first().map_or(1, |segment| segment.number),
            deleted: Deleted::found(deleted_in, settings.deleted_time_max),
        };
        let committer = Committer {
            tail,
            spares: Arc::clone(&spares),
            chain,
            overlay: Arc::clone(&overlay),
            staged: Overlay::default(),
            readers: Arc::clone(&readers),
            row_cache: Arc::clone(&row_cache),
            apply_queue: Arc::clone(&apply_queue),
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
            .map(|_| view::connect(directory, Access::Read, settings.cache_kib / 4))
            .collect::<Result<_, _>>()?;
        let limits = SlotLimits { of_one_max: LISTS_OF_ONE_MAX, waiting_max: LISTS_WAITING_MAX };
        let (to_write, to_carry) = (Arc::clone(&writer), Arc::clone(&apply_queue));
        let shared = Arc::new(Shared {
            writer_id: NodeId(vault.0),
            queue,
            writer,
            overlay,
            tallies,
            readers,
            row_cache,
            slots: Arc::new(Slots::new(listers, limits)),
            fingerprint_tail,
            apply_queue,
            applied,
            view_held_up,
            stopped,
            durable,
            failure: Arc::clone(&failure),
            spares,
            settings,
            _view_files: view_files,
        });
        let theirs = Arc::clone(&failure);
        let writer = spawn("panvault-writer", move || {
            theirs.watch(|| to_write.run());
            to_carry.end(theirs.is());
        });
        let applier = spawn("panvault-applier", move || {
            failure.watch(|| applier.run(view));
            stopped_sender.send_replace(true);
        });
        let threads = [writer, applier]
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(OpenFault::io(directory.path()))?;
        Ok(Self { shared, threads: Mutex::new(threads), held })
    }
}

/// Whether two directories are on one file system.
fn shares_disk(one: &Directory, other: &Directory) -> std::io::Result<bool> {
    Ok(one.metadata()?.dev() == other.metadata()?.dev())
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Makes a store whose log is a directory elsewhere, which must not be there: what else is there is somebody's own.
fn create_beside(
    held: &Directory,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    settings: &Settings,
) -> Result<(), OpenFault> {
    if log.symlink_metadata().is_ok() {
        return Err(OpenFault::Exists { path: log.to_owned() });
    }
    let around = log.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let around = Directory::open(around).map_err(OpenFault::io(around))?;
    let name = log.file_name().ok_or(ErrorKind::InvalidInput.into()).map_err(OpenFault::io(log))?;
    let made = make_log(&around, name, &first_segment(vault, chain, settings.segment_bytes), chain)
        .and_then(|()| around.sync())
        .map_err(OpenFault::io(log))
        .and_then(|()| view::create(held, vault, chain));
    // Somebody else's is as it was: what has the name already is no fault of a later step.
    made.inspect_err(|fault| {
        let is_anothers = |source: &std::io::Error| source.kind() == ErrorKind::AlreadyExists;
        if !matches!(fault, OpenFault::Io { source, .. } if is_anothers(source)) {
            drop(std::fs::remove_dir_all(log));
        }
    })
}

/// The first segment of a vault in which nothing was ever done.
fn first_segment(vault: VaultId, chain: &dyn Chain, bytes: u64) -> SegmentHeader {
    let (previous, key) = (chain.digest(vault.as_bytes()), chain.version(0));
    SegmentHeader { vault, number: 1, first_sequence: 1, bytes, previous, key }
}

/// Makes the log of a directory that has none; it is there whole, or not at all.
pub(crate) fn make_log_within(
    held: &Directory,
    first: &SegmentHeader,
    chain: &dyn Chain,
) -> Result<(), OpenFault> {
    let (new, log) = (held.path().join(LOG_NEW), held.path().join(LOG));
    make_log(held, OsStr::new(LOG_NEW), first, chain).map_err(OpenFault::io(new))?;
    held.rename(LOG_NEW, LOG).and_then(|()| held.sync()).map_err(OpenFault::io(log))
}

/// Makes a log with one empty segment.
fn make_log(
    held: &Directory,
    name: &OsStr,
    header: &SegmentHeader,
    chain: &dyn Chain,
) -> std::io::Result<()> {
    let log = held.path().join(name);
    if name == LOG_NEW && log.symlink_metadata().is_ok() {
        // An earlier try left it.
        std::fs::remove_dir_all(&log)?;
    }
    DirBuilder::new().mode(0o700).create(&log)?;
    let files = HeldFiles([held.below(name)?]);
    let file = files.create(&segment_path(&log, header.number))?;
    erase(file.as_ref(), 0, header.bytes)?;
    let no_key = || std::io::Error::other("there is no key to chain with");
    file.write_at(&header.encode(chain).ok_or_else(no_key)?, 0)?;
    file.flush()?;
    files.sync_directory(&log)
}
