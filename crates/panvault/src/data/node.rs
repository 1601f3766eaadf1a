//! The directory of a node: `node.toml` says of which vault, `admin.socket` is there while it is served, and a table of issuers where one was
//! imported. All else is in the database, so that the directory can be made anew at any time.

pub(super) mod database;
mod examine;
mod make;
mod open;
mod put_back;
mod trail;

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{KeyFile, OperatorKey};
use panvault_model::{Id, NodeId, Timestamp, VaultId};
use panvault_store_embedded::lock;
use panvault_vault::Mode;
use serde::{Deserialize, Serialize};

use crate::config::Shared;
use crate::data::exposed::{self, Exposed};
use crate::data::header::{self, Unopened};
use crate::data::{
    self, LISTED_MAX, Unattended, key_mode, mode_name, mode_parse, slot_key, slots, text, whom, write_private,
};

pub(crate) use database::migrate;
pub(in crate::data) use examine::AtRest;
pub(crate) use examine::NodeExamined;
pub(crate) use make::create_shared;

pub(super) const FILE: &str = "node.toml";
const NEW: &str = "node.toml.new";
/// What [`lock`] writes.
const LOCK: &str = "lock";
/// There while a vault is made, and afterwards where it is not known whether it was: it can be tried again then.
const UNFINISHED: &str = "init.unfinished";
const FORMAT: u32 = 1;

/// What `node.toml` says. It is a note of what the database said: that is asked again at every start.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    format: u32,
    vault: String,
    mode: String,
    /// The node that was last served from this directory; nothing before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// How many records that has written, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// The backup of which the vault was made last, and when, as of when this was last served.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<String>,
}

/// What a directory says of the node that was last served from it.
#[derive(Clone, Copy, Default)]
struct LastServed {
    node: Option<NodeId>,
    records: u64,
    restored: Option<(Id, Timestamp)>,
}

/// A node of a vault that is in a database.
pub(crate) struct NodeDirectory {
    pub(crate) path: PathBuf,
    /// The vault, as it was when this was last served; `None` before the first time.
    pub(crate) known: Option<(VaultId, Mode)>,
    pub(crate) shared: Shared,
    /// The backup of which this process makes the vault in the database fit to be served: for it alone it is there.
    pub(in crate::data) restoring: Option<Id>,
}

impl NodeDirectory {
    /// What is in a directory, which need not be there yet. Changes nothing.
    pub(crate) fn find(path: &Path, shared: &Shared) -> anyhow::Result<Self> {
        ensure!(
            !path.join(data::FILE).exists(),
            "{} holds a vault of its own, and store names a database: name another data_directory for the node, or leave store out",
            path.display()
        );
        Ok(Self { path: path.to_owned(), known: known(path)?, shared: shared.clone(), restoring: None })
    }

