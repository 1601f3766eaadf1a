use std::collections::HashSet;

use panvault_model::{Id, NodeId, Now, OrganisationId, Tag, Timestamp};
use panvault_store::{Action, AuditNote, Commit, Effect, Expect, NodeRow, Outcome, RowKey};

use crate::audit::{Begun, Requester};
use crate::error::VaultError;
use crate::limits::LEASE_TRIES_MAX;
use crate::node::Nodes;
use crate::node::lease::{has_run_out, is_wrong, lease_until};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Writes down that this node lives, so that others leave alone what it has in hand; nothing where there can be no others. It
    /// is done by itself where the vault sweeps by itself.
    pub async fn lease_renew(&self) -> Result<(), VaultError> {
        let node = self.node();
        if !node.is_shared {
            return Ok(());
        }
        let mut version = node.state().lease.map(|lease| lease.version);
        for _ in 0..LEASE_TRIES_MAX {
            if node.state().is_stopping {
                return Ok(());
            }
            // Before it is written, and before the time that it says is read: the lease counts from here.
            let asked = self.now();
            let shared = self.shared_time().await?;
            self.calendar_check(asked.wall, shared)?;
            let row = self.node_row(version.unwrap_or(0), shared)?;
            let anew = version.is_none();
            if !anew {
                self.alone_still(asked).await?;
            }
            let is_done = match version {
                // Taking a lease and losing it is for the trail to tell, and not that nothing has happened.
                Some(version) if node.goes_on(asked) => self.store().node_renew(row.clone(), version).await?,
                Some(_) | None => match self.node_commit(row.clone(), version, asked).await? {
                    Outcome::Done { .. } => true,
                    Outcome::Unmet(_) | Outcome::Claimed(_) => false,
                },
            };
            if is_done {
                node.renewed(row.version, asked, anew);
                return Ok(());
            }
            // It was given up and its row swept, or what was written without an answer has been done after all.
            version = self.node_version().await?;
        }
        Err(VaultError::Contended)
    }

    /// A node whose calendar is wrong takes for expired what is not, or the other way: it would forget that a request was answered before, and pay
    /// twice.
    fn calendar_check(&self, own: Timestamp, shared: Timestamp) -> Result<(), VaultError> {
        let is_wrong = is_wrong(own, shared);
        self.node().calendar_is_wrong(is_wrong);
        if !is_wrong {
            return Ok(());
        }
        let advice = "set the clock of this machine, with NTP or chrony, or that of the database's; transactions are refused until they agree";
        tracing::error!(node.id = %self.node().id, advice, "node.calendar_wrong");
        Err(VaultError::WrongState {
            reason: "the clock of this machine differs from the database's by more than 30 seconds",
        })
    }

    /// Takes no transactions any more, and takes this node's row away unless a task still has one in hand: then others wait until
    /// the lease has run out.
    pub(crate) async fn node_stop(&self) -> Result<(), VaultError> {
        let node = self.node();
        node.stops();
        let lease = {
            let state = node.state();
            state.lease.filter(|_| state.in_hand.is_empty())
        };
        match lease {
            Some(lease) => self.node_delete(node.id, lease.version, self.now()).await,
            None => Ok(()),
        }
    }

    /// Takes away the rows of nodes that are dead and have left nothing. One that is not of the vault does not keep back the others; the first error is told at the
    /// end.
    pub(crate) async fn nodes_sweep(
        &self,
        nodes: &Nodes,
        left: &HashSet<NodeId>,
        now: Now,
    ) -> Result<(), VaultError> {
        let mut first = Ok(());
        for row in &nodes.rows {
            let has_left = left.contains(&row.id);
            if row.id != self.node().id && has_run_out(row, nodes.now) && !has_left {
                let swept = match seal::node_verify(self.keys(), row) {
                    Ok(()) => self.node_delete(row.id, row.version, now).await,
                    Err(error) => Err(error),
                };
                first = first.and(swept);
            }
        }
        first
    }

    /// The row that follows a version of this node's row.
    fn node_row(&self, version: u32, now: Timestamp) -> Result<NodeRow, VaultError> {
        let node = self.node();
        let mut row = NodeRow {
            id: node.id,
            version: version.checked_add(1).ok_or(VaultError::Contended)?,
            lease_until: lease_until(now),
            started_at: node.started_at,
            part: Some(node.part),
            tag: Tag::NONE,
        };
        row.tag = seal::node_tag(self.keys(), &row);
        Ok(row)
    }

    async fn node_commit(&self, row: NodeRow, version: Option<u32>, now: Now) -> Result<Outcome, VaultError> {
        let key = RowKey::Node(row.id);
        let commit = match version {
            Some(version) => Commit {
                claim: None,
                expects: vec![Expect::Version(key, version)],
                audit: node_note(Action::NodeRenew, row.id.0, now),
                effects: vec![row.into()],
            },
            None => {
                let Begun { before, expect, effect } = self.audit_begin().await?;
                // Behind the checkpoint, of which it is expected that nobody has begun since it was read.
                self.alone_at_begin().await?;
                Commit {
                    claim: None,
                    expects: vec![Expect::Absent(key), expect],
                    effects: vec![row.into(), effect],
                    audit: node_note(Action::NodeStart, before, now),
                }
            }
        };
        Ok(self.store().commit(commit).await?)
    }

    /// The version of this node's row as it is stored, if it is.
    async fn node_version(&self) -> Result<Option<u32>, VaultError> {
        let node = self.node();
        let rows = self.store().node_read_all().await?;
        let Some(row) = rows.iter().find(|row| row.id == node.id) else { return Ok(None) };
        seal::node_verify(self.keys(), row)?;
        if row.started_at != node.started_at {
            return Err(VaultError::WrongState { reason: "another node has the id of this one" });
        }
        Ok(Some(row.version))
    }

    /// Takes a row away; where it is not as it was read, somebody else was faster, or its node lives.
    async fn node_delete(&self, node: NodeId, version: u32, now: Now) -> Result<(), VaultError> {
        let key = RowKey::Node(node);
        let commit = Commit {
            claim: None,
            expects: vec![Expect::Version(key, version)],
            effects: vec![Effect::Delete(key)],
            audit: node_note(Action::NodeStop, node.0, now),
        };
        self.store().commit(commit).await?;
        Ok(())
    }
}

/// A node is of no organisation.
fn node_note(action: Action, object: Id, now: Now) -> AuditNote {
    Requester::VAULT.note(now.wall, action, OrganisationId::from_bytes([0; 12]), object)
}
