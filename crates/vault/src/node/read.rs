use panvault_keys::VaultKeys;
use panvault_model::{NodeId, Timestamp};
use panvault_store::Store;

use crate::error::VaultError;
use crate::limits::LEASE_SKEW_SECONDS;
use crate::node::duty::Nodes;
use crate::node::lease::has_run_out;
use crate::permit::{Permit, StatusRead};
use crate::seal;
use crate::vault::Vault;

/// The nodes that share a vault's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodesView {
    /// The one that answers.
    pub own: NodeId,
    /// Those that live, this one among them unless it has lost its lease, in the order of their ids.
    pub alive: Vec<NodeId>,
    /// Seconds that are left of the lease of each of them.
    pub lease_seconds: Vec<u64>,
    /// The one that does what one does for all, as the rows say it now; `None` where none has renewed its lease of late.
    pub duty: Option<NodeId>,
    /// Those whose lease has run out, and whose payments others take over.
    pub lost: Vec<NodeId>,
}

impl Vault {
    /// Which nodes share the store, for whoever may see the vault's status; `None` where there can be no others.
    pub async fn nodes_list(&self, permit: &Permit<StatusRead>) -> Result<Option<NodesView>, VaultError> {
        if !permit.is_at_top() {
            return Err(VaultError::RoleNotAllowed);
        }
        if !self.node().is_shared() {
            return Ok(None);
        }
        let nodes = self.nodes_read().await?;
        let (own, duty) = (self.node().id(), self.duty_of(&nodes));
        let mut view =
            NodesView { own, alive: Vec::new(), lease_seconds: Vec::new(), duty, lost: Vec::new() };
        let Nodes { rows, now } = nodes;
        for row in rows {
            if has_run_out(&row, now) {
                view.lost.push(row.id);
            } else {
                view.alive.push(row.id);
                view.lease_seconds.push(row.lease_until.unix_seconds().saturating_sub(now.unix_seconds()));
            }
        }
        Ok(Some(view))
    }
}

/// Nodes that may be there: each with when it is certain that it is not, unless it is heard of until then. A row that is not the vault's is an error.
pub async fn nodes_there(
    store: &dyn Store,
    keys: &VaultKeys,
    now: Timestamp,
) -> Result<Vec<(NodeId, Timestamp)>, VaultError> {
    let now = store.clock().await?.unwrap_or(now);
    let mut there = Vec::new();
    for row in store.node_read_all().await? {
        seal::node_verify(keys, &row)?;
        if !has_run_out(&row, now) {
            there.push((row.id, row.lease_until.plus_seconds(LEASE_SKEW_SECONDS)));
        }
    }
    Ok(there)
}
