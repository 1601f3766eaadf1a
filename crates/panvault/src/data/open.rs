//! A vault that is opened for writing.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use panvault_card::BinTable;
use panvault_keys::{Entropy, Slot, SystemEntropy};
use panvault_model::NodeId;
use panvault_store::MemoryCvvs;
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_vault::{
    Caller, Clock, Connector, GuardSettings, OperatorKey, Origin, SystemClock, Vault, VaultError, VaultParts,
};
use panvault_webhook::{AddressPolicy, Sender};

use crate::bins::{LiveBins, VaultTags};
use crate::data::header::OpenHeader;
use crate::data::{DataDirectory, chain};

/// Seconds between two sweeps of what has expired.
const SWEEP_SECONDS: u64 = 60;

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
    pub(crate) guards: GuardSettings,
    /// Seconds between two settlements; 0 is never.
    pub(crate) settle_seconds: u64,
    /// Where webhooks may go to; `None` where this process delivers none.
    pub(crate) webhooks: Option<AddressPolicy>,
    pub(crate) store: Settings,
}

impl Default for OpenSettings {
    fn default() -> Self {
        Self {
            root_key_file: None,
            cvv_ttl_seconds: 3600,
            cvvs_held_max: 1_000_000,
            guards: GuardSettings::OFF,
            settle_seconds: 0,
            webhooks: None,
            store: Settings::default(),
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
        self.private()?;
        if let Some(missing) = self.log_missing() {
            bail!(missing);
        }
        let header = self.header(settings.root_key_file.as_deref())?;
        let store = Settings { log_directory: self.wal.clone(), ..settings.store.clone() };
        let store = EmbeddedStore::open(&self.path, self.vault, chain(&header.keys), store)?;
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
            guards: settings.guards,
            sweep_seconds: SWEEP_SECONDS,
        };
        let vault = Vault::open(parts).await.with_context(|| {
            format!("the vault in {} does not open; run panvault doctor", self.path.display())
        })?;
        if settings.settle_seconds > 0 {
            vault.settle_every(settings.settle_seconds);
        }
        if let Some(policy) = &settings.webhooks {
            vault.webhooks_allow(policy.clone());
            vault.webhooks_start(Sender::new(policy.clone(), Vec::new())?);
        }
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
}