    /// Makes the directory of a node of this vault if it is not there, and takes its lock. One of another vault is refused.
    pub(super) fn take(&self, vault: VaultId, mode: Mode) -> anyhow::Result<Directory> {
        let shown = self.path.display();
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{shown} cannot be made: make the directory that it is to be in")
            }
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be made")),
        }
        self.private()?;
        let directory = Directory::open(&self.path).with_context(|| format!("{shown} cannot be used"))?;
        lock(&directory)?;
        let known = known(&self.path)?;
        self.is_of(known, vault, mode)?;
        if known.is_none() {
            write(&directory, vault, mode, LastServed::default())
                .with_context(|| format!("{shown} cannot be written to"))?;
        }
        Ok(directory)
    }

    /// The node that was served from the directory before, which has ended: its lock is `held` here.
    fn last_served(&self, _held: &Directory) -> anyhow::Result<LastServed> {
        let Some(file) = read(&self.path)? else { return Ok(LastServed::default()) };
        Ok(LastServed {
            node: file.node.and_then(|node| NodeId::parse(&node).ok()),
            records: file.records.unwrap_or(0),
            restored: file.restored.and_then(|restored| {
                let (backup, at) = restored.split_once(' ')?;
                Some((Id::parse(backup).ok()?, Timestamp::parse(at).ok()?))
            }),
        })
    }

    /// Refuses the vault of the database where the directory is known to be of a node of another.
    pub(in crate::data) fn is_of(
        &self,
        known: Option<(VaultId, Mode)>,
        vault: VaultId,
        mode: Mode,
    ) -> anyhow::Result<()> {
        let shown = self.path.display();
        match known {
            None => Ok(()),
            Some(known) if known == (vault, mode) => Ok(()),
            Some((other, _)) => bail!(
                "{shown} is of a node of the vault {other}, and the database that store names holds the vault {vault}: see that store is \
                 right; if it is, remove {shown}, or name another data_directory"
            ),
        }
    }

    /// Whether the vault of which this is the first node was begun to be made, and it is not known whether it was made.
    pub(crate) fn is_unfinished(path: &Path) -> bool {
        path.join(UNFINISHED).exists()
    }

    /// A vault is about to be made.
    fn begin(path: &Path) -> anyhow::Result<()> {
        write_private(&path.join(UNFINISHED), b"")
    }

    /// The vault is there.
    fn finished(path: &Path) {
        drop(fs::remove_file(path.join(UNFINISHED)));
    }

    /// Takes away what [`Self::take`] made, and nothing else. A directory that was there before was empty.
    fn unmake(path: &Path, existed: bool) {
        for name in [FILE, LOCK, UNFINISHED].into_iter().chain(header::COPIES) {
            drop(fs::remove_file(path.join(name)));
        }
        if !existed {
            drop(fs::remove_dir(path));
        }
    }

    /// Refuses a directory of which others can use anything. One that is not there is nobody's.
    pub(crate) fn private(&self) -> anyhow::Result<()> {
        if let Some(said) = self.exposed()?.said(LISTED_MAX, &self.path) {
            bail!(said);
        }
        Ok(())
    }

    /// What others can use, or own, of the directory and all that is in it, with the command that mends it.
    pub(crate) fn exposed(&self) -> anyhow::Result<Exposed> {
        match exposed::exposed(&self.path, None) {
            Ok(exposed) => Ok(exposed),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Exposed::default()),
            Err(error) => {
                let advice = whom::advice(&self.path, &error);
                let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
                bail!("{} cannot be used: {error}{advice}", self.path.display())
            }
        }
    }

    /// The key file: where it was said to be, or beside the directory, and never in it.
    pub(super) fn slot(&self, slot_key_file: Option<&Path>) -> anyhow::Result<KeyFile> {
        let file = match slot_key_file {
            Some(named) => named.to_owned(),
            None => slot_key::slot_key_beside(&self.path)?,
        };
        let slot = KeyFile::new(file);
        Ok(match fs::metadata(&self.path) {
            Ok(metadata) => slot.of_vault_of(metadata.uid()),
            Err(_) => slot,
        })
    }

    /// What proves to this node's server that this process has the root key. The database is not asked, which may be out of reach.
    pub(super) async fn operator(&self, by: Unattended<'_>) -> anyhow::Result<Option<OperatorKey>> {
        let Some((vault, mode)) = self.known else { return Ok(None) };
        let headers = header::readable(&self.path, vault, key_mode(mode));
        let slot = slots::come_by(self.slot(by.slot_key_file)?, by.peers, vault, &headers).await?;
        match header::open(&self.path, slot.as_ref(), vault, key_mode(mode)) {
            Ok(header) => Ok(Some(header.operator)),
            Err(Unopened::Slot(error)) => Err(slot_key::unopened(error)),
            // A node that was never served has none.
            Err(Unopened::Copies(_)) => Ok(None),
        }
    }
}

fn known(path: &Path) -> anyhow::Result<Option<(VaultId, Mode)>> {
    let Some(found) = read(path)? else { return Ok(None) };
    let vault_and_mode = || {
        let vault = VaultId::parse(&found.vault).ok()?;
        Some((vault, mode_parse(&found.mode)?)).filter(|_| found.format == FORMAT)
    };
    Ok(Some(vault_and_mode().with_context(|| not_ours(path))?))
}

fn not_ours(path: &Path) -> String {
    let file = path.join(FILE);
    format!("{} is not what panvault wrote; remove it, panvault serve writes it anew", file.display())
}

fn read(path: &Path) -> anyhow::Result<Option<NodeFile>> {
    let file = path.join(FILE);
    let text = match text::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let advice = whom::advice(&file, &error).map(|advice| format!("; {advice}")).unwrap_or_default();
            bail!("{} cannot be read: {error}{advice}", file.display())
        }
    };
    let found = text.and_then(|text| toml::from_str(&text).ok());
    Ok(Some(found.with_context(|| not_ours(path))?))
}

fn write(directory: &Directory, vault: VaultId, mode: Mode, last: LastServed) -> anyhow::Result<()> {
    let LastServed { node, records, restored } = last;
    let file = NodeFile {
        format: FORMAT,
        vault: vault.to_string(),
        mode: mode_name(mode).to_owned(),
        node: node.map(|node| node.to_string()),
        records: (records > 0).then_some(records),
        restored: restored.map(|(backup, at)| format!("{backup} {at}")),
    };
    let text = format!(
        "# Of which vault this is a node. Written by panvault, which asks the database again at every start.\n{}",
        toml::to_string(&file)?
    );
    directory.clear(NEW)?;
    let mut new = directory.create(NEW)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    directory.rename(NEW, FILE)?;
    Ok(directory.sync()?)
}

#[cfg(test)]
mod tests;
