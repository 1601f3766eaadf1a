use core::time::Duration;
use std::sync::Arc;

use panvault_model::{
    ApiKeyId, CardId, CustomerId, DeliveryId, Id, NodeId, RefundId, Timestamp, TransactionId,
};
use panvault_store::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardQuery, CardRow, Chain, Commit, CustomerQuery, CustomerRow,
    DeliveryLane, DeliveryPlace, DeliveryQuery, DeliveryRow, DocumentKind, DocumentRow, HistoryRow,
    IdempotencyKey, IdempotencyRow, NodeRow, Outcome, Page, Pending, RefundQuery, RefundRow, Store,
    StoreFault, StoreStatus, Totals, TransactionQuery, TransactionRow,
};

use crate::commit::Committer;
use crate::connect::Database;
use crate::{audit, list, read};

/// Rows in PostgreSQL, as one of several nodes sees and writes them.
pub struct PostgresStore {
    database: Database,
    chain: Arc<dyn Chain>,
    committer: Committer,
}

impl PostgresStore {
    /// Opens the store as a node that writes audit records under this name. Its chain goes on where it ends; a name that is new at every
    /// start begins a new one. The schema must be there.
    pub async fn open(database: Database, chain: Arc<dyn Chain>, node: NodeId) -> Result<Self, StoreFault> {
        let committer = Committer::start(database.clone(), Arc::clone(&chain), node).await?;
        Ok(Self { database, chain, committer })
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

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        Box::pin(read::card_read(&self.database, id))
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        Box::pin(read::card_page(&self.database, after, limit))
    }

    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>> {
        Box::pin(read::card_cvv_read(&self.database, card))
    }

    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>> {
        Box::pin(read::card_cvv_read_many(&self.database, cards))
    }

    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>> {
        Box::pin(read::card_cvv_expired(&self.database, now, limit))
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        Box::pin(read::transaction_read(&self.database, id))
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>> {
        Box::pin(read::transaction_history(&self.database, id))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        Box::pin(read::transaction_open(&self.database))
    }

    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>> {
        Box::pin(read::refund_read(&self.database, id))
    }

    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>> {
        Box::pin(read::refund_open(&self.database))
    }

    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>> {
        Box::pin(read::customer_read(&self.database, id))
    }

    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        Box::pin(read::delivery_read(&self.database, id))
    }

    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>> {
        Box::pin(read::delivery_lanes(&self.database, now, after, limit))
    }

    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(read::delivery_due(&self.database, lane, now, after, limit))
    }

    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        Box::pin(read::delivery_first(&self.database, object))
    }

    fn delivery_waiting(&self) -> Pending<'_, u64> {
        Box::pin(read::delivery_waiting(&self.database))
    }

    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(read::delivery_over(&self.database, now, after, limit))
    }

    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>> {
        Box::pin(read::node_read_all(&self.database))
    }

    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>> {
        Box::pin(read::api_key_use_read_many(&self.database, keys))
    }

    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>> {
        Box::pin(read::document_read_all(&self.database))
    }

    fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Pending<'_, Vec<Option<Arc<DocumentRow>>>> {
        Box::pin(read::document_read_many(&self.database, keys))
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        Box::pin(read::idempotency_read(&self.database, key))
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>> {
        Box::pin(read::idempotency_expired(&self.database, now, limit))
    }

    fn totals(&self) -> Pending<'_, Totals> {
        Box::pin(read::totals(&self.database))
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        Box::pin(list::card_list(&self.database, self.chain.as_ref(), query))
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        Box::pin(list::transaction_list(&self.database, self.chain.as_ref(), query))
    }

    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>> {
        Box::pin(list::refund_list(&self.database, self.chain.as_ref(), query))
    }

    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>> {
        Box::pin(list::customer_list(&self.database, self.chain.as_ref(), query))
    }

    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>> {
        Box::pin(list::delivery_list(&self.database, self.chain.as_ref(), query))
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

    fn status(&self) -> StoreStatus {
        self.committer.status()
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.committer.close().await;
            self.database.close();
            Ok(())
        })
    }
}
