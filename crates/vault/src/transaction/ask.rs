use std::borrow::Cow;

use panvault_model::{Timestamp, TransactionAction};
use panvault_processor::{Act, Clearance, FollowUp, Sent, Verdict};
use panvault_store::TransactionRow;
use tokio::task::JoinSet;

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::{ASKED_AT_ONCE_MAX, PROCESSOR_SECONDS_MAX};
use crate::seal;
use crate::transaction::create::answered_in_time;
use crate::transaction::settle::SettleBase;
use crate::vault::Vault;

/// What only asks may always be sent: it changes nothing, and any number may ask.
pub(crate) struct Harmless;

impl Clearance for Harmless {
    fn is_given(&self) -> bool {
        true
    }
}

impl Vault {
    /// Asks processors what became of actions whose answers did not come, or are to come later: some at a time, others the next time. What a
    /// processor cannot tell is asked for again after a while that grows, and then no more; one that is not reached is left alone for a while that
    /// grows, and asked again then.
    pub(crate) async fn transaction_ask(&self) -> Result<(), VaultError> {
        let mut open = self.store().transaction_open().await?;
        let now = self.now();
        let is_due = |at: Timestamp| at <= now.wall;
        open.retain(|row| row.state.may_be_told() && row.ask_at.is_some_and(is_due));
        open.retain(|row| !self.unreached().is_left_alone(row.processor, now));
        self.some_of(&mut open)?;
        let mut asking = JoinSet::new();
        for row in open {
            let vault = self.clone();
            asking.spawn(async move { vault.transaction_ask_one(&row).await });
        }
        let mut first = Ok(());
        while let Some(asked) = asking.join_next().await {
            if let Ok(Err(error)) = asked {
                tracing::error!(error = %with_causes(&error), advice = "run panvault doctor", "transaction.not_asked");
                first = first.and(Err(error));
            }
        }
        first
    }

    /// As many as are asked for at once, from anywhere on: those that are not answered keep back no others.
    pub(crate) fn some_of<T>(&self, rows: &mut Vec<T>) -> Result<(), VaultError> {
        if rows.len() > ASKED_AT_ONCE_MAX {
            let [low, ..] = self.make_id_bytes()?;
            let many = rows.len();
            rows.rotate_left(usize::from(low) * many / (usize::from(u8::MAX) + 1));
            rows.truncate(ASKED_AT_ONCE_MAX);
        }
        Ok(())
    }

    /// Whether the processor of a transaction can be asked what became of its last action.
    pub(super) fn can_be_asked(&self, row: &TransactionRow) -> bool {
        let snapshot = self.snapshot();
        let processor = self.processor(&snapshot, row.processor);
        processor.is_some_and(|(_, connection)| connection.can_be_asked(&follow_up(row)))
    }

    async fn transaction_ask_one(&self, row: &TransactionRow) -> Result<(), VaultError> {
        seal::transaction_verify(self.keys(), row)?;
        let snapshot = self.snapshot();
        let sent = match self.processor(&snapshot, row.processor) {
            // Without an answer nothing is known that was not before.
            Some((_, connection)) => {
                match answered_in_time(&**connection, Act::Ask(follow_up(row)), &Harmless).await {
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
        let onto = SettleBase { unused: None, expects: Vec::new() };
        let told = self.transaction_outcome(&Requester::VAULT, row, sent, None, onto, self.now()).await?;
        if let Some(settled) = told {
            let status = settled.row.status.as_str();
            tracing::info!(transaction.id = %row.id, status, "transaction.asked");
        }
        Ok(())
    }
}

/// Whether a processor was asked while it could still be about to do what it is asked about: that it knows of nothing says nothing then.
pub(crate) fn is_too_early(sent: &Sent, since: Timestamp, now: Timestamp) -> bool {
    let has_failed = matches!(sent, Sent::Answered(reply) if reply.verdict == Verdict::Failed);
    has_failed && now < since.plus_seconds(PROCESSOR_SECONDS_MAX)
}

/// What names the last action of a transaction to its processor.
pub(crate) fn follow_up(row: &TransactionRow) -> FollowUp {
    let is_capture = row.action == TransactionAction::Capture;
    FollowUp {
        action: row.action,
        transaction: row.id,
        try_number: row.try_number,
        refund: None,
        amount: if is_capture { row.captured } else { row.amount },
        currency: row.currency,
        merchant_reference: row.merchant_reference.clone(),
        reason: None,
        reference: row.processor_reference.clone(),
        act_reference: row.act_reference.clone(),
        attempt: row.attempt().unwrap_or(row.version),
    }
}
