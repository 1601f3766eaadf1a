//! The row that a notice names: a transaction, or one of its refunds.

use std::sync::Arc;

use panvault_model::{CvvResult, Id, OrganisationId, ProcessorId, RefundId, TransactionId};
use panvault_processor::{FollowUp, Notice, Reply, Sent};
use panvault_store::{RefundRow, RowKey, TransactionRow};

use crate::error::VaultError;
use crate::notification::{Told, fit};
use crate::seal;
use crate::transaction::{SettleBase, follow_up};
use crate::vault::Vault;

/// A row, held against its tag.
pub(super) enum ToldRow {
    Transaction(Arc<TransactionRow>),
    /// With what names it to the processor.
    Refund(Arc<RefundRow>, FollowUp),
}

impl ToldRow {
    /// Whose act it is.
    pub(super) fn processor(&self) -> ProcessorId {
        match self {
            Self::Transaction(row) => row.processor,
            Self::Refund(row, _) => row.processor,
        }
    }

    pub(super) fn organisation(&self) -> OrganisationId {
        match self {
            Self::Transaction(row) => row.organisation,
            Self::Refund(row, _) => row.organisation,
        }
    }

    pub(super) fn object(&self) -> Id {
        match self {
            Self::Transaction(row) => row.id.0,
            Self::Refund(row, _) => row.id.0,
        }
    }

    /// Where it stands, as the audit trail has it.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Transaction(row) => row.status.code(),
            Self::Refund(row, _) => row.status.code(),
        }
    }

    pub(super) fn follow_up(&self) -> FollowUp {
        match self {
            Self::Transaction(row) => follow_up(row),
            Self::Refund(_, of) => of.clone(),
        }
    }
}

impl Vault {
    /// A refund of another processor's is none: nothing more is read for it.
    pub(super) async fn told_row_read(
        &self,
        by: ProcessorId,
        transaction: TransactionId,
        refund: Option<RefundId>,
    ) -> Result<Option<ToldRow>, VaultError> {
        let Some(id) = refund else {
            let Some(row) = self.store().transaction_read(transaction).await? else { return Ok(None) };
            seal::transaction_verify(self.keys(), &row)?;
            if row.id != transaction {
                return Err(VaultError::Tampered(RowKey::Transaction(transaction)));
            }
            return Ok(Some(ToldRow::Transaction(row)));
        };
        let Some(row) = self.store().refund_read(id).await? else { return Ok(None) };
        seal::refund_verify(self.keys(), &row)?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Refund(id)));
        }
        if row.transaction != transaction || row.processor != by {
            return Ok(None);
        }
        let of = self.refund_follow_up(&row).await?;
        Ok(Some(ToldRow::Refund(row, of)))
    }

    /// Writes what was told, onto the version that was read; `false` where somebody else has changed it since.
    pub(super) async fn told_row_settle(&self, told: &Told<'_>, row: &ToldRow) -> Result<bool, VaultError> {
        match row {
            ToldRow::Transaction(row) => {
                let sent = Sent::Answered(reply(told.notice, Some(row)));
                let onto = SettleBase { unused: None, expects: Vec::new() };
                let now = self.now();
                let settled = self.transaction_outcome(&told.asked, row, sent, None, onto, now).await?;
                let Some(settled) = settled else { return Ok(false) };
                let status = settled.row.status.as_str();
                tracing::info!(transaction.id = %row.id, status, "transaction.told");
            }
            ToldRow::Refund(row, of) => {
                let sent = Sent::Answered(reply(told.notice, None));
                let settled = self.refund_settle_told(&told.asked, row, sent, of).await?;
                let Some(settled) = settled else { return Ok(false) };
                tracing::info!(refund.id = %row.id, status = settled.status.as_str(), "refund.told");
            }
        }
        Ok(true)
    }
}

/// What was told, as the answer that it is. It says nothing of the card: what an earlier answer said of that stays.
fn reply(notice: &Notice, row: Option<&TransactionRow>) -> Reply {
    let reference = match (row, &notice.act_reference) {
        (Some(row), _) if fit::is_authorisation(row) => &notice.reference,
        (_, act_reference) => act_reference,
    };
    Reply {
        verdict: notice.verdict,
        reason_code: notice.reason_code.clone(),
        status_reason: notice.status_reason.clone(),
        cvv_result: row.map_or(CvvResult::Unavailable, |row| row.cvv_result),
        avs_result: row.map_or(0, |row| row.avs_result),
        authorization_code: row.and_then(|row| row.authorization_code.clone()),
        reference: reference.clone(),
        network_transaction_id: None,
    }
}
