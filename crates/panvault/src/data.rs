//! A data directory: `vault.toml` says which vault it is, `keys.1` and `keys.2` have its keys, the rest belongs to the store.

pub(crate) mod backup;
mod beside;
mod exposed;
mod header;
mod judged;
mod make;
pub(crate) mod moving;
mod node;
mod open;
mod place;
mod slot_key;
mod slots;
mod target;
pub(crate) mod text;
pub(crate) mod whom;

use core::time::Duration;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use panvault_card::{BinTable, NoBinTable, TestBinTable};
use panvault_directory::Directory;
use panvault_keys::{Header, KeyMode, Slot, VaultKeys};
use panvault_model::{Timestamp, VaultId};
use panvault_store::Chain;
use panvault_store_embedded::lock;
use panvault_vault::{Mode, StoreChain};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::data::exposed::Exposed;
use crate::data::header::{CopyFault, Unopened};

pub(crate) use beside::KEYS_CHANGE;
pub(crate) use header::OpenHeader;
pub(crate) use judged::VaultExamined;
pub(crate) use make::{create, create_by, is_free_for_a_vault, parent, write_private};
pub(crate) use node::{NodeDirectory, NodeExamined, create_shared, migrate};
pub(crate) use open::{Kept, OpenSettings, OpenVault, lines, small_store, when_free};
pub(crate) use place::Place;
pub(crate) use slot_key::{SLOT_KEY_INSIDE, named_beside, slot_key_beside};
pub(crate) use slots::{StaysSealed, Unattended, Why, of_kind};

/// Where the package keeps its vault, and looks for the settings of that.
pub(crate) const PACKAGED_DATA: &str = "/var/lib/panvault/vault";
pub(crate) const PACKAGED_CONFIG: &str = "/etc/panvault/panvault.toml";
const FORMAT: u32 = 3;
const FILE: &str = "vault.toml";
/// What the store keeps beside it.
const LOG: &str = "log";
const VIEW: &str = "view.sqlite";
/// Time that a read of a database may take where a vault is moved.
const LIST_TIME: Duration = Duration::from_secs(60);
/// Exposed files that a refusal names.
const LISTED_MAX: usize = 10;

/// What `vault.toml` says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultFile {
    format: u32,
    vault: String,
    mode: String,
    created_at: String,
}

/// What `vault.toml` says in every format.
#[derive(Deserialize)]
struct AnyVaultFile {
    format: u32,
}

/// A data directory that was found.
pub(crate) struct DataDirectory {
    pub(crate) path: PathBuf,
    pub(crate) vault: VaultId,
    pub(crate) mode: Mode,
    /// When it was made, as it says.
    made_at: String,
    /// The directory of its log; `None` for the one in this.
    pub(crate) wal: Option<PathBuf>,
}

const fn key_mode(mode: Mode) -> KeyMode {
    match mode {
        Mode::Test => KeyMode::Test,
        Mode::Live => KeyMode::Live,
    }
}

pub(crate) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "test",
        Mode::Live => "live",
    }
}

fn mode_parse(name: &str) -> Option<Mode> {
    [Mode::Test, Mode::Live].into_iter().find(|mode| mode_name(*mode) == name)
}

/// Who issued which numbers when no list was imported.
pub(crate) fn bins_without_list(mode: Mode) -> Arc<dyn BinTable> {
    match mode {
        Mode::Test => Arc::new(TestBinTable),
        Mode::Live => Arc::new(NoBinTable),
    }
}

/// The command that serves the vault in a directory: with its settings, where they are in a place of theirs.
pub(crate) fn served_by(path: &Path) -> String {
    let packaged = (path == Path::new(PACKAGED_DATA)).then(|| PathBuf::from(PACKAGED_CONFIG));
    let beside = named_beside(path, ".settings.toml").ok();
    match packaged.into_iter().chain(beside).find(|config| config.exists()) {
        Some(config) => format!("panvault serve --config {}", config.display()),
        None => format!("panvault serve --data {}", path.display()),
    }
}

/// The chain of a vault's log.
pub(crate) fn chain(keys: &VaultKeys) -> Arc<dyn Chain> {
    Arc::new(StoreChain::new(keys))
}

