use std::sync::Arc;

use panvault_model::{ActionState, Id, OrganisationId, RefundStatus};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{
    Action, AuditNote, Commit, Count, Expect, FieldValue, Filter, Outcome, RefundField, RefundQuery,
    RefundRow, RowKey, Test,
};
use tokio::task::JoinSet;

use crate::audit::Requester;
use crate::error::VaultError;
use crate::limits::SETTLED_AT_ONCE_MAX;
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Settles refunds that were approved by processors for which nobody else does, and says how many.
    pub(crate) async fn refunds_settle(
        &self,
        asked: &Requester,
        organisations: &[OrganisationId],
    ) -> Result<u64, VaultError> {
        let (mut processed, mut after) = (0, None);
        // One that cannot be settled keeps back no others.
        let mut first = Ok(());
        loop {
            let page = self.store().refund_list(pending(organisations.to_vec(), after)).await?;
            for some in page.rows.chunks(SETTLED_AT_ONCE_MAX) {
                let mut tasks = JoinSet::new();
                for row in some {
                    let (vault, asked, row) = (self.clone(), *asked, Arc::clone(row));
                    tasks.spawn(async move { vault.refund_settle_one(&asked, &row).await });
                }
                while let Some(settled) = tasks.join_next().await {
                    match settled {
                        Ok(Ok(settled)) => processed += u64::from(settled),
                        Ok(Err(error)) => first = first.and(Err(error)),
                        Err(_panicked) => {}
                    }
                }
            }
            // Newest first: what is left comes behind the last of these.
            after = page.next.map(|next| next.after);
            if after.is_none() {
                return first.map(|()| processed);
            }
        }
    }

    async fn refund_settle_one(&self, asked: &Requester, before: &RefundRow) -> Result<bool, VaultError> {
        let is_settled_here = {
            let snapshot = self.snapshot();
            let processor = self.processor(&snapshot, before.processor);
            processor.is_some_and(|(_, connection)| connection.is_settled_here())
        };
        if before.state != ActionState::Approved || !is_settled_here {
            return Ok(false);
        }
        seal::refund_verify(self.keys(), before)?;
        let now = self.now().wall;
        let mut row = RefundRow {
            version: before.version.checked_add(1).ok_or(VaultError::Contended)?,
            status: RefundStatus::Processed,
            updated_at: now,
            ..before.clone()
        };
        row.tag = seal::refund_tag(self.keys(), &row);
        let webhook = self.webhook_effect(&row)?;
        let note = asked.note(now, Action::RefundSettle, row.organisation, row.id.0);
        let commit = Commit {
            claim: None,
            expects: vec![Expect::Version(RowKey::Refund(row.id), before.version)],
            audit: AuditNote { outcome: row.status.code(), ..note },
            effects: [row.into()].into_iter().chain(webhook.clone()).collect(),
        };
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => {
                self.webhook_written(webhook.as_slice());
                Ok(true)
            }
            Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(false),
        }
    }
}

/// Refunds that may wait for settlement, behind an id.
fn pending(organisations: Vec<OrganisationId>, after: Option<Id>) -> RefundQuery {
    let status = FieldValue::Text(RefundStatus::Pending.as_str().into());
    let filters = vec![Filter { field: RefundField::Status, test: Test::Equal, values: vec![status] }];
    let query = RefundQuery::newest(organisations, LIST_ROWS_MAX);
    RefundQuery { filters, after, count: Count::PageEnd, ..query }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: a settlement read all the refunds there are, and took longer than a list may once there were many. Its cause: nothing found them
    /// by their status, and a moment was asked for beside it. Its cure: the index of statuses, and pages that begin behind an id.
    #[test]
    fn nothing_is_examined_to_find_what_waits() {
        let query = pending(Vec::new(), None);
        assert!(query.indexed().is_some() && !query.examines());
    }
}
