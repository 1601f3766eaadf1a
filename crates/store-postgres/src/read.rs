//! Reads by key, and by the indexes that are no lists.

mod delivery;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use panvault_model::{ApiKeyId, CardId, CheckoutId, CustomerId, Id, RefundId, Timestamp, TransactionId};
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, Chain, CheckoutRow, CustomerRow, DocumentKind, DocumentRow,
    HistoryRow, IdempotencyKey, IdempotencyRow, NodeRow, RefundRow, Row, RowKey, SlotLimits, Slots,
    StoreFault, Table, Totals, TransactionRow,
};
use tokio::time::timeout;

use crate::connect::Database;
use crate::limits::{
    DOCUMENTS_PAGE_ROWS, LEFT_OUT_MAX, LISTS_OF_ONE_MAX, LISTS_WAITING_MAX, READ_TIME, TOTALS_COUNTED_MAX,
    lists_max,
};
use crate::list::snapshot::Snapshot;
use crate::row::{self, Argument, DURABLE, UNREADABLE, limit};
use crate::table;

/// What reads are made from.
pub(crate) struct Reads {
    pub(crate) database: Database,
    pub(crate) chain: Arc<dyn Chain>,
    /// What lists run in, so that they leave connections to reads by key.
    pub(crate) slots: Arc<Slots<()>>,
    /// Damaged rows that were left out, and of which that was said.
    left_out: Mutex<HashSet<Option<RowKey>>>,
}

/// The row of a kind, of what may be any.
macro_rules! of {
    ($variant:ident) => {
        |row: panvault_store::Row| if let panvault_store::Row::$variant(row) = row { Some(row) } else { None }
    };
}
pub(crate) use of;

impl Reads {
    pub(crate) fn new(database: Database, chain: Arc<dyn Chain>) -> Self {
        let lists = lists_max(database.connections_max());
        let limits = SlotLimits { of_one_max: lists.min(LISTS_OF_ONE_MAX), waiting_max: LISTS_WAITING_MAX };
        let slots = Arc::new(Slots::new(vec![(); lists], limits));
        Self { database, chain, slots, left_out: Mutex::default() }
    }

    /// The row of a key.
    async fn one<T>(&self, key: RowKey, of: impl Fn(Row) -> Option<T>) -> Result<Option<T>, StoreFault> {
        let id = table::id(key);
        let rows = self.many(key.table(), "WHERE id = $1", &[Argument::Bytes(&id)], of).await?;
        Ok(rows.into_iter().next())
    }

    /// The rows of several keys of a table, in the order of the keys.
    async fn each<T: Clone>(
        &self,
        table: Table,
        keys: &[RowKey],
        of: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<Option<T>>, StoreFault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Vec<u8>> = keys.iter().map(|key| table::id(*key)).collect();
        let named = |row: Row| {
            let key = row.key();
            of(row).map(|row| (key, row))
        };
        let rows = self.many(table, "WHERE id = ANY($1)", &[Argument::BytesOf(&ids)], named).await?;
        let rows: HashMap<RowKey, T> = rows.into_iter().collect();
        Ok(keys.iter().map(|key| rows.get(key).cloned()).collect())
    }

