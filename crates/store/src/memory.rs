use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, RefundId, Timestamp, TransactionId,
};

use crate::checkpoint::TrailMark;
use crate::commit::{Commit, Outcome};
use crate::decide::{Decision, Standing, State, decide};
use crate::document::{DocumentKind, DocumentRow};
use crate::effect::Effect;
use crate::limits::LIST_ROWS_MAX;
use crate::query::{
    CardQuery, CheckoutQuery, CustomerQuery, DeliveryQuery, Indexed, Page, Query, RefundQuery,
    TransactionQuery,
};
use crate::row::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryLane, DeliveryPlace,
    DeliveryRow, HistoryRow, IdempotencyKey, IdempotencyRow, NodeRow, RefundRow, Row, RowKey, Table,
    TransactionRow,
};
use crate::store::{Pending, Store, StoreFault, StoreStatus, Totals};

/// A store in memory that forgets all when it goes: the specification of every other store.
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    writer: NodeId,
    shared: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { tables: Arc::default(), writer: NodeId::from_bytes([0; 12]), shared: false }
    }
}

#[derive(Default)]
struct Tables {
    rows: BTreeMap<RowKey, Row>,
    audit: Vec<AuditRecord>,
    /// How many records each writer has written.
    written: BTreeMap<NodeId, u64>,
    /// Those that write no more.
    closed: BTreeSet<NodeId>,
}

/// Where each table begins.
const CARDS: RowKey = RowKey::Card(CardId::from_bytes([0; 12]));
const TRANSACTIONS: RowKey = RowKey::Transaction(TransactionId::from_bytes([0; 12]));
const DOCUMENTS: RowKey = RowKey::Document(DocumentKind::Organisation, Id::from_bytes([0; 12]));
const IDEMPOTENCY: RowKey = RowKey::Idempotency(IdempotencyKey([0; 16]));
const CARD_CVVS: RowKey = RowKey::CardCvv(CardId::from_bytes([0; 12]));
const REFUNDS: RowKey = RowKey::Refund(RefundId::from_bytes([0; 12]));
const CUSTOMERS: RowKey = RowKey::Customer(CustomerId::from_bytes([0; 12]));
const DELIVERIES: RowKey = RowKey::Delivery(DeliveryId::from_bytes([0; 12]));
const CHECKOUTS: RowKey = RowKey::Checkout(CheckoutId::from_bytes([0; 12]));
const NODES: RowKey = RowKey::Node(NodeId::from_bytes([0; 12]));

impl State for Tables {
    fn standing(&self, key: RowKey) -> Result<Option<Standing>, StoreFault> {
        let standing = |row: &Row| Standing { version: row.version(), organisation: row.organisation() };
        Ok(self.rows.get(&key).map(standing))
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        Ok(match self.rows.get(&RowKey::Idempotency(key)) {
            Some(Row::Idempotency(row)) => Some(Box::new(row.as_ref().clone())),
            Some(_) | None => None,
        })
    }
}

macro_rules! of {
    ($variant:ident) => {
        |row: &Row| if let Row::$variant(row) = row { Some(Arc::clone(row)) } else { None }
    };
}

impl Tables {
    fn one<T>(&self, key: RowKey, of: impl Fn(&Row) -> Option<Arc<T>>) -> Option<Arc<T>> {
        self.rows.get(&key).and_then(of)
    }

    /// The rows of the table that begins at `first`, in the order of their keys.
    fn all<T>(&self, first: RowKey, of: impl Fn(&Row) -> Option<Arc<T>>) -> std::vec::IntoIter<Arc<T>> {
        let of_the_table = self.rows.range(first..).map_while(|(_, row)| of(row));
        of_the_table.collect::<Vec<_>>().into_iter()
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Put(row) | Effect::Retag(row) => drop(self.rows.insert(row.key(), row)),
            Effect::Delete(key) => drop(self.rows.remove(&key)),
        }
    }
}

