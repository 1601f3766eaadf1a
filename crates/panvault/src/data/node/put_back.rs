//! A database that was put back to an earlier moment, as a node's directory can tell: it has noted which node was last served from it, and how far the chain of that had come. A restore says in the
//! trail that it was one. What was put back to a moment since the last note, or is met by a new directory, does not show here.

use core::time::Duration;
use std::sync::{Arc, Weak};

use anyhow::{Context, bail};
use panvault_directory::Directory;
use panvault_keys::VaultKeys;
use panvault_model::{Id, NodeId, Timestamp, VaultId};
use panvault_store::Store;
use panvault_store_postgres::PostgresStore;
use panvault_vault::{Mode, keys_as_documents_say, made_from};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::data::node::{FILE, LastServed, NodeDirectory, write};

/// Time between two notes.
const NOTE_EVERY: Duration = Duration::from_secs(30);

impl NodeDirectory {
    /// Refuses a database that has not what the node wrote that was last served from here, unless it was restored since, or the vault moved there. Gives what it was last made of.
    pub(super) async fn is_not_put_back(
        &self,
        store: &Arc<PostgresStore>,
        keys: &VaultKeys,
        last: LastServed,
    ) -> anyhow::Result<Option<(Id, Timestamp)>> {
        let url = store.database().url();
        let unread = || format!("the database at {url} cannot be read");
        keys_as_documents_say(store.as_ref(), keys).await.with_context(unread)?;
        let restored = made_from(store.as_ref(), keys).await.with_context(unread)?;
        let Some(node) = last.node else { return Ok(restored) };
        let ends = store.audit_ends(vec![node]).await.with_context(unread)?;
        let end = ends.first().copied().unwrap_or(0);
        // It wrote that it began before that was noted.
        let known = last.records.max(1);
        if end >= known || (restored.is_some() && restored != last.restored) {
            return Ok(restored);
        }
        bail!(
            "the database at {url} is older than it was: node {node}, which was last served from {}, had written {known} records of the trail, and {end} are there. If the database was \
             put back, make it fit to be served with panvault restore; if another took over that had not got what was written last, compare it with what clients have, and then \
             remove {}",
            self.path.display(),
            self.path.join(FILE).display()
        )
    }
}

/// A node that is served, as its directory notes it.
pub(super) struct Serving {
    directory: Directory,
    vault: VaultId,
    mode: Mode,
    node: NodeId,
    restored: Option<(Id, Timestamp)>,
}

impl Serving {
    pub(super) const fn new(
        directory: Directory,
        vault: VaultId,
        mode: Mode,
        node: NodeId,
        restored: Option<(Id, Timestamp)>,
    ) -> Self {
        Self { directory, vault, mode, node, restored }
    }

    /// Notes how far the chain of the node has come.
    pub(super) fn note(&self, records: u64) -> anyhow::Result<()> {
        let Self { node, restored, .. } = *self;
        write(&self.directory, self.vault, self.mode, LastServed { node: Some(node), records, restored })
    }

    /// The same now and then, until the vault is closed.
    pub(super) async fn follow(self, mut named: watch::Receiver<u32>, store: Weak<PostgresStore>) {
        let mut noted = 0;
        loop {
            tokio::select! {
                changed = named.changed() => if changed.is_err() { return },
                () = sleep(NOTE_EVERY) => {}
            }
            let Some(store) = store.upgrade() else { return };
            // While the database is away, nothing is written that would have to be noted.
            let Ok(ends) = store.audit_ends(vec![self.node]).await else { continue };
            let end = ends.first().copied().unwrap_or(0);
            if end <= noted {
                continue;
            }
            match self.note(end) {
                Ok(()) => noted = end,
                Err(error) => {
                    let advice = "see why the directory of the node does not take files; until it does, a database that was put back may not show at the next start";
                    tracing::warn!(error = format!("{error:#}"), advice, "node.not_noted");
                }
            }
        }
    }
}
