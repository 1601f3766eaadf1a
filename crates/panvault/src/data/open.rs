//! A vault that is opened for writing.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use panvault_card::BinTable;
use panvault_directory::Directory;
use panvault_keys::{BackupKey, Entropy, Slot, SystemEntropy, VaultKeys};
use panvault_model::{NodeId, ProcessorId};
use panvault_processor::Processors;
use panvault_processor::card_http::{BreakerChange, Fault, FileFault, HttpMode, Registry};
use panvault_slots::Peer;
use panvault_store::{CvvStore, MemoryCvvs, Store};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_store_postgres::{Database, PostgresStore};
use panvault_vault::{
    Caller, Clock, GuardSettings, HandOver, HeaderPlace, Mode, OperatorKey, Origin, RotationSettings,
    SystemClock, Unsealing, Vault, VaultError, VaultParts,
};
use panvault_webhook::{AddressPolicy, Sender};

use tokio::time::{Instant, sleep};

use crate::bins::{LiveBins, VaultTags};
use crate::client::is_in_use;
use crate::data::backup::{BackedUp, Backups};
use crate::data::header::{Files, OpenHeader};
use crate::data::{DataDirectory, bins_without_list, chain};
use crate::trail::TrailConfig;

/// Time for which a vault that somebody has is asked for again: a command that has it is done in a moment, and so is what ran in one that was closed.
const IN_USE_TIME: Duration = Duration::from_secs(5);
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Opens a vault, or takes its directory, as soon as nobody else has it.
pub(crate) async fn when_free<T>(open: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match open().await {
            Err(error) if is_in_use(&error) && begun.elapsed() < IN_USE_TIME => sleep(TRY_EVERY).await,
            done => return done,
        }
    }
}

/// Seconds between two sweeps of what has expired.
const SWEEP_SECONDS: u64 = 60;

/// A vault that is open for writing.
pub(crate) struct OpenVault {
    pub(crate) vault: Vault,
    pub(crate) operator: Arc<OperatorKey>,
    pub(crate) kept: Kept,
    /// What tags its backups.
    pub(crate) backup_key: BackupKey,
    pub(crate) bins: Arc<LiveBins>,
    /// The descriptions of PSPs that are in use.
    pub(crate) descriptions: Arc<Registry>,
}

/// What is held while a vault is open.
pub(crate) enum Kept {
    /// The store, which may end by itself.
    Directory(Arc<EmbeddedStore>),
    /// The lock of a node's directory. Its store is elsewhere: this process waits for it while it is away, and ends where it is no more what it was.
    Node {
        #[expect(dead_code, reason = "a lock is held, not read")]
        held: Directory,
        store: Arc<PostgresStore>,
    },
}

impl Kept {
    /// Its rows.
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Directory(store) => store.as_ref(),
            Self::Node { store, .. } => store.as_ref(),
        }
    }

    /// The database, where nodes share one.
    pub(crate) fn database(&self) -> Option<Database> {
        match self {
            Self::Directory(_) => None,
            Self::Node { store, .. } => Some(store.database().clone()),
        }
    }

    /// What is to be known of a store that ended by itself.
    pub(crate) const fn after_failure(&self) -> &'static str {
        match self {
            Self::Directory(_) => "What was acknowledged is kept",
            Self::Node { .. } => {
                "The database may have lost what was acknowledged last: compare it with what clients have"
            }
        }
    }

    /// Waits until the store has ended by itself.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        // What is waited for holds no store open.
        let (directory, node) = match self {
            Self::Directory(store) => (Some(store.stopped()), None),
            Self::Node { store, .. } => (None, Some(store.stopped())),
        };
        async move {
            if let Some(stopped) = directory {
                stopped.await;
            }
            if let Some(stopped) = node {
                stopped.await;
            }
        }
    }
}

/// What a vault is opened over.
pub(super) struct Opening<'a> {
    pub(super) path: &'a Path,
    pub(super) node: NodeId,
    /// One that is known to have ended.
    pub(super) predecessor: Option<NodeId>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) store: Arc<dyn Store>,
    pub(super) cvvs: Arc<dyn CvvStore>,
    pub(super) keys: VaultKeys,
    pub(super) header_place: Arc<dyn HeaderPlace>,
    pub(super) handed: Option<HandOver>,
    pub(super) mode: Mode,
}

/// A name for this process.
pub(super) fn node_make(clock: &SystemClock) -> anyhow::Result<NodeId> {
    let random = SystemEntropy::new().make_id_bytes();
    Ok(NodeId::make(clock.now().wall, random.context("there is no randomness to name this process with")?))
}

/// CVVs in the memory of this process.
pub(super) fn memory_cvvs(clock: &Arc<SystemClock>, settings: &OpenSettings) -> Arc<dyn CvvStore> {
    let clock = Arc::clone(clock);
    Arc::new(MemoryCvvs::new(settings.cvvs_held_max, move || clock.monotonic_millis()))
}

