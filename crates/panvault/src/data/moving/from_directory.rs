//! A vault that is moved out of its directory into a database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_keys::VaultKeys;
use panvault_model::Timestamp;
use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_store_postgres::{Database, PostgresStore, SchemaState, TrailImport, VaultRow};
use panvault_vault::{Clock, SystemClock, keys_as_documents_say, trail_moved, vault_chain};

use crate::config::Shared;
use crate::data::header::OpenHeader;
use crate::data::moving::copy::{Target, compare, is_sound, total};
use crate::data::moving::directory::findings;
use crate::data::moving::mark::{MovedFile, VaultState};
use crate::data::moving::{Moved, Source, Tell, Told, not_ours, patient};
use crate::data::node::database::{none, not_current, reach, steps, unsecured};
use crate::data::{DataDirectory, LIST_TIME, chain};

/// Moves the vault of a directory into a database that is empty, or that it was being moved to.
pub(crate) async fn to_database(
    directory: &Path,
    wal: Option<PathBuf>,
    slot_key_file: Option<&Path>,
    shared: &Shared,
    tell: Tell<'_>,
) -> anyhow::Result<Moved> {
    let directory = DataDirectory { wal, ..DataDirectory::find_moved_or_not(directory)? };
    let to = shared.store.to_string();
    let mark = MovedFile::read(&directory.path)?;
    if let Some(mark) = &mark
        && mark.to != to
    {
        bail!(crate::data::moving::directory_moved(&directory.path)?.unwrap_or_default());
    }
    directory.private()?;
    if let Some(missing) = directory.log_missing() {
        bail!(missing);
    }
    let open = || directory.header(slot_key_file);
    let header = open()?;
    // Nobody else has it from here on. It is not opened as a vault, which would write that it was.
    let settings = Settings { log_directory: directory.wal.clone(), ..Settings::default() };
    let store = EmbeddedStore::open(&directory.path, directory.vault, chain(&header.keys), settings)?;
    let moved = moved(&directory, &store.into(), open()?, open()?.keys, mark.is_some(), shared, tell).await;
    drop(header);
    moved
}

async fn moved(
    directory: &DataDirectory,
    store: &Arc<EmbeddedStore>,
    header: OpenHeader,
    verifying: VaultKeys,
    is_marked: bool,
    shared: &Shared,
    tell: Tell<'_>,
) -> anyhow::Result<Moved> {
    let chain = chain(&header.keys);
    let database = reach(shared, LIST_TIME).await?;
    if let Some(advice) = unsecured(database.url()) {
        tracing::warn!(advice, "store.unsecured");
    }
    let (url, vault) = (database.url().to_string(), directory.vault);
    let at = Arrival { database: &database, url: &url, directory };
    let row = at.look(is_marked, tell).await?;
    let reading = Arc::clone(store) as Arc<dyn Store>;
    // What is chained there is under the key of now, which the documents name.
    keys_as_documents_say(store.as_ref(), &header.keys).await.map_err(not_ours)?;
    let mut source = Source::read(reading, Arc::clone(&chain), header.keys, verifying, tell).await?;
    if let Some((row, VaultState::Here)) = &row {
        debug_assert_eq!(row.vault, vault);
        let rows = Vec::new();
        return Ok(Moved {
            vault: vault.to_string(),
            rows,
            records: source.records,
            has_described: false,
            was_done: true,
        });
    }
    tell(Told::Begun("examining", 0));
    let found = findings(&directory.path, directory.wal.as_deref(), vault, chain.as_ref())?;
    is_sound(&found, &format!("the vault in {}", directory.path.display()))?;
    let version = at.make_ready(row, &header.copies.encode(), &source.state, tell).await?;
    let about = total(&source, tell).await?;
    tell(Told::Begun("copying", about));
    let trail = patient(tell, async || TrailImport::open(&database, vault_chain(&source.keys)).await).await?;
    Target::Database { database: &database, trail }.copy(&source, tell).await?;
    tell(Told::Begun("comparing", about));
    let writer = vault_chain(&source.keys);
    let copy =
        patient(tell, async || PostgresStore::open(database.clone(), Arc::clone(&chain), writer).await)
            .await?;
    let rows = compare(&source, &copy, tell).await?;
    let now = SystemClock::start().now().wall;
    trail_moved(&copy, &source.keys, source.records, &source.told, now).await.map_err(not_ours)?;
    // The source first: from here on it is not served, and the copy not yet.
    MovedFile::new(vault, &url).write(&directory.path)?;
    at.replace(&VaultState::Here, version, tell).await?;
    copy.close().await?;
    source.state.clear();
    Ok(Moved {
        vault: vault.to_string(),
        rows,
        records: source.records,
        has_described: source.has_described,
        was_done: false,
    })
}

/// The database that a vault is moved to.
struct Arrival<'a> {
    database: &'a Database,
    url: &'a str,
    directory: &'a DataDirectory,
}

