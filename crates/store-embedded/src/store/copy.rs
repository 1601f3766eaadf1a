//! The view and the end of the log copied out of an open store, and a store made of such a copy.

use core::sync::atomic::Ordering;
use std::path::Path;
use std::sync::Arc;

use panvault_directory::Directory;
use panvault_model::{NodeId, VaultId};
use panvault_store::{Chain, StoreFault};
use tokio::sync::oneshot;

use crate::copy::{Copied, CopyFault, ViewCopy};
use crate::fault::OpenFault;
use crate::files::HeldFiles;
use crate::frames::{FramesFault, LogPlace, NewFrames};
use crate::limits::Settings;
use crate::log::{LogRead, SegmentHeader};
use crate::store::open::make_log_within;
use crate::store::{EmbeddedStore, LOG, lock};
use crate::view::{self, Access};

impl EmbeddedStore {
    /// Copies the view into a directory that has none, while commits go on: as of one commit, no earlier than any that was durable when this was called. The
    /// copy is durable, its name is not.
    pub async fn view_copy(&self, directory: &Directory) -> Result<Copied, CopyFault> {
        let shared = &self.shared;
        let caught_up = shared.catch_up().await;
        caught_up.map_err(|_| CopyFault::Stopped)?;
        let (to, file) = view::create_copy(directory).map_err(CopyFault::Unusable)?;
        let written = file.try_clone().map_err(CopyFault::Flush)?;
        let (reply, answer) = oneshot::channel();
        let NodeId(vault) = shared.writer_id;
        let vault = VaultId(vault);
        let first_tag = shared.tallies.chain().digest(vault.as_bytes());
        if !shared.apply_queue.ask_copy(ViewCopy { vault, first_tag, to, file, reply }) {
            let ended = shared.failure.is() || *shared.stopped.borrow();
            return Err(if ended { CopyFault::Stopped } else { CopyFault::Busy });
        }
        let copied = answer.await.unwrap_or(Err(CopyFault::Stopped))?;
        let flushed = tokio::task::spawn_blocking(move || written.sync_all()).await;
        flushed.map_err(|_| CopyFault::Stopped)?.map_err(CopyFault::Flush)?;
        Ok(copied)
    }

    /// Copies what the log has behind a place into a new file, while commits go on: up to one commit, no earlier than any that was durable when this was called. Nobody
    /// waits for it. The copy is durable, its name is not; where it fails, what there is of it is nothing.
    pub async fn frames_copy(
        &self,
        since: LogPlace,
        directory: &Directory,
        name: &str,
    ) -> Result<Copied, FramesFault> {
        let shared = Arc::clone(&self.shared);
        let until = shared.durable.load(Ordering::SeqCst);
        let log = self.held.log.again().map_err(FramesFault::Write)?;
        let mut to = NewFrames::create(directory, name)?;
        let copy = move || {
            let (path, files) = (log.path().to_owned(), HeldFiles([log]));
            let (NodeId(vault), chain) = (shared.writer_id, shared.tallies.chain());
            let read = LogRead { files: &files, log: &path, vault: VaultId(vault), chain };
            let (end, segment) = read.behind(since, until, &mut |frame| to.put(frame))?;
            to.finish()?;
            Ok(Copied { end, segment })
        };
        tokio::task::spawn_blocking(copy).await.map_err(|_| FramesFault::Stopped)?
    }

    /// Version of the key that whoever reads the log needs first. [`StoreFault::Busy`] where it is changing just now.
    pub(super) async fn log_key(&self) -> Result<u16, StoreFault> {
        const UNREAD: StoreFault = StoreFault::Read("the first segment of the log cannot be read");
        let shared = Arc::clone(&self.shared);
        let log = self.held.log.again().map_err(|_| UNREAD)?;
        let read = move || {
            let (path, files) = (log.path().to_owned(), HeldFiles([log]));
            let (NodeId(vault), chain) = (shared.writer_id, shared.tallies.chain());
            LogRead { files: &files, log: &path, vault: VaultId(vault), chain }.first_key()
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|_| StoreFault::Stopped)?;
        read.map_err(|_| UNREAD)?.ok_or(StoreFault::Busy)
    }

    /// What is committed from here on is in another segment than what was before, where segments are archived: so all that was deleted until a backup goes with it, once that
    /// is finished and gives up what came before.
    pub fn archive_begin(&self) {
        if self.shared.spares.archives() {
            self.shared.queue.roll();
        }
    }

    /// Gives up what is archived of segments before this one.
    pub fn archive_release(&self, segment: u64) {
        self.shared.spares.archive_release(segment);
    }

    /// Makes a store of a directory that has nothing of one but such a copy: its log goes on behind the last step of that, which is answered. It was looked at before,
    /// by [`examine_copy`](crate::examine_copy) or as part of something that was.
    pub fn create_from_copy(
        directory: &Path,
        vault: VaultId,
        chain: &dyn Chain,
        settings: &Settings,
    ) -> Result<u64, OpenFault> {
        let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
        lock(&held)?;
        if held.entry(LOG).map_err(OpenFault::io(directory))?.is_some() {
            return Err(OpenFault::Exists { path: directory.to_owned() });
        }
        let view = view::connect(&held, Access::Write, settings.cache_kib)?;
        let meta = view::meta(&view, vault)?;
        view.close().map_err(|(_, error)| error)?;
        let (previous, key) = meta.link_or_first(vault, chain);
        let first = SegmentHeader {
            vault,
            number: 1,
            first_sequence: meta.applied + 1,
            bytes: settings.segment_bytes,
            previous,
            key: chain.version(key),
        };
        make_log_within(&held, &first, chain)?;
        Ok(meta.applied)
    }
}