impl Opening<'_> {
    /// Opens the vault, and begins what it does by itself.
    pub(super) async fn open(
        self,
        settings: &OpenSettings,
    ) -> anyhow::Result<(Vault, Arc<LiveBins>, Arc<Registry>)> {
        let Self { path, node, predecessor, clock, store, cvvs, keys, header_place, handed, mode } = self;
        let bins = Arc::new(LiveBins::open(path, bins_without_list(mode), VaultTags::new(&keys)));
        let descriptions = Arc::new(descriptions(settings.processors.as_deref())?);
        let parts = VaultParts {
            node,
            predecessor,
            store,
            cvvs,
            keys,
            header_place: Some(header_place),
            handed,
            mode,
            clock,
            entropy: Arc::new(SystemEntropy::new()),
            bins: Arc::clone(&bins) as Arc<dyn BinTable>,
            processors: Arc::new(processors(&descriptions, mode)),
            cvv_ttl_seconds: settings.cvv_ttl_seconds,
            guards: settings.guards,
            rotation: settings.rotation,
            serves: settings.serves(),
            unsealing: settings.unsealing.clone(),
            sweep_seconds: SWEEP_SECONDS,
        };
        let vault = Vault::open(parts).await.map_err(|error| {
            let said = unopened(path, &error);
            anyhow::Error::from(error).context(said)
        })?;
        if settings.settle_seconds > 0 {
            vault.settle_every(settings.settle_seconds);
        }
        if settings.serves() {
            vault.trail_export(settings.trail.settings());
            if settings.trail.retention_days > 0 {
                vault.audit_keep(settings.trail.retention_days);
            }
        }
        if let Some(policy) = &settings.webhooks {
            vault.webhooks_allow(policy.clone());
            vault.webhooks_start(Sender::new(policy.clone(), Vec::new())?);
        }
        if let Some(fault) = descriptions.limits_of_nobody(|id| vault.processor_type(id))
            && settings.serves()
        {
            let advice = "name processors by their ids, below their type; panvault processor list shows both";
            tracing::warn!(reasons = lines(&fault), advice, "processors.limits_of_nobody");
        }
        Ok((vault, bins, descriptions))
    }
}

