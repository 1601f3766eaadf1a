use core::time::Duration;
use std::sync::Arc;

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, RefundId, Timestamp, TransactionId,
};
use panvault_store::checkpoint::{ChainTag, TrailMark};
use panvault_store::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardQuery, CardRow, Chain, CheckoutQuery, CheckoutRow, Commit,
    CustomerQuery, CustomerRow, DeliveryLane, DeliveryPlace, DeliveryQuery, DeliveryRow, DocumentKind,
    DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow, NodeRow, Outcome, Page, Pending, RefundQuery,
    RefundRow, Row, RowKey, Store, StoreFault, StoreStatus, Table, Totals, TransactionQuery, TransactionRow,
};

use crate::audit::{self, ChainMark, MarkState};
use crate::commit::Committer;
use crate::connect::Database;
use crate::read::Reads;

/// Rows in PostgreSQL, as one of several nodes sees and writes them.
pub struct PostgresStore {
    database: Database,
    chain: Arc<dyn Chain>,
    committer: Committer,
    reads: Reads,
}

impl PostgresStore {
    /// Opens the store as a node that writes audit records under this name. Its chain goes on where it ends; a name that is new at every
    /// start begins a new one. The schema must be there, and the database must not acknowledge what it has not written.
    pub async fn open(database: Database, chain: Arc<dyn Chain>, node: NodeId) -> Result<Self, StoreFault> {
        database.commits_are_durable().await?;
        let committer = Committer::start(database.clone(), Arc::clone(&chain), node).await?;
        let reads = Reads::new(database.clone(), Arc::clone(&chain));
        Ok(Self { database, chain, committer, reads })
    }

    /// Waits until the store has ended: by itself, because the database is not the one that it was, or because it was closed. Nothing is written
    /// from then on; another that is opened, under another name, can go on.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.committer.stopped()
    }

    /// How far each chain has come.
    pub async fn chain_marks(&self) -> Result<Vec<ChainMark>, StoreFault> {
        let mut marks = Vec::new();
        for writer in audit::writers(&self.database).await? {
            marks.extend(audit::mark(&self.database, writer).await?);
        }
        Ok(marks)
    }

    /// How a chain stands to a mark that was made of it, in this database or in one that this was copied from.
    pub async fn chain_mark_state(&self, mark: &ChainMark) -> Result<MarkState, StoreFault> {
        audit::mark_state(&self.database, mark).await
    }

    pub(crate) fn chain(&self) -> &dyn Chain {
        self.chain.as_ref()
    }

    /// The database that it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl Store for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn clock(&self) -> Pending<'_, Option<Timestamp>> {
        Box::pin(async { self.database.clock().await.map(Some) })
    }

    fn list_time(&self) -> Duration {
        self.database.list_time()
    }

    fn commit(&self, commit: Commit) -> Pending<'_, Outcome> {
        self.committer.commit(commit)
    }

    fn row_page(&self, table: Table, after: Option<RowKey>, limit: usize) -> Pending<'_, Vec<Row>> {
        Box::pin(self.reads.row_page(table, after, limit))
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        Box::pin(self.reads.card_read(id))
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        Box::pin(self.reads.card_page(after, limit))
    }

    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>> {
        Box::pin(self.reads.card_cvv_read(card))
    }

    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>> {
        Box::pin(self.reads.card_cvv_read_many(cards))
    }

    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>> {
        Box::pin(self.reads.card_cvv_expired(now, limit))
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        Box::pin(self.reads.transaction_read(id))
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>> {
        Box::pin(self.reads.transaction_history(id))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        Box::pin(self.reads.transaction_open())
    }

    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>> {
        Box::pin(self.reads.refund_read(id))
    }

    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>> {
        Box::pin(self.reads.refund_open())
    }

    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>> {
        Box::pin(self.reads.customer_read(id))
    }

    fn checkout_read(&self, id: CheckoutId) -> Pending<'_, Option<Arc<CheckoutRow>>> {
        Box::pin(self.reads.checkout_read(id))
    }

    fn checkout_list(&self, query: CheckoutQuery) -> Pending<'_, Page<Arc<CheckoutRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn checkout_over(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CheckoutRow>>> {
        Box::pin(self.reads.checkout_over(now, limit))
    }

    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        Box::pin(self.reads.delivery_read(id))
    }

    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>> {
        Box::pin(self.reads.delivery_lanes(now, after, limit))
    }

    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(self.reads.delivery_due(lane, now, after, limit))
    }

    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        Box::pin(self.reads.delivery_first(object))
    }

    fn delivery_waiting(&self) -> Pending<'_, u64> {
        Box::pin(self.reads.delivery_waiting())
    }

    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(self.reads.delivery_over(now, after, limit))
    }

    fn node_renew(&self, row: NodeRow, version: u32) -> Pending<'_, bool> {
        Box::pin(self.committer.renew(&self.database, self.chain.as_ref(), row, version))
    }

    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>> {
        Box::pin(self.reads.node_read_all())
    }

    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>> {
        Box::pin(self.reads.api_key_use_read_many(keys))
    }

    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>> {
        Box::pin(self.reads.document_read_all())
    }

    fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Pending<'_, Vec<Option<Arc<DocumentRow>>>> {
        Box::pin(self.reads.document_read_many(keys))
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        Box::pin(self.reads.idempotency_read(key))
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>> {
        Box::pin(self.reads.idempotency_expired(now, limit))
    }

    fn totals(&self) -> Pending<'_, Totals> {
        Box::pin(self.reads.totals())
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>> {
        Box::pin(self.reads.list(query))
    }

    fn audit_writers(&self) -> Pending<'_, Vec<NodeId>> {
        Box::pin(audit::writers(&self.database))
    }

    fn audit_read(&self, writer: NodeId, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        Box::pin(audit::read(&self.database, self.chain.as_ref(), writer, first, limit))
    }

    fn audit_ends(&self, writers: Vec<NodeId>) -> Pending<'_, Vec<u64>> {
        Box::pin(audit::ends(&self.database, writers))
    }

    fn audit_forget(&self, writer: NodeId, first: u64) -> Pending<'_, ()> {
        Box::pin(audit::forget(&self.database, writer, first))
    }

    fn audit_marks(&self, chains: Vec<(NodeId, u64)>) -> Pending<'_, Vec<TrailMark>> {
        Box::pin(audit::marks(&self.database, chains))
    }

    fn audit_close(&self, writer: NodeId, end: u64) -> Pending<'_, bool> {
        Box::pin(async move { self.database.chains_close(self.chain.as_ref(), &[(writer, end)]).await })
    }

    fn chain_key(&self, writer: NodeId, first: u64) -> Pending<'_, Option<u16>> {
        Box::pin(audit::key(&self.database, writer, first))
    }

    fn chain_renewed(&self, writer: NodeId, first: u64, mark: TrailMark) -> Pending<'_, Option<ChainTag>> {
        Box::pin(audit::renewed(&self.database, self.chain.as_ref(), writer, first, mark))
    }

    fn chain_retag(&self, writer: NodeId, mark: TrailMark, next: ChainTag) -> Pending<'_, bool> {
        Box::pin(async move { audit::retag(&self.database, writer, mark, &next).await })
    }

    fn status(&self) -> StoreStatus {
        self.committer.status()
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let closed = self.committer.close().await;
            self.database.close();
            closed
        })
    }
}
