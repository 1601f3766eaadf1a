//! A vault that is moved out of a database into a directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use panvault_keys::VaultKeys;
use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, Import, OpenFault, Settings};
use panvault_store_postgres::{Database, PostgresStore, SchemaState, VaultRow};
use panvault_vault::{
    Clock, Mode, SystemClock, keys_as_documents_say, nodes_there, trail_examine, trail_moved,
};

use crate::config::Shared;
use crate::data::header::{self, OpenHeader};
use crate::data::moving::copy::{Target, compare, is_sound, total};
use crate::data::moving::directory::{findings, finish, finished, make_ready};
use crate::data::moving::from_directory::replace;
use crate::data::moving::mark::{VaultState, is_arriving};
use crate::data::moving::{Moved, Source, Tell, Told, not_ours, patient, state};
use crate::data::node::NodeDirectory;
use crate::data::node::database::{none, not_current, reach, unsecured};
use crate::data::open::node_make;
use crate::data::{DataDirectory, FILE, LIST_TIME, LOG, chain, vault_file};

/// Moves the vault of a database into a directory that is not there or is empty, or that it was being moved to.
pub(crate) async fn to_directory(
    directory: &Path,
    slot_key_file: Option<&Path>,
    shared: &Shared,
    tell: Tell<'_>,
) -> anyhow::Result<Moved> {
    let database = reach(shared, LIST_TIME).await?;
    if let Some(advice) = unsecured(database.url()) {
        tracing::warn!(advice, "store.unsecured");
    }
    match patient(tell, async || database.schema().await).await? {
        SchemaState::Current => {}
        // Rows of a table that this version does not know would be left behind.
        SchemaState::Expanded { .. } => bail!(
            "the database at {} has tables to which a later version has added: move the vault with that version",
            database.url()
        ),
        state @ (SchemaState::Empty
        | SchemaState::Behind { .. }
        | SchemaState::Ahead { .. }
        | SchemaState::Changed { .. }) => bail!(not_current(&database, state)),
    }
    let url = database.url().to_string();
    let row = patient(tell, async || database.vault_read().await).await?;
    let row = row.with_context(|| none(&database))?;
    let (mode, there) = VaultState::parse(&row.mode).with_context(|| {
        format!("the row about the vault in the database at {url} is not what panvault wrote")
    })?;
    let to = directory.to_str().context("the path of the directory must be UTF-8")?;
    ensure!(!to.contains(char::is_control), "the path of the directory has letters that are none");
    let is_marked = match &there {
        VaultState::Here => false,
        VaultState::Moved(moved_to) if moved_to == to => true,
        VaultState::Moved(_) | VaultState::Arriving(_) | VaultState::Restoring(_) => {
            bail!(there.refusal(&url).unwrap_or_default())
        }
    };
    let node =
        NodeDirectory { path: directory.to_owned(), known: None, shared: shared.clone(), restoring: None };
    node.private()?;
    let open = || node.header(&database, &row, mode, slot_key_file);
    let (header, verifying, further) = (open()?, open()?.keys, open()?.keys);
    let departure = Departure { database: &database, url: &url, row: &row, mode, directory, to, is_marked };
    departure.moved(header, verifying, further, tell).await
}

/// The database that a vault is moved from, and the directory that it is moved to.
struct Departure<'a> {
    database: &'a Database,
    url: &'a str,
    row: &'a VaultRow,
    mode: Mode,
    directory: &'a Path,
    to: &'a str,
    /// The source says that it was moved there: the copy was whole by then.
    is_marked: bool,
}

