//! A vault that is made in a database.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_keys::{Entropy, KeyFile, NewSlot, SlotKey, SystemEntropy};
use panvault_model::VaultId;
use panvault_store::StoreFault;
use panvault_store_postgres::{Database, SchemaState, VaultRow};
use panvault_vault::{Clock, Mode, SystemClock};

use crate::config::Shared;
use crate::data::make::{FIRST_SLOT, header_make};
use crate::data::node::{NodeDirectory, database};
use crate::data::{mode_name, slot_key, target};

/// Makes a vault in a database that holds none, with its tables where they are not there, and the directory of its first node. The row that makes it
/// a vault is written last: `fill` is called before, and whatever fails before takes away again what was made on this machine.
///
/// Where the database does not say whether it wrote that row, everything stays, and the same call finishes it.
///
/// Tables stay when they were made: they are the same for any vault.
pub(crate) async fn create_shared(
    path: &Path,
    mode: Mode,
    slot_key_file: &Path,
    shared: &Shared,
    fill: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_begun = NodeDirectory::is_unfinished(path);
    if !is_begun {
        target::is_free(path, path.parent().unwrap_or(Path::new("/")))?;
    }
    let node = NodeDirectory::find(path, shared)?;
    let database = database::reach(shared, core::time::Duration::from_secs(10)).await?;
    let url = database.url();
    if let Some(advice) = database::unsecured(url) {
        tracing::warn!(advice, "store.unsecured");
    }
    let unread = || format!("the database at {url} cannot be read");
    match database.schema().await.with_context(unread)? {
        SchemaState::Empty => drop(database::steps(&database).await?),
        SchemaState::Current | SchemaState::Expanded { .. } => {}
        state => bail!(database::not_current(&database, state)),
    }
    let there = database.vault_read().await.with_context(unread)?;
    if let (Some((vault, begun)), true) = (node.known, is_begun) {
        ensure!(
            begun == mode,
            "{} is of a {} vault that was begun and not finished: say so with --mode",
            path.display(),
            mode_name(begun)
        );
        finish(&node, &database, there, vault, mode, slot_key_file).await?;
        fill()?;
        NodeDirectory::finished(path);
        return Ok(());
    }
    ensure!(
        there.is_none(),
        "the database at {url} holds a vault already: serve it with panvault serve and its settings, or name another database"
    );
    let entropy = SystemEntropy::new();
    let key = SlotKey::make(&entropy)?;
    let vault = VaultId::make(SystemClock::start().now().wall, entropy.make_id_bytes()?);
    let row = vault_row(&key, vault, mode)?;
    KeyFile::new(slot_key_file).create(&key)?;
    let existed = path.exists();
    let without_key = |error| {
        // A key without a vault is of no use, and would be in the way of the next try.
        drop(fs::remove_file(slot_key_file));
        error
    };
    let held = node.take(vault, mode).map_err(without_key)?;
    let made = match NodeDirectory::begin(path).and_then(|()| fill()) {
        Ok(()) => vault_create(&database, &row).await,
        Err(error) => Err(Unmade::Known(error)),
    };
    made.map(|()| NodeDirectory::finished(path)).map_err(|unmade| match unmade {
        Unmade::Known(error) => {
            drop(held);
            NodeDirectory::unmake(path, existed);
            without_key(error)
        }
        Unmade::Unknown(error) => error,
    })
}

/// A vault with new keys, which the key of a key file opens.
fn vault_row(key: &SlotKey, vault: VaultId, mode: Mode) -> anyhow::Result<VaultRow> {
    let now = SystemClock::start().now().wall;
    let (header, _) =
        header_make(NewSlot::of_key_file(key, FIRST_SLOT)?, vault, mode, now, &SystemEntropy::new())?;
    let header = header.encode();
    let mode = mode_name(mode).to_owned();
    Ok(VaultRow { vault, mode, created_at: now, header: [header.clone(), header], version: 1 })
}

/// Makes the vault that was begun, unless it is there. Nothing is taken away again: the first try may still come through.
async fn finish(
    node: &NodeDirectory,
    database: &Database,
    there: Option<VaultRow>,
    vault: VaultId,
    mode: Mode,
    slot_key_file: &Path,
) -> anyhow::Result<()> {
    let _held = node.take(vault, mode)?;
    let there = match there {
        Some(there) => there,
        None => {
            let key = node.slot(Some(slot_key_file))?.read_key().map_err(slot_key::unopened)?;
            vault_create(database, &vault_row(&key, vault, mode)?).await.map_err(|unmade| match unmade {
                Unmade::Known(error) | Unmade::Unknown(error) => error,
            })?;
            return Ok(());
        }
    };
    ensure!(
        there.vault == vault,
        "the database at {} holds another vault, and the one that was begun in {} was not made: remove that and its key file, and serve the other, \
         or name another database",
        database.url(),
        node.path.display()
    );
    node.header(database, &there, mode, Some(slot_key_file)).map(drop)
}

/// Why a vault was not made.
enum Unmade {
    /// Nothing of it is there.
    Known(anyhow::Error),
    /// It may be there: what opens it must stay.
    Unknown(anyhow::Error),
}

/// Writes the row that makes it a vault. Whoever does not know whether it was written looks.
async fn vault_create(database: &Database, row: &VaultRow) -> Result<(), Unmade> {
    let url = database.url();
    let failed = match database.vault_create(row).await {
        Ok(true) => return Ok(()),
        Ok(false) => None,
        Err(fault) => Some(fault),
    };
    match (database.vault_read().await, failed) {
        (Ok(Some(there)), _) if there.vault == row.vault => Ok(()),
        (Ok(Some(_)), _) => Err(Unmade::Known(anyhow!(
            "another vault was made in the database at {url} meanwhile; nothing was made, whatever was printed"
        ))),
        // It may still be on its way, or wait for a standby.
        (Ok(None) | Err(_), Some(fault @ StoreFault::Unresolved)) => Err(Unmade::Unknown(anyhow::Error::from(fault).context(format!(
            "the database at {url} did not say whether it wrote the vault: it was lost, or waits for a standby that is away. Keep what was made here, the \
             key file above all; when the database writes again, run the same panvault init once more, which finishes it"
        )))),
        (Ok(None) | Err(_), Some(fault)) => Err(Unmade::Known(anyhow::Error::from(fault).context(format!(
            "the database at {url} did not write the vault; nothing was made, whatever was printed"
        )))),
        (Ok(None) | Err(_), None) => Err(Unmade::Known(anyhow!(
            "another vault was in the database at {url}; nothing was made, whatever was printed"
        ))),
    }
}
