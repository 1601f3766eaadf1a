use std::sync::Arc;

use panvault_model::{NodeId, Timestamp};
use panvault_store::NodeRow;

use crate::error::VaultError;
use crate::limits::DUTY_LOOK_MILLIS;
use crate::node::lease::{has_run_out, is_there, is_wrong};
use crate::seal;
use crate::vault::Vault;

/// Every node that has a row, and what the clock shows that they are judged by.
pub(crate) struct Nodes {
    pub(crate) rows: Vec<Arc<NodeRow>>,
    pub(crate) now: Timestamp,
}

/// Whether this node did for all what one does for all, and when that was asked.
#[derive(Clone, Copy)]
pub(super) struct Duty {
    asked_millis: u64,
    pub(super) is_ours: bool,
}

impl Vault {
    /// What the clock shows that all nodes go by. Their own may differ by seconds.
    pub(crate) async fn shared_time(&self) -> Result<Timestamp, VaultError> {
        Ok(self.store().clock().await?.unwrap_or_else(|| self.now().wall))
    }

    /// All nodes; none where there can be no others.
    pub(crate) async fn nodes_read(&self) -> Result<Nodes, VaultError> {
        if !self.node().is_shared {
            return Ok(Nodes { rows: Vec::new(), now: self.now().wall });
        }
        let rows = self.store().node_read_all().await?;
        Ok(Nodes { rows, now: self.shared_time().await? })
    }

    /// Whether this node is the one that sweeps, delivers webhooks, settles and asks for all: of those that are there the one whose id comes first.
    /// Two may think so for a moment, and all of it may be done twice. The answer is up to a second old.
    pub(crate) async fn has_duty(&self) -> Result<bool, VaultError> {
        let node = self.node();
        if !node.is_shared {
            return Ok(true);
        }
        let asked_millis = self.now().monotonic_millis;
        let known = node.state().duty;
        if let Some(duty) = known.filter(|duty| asked_millis < duty.asked_millis + DUTY_LOOK_MILLIS) {
            return Ok(duty.is_ours);
        }
        let nodes = self.nodes_read().await?;
        node.calendar_is_wrong(is_wrong(self.now().wall, nodes.now));
        let is_ours = node.duty_falls(self.duty_of(&nodes));
        let alive = nodes.rows.iter().filter(|row| !has_run_out(row, nodes.now)).count();
        let mut state = node.state();
        state.alive = alive as u64;
        if known.is_none_or(|known| known.is_ours != is_ours) {
            tracing::info!(node.id = %node.id, is_ours, "node.duty");
        }
        state.duty = Some(Duty { asked_millis, is_ours });
        Ok(is_ours)
    }

    /// Whose duty it is by these rows. One that is not of the vault keeps nobody from anything.
    pub(super) fn duty_of(&self, nodes: &Nodes) -> Option<NodeId> {
        let can = |row: &&Arc<NodeRow>| row.part.is_none_or(|part| part.serves) && is_there(row, nodes.now);
        let there = nodes.rows.iter().filter(|row| can(row) && seal::node_verify(self.keys(), row).is_ok());
        there.map(|row| row.id).min()
    }
}