/// The faults of a file, each with its place.
pub(crate) fn lines(fault: &FileFault) -> String {
    let line = |one: &Fault| format!("{}:{}: {}", fault.file, one.line, one.words);
    fault.faults.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// The descriptions that come with the program, and those of the operator.
fn descriptions(directory: Option<&Path>) -> anyhow::Result<Registry> {
    match directory {
        Some(directory) => Registry::load(directory).map_err(|faults| {
            let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
            anyhow!("the directory that processors names cannot be used: {}", said.join("; "))
        }),
        None => Ok(Registry::shipped()),
    }
}

/// Whom a vault of this kind may pay by.
fn processors(descriptions: &Arc<Registry>, mode: Mode) -> Processors {
    let mode = match mode {
        Mode::Test => HttpMode::Test,
        Mode::Live => HttpMode::Live,
    };
    Processors::new(Arc::clone(descriptions), mode).telling(Arc::new(processor_changed))
}

/// Says that a PSP is away, and that it is there again.
fn processor_changed(id: ProcessorId, change: BreakerChange) {
    match change {
        BreakerChange::Opened { failures, reason } => {
            let advice = "see whether the PSP is there and the reason; one act goes out now and then to see, and what goes to it meanwhile is refused with code 131 or tried elsewhere";
            tracing::warn!(processor.id = %id, failures, reason, advice, "processor.left_alone");
        }
        BreakerChange::Closed => {
            let advice = "none; it has answered, and acts go to it again";
            tracing::info!(processor.id = %id, advice, "processor.answers_again");
        }
    }
}

/// What helps where a vault does not open.
fn unopened(path: &Path, error: &VaultError) -> String {
    if matches!(error, VaultError::NotAlone { .. }) {
        "nodes = \"one\" means that no other process serves this vault. To serve it from several nodes, name cvv_store on each, leave nodes out, and \
         start them anew; else end the other one first, and if it was killed or has lost its directory, start again when its lease is over"
            .to_owned()
    } else if matches!(error, VaultError::Sealed) {
        format!("the vault in {} is sealed: panvault unseal opens it", path.display())
    } else {
        format!("the vault in {} does not open; run panvault doctor", path.display())
    }
}

impl OpenVault {
    /// This process, which has the root key.
    pub(crate) fn operator(&self) -> Result<Caller, VaultError> {
        self.vault.operator(&self.operator, Origin::LOCAL)
    }

    /// What makes backups of it.
    pub(crate) fn backups(&self, directory: &Path) -> Backups {
        let rows = match &self.kept {
            Kept::Directory(store) => BackedUp::View(Arc::clone(store)),
            Kept::Node { store, .. } => BackedUp::Database(Arc::clone(store)),
        };
        Backups {
            vault: self.vault.clone(),
            rows,
            directory: directory.to_owned(),
            key: self.backup_key.clone(),
        }
    }
}

/// What may be set when a vault is opened.
#[derive(Clone)]
pub(crate) struct OpenSettings {
    /// `None` for where it is when nobody says: see [`DataDirectory::header`].
    pub(crate) slot_key_file: Option<PathBuf>,
    /// What opens it where there is no key file, in the order in which they are asked.
    pub(crate) slot_peers: Vec<Peer>,
    pub(crate) cvv_ttl_seconds: u32,
    pub(crate) cvvs_held_max: u64,
    pub(crate) guards: GuardSettings,
    pub(crate) rotation: RotationSettings,
    /// Seconds between two settlements; 0 is never.
    pub(crate) settle_seconds: u64,
    /// Where webhooks may go to; `None` where this process delivers none.
    pub(crate) webhooks: Option<AddressPolicy>,
    /// Where the trail goes to.
    pub(crate) trail: TrailConfig,
    /// Descriptions of PSPs beside those that come with the program.
    pub(crate) processors: Option<PathBuf>,
    pub(crate) store: Settings,
    /// Who unseals it; `None` where it is opened by itself, which a vault that was sealed is not.
    pub(crate) unsealing: Option<Unsealing>,
}

impl OpenSettings {
    /// Whether the vault is opened to be served.
    pub(crate) const fn serves(&self) -> bool {
        self.webhooks.is_some()
    }
}

impl Default for OpenSettings {
    fn default() -> Self {
        Self {
            slot_key_file: None,
            slot_peers: Vec::new(),
            cvv_ttl_seconds: 3600,
            cvvs_held_max: 1_000_000,
            guards: GuardSettings::OFF,
            rotation: RotationSettings::DEFAULT,
            settle_seconds: 0,
            webhooks: None,
            trail: TrailConfig::default(),
            processors: None,
            store: Settings::default(),
            unsealing: None,
        }
    }
}

/// The store of a vault that is made to be tried: it is ready at once, since less of the disk is filled beforehand.
pub(crate) fn small_store() -> Settings {
    Settings { segment_bytes: 4 << 20, ..Settings::default() }
}

impl DataDirectory {
    /// Opens the vault for writing.
    pub(crate) async fn open(&self, settings: &OpenSettings) -> anyhow::Result<OpenVault> {
        self.open_by(self.unattended(settings.unattended()).await?.as_ref(), settings).await
    }

    /// The same by whatever slot.
    pub(crate) async fn open_by(
        &self,
        slot: &dyn Slot,
        settings: &OpenSettings,
    ) -> anyhow::Result<OpenVault> {
        self.private()?;
        if let Some(missing) = self.log_missing() {
            bail!(missing);
        }
        let (store, header) = self.store_open(slot, &settings.store)?;
        if settings.serves() && settings.store.archive_bytes_max == 0 {
            // A command that is run once leaves what it finds; here it is said that nothing is to be kept.
            store.archive_release(u64::MAX);
        }
        let OpenHeader { keys, root: _, operator, copies } = header;
        let (store, backup_key) = (Arc::new(store), keys.backups());
        let clock = Arc::new(SystemClock::start());
        let opening = Opening {
            path: &self.path,
            node: node_make(&clock)?,
            predecessor: None,
            store: Arc::clone(&store) as Arc<dyn Store>,
            cvvs: memory_cvvs(&clock, settings),
            clock,
            keys,
            header_place: Arc::new(Files(self.path.clone())),
            handed: None,
            mode: self.mode,
        };
        let (vault, bins, descriptions) = opening.open(settings).await?;
        copies.mend(&self.path);
        let kept = Kept::Directory(store);
        Ok(OpenVault { vault, operator: Arc::new(operator), kept, backup_key, bins, descriptions })
    }

    /// Opens the store, with the keys of the header as it is from then on: what the vault learns of a key that chains, the store that chains with it must learn too.
    fn store_open(
        &self,
        slot: &dyn Slot,
        settings: &Settings,
    ) -> anyhow::Result<(EmbeddedStore, OpenHeader)> {
        let settings = Settings { log_directory: self.wal.clone(), ..settings.clone() };
        loop {
            let header = self.header_by(slot)?;
            let chain = chain(&header.keys);
            let opened = EmbeddedStore::open(&self.path, self.vault, chain, settings.clone());
            // Nobody else changes it while this process has the store; until then somebody may have.
            if self.header_by(slot)?.keys.header_version() == header.keys.header_version() {
                return Ok((opened?, header));
            }
        }
    }
}
