use std::borrow::Cow;
use std::sync::Arc;

use panvault_model::Timestamp;
use panvault_processor::{Act, FollowUp, Sent};
use panvault_store::RefundRow;
use tokio::task::JoinSet;

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::node::Nodes;
use crate::refund::create::follow_up;
use crate::refund::outcome::RefundTold;
use crate::seal;
use crate::transaction::{Harmless, answered_in_time, is_too_early};
use crate::vault::Vault;

impl Vault {
    /// Lets a refund that nobody has in hand any more stay pending; the next sweep asks the processor what became of it, where it can say.
    pub(crate) async fn refund_take_over(&self, row: &RefundRow, nodes: &Nodes) -> Result<(), VaultError> {
        if self.node().has_in_hand(row.id.0) {
            return Ok(());
        }
        seal::refund_verify(self.keys(), row)?;
        let Some(expects) = self.left_by(row.node, nodes)? else { return Ok(()) };
        let idempotency = self.idempotency_left(row.idempotency).await?;
        let of = self.refund_follow_up(row).await?;
        let sent =
            Sent::Unknown { reason: Cow::Borrowed("the vault stopped before the outcome was written") };
        let told = RefundTold { sent, of: &of, idempotency, now: self.now() };
        let taken = self.refund_outcome(&Requester::VAULT, row, told, expects).await?;
        if taken.is_some() {
            tracing::warn!(refund.id = %row.id, advice = "ask the processor for its outcome, where it is not asked by itself", "refund.unknown");
        }
        Ok(())
    }

    /// Asks processors what became of refunds whose answers did not come, as [`Vault::transaction_ask`] does.
    pub(crate) async fn refund_ask(&self) -> Result<(), VaultError> {
        let mut open = self.store().refund_open().await?;
        let now = self.now();
        let is_due = |at: Timestamp| at <= now.wall;
        open.retain(|row| row.state.may_be_told() && row.ask_at.is_some_and(is_due));
        open.retain(|row| !self.unreached().is_left_alone(row.processor, now));
        self.some_of(&mut open)?;
        let mut asking = JoinSet::new();
        for row in open {
            let vault = self.clone();
            asking.spawn(async move { vault.refund_ask_one(&row).await });
        }
        let mut first = Ok(());
        while let Some(asked) = asking.join_next().await {
            if let Ok(Err(error)) = asked {
                tracing::error!(error = %with_causes(&error), advice = "run panvault doctor", "refund.not_asked");
                first = first.and(Err(error));
            }
        }
        first
    }

    /// What names a refund to the processor of its transaction.
    pub(crate) async fn refund_follow_up(&self, row: &RefundRow) -> Result<FollowUp, VaultError> {
        Ok(follow_up(row, &*self.refund_transaction(row).await?))
    }

    /// Writes what a processor has told by itself of a refund; `None` where somebody else has changed it meanwhile.
    pub(crate) async fn refund_settle_told(
        &self,
        asked: &Requester,
        row: &RefundRow,
        sent: Sent,
        of: &FollowUp,
    ) -> Result<Option<Arc<RefundRow>>, VaultError> {
        let told = RefundTold { sent, of, idempotency: None, now: self.now() };
        self.refund_outcome(asked, row, told, Vec::new()).await
    }

    async fn refund_ask_one(&self, row: &RefundRow) -> Result<(), VaultError> {
        seal::refund_verify(self.keys(), row)?;
        let of = self.refund_follow_up(row).await?;
        let snapshot = self.snapshot();
        let sent = match self.processor(&snapshot, row.processor) {
            // Without an answer nothing is known that was not before.
            Some((_, connection)) => {
                match answered_in_time(&**connection, Act::Ask(of.clone()), &Harmless).await {
                    Some(sent) => sent,
                    None => {
                        self.unreached().note(row.processor, false, self.now());
                        return Ok(());
                    }
                }
            }
            None => Sent::Unknown { reason: Cow::Borrowed("its processor is no longer there to be asked") },
        };
        drop(snapshot);
        let is_reached = !matches!(sent, Sent::NotReached { .. });
        self.unreached().note(row.processor, is_reached, self.now());
        if !is_reached || is_too_early(&sent, row.updated_at, self.now().wall) {
            return Ok(());
        }
        let told = RefundTold { sent, of: &of, idempotency: None, now: self.now() };
        let told = self.refund_outcome(&Requester::VAULT, row, told, Vec::new()).await?;
        if let Some(settled) = told {
            tracing::info!(refund.id = %row.id, status = settled.status.as_str(), "refund.asked");
        }
        Ok(())
    }
}
