//! What processors tell by themselves of acts whose outcome is still open.

mod fit;
mod told_row;

use std::sync::Arc;

use panvault_model::{ApiKeyId, OrganisationId, ProcessorId, RefundId, TransactionId};
use panvault_processor::{Notice, Notification, NotificationFault, NotificationScheme, Processor};
use panvault_store::{Action, AuditNote, Commit, IdempotencyAnswer, Outcome, RefusalReason};

use crate::audit::{Origin, Requester};
use crate::error::VaultError;
use crate::idempotency::Idempotency;
use crate::limits::TOLD_TRIES_MAX;
use crate::notification::fit::Fit;
use crate::notification::told_row::ToldRow;
use crate::vault::Vault;

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationTaken {
    /// How its sender spells it.
    pub scheme: NotificationScheme,
    /// Of each act that it tells of, in its order.
    pub outcomes: Vec<NoticeOutcome>,
}

/// What became of one thing that a processor has told. All of it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It is written down.
    Settled,
    /// It was known.
    Known,
    /// Whoever has sent the act may still be answered: it is to be told again.
    InHand,
    /// It cannot be, of what is written down: people are to look at it.
    Contradicted,
    /// It is of nothing that this vault has under way with this processor.
    Ignored,
}

/// Why a notification was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotificationRefusal {
    /// There is no such processor, or it tells nothing, or is not set up for it.
    #[error("no processor of this name tells anything")]
    Nobody,
    /// It is not what the processor says.
    #[error("the notification is refused")]
    Fault(NotificationScheme, #[source] NotificationFault),
    /// It could not be taken in now.
    #[error("the vault could not take it in")]
    Vault(#[from] VaultError),
}

impl NoticeOutcome {
    /// As metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Known => "known",
            Self::InHand => "in_hand",
            Self::Contradicted => "contradicted",
            Self::Ignored => "ignored",
        }
    }
}

/// Who tells, and what.
struct Told<'a> {
    asked: Requester,
    processor: ProcessorId,
    connection: &'a dyn Processor,
    notice: &'a Notice,
}

impl Vault {
    /// How a processor tells by itself what became of acts; `None` where there is none of this id, or it does not, or is not set up for it.
    pub fn notification_scheme(
        &self,
        processor: ProcessorId,
    ) -> Result<Option<NotificationScheme>, VaultError> {
        self.documents_are_recent(self.now())?;
        let snapshot = self.snapshot();
        Ok(self.processor(&snapshot, processor).and_then(|(_, connection)| connection.notifies()))
    }

    /// Takes in what a processor tells: the outcome of acts that are open, onto the version that was read. Told again, it changes nothing.
    ///
    /// Nothing is believed that is not signed with the processor's own secret, and nothing of it settles what another processor was asked to do. An
    /// error means that it is to be told again; what was written down of it by then stays.
    pub async fn notification_take(
        &self,
        processor: ProcessorId,
        notification: Notification<'_>,
        origin: Origin,
    ) -> Result<NotificationTaken, NotificationRefusal> {
        let now = self.now();
        self.documents_are_recent(now)?;
        let snapshot = self.snapshot();
        let connected = self.processor(&snapshot, processor).map(|(_, connection)| Arc::clone(connection));
        drop(snapshot);
        let connection = connected.ok_or(NotificationRefusal::Nobody)?;
        let scheme = connection.notifies().ok_or(NotificationRefusal::Nobody)?;
        let notices = connection.notices(notification, now.wall).map_err(|fault| {
            self.notification_fault(processor, fault, origin);
            NotificationRefusal::Fault(scheme, fault)
        })?;
        let asked = Requester { actor: Some(ApiKeyId(processor.0)), origin };
        let mut outcomes = Vec::new();
        for notice in &notices {
            let told = Told { asked, processor, connection: &*connection, notice };
            outcomes.push(self.notice_take(&told).await?);
        }
        Ok(NotificationTaken { scheme, outcomes })
    }

