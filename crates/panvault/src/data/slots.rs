//! What opens a vault without people: its key file, or a peer that the settings name and that has wrapped the key of a slot. What a header says of peers is
//! not authenticated yet: it only chooses among those.

use std::path::Path;

use panvault_keys::{
    Header, KeyFile, KeyFileFault, KeysError, PeerKind, Protection, Slot, SlotKey, SystemEntropy,
};
use panvault_model::VaultId;
use panvault_slots::{Context, Env, FaultKind, Peer};
use panvault_vault::{Clock, SystemClock};

use crate::config::Config;
use crate::data::{OpenSettings, slot_key};

/// What the settings name that opens a vault while nobody is there.
#[derive(Clone, Copy)]
pub(crate) struct Unattended<'a> {
    /// `None` for where it is when nobody says.
    pub(crate) slot_key_file: Option<&'a Path>,
    /// In the order in which they are asked.
    pub(crate) peers: &'a [Peer],
}

impl Config {
    /// What of them opens the vault while nobody is there.
    pub(crate) fn unattended(&self) -> Unattended<'_> {
        Unattended { slot_key_file: self.slot_key_file.as_deref(), peers: &self.slot_peers }
    }
}

impl OpenSettings {
    pub(crate) fn unattended(&self) -> Unattended<'_> {
        Unattended { slot_key_file: self.slot_key_file.as_deref(), peers: &self.slot_peers }
    }
}

/// Why nothing that the settings name gives the key of a slot.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(crate) struct StaysSealed {
    pub(crate) why: Why,
    said: String,
}

/// Whether it is of use to try again, and who can do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// There is no key file, and no peer that the settings name has a slot.
    Nobody {
        /// Whether the vault has a slot that people open: a passphrase, or shares.
        by_people: bool,
    },
    /// A peer did not answer: it may later.
    PeerDown,
    /// Every peer answered, and none gives the key: somebody has to do something.
    PeerRefused,
}

/// What opens a vault: the key file if it is there, else the key that a peer gives back for a slot of one of these headers. A key file that is there and
/// cannot be used is not passed over.
pub(super) async fn come_by(
    file: KeyFile,
    peers: &[Peer],
    vault: VaultId,
    headers: &[Header],
) -> anyhow::Result<Box<dyn Slot + Send>> {
    let missing = match file.read_key() {
        Err(error @ KeysError::KeyFile { fault: KeyFileFault::Missing, .. }) => error,
        // What is wrong with it is said where it is used.
        Ok(_) | Err(_) => return Ok(Box::new(file)),
    };
    if headers.is_empty() {
        return Ok(Box::new(file));
    }
    if peers.is_empty() {
        let said = format!("{:#}", slot_key::unopened(missing));
        return Err(StaysSealed { why: nobody(headers), said }.into());
    }
    match ask(peers, vault, headers).await {
        Ok(key) => Ok(Box::new(key)),
        Err(StaysSealed { why, said }) => {
            let said = format!("{said}; and {}", slot_key::missing_beside_peers(&missing));
            Err(StaysSealed { why, said }.into())
        }
    }
}

/// The key of a slot, from the first of these peers that gives one.
pub(super) async fn ask(peers: &[Peer], vault: VaultId, headers: &[Header]) -> Result<SlotKey, StaysSealed> {
    let entropy = SystemEntropy::new();
    let (mut asked, mut said, mut is_down) = (Vec::new(), Vec::new(), false);
    for peer in peers {
        for slot in headers.iter().flat_map(Header::slots) {
            let Protection::Peer(lock) = slot.protection() else { continue };
            // The two copies of a header mostly have the same slots.
            if !peer.names(lock) || asked.contains(slot.public()) {
                continue;
            }
            asked.push(*slot.public());
            let env = Env { now: SystemClock::start().now().wall, entropy: &entropy };
            match peer.unwrap(lock, Context::of_slot(vault, slot), env).await {
                Ok(key) if key.public().is_ok_and(|public| public == *slot.public()) => return Ok(key),
                Ok(_) => {
                    said.push(format!("{}: it gives back another key than that of the slot", peer.describe()))
                }
                Err(fault) => {
                    said.push(fault.to_string());
                    match fault.kind() {
                        FaultKind::Refused => {}
                        FaultKind::Locking => break,
                        FaultKind::Down => {
                            is_down = true;
                            break;
                        }
                    }
                }
            }
        }
    }
    if said.is_empty() {
        let named: Vec<_> = peers.iter().map(Peer::describe).collect();
        let said =
            format!("no slot of the vault is under {}; panvault slot list lists them", named.join(" or "));
        return Err(StaysSealed { why: nobody(headers), said });
    }
    let why = if is_down { Why::PeerDown } else { Why::PeerRefused };
    Err(StaysSealed { why, said: said.join("; ") })
}

/// The peers of one kind that the settings name.
pub(crate) fn of_kind(peers: &[Peer], kind: PeerKind) -> Vec<Peer> {
    peers.iter().filter(|peer| peer.kind() == kind).cloned().collect()
}

fn nobody(headers: &[Header]) -> Why {
    let by_people = headers.iter().flat_map(Header::slots).any(|slot| match slot.protection() {
        Protection::Passphrase(_) | Protection::Shares(_) => true,
        Protection::KeyFile | Protection::Peer(_) => false,
    });
    Why::Nobody { by_people }
}
