//! Settlement where nobody else settles: of the dummy. What an acquirer settles, it says itself.

use core::time::Duration;
use std::sync::Arc;

use panvault_model::{ActionState, Id, OrganisationId, TransactionAction, TransactionStatus};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{
    Action, AuditNote, Commit, Count, Expect, FieldValue, Filter, Outcome, RowKey, Test, TransactionField,
    TransactionQuery, TransactionRow,
};
use tokio::task::JoinSet;

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::SETTLED_AT_ONCE_MAX;
use crate::permit::{Permit, TransactionSettle};
use crate::seal;
use crate::vault::{Vault, WeakVault};

/// What was settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettledCounts {
    /// Transactions that were handed over.
    pub submitted: u64,
    /// Transactions that are settled.
    pub completed: u64,
    /// Refunds that are settled.
    pub refunds_processed: u64,
}

impl Vault {
    /// Settles what was captured with processors for which nobody else does: `SETTLEMENT_REQUESTED`, or `SETTLEMENT_SUBMITTED` where an
    /// earlier settlement was cut off, becomes `SETTLEMENT_COMPLETED`. What is voided meanwhile stays so.
    pub async fn settle(&self, permit: &Permit<TransactionSettle>) -> Result<SettledCounts, VaultError> {
        self.settle_for(permit.asked()).await
    }

    /// Does that by itself every so many seconds, as long as the vault is there. Of several nodes each does where it is set; each transaction is
    /// settled by one of them.
    pub fn settle_every(&self, seconds: u64) {
        tokio::spawn(settle_often(self.downgrade(), seconds));
    }

    async fn settle_for(&self, asked: &Requester) -> Result<SettledCounts, VaultError> {
        let snapshot = self.snapshot();
        let organisations: Vec<_> = snapshot.documents.organisations().map(|row| row.id).collect();
        drop(snapshot);
        let mut counts = SettledCounts::default();
        let mut after = None;
        // One that cannot be settled keeps back no others.
        let mut first = Ok(());
        loop {
            let page = self.store().transaction_list(captured(organisations.clone(), after)).await?;
            for some in page.rows.chunks(SETTLED_AT_ONCE_MAX) {
                first = first.and(self.settle_some(asked, some, &mut counts).await);
            }
            // Newest first: what is left comes behind the last of these.
            after = page.next.map(|next| next.after);
            if after.is_none() {
                break;
            }
        }
        let refunds = self.refunds_settle(asked, &organisations).await;
        first?;
        counts.refunds_processed = refunds?;
        Ok(counts)
    }

    async fn settle_some(
        &self,
        asked: &Requester,
        rows: &[Arc<TransactionRow>],
        counts: &mut SettledCounts,
    ) -> Result<(), VaultError> {
        let mut tasks = JoinSet::new();
        for row in rows {
            let (vault, asked, row) = (self.clone(), *asked, Arc::clone(row));
            tasks.spawn(async move { vault.settle_one(&asked, row).await });
        }
        let mut first = Ok(());
        while let Some(settled) = tasks.join_next().await {
            match settled {
                Ok(Ok(reached)) => {
                    counts.submitted += u64::from(reached.contains(&TransactionStatus::SettlementSubmitted));
                    counts.completed += u64::from(reached.contains(&TransactionStatus::SettlementCompleted));
                }
                Ok(Err(error)) => first = first.and(Err(error)),
                Err(_panicked) => {}
            }
        }
        first
    }

    /// Takes a transaction as far as settlement goes, and says where it came by. It ends where somebody else has done something with it.
    async fn settle_one(
        &self,
        asked: &Requester,
        row: Arc<TransactionRow>,
    ) -> Result<Vec<TransactionStatus>, VaultError> {
        let mut reached = Vec::new();
        let settled_here = |id| {
            let snapshot = self.snapshot();
            self.processor(&snapshot, id).is_some_and(|(_, connection)| connection.is_settled_here())
        };
        if !settled_here(row.processor) {
            return Ok(reached);
        }
        seal::transaction_verify(self.keys(), &row)?;
        let mut stored = row;
        while let Some(status) = stored.status.after(TransactionAction::Settle) {
            let now = self.now().wall;
            let mut row = TransactionRow {
                version: stored.version.checked_add(1).ok_or(VaultError::Contended)?,
                action: TransactionAction::Settle,
                state: ActionState::Approved,
                act_reference: None,
                status,
                status_reason: None,
                updated_at: now,
                ..TransactionRow::clone(&stored)
            };
            row.tag = seal::transaction_tag(self.keys(), &row);
            let row = Arc::new(row);
            let history = self.history(&row, now)?;
            let webhook = self.webhook_effect(&*row)?;
            let audit = asked.note(now, Action::TransactionSettle, row.organisation, row.id.0);
            let commit = Commit {
                claim: None,
                expects: vec![Expect::Version(RowKey::Transaction(row.id), stored.version)],
                effects: [Arc::clone(&row).into(), history.into()]
                    .into_iter()
                    .chain(webhook.clone())
                    .collect(),
                audit: AuditNote { outcome: status.code(), ..audit },
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => {
                    self.webhook_written(webhook.as_slice());
                    reached.push(status);
                }
                Outcome::Unmet(_) | Outcome::Claimed(_) => return Ok(reached),
            }
            stored = row;
        }
        Ok(reached)
    }
}

/// What waits for settlement, behind an id.
fn captured(organisations: Vec<OrganisationId>, after: Option<Id>) -> TransactionQuery {
    let waits = TransactionStatus::ALL.iter().filter(|from| from.after(TransactionAction::Settle).is_some());
    let values = waits.map(|status| FieldValue::Text(status.as_str().into())).collect();
    let filters = vec![Filter { field: TransactionField::Status, test: Test::Equal, values }];
    let query = TransactionQuery::newest(organisations, LIST_ROWS_MAX);
    TransactionQuery { filters, after, count: Count::PageEnd, ..query }
}

async fn settle_often(vault: WeakVault, seconds: u64) {
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let Some(vault) = vault.upgrade() else { return };
        match vault.settle_for(&Requester::VAULT).await {
            Ok(SettledCounts { submitted, completed, refunds_processed }) => {
                tracing::debug!(submitted, completed, refunds_processed, "vault.settled");
            }
            Err(error) => {
                let advice = "none; the next settlement goes on";
                tracing::warn!(error = %with_causes(&error), advice, "vault.settlement_failed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: a settlement read all the transactions there are, and took longer than a list may once there were many. Its cause: nothing found them
    /// by their status, and a moment was asked for beside it. Its cure: the index of statuses, and pages that begin behind an id.
    #[test]
    fn nothing_is_examined_to_find_what_waits() {
        let query = captured(Vec::new(), None);
        assert!(query.indexed().is_some() && !query.examines());
    }
}
