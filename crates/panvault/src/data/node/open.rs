//! A node that opens its vault.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{Header, KeysError, RootKey, Slot, SystemEntropy, VaultKeys};
use panvault_model::VaultId;
use panvault_store::{CvvStore, Pending, Store, StoreFault};
use panvault_store_postgres::{Database, PostgresStore, VaultRow};
use panvault_store_redis::{RedisCvvs, RedisPassword, RedisSettings};
use panvault_vault::{Clock, HandOver, HeaderPlace, SystemClock, header_named_in, nodes_there};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::{CvvServer, Cvvs, secret};
use crate::data::chain;
use crate::data::header::change::{HeaderChange, UNNAMED, named};
use crate::data::header::{self, COPIES, Copies, OpenHeader};
use crate::data::node::NodeDirectory;
use crate::data::node::database::{READ_TIME, unsecured, vault_here};
use crate::data::node::put_back::Serving;
use crate::data::open::{Kept, OpenSettings, OpenVault, Opening, memory_cvvs, node_make, when_free};

/// Time between two tries to write down a header.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

impl NodeDirectory {
    /// Opens the vault for writing, as one of the nodes that share it.
    pub(in crate::data) async fn open(&self, settings: &OpenSettings) -> anyhow::Result<OpenVault> {
        self.open_by(self.unattended(settings.unattended()).await?.as_ref(), settings).await
    }

    /// Takes the directory for this node, which nobody else serves then, and opens nothing.
    pub(in crate::data) async fn hold(&self) -> anyhow::Result<Directory> {
        let (vault, mode) = match self.known {
            // The database may be away.
            Some(known) => known,
            None => {
                let (_, row, mode) = self.reach(READ_TIME).await?;
                (row.vault, mode)
            }
        };
        self.take(vault, mode)
    }

    /// The header, by whatever slot. Changes nothing.
    pub(in crate::data) async fn header_read(&self, slot: &dyn Slot) -> anyhow::Result<OpenHeader> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        self.header_by(&database, &row, mode, slot)
    }

    /// Changes the header in the database: `change` makes the next one of it. Nothing else changes. Two that do so at once: one of them.
    pub(in crate::data) async fn header_change(
        &self,
        slot: &dyn Slot,
        change: impl FnOnce(&Header, &RootKey) -> Result<Header, KeysError>,
    ) -> anyhow::Result<Header> {
        self.nobody_serves(slot).await?;
        let mut change = HeaderChange::new(change);
        loop {
            let open = when_free(async || self.open_by(slot, &OpenSettings::default()).await).await?;
            let changed = match named(&open).await {
                Ok(named) => self.header_put(slot, &named, &mut change).await,
                Err(error) => Err(error),
            };
            open.vault.close().await?;
            drop(open);
            let header = changed?;
            if change.is_made() {
                // What the one before opened opens nothing from here on.
                let open = when_free(async || self.open_by(slot, &OpenSettings::default()).await).await;
                open.context(UNNAMED)?.vault.close().await?;
                return Ok(header);
            }
        }
    }

    /// Refuses while a node may be there: it has the header as it was, and would refuse documents that name the next.
    async fn nobody_serves(&self, slot: &dyn Slot) -> anyhow::Result<()> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let keys = self.header_by(&database, &row, mode, slot)?.keys;
        let clock = SystemClock::start();
        let store = PostgresStore::open(database.clone(), chain(&keys), node_make(&clock)?).await?;
        let there = nodes_there(&store, &keys, clock.now().wall).await?;
        let Some((first, until)) = there.first() else { return Ok(()) };
        bail!(
            "{} nodes serve the vault in the database at {}, or died a moment ago, such as {first}: run the command on the machine of one of them, with its settings, or stop them all; of one that was \
             killed it is certain at {until} that it is gone",
            there.len(),
            database.url()
        )
    }

    async fn header_put(
        &self,
        slot: &dyn Slot,
        named: &HandOver,
        change: &mut HeaderChange<impl FnOnce(&Header, &RootKey) -> Result<Header, KeysError>>,
    ) -> anyhow::Result<Header> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let OpenHeader { root, copies, .. } = self.header_by(&database, &row, mode, slot)?;
        let header = change.next(copies.header(), &root, named)?;
        for (copy, version) in (0..COPIES.len()).zip(row.version..) {
            let replaced = database.header_replace(copy, &header.encode(), version).await;
            let unwritten = || format!("the keys in the database at {} are not written", database.url());
            ensure!(replaced.with_context(unwritten)?, "{}: they were changed meanwhile", unwritten());
        }
        Ok(header)
    }

    /// The same by whatever slot.
    pub(in crate::data) async fn open_by(
        &self,
        slot: &dyn Slot,
        settings: &OpenSettings,
    ) -> anyhow::Result<OpenVault> {
        let (database, row, mode) = self.reach(settings.store.list_time).await?;
        if let Some(advice) = unsecured(database.url()) {
            tracing::warn!(advice, "store.unsecured");
        }
        self.is_of(self.known, row.vault, mode)?;
        // Before anything is written: with another vault's key, the directory would be taken for one of this vault from then on.
        let OpenHeader { keys, root, operator, copies } = self.header_by(&database, &row, mode, slot)?;
        let held = self.take(row.vault, mode)?;
        NodeDirectory::finished(&self.path);
        // For commands beside this node, which do not wait for the database.
        header::write(&self.path, copies.header())?;
        let clock = Arc::new(SystemClock::start());
        let node = node_make(&clock)?;
        let store = PostgresStore::open(database.clone(), chain(&keys), node).await;
        let store = store.with_context(|| format!("the database at {} cannot be read", database.url()))?;
        let store = Arc::new(store);
        let handed = handed(copies.header(), &root, store.as_ref(), &keys).await?;
        drop(root);
        let last = self.last_served(&held)?;
        let restored = self.is_not_put_back(&store, &keys, last).await?;
        let cvvs = match &self.shared.cvvs {
            Cvvs::InProcess => memory_cvvs(&clock, settings),
            Cvvs::Server(server) => cvv_server(server, row.vault, settings.cvvs_held_max).await?,
        };
        let backup_key = keys.backups();
        let opening = Opening {
            path: &self.path,
            node,
            predecessor: last.node,
            clock,
            store: Arc::clone(&store) as Arc<dyn Store>,
            cvvs,
            keys,
            header_place: Arc::new(Rows(database.clone())),
            handed: Some(handed),
            mode,
        };
        let (vault, bins, descriptions) = opening.open(settings).await?;
        // Whoever moves the vault away marks it as moved and then looks who has written. This node has by now: either it is seen, or it sees the mark.
        if let Err(moved) = vault_here(&database, self.restoring).await {
            drop(vault.close().await);
            return Err(moved);
        }
        // One that did not begin is nobody's predecessor, and a command is none.
        if settings.serves() {
            let serving = Serving::new(held.again()?, row.vault, mode, node, restored);
            serving.note(0).with_context(|| format!("{} cannot be written to", self.path.display()))?;
            tokio::spawn(serving.follow(vault.header_subscribe(), Arc::downgrade(&store)));
        }
        mend(&database, &row, &copies).await;
        tokio::spawn(header_follow(vault.header_subscribe(), database, self.path.clone()));
        let kept = Kept::Node { held, store };
        Ok(OpenVault { vault, operator: Arc::new(operator), kept, backup_key, bins, descriptions })
    }
}

