use std::sync::Arc;

use panvault_model::{ActionState, OrganisationId, RefundStatus, Timestamp};
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
        let (mut processed, mut until) = (0, Timestamp::MAX);
        // One that cannot be settled keeps back no others.
        let mut first = Ok(());
        loop {
            let page = self.store().refund_list(pending(organisations.to_vec(), until)).await?;
            let is_last = page.rows.len() < LIST_ROWS_MAX as usize;
            // Newest first: what is left is not newer than the last of these.
            let last = page.rows.last().map(|row| row.created_at);
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
            let Some(last) = last.filter(|_| !is_last) else { return first.map(|()| processed) };
            let before = Timestamp::from_unix_millis(until.unix_millis().saturating_sub(1));
            until = last.min(before);
        }
    }

    async fn refund_settle_one(&self, asked: &Requester, before: &RefundRow) -> Result<bool, VaultError> {
        let is_settled_here = {
            let snapshot = self.snapshot();
            let processor = snapshot.documents.processor(before.processor);
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

/// Refunds that may wait for settlement, up to a moment.
fn pending(organisations: Vec<OrganisationId>, until: Timestamp) -> RefundQuery {
    let status = FieldValue::Text(RefundStatus::Pending.as_str().into());
    let made = FieldValue::Number(until.unix_millis());
    let filters = vec![
        Filter { field: RefundField::Status, test: Test::Equal, values: vec![status] },
        Filter { field: RefundField::CreatedAt, test: Test::AtMost, values: vec![made] },
    ];
    RefundQuery { filters, count: Count::PageEnd, ..RefundQuery::newest(organisations, LIST_ROWS_MAX) }
}
