//! The header of keys is changed: by the server that has the vault, or, where none has, in this process.

use anyhow::{Context, bail};
use panvault_keys::{
    Header, KeyState, KeysError, RootKey, Slot, SystemEntropy, VaultKeyDescription, VaultPurpose,
};

use crate::client::Client;
use crate::config::Config;
use crate::data::{OpenHeader, Place};
use crate::socket::Unreached;

/// Makes the next header of the one that `slot` opens, and the root key that it is under where that is another, and puts it in its place.
pub(in crate::commands) async fn change(
    place: &Place,
    config: &Config,
    slot: &dyn Slot,
    change: impl FnOnce(&Header, &RootKey) -> Result<(Header, Option<RootKey>), KeysError>,
) -> anyhow::Result<Header> {
    let opened = place.header_open(slot).await?;
    match Client::reach_by(place, config, &opened.operator).await? {
        Ok(client) => served(client, opened, change).await,
        Err(Unreached::Sealed) => {
            bail!("{}; unseal it first: a sealed server changes no keys", Unreached::Sealed.said())
        }
        // Nobody serves it here; where somebody does all the same, this process does not get the vault.
        Err(_) => place.header_change(slot, |header, root| Ok(change(header, root)?.0)).await,
    }
}

async fn served(
    mut client: Client,
    opened: OpenHeader,
    change: impl FnOnce(&Header, &RootKey) -> Result<(Header, Option<RootKey>), KeysError>,
) -> anyhow::Result<Header> {
    let OpenHeader { keys, root, copies, operator: _ } = opened;
    let mut header = copies.into_header();
    let mut named = client.header_named().await?;
    if named.header_version().checked_add(1) == Some(header.version()) {
        // A change that was begun and not ended: what it made is there, and is named first.
        let unended = "an earlier change of the keys was not ended, and cannot be";
        client.header_put(&header, &root).await.context(unended)?;
        named = client.header_named().await?;
    }
    // Of keys that are used no more the bytes go. Which key chains and signs the trail is said where it is read before the documents are.
    let states: Vec<_> = named.keys().collect();
    let is_kept = |purpose, version| {
        let kept = keys.descriptions();
        let mut kept = kept.iter().filter(|key| key.state != KeyState::Destroyed);
        kept.any(|key| (key.purpose, key.version) == (purpose, version))
    };
    let mut ended = states.iter().filter(|key| key.state == KeyState::Destroyed);
    let is_of_trail = |key: &&VaultKeyDescription| {
        matches!(key.purpose, VaultPurpose::AuditChain | VaultPurpose::TrailCheckpoint)
    };
    let said = keys.descriptions();
    let is_behind = states.iter().filter(is_of_trail).any(|key| {
        let mut of_header = said.iter().filter(|of| (of.purpose, of.version) == (key.purpose, key.version));
        of_header.any(|of| of.state != key.state)
    });
    if is_behind || ended.any(|key| is_kept(key.purpose, key.version)) {
        let settled = header.settle(&root, &states, &SystemEntropy::new())?;
        client.header_put(&settled, &root).await?;
        header = settled;
    }
    let (next, other) = change(&header, &root)?;
    client.header_put(&next, other.as_ref().unwrap_or(&root)).await?;
    Ok(next)
}
