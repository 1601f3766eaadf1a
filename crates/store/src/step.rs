//! Durable steps: all that can happen to what is kept. Each is one commit with its audit note, or nothing.

use std::sync::Arc;

use panvault_model::{CardId, Id, OrganisationId, Timestamp};

use crate::document::{DocumentKind, DocumentRow};
use crate::row::{Answer, AuditNote, CardRow, HistoryRow, IdempotencyRow, TransactionRow};

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done and durable. `sequence` orders it among all steps of the vault.
    Done {
        /// The row as it now is.
        value: T,
        /// Its place in the order of all steps.
        sequence: u64,
    },
    /// An earlier request with this idempotency key did it; nothing was changed.
    Replayed(Box<IdempotencyRow>),
    /// An earlier request with this idempotency key still runs; nothing was changed.
    InUse,
    /// The idempotency key was used with another body; nothing was changed.
    Mismatch,
    /// There is no such row in that organisation; nothing was changed.
    NotFound,
    /// The row has changed since it was read, or the id of a new row is taken; nothing was changed.
    Stale,
}

/// A request's claim on its idempotency key, with what the record will say once the step is done.
#[derive(Clone, Debug)]
pub struct IdempotencyPlan {
    /// The record to keep.
    pub row: IdempotencyRow,
    /// What time it is, to tell whether an earlier record has expired.
    pub now: Timestamp,
}

/// Stores a new card.
#[derive(Clone, Debug)]
pub struct CardInsert {
    /// The card.
    pub row: Arc<CardRow>,
    /// Idempotency, if asked for.
    pub idempotency: Option<IdempotencyPlan>,
    /// The audit note.
    pub audit: AuditNote,
}

/// Changes a card, or notes that its CVV changes, which is kept elsewhere.
#[derive(Clone, Debug)]
pub struct CardUpdate {
    /// Which card.
    pub id: CardId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The version that was read.
    pub version: u32,
    /// The card as it is to be, with the next version; `None` leaves the row as it is.
    pub row: Option<Arc<CardRow>>,
    /// Idempotency, if asked for.
    pub idempotency: Option<IdempotencyPlan>,
    /// The audit note.
    pub audit: AuditNote,
}

/// Deletes a card.
#[derive(Clone, Debug)]
pub struct CardDelete {
    /// Which card.
    pub id: CardId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The audit note.
    pub audit: AuditNote,
}

/// Writes down that a transaction is about to be sent. Not found when the card is gone.
#[derive(Clone, Debug)]
pub struct TransactionInitiate {
    /// The transaction, `INITIATED`, version 1.
    pub row: Arc<TransactionRow>,
    /// Whose the card is.
    pub card_organisation: OrganisationId,
    /// First step of its history.
    pub history: HistoryRow,
    /// Idempotency, if asked for; its answer is [`Answer::Running`].
    pub idempotency: Option<IdempotencyPlan>,
    /// The audit note.
    pub audit: AuditNote,
}

/// Writes down what became of a transaction.
#[derive(Clone, Debug)]
pub struct TransactionSettle {
    /// The transaction with its outcome; its version is one more than that which was read.
    pub row: Arc<TransactionRow>,
    /// Next step of its history.
    pub history: HistoryRow,
    /// The idempotency record with the answer, where one waits.
    pub answer: Option<Box<IdempotencyRow>>,
    /// The audit note.
    pub audit: AuditNote,
}

/// One change of a document.
#[derive(Clone, Debug)]
pub enum DocumentChange {
    /// It is to be this; its version is one more than the stored one (1 when there is none).
    Put(DocumentRow),
    /// It is to go; it has this version.
    Delete(DocumentKind, Id, u32),
}

/// Changes documents, all or none. Stale when any has another version than expected.
#[derive(Clone, Debug)]
pub struct DocumentCommit {
    /// The changes.
    pub changes: Vec<DocumentChange>,
    /// The audit note.
    pub audit: AuditNote,
}

/// Removes idempotency records past their time, at most [`crate::limits::SWEEP_ROWS_MAX`].
#[derive(Clone, Debug)]
pub struct IdempotencySweep {
    /// What time it is.
    pub now: Timestamp,
    /// The audit note.
    pub audit: AuditNote,
}

/// Any durable step.
#[derive(Clone, Debug)]
pub enum Step {
    /// See [`CardInsert`].
    CardInsert(CardInsert),
    /// See [`CardUpdate`].
    CardUpdate(CardUpdate),
    /// See [`CardDelete`].
    CardDelete(CardDelete),
    /// See [`TransactionInitiate`].
    TransactionInitiate(TransactionInitiate),
    /// See [`TransactionSettle`].
    TransactionSettle(TransactionSettle),
    /// See [`DocumentCommit`].
    DocumentCommit(DocumentCommit),
    /// See [`IdempotencySweep`].
    IdempotencySweep(IdempotencySweep),
}

impl Step {
    /// The note that goes with it.
    pub const fn audit(&self) -> &AuditNote {
        match self {
            Self::CardInsert(step) => &step.audit,
            Self::CardUpdate(step) => &step.audit,
            Self::CardDelete(step) => &step.audit,
            Self::TransactionInitiate(step) => &step.audit,
            Self::TransactionSettle(step) => &step.audit,
            Self::DocumentCommit(step) => &step.audit,
            Self::IdempotencySweep(step) => &step.audit,
        }
    }
}

impl IdempotencyPlan {
    /// Whether the record only marks that the request runs.
    pub const fn is_running(&self) -> bool {
        matches!(self.row.answer, Answer::Running)
    }
}
