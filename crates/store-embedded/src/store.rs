use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use panvault_model::{CardId, TransactionId, VaultId};
use panvault_store::decide::Left;
use panvault_store::{
    AuditRecord, CardDelete, CardField, CardInsert, CardQuery, CardRow, CardUpdate, Chain, DocumentCommit,
    DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow, IdempotencySweep, Outcome, Page, Pending, Step,
    Store, StoreFault, StoreStatus, TransactionField, TransactionInitiate, TransactionQuery, TransactionRow,
    TransactionSettle,
};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::applier::{Applier, ToApply, is_delete};
use crate::fault::OpenFault;
use crate::files::{Files, SystemFiles};
use crate::limits::{COMMIT_BYTES_MAX, Settings};
use crate::log::{Recovered, SegmentHeader, Spares, Tail, erase, recover, segment_path};
use crate::overlay::Overlay;
use crate::view::{self, Access, ApplyFrame};
use crate::writer::{Job, Queue, Writer};

/// A store in one directory: the log, and SQLite as the view of it.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the store is open.
    _lock: File,
}

struct Shared {
    queue: Arc<Queue>,
    overlay: Arc<RwLock<Overlay>>,
    readers: Vec<Mutex<Connection>>,
    /// The connection that is waited for when all others are in use.
    last: Mutex<Connection>,
    next_reader: AtomicUsize,
    applied: watch::Receiver<u64>,
    view_full: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
    durable: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
    spares: Arc<Spares>,
    settings: Settings,
}

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
        let spares =
            Spares::start(files, log.clone(), settings.segment_bytes).map_err(OpenFault::io(&log))?;
        let spares = Arc::new(spares);
        let durable = Arc::new(AtomicU64::new(found.next_sequence - 1));
        let failed = Arc::new(AtomicBool::new(false));
        let (applied_sender, applied) = watch::channel(found.next_sequence - 1);
        let (full_sender, view_full) = watch::channel(false);
        let (stopped_sender, stopped) = watch::channel(false);
        let queue = Arc::new(Queue::default());
        let overlay = Arc::new(RwLock::new(Overlay::default()));
        let to_apply = Arc::new(ToApply::new(tail.segment()));
        let applier = Applier {
            view: view::connect(directory, Access::Write, settings.cache_kib)?,
            view_log: directory.join("view.sqlite-wal"),
            log: log.clone(),
            to_apply: Arc::clone(&to_apply),
            overlay: Arc::clone(&overlay),
            applied: applied_sender,
            full: full_sender,
            queue: Arc::clone(&queue),
            spares: Arc::clone(&spares),
            oldest: found.segments.first().map_or(1, |segment| segment.number),
            deleted_in,
        };
        let writer = Writer {
            queue: Arc::clone(&queue),
            tail,
            spares: Arc::clone(&spares),
            chain,
            overlay: Arc::clone(&overlay),
            view: view::connect(directory, Access::Read, settings.cache_kib)?,
            to_apply,
            durable: Arc::clone(&durable),
            step_bytes_max: usize::try_from(settings.segment_bytes / 4).unwrap_or(usize::MAX),
            commit_bytes_max: usize::try_from(settings.segment_bytes / 2)
                .map_or(COMMIT_BYTES_MAX, |half| half.min(COMMIT_BYTES_MAX)),
        };
        let readers = (0..settings.readers.max(1))
            .map(|_| view::connect(directory, Access::Read, settings.cache_kib).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared {
            queue,
            overlay,
            readers,
            last: Mutex::new(view::connect(directory, Access::Read, settings.cache_kib)?),
            next_reader: AtomicUsize::new(0),
            applied,
            view_full,
            stopped,
            durable,
            failed: Arc::clone(&failed),
            spares,
            settings,
        });
        let theirs = Arc::clone(&failed);
        let writer = spawn("panvault-writer", move || {
            if !writer.run() {
                theirs.store(true, Ordering::SeqCst);
            }
        });
        let applier = spawn("panvault-applier", move || {
            if !applier.run() {
                failed.store(true, Ordering::SeqCst);
            }
            stopped_sender.send_replace(true);
        });
        let threads =
            [writer, applier].into_iter().collect::<Result<_, _>>().map_err(OpenFault::io(directory))?;
        Ok(Self { shared, threads: Mutex::new(threads), _lock: lock })
    }

    /// Resolves when the store has ended: after [`Store::close`], or after a failed write.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.shared.stopped.clone();
        async move {
            // An error means that the thread is gone, which is an end too.
            drop(stopped.wait_for(|stopped| *stopped).await);
        }
    }

    fn commit<T: Send + 'static>(
        &self,
        step: Step,
        pick: impl FnOnce(Outcome<Left>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Pending<'_, T> {
        let (reply, answer) = oneshot::channel();
        let taken = self.shared.take(Job { step, reply });
        Box::pin(async move {
            taken?;
            pick(answer.await.unwrap_or(Err(StoreFault::Stopped))?)
        })
    }

    /// Answers from the view once it shows every step that is durable now, on a thread that may take its time.
    fn caught_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> Pending<'_, T> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let asked = shared.durable.load(Ordering::SeqCst);
            let (mut applied, mut full) = (shared.applied.clone(), shared.view_full.clone());
            tokio::select! {
                biased;
                reached = applied.wait_for(|applied| *applied >= asked) => {
                    drop(reached.map_err(|_| StoreFault::Stopped)?);
                }
                // What cannot be shown whole is not shown.
                Ok(_) = full.wait_for(|full| *full) => return Err(StoreFault::Full),
            }
            let read = tokio::task::spawn_blocking(move || read(&shared.reader()));
            read.await.unwrap_or(Err(StoreFault::Read))
        })
    }

    /// Answers at once from the overlay or the view.
    fn at_once<T: Send + 'static>(
        &self,
        overlay: impl FnOnce(&Overlay) -> Option<Option<T>>,
        view: impl FnOnce(&Connection) -> Result<Option<T>, StoreFault>,
    ) -> Pending<'_, Option<T>> {
        let newer = overlay(&self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner));
        let answer = match newer {
            Some(row) => Ok(row),
            None => view(&self.shared.reader()),
        };
        Box::pin(core::future::ready(answer))
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

