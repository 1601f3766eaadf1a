//! The header of keys is changed while nobody serves the vault: it is opened before, so that its documents allow the next header, and again afterwards, so that they name it.

use anyhow::Context;
use panvault_keys::{Header, KeysError, RootKey, Slot, SystemEntropy};
use panvault_vault::HandOver;

use crate::data::header::OpenHeader;
use crate::data::open::when_free;
use crate::data::{DataDirectory, OpenSettings, OpenVault};

/// The header was changed, and documents that name it were not written.
pub(in crate::data) const UNNAMED: &str =
    "the slots are changed, but the vault was not opened with them: run panvault slot test, which says why";

/// A change that is still to be made. Of keys that are destroyed the bytes go before, in a step of its own: a header is at most one ahead of what documents name.
pub(in crate::data) struct HeaderChange<F>(Option<F>);

impl<F: FnOnce(&Header, &RootKey) -> Result<Header, KeysError>> HeaderChange<F> {
    pub(in crate::data) const fn new(change: F) -> Self {
        Self(Some(change))
    }

    /// The next header, where documents say this of its keys.
    pub(in crate::data) fn next(
        &mut self,
        header: &Header,
        root: &RootKey,
        named: &HandOver,
    ) -> Result<Header, KeysError> {
        let states: Vec<_> = named.keys().collect();
        match self.0.take_if(|_| header.is_settled(&states)) {
            Some(change) => change(header, root),
            None => header.settle(root, &states, &SystemEntropy::new()),
        }
    }

    pub(in crate::data) const fn is_made(&self) -> bool {
        self.0.is_none()
    }
}

/// What the documents of a vault that is open say of its header, from now on if they said nothing.
pub(in crate::data) async fn named(open: &OpenVault) -> anyhow::Result<HandOver> {
    Ok(open.vault.header_name(&open.operator()?.permit()?).await?)
}

impl DataDirectory {
    /// Changes the header of a vault that no other process has open: `change` makes the next one of it. Nothing else changes.
    pub(crate) async fn header_change(
        &self,
        slot: &dyn Slot,
        change: impl FnOnce(&Header, &RootKey) -> Result<Header, KeysError>,
    ) -> anyhow::Result<Header> {
        let mut change = HeaderChange::new(change);
        loop {
            let open = when_free(async || self.open_by(slot, &OpenSettings::default()).await).await?;
            let changed = named(&open).await.and_then(|named| {
                let OpenHeader { root, copies, .. } = self.header_by(slot)?;
                let header = change.next(copies.header(), &root, &named)?;
                copies.replace(&self.path, &header)?;
                Ok(header)
            });
            let OpenVault { vault, kept, .. } = open;
            vault.close().await?;
            drop((vault, kept));
            let header = changed?;
            if change.is_made() {
                // What the one before opened opens nothing from here on.
                let open = when_free(async || self.open_by(slot, &OpenSettings::default()).await).await;
                open.context(UNNAMED)?.vault.close().await?;
                return Ok(header);
            }
        }
    }
}

#[cfg(test)]
mod tests;
