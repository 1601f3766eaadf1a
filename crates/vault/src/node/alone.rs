//! Where CVVs are in the process of a node, it is the only one that serves: another would neither find them nor end them.
//!
//! Who begins is refused while another lives by its lease. Nodes begin one after the other, so that of two one sees the other. Where a node stood
//! still past its lease, or two go on from one directory, both may be there for one renewal: then the one whose lease was lost ends, else the
//! one that began later.

use std::sync::Arc;

use panvault_model::{Now, Timestamp};
use panvault_store::{NodePart, NodeRow};

use crate::error::VaultError;
use crate::limits::LEASE_SKEW_SECONDS;
use crate::node::duty::Nodes;
use crate::node::lease::has_run_out;
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Waits until this node has found that another serves, where it may not go on then.
    pub fn not_alone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut not_alone = self.node().not_alone.subscribe();
        async move {
            // A node that is gone finds nobody.
            if not_alone.wait_for(|not_alone| *not_alone).await.is_err() {
                core::future::pending::<()>().await;
            }
        }
    }

    /// Refuses to begin beside another node, if either holds CVVs in its process.
    pub(super) async fn alone_at_begin(&self) -> Result<(), VaultError> {
        let node = self.node();
        let nodes = self.nodes_read().await?;
        let predecessor = nodes.rows.iter().find(|row| Some(row.id) == node.predecessor);
        node.state().predecessor_version = predecessor.map(|row| row.version);
        match self.others(&nodes).next() {
            Some(other) => Err(self.is_not_alone(other, nodes.now)),
            None => Ok(()),
        }
    }

    /// The same of one that goes on. `asked`: when its row is to be renewed.
    pub(super) async fn alone_still(&self, asked: Now) -> Result<(), VaultError> {
        let node = self.node();
        let nodes = self.nodes_read().await?;
        let goes_on = node.state().lease.is_some_and(|lease| lease.has_left(0, asked));
        let began = (node.started_at, node.id);
        match self.others(&nodes).find(|other| !goes_on || (other.started_at, other.id) < began) {
            Some(other) => Err(self.is_not_alone(other, nodes.now)),
            None => Ok(()),
        }
    }

    fn is_not_alone(&self, other: &NodeRow, now: Timestamp) -> VaultError {
        self.node().not_alone.send_replace(true);
        let until = other.lease_until.plus_seconds(LEASE_SKEW_SECONDS);
        let millis = until.unix_millis().saturating_sub(now.unix_millis());
        VaultError::NotAlone { node: other.id, seconds: millis.div_ceil(1_000) }
    }

    /// Those that serve beside this one, of whose CVVs it would not know, or they of its own. A row that is not of the vault keeps nobody from anything.
    fn others<'a>(&self, nodes: &'a Nodes) -> impl Iterator<Item = &'a Arc<NodeRow>> {
        let node = self.node();
        let (id, part, now) = (node.id, node.part, nodes.now);
        let ended = node.state().predecessor_version.and_then(|version| Some((node.predecessor?, version)));
        nodes.rows.iter().filter(move |row| {
            let other = row.part.unwrap_or(NodePart { serves: true, cvvs_in_process: false });
            row.id != id
                && ended != Some((row.id, row.version))
                && (part.serves && other.serves)
                && (part.cvvs_in_process || other.cvvs_in_process)
                && !has_run_out(row, now)
                && seal::node_verify(self.keys(), row).is_ok()
        })
    }
}
