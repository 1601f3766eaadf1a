//! The chains of all nodes, read from end to end.

use core::time::Duration;

use anyhow::Context;
use panvault_keys::VaultKeys;
use panvault_store_postgres::PostgresStore;
use panvault_vault::{SystemClock, TrailExamined, keys_as_documents_say, trail_examine};

use crate::data::beside::{KEYS_CHANGE, Looked, looked, versions};
use crate::data::node::NodeDirectory;
use crate::data::open::node_make;
use crate::data::{Unattended, chain};

/// Time that the database has for an answer.
const READ_TIME: Duration = Duration::from_secs(60);

impl NodeDirectory {
    /// The keys of the vault, in the states that its documents say.
    pub(crate) async fn vault_keys(&self, by: Unattended<'_>) -> anyhow::Result<VaultKeys> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let slot = self.unattended_of(&row, mode, by).await?;
        let keys = self.header_by(&database, &row, mode, slot.as_ref())?.keys;
        let store = PostgresStore::open(database, chain(&keys), node_make(&SystemClock::start())?).await?;
        keys_as_documents_say(&store, &keys)
            .await
            .context("the documents of the vault do not agree with its keys")?;
        Ok(keys)
    }

    /// Holds every record of every chain against its tag and its place, and the chains against one another and the checkpoint. Changes nothing.
    pub(crate) async fn trail_verify(&self, by: Unattended<'_>) -> anyhow::Result<TrailExamined> {
        let look = async || self.trail_look(by).await;
        let is_whole = |found: &anyhow::Result<TrailExamined>| {
            found.as_ref().is_ok_and(|found| found.findings.is_empty())
        };
        let Looked { found, keys_change } = looked(async || self.versions().await, look, is_whole).await;
        let mut found = found?;
        found.findings.extend(keys_change.then(|| KEYS_CHANGE.to_owned()));
        Ok(found)
    }

    async fn trail_look(&self, by: Unattended<'_>) -> anyhow::Result<TrailExamined> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let slot = self.unattended_of(&row, mode, by).await?;
        let keys = self.header_by(&database, &row, mode, slot.as_ref())?.keys;
        let node = node_make(&SystemClock::start())?;
        let store = PostgresStore::open(database, chain(&keys), node).await?;
        trail_examine(&store, &keys).await.context("the trail cannot be read")
    }

    /// The versions of the copies of its header as they are now; none where it cannot be read.
    pub(in crate::data::node) async fn versions(&self) -> Vec<u32> {
        self.headers().await.map_or_else(|_| Vec::new(), |(_, headers)| versions(&headers))
    }
}
