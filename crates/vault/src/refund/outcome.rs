use std::sync::Arc;

use panvault_model::{ActionState, Amount, Now, RefundStatus, Timestamp};
use panvault_processor::{FollowUp, Sent, Verdict};
use panvault_store::{Action, AuditNote, Commit, Effect, Expect, Outcome, RefundRow, RowKey, TransactionRow};

use crate::audit::Requester;
use crate::error::{Named, VaultError};
use crate::idempotency::{Idempotency, answer_of};
use crate::limits::{IDEMPOTENCY_SECONDS, REFUND_FAIL_TRIES_MAX};
use crate::seal;
use crate::transaction::{Asking, named, said};
use crate::vault::Vault;

/// What is known of what became of a refund.
#[derive(Clone)]
pub(super) struct RefundTold<'a> {
    pub(super) sent: Sent,
    pub(super) of: &'a FollowUp,
    pub(super) idempotency: Option<Idempotency>,
    /// As of when.
    pub(super) now: Now,
}

impl Vault {
    /// Writes what became of a refund, onto the version that its sender wrote and what is further expected; `None` when that does not
    /// hold. A refund that failed is taken out of its transaction's sum in the same step.
    pub(super) async fn refund_outcome(
        &self,
        asked: &Requester,
        before: &RefundRow,
        told: RefundTold<'_>,
        further: Vec<Expect>,
    ) -> Result<Option<Arc<RefundRow>>, VaultError> {
        let RefundTold { sent, of, idempotency, now: Now { wall: now, .. } } = told;
        let mut row = RefundRow {
            version: before.version.checked_add(1).ok_or(VaultError::Contended)?,
            updated_at: now,
            ..before.clone()
        };
        sent_apply(&mut row, sent, now, |row| {
            let of = FollowUp { act_reference: row.processor_reference.clone(), ..of.clone() };
            self.refund_can_be_asked(row, &of)
        });
        let is_news = row.asks == before.asks || row.status != before.status;
        if !is_news {
            row.updated_at = before.updated_at;
        }
        row.tag = seal::refund_tag(self.keys(), &row);
        let answer = idempotency.map(|claim| {
            let expires_at = before.updated_at.plus_seconds(IDEMPOTENCY_SECONDS);
            claim.row(self.keys(), expires_at, answer_of(&row))
        });
        let webhook = if is_news { self.webhook_effect(&row)? } else { None };
        let row = Arc::new(row);
        let has_failed = row.status == RefundStatus::Failed;
        for _ in 0..REFUND_FAIL_TRIES_MAX {
            let mut expects = vec![Expect::Version(RowKey::Refund(row.id), before.version)];
            expects.extend_from_slice(&further);
            let mut effects: Vec<Effect> = vec![Arc::clone(&row).into()];
            effects.extend(answer.clone().map(Effect::from));
            effects.extend(webhook.clone());
            let expect_transaction = expects.len();
            let (action, object) = if has_failed {
                let transaction = self.refund_transaction(&row).await?;
                let refunded = transaction.refunded.minus(row.amount).unwrap_or(Amount::ZERO);
                let without = self.transaction_refunded(&transaction, refunded, now)?;
                let history = self.history(&without, now)?;
                expects.push(Expect::Version(RowKey::Transaction(transaction.id), transaction.version));
                effects.extend([without.into(), history.into()]);
                (Action::RefundFail, row.transaction.0)
            } else {
                (Action::RefundSettle, row.id.0)
            };
            let note = asked.note(now, action, row.organisation, object);
            let audit = AuditNote { outcome: row.status.code(), ..note };
            let commit = || Commit { claim: None, expects: expects.clone(), effects: effects.clone(), audit };
            match self.settle_at_last(commit).await? {
                Outcome::Done { .. } => {
                    self.webhook_written(webhook.as_slice());
                    return Ok(Some(row));
                }
                // Another refund has changed the transaction meanwhile.
                Outcome::Unmet(at) if has_failed && at == expect_transaction => {}
                // An earlier try may have been durable after all.
                Outcome::Unmet(_) | Outcome::Claimed(_) => {
                    let stored = self.store().refund_read(row.id).await?;
                    return Ok(stored.filter(|stored| *stored == row));
                }
            }
        }
        Err(VaultError::Contended)
    }

    /// The transaction of a refund, held against its tag.
    pub(super) async fn refund_transaction(
        &self,
        row: &RefundRow,
    ) -> Result<Arc<TransactionRow>, VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let of = self.store().transaction_read(row.transaction).await?.ok_or_else(missing)?;
        seal::transaction_verify(self.keys(), &of)?;
        if of.id == row.transaction {
            Ok(of)
        } else {
            Err(VaultError::Tampered(RowKey::Transaction(row.transaction)))
        }
    }

    /// The next version of a transaction, of which so much is refunded.
    pub(super) fn transaction_refunded(
        &self,
        before: &TransactionRow,
        refunded: Amount,
        at: Timestamp,
    ) -> Result<TransactionRow, VaultError> {
        let mut row = TransactionRow {
            version: before.version.checked_add(1).ok_or(VaultError::Contended)?,
            refunded,
            updated_at: at,
            ..before.clone()
        };
        row.tag = seal::transaction_tag(self.keys(), &row);
        Ok(row)
    }

    fn refund_can_be_asked(&self, row: &RefundRow, of: &FollowUp) -> bool {
        let snapshot = self.snapshot();
        let processor = self.processor(&snapshot, row.processor);
        processor.is_some_and(|(_, connection)| connection.can_be_asked(of))
    }
}

/// What the processor said, in the row.
fn sent_apply(row: &mut RefundRow, sent: Sent, now: Timestamp, can_be_asked: impl Fn(&RefundRow) -> bool) {
    let asking = Asking { state: row.state, asks: row.asks };
    row.ask_at = None;
    let failed = |state| (state, RefundStatus::Failed);
    (row.state, row.status) = match &sent {
        Sent::NotReached { .. } => failed(ActionState::Unavailable),
        Sent::Unknown { .. } => {
            let asking = asking.unknown(now, can_be_asked(row));
            (row.asks, row.ask_at) = (asking.next.asks, asking.at);
            (asking.next.state, RefundStatus::Pending)
        }
        Sent::Answered(reply) => match reply.verdict {
            Verdict::Approved => (ActionState::Approved, RefundStatus::Pending),
            Verdict::Pending => (ActionState::Awaited, RefundStatus::Pending),
            Verdict::Declined => failed(ActionState::Declined),
            Verdict::Failed => failed(ActionState::Failed),
            Verdict::NotSupported => failed(ActionState::NotSupported),
        },
    };
    match sent {
        Sent::NotReached { reason } => row.status_reason = Some(reason.to_owned()),
        Sent::Unknown { reason } => row.status_reason = Some(said(reason.into_owned())),
        Sent::Answered(reply) => {
            row.status_reason = reply.status_reason.map(said);
            row.reason_code = Some(said(reply.reason_code));
            row.processor_reference = reply.reference.and_then(named).or(row.processor_reference.take());
            if reply.verdict == Verdict::Pending {
                let asking = asking.awaited(now, can_be_asked(row));
                (row.asks, row.ask_at) = (asking.next.asks, asking.at);
            }
        }
    }
}
