//! A data directory: `vault.toml` says which vault it is, `keys.1` and `keys.2` have its keys, the rest belongs to the store.

mod exposed;
mod header;
mod root_key;
mod target;
pub(crate) mod text;
pub(crate) mod whom;

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use panvault_card::{BinTable, NoBinTable, TestBinTable};
use panvault_keys::{Entropy, Header, KeyFile, KeyMode, RootKey, Slot, SystemEntropy, VaultKeys};
use panvault_model::{NodeId, VaultId};
use panvault_store::{Chain, MemoryCvvs};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_vault::{
    Caller, Clock, Connector, Mode, OperatorKey, Origin, StoreChain, SystemClock, Vault, VaultError,
    VaultParts,
};
use serde::{Deserialize, Serialize};

use crate::bins::{LiveBins, VaultTags};
use crate::data::exposed::Exposed;
use crate::data::header::{CopyFault, OpenHeader};

pub(crate) use root_key::{ROOT_KEY_INSIDE, named_beside, root_key_beside};

/// Where the package keeps its vault, and looks for the settings of that.
pub(crate) const PACKAGED_DATA: &str = "/var/lib/panvault/vault";
pub(crate) const PACKAGED_CONFIG: &str = "/etc/panvault/panvault.toml";
const FORMAT: u32 = 3;
const FILE: &str = "vault.toml";
/// What the store keeps beside it.
const LOG: &str = "log";
const VIEW: &str = "view.sqlite";
/// Exposed files that a refusal names.
const LISTED_MAX: usize = 10;
/// Seconds between two sweeps of what has expired.
const SWEEP_SECONDS: u64 = 60;

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
}

/// A vault that is open for writing.
pub(crate) struct OpenVault {
    pub(crate) vault: Vault,
    pub(crate) operator: Arc<OperatorKey>,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) bins: Arc<LiveBins>,
}

impl OpenVault {
    /// This process, which has the root key.
    pub(crate) fn operator(&self) -> Result<Caller, VaultError> {
        self.vault.operator(&self.operator, Origin::LOCAL)
    }
}

/// What may be set when a vault is opened.
pub(crate) struct OpenSettings {
    /// `None` for where it is when nobody says: see [`DataDirectory::header`].
    pub(crate) root_key_file: Option<PathBuf>,
    pub(crate) cvv_ttl_seconds: u32,
    pub(crate) cvvs_held_max: u64,
    pub(crate) store: Settings,
}

impl Default for OpenSettings {
    fn default() -> Self {
        Self {
            root_key_file: None,
            cvv_ttl_seconds: 3600,
            cvvs_held_max: 1_000_000,
            store: Settings::default(),
        }
    }
}

