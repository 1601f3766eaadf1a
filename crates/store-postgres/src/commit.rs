//! Commits: what waits goes in one step.

use std::sync::Arc;

use panvault_model::NodeId;
use panvault_store::{Chain, Commit, Outcome, Pending, StoreFault, StoreStatus};

use crate::connect::Database;

/// Takes commits in.
pub(crate) struct Committer {}

impl Committer {
    pub(crate) async fn start(
        _database: Database,
        _chain: Arc<dyn Chain>,
        _node: NodeId,
    ) -> Result<Self, StoreFault> {
        Ok(Self {})
    }

    pub(crate) fn commit(&self, _commit: Commit) -> Pending<'_, Outcome> {
        Box::pin(core::future::ready(Err(StoreFault::Unreachable)))
    }

    pub(crate) fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    pub(crate) async fn close(&self) {}
}