/// What `vault.toml` says of a vault.
fn vault_file(vault: VaultId, mode: Mode, created_at: Timestamp) -> anyhow::Result<String> {
    let file = VaultFile {
        format: FORMAT,
        vault: vault.to_string(),
        mode: mode_name(mode).to_owned(),
        created_at: created_at.to_string(),
    };
    Ok(format!("# Which vault this is. It is made once and never changed.\n{}", toml::to_string(&file)?))
}

impl DataDirectory {
    /// The directory that the settings name. Changes nothing.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { wal: config.wal_directory.clone(), ..Self::find(&config.data_directory)? })
    }

    /// Reads what a directory says of itself; its log is in it. One whose vault is elsewhere by now is refused. Changes nothing.
    pub(crate) fn find(path: &Path) -> anyhow::Result<Self> {
        // Whoever may read neither file is told of this one whom to ask.
        let found = Self::find_moved_or_not(path)?;
        match moving::directory_moved(path)? {
            Some(moved) => bail!(moved),
            None => Ok(found),
        }
    }

    /// What a backup says of itself. It is never served, wherever its vault is now.
    pub(crate) fn of_backup(path: &Path) -> anyhow::Result<Self> {
        Self::find_moved_or_not(path)
    }

    /// The same, wherever its vault is served now.
    fn find_moved_or_not(path: &Path) -> anyhow::Result<Self> {
        let file = path.join(FILE);
        let damaged = || format!("{} is not what panvault wrote; restore it from a backup", file.display());
        let text = match text::read(&file) {
            Ok(Some(text)) => text,
            Ok(None) => bail!(damaged()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(
                    !moving::is_arriving(path),
                    "the vault in {} is not whole: it is being moved there, or was, when that was interrupted; run the same panvault move again, which \
                     finishes it",
                    path.display()
                );
                ensure!(
                    ![LOG, VIEW, backup::FRAMES].iter().any(|name| path.join(name).exists()),
                    "{} is missing, and the rest of a vault is there; restore vault.toml from a backup",
                    file.display()
                );
                ensure!(
                    !path.join(node::FILE).exists(),
                    "{} is of a node of a vault that is in a database: name its settings with --config FILE",
                    path.display()
                );
                bail!("{} holds no vault; make one with panvault init {}", path.display(), path.display())
            }
            Err(error) => {
                let advice =
                    whom::advice(&file, &error).map(|advice| format!("; {advice}")).unwrap_or_default();
                bail!("{} cannot be read: {error}{advice}", file.display())
            }
        };
        let AnyVaultFile { format } = toml::from_str(&text).map_err(|_| anyhow::anyhow!(damaged()))?;
        ensure!(
            format <= FORMAT,
            "{} has format {format}, which this version does not know; use the version that wrote it, or a later one",
            file.display()
        );
        ensure!(
            format == FORMAT,
            "this vault is of format {format}, which this version does not read: {} has it; use the version that made \
             it, or make a new vault",
            file.display()
        );
        let found: VaultFile = toml::from_str(&text).map_err(|_| anyhow::anyhow!(damaged()))?;
        let Some(mode) = mode_parse(&found.mode) else { bail!(damaged()) };
        Ok(Self {
            path: path.to_owned(),
            vault: VaultId::parse(&found.vault).map_err(|_| anyhow::anyhow!(damaged()))?,
            mode,
            made_at: found.created_at,
            wal: None,
        })
    }

    /// Gets the root key and opens the keys of the vault with it. Changes nothing.
    ///
    /// Who opens a vault says where its key is: by a setting, or by the path of the vault, beside which `panvault init` puts it. The
    /// vault itself is not asked, for who can write there would name a key of their own, and with it a vault of their own. Only where
    /// there is none beside a test vault the one is taken that `panvault dev` puts into it; what is served is opened with
    /// [`DataDirectory::slot_key_outside`].
    pub(crate) fn header(&self, slot_key_file: Option<&Path>) -> anyhow::Result<OpenHeader> {
        self.header_by(&self.slot(slot_key_file)?)
    }

    /// The same by whatever the settings name that opens the vault while nobody is there.
    pub(crate) async fn header_unattended(&self, by: Unattended<'_>) -> anyhow::Result<OpenHeader> {
        self.header_by(self.unattended(by).await?.as_ref())
    }

    /// What opens the vault while nobody is there: its key file, or what a peer gives back.
    pub(crate) async fn unattended(&self, by: Unattended<'_>) -> anyhow::Result<Box<dyn Slot + Send>> {
        slots::come_by(self.slot(by.slot_key_file)?, by.peers, self.vault, &self.headers()).await
    }

    /// The copies of the header that can be read and say that they are of this vault. They are not authenticated.
    pub(crate) fn headers(&self) -> Vec<Header> {
        header::readable(&self.path, self.vault, key_mode(self.mode))
    }

    /// The same by whatever slot. Changes nothing.
    pub(crate) fn header_by(&self, slot: &dyn Slot) -> anyhow::Result<OpenHeader> {
        header::open(&self.path, slot, self.vault, key_mode(self.mode)).map_err(|unopened| match unopened {
            Unopened::Slot(error) => slot_key::unopened(error),
            Unopened::Copies(faults) => anyhow::anyhow!(self.sealed(slot, &faults)),
        })
    }

    /// Takes the directory for this process, which nobody else serves then, and opens nothing.
    pub(crate) fn hold(&self) -> anyhow::Result<Directory> {
        self.private()?;
        let directory =
            Directory::open(&self.path).with_context(|| format!("{} cannot be used", self.path.display()))?;
        lock(&directory)?;
        Ok(directory)
    }

    /// Why neither copy of the header opens, and what to do.
    fn sealed(&self, slot: &dyn Slot, faults: &[CopyFault]) -> String {
        let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let advice = if faults.iter().any(CopyFault::is_key_wrong) {
            format!("the {} does not belong to the vault; give the one that does", slot.describe())
        } else if faults.iter().any(CopyFault::is_foreign) {
            format!("they do not belong to the vault that {FILE} speaks of; restore what belongs together")
        } else {
            "restore one of the two from a backup: without it no root key opens the vault".to_owned()
        };
        format!("the vault in {} stays sealed: {said}; {advice}", self.path.display())
    }

    /// Refuses a directory of which others can use anything.
    pub(crate) fn private(&self) -> anyhow::Result<()> {
        if let Some(said) = self.exposed()?.said(LISTED_MAX, &self.path) {
            bail!(said);
        }
        Ok(())
    }

    /// What others can use, or own, of the directory and all that is in it, with the command that mends it.
    pub(crate) fn exposed(&self) -> anyhow::Result<Exposed> {
        exposed::exposed(&self.path, self.wal.as_deref())
            .map_err(|error| match whom::advice(&self.path, &error) {
                Some(advice) => anyhow::anyhow!("{error}: {advice}"),
                None => error.into(),
            })
            .with_context(|| format!("{} cannot be used", self.path.display()))
    }

    /// Says that the log is not there, if so, and what to do.
    pub(crate) fn log_missing(&self) -> Option<String> {
        let inside = self.path.join(LOG);
        let said = |log: &Path, advice: &str| Some(format!("{} is missing; {advice}", log.display()));
        match &self.wal {
            None if inside.is_dir() => None,
            None => said(
                &inside,
                "restore the directory from a backup, or name the log's with wal_directory if it was moved",
            ),
            Some(wal) if wal.is_dir() => None,
            Some(wal) if inside.is_dir() => said(
                wal,
                &format!(
                    "stop the server and move {} there, or take wal_directory out of the settings",
                    inside.display()
                ),
            ),
            Some(wal) => said(
                wal,
                "see that its disk is mounted, or restore it from the backup that the vault is from",
            ),
        }
    }

    /// Says that the view is not there, if so, and what to do.
    pub(crate) fn view_missing(&self) -> Option<String> {
        let view = self.path.join(VIEW);
        let said = || {
            format!(
                "{} is missing; panvault serve makes it anew if the log reaches back to step 1, else restore the \
                 directory from a backup",
                view.display()
            )
        };
        (!view.exists()).then(said)
    }
}
