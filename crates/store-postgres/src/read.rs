//! Reads by key, and by the indexes that are no lists.

use std::sync::Arc;

use panvault_model::{ApiKeyId, CardId, CustomerId, DeliveryId, Id, RefundId, Timestamp, TransactionId};
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, CustomerRow, DeliveryLane, DeliveryPlace, DeliveryRow, DocumentKind,
    DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow, NodeRow, RefundRow, StoreFault, Totals,
    TransactionRow,
};

use crate::connect::Database;

const UNREAD: StoreFault = StoreFault::Read("this store does not read it");

pub(crate) async fn card_read(_database: &Database, _id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn card_page(
    _database: &Database,
    _after: CardId,
    _limit: usize,
) -> Result<Vec<Arc<CardRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn card_cvv_read(
    _database: &Database,
    _card: CardId,
) -> Result<Option<Arc<CardCvvRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn card_cvv_read_many(
    _database: &Database,
    _cards: Vec<CardId>,
) -> Result<Vec<Option<Arc<CardCvvRow>>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn card_cvv_expired(
    _database: &Database,
    _now: Timestamp,
    _limit: usize,
) -> Result<Vec<Arc<CardCvvRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn transaction_read(
    _database: &Database,
    _id: TransactionId,
) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn transaction_history(
    _database: &Database,
    _id: TransactionId,
) -> Result<Vec<Arc<HistoryRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn transaction_open(_database: &Database) -> Result<Vec<Arc<TransactionRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn refund_read(
    _database: &Database,
    _id: RefundId,
) -> Result<Option<Arc<RefundRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn refund_open(_database: &Database) -> Result<Vec<Arc<RefundRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn customer_read(
    _database: &Database,
    _id: CustomerId,
) -> Result<Option<Arc<CustomerRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_read(
    _database: &Database,
    _id: DeliveryId,
) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_lanes(
    _database: &Database,
    _now: Timestamp,
    _after: Option<DeliveryLane>,
    _limit: usize,
) -> Result<Vec<DeliveryLane>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_due(
    _database: &Database,
    _lane: DeliveryLane,
    _now: Timestamp,
    _after: Option<DeliveryPlace>,
    _limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_first(
    _database: &Database,
    _object: Id,
) -> Result<Option<Arc<DeliveryRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_waiting(_database: &Database) -> Result<u64, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_over(
    _database: &Database,
    _now: Timestamp,
    _after: Option<DeliveryPlace>,
    _limit: usize,
) -> Result<Vec<Arc<DeliveryRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn node_read_all(_database: &Database) -> Result<Vec<Arc<NodeRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn api_key_use_read_many(
    _database: &Database,
    _keys: Vec<ApiKeyId>,
) -> Result<Vec<Option<Arc<ApiKeyUseRow>>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn document_read_all(_database: &Database) -> Result<Vec<Arc<DocumentRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn document_read_many(
    _database: &Database,
    _keys: Vec<(DocumentKind, Id)>,
) -> Result<Vec<Option<Arc<DocumentRow>>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn idempotency_read(
    _database: &Database,
    _key: IdempotencyKey,
) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn idempotency_expired(
    _database: &Database,
    _now: Timestamp,
    _limit: usize,
) -> Result<Vec<IdempotencyKey>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn totals(_database: &Database) -> Result<Totals, StoreFault> {
    Err(UNREAD)
}