impl MemoryStore {
    /// An empty store, of one node.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same rows, as one of several nodes sees and writes them. Vaults that are open at the same time need one of these each. A chain that was closed
    /// goes on here.
    pub fn beside(&self, writer: NodeId) -> Self {
        self.tables().closed.remove(&writer);
        Self { tables: Arc::clone(&self.tables), writer, shared: true }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        let mut tables = self.tables();
        if tables.closed.contains(&self.writer) {
            return Err(StoreFault::Stopped);
        }
        match decide(&commit, &*tables)? {
            Decision::Claimed(row) => return Ok(Outcome::Claimed(row)),
            Decision::Unmet(at) => return Ok(Outcome::Unmet(at)),
            Decision::Do => {}
        }
        let Commit { claim, effects, audit, .. } = commit;
        effects.into_iter().for_each(|effect| tables.apply(effect));
        if let Some(claim) = claim {
            tables.apply(Effect::from(*claim.row));
        }
        let place = tables.written.get(&self.writer).map_or(1, |written| written + 1);
        tables.written.insert(self.writer, place);
        tables.audit.push(AuditRecord { writer: self.writer, place, note: audit });
        Ok(Outcome::Done { order: tables.audit.len() as u64 })
    }

    fn page<F: Indexed>(
        query: &Query<F>,
        newest_first: impl Iterator<Item = Arc<F::Row>>,
        id: impl Fn(&F::Row) -> Id,
    ) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let limit = query.limit.min(LIST_ROWS_MAX) as usize;
        let part = |rows: Vec<_>| rows.into_iter().skip(skip).take(limit).collect();
        if F::IS_COUNTED && query.filters.is_empty() && query.sorted().is_none() {
            let rows: Vec<_> = newest_first.collect();
            let matching = rows.len() as u64;
            let behind = rows.into_iter().filter(|row| query.is_behind(id(row))).collect();
            let page = query.page_of_counted(part(behind), matching);
            return Ok(Page {
                next: query.next(page.rows.len(), page.rows.last().map(|row| id(row))),
                ..page
            });
        }
        let is_found = |row: &F::Row| query.indexed().is_none_or(|filter| filter.holds(row));
        let (first, last) = query.ids();
        let found = newest_first.filter(|row| {
            let id = id(row);
            is_found(row) && query.is_behind(id) && (first..=last).contains(&id)
        });
        let mut rows = Vec::new();
        let (mut examined, mut is_exact) = (0, query.after.is_none());
        let (mut last, mut part_end) = (None, None);
        for row in found {
            if query.examines() && examined == query.examined_max {
                part_end = query.part_end(rows.len() as u64, last)?;
                is_exact = false;
                break;
            }
            examined += 1;
            last = Some(id(&row));
            if query.holds(&row) {
                rows.push(row);
            }
            if query.sorted().is_none() && rows.len() as u64 >= query.count_end() {
                is_exact = false;
                break;
            }
        }
        query.order(&mut rows);
        let matching = rows.len() as u64;
        let page = query.page_of_counted(part(rows), matching);
        let last = page.rows.last().filter(|_| query.sorted().is_none()).map(|row| id(row));
        let next = part_end.or_else(|| query.next(page.rows.len(), last));
        Ok(Page { is_exact: is_exact && page.is_exact, next, ..page })
    }
}

/// Answers at once.
fn ready<T: Send + 'static>(answer: T) -> Pending<'static, T> {
    Box::pin(core::future::ready(Ok(answer)))
}

impl Store for MemoryStore {
    fn is_shared(&self) -> bool {
        self.shared
    }

