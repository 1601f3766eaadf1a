use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, RefundId, Timestamp, TransactionId,
};

use crate::checkpoint::{ChainTag, TrailMark};
use crate::codec::RowFault;
use crate::commit::{Commit, Outcome};
use crate::document::{DocumentKind, DocumentRow};
use crate::limits::LIST_SECONDS;
use crate::query::{
    CardQuery, CheckoutQuery, CustomerQuery, DeliveryQuery, Page, RefundQuery, TransactionQuery,
};
use crate::row::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryLane, DeliveryPlace,
    DeliveryRow, HistoryRow, IdempotencyKey, IdempotencyRow, NodeRow, RefundRow, Row, RowKey, Table,
    TransactionRow,
};

/// An answer that is on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// Why a store cannot answer. None of them changed anything, save [`StoreFault::Stopped`] and [`StoreFault::Unresolved`], which cannot tell.
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
    /// The database is not reached, or takes no writes: nothing was changed. It goes on by itself.
    #[error("the database of the store is not reached")]
    Unreachable,
    /// The database was lost while it committed, and has not said in time whether it did: what was asked may or may not be durable. Nothing
    /// else is written before that is known.
    #[error("the database was lost at a commit, which may or may not be durable")]
    Unresolved,
    /// Stored bytes are not what was written.
    #[error("the store holds bytes that it did not write")]
    Damaged {
        /// Which row they are of, where that is known.
        row: Option<RowKey>,
        /// What is wrong with them.
        #[source]
        fault: RowFault,
    },
    /// A read failed, for this reason.
    #[error("the store could not read: {0}")]
    Read(&'static str),
    /// A commit is larger than a store takes.
    #[error("the commit is too large to store")]
    TooLarge,
    /// A list has more rows than are sorted.
    #[error("the list has more rows than are sorted")]
    TooManyRows,
    /// A list has examined as many rows as it may, and its page is not full.
    #[error("the list examines more rows than one may")]
    TooManyExamined,
    /// A list took longer than one may.
    #[error("the list took longer than one may")]
    TimedOut,
}

/// How a store is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The fault for which it refuses writes now, if any: `Full`, `Stopped`, or `Busy` while lists are too far behind.
    pub fault: Option<StoreFault>,
    /// Lists find no room to catch up, and are refused; what is written is kept all the same.
    pub lists_full: bool,
    /// Organisations of which cards or transactions were put back, taken away or changed from outside, as far as that is known; their
    /// lists and counts are refused.
    pub damaged: u64,
    /// Everything that the store started with has been held against what it should have.
    pub patrolled: bool,
    /// Commits that are durable.
    pub sequence: u64,
    /// Durable commits that lists do not show yet.
    pub behind: u64,
    /// Commits that wait to be written.
    pub waiting: usize,
    /// What was written in one go since the start, where that is counted.
    pub batches: Batches,
    /// What of the log is kept for incremental backups, where any may be, or is left of when it was.
    pub archive: Option<Archived>,
    /// Segments of the log that nobody needs and that could not be erased, or wait for one that could not. They are tried again.
    pub unerased: usize,
}

/// What a log has given up and keeps for incremental backups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many there may be.
    pub bytes_max: u64,
    /// When the first commit in them was made: an increment can go on from a backup of then or later. `None` while there are none.
    pub since: Option<Timestamp>,
}

/// Commits that were written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// How often something was written.
    pub count: u64,
    /// Commits that were in it.
    pub commits: u64,
    /// Microseconds that it took, until it was known to be durable.
    pub micros: u64,
}

/// How many rows there are of those that are counted as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cards of all organisations.
    pub cards: u64,
    /// Transactions of all organisations.
    pub transactions: u64,
    /// Refunds of all organisations.
    pub refunds: u64,
}

