//! A vault that is made in a database.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_keys::{Entropy, Header, KeyFile, RootKey, SystemEntropy};
use panvault_model::VaultId;
use panvault_store_postgres::{Database, SchemaState, VaultRow};
use panvault_vault::{Clock, Mode, SystemClock};

use crate::config::Shared;
use crate::data::node::{NodeDirectory, database};
use crate::data::{key_mode, mode_name, target};

/// Makes a vault in a database that holds none, with its tables where they are not there, and the directory of its first node. The row that makes it
/// a vault is written last: `fill` is called before, and whatever fails before takes away again what was made on this machine.
///
/// Tables stay when they were made: they are the same for any vault.
pub(crate) async fn create_shared(
    path: &Path,
    mode: Mode,
    root_key_file: &Path,
    shared: &Shared,
    fill: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    target::is_free(path, path.parent().unwrap_or(Path::new("/")))?;
    let node = NodeDirectory::find(path, shared)?;
    let database = database::reach(shared, core::time::Duration::from_secs(10)).await?;
    let url = database.url();
    let unread = || format!("the database at {url} cannot be read");
    match database.schema().await.with_context(unread)? {
        SchemaState::Empty => drop(database::steps(&database).await?),
        SchemaState::Current => {}
        state => bail!(database::not_current(&database, state)),
    }
    ensure!(
        database.vault_read().await.with_context(unread)?.is_none(),
        "the database at {url} holds a vault already: serve it with panvault serve and its settings, or name another database"
    );
    let entropy = SystemEntropy::new();
    let root = RootKey::make(&entropy)?;
    let now = SystemClock::start().now().wall;
    let vault = VaultId::make(now, entropy.make_id_bytes()?);
    let header = Header::make(&root, vault, key_mode(mode), now, &entropy)?.encode();
    let row = VaultRow {
        vault,
        mode: mode_name(mode).to_owned(),
        created_at: now,
        header: [header.clone(), header],
        version: 1,
    };
    KeyFile::new(root_key_file).create(&root)?;
    let existed = path.exists();
    let without_key = |error| {
        // A key without a vault is of no use, and would be in the way of the next try.
        drop(fs::remove_file(root_key_file));
        error
    };
    let held = node.take(vault, mode).map_err(without_key)?;
    let made = match fill() {
        Ok(()) => vault_create(&database, &row).await,
        Err(error) => Err(Unmade::Known(error)),
    };
    made.map_err(|unmade| match unmade {
        Unmade::Known(error) => {
            drop(held);
            NodeDirectory::unmake(path, existed);
            without_key(error)
        }
        Unmade::Unknown(error) => error,
    })
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
        (Ok(None), Some(fault)) => Err(Unmade::Known(anyhow::Error::from(fault).context(format!(
            "the database at {url} did not write the vault; nothing was made, whatever was printed"
        )))),
        (Err(_), Some(fault)) => Err(Unmade::Unknown(anyhow::Error::from(fault).context(format!(
            "the database at {url} was lost while the vault was written, and whether it is there is not known: keep what was made here, and try \
             panvault serve; if the database holds no vault, remove what was made here, and run panvault init again"
        )))),
        (Ok(None) | Err(_), None) => Err(Unmade::Known(anyhow!(
            "another vault was in the database at {url}; nothing was made, whatever was printed"
        ))),
    }
}