/// Reads the log, and brings the view up to its end. Says too which segment last has a card that was deleted since.
fn replay(
    directory: &Path,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    files: &dyn Files,
    cache_kib: u32,
) -> Result<(Recovered, Option<u64>), OpenFault> {
    // The log is read whole before anything is changed: a refusal must leave all as it was.
    let applied = match view_meta(directory, vault, cache_kib)? {
        Some(meta) => meta,
        None => view::Meta { applied: 0, tag: None },
    };
    let mut frames: Vec<ApplyFrame> = Vec::new();
    let mut foreign = None;
    let mut deleted_in = None;
    let found = recover(files, log, vault, chain, &mut |frame| {
        if frame.last_sequence() == applied.applied && Some(frame.tag) != applied.tag {
            foreign = Some(frame.last_sequence());
        }
        if frame.effects.iter().flatten().any(is_delete) {
            deleted_in = Some(frame.segment);
        }
        if frame.first_sequence > applied.applied {
            frames.push(frame.into());
        }
        Ok(())
    })?;
    let first = found.segments.first().map_or(1, |segment| segment.first_sequence);
    if applied.applied + 1 < first {
        return Err(OpenFault::ViewTooOld { applied: applied.applied, first });
    }
    if applied.applied >= found.next_sequence {
        return Err(OpenFault::ViewAhead { applied: applied.applied, last: found.next_sequence - 1 });
    }
    if let Some(sequence) = foreign {
        return Err(OpenFault::ViewForeign { sequence });
    }
    if found.torn {
        tracing::warn!(advice = "none; it was never acknowledged", "log.torn_tail_dropped");
    }
    if !view::view_path(directory).exists() {
        tracing::warn!(advice = "none; it is rebuilt from the log", "view.missing");
        view::create(directory, vault)?;
    }
    let mut connection = view::connect(directory, Access::Write, cache_kib)?;
    for frames in frames.chunks(64) {
        view::apply(&mut connection, frames)?;
    }
    Ok((found, deleted_in))
}