/// What other nodes are handed of a header that the documents may not name yet. Where they cannot be read or do not allow it, the opening says so.
async fn handed(
    header: &Header,
    root: &RootKey,
    store: &dyn Store,
    keys: &VaultKeys,
) -> Result<HandOver, KeysError> {
    let entropy = SystemEntropy::new();
    let named = header_named_in(store, keys).await.ok().flatten();
    let after = named.and_then(|named| header.hand_over_after(root, &named, &entropy).ok());
    after.map_or_else(|| header.hand_over(root, &entropy), Ok)
}

/// The server that holds the CVVs of all nodes. One that is out of reach is asked again for as long as the vault is open.
pub(super) async fn cvv_server(
    server: &CvvServer,
    vault: VaultId,
    held_max: u64,
) -> anyhow::Result<Arc<dyn CvvStore>> {
    let password = server.password_file.as_deref().map(secret::password).transpose();
    let password = password.map_err(|fault| anyhow::anyhow!(fault))?.map(RedisPassword::new);
    let roots = server.roots_file.as_deref().map(|path| {
        fs::read(path).with_context(|| format!("cvv_store_roots_file {} cannot be read", path.display()))
    });
    let settings = RedisSettings {
        url: server.url.clone(),
        username: server.user.clone(),
        password,
        tls_roots: roots.transpose()?,
        insecure: server.insecure,
        held_max,
        vault,
    };
    let cvvs = RedisCvvs::connect(&settings).await;
    Ok(Arc::new(cvvs.with_context(|| format!("cvv_store {} cannot be used", server.url))?))
}

/// Where the header of a vault in a database is.
struct Rows(Database);

impl HeaderPlace for Rows {
    fn header_replace(&self, header: Vec<u8>, before: u32) -> Pending<'_, bool> {
        Box::pin(async move {
            let row = self.0.vault_read().await?;
            let row = row.ok_or(StoreFault::Read("the database holds no vault"))?;
            if !header::is_next(row.header.iter(), &header, before) {
                return Ok(false);
            }
            for (copy, version) in (0..COPIES.len()).zip(row.version..) {
                // Of two that have read the same row one finds it changed.
                if !self.0.header_replace(copy, &header, version).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// Writes down the header for commands beside this node, whenever it has become another, until the vault is closed.
async fn header_follow(mut named: watch::Receiver<u32>, database: Database, path: PathBuf) {
    while named.changed().await.is_ok() {
        loop {
            let written = async {
                let row = database.vault_read().await?.context("the database holds no vault")?;
                COPIES
                    .iter()
                    .zip(&row.header)
                    .try_for_each(|(name, copy)| header::write_bytes(&path, name, copy))
            };
            match written.await {
                Ok(()) => break,
                Err(error) => {
                    let advice = "see why; until it is, commands beside this node do not reach it";
                    tracing::warn!(error = format!("{error:#}"), advice, "keys.copy_not_written");
                }
            }
            if named.has_changed().is_err() {
                return;
            }
            sleep(FOLLOW_EVERY).await;
        }
    }
}

/// Writes anew the copy of the header that does not serve. Another node may have done so meanwhile.
async fn mend(database: &Database, row: &VaultRow, copies: &Copies) {
    for fault in &copies.faults {
        fault.log();
        if let Err(error) = database.header_replace(fault.index(), &copies.encode(), row.version).await {
            let advice = "see why the database does not write, and start again; one copy is left";
            tracing::error!(%error, advice, "keys.copy_not_written");
        }
    }
}
