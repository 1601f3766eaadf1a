use std::borrow::Cow;

use panvault_model::{ActionState, NodeId, Now};
use panvault_processor::Sent;
use panvault_store::{Expect, IdempotencyKey, RowKey, TransactionRow};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::idempotency::Idempotency;
use crate::node::{Nodes, has_run_out};
use crate::seal;
use crate::transaction::settle::SettleBase;
use crate::vault::Vault;

impl Vault {
    /// Turns every transaction of which an action is in nobody's hand any more into `UNKNOWN`: what a crash left, what a task of this
    /// node let go half-way, and what a dead node had. It is never sent again by itself; the next sweep asks the processor what became
    /// of it, where that can say. Any number may do this at once.
    ///
    /// One that cannot be taken over does not keep back the others; the first error is told at the end.
    pub(crate) async fn transaction_recover(&self) -> Result<(), VaultError> {
        let mut open = self.store().transaction_open().await?;
        open.retain(|row| row.state == ActionState::InHand);
        let mut refunds = self.store().refund_open().await?;
        refunds.retain(|row| row.state == ActionState::InHand);
        // Behind them: a node has its row before it has a transaction in hand, so that the row of one that lives is among these.
        let nodes = self.nodes_read().await?;
        let now = self.now();
        let mut first = Ok(());
        for row in &refunds {
            if let Err(error) = self.refund_take_over(row, &nodes).await {
                tracing::error!(refund.id = %row.id, error = %with_causes(&error), advice = "run panvault doctor", "refund.not_recovered");
                first = first.and(Err(error));
            }
        }
        for row in &open {
            if let Err(error) = self.transaction_take_over(row, &nodes, now).await {
                tracing::error!(transaction.id = %row.id, error = %with_causes(&error), advice = "run panvault doctor", "transaction.not_recovered");
                first = first.and(Err(error));
            }
        }
        let of_transactions = open.iter().map(|row| row.node);
        let left = of_transactions.chain(refunds.iter().map(|row| row.node)).collect();
        first.and(self.nodes_sweep(&nodes, &left, now).await)
    }

    async fn transaction_take_over(
        &self,
        row: &TransactionRow,
        nodes: &Nodes,
        now: Now,
    ) -> Result<(), VaultError> {
        if self.node().has_in_hand(row.id.0) {
            return Ok(());
        }
        seal::transaction_verify(self.keys(), row)?;
        let Some(expects) = self.left_by(row.node, nodes)? else { return Ok(()) };
        let idempotency = self.idempotency_left(row.idempotency).await?;
        let sent =
            Sent::Unknown { reason: Cow::Borrowed("the vault stopped before the outcome was written") };
        let onto = SettleBase { unused: None, expects };
        // Where nothing is written another was faster, or its node lives after all.
        self.transaction_outcome(&Requester::VAULT, row, sent, idempotency, onto, now).await.map(drop)
    }

    /// The request that waits for an outcome, if its record is still there.
    pub(crate) async fn idempotency_left(
        &self,
        key: Option<IdempotencyKey>,
    ) -> Result<Option<Idempotency>, VaultError> {
        let Some(key) = key else { return Ok(None) };
        let Some(earlier) = self.store().idempotency_read(key).await? else { return Ok(None) };
        self.idempotency_verify(key, &earlier)?;
        Ok(Some(Idempotency::of_row(&earlier)))
    }

    /// Whether nobody has what a node had in hand: what must still hold of that node when it is taken over, or `None` when it lives.
    pub(crate) fn left_by(&self, owner: NodeId, nodes: &Nodes) -> Result<Option<Vec<Expect>>, VaultError> {
        // This node has no such task, and where it is alone nobody else has.
        if !self.node().is_shared() || owner == self.node().id() {
            return Ok(Some(Vec::new()));
        }
        let key = RowKey::Node(owner);
        let Some(node) = nodes.rows.iter().find(|node| node.id == owner) else {
            return Ok(Some(vec![Expect::Absent(key)]));
        };
        seal::node_verify(self.keys(), node)?;
        Ok(has_run_out(node, nodes.now).then(|| vec![Expect::Version(key, node.version)]))
    }
}