impl Departure<'_> {
    async fn moved(
        &self,
        header: OpenHeader,
        verifying: VaultKeys,
        further: VaultKeys,
        tell: Tell<'_>,
    ) -> anyhow::Result<Moved> {
        let chain = chain(&header.keys);
        let (database, vault) = (self.database, self.row.vault);
        let node = node_make(&SystemClock::start())?;
        let store =
            patient(tell, async || PostgresStore::open(database.clone(), Arc::clone(&chain), node).await);
        let store = Arc::new(store.await?) as Arc<dyn Store>;
        // What is chained in the directory is under the key of now, which the documents name.
        keys_as_documents_say(store.as_ref(), &header.keys).await.map_err(not_ours)?;
        if self.is_done()? {
            finished(self.directory);
            let (_, records, _) = state(store.as_ref(), chain.as_ref(), &header.keys, tell).await?;
            return Ok(Moved {
                vault: vault.to_string(),
                rows: Vec::new(),
                records,
                has_described: false,
                was_done: true,
            });
        }
        self.nobody_serves(store.as_ref(), &header.keys, tell).await?;
        tell(Told::Begun("examining", 0));
        let trail = trail_examine(store.as_ref(), &header.keys).await.map_err(not_ours)?;
        is_sound(&trail.findings, &format!("the trail in the database at {}", self.url))?;
        let source =
            Source::read(Arc::clone(&store), Arc::clone(&chain), header.keys, verifying, tell).await?;
        make_ready(self.directory, vault, self.url, &source.state)?;
        header::write(self.directory, header.copies.header())?;
        let about = total(&source, tell).await?;
        tell(Told::Begun("copying", about));
        let settings = Settings::default();
        match Import::begin(self.directory, vault, Arc::clone(&chain), settings.clone()) {
            Ok(mut import) => {
                Target::Directory(&mut import).copy(&source, tell).await?;
                tokio::task::block_in_place(|| import.finish())?;
            }
            // It was finished by an earlier try.
            Err(OpenFault::Exists { .. }) => {}
            Err(fault) => return Err(fault.into()),
        }
        tell(Told::Begun("comparing", about));
        let copy = EmbeddedStore::open(self.directory, vault, Arc::clone(&chain), settings)?;
        let rows = compare(&source, &copy, tell).await?;
        let now = SystemClock::start().now().wall;
        trail_moved(&copy, &source.keys, source.records, &source.told, now).await.map_err(not_ours)?;
        tell(Told::Begun("examining", 0));
        // Everything that the trail tells of must be there: a row that somebody took away before it was copied shows here.
        patient(tell, async || copy.document_read_all().await).await?;
        let found = findings(self.directory, None, vault, chain.as_ref())?;
        is_sound(&found, &format!("the vault in the database at {}", self.url))?;
        copy.close().await?;
        drop(copy);
        self.mark(&source, store.as_ref(), &further, tell).await?;
        finish(self.directory, &vault_file(vault, self.mode, self.row.created_at)?)?;
        Ok(Moved {
            vault: vault.to_string(),
            rows,
            records: source.records,
            has_described: source.has_described,
            was_done: false,
        })
    }

    /// Whether the vault is in the directory, by an earlier try. Another vault there is refused.
    fn is_done(&self) -> anyhow::Result<bool> {
        if self.directory.join(FILE).symlink_metadata().is_err() {
            ensure!(
                is_arriving(self.directory) || !self.is_marked,
                "the vault that was in the database at {} was moved to {}, and is not there: bring that directory back, or restore it from its backup",
                self.url,
                self.directory.display()
            );
            ensure!(
                is_arriving(self.directory) || self.directory.join(LOG).symlink_metadata().is_err(),
                "{} holds a part of another vault: name another directory",
                self.directory.display()
            );
            return Ok(false);
        }
        let there = DataDirectory::find_moved_or_not(self.directory)?;
        ensure!(
            there.vault == self.row.vault && self.is_marked,
            "{} holds a vault already: name another directory",
            self.directory.display()
        );
        Ok(true)
    }

    /// Refuses while a node may be there.
    async fn nobody_serves(&self, store: &dyn Store, keys: &VaultKeys, tell: Tell<'_>) -> anyhow::Result<()> {
        let now = SystemClock::start().now().wall;
        // First, so that a database that is away for a moment is waited for.
        patient(tell, async || store.node_read_all().await).await?;
        let there = nodes_there(store, keys, now).await.map_err(not_ours)?;
        let Some((first, until)) = there.first() else { return Ok(()) };
        bail!(
            "{} nodes serve the vault in the database at {}, or died a moment ago, such as {first}: stop them all and run the command again; of one that was \
             killed it is certain at {until} that it is gone",
            there.len(),
            self.url
        )
    }

    /// Marks the source as moved, so that no node serves it from now on, nor goes on that was not heard of; and takes that back where somebody has
    /// written to it since it was read.
    async fn mark(
        &self,
        source: &Source,
        store: &dyn Store,
        keys: &VaultKeys,
        tell: Tell<'_>,
    ) -> anyhow::Result<()> {
        let (database, chain) = (self.database, source.chain.as_ref());
        let gone = VaultState::Moved(self.to.to_owned()).text(self.mode);
        let version = if self.is_marked {
            self.row.version
        } else {
            replace(database, &gone, self.row.version, tell).await?
        };
        let writers = patient(tell, async || store.audit_writers().await).await?;
        let ends = patient(tell, async || store.audit_ends(writers.clone()).await).await?;
        let ends: Vec<_> = writers.into_iter().zip(ends).collect();
        patient(tell, async || database.chains_close(chain, &ends).await).await?;
        let (state, ..) = state(store, chain, keys, tell).await?;
        let now = SystemClock::start().now().wall;
        let is_served = !nodes_there(store, keys, now).await.map_err(not_ours)?.is_empty();
        if state == source.state && !is_served {
            return Ok(());
        }
        replace(database, &VaultState::Here.text(self.mode), version, tell).await?;
        bail!(
            "a node has written to the database at {} since the vault was read there, so that the copy is not whole and is not served: stop all nodes and run \
             the command again",
            self.url
        )
    }
}
