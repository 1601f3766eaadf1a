//! A database that was put back by its own tools is held against a backup. Nothing is changed.

mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_keys::{Slot, VaultKeys};
use panvault_model::{Id, NodeId};
use panvault_store::{Action, AuditRecord};
use panvault_store_postgres::{ChainMark, Database, MarkState, PostgresStore, VaultRow};
use panvault_vault::{Mode, SystemClock, audit_starts};

use crate::data::backup::apply::Ended;
use crate::data::backup::manifest::Manifest;
use crate::data::backup::verify::{OpenBackup, Verified, is_sound, opened};
use crate::data::moving::VaultState;
use crate::data::node::database::{reach, vault_state};
use crate::data::node::{AtRest, NodeDirectory};
use crate::data::open::node_make;
use crate::data::{LIST_TIME, chain, mode_name};

pub(crate) use restore::restore_database;

/// Holds a database that was put back against a backup that was made before its dump or base backup was begun: whether it has all that there was at the backup, whether
/// each row and record in it is as the vault wrote it, and none is missing or of before. Nobody may write to it meanwhile. Says `at` how many rows were read.
pub(crate) async fn verify_database(
    path: &Path,
    slot: &dyn Slot,
    node: &NodeDirectory,
    at: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<Verified> {
    Ok(looked_at(path, slot, node, at).await?.verified)
}

/// A database that was put back and is whole.
struct PutBack {
    verified: Verified,
    database: Database,
    row: VaultRow,
    mode: Mode,
    keys: VaultKeys,
    /// It was begun to be made fit to be served.
    is_begun: bool,
    /// The places of the last records of all chains, together.
    places: u64,
    /// Where that was begun: what the trail says has ended.
    ended: Ended,
}

async fn looked_at(
    path: &Path,
    slot: &dyn Slot,
    node: &NodeDirectory,
    at: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<PutBack> {
    let shown = path.display();
    let OpenBackup { manifest, keys } = tokio::task::block_in_place(|| opened(path, slot))?;
    let Some(chains) = &manifest.chains else {
        bail!(
            "{shown} is of a vault in its directory, and store names a database: leave store out, and name the directory that is to be made with --data"
        )
    };
    let database = reach(&node.shared, LIST_TIME).await?;
    let url = database.url().to_string();
    let (row, mode, is_begun) = vault_of(&database, &manifest).await?;
    let open = || Ok(node.header_by(&database, &row, mode, slot)?.keys);
    let there = open()?;
    ensure!(
        there.header_version() >= keys.header_version(),
        "the database at {url} is older than backup {}: it has version {} of the header of keys, and the backup has version {}",
        manifest.id,
        there.header_version(),
        keys.header_version()
    );
    let node_id = node_make(&SystemClock::start())?;
    let unread = || format!("the database at {url} cannot be read");
    let store = PostgresStore::open(database.clone(), chain(&there), node_id).await.with_context(unread)?;
    has_all(&store, &there, chains, manifest.id).await?;
    let mut reading = Reading::new(manifest.id, is_begun);
    let at_rest = AtRest { store: &store, keys: &open };
    let (found, counts) = at_rest.examined(at, &mut |record| reading.put(record)).await?;
    is_sound(found, || {
        format!(
            "the database at {url} is not what the vault wrote: put back another dump or base backup that was begun behind this or a later backup; what is wrong with it"
        )
    })?;
    let count = |kind: &str| counts.iter().find(|(name, _)| *name == kind).map_or(0, |(_, count)| *count);
    let verified = Verified {
        records: reading.records,
        cards: count("cards"),
        transactions: count("transactions"),
        refunds: count("refunds"),
        customers: count("customers"),
        heads: reading.heads.into_values().collect(),
        manifest,
    };
    drop(store);
    let keys = there;
    let places = reading.ends.values().sum();
    Ok(PutBack { verified, database, row, mode, keys, is_begun, places, ended: reading.ended })
}

/// The row about the vault of the backup, and whether it was begun to be restored. Another vault, and one that is not there whole, is refused.
async fn vault_of(database: &Database, manifest: &Manifest) -> anyhow::Result<(VaultRow, Mode, bool)> {
    let url = database.url();
    let missing = database.tables_missing().await;
    let missing = missing.with_context(|| format!("the database at {url} cannot be read"))?;
    // Where none is there, it says so in other words.
    if !missing.is_empty() && missing.len() < Database::TABLES {
        bail!(
            "the database at {url} is not whole: its tables {} are missing; put the dump back whole",
            missing.join(", ")
        );
    }
    let (row, mode, state) = vault_state(database).await?;
    let is_begun = match &state {
        VaultState::Here => false,
        VaultState::Restoring(backup) if *backup == manifest.id => true,
        VaultState::Restoring(_) | VaultState::Arriving(_) | VaultState::Moved(_) => {
            bail!(state.refusal(&url.to_string()).unwrap_or_default())
        }
    };
    ensure!(
        row.vault == manifest.vault,
        "the database at {url} holds vault {}, and the backup is of vault {}",
        row.vault,
        manifest.vault
    );
    ensure!(
        mode == manifest.mode,
        "the database at {url} holds a {} vault, and the backup is of a {} one",
        mode_name(mode),
        mode_name(manifest.mode)
    );
    Ok((row, mode, is_begun))
}

/// Whether each chain goes as far as it did at the backup, with the same records.
async fn has_all(
    store: &PostgresStore,
    keys: &VaultKeys,
    chains: &[ChainMark],
    backup: Id,
) -> anyhow::Result<()> {
    let url = store.database().url();
    let writers: Vec<_> = chains.iter().map(|mark| mark.writer).collect();
    let starts = audit_starts(store, keys, &writers).await;
    let starts = starts.with_context(|| format!("the trail in the database at {url} cannot be read"))?;
    for mark in chains {
        let state = store.chain_mark_state(mark).await;
        match state.with_context(|| format!("the trail in the database at {url} cannot be read"))? {
            MarkState::Stands => {}
            MarkState::Short { .. } | MarkState::Other
                if starts.get(&mark.writer).is_some_and(|(_, start)| start.place >= mark.place) =>
            {
                bail!(
                    "the trail in the database at {url} is kept from record {} of node {} on, and backup {backup} names an earlier one: audit_retention_days was over since. Name a backup \
                     that was made later",
                    starts.get(&mark.writer).map_or(0, |(_, start)| start.place).saturating_add(1),
                    mark.writer
                )
            }
            MarkState::Short { end } => bail!(
                "the database at {url} is older than backup {backup}: the trail of node {} ends there with record {end}, and had {} when the backup was made; put back a dump or base \
                 backup that was begun behind it, or name the backup that belongs to this one",
                mark.writer,
                mark.place
            ),
            MarkState::Other => bail!(
                "the database at {url} is of a copy of the vault that went on by itself, or was changed: record {} of node {} is another than when backup {backup} was made",
                mark.place,
                mark.writer
            ),
        }
    }
    Ok(())
}

/// What is kept of the trail.
struct Reading {
    backup: Id,
    is_begun: bool,
    records: u64,
    /// The place of the last record of each chain.
    ends: BTreeMap<NodeId, u64>,
    heads: BTreeMap<NodeId, AuditRecord>,
    /// Chains of which what comes next is of the restore that was begun.
    restored: BTreeSet<NodeId>,
    ended: Ended,
}

impl Reading {
    fn new(backup: Id, is_begun: bool) -> Self {
        let (ends, heads) = (BTreeMap::new(), BTreeMap::new());
        let (restored, ended) = (BTreeSet::new(), Ended::default());
        Self { backup, is_begun, records: 0, ends, heads, restored, ended }
    }

    fn put(&mut self, record: &AuditRecord) {
        self.records += 1;
        if self.is_begun {
            self.ended.put(&record.note);
        }
        let writer = record.writer;
        self.ends.insert(writer, record.place);
        if record.note.action == Action::VaultRestore && record.note.object == self.backup {
            self.restored.insert(writer);
        }
        if !self.restored.contains(&writer) {
            self.heads.insert(writer, *record);
        }
    }
}