/// What the view says of itself; `None` when it is not there.
fn view_meta(directory: &Path, vault: VaultId, cache_kib: u32) -> Result<Option<view::Meta>, OpenFault> {
    if !view::view_path(directory).exists() {
        return Ok(None);
    }
    let connection = view::connect(directory, Access::Read, cache_kib)?;
    view::meta(&connection, vault).map(Some)
}

impl Shared {
    fn take(&self, job: Job) -> Result<(), StoreFault> {
        // The segment that is written to may have room yet; what is left on the disk is for the view, which has to follow.
        if self.spares.is_full() {
            return Err(StoreFault::Full);
        }
        let behind = self.durable.load(Ordering::Relaxed).saturating_sub(*self.applied.borrow());
        if behind > self.settings.behind_steps_max {
            return Err(StoreFault::Busy);
        }
        self.queue.push(job, self.settings.queue_steps_max)
    }

    /// A connection that nobody uses, or the next one in turn.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let order = self.readers.iter().cycle().skip(turn % self.readers.len()).take(self.readers.len());
        for reader in order {
            if let Ok(reader) = reader.try_lock() {
                return reader;
            }
        }
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for EmbeddedStore {
    fn card_insert(&self, step: CardInsert) -> Pending<'_, Outcome<Arc<CardRow>>> {
        self.commit(Step::CardInsert(step), Outcome::card)
    }

    fn card_update(&self, step: CardUpdate) -> Pending<'_, Outcome<Arc<CardRow>>> {
        self.commit(Step::CardUpdate(step), Outcome::card)
    }

    fn card_delete(&self, step: CardDelete) -> Pending<'_, Outcome<()>> {
        self.commit(Step::CardDelete(step), |outcome| Ok(outcome.nothing()))
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        self.at_once(
            |overlay| overlay.cards.get(&id).map(|(_, row)| row.clone()),
            |view| view::card(view, id),
        )
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        self.caught_up(move |view| view::list::<CardField>(view, &query))
    }

    fn transaction_initiate(&self, step: TransactionInitiate) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        self.commit(Step::TransactionInitiate(step), Outcome::transaction)
    }

    fn transaction_settle(&self, step: TransactionSettle) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        self.commit(Step::TransactionSettle(step), Outcome::transaction)
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        self.at_once(
            |overlay| overlay.transactions.get(&id).map(|(_, row)| row.clone()),
            |view| view::transaction(view, id),
        )
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<HistoryRow>> {
        self.caught_up(move |view| view::history(view, id))
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        self.caught_up(move |view| view::list::<TransactionField>(view, &query))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        self.caught_up(view::open_transactions)
    }

    fn document_commit(&self, step: DocumentCommit) -> Pending<'_, Outcome<()>> {
        self.commit(Step::DocumentCommit(step), |outcome| Ok(outcome.nothing()))
    }

    fn document_read_all(&self) -> Pending<'_, Vec<DocumentRow>> {
        self.caught_up(view::documents)
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        self.at_once(
            |overlay| overlay.idempotency.get(&key).map(|(_, row)| row.clone()),
            |view| view::idempotency(view, key),
        )
    }

    fn idempotency_sweep(&self, step: IdempotencySweep) -> Pending<'_, usize> {
        self.commit(Step::IdempotencySweep(step), |outcome| Ok(outcome.count()))
    }

    fn audit_read(&self, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        self.caught_up(move |view| view::audit(view, first, limit))
    }

    fn status(&self) -> StoreStatus {
        let shared = &self.shared;
        let sequence = shared.durable.load(Ordering::SeqCst);
        let fault = if shared.failed.load(Ordering::SeqCst) || *shared.stopped.borrow() {
            Some(StoreFault::Stopped)
        } else if shared.spares.is_full() || *shared.view_full.borrow() {
            Some(StoreFault::Full)
        } else {
            None
        };
        let behind = sequence.saturating_sub(*shared.applied.borrow());
        StoreStatus { fault, sequence, behind, waiting: shared.queue.len() }
    }

    fn close(&self) -> Pending<'_, ()> {
        self.shared.queue.close();
        let stopped = self.stopped();
        Box::pin(async move {
            stopped.await;
            if self.shared.failed.load(Ordering::SeqCst) { Err(StoreFault::Stopped) } else { Ok(()) }
        })
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
