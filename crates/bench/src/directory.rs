//! Opening a vault's directory without the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use panvault_card::TestBinTable;
use panvault_keys::{Entropy, Header, KeyFile, KeyMode, SystemEntropy, VaultKeys};
use panvault_model::{NodeId, VaultId};
use panvault_store::{MemoryCvvs, Store};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_vault::{
    Caller, Clock, Connector, GuardSettings, Mode, OperatorKey, Origin, RotationSettings, StoreChain,
    SystemClock, Vault, VaultParts,
};
use toml::Table;

/// A test vault, and what proves its root key to it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) vault: Vault,
    pub(crate) key: Arc<OperatorKey>,
}

impl Opened {
    /// A command on this machine.
    pub(crate) fn operator(&self) -> anyhow::Result<Caller> {
        Ok(self.vault.operator(&self.key, Origin::LOCAL)?)
    }
}

/// Opens a test vault for writing.
pub(crate) async fn open(directory: &Path) -> anyhow::Result<Opened> {
    let file = directory.join("vault.toml");
    let table: Table = fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?
        .parse()
        .with_context(|| format!("{} is not TOML", file.display()))?;
    let text = |name: &str| {
        let found = table.get(name).and_then(toml::Value::as_str);
        found.with_context(|| format!("{} does not say {name}", file.display()))
    };
    let id = VaultId::parse(text("vault")?).ok().context("the vault's id is none")?;
    // Where panvault init puts it.
    let mut key_file = directory.as_os_str().to_owned();
    key_file.push(".slot-key");
    let key = KeyFile::new(PathBuf::from(key_file)).read_key()?;
    let header = fs::read(directory.join("keys.1")).context("the header of keys cannot be read")?;
    let header = Header::parse(&header)?;
    let root = header.root(&key)?;
    let keys = header.open(&root, id, KeyMode::Test)?;
    let chain = Arc::new(StoreChain::new(&keys));
    let store = EmbeddedStore::open(directory, id, chain, Settings::default())?;
    let vault = Vault::open(parts(Arc::new(store), keys, Arc::new(SystemEntropy::new()))).await?;
    Ok(Opened { vault, key: Arc::new(root.derive_operator_key(id)) })
}

/// What a test vault is made of, over any store.
pub(crate) fn parts(store: Arc<dyn Store>, keys: VaultKeys, entropy: Arc<dyn Entropy>) -> VaultParts {
    let clock = Arc::new(SystemClock::start());
    let cvv_clock = Arc::clone(&clock);
    VaultParts {
        // Each has its vault alone.
        node: NodeId::from_bytes([1; 12]),
        predecessor: None,
        store,
        cvvs: Arc::new(MemoryCvvs::new(u64::MAX, move || cvv_clock.monotonic_millis())),
        keys,
        header_place: None,
        handed: None,
        mode: Mode::Test,
        clock,
        entropy,
        bins: Arc::new(TestBinTable),
        processors: Arc::new(Connector),
        cvv_ttl_seconds: 3600,
        guards: GuardSettings::OFF,
        rotation: RotationSettings::DEFAULT,
        serves: true,
        unsealing: None,
        sweep_seconds: 0,
    }
}