impl Arrival<'_> {
    /// What is there. Refuses what is not for this vault.
    async fn look(&self, is_marked: bool, tell: Tell<'_>) -> anyhow::Result<Option<(VaultRow, VaultState)>> {
        let (database, url, directory) = (self.database, self.url, self.directory.path.display());
        match patient(tell, async || database.schema().await).await? {
            SchemaState::Empty => drop(steps(database).await?),
            SchemaState::Current | SchemaState::Expanded { .. } => {}
            state
            @ (SchemaState::Behind { .. } | SchemaState::Ahead { .. } | SchemaState::Changed { .. }) => {
                bail!(not_current(database, state))
            }
        }
        let Some(row) = patient(tell, async || database.vault_read().await).await? else {
            ensure!(
                !is_marked,
                "{directory} says that its vault was moved to {url}, and no vault is there: restore that database from its backup. Only if the vault was \
                 never served from there, remove moved.toml from {directory}: then it is served from here again"
            );
            ensure!(
                patient(tell, async || database.is_empty().await).await?,
                "the database at {url} holds rows and no vault: name an empty one"
            );
            return Ok(None);
        };
        ensure!(
            row.vault == self.directory.vault,
            "the database at {url} holds another vault: name an empty one"
        );
        let (mode, state) = VaultState::parse(&row.mode).with_context(|| {
            format!("the row about the vault in the database at {url} is not what panvault wrote")
        })?;
        ensure!(mode == self.directory.mode, "the database at {url} holds the vault in another mode");
        match &state {
            VaultState::Arriving(_) => {}
            VaultState::Here if is_marked => {}
            VaultState::Here | VaultState::Restoring(_) => bail!(
                "the database at {url} holds this vault already, and {directory} was not moved there: one of the two is an older copy. See which is served, \
                 and never serve the other"
            ),
            VaultState::Moved(_) => bail!(
                "the database at {url} holds this vault as it was before it was moved from there: name an empty one, or drop that and make it anew"
            ),
        }
        Ok(Some((row, state)))
    }

    /// Makes the row that keeps everybody else out, or finds the one that was made for this. Gives its version.
    async fn make_ready(
        &self,
        row: Option<(VaultRow, VaultState)>,
        header: &[u8],
        state: &str,
        tell: Tell<'_>,
    ) -> anyhow::Result<u32> {
        let (database, url) = (self.database, self.url);
        let arriving = VaultState::Arriving(state.to_owned());
        match row {
            Some((row, there)) if there == arriving => self.header_follow(row, header, tell).await,
            Some((row, _)) => {
                let version = self.header_follow(row, header, tell).await?;
                // The source was served in between. What is here was never a vault, and is made anew.
                while patient(tell, async || database.clear_some().await).await? {}
                self.replace(&arriving, version, tell).await
            }
            None => {
                let row = VaultRow {
                    vault: self.directory.vault,
                    mode: arriving.text(self.directory.mode),
                    created_at: self.directory.created_at()?,
                    header: [header.to_vec(), header.to_vec()],
                    version: 1,
                };
                // Of an answer that was lost, the next try finds what it made.
                let is_made = patient(tell, async || database.vault_create(&row).await).await?;
                let there = patient(tell, async || database.vault_read().await).await?;
                ensure!(
                    is_made || there.is_some_and(|there| there == row),
                    "another vault was made in the database at {url} meanwhile; nothing was moved"
                );
                Ok(row.version)
            }
        }
    }

    /// Has the row of an earlier try bear the header of keys that the vault has by now. Gives its version.
    async fn header_follow(&self, mut row: VaultRow, header: &[u8], tell: Tell<'_>) -> anyhow::Result<u32> {
        let database = self.database;
        while let Some(copy) = row.header.iter().position(|there| there.as_slice() != header) {
            let version = row.version;
            patient(tell, async || database.header_replace(copy, header, version).await).await?;
            let there = patient(tell, async || database.vault_read().await).await?;
            row = there.with_context(|| none(database))?;
        }
        Ok(row.version)
    }

    /// Says what the vault is from now on, in the row that has this version. Gives the next.
    async fn replace(&self, state: &VaultState, version: u32, tell: Tell<'_>) -> anyhow::Result<u32> {
        replace(self.database, &state.text(self.directory.mode), version, tell).await
    }
}

/// Says what the vault of a database is from now on, in the row that has this version. Gives the next.
pub(in crate::data) async fn replace(
    database: &Database,
    mode: &str,
    version: u32,
    tell: Tell<'_>,
) -> anyhow::Result<u32> {
    let next = version.saturating_add(1);
    let is_done = patient(tell, async || database.vault_mode_replace(mode, version).await).await?;
    let there = patient(tell, async || database.vault_read().await).await?;
    // Of an answer that was lost, the next try finds that it is so.
    let is_so = there.is_some_and(|there| there.version == next && there.mode == mode);
    if is_done || is_so {
        Ok(next)
    } else {
        Err(anyhow!(
            "the row about the vault in the database at {} was changed by somebody else meanwhile: another panvault move or restore runs, or a node wrote its \
             keys anew; run the command again",
            database.url()
        ))
    }
}

impl DataDirectory {
    /// When it was made.
    fn created_at(&self) -> anyhow::Result<Timestamp> {
        Timestamp::parse(&self.made_at)
            .map_err(|_| anyhow!("vault.toml does not say when the vault was made"))
    }
}
