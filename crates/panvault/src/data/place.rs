//! Where the settings say that a vault is.

use std::path::{Path, PathBuf};

use panvault_directory::Directory;
use panvault_keys::{Header, KeyFile, KeysError, OperatorKey, RootKey, Slot, SlotKey, VaultKeys};
use panvault_model::VaultId;
use panvault_slots::Peer;
use panvault_vault::Mode;

use crate::config::Config;
use crate::data::header::OpenHeader;
use crate::data::{
    DataDirectory, NodeDirectory, OpenSettings, OpenVault, Unattended, slot_key_beside, slots,
};

/// A vault that is its directory, or one in a database, of which this is a node.
pub(crate) enum Place {
    Directory(DataDirectory),
    Node(Box<NodeDirectory>),
}

impl Place {
    /// The one that the settings name. Changes nothing, and asks no database.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(match &config.shared {
            None => Self::Directory(DataDirectory::of(config)?),
            Some(shared) => Self::Node(Box::new(NodeDirectory::find(&config.data_directory, shared)?)),
        })
    }

    /// The directory in which commands are listened to.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory(directory) => &directory.path,
            Self::Node(node) => &node.path,
        }
    }

    /// Which vault it is; `None` for a node that was never served.
    pub(crate) const fn known(&self) -> Option<(VaultId, Mode)> {
        match self {
            Self::Directory(directory) => Some((directory.vault, directory.mode)),
            Self::Node(node) => node.known,
        }
    }

    /// Test or live. Changes nothing.
    pub(crate) async fn mode(&self) -> anyhow::Result<Mode> {
        match self {
            Self::Directory(directory) => Ok(directory.mode),
            Self::Node(node) => node.mode().await,
        }
    }

    /// The key file of a vault that is to be served: where it was said to be, or beside the directory, and nowhere else.
    pub(crate) fn slot_key_outside(&self, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
        match self {
            Self::Directory(directory) => directory.slot_key_outside(named),
            Self::Node(node) => named.map_or_else(|| slot_key_beside(&node.path), Ok),
        }
    }

    /// Refuses a directory of which others can use anything.
    pub(crate) fn private(&self) -> anyhow::Result<()> {
        match self {
            Self::Directory(directory) => directory.private(),
            Self::Node(node) => node.private(),
        }
    }

    /// What proves to a server that this process has the root key; `None` for a node that was never served.
    pub(crate) async fn operator(&self, by: Unattended<'_>) -> anyhow::Result<Option<OperatorKey>> {
        match self {
            Self::Directory(directory) => Ok(Some(directory.header_unattended(by).await?.operator)),
            Self::Node(node) => node.operator(by).await,
        }
    }

    /// The same, by whatever slot.
    pub(crate) async fn operator_by(&self, slot: &dyn Slot) -> anyhow::Result<OperatorKey> {
        Ok(match self {
            Self::Directory(directory) => directory.header_by(slot)?,
            Self::Node(node) => node.header_read(slot).await?,
        }
        .operator)
    }

    /// The key file that opens it when no other slot is named.
    pub(crate) fn slot(&self, slot_key_file: Option<&Path>) -> anyhow::Result<KeyFile> {
        match self {
            Self::Directory(directory) => directory.slot(slot_key_file),
            Self::Node(node) => node.slot(slot_key_file),
        }
    }

    /// What opens it while nobody is there.
    pub(crate) async fn unattended(&self, by: Unattended<'_>) -> anyhow::Result<Box<dyn Slot + Send>> {
        match self {
            Self::Directory(directory) => directory.unattended(by).await,
            Self::Node(node) => node.unattended(by).await,
        }
    }

    /// The key of a slot, from one of these peers and nothing else.
    pub(crate) async fn peer_key(&self, peers: &[Peer]) -> anyhow::Result<SlotKey> {
        let (vault, headers) = self.headers().await?;
        Ok(slots::ask(peers, vault, &headers).await?)
    }

    /// Which vault it is, and the copies of its header that can be read. They are not authenticated.
    pub(crate) async fn headers(&self) -> anyhow::Result<(VaultId, Vec<Header>)> {
        match self {
            Self::Directory(directory) => Ok((directory.vault, directory.headers())),
            Self::Node(node) => node.headers().await,
        }
    }

    /// The header, by whatever slot. Changes nothing.
    pub(crate) async fn header_by(&self, slot: &dyn Slot) -> anyhow::Result<Header> {
        Ok(self.header_open(slot).await?.copies.into_header())
    }

    /// The same with all that it opens.
    pub(crate) async fn header_open(&self, slot: &dyn Slot) -> anyhow::Result<OpenHeader> {
        match self {
            Self::Directory(directory) => directory.header_by(slot),
            Self::Node(node) => node.header_read(slot).await,
        }
    }

    /// Changes the header of a vault that nobody serves: `change` makes the next one of it.
    pub(crate) async fn header_change(
        &self,
        slot: &dyn Slot,
        change: impl FnOnce(&Header, &RootKey) -> Result<Header, KeysError>,
    ) -> anyhow::Result<Header> {
        match self {
            Self::Directory(directory) => directory.header_change(slot, change).await,
            Self::Node(node) => node.header_change(slot, change).await,
        }
    }

    /// The keys of the vault. Changes nothing.
    pub(crate) async fn keys(&self, by: Unattended<'_>) -> anyhow::Result<(VaultKeys, Mode)> {
        match self {
            Self::Directory(directory) => Ok((directory.header_unattended(by).await?.keys, directory.mode)),
            Self::Node(node) => node.keys(by).await,
        }
    }

    /// Opens the vault for writing, by whatever slot.
    pub(crate) async fn open_by(
        &self,
        slot: &dyn Slot,
        settings: &OpenSettings,
    ) -> anyhow::Result<OpenVault> {
        match self {
            Self::Directory(directory) => directory.open_by(slot, settings).await,
            Self::Node(node) => node.open_by(slot, settings).await,
        }
    }

    /// Takes the directory for this process, which nobody else serves then, and opens nothing.
    pub(crate) async fn hold(&self) -> anyhow::Result<Directory> {
        match self {
            Self::Directory(directory) => directory.hold(),
            Self::Node(node) => node.hold().await,
        }
    }

    /// Opens the vault for writing.
    pub(crate) async fn open(&self, settings: &OpenSettings) -> anyhow::Result<OpenVault> {
        match self {
            Self::Directory(directory) => directory.open(settings).await,
            Self::Node(node) => node.open(settings).await,
        }
    }
}
