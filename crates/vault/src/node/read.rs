use panvault_model::NodeId;

use crate::error::VaultError;
use crate::node::duty::Nodes;
use crate::node::lease::has_run_out;
use crate::permit::{Permit, StatusRead};
use crate::vault::Vault;

/// The nodes that share a vault's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodesView {
    /// The one that answers.
    pub own: NodeId,
    /// Those that live, this one among them unless it has lost its lease, in the order of their ids.
    pub alive: Vec<NodeId>,
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
        let Nodes { rows, now } = self.nodes_read().await?;
        let mut view = NodesView { own: self.node().id(), alive: Vec::new(), lost: Vec::new() };
        for row in rows {
            if has_run_out(&row, now) { &mut view.lost } else { &mut view.alive }.push(row.id);
        }
        Ok(Some(view))
    }
}