/// What a store is handed in the place of keys, which it never sees: it chains commits, hashes sets, and tells rows of the vault from others.
pub trait Chain: Send + Sync {
    /// SHA-256.
    fn digest(&self, bytes: &[u8]) -> [u8; 32];
    /// Version of the key that chains what is written now, behind what `least` chained, 0 for nothing: a chain goes from a key to a later one, and never back.
    fn version(&self, least: u16) -> u16;
    /// Tag under a version of the key that chains, over the concatenation of the parts; `None` where there is no such key, or no more.
    fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]>;
    /// Whether a version is later than all that this process has: somebody who has a later header wrote it.
    fn is_later(&self, version: u16) -> bool;
    /// Keyed mark over the concatenation of the parts, of what is found by it or held against it. Its key is another one, and stays.
    fn mark(&self, parts: &[&[u8]]) -> [u8; 32];
    /// Keyed hash of a member of a set. The hash of a set is the exclusive or of its members'; both are secret.
    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16];
    /// Whether a card bears the tag that the vault gave it, with all that its row says, the organisation too.
    fn card_is_ours(&self, row: &CardRow) -> bool;
    /// Whether a transaction bears its tag, in the same way.
    fn transaction_is_ours(&self, row: &TransactionRow) -> bool;
    /// Whether a refund bears its tag, in the same way.
    fn refund_is_ours(&self, row: &RefundRow) -> bool;
    /// Whether a customer bears its tag, in the same way.
    fn customer_is_ours(&self, row: &CustomerRow) -> bool;
    /// Whether a delivery of a webhook bears its tag, in the same way.
    fn delivery_is_ours(&self, row: &DeliveryRow) -> bool;
    /// Whether a checkout bears its tag, in the same way.
    fn checkout_is_ours(&self, row: &CheckoutRow) -> bool;
}

/// A place that keeps rows.
///
/// Everything that changes goes through [`Store::commit`]; a new kind of row needs no new method there. What is read was durable before,
/// and shows every commit that was answered before it was asked.
pub trait Store: Send + Sync {
    /// Whether other nodes may have it open at the same time. Where they may not, whoever opens it is the only one who has
    /// anything in hand.
    fn is_shared(&self) -> bool;

    /// What the clock shows that every node goes by: the database's, where nodes share one. `None` where nobody's clock is better than the
    /// node's own.
    fn clock(&self) -> Pending<'_, Option<Timestamp>>;

    /// How long a list may wait for its turn, and then take. For what is listed by several reads, such as the audit trail.
    fn list_time(&self) -> Duration {
        Duration::from_secs(LIST_SECONDS)
    }

    /// Does all of a commit in one durable step, or nothing and says which expectation does not hold.
    ///
    /// When it answers [`Outcome::Done`], rows and audit note survive a crash; of concurrent commits whose expectations exclude each
    /// other one is done. **What was called runs to its end, whether the future is polled, dropped or awaited.** A fault other
    /// than [`StoreFault::Stopped`] and [`StoreFault::Unresolved`] means that nothing was changed.
    fn commit(&self, commit: Commit) -> Pending<'_, Outcome>;

    /// Rows of a table, in the order in which their keys are written, from behind `after`, at most `limit`: for whoever goes through all that is kept.
    /// [`StoreFault::Damaged`] names a row that cannot be read.
    fn row_page(&self, table: Table, after: Option<RowKey>, limit: usize) -> Pending<'_, Vec<Row>>;

    /// The card, if there is one.
    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>>;
    /// Cards of some organisations.
    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>>;
    /// Cards of all organisations in the order of their ids, from behind `after`, at most `limit`.
    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>>;
    /// What is known of a card's CVV, if anything is.
    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>>;
    /// What is known of the CVV of each of these cards, in their order. Asks once for all of them.
    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>>;
    /// Rows about CVVs whose time is over by `now`, at most `limit`.
    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>>;

    /// The transaction, if there is one.
    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>>;
    /// Steps of a transaction, newest first.
    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>>;
    /// Transactions of some organisations.
    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>>;
    /// Every transaction of whose last action somebody has still to say what became ([`TransactionRow::is_open`]).
    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>>;

    /// The refund, if there is one.
    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>>;
    /// Refunds of some organisations.
    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>>;
    /// Every refund of which somebody has still to say what became ([`RefundRow::is_open`]).
    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>>;

    /// The customer, if there is one.
    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>>;
    /// Customers of some organisations. Those with a digest of an e-mail address are found without going through the others.
    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>>;

    /// The delivery, if there is one.
    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>>;
    /// Deliveries of some organisations.
    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>>;
    /// Lanes in which something is due by `now`, in their order from behind `after`, at most `limit`.
    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>>;
    /// What is due in a lane by `now`, longest due first and then by id, at most `limit`, from behind `after`.
    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>>;
    /// Of the deliveries about an object that wait, the one about its earliest version.
    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>>;
    /// How many deliveries wait.
    fn delivery_waiting(&self) -> Pending<'_, u64>;
    /// Deliveries that are over and are to be removed by `now`, longest due first and then by id, at most `limit`, from behind `after`. What
    /// cannot be read is left out.
    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>>;