/// The store of a vault that is made to be tried: it is ready at once, since less of the disk is filled beforehand.
pub(crate) fn small_store() -> Settings {
    Settings { segment_bytes: 4 << 20, ..Settings::default() }
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

/// Refuses a place where no vault can be made, before anything is.
pub(crate) fn is_free_for_a_vault(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.join(FILE).exists(),
        "{} holds a vault already: serve it with {}, or name another directory",
        path.display(),
        served_by(path)
    );
    target::is_free(path, parent(path))
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

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a vault in a directory that is not there or is empty. It is made beside it and moved there whole, so that a crash
/// leaves no half of one. `fill` may add to it before it is moved.
///
/// `root_key_file`, if relative, is relative to the directory of the vault.
pub(crate) fn create(
    path: &Path,
    mode: Mode,
    root_key_file: &Path,
    store: &Settings,
    fill: impl FnOnce(&DataDirectory) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let parent = parent(path);
    target::is_free(path, parent)?;
    fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    // Removed again if anything below fails.
    let making = tempfile::Builder::new()
        .prefix(".panvault-making-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .with_context(|| format!("{} cannot be written to", parent.display()))?;
    let entropy = SystemEntropy::new();
    let root = RootKey::make(&entropy)?;
    let now = SystemClock::start().now().wall;
    let vault = VaultId::make(now, entropy.make_id_bytes()?);
    let key_path = making.path().join(root_key_file);
    KeyFile::new(key_path.clone()).create(&root)?;
    let file = VaultFile {
        format: FORMAT,
        vault: vault.to_string(),
        mode: mode_name(mode).to_owned(),
        created_at: now.to_string(),
    };
    let made = Header::make(&root, vault, key_mode(mode), now, &entropy)
        .and_then(|header| header.open(&root, vault, key_mode(mode)).map(|keys| (header, keys)))
        .map_err(anyhow::Error::from)
        .and_then(|(header, keys)| make_files(making.path(), &file, &header, &keys, store))
        .and_then(|()| fill(&DataDirectory::find(making.path())?))
        .and_then(|()| {
            let making = making.keep();
            fs::rename(&making, path)
                .inspect_err(|_| drop(fs::remove_dir_all(&making)))
                .map_err(|error| target::not_moved(path, error))
        });
    // A key without a vault is of no use, and would be in the way of the next try. It is where it was made: what stands in the place
    // of the vault by now is somebody else's.
    made.inspect_err(|_| drop(fs::remove_file(key_path)))?;
    fs::File::open(parent)?.sync_all()?;
    Ok(())
}

fn make_files(
    path: &Path,
    file: &VaultFile,
    header: &Header,
    keys: &VaultKeys,
    store: &Settings,
) -> anyhow::Result<()> {
    let text =
        format!("# Which vault this is. It is made once and never changed.\n{}", toml::to_string(file)?);
    write_private(&path.join(FILE), text.as_bytes())?;
    header::write(path, header)?;
    Ok(EmbeddedStore::create(path, keys.vault(), chain(keys).as_ref(), store)?)
}

/// Writes a new file that only its owner can read, durably.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// The chain of a vault's log.
pub(crate) fn chain(keys: &VaultKeys) -> Arc<dyn Chain> {
    Arc::new(StoreChain::new(keys))
}

impl DataDirectory {
    /// Reads what a directory says of itself. Changes nothing.
    pub(crate) fn find(path: &Path) -> anyhow::Result<Self> {
        let file = path.join(FILE);
        let damaged = || format!("{} is not what panvault wrote; restore it from a backup", file.display());
        let text = match text::read(&file) {
            Ok(Some(text)) => text,
            Ok(None) => bail!(damaged()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(
                    ![LOG, VIEW].iter().any(|name| path.join(name).exists()),
                    "{} is missing, and the rest of a vault is there; restore vault.toml from a backup",
                    file.display()
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
        let mode = match found.mode.as_str() {
            "test" => Mode::Test,
            "live" => Mode::Live,
            _ => bail!(damaged()),
        };
        Ok(Self {
            path: path.to_owned(),
            vault: VaultId::parse(&found.vault).map_err(|_| anyhow::anyhow!(damaged()))?,
            mode,
        })
    }

    /// Gets the root key and opens the keys of the vault with it. Changes nothing.
    ///
    /// Who opens a vault says where its key is: by a setting, or by the path of the vault, beside which `panvault init` puts it. The
    /// vault itself is not asked, for who can write there would name a key of their own, and with it a vault of their own. Only where
    /// there is none beside a test vault the one is taken that `panvault dev` puts into it; what is served is opened with
    /// [`DataDirectory::root_key_outside`].
    pub(crate) fn header(&self, root_key_file: Option<&Path>) -> anyhow::Result<OpenHeader> {
        let slot = self.slot(root_key_file)?;
        let root = slot.open().map_err(root_key::unopened)?;
        header::open(&self.path, &root, self.vault, key_mode(self.mode))
            .map_err(|faults| anyhow::anyhow!(self.sealed(&slot, &faults)))
    }

    /// Why neither copy of the header opens, and what to do.
    fn sealed(&self, slot: &KeyFile, faults: &[CopyFault]) -> String {
        let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let advice = if faults.iter().any(CopyFault::is_root_key_wrong) {
            format!("the {} does not belong to the vault; give the one that does", slot.describe())
        } else if faults.iter().any(CopyFault::is_foreign) {
            format!("they do not belong to the vault that {FILE} speaks of; restore what belongs together")
        } else {
            "restore one of the two from a backup: without it no root key opens the vault".to_owned()
        };
        format!("the vault in {} stays sealed: {said}; {advice}", self.path.display())
    }

    /// Opens the vault for writing.
    pub(crate) async fn open(&self, settings: &OpenSettings) -> anyhow::Result<OpenVault> {
        self.private()?;
        if let Some(missing) = self.log_missing() {
            bail!(missing);
        }
        let header = self.header(settings.root_key_file.as_deref())?;
        let store = EmbeddedStore::open(&self.path, self.vault, chain(&header.keys), settings.store.clone())?;
        // Once more: nobody else changes it from here on.
        let OpenHeader { keys, operator, copies } = self.header(settings.root_key_file.as_deref())?;
        let store = Arc::new(store);
        let clock = Arc::new(SystemClock::start());
        let cvv_clock = Arc::clone(&clock);
        let bins = Arc::new(LiveBins::open(&self.path, self.bins_without_list(), VaultTags::new(&keys)));
        let entropy = SystemEntropy::new();
        let random = entropy.make_id_bytes().context("there is no randomness to name this process with")?;
        let parts = VaultParts {
            node: NodeId::make(clock.now().wall, random),
            store: Arc::clone(&store) as Arc<dyn panvault_store::Store>,
            cvvs: Arc::new(MemoryCvvs::new(settings.cvvs_held_max, move || cvv_clock.monotonic_millis())),
            keys,
            mode: self.mode,
            clock,
            entropy: Arc::new(entropy),
            bins: Arc::clone(&bins) as Arc<dyn BinTable>,
            processors: Arc::new(Connector),
            cvv_ttl_seconds: settings.cvv_ttl_seconds,
            sweep_seconds: SWEEP_SECONDS,
        };
        let vault = Vault::open(parts).await.with_context(|| {
            format!("the vault in {} does not open; run panvault doctor", self.path.display())
        })?;
        copies.mend(&self.path);
        Ok(OpenVault { vault, operator: Arc::new(operator), store, bins })
    }

    /// Replaces the root key of a vault that no other process has open. Nothing else changes: every key stays, wrapped anew. The new
    /// root key must be in its slot before, durably; until both copies are written the old one may still be needed.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "no command replaces a root key yet; tests show that it can be done")
    )]
    pub(crate) async fn root_replace(&self, settings: &OpenSettings, new: &dyn Slot) -> anyhow::Result<()> {
        let new = new.open()?;
        // By opening it the documents come to name the header as it is, so that they allow the next.
        let OpenVault { vault, store, operator: _, bins: _ } = self.open(settings).await?;
        let file = settings.root_key_file.as_deref();
        let old = self.slot(file)?.open()?;
        let replaced = self
            .header(file)
            .and_then(|header| header.copies.root_replace(&self.path, &old, &new, &SystemEntropy::new()));
        vault.close().await?;
        drop(store);
        replaced
    }

    /// Who issued which numbers when no list was imported.
    pub(crate) fn bins_without_list(&self) -> Arc<dyn BinTable> {
        match self.mode {
            Mode::Test => Arc::new(TestBinTable),
            Mode::Live => Arc::new(NoBinTable),
        }
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
        exposed::exposed(&self.path)
            .map_err(|error| match whom::advice(&self.path, &error) {
                Some(advice) => anyhow::anyhow!("{error}: {advice}"),
                None => error.into(),
            })
            .with_context(|| format!("{} cannot be used", self.path.display()))
    }

    /// Says that the log is not there, if so, and what to do.
    pub(crate) fn log_missing(&self) -> Option<String> {
        let log = self.path.join(LOG);
        let said = || format!("{} is missing; restore the directory from a backup", log.display());
        (!log.is_dir()).then(said)
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

#[cfg(test)]
mod tests {
    use super::*;
    /// The bug: where a link was in the place of the vault, `panvault init` said that the vault was made, and then that it was not. Its
    /// cause: the link was looked through, and a directory cannot be moved over it. Its cure: a link is refused before anything is made.
    #[test]
    fn a_link_is_no_place_for_a_vault() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("vault");
        for leads_to in ["nowhere", "."] {
            std::os::unix::fs::symlink(leads_to, &link).unwrap();
            for path in [link.clone(), directory.path().join("vault/")] {
                let made =
                    create(&path, Mode::Test, Path::new("root.key"), &small_store(), |_| panic!("begun"));
                assert!(
                    made.is_err_and(|error| error.to_string().contains("vault is a symbolic link")),
                    "{leads_to}"
                );
            }
            fs::remove_file(&link).unwrap();
        }
    }

    /// The bug: of two `panvault dev` that made the same vault at once, the one that came too late removed the root key of the other,
    /// and nothing in that vault opened again. Its cause: the key was looked for in the place of the vault, not where it was made.
    /// Its cure: what is removed is what this process made.
    #[test]
    fn who_comes_too_late_leaves_the_vault_of_another_alone() {
        let directory = tempfile::tempdir().unwrap();
        for root_key_file in [PathBuf::from("root.key"), directory.path().join("own.root-key")] {
            let path = directory.path().join("vault");
            let made = create(&path, Mode::Test, &root_key_file, &small_store(), |_| {
                fs::create_dir(&path)?;
                Ok(fs::write(path.join("root.key"), "of another")?)
            });
            assert!(made.is_err());
            assert_eq!(fs::read_to_string(path.join("root.key")).unwrap(), "of another");
            fs::remove_dir_all(&path).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "and leaves nothing of its own");
        }
    }
}
