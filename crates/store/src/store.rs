use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use panvault_model::{CardId, TransactionId};

use crate::document::DocumentRow;
use crate::query::{CardQuery, Page, TransactionQuery};
use crate::row::{AuditRecord, CardRow, HistoryRow, IdempotencyKey, IdempotencyRow, TransactionRow};
use crate::step::{
    CardDelete, CardInsert, CardUpdate, DocumentCommit, IdempotencySweep, Outcome, TransactionInitiate,
    TransactionSettle,
};

/// An answer that is on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// Why a store cannot answer. None of them changed anything, save [`StoreFault::Stopped`], which cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// More is waiting than is good; try again in a moment.
    #[error("the store has more work waiting than it takes")]
    Busy,
    /// There is no room to write; reads go on, and writes resume by themselves when there is room.
    #[error("the store has no room left to write")]
    Full,
    /// A write or flush failed, and the store takes nothing more: what was under way may or may not be durable.
    #[error("the store has stopped after a failed write")]
    Stopped,
    /// Stored bytes are not what was written.
    #[error("the store holds bytes that it did not write")]
    Damaged,
    /// A read failed.
    #[error("the store could not read")]
    Read,
    /// A step is larger than a store takes.
    #[error("the step is too large to store")]
    TooLarge,
}

/// How a store is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The fault for which it refuses writes now, if any: `Full`, `Stopped`, or `Busy` while lists are too far behind.
    pub fault: Option<StoreFault>,
    /// Lists find no room to catch up, and are refused; what is written is kept all the same.
    pub lists_full: bool,
    /// The last durable step.
    pub sequence: u64,
    /// Durable steps that lists do not show yet.
    pub behind: u64,
    /// Steps that wait to be written.
    pub waiting: usize,
}

/// What chains commits: a plain digest and a keyed tag. The store is handed it and never sees the key.
pub trait Chain: Send + Sync {
    /// SHA-256.
    fn digest(&self, bytes: &[u8]) -> [u8; 32];
    /// Keyed tag over the concatenation of the parts.
    fn tag(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// A place that keeps rows. Each method that changes something is one durable step: when it answers
/// [`Outcome::Done`], the step and its audit note survive a crash; when it answers anything else, nothing changed.
pub trait Store: Send + Sync {
    /// Stores a new card.
    fn card_insert(&self, step: CardInsert) -> Pending<'_, Outcome<Arc<CardRow>>>;
    /// Changes a card.
    fn card_update(&self, step: CardUpdate) -> Pending<'_, Outcome<Arc<CardRow>>>;
    /// Deletes a card and its entries in every index.
    fn card_delete(&self, step: CardDelete) -> Pending<'_, Outcome<()>>;
    /// The card, if there is one.
    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>>;
    /// Cards of some organisations. Shows every step that was done before it was asked.
    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>>;

    /// Cards of all organisations in the order of their ids, from behind `after`, at most `limit`. Shows every step that was done
    /// before it was asked.
    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>>;

    /// Writes down that a transaction is about to be sent.
    fn transaction_initiate(&self, step: TransactionInitiate) -> Pending<'_, Outcome<Arc<TransactionRow>>>;
    /// Writes down what became of a transaction.
    fn transaction_settle(&self, step: TransactionSettle) -> Pending<'_, Outcome<Arc<TransactionRow>>>;
    /// The transaction, if there is one.
    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>>;
    /// Steps of a transaction, newest first.
    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<HistoryRow>>;
    /// Transactions of some organisations. Shows every step that was done before it was asked.
    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>>;
    /// Every transaction that is `INITIATED`.
    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>>;

    /// Changes documents, all or none.
    fn document_commit(&self, step: DocumentCommit) -> Pending<'_, Outcome<()>>;
    /// Every document.
    fn document_read_all(&self) -> Pending<'_, Vec<DocumentRow>>;

    /// The idempotency record, if there is one, expired or not.
    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>>;
    /// Removes expired idempotency records and says how many.
    fn idempotency_sweep(&self, step: IdempotencySweep) -> Pending<'_, usize>;
    /// Audit records from `first` on, at most `limit`.
    fn audit_read(&self, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>>;

    /// How it is doing; does not wait.
    fn status(&self) -> StoreStatus;
    /// Ends writing in order: what was taken is finished, and everything is where the next start finds it quickly.
    fn close(&self) -> Pending<'_, ()>;
}
