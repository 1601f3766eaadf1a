//! Lists.

use std::sync::Arc;

use panvault_store::{
    CardQuery, CardRow, Chain, CustomerQuery, CustomerRow, DeliveryQuery, DeliveryRow, Page, RefundQuery,
    RefundRow, StoreFault, TransactionQuery, TransactionRow,
};

use crate::connect::Database;

const UNREAD: StoreFault = StoreFault::Read("this store does not list it");

pub(crate) async fn card_list(
    _database: &Database,
    _chain: &dyn Chain,
    _query: CardQuery,
) -> Result<Page<Arc<CardRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn transaction_list(
    _database: &Database,
    _chain: &dyn Chain,
    _query: TransactionQuery,
) -> Result<Page<Arc<TransactionRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn refund_list(
    _database: &Database,
    _chain: &dyn Chain,
    _query: RefundQuery,
) -> Result<Page<Arc<RefundRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn customer_list(
    _database: &Database,
    _chain: &dyn Chain,
    _query: CustomerQuery,
) -> Result<Page<Arc<CustomerRow>>, StoreFault> {
    Err(UNREAD)
}

pub(crate) async fn delivery_list(
    _database: &Database,
    _chain: &dyn Chain,
    _query: DeliveryQuery,
) -> Result<Page<Arc<DeliveryRow>>, StoreFault> {
    Err(UNREAD)
}
