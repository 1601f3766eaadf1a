//! The header of keys is changed: by the server that has the vault, or, where none has, in this process.

use anyhow::{Context, bail};
use panvault_keys::{Header, KeysError, RootKey, Slot, SystemEntropy};

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
    let OpenHeader { keys: _, root, copies, operator: _ } = opened;
    let mut header = copies.into_header();
    let mut named = client.header_named().await?;
    if named.header_version().checked_add(1) == Some(header.version()) {
        // A change that was begun and not ended: what it made is there, and is named first.
        let unended = "an earlier change of the keys was not ended, and cannot be";
        client.header_put(&header, &root, &named).await.context(unended)?;
        named = client.header_named().await?;
    }
    // Of keys that are used no more the bytes go.
    let states: Vec<_> = named.keys().collect();
    if !header.is_settled(&states) {
        let settled = header.settle(&root, &states, &SystemEntropy::new())?;
        client.header_put(&settled, &root, &named).await?;
        header = settled;
    }
    let (next, other) = change(&header, &root)?;
    client.header_put(&next, other.as_ref().unwrap_or(&root), &named).await?;
    Ok(next)
}
