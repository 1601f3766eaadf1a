use std::sync::Arc;

use panvault_model::OrganisationId;
use panvault_store::{
    AuditRecord, CardQuery, CardRow, CustomerQuery, CustomerRow, DocumentRow, HistoryRow, IdempotencyKey,
    IdempotencyRow, NodeRow, Query, RefundRow, Store, TransactionRow,
};

/// All that a store holds of some organisations, as its reads show it.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// Newest first.
    pub cards: Vec<Arc<CardRow>>,
    /// Newest first, each with its history.
    pub transactions: Vec<(Arc<TransactionRow>, Vec<Arc<HistoryRow>>)>,
    /// Those that are `INITIATED`.
    pub open: Vec<Arc<TransactionRow>>,
    /// Newest first.
    pub refunds: Vec<Arc<RefundRow>>,
    /// Those of which nobody has said yet what became.
    pub refunds_open: Vec<Arc<RefundRow>>,
    /// Newest first.
    pub customers: Vec<Arc<CustomerRow>>,
    /// All.
    pub nodes: Vec<Arc<NodeRow>>,
    /// All.
    pub documents: Vec<Arc<DocumentRow>>,
    /// Those that were asked for.
    pub idempotency: Vec<Option<Box<IdempotencyRow>>>,
    /// All, of one writer after the other.
    pub audit: Vec<AuditRecord>,
}

/// Reads it all.
pub async fn contents(
    store: &dyn Store,
    organisations: &[OrganisationId],
    keys: &[IdempotencyKey],
) -> Contents {
    let mut cards: Vec<Arc<CardRow>> = Vec::new();
    let mut listed: Vec<Arc<TransactionRow>> = Vec::new();
    let all = |skip| CardQuery { skip, ..CardQuery::newest(organisations.to_vec(), 1000) };
    loop {
        let page = store.card_list(all(cards.len() as u64)).await.unwrap();
        if page.rows.is_empty() {
            assert_eq!(cards.len() as u64, page.total, "cards that are listed and counted");
            break;
        }
        cards.extend(page.rows);
    }
    loop {
        let Query { organisations, skip, limit, .. } = all(listed.len() as u64);
        let query = Query { skip, ..Query::newest(organisations, limit) };
        let page = store.transaction_list(query).await.unwrap();
        if page.rows.is_empty() {
            assert_eq!(listed.len() as u64, page.total, "transactions that are listed and counted");
            break;
        }
        listed.extend(page.rows);
    }
    let mut refunds: Vec<Arc<RefundRow>> = Vec::new();
    loop {
        let Query { organisations, skip, limit, .. } = all(refunds.len() as u64);
        let query = Query { skip, ..Query::newest(organisations, limit) };
        let page = store.refund_list(query).await.unwrap();
        if page.rows.is_empty() {
            assert_eq!(refunds.len() as u64, page.total, "refunds that are listed and counted");
            break;
        }
        refunds.extend(page.rows);
    }
    for row in &refunds {
        assert_eq!(store.refund_read(row.id).await.unwrap().as_ref(), Some(row), "as listed, so read");
    }
    for card in &cards {
        assert_eq!(store.card_read(card.id).await.unwrap().as_ref(), Some(card), "as listed, so read");
    }
    let mut transactions = Vec::new();
    for row in listed {
        assert_eq!(store.transaction_read(row.id).await.unwrap().as_ref(), Some(&row), "as listed, so read");
        let history = store.transaction_history(row.id).await.unwrap();
        transactions.push((row, history));
    }
    let customers =
        store.customer_list(CustomerQuery::newest(organisations.to_vec(), 1000)).await.unwrap().rows;
    let mut idempotency = Vec::new();
    for key in keys {
        idempotency.push(store.idempotency_read(*key).await.unwrap());
    }
    let mut audit = Vec::new();
    for writer in store.audit_writers().await.unwrap() {
        audit.extend(store.audit_read(writer, 1, usize::MAX).await.unwrap());
    }
    Contents {
        cards,
        transactions,
        customers,
        open: store.transaction_open().await.unwrap(),
        refunds,
        refunds_open: store.refund_open().await.unwrap(),
        nodes: store.node_read_all().await.unwrap(),
        documents: store.document_read_all().await.unwrap(),
        idempotency,
        audit,
    }
}