    fn clock(&self) -> Pending<'_, Option<Timestamp>> {
        ready(None)
    }

    fn commit(&self, commit: Commit) -> Pending<'_, Outcome> {
        Box::pin(core::future::ready(self.done(commit)))
    }

    fn row_page(&self, table: Table, after: Option<RowKey>, limit: usize) -> Pending<'_, Vec<Row>> {
        let tables = self.tables();
        let rows = tables.rows.iter().filter(|(key, _)| key.table() == table);
        let behind = rows.filter(|(key, _)| after.is_none_or(|after| **key > after));
        ready(behind.take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        ready(self.tables().one(RowKey::Card(id), of!(Card)))
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        let tables = self.tables();
        let rows = tables.all(CARDS, of!(Card)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        let tables = self.tables();
        ready(tables.all(CARDS, of!(Card)).filter(|row| row.id > after).take(limit).collect())
    }

    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>> {
        ready(self.tables().one(RowKey::CardCvv(card), of!(CardCvv)))
    }

    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>> {
        let tables = self.tables();
        ready(cards.into_iter().map(|card| tables.one(RowKey::CardCvv(card), of!(CardCvv))).collect())
    }

    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>> {
        let tables = self.tables();
        let expired = tables.all(CARD_CVVS, of!(CardCvv)).filter(|row| row.cvv_until <= now);
        ready(expired.take(limit).collect())
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        ready(self.tables().one(RowKey::Transaction(id), of!(Transaction)))
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>> {
        let tables = self.tables();
        let steps = tables.all(RowKey::History(id, 0), of!(History));
        ready(steps.take_while(|row| row.transaction == id).collect::<Vec<_>>().into_iter().rev().collect())
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        let tables = self.tables();
        let rows = tables.all(TRANSACTIONS, of!(Transaction)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        let tables = self.tables();
        let rows = tables.all(TRANSACTIONS, of!(Transaction));
        ready(rows.filter(|row| row.is_open()).collect())
    }

    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>> {
        ready(self.tables().one(RowKey::Refund(id), of!(Refund)))
    }

    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>> {
        let tables = self.tables();
        let rows = tables.all(REFUNDS, of!(Refund)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>> {
        let tables = self.tables();
        ready(tables.all(REFUNDS, of!(Refund)).filter(|row| row.is_open()).collect())
    }

    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>> {
        ready(self.tables().one(RowKey::Customer(id), of!(Customer)))
    }

    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>> {
        let tables = self.tables();
        let rows = tables.all(CUSTOMERS, of!(Customer)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        ready(self.tables().one(RowKey::Delivery(id), of!(Delivery)))
    }

    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>> {
        let tables = self.tables();
        let rows = tables.all(DELIVERIES, of!(Delivery)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>> {
        let tables = self.tables();
        let due = tables.all(DELIVERIES, of!(Delivery)).filter(|row| row.is_waiting() && row.due_at <= now);
        let lanes: BTreeSet<_> = due.map(|row| row.lane()).collect();
        let behind = lanes.into_iter().filter(|lane| after.as_ref().is_none_or(|after| lane > after));
        ready(behind.take(limit).collect())
    }

    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        let tables = self.tables();
        let due = tables.all(DELIVERIES, of!(Delivery)).filter(|row| row.is_waiting() && row.due_at <= now);
        let mut due: Vec<_> =
            due.filter(|row| row.lane() == lane && after.is_none_or(|after| row.place() > after)).collect();
        due.sort_by_key(|row| row.place());
        due.truncate(limit);
        ready(due)
    }

    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        let tables = self.tables();
        let waiting = tables.all(DELIVERIES, of!(Delivery)).filter(|row| row.is_waiting());
        ready(waiting.filter(|row| row.object == object).min_by_key(|row| (row.object_version, row.id)))
    }

    fn delivery_waiting(&self) -> Pending<'_, u64> {
        let tables = self.tables();
        ready(tables.all(DELIVERIES, of!(Delivery)).filter(|row| row.is_waiting()).count() as u64)
    }

    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        let tables = self.tables();
        let over = tables.all(DELIVERIES, of!(Delivery)).filter(|row| !row.is_waiting() && row.due_at <= now);
        let mut over: Vec<_> = over.filter(|row| after.is_none_or(|after| row.place() > after)).collect();
        over.sort_by_key(|row| row.place());
        over.truncate(limit);
        ready(over)
    }

    fn checkout_read(&self, id: CheckoutId) -> Pending<'_, Option<Arc<CheckoutRow>>> {
        ready(self.tables().one(RowKey::Checkout(id), of!(Checkout)))
    }

    fn checkout_list(&self, query: CheckoutQuery) -> Pending<'_, Page<Arc<CheckoutRow>>> {
        let tables = self.tables();
        let rows = tables.all(CHECKOUTS, of!(Checkout)).rev();
        let rows = rows.filter(|row| query.organisations.contains(&row.organisation));
        Box::pin(core::future::ready(Self::page(&query, rows, |row| row.id.0)))
    }

    fn checkout_over(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CheckoutRow>>> {
        let tables = self.tables();
        let over = tables.all(CHECKOUTS, of!(Checkout)).filter(|row| row.remove_at <= now);
        let mut over: Vec<_> = over.collect();
        over.sort_by_key(|row| (row.remove_at, row.id));
        over.truncate(limit);
        ready(over)
    }

    fn node_renew(&self, row: NodeRow, version: u32) -> Pending<'_, bool> {
        let (mut tables, row) = (self.tables(), Row::from(row));
        let is_that = tables.rows.get(&row.key()).is_some_and(|there| there.version() == version);
        if is_that && self.shared {
            tables.apply(Effect::Put(row));
        }
        ready(is_that && self.shared)
    }

    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>> {
        ready(self.tables().all(NODES, of!(Node)).collect())
    }

    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>> {
        let tables = self.tables();
        ready(keys.into_iter().map(|key| tables.one(RowKey::ApiKeyUse(key), of!(ApiKeyUse))).collect())
    }

    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>> {
        ready(self.tables().all(DOCUMENTS, of!(Document)).collect())
    }

    fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Pending<'_, Vec<Option<Arc<DocumentRow>>>> {
        let tables = self.tables();
        let read = |(kind, id)| tables.one(RowKey::Document(kind, id), of!(Document));
        ready(keys.into_iter().map(read).collect())
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        Box::pin(core::future::ready(self.tables().idempotency(key)))
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>> {
        let tables = self.tables();
        let expired = tables.all(IDEMPOTENCY, of!(Idempotency)).filter(|row| row.expires_at <= now);
        ready(expired.map(|row| row.key).take(limit).collect())
    }

    fn audit_writers(&self) -> Pending<'_, Vec<NodeId>> {
        ready(self.tables().written.keys().copied().collect())
    }

    fn audit_read(&self, writer: NodeId, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        let tables = self.tables();
        let records = tables.audit.iter().filter(|record| record.writer == writer && record.place >= first);
        ready(records.take(limit).copied().collect())
    }

    fn audit_ends(&self, writers: Vec<NodeId>) -> Pending<'_, Vec<u64>> {
        let tables = self.tables();
        ready(writers.iter().map(|writer| tables.written.get(writer).copied().unwrap_or(0)).collect())
    }

    fn audit_forget(&self, writer: NodeId, first: u64) -> Pending<'_, ()> {
        let mut tables = self.tables();
        let last = tables.written.get(&writer).copied().unwrap_or(0);
        tables.audit.retain(|record| record.writer != writer || record.place >= first.min(last));
        ready(())
    }

    fn audit_marks(&self, chains: Vec<(NodeId, u64)>) -> Pending<'_, Vec<TrailMark>> {
        let tables = self.tables();
        let end = |writer: &NodeId| tables.written.get(writer).copied().unwrap_or(0);
        let mark =
            |(writer, place): &(NodeId, u64)| TrailMark { place: end(writer).min(*place), tag: [0; 34] };
        ready(chains.iter().map(mark).collect())
    }

    fn audit_close(&self, writer: NodeId, end: u64) -> Pending<'_, bool> {
        let mut tables = self.tables();
        let is_end = tables.written.get(&writer).copied().unwrap_or(0) == end;
        if is_end {
            tables.closed.insert(writer);
        }
        ready(is_end)
    }

    fn chain_key(&self, _writer: NodeId, _first: u64) -> Pending<'_, Option<u16>> {
        ready(None)
    }

    fn totals(&self) -> Pending<'_, Totals> {
        let mut totals = Totals::default();
        for row in self.tables().rows.values() {
            match row {
                Row::Card(_) => totals.cards += 1,
                Row::Transaction(_) => totals.transactions += 1,
                Row::Refund(_) => totals.refunds += 1,
                Row::CardCvv(_)
                | Row::History(_)
                | Row::Customer(_)
                | Row::Delivery(_)
                | Row::Checkout(_)
                | Row::Document(_)
                | Row::Idempotency(_)
                | Row::Node(_)
                | Row::ApiKeyUse(_) => {}
            }
        }
        ready(totals)
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { sequence: self.tables().audit.len() as u64, patrolled: true, ..StoreStatus::default() }
    }

    fn close(&self) -> Pending<'_, ()> {
        ready(())
    }
}