    /// Says that something was refused, and nothing of what it was.
    fn notification_fault(&self, processor: ProcessorId, fault: NotificationFault, origin: Origin) {
        match fault {
            NotificationFault::Signature | NotificationFault::Time | NotificationFault::Secret => {
                let _ = self.signin_refused(origin, RefusalReason::Signature);
            }
            NotificationFault::TooLarge | NotificationFault::Shape => {}
        }
        if self.notification_refused().is_due(self.now()) {
            let advice = "compare the secret of the processor, and this machine's clock, with the PSP's; else somebody else sends them";
            tracing::warn!(processor.id = %processor, error = %fault, advice, "notification.refused");
        }
    }

    async fn notice_take(&self, told: &Told<'_>) -> Result<NoticeOutcome, VaultError> {
        let Notice { transaction, refund, act, .. } = told.notice;
        let taken = match transaction {
            Some(transaction) => self.act_told(told, *transaction, refund.map(RefundId)).await?,
            // Of a payment that was not made here: others may use the same account at the PSP.
            None => NoticeOutcome::Ignored,
        };
        tracing::debug!(processor.id = %told.processor, act = act.as_str(), outcome = taken.as_str(), "notification.taken");
        Ok(taken)
    }

    /// Of a transaction, or of one of its refunds.
    async fn act_told(
        &self,
        told: &Told<'_>,
        transaction: TransactionId,
        refund: Option<RefundId>,
    ) -> Result<NoticeOutcome, VaultError> {
        for _ in 0..TOLD_TRIES_MAX {
            let read = self.told_row_read(told.processor, transaction, refund).await?;
            let Some(row) = read else { return Ok(NoticeOutcome::Ignored) };
            match self.fit(told, &row) {
                Fit::Open if self.told_row_settle(told, &row).await? => return Ok(NoticeOutcome::Settled),
                // Somebody else has changed it since it was read.
                Fit::Open => {}
                Fit::Contradicts(reason) => return self.notice_contradicts(told, &row, reason).await,
                fit @ (Fit::InHand | Fit::Known | Fit::Elsewhere) => return Ok(fit.outcome()),
            }
        }
        Err(VaultError::Contended)
    }

    fn fit(&self, told: &Told<'_>, row: &ToldRow) -> Fit {
        if row.processor() != told.processor {
            return match row {
                ToldRow::Transaction(row) if self.may_pay_by(row.organisation, told.processor) => {
                    fit::of_earlier_try(row, told.notice)
                }
                ToldRow::Transaction(_) | ToldRow::Refund(..) => Fit::Elsewhere,
            };
        }
        let of = row.follow_up();
        let misfit = || told.connection.misfit(told.notice, of.amount, of.currency);
        match row {
            ToldRow::Transaction(row) => fit::of_transaction(row, told.notice, misfit),
            ToldRow::Refund(row, of) => fit::of_refund(row, of, told.notice, misfit),
        }
    }

    /// Whether an account of an organisation may have a processor, by itself or by a route.
    fn may_pay_by(&self, organisation: OrganisationId, processor: ProcessorId) -> bool {
        let snapshot = self.snapshot();
        let row = snapshot.documents.processor(processor);
        row.is_some_and(|row| snapshot.documents.is_below(organisation, row.organisation))
    }

    /// Writes into the trail, once, that something was told that cannot be.
    async fn notice_contradicts(
        &self,
        told: &Told<'_>,
        row: &ToldRow,
        reason: &'static str,
    ) -> Result<NoticeOutcome, VaultError> {
        let (object, now) = (row.object(), self.now().wall);
        let note = told.asked.note(now, Action::NotificationContradict, row.organisation(), object);
        // Each time by the keys of now: it is tried for as long as it takes.
        let claim = || Idempotency::of_notice(self.keys(), told.processor, &told.notice.event);
        let commit = || Commit {
            claim: Some(claim().claim(self.keys(), now, IdempotencyAnswer::RUNNING)),
            expects: Vec::new(),
            effects: Vec::new(),
            audit: AuditNote { outcome: row.status(), ..note },
        };
        match self.settle_at_last(commit).await? {
            Outcome::Done { .. } => {
                let act = told.notice.act.as_str();
                let advice = "look at the payment at the PSP: nothing was changed here";
                tracing::warn!(processor.id = %told.processor, object.id = %object, act, reason, advice, "notification.contradicts");
                Ok(NoticeOutcome::Contradicted)
            }
            Outcome::Claimed(_) => Ok(NoticeOutcome::Known),
            Outcome::Unmet(_) => Err(VaultError::Contended),
        }
    }
}