    /// The rows of a table of which something holds.
    async fn many<T>(
        &self,
        table: Table,
        which: &str,
        arguments: &[Argument<'_>],
        of: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreFault> {
        let sql = format!("{} {which}", row::selected(table));
        self.decoded(table, &self.query(&sql, arguments).await?, of)
    }

    fn decoded<T>(
        &self,
        table: Table,
        found: &[tokio_postgres::Row],
        of: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreFault> {
        let rows = found.iter().map(|found| row::row(table, self.chain.as_ref(), found).map(&of));
        rows.filter_map(Result::transpose).collect()
    }

    /// The same, for what is to be done with each by itself: one that is damaged is left out, so that it keeps nothing else from being done, and said once.
    ///
    /// Not for what may not be missed: reads by key, documents, the history of a transaction, cards that are gone through one after the other, the
    /// first delivery of an object, and lists.
    async fn readable<T>(
        &self,
        table: Table,
        which: &str,
        arguments: &[Argument<'_>],
        of: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreFault> {
        let sql = format!("{} {which}", row::selected(table));
        let found = self.query(&sql, arguments).await?;
        let rows = found.iter().map(|found| Ok(self.readable_row(table, found)?.and_then(&of)));
        rows.filter_map(Result::transpose).collect()
    }

    /// The row, unless it is damaged.
    fn readable_row(&self, table: Table, found: &tokio_postgres::Row) -> Result<Option<Row>, StoreFault> {
        match row::row(table, self.chain.as_ref(), found) {
            Err(StoreFault::Damaged { row: key, fault }) => {
                let mut said = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() < LEFT_OUT_MAX && said.insert(key) {
                    let advice = "somebody changed it in the database; it is left out of what is done by itself until it is restored";
                    tracing::error!(row = ?key, error = %fault, advice, "row.damaged");
                }
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    pub(crate) async fn row_page(
        &self,
        table: Table,
        after: Option<RowKey>,
        rows: usize,
    ) -> Result<Vec<Row>, StoreFault> {
        let after = after.map(table::id).unwrap_or_default();
        let which = "WHERE id > $1 ORDER BY id LIMIT $2";
        self.many(table, which, &[Argument::Bytes(&after), limit(rows)], Some).await
    }

    pub(crate) async fn card_read(&self, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
        self.one(RowKey::Card(id), of!(Card)).await
    }

    pub(crate) async fn card_page(
        &self,
        after: CardId,
        rows: usize,
    ) -> Result<Vec<Arc<CardRow>>, StoreFault> {
        let which = "WHERE id > $1 ORDER BY id LIMIT $2";
        self.many(Table::Card, which, &[Argument::Bytes(after.as_bytes()), limit(rows)], of!(Card)).await
    }

    pub(crate) async fn card_cvv_read(&self, card: CardId) -> Result<Option<Arc<CardCvvRow>>, StoreFault> {
        self.one(RowKey::CardCvv(card), of!(CardCvv)).await
    }

    pub(crate) async fn card_cvv_read_many(
        &self,
        cards: Vec<CardId>,
    ) -> Result<Vec<Option<Arc<CardCvvRow>>>, StoreFault> {
        let keys: Vec<RowKey> = cards.into_iter().map(RowKey::CardCvv).collect();
        self.each(Table::CardCvv, &keys, of!(CardCvv)).await
    }

    pub(crate) async fn card_cvv_expired(
        &self,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<Arc<CardCvvRow>>, StoreFault> {
        let which = "WHERE cvv_until <= $1 ORDER BY cvv_until LIMIT $2";
        self.readable(Table::CardCvv, which, &[moment(now), limit(rows)], of!(CardCvv)).await
    }

    pub(crate) async fn checkout_read(&self, id: CheckoutId) -> Result<Option<Arc<CheckoutRow>>, StoreFault> {
        self.one(RowKey::Checkout(id), of!(Checkout)).await
    }

    pub(crate) async fn checkout_over(
        &self,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<Arc<CheckoutRow>>, StoreFault> {
        let which = "WHERE remove_at <= $1 ORDER BY remove_at, id LIMIT $2";
        self.readable(Table::Checkout, which, &[moment(now), limit(rows)], of!(Checkout)).await
    }

    pub(crate) async fn transaction_read(
        &self,
        id: TransactionId,
    ) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
        self.one(RowKey::Transaction(id), of!(Transaction)).await
    }

    pub(crate) async fn transaction_history(
        &self,
        id: TransactionId,
    ) -> Result<Vec<Arc<HistoryRow>>, StoreFault> {
        let [first, last] = [0, u32::MAX].map(|version| table::id(RowKey::History(id, version)));
        let which = "WHERE id >= $1 AND id <= $2 ORDER BY id DESC";
        let steps = [Argument::Bytes(&first), Argument::Bytes(&last)];
        self.many(Table::History, which, &steps, of!(History)).await
    }

    pub(crate) async fn transaction_open(&self) -> Result<Vec<Arc<TransactionRow>>, StoreFault> {
        self.readable(Table::Transaction, "WHERE open = 1 ORDER BY id", &[], of!(Transaction)).await
    }

    pub(crate) async fn refund_read(&self, id: RefundId) -> Result<Option<Arc<RefundRow>>, StoreFault> {
        self.one(RowKey::Refund(id), of!(Refund)).await
    }

    pub(crate) async fn refund_open(&self) -> Result<Vec<Arc<RefundRow>>, StoreFault> {
        self.readable(Table::Refund, "WHERE open = 1 ORDER BY id", &[], of!(Refund)).await
    }

    pub(crate) async fn customer_read(&self, id: CustomerId) -> Result<Option<Arc<CustomerRow>>, StoreFault> {
        self.one(RowKey::Customer(id), of!(Customer)).await
    }

    /// Whoever takes over from a node that is not among them expects its row to be absent, and one that is damaged is not.
    pub(crate) async fn node_read_all(&self) -> Result<Vec<Arc<NodeRow>>, StoreFault> {
        self.readable(Table::Node, "ORDER BY id", &[], of!(Node)).await
    }

    pub(crate) async fn api_key_use_read_many(
        &self,
        keys: Vec<ApiKeyId>,
    ) -> Result<Vec<Option<Arc<ApiKeyUseRow>>>, StoreFault> {
        let keys: Vec<RowKey> = keys.into_iter().map(RowKey::ApiKeyUse).collect();
        self.each(Table::ApiKeyUse, &keys, of!(ApiKeyUse)).await
    }

    /// By kind, and then by id; all as of one moment, in pages, each of which has the time of a read: however many there are, a node that reads them
    /// comes to the end.
    pub(crate) async fn document_read_all(&self) -> Result<Vec<Arc<DocumentRow>>, StoreFault> {
        let sql = format!("{} WHERE id > $1 ORDER BY id LIMIT $2", row::selected(Table::Document));
        let snapshot = Snapshot::begin(&self.database, READ_TIME).await?;
        let (mut rows, mut after) = (Vec::new(), Vec::new());
        loop {
            let page = [Argument::Bytes(&after), limit(DOCUMENTS_PAGE_ROWS)];
            let found = timeout(READ_TIME + READ_TIME, snapshot.query(&sql, &page))
                .await
                .map_err(|_| StoreFault::Unreachable)??;
            for found in &found {
                rows.extend(of!(Document)(row::row(Table::Document, self.chain.as_ref(), found)?));
            }
            match rows.last() {
                Some(last) if found.len() >= DOCUMENTS_PAGE_ROWS => {
                    after = table::id(RowKey::Document(last.kind, last.id));
                }
                Some(_) | None => break,
            }
        }
        snapshot.end().await?;
        Ok(rows)
    }

    pub(crate) async fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Result<Vec<Option<Arc<DocumentRow>>>, StoreFault> {
        let keys: Vec<RowKey> = keys.into_iter().map(|(kind, id)| RowKey::Document(kind, id)).collect();
        if let [head @ RowKey::Document(DocumentKind::DocumentHead, _)] = keys.as_slice() {
            // Whoever takes it for the store's goes by it for seconds: an old primary must not say what was so before another took its place.
            let sql = format!("{} WHERE id = $1 AND {DURABLE} FOR KEY SHARE", row::selected(Table::Document));
            let found = self.database.query_held(sql, table::id(*head)).await?;
            return Ok(vec![self.decoded(Table::Document, &found, of!(Document))?.into_iter().next()]);
        }
        self.each(Table::Document, &keys, of!(Document)).await
    }

    pub(crate) async fn idempotency_read(
        &self,
        key: IdempotencyKey,
    ) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        let row = self.one(RowKey::Idempotency(key), of!(Idempotency)).await?;
        Ok(row.map(|row| Box::new(Arc::unwrap_or_clone(row))))
    }

    pub(crate) async fn idempotency_expired(
        &self,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<IdempotencyKey>, StoreFault> {
        let which = "WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
        let key = |row: Row| of!(Idempotency)(row).map(|row| row.key);
        self.readable(Table::Idempotency, which, &[moment(now), limit(rows)], key).await
    }

    /// Counted as far as that takes a moment. Of a table that has more rows it is what the database itself takes for their number.
    pub(crate) async fn totals(&self) -> Result<Totals, StoreFault> {
        let count = async |table| {
            let name = table::name(table);
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT $1) AS counted");
            let counted = self.number(&sql, &[Argument::Int(TOTALS_COUNTED_MAX)]).await?;
            if counted < TOTALS_COUNTED_MAX.unsigned_abs() {
                return Ok(counted);
            }
            let sql = "SELECT greatest(reltuples::int8, $1) FROM pg_class WHERE oid = to_regclass($2)";
            self.number(sql, &[Argument::Int(TOTALS_COUNTED_MAX), Argument::Text(name)]).await
        };
        Ok(Totals {
            cards: count(Table::Card).await?,
            transactions: count(Table::Transaction).await?,
            refunds: count(Table::Refund).await?,
        })
    }

    /// The number that a statement gives.
    async fn number(&self, sql: &str, arguments: &[Argument<'_>]) -> Result<u64, StoreFault> {
        number(&self.query(sql, arguments).await?)
    }

    async fn query(
        &self,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, StoreFault> {
        let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
        self.database.query(sql, &typed).await
    }
}

/// A moment as it stands in a column.
fn moment(at: Timestamp) -> Argument<'static> {
    Argument::Int(table::millis(at.unix_millis()))
}

/// The only number of what a statement gave.
pub(crate) fn number(rows: &[tokio_postgres::Row]) -> Result<u64, StoreFault> {
    let number = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
    number.and_then(|number| u64::try_from(number).ok()).ok_or(UNREADABLE)
}