    /// The checkout, if there is one.
    fn checkout_read(&self, id: CheckoutId) -> Pending<'_, Option<Arc<CheckoutRow>>>;
    /// Checkouts of some organisations.
    fn checkout_list(&self, query: CheckoutQuery) -> Pending<'_, Page<Arc<CheckoutRow>>>;
    /// Checkouts that are to be removed by `now`, at most `limit`.
    fn checkout_over(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CheckoutRow>>>;

    /// Puts a node's row in the place of this version of it, beside the commits: it waits for none of them, and the audit trail does not tell of it. `false`: another version is
    /// there, or none, or the store is one node's; nothing was changed. [`StoreFault::Unresolved`]: it may be done, or come to be done; it is that row or none.
    fn node_renew(&self, row: NodeRow, version: u32) -> Pending<'_, bool> {
        let _ = (row, version);
        Box::pin(core::future::ready(Ok(false)))
    }

    /// Every node that has a row, in the order of their ids.
    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>>;

    /// When each of these API keys was last used, as far as that was written, in their order. Asks once for all of them.
    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>>;

    /// Every document.
    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>>;
    /// The documents with these keys, in their order. Asks once for all of them, and reads no others: where nodes share the store, each reads
    /// the head about twice a second. The head by itself is what it was when this was asked, or later: a database whose place another has taken meanwhile
    /// does not answer.
    fn document_read_many(&self, keys: Vec<(DocumentKind, Id)>)
    -> Pending<'_, Vec<Option<Arc<DocumentRow>>>>;

    /// The idempotency record, if there is one, expired or not.
    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>>;
    /// Idempotency records whose time is over by `now`, at most `limit`. They may have been renewed since: whoever deletes one expects
    /// [`crate::Expect::Expired`].
    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>>;

    /// Who has written audit records here.
    fn audit_writers(&self) -> Pending<'_, Vec<NodeId>>;
    /// Audit records of a writer from place `first` on, at most `limit`.
    fn audit_read(&self, writer: NodeId, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>>;

    /// The place of the last record of each of these writers, in their order; 0 of who has written none. Reads no records.
    fn audit_ends(&self, writers: Vec<NodeId>) -> Pending<'_, Vec<u64>>;

    /// Keeps audit records of a writer no longer that are before place `first`, where there are later ones: what is read from `first` on is held against the chain as before. It may keep
    /// some of them, which is nobody's loss; what was begun and not done is done when it is asked again.
    fn audit_forget(&self, writer: NodeId, first: u64) -> Pending<'_, ()>;

    /// Of each of these chains the last step that begins at this place or before, in their order; [`TrailMark::NONE`] where there is none. All of them are of one moment. Reads no records.
    fn audit_marks(&self, chains: Vec<(NodeId, u64)>) -> Pending<'_, Vec<TrailMark>>;

    /// Has a chain that ends with this record not go on: whoever writes under that name stops, unless it is opened anew. `false` where it has gone on.
    fn audit_close(&self, writer: NodeId, end: u64) -> Pending<'_, bool>;

    /// Version of the key that whoever reads the chain of a writer from this record on needs first; `None` where nothing is there, or nothing is chained. Those of before are needed by nobody. Where
    /// only what nobody reads any more still needs an earlier key, the store sees to it that this goes.
    fn chain_key(&self, writer: NodeId, first: u64) -> Pending<'_, Option<u16>>;

    /// The tag under the key of now of a step that has this mark; the step is held against that first. `None` where it is not there, is not the last of its chain or not the
    /// only one from record `first` on, or is under that key already. Nothing is changed.
    fn chain_renewed(&self, writer: NodeId, first: u64, mark: TrailMark) -> Pending<'_, Option<ChainTag>> {
        let _ = (writer, first, mark);
        Box::pin(core::future::ready(Ok(None)))
    }

    /// Gives the last step of a chain that was closed another tag. `false` where it does not have this mark, or the chain is open.
    fn chain_retag(&self, writer: NodeId, mark: TrailMark, next: ChainTag) -> Pending<'_, bool> {
        let _ = (writer, mark, next);
        Box::pin(core::future::ready(Ok(false)))
    }

    /// How many cards and transactions there are, by what was counted as they were written: no row is read for it, and damage of some says
    /// nothing against it. Where lists do not catch up within a second, it is as of the last step that they show.
    /// A store that counts nothing as it is written counts so far as takes a moment, and says of more about how many they are.
    fn totals(&self) -> Pending<'_, Totals>;

    /// How it is doing; does not wait.
    fn status(&self) -> StoreStatus;
    /// Ends writing in order: what was taken is finished, and everything is where the next start finds it quickly.
    fn close(&self) -> Pending<'_, ()>;
}
