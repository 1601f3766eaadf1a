use core::time::Duration;
use std::sync::Arc;

use panvault_card::masked_text;
use panvault_model::{ActionState, Amount, Now, Timestamp, TransactionAction, TransactionStatus};
use panvault_processor::{Sent, Verdict};
use panvault_store::{
    Action, AuditNote, CardCvvRow, Commit, Effect, Expect, IdempotencyRow, Outcome, RowKey, StoreFault,
    TransactionRow,
};
use zeroize::Zeroizing;

use crate::audit::Requester;
use crate::cvv;
use crate::error::VaultError;
use crate::idempotency::{Done, Idempotency, answer_of, answer_read};
use crate::limits::{
    ANSWER_BYTES_MAX, IDEMPOTENCY_SECONDS, SETTLE_LATER_MILLIS_MAX, SETTLE_SECONDS_MAX, SETTLE_TRIES_MAX,
    SETTLE_WAIT_MILLIS,
};
use crate::seal;
use crate::transaction::asking::Asking;
use crate::vault::Vault;

/// What an outcome is written onto, beside the version of the transaction.
pub(crate) struct SettleBase<'a> {
    /// The row of its CVV as it was before the CVV was marked as used, where the mark is to be taken away.
    pub(crate) unused: Option<&'a CardCvvRow>,
    /// What else must hold.
    pub(crate) expects: Vec<Expect>,
}

/// A transaction whose outcome is written.
pub(crate) struct Settled {
    pub(crate) row: Arc<TransactionRow>,
    /// Nothing that is stored is against its CVV going back.
    pub(super) cvv_goes_back: bool,
}

impl Vault {
    /// Writes what became of a transaction, onto the version that its sender wrote and all that is further expected; `None` when
    /// that does not hold: somebody else has said what became of it.
    pub(crate) async fn transaction_outcome(
        &self,
        asked: &Requester,
        initiated: &TransactionRow,
        sent: Sent,
        idempotency: Option<Idempotency>,
        onto: SettleBase<'_>,
        now: Now,
    ) -> Result<Option<Settled>, VaultError> {
        let mut row = initiated.clone();
        row.version = row.version.checked_add(1).ok_or(VaultError::Contended)?;
        row.updated_at = now.wall;
        sent_apply(&mut row, sent, now.wall, |row| self.can_be_asked(row));
        // That somebody has asked in vain is told to nobody.
        let is_news = row.asks == initiated.asks || row.status != initiated.status;
        if row.status == TransactionStatus::Unknown && row.status != initiated.status {
            let advice = "ask the processor for its outcome, where it is not asked by itself";
            let reason = row.status_reason.as_deref();
            tracing::warn!(transaction.id = %row.id, reason, advice, "transaction.unknown");
        }
        if !is_news {
            row.updated_at = initiated.updated_at;
        }
        row.tag = seal::transaction_tag(self.keys(), &row);
        let history = self.history(&row, now.wall)?;
        let outcome = row.status.code();
        let audit = AuditNote {
            outcome,
            ..asked.note(now.wall, Action::TransactionSettle, row.organisation, row.id.0)
        };
        let answer = idempotency.map(|claim| {
            let expires_at = initiated.updated_at.plus_seconds(IDEMPOTENCY_SECONDS);
            claim.row(self.keys(), expires_at, answer_of(&row))
        });
        let webhook = if is_news { self.webhook_effect(&row)? } else { None };
        let (row, history) = (Arc::new(row), Arc::new(history));
        let SettleBase { unused, expects: further } = onto;
        let commit = || {
            let mut expects = vec![Expect::Version(RowKey::Transaction(row.id), initiated.version)];
            expects.extend_from_slice(&further);
            let mut effects: Vec<Effect> = vec![Arc::clone(&row).into(), Arc::clone(&history).into()];
            effects.extend(answer.clone().map(Effect::from));
            effects.extend(webhook.clone());
            Commit { claim: None, expects, effects, audit }
        };
        // A mark that cannot be taken away keeps no outcome from being written.
        let marks = unused.and_then(|unused| {
            let used = self.cvv_used(unused, true).ok()?;
            let unused = self.cvv_used(&used, false).ok()?;
            Some((used, unused))
        });
        if let Some((used, unused)) = marks {
            let expect_cvv = 1 + further.len();
            let with_cvv = || {
                let mut commit = commit();
                commit.expects.push(cvv::as_read(Some(&used), used.card));
                commit.effects.push(unused.clone().into());
                commit
            };
            match self.settle_at_last(with_cvv).await? {
                Outcome::Done { .. } => {
                    self.webhook_written(webhook.as_slice());
                    return Ok(Some(Settled { row, cvv_goes_back: true }));
                }
                // It was replaced, cleared, or went with its card.
                Outcome::Unmet(at) if at == expect_cvv => {}
                Outcome::Unmet(_) | Outcome::Claimed(_) => {
                    let is_written = self.transaction_is_written(&row).await?;
                    return Ok(is_written.then_some(Settled { row, cvv_goes_back: true }));
                }
            }
        }
        match self.settle_at_last(commit).await? {
            Outcome::Done { .. } => {
                self.webhook_written(webhook.as_slice());
                Ok(Some(Settled { row, cvv_goes_back: unused.is_none() }))
            }
            Outcome::Unmet(_) | Outcome::Claimed(_) => {
                let is_written = self.transaction_is_written(&row).await?;
                Ok(is_written.then_some(Settled { row, cvv_goes_back: unused.is_none() }))
            }
        }
    }

