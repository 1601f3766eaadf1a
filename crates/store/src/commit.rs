//! A commit: the one way to change what is kept.

use panvault_model::{OrganisationId, Timestamp};

use crate::effect::Effects;
use crate::row::{AuditNote, IdempotencyKey, IdempotencyRow, RowKey};

/// What is to be kept, and what must hold of what is kept already. A store does all of it in one durable step, or nothing.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The request's claim on its idempotency key, if it has one. It is looked at before anything else.
    pub claim: Option<IdempotencyClaim>,
    /// What must hold of rows before it, in the order in which that is looked at.
    pub expects: Vec<Expect>,
    /// The rows as they are to be, and those that are to go; each row once. A new row has version 1, but for [`CardCvvRow`](crate::CardCvvRow)
    /// [`ApiKeyUseRow`](crate::ApiKeyUseRow) and the log of changes of documents.
    /// There may be none: then the audit note is all.
    pub effects: Effects,
    /// The audit note.
    pub audit: AuditNote,
}

/// A request's claim on its idempotency key: it fails when an earlier request has the key and its record has not expired.
#[derive(Clone, Debug)]
pub struct IdempotencyClaim {
    /// The record to keep.
    pub row: Box<IdempotencyRow>,
    /// Other names under which an earlier request may have kept its record: it fails where there is one under any of them.
    pub also: Vec<IdempotencyKey>,
    /// What time it is, to tell whether an earlier record has expired.
    pub now: Timestamp,
}

/// What must hold of a row for a commit to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such row.
    Absent(RowKey),
    /// It is there, in this version.
    Version(RowKey, u32),
    /// It is there, and this organisation's.
    Owned(RowKey, OrganisationId),
    /// If this idempotency record is there, it has expired by then.
    Expired(IdempotencyKey, Timestamp),
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done and durable.
    Done {
        /// Greater than that of any earlier commit that named the same card.
        order: u64,
    },
    /// An earlier request has the idempotency key: this is its record. Nothing was changed.
    Claimed(Box<IdempotencyRow>),
    /// The expectation at this place of [`Commit::expects`] is the first that does not hold. Nothing was changed.
    Unmet(usize),
}
