//! A database that was put back is made fit to be served.
//!
//! It is marked first, so that no node serves it before all is done, and each step may be done again: killed between any two, the same command goes on from there.

use core::time::Duration;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_keys::{Slot, VaultKeys};
use panvault_model::{Id, NodeId};
use panvault_store::{Store, StoreFault, Table};
use panvault_store_postgres::{Database, PostgresStore};
use panvault_vault::limits::LEASE_RENEWAL_SECONDS;
use panvault_vault::{Clock, SystemClock, nodes_there, restore_note, restore_writer, restored_from};
use tokio::time::{Instant, sleep};

use crate::data::backup::apply::apply;
use crate::data::backup::database::{PutBack, looked_at};
use crate::data::backup::export::Export;
use crate::data::backup::restore::RestoredVault;
use crate::data::moving::{VaultState, patient, replace};
use crate::data::node::NodeDirectory;
use crate::data::node::database::vault_state;
use crate::data::open::node_make;
use crate::data::{OpenSettings, chain, when_free};

/// What of the database is of processes that have ended, and of CVVs that nothing holds any more.
const LEFT: [Table; 2] = [Table::Node, Table::CardCvv];
/// A node that lives renews its lease in it.
const WATCH_TIME: Duration = Duration::from_secs(3 * LEASE_RENEWAL_SECONDS);
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Verifies a database that was put back, writes into its trail of which backup it is, and applies all of an exported trail that says what has ended since. No node serves it before
/// that is done.
pub(crate) async fn restore_database(
    path: &Path,
    slot: &dyn Slot,
    node: NodeDirectory,
    settings: &OpenSettings,
    export: Option<&Export>,
    at: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<RestoredVault> {
    let put_back = looked_at(path, slot, &node, at).await?;
    let since =
        export.map(|export| tokio::task::block_in_place(|| export.since(&put_back.verified))).transpose()?;
    let PutBack { verified, database, row, mode, keys, is_begun, places, ended } = put_back;
    node.is_of(node.known, row.vault, mode)?;
    let (url, backup) = (database.url().to_string(), verified.manifest.id);
    let store =
        patient(&mut |_| (), async || PostgresStore::open(database.clone(), chain(&keys), name()?).await)
            .await?;
    nobody_serves(&store, &keys).await?;
    if !is_begun {
        let restoring = VaultState::Restoring(backup).text(mode);
        replace(&database, &restoring, row.version, &mut |_| ()).await?;
    }
    if let Err(error) = close(&store, &keys, &database, places).await {
        if !is_begun {
            replace(&database, &row.mode, row.version.saturating_add(1), &mut |_| ()).await?;
        }
        return Err(error);
    }
    for table in LEFT {
        while patient(&mut |_| (), async || database.clear_some_of(table).await).await? {}
    }
    say(&store, &keys, &database, is_begun, backup).await?;
    drop((store, keys));
    let node = NodeDirectory { restoring: Some(backup), ..node };
    let open = when_free(async || node.open_by(slot, settings).await).await;
    let open = open.with_context(|| format!("the vault in the database at {url} does not open"))?;
    let applied = match &since {
        Some(since) => Some(apply(&open, since, &ended).await),
        None => None,
    };
    open.vault.close().await?;
    drop(open);
    let applied = applied.transpose()?;
    if let (Some(export), Some(applied)) = (export, &applied) {
        export.accepts(applied, &format!("the vault in the database at {url} is not served yet"))?;
    }
    let (row, ..) = vault_state(&database).await?;
    replace(&database, &VaultState::Here.text(mode), row.version, &mut |_| ()).await?;
    Ok(RestoredVault { verified, since: since.zip(applied) })
}

/// A name for who only reads.
fn name() -> Result<NodeId, StoreFault> {
    node_make(&SystemClock::start())
        .map_err(|_| StoreFault::Read("there is no randomness to name this process with"))
}

/// Refuses while a node serves from the database. The rows of nodes that served when it was copied are in it, and none of these is heard of again.
async fn nobody_serves(store: &PostgresStore, keys: &VaultKeys) -> anyhow::Result<()> {
    let now = SystemClock::start().now().wall;
    if nodes_there(store, keys, now).await?.is_empty() {
        return Ok(());
    }
    let heard_of = async || {
        let rows = patient(&mut |_| (), async || store.node_read_all().await).await?;
        anyhow::Ok(rows.iter().map(|row| (row.id, row.version)).collect::<Vec<_>>())
    };
    let (first, begun) = (heard_of().await?, Instant::now());
    while begun.elapsed() < WATCH_TIME {
        sleep(WATCH_EVERY).await;
        let now = heard_of().await?;
        if let Some((node, _)) = now.iter().find(|row| !first.contains(row)) {
            bail!(
                "node {node} serves the vault in the database at {}: this is for one that was put back and that nobody serves; stop all nodes, and put the database back",
                store.database().url()
            );
        }
    }
    Ok(())
}

/// Has no chain go on, so that a node that is there after all and was not heard of ends; and refuses what was written to since it was looked at.
async fn close(
    store: &PostgresStore,
    keys: &VaultKeys,
    database: &Database,
    places: u64,
) -> anyhow::Result<()> {
    let writers = patient(&mut |_| (), async || store.audit_writers().await).await?;
    let ends = patient(&mut |_| (), async || store.audit_ends(writers.clone()).await).await?;
    let closed: Vec<_> = writers.iter().copied().zip(ends).collect();
    patient(&mut |_| (), async || database.chains_close(chain(keys).as_ref(), &closed).await).await?;
    let ends = patient(&mut |_| (), async || store.audit_ends(writers.clone()).await).await?;
    let there: u64 = ends.iter().sum();
    ensure!(
        there == places,
        "somebody has written to the database at {} while it was looked at: stop all nodes and commands, and run this again",
        database.url()
    );
    Ok(())
}

/// Writes into the trail of which backup the vault is, unless an earlier try has.
async fn say(
    store: &PostgresStore,
    keys: &VaultKeys,
    database: &Database,
    is_begun: bool,
    backup: Id,
) -> anyhow::Result<()> {
    let restored = restored_from(store, keys).await?;
    if is_begun && restored.is_some_and(|(from, _)| from == backup) {
        return Ok(());
    }
    let writer = restore_writer(store, keys).await?.context("the vault has no trail")?;
    let own = patient(&mut |_| (), async || PostgresStore::open(database.clone(), chain(keys), writer).await)
        .await?;
    Ok(restore_note(&own, keys, SystemClock::start().now().wall, backup).await?)
}