    /// Whether a transaction is stored as it was to be: an earlier try may have been durable after all.
    pub(super) async fn transaction_is_written(&self, row: &Arc<TransactionRow>) -> Result<bool, VaultError> {
        Ok(self.store().transaction_read(row.id).await?.as_ref() == Some(row))
    }

    /// Tries for a while, where a store has no room at the moment: what was sent cannot be taken back. Where it was not known whether a try was
    /// durable, the next one finds that out: what was expected does not hold any more.
    pub(crate) async fn settle_at_last(&self, commit: impl Fn() -> Commit) -> Result<Outcome, StoreFault> {
        for _ in 1..SETTLE_TRIES_MAX {
            match self.store().commit(commit()).await {
                Err(
                    StoreFault::Busy | StoreFault::Full | StoreFault::Unreachable | StoreFault::Unresolved,
                ) => {
                    tokio::time::sleep(Duration::from_millis(SETTLE_WAIT_MILLIS)).await;
                }
                outcome => return outcome,
            }
        }
        self.store().commit(commit()).await
    }

    /// The transaction of a record that was verified.
    pub(super) fn transaction_replayed(
        &self,
        row: &IdempotencyRow,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        Ok(Done::replayed(Arc::new(answer_read(row)?)))
    }
}

/// How long it is tried on to write an outcome when whoever asked has been answered.
pub(crate) struct Patience {
    until_millis: u64,
    /// What is left of the time by the waits alone.
    left_millis: u64,
    next_millis: u64,
}

impl Patience {
    /// Of what was sent at this moment or before.
    pub(crate) const fn from(now: Now) -> Self {
        let left_millis = SETTLE_SECONDS_MAX * 1000;
        let until_millis = now.monotonic_millis.saturating_add(left_millis);
        Self { until_millis, left_millis, next_millis: SETTLE_WAIT_MILLIS }
    }

    /// Waits for the next try after this error; `false` when there is none.
    pub(crate) async fn goes_on_after(&mut self, error: &VaultError, vault: &Vault) -> bool {
        if !may_pass(error) || self.left_millis == 0 || vault.now().monotonic_millis >= self.until_millis {
            return false;
        }
        let wait = self.next_millis.min(self.left_millis);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        self.left_millis = self.left_millis.saturating_sub(wait);
        self.next_millis = self.next_millis.saturating_mul(2).min(SETTLE_LATER_MILLIS_MAX);
        true
    }
}

/// Whether the store may take the same later.
pub(crate) const fn may_pass(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Busy
            | VaultError::Contended
            | VaultError::Store(StoreFault::Full | StoreFault::Unreachable | StoreFault::Unresolved)
    )
}

/// What the processor said to the row's last action, in the row. What was never sent did not go out with a CVV.
pub(super) fn sent_apply(
    row: &mut TransactionRow,
    sent: Sent,
    now: Timestamp,
    can_be_asked: impl Fn(&TransactionRow) -> bool,
) {
    match sent {
        Sent::NotReached { reason } => {
            (row.state, row.ask_at) = (ActionState::Unavailable, None);
            row.status_reason = Some(reason.to_owned());
            row.status = refused(row, TransactionStatus::Unavailable);
            if row.action == TransactionAction::Authorise {
                row.cvv_present = false;
            }
        }
        Sent::Unknown { reason } => {
            let asking = Asking { state: row.state, asks: row.asks };
            let asking = asking.unknown(now, can_be_asked(row));
            (row.state, row.asks, row.ask_at) = (asking.next.state, asking.next.asks, asking.at);
            if row.state != ActionState::Awaited {
                row.status = TransactionStatus::Unknown;
            }
            row.status_reason = Some(said(reason.into_owned()));
        }
        Sent::Answered(reply) => {
            let asking = Asking { state: row.state, asks: row.asks };
            row.ask_at = None;
            (row.state, row.status) = match reply.verdict {
                Verdict::Approved => (ActionState::Approved, approved(row)),
                Verdict::Pending => (ActionState::Awaited, TransactionStatus::Pending),
                Verdict::Declined => (ActionState::Declined, refused(row, TransactionStatus::Declined)),
                Verdict::Failed => (ActionState::Failed, refused(row, TransactionStatus::Failed)),
                Verdict::NotSupported => {
                    (ActionState::NotSupported, refused(row, TransactionStatus::NotSupported))
                }
            };
            row.status_reason = reply.status_reason.map(said);
            row.reason_code = Some(said(reply.reason_code));
            let reference = reply.reference.and_then(named);
            if row.action == TransactionAction::Authorise {
                row.authorization_code = reply.authorization_code.map(said);
                row.cvv_result = reply.cvv_result;
                row.avs_result = reply.avs_result;
                row.processor_reference = reference.or(row.processor_reference.take());
                let network = reply.network_transaction_id.and_then(named);
                row.network_transaction_id = network.or(row.network_transaction_id.take());
            } else {
                row.act_reference = reference.or(row.act_reference.take());
            }
            if reply.verdict == Verdict::Pending {
                // By what the processor has just called it.
                let asking = asking.awaited(now, can_be_asked(row));
                (row.asks, row.ask_at) = (asking.next.asks, asking.at);
            }
        }
    }
}

/// To where an action leads that was approved.
fn approved(row: &mut TransactionRow) -> TransactionStatus {
    if row.action != TransactionAction::Authorise {
        let led = row.action.before().and_then(|before| before.after(row.action));
        return led.unwrap_or(row.status);
    }
    if !row.capture_now || row.amount.is_zero() {
        return TransactionStatus::Authorized;
    }
    row.captured = row.amount;
    TransactionStatus::SettlementRequested
}

/// What was refused is as it was before; an authorisation is over.
fn refused(row: &mut TransactionRow, over: TransactionStatus) -> TransactionStatus {
    if row.action == TransactionAction::Capture {
        row.captured = Amount::ZERO;
    }
    row.action.before().unwrap_or(over)
}

/// Text from outside, as it may be stored and shown: an acquirer may answer with the request that it was sent.
pub(crate) fn said(text: String) -> String {
    masked_text(&Zeroizing::new(text), ANSWER_BYTES_MAX)
}

/// A name that an acquirer gives to something, as it was said, so that it may be sent back. What could be a card number is none, nor is what is longer
/// than any name.
pub(crate) fn named(text: String) -> Option<String> {
    let text = Zeroizing::new(text);
    let kept = masked_text(&text, ANSWER_BYTES_MAX);
    (!kept.is_empty() && kept == *text).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: where a processor said no and named the card, nobody saw why. Its cause: a text with what could be a card number in it was
    /// withheld whole. Its cure: its digits are masked, in every text of an answer.
    #[test]
    fn an_answer_is_cut_and_never_repeats_a_card_number() {
        assert_eq!(said("do not honour".to_owned()), "do not honour");
        assert_eq!(said("é".repeat(150)).len(), ANSWER_BYTES_MAX);
        assert_eq!(said("x".repeat(201)).len(), ANSWER_BYTES_MAX);
        assert_eq!(said("a\0\r\nb".to_owned()), "a   b");
        let masked = "card **** **** **** **** is stolen";
        assert_eq!(said("card 4111 1111 1111 1111 is stolen".to_owned()), masked);
        assert_eq!(
            named("pi_3MtwBwLkdIwHu7ix28a3tqPa".to_owned()).as_deref(),
            Some("pi_3MtwBwLkdIwHu7ix28a3tqPa")
        );
        for none in ["", "4111111111111111", "a\0b", "x".repeat(201).as_str()] {
            assert_eq!(named(none.to_owned()), None);
        }
        let late = format!("{}4111111111111111", "x".repeat(ANSWER_BYTES_MAX - 8));
        assert!(said(late).ends_with("x********"), "masked before it is cut");
    }
}
