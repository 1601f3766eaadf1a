use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, RefundId, Timestamp, TransactionId,
};
use panvault_store::checkpoint::{ChainTag, TrailMark};
use panvault_store::{
    Action, ApiKeyUseRow, AuditRecord, CardCvvRow, CardQuery, CardRow, CheckoutQuery, CheckoutRow, Commit,
    CustomerQuery, CustomerRow, DeliveryLane, DeliveryPlace, DeliveryQuery, DeliveryRow, DocumentKind,
    DocumentRow, HistoryRow, IdempotencyKey, IdempotencyRow, MemoryStore, NodeRow, Outcome, Page, Pending,
    RefundQuery, RefundRow, Row, RowKey, Store, StoreFault, StoreStatus, Table, Totals, TransactionQuery,
    TransactionRow,
};
use panvault_testkit::TestClock;
use panvault_vault::Clock;

use crate::gate::Gate;

/// A store with somebody in it: hands out other rows than it keeps, and stops answering where it is told to.
#[derive(Default)]
pub(crate) struct Intruder {
    store: Rows,
    plot: Mutex<Plot>,
    written: Mutex<Written>,
    documents_read: AtomicUsize,
    /// Where tasks stand still when `INITIATED` is durable.
    pub(crate) initiated: Gate,
    /// And before an outcome is.
    pub(crate) settling: Gate,
}

/// Where the rows are.
enum Rows {
    Memory(MemoryStore),
    Database(Arc<dyn Store>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Memory(MemoryStore::default())
    }
}

impl Deref for Rows {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Memory(store) => store,
            Self::Database(store) => store.as_ref(),
        }
    }
}

/// What commits have written so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Written {
    pub(crate) commits: usize,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

type Change<T> = Box<dyn Fn(&mut T) + Send>;
type MarkChange = Box<dyn Fn(NodeId, &mut TrailMark) + Send>;

/// What the intruder is up to.
#[derive(Default)]
pub(crate) struct Plot {
    pub(crate) card: Option<Change<CardRow>>,
    pub(crate) card_cvv: Option<Change<CardCvvRow>>,
    pub(crate) transaction: Option<Change<TransactionRow>>,
    pub(crate) refund: Option<Change<RefundRow>>,
    pub(crate) history: Option<Change<Vec<HistoryRow>>>,
    pub(crate) documents: Option<Change<Vec<DocumentRow>>>,
    pub(crate) idempotency: Option<Change<IdempotencyRow>>,
    pub(crate) nodes: Option<Change<Vec<NodeRow>>>,
    pub(crate) stop: Option<Stop>,
    pub(crate) initiate_fault: Option<StoreFault>,
    /// A fault of every note of what was counted.
    pub(crate) counted_fault: Option<StoreFault>,
    /// A fault of every change and deletion of a card.
    pub(crate) card_fault: Option<StoreFault>,
    /// A fault of changes of the vault's own keys, and how many are done before.
    pub(crate) vault_key_fault: Option<(StoreFault, usize)>,
    /// What renewals of leases are answered with, and whether they are done all the same.
    pub(crate) renewal: Option<(StoreFault, bool)>,
    /// How many outcomes are written and answered as if nobody knew it.
    pub(crate) settle_unheard: usize,
    /// How many further tries of payments are written and answered as if nobody knew it.
    pub(crate) try_unheard: usize,
    /// A fault of them, and how many times it happens.
    pub(crate) try_faults: Option<(StoreFault, usize)>,
    /// A fault, and how many times it happens.
    pub(crate) settle_faults: Option<(StoreFault, usize)>,
    /// A fault of every change of a delivery, and how often it happened.
    pub(crate) delivery_fault: Option<StoreFault>,
    pub(crate) deliveries_failed: usize,
    /// What is wrong with deliveries that are due in one lane, by its host.
    pub(crate) lane_fault: Option<(String, StoreFault)>,
    /// A fault of each list of what is over or has expired.
    pub(crate) expired_fault: Option<StoreFault>,
    pub(crate) delivery: Option<Change<DeliveryRow>>,
    /// A fault for which writes are said to be refused.
    pub(crate) status_fault: Option<StoreFault>,
    /// The audit trail is never read to an end.
    pub(crate) audit_silent: bool,
    /// The clock that all nodes go by, where it is not their own.
    pub(crate) clock: Option<Arc<TestClock>>,
    /// The store is out of reach: reads of single documents, of nodes and of the clock fail.
    pub(crate) unreachable: bool,
    /// Of documents that are read one by one.
    pub(crate) document: Option<Change<Option<DocumentRow>>>,
    /// Records of each read of the trail.
    pub(crate) trail: Option<Change<Vec<AuditRecord>>>,
    /// A fault of each step of a chain that is to be given another tag.
    pub(crate) retag_fault: Option<StoreFault>,
    /// Steps of chains, as they are marked.
    pub(crate) marks: Option<MarkChange>,
    /// Reads of single documents are never answered.
    pub(crate) heads_silent: bool,
    /// Lets other tasks run before each step, so that requests overtake each other.
    pub(crate) yields: bool,
}

/// Where the store falls silent, as a process that is killed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    BeforeInitiate,
    AfterInitiate,
    /// The next try of a payment is not written yet.
    BeforeTry,
    /// It is, and nothing of it was sent.
    AfterTry,
    BeforeSettle,
    AfterSettle,
    /// A card's change or deletion is not written yet.
    BeforeCard,
    /// It is durable, and nobody has heard of it.
    AfterCard,
}

impl Intruder {
    /// The same rows, as another node sees and writes them; nobody is in that one.
    pub(crate) fn beside(&self, node: NodeId) -> Self {
        match &self.store {
            Rows::Memory(store) => Self { store: Rows::Memory(store.beside(node)), ..Self::default() },
            Rows::Database(_) => panic!("each node opens a database itself"),
        }
    }

    /// The rows of a database.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        Self { store: Rows::Database(store), ..Self::default() }
    }

    pub(crate) fn plot(&self, change: impl FnOnce(&mut Plot)) {
        change(&mut self.plot.lock().unwrap());
    }

    /// What the one writer of this store has written from a place on.
    pub(crate) async fn trail(&self, first: u64) -> Vec<AuditRecord> {
        let writers = self.audit_writers().await.unwrap();
        self.audit_read(writers[0], first, usize::MAX).await.unwrap()
    }

    pub(crate) fn leave(&self) {
        self.plot(|plot| *plot = Plot::default());
    }

    fn changed_card(&self, row: Arc<CardRow>) -> Arc<CardRow> {
        match &self.plot.lock().unwrap().card {
            Some(change) => {
                let mut row = CardRow::clone(&row);
                change(&mut row);
                Arc::new(row)
            }
            None => row,
        }
    }

    fn changed_transaction(&self, row: Arc<TransactionRow>) -> Arc<TransactionRow> {
        match &self.plot.lock().unwrap().transaction {
            Some(change) => {
                let mut row = TransactionRow::clone(&row);
                change(&mut row);
                Arc::new(row)
            }
            None => row,
        }
    }

    fn changed_delivery(&self, row: Arc<DeliveryRow>) -> Arc<DeliveryRow> {
        match &self.plot.lock().unwrap().delivery {
            Some(change) => {
                let mut row = DeliveryRow::clone(&row);
                change(&mut row);
                Arc::new(row)
            }
            None => row,
        }
    }

    async fn delivered(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        {
            let plot = &mut *self.plot.lock().unwrap();
            if let Some(fault) = plot.delivery_fault {
                plot.deliveries_failed += 1;
                return Err(fault);
            }
        }
        self.done(commit).await
    }

    fn expired_fault(&self) -> Result<(), StoreFault> {
        self.plot.lock().unwrap().expired_fault.map_or(Ok(()), Err)
    }

    fn changed_refund(&self, row: Arc<RefundRow>) -> Arc<RefundRow> {
        match &self.plot.lock().unwrap().refund {
            Some(change) => {
                let mut row = RefundRow::clone(&row);
                change(&mut row);
                Arc::new(row)
            }
            None => row,
        }
    }

    pub(crate) fn written(&self) -> Written {
        *self.written.lock().unwrap()
    }

    /// How often all documents were read.
    pub(crate) fn documents_read(&self) -> usize {
        self.documents_read.load(Ordering::SeqCst)
    }

    fn count(&self, commit: &Commit) {
        let mut bytes = Vec::new();
        commit.effects.iter().for_each(|effect| effect.encode(&mut bytes));
        let mut written = self.written.lock().unwrap();
        written.commits += 1;
        written.rows += commit.effects.len();
        written.bytes += bytes.len();
    }

    fn changed_card_cvv(&self, row: Arc<CardCvvRow>) -> Arc<CardCvvRow> {
        match &self.plot.lock().unwrap().card_cvv {
            Some(change) => {
                let mut row = CardCvvRow::clone(&row);
                change(&mut row);
                Arc::new(row)
            }
            None => row,
        }
    }

    async fn done(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        self.count(&commit);
        let mut outcome = self.store.commit(commit).await?;
        self.overtaken().await;
        if let (Outcome::Claimed(row), Some(change)) = (&mut outcome, &self.plot.lock().unwrap().idempotency)
        {
            change(row);
        }
        Ok(outcome)
    }

    async fn initiated(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        self.overtaken().await;
        self.silent_at(Stop::BeforeInitiate).await;
        if let Some(fault) = self.plot.lock().unwrap().initiate_fault {
            return Err(fault);
        }
        let outcome = self.done(commit).await;
        self.silent_at(Stop::AfterInitiate).await;
        self.initiated.pass().await;
        outcome
    }

    async fn tried(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        self.overtaken().await;
        self.silent_at(Stop::BeforeTry).await;
        if let Some((fault, left)) = &mut self.plot.lock().unwrap().try_faults
            && *left > 0
        {
            *left -= 1;
            return Err(*fault);
        }
        let outcome = self.done(commit).await;
        self.silent_at(Stop::AfterTry).await;
        let unheard = &mut self.plot.lock().unwrap().try_unheard;
        if *unheard > 0 {
            *unheard -= 1;
            return Err(StoreFault::Unresolved);
        }
        outcome
    }

    async fn settled(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        self.overtaken().await;
        self.silent_at(Stop::BeforeSettle).await;
        self.settling.pass().await;
        if let Some((fault, left)) = &mut self.plot.lock().unwrap().settle_faults
            && *left > 0
        {
            *left -= 1;
            return Err(*fault);
        }
        let outcome = self.done(commit).await;
        self.silent_at(Stop::AfterSettle).await;
        let unheard = &mut self.plot.lock().unwrap().settle_unheard;
        if *unheard > 0 {
            *unheard -= 1;
            return Err(StoreFault::Unresolved);
        }
        outcome
    }

    async fn card_changed(&self, commit: Commit) -> Result<Outcome, StoreFault> {
        self.overtaken().await;
        self.silent_at(Stop::BeforeCard).await;
        if let Some(fault) = self.plot.lock().unwrap().card_fault {
            return Err(fault);
        }
        let outcome = self.done(commit).await;
        self.silent_at(Stop::AfterCard).await;
        outcome
    }

    /// Does a renewal, unless there is a plot.
    async fn renewed<T>(&self, renew: impl Future<Output = Result<T, StoreFault>>) -> Result<T, StoreFault> {
        let renewal = self.plot.lock().unwrap().renewal;
        match renewal {
            Some((fault, false)) => Err(fault),
            Some((fault, true)) => {
                renew.await?;
                Err(fault)
            }
            None => renew.await,
        }
    }

    async fn overtaken(&self) {
        if self.plot.lock().unwrap().yields {
            tokio::task::yield_now().await;
        }
    }

    async fn silent_at(&self, stop: Stop) {
        if self.plot.lock().unwrap().stop == Some(stop) {
            core::future::pending::<()>().await;
        }
    }
}

fn unreachable<T: Send + 'static>() -> Pending<'static, T> {
    Box::pin(core::future::ready(Err(StoreFault::Read("it is out of reach"))))
}

impl Store for Intruder {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn clock(&self) -> Pending<'_, Option<Timestamp>> {
        let plot = self.plot.lock().unwrap();
        if plot.unreachable {
            return unreachable();
        }
        let now = plot.clock.as_ref().map(|clock| clock.now().wall);
        Box::pin(core::future::ready(Ok(now)))
    }

    fn commit(&self, commit: Commit) -> Pending<'_, Outcome> {
        match commit.audit.action {
            Action::TransactionInitiate | Action::RefundCreate => Box::pin(self.initiated(commit)),
            Action::TransactionTry => Box::pin(self.tried(commit)),
            Action::TransactionSettle | Action::RefundSettle | Action::RefundFail => {
                Box::pin(self.settled(commit))
            }
            Action::WebhookDeliver => Box::pin(self.delivered(commit)),
            Action::NodeRenew => Box::pin(self.renewed(self.done(commit))),
            Action::CardUpdate | Action::CardDelete | Action::CardReseal => {
                Box::pin(self.card_changed(commit))
            }
            _ => Box::pin(async move {
                self.overtaken().await;
                let fault = self.plot.lock().unwrap().counted_fault;
                if let Some(fault) = fault.filter(|_| commit.audit.action.is_counted()) {
                    return Err(fault);
                }
                if matches!(
                    commit.audit.action,
                    Action::HeaderChange
                        | Action::SlotAdd
                        | Action::SlotRemove
                        | Action::KeyRewrap
                        | Action::RowRetag
                        | Action::DocumentRetag
                        | Action::VaultKeyActivate
                        | Action::VaultKeyDestroy
                ) && let Some((fault, before)) = &mut self.plot.lock().unwrap().vault_key_fault
                {
                    *before = before.checked_sub(1).ok_or(*fault)?;
                }
                self.done(commit).await
            }),
        }
    }

    fn row_page(&self, table: Table, after: Option<RowKey>, limit: usize) -> Pending<'_, Vec<Row>> {
        self.store.row_page(table, after, limit)
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            Ok(self.store.card_read(id).await?.map(|row| self.changed_card(row)))
        })
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        Box::pin(async move {
            let Page { rows, total, is_exact, next } = self.store.card_list(query).await?;
            Ok(Page {
                rows: rows.into_iter().map(|row| self.changed_card(row)).collect(),
                total,
                is_exact,
                next,
            })
        })
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        Box::pin(async move {
            let rows = self.store.card_page(after, limit).await?;
            Ok(rows.into_iter().map(|row| self.changed_card(row)).collect())
        })
    }

    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            let row = self.store.card_cvv_read(card).await?;
            self.overtaken().await;
            Ok(row.map(|row| self.changed_card_cvv(row)))
        })
    }

    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>> {
        Box::pin(async move {
            let rows = self.store.card_cvv_read_many(cards).await?;
            Ok(rows.into_iter().map(|row| row.map(|row| self.changed_card_cvv(row))).collect())
        })
    }

    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>> {
        self.store.api_key_use_read_many(keys)
    }

    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>> {
        self.store.card_cvv_expired(now, limit)
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        Box::pin(async move {
            Ok(self.store.transaction_read(id).await?.map(|row| self.changed_transaction(row)))
        })
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>> {
        Box::pin(async move {
            let rows = self.store.transaction_history(id).await?;
            let Some(change) = &self.plot.lock().unwrap().history else { return Ok(rows) };
            let mut rows = rows.iter().map(|row| row.as_ref().clone()).collect();
            change(&mut rows);
            Ok(rows.into_iter().map(Arc::new).collect())
        })
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        Box::pin(async move {
            let Page { rows, total, is_exact, next } = self.store.transaction_list(query).await?;
            Ok(Page {
                rows: rows.into_iter().map(|row| self.changed_transaction(row)).collect(),
                total,
                is_exact,
                next,
            })
        })
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        Box::pin(async move {
            let rows = self.store.transaction_open().await?;
            Ok(rows.into_iter().map(|row| self.changed_transaction(row)).collect())
        })
    }

    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>> {
        Box::pin(async move { Ok(self.store.refund_read(id).await?.map(|row| self.changed_refund(row))) })
    }

    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>> {
        Box::pin(async move {
            let Page { rows, total, is_exact, next } = self.store.refund_list(query).await?;
            Ok(Page {
                rows: rows.into_iter().map(|row| self.changed_refund(row)).collect(),
                total,
                is_exact,
                next,
            })
        })
    }

    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>> {
        Box::pin(async move {
            let rows = self.store.refund_open().await?;
            Ok(rows.into_iter().map(|row| self.changed_refund(row)).collect())
        })
    }

    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>> {
        self.store.customer_read(id)
    }

    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>> {
        self.store.customer_list(query)
    }

    fn checkout_read(&self, id: CheckoutId) -> Pending<'_, Option<Arc<CheckoutRow>>> {
        self.store.checkout_read(id)
    }

    fn checkout_list(&self, query: CheckoutQuery) -> Pending<'_, Page<Arc<CheckoutRow>>> {
        self.store.checkout_list(query)
    }

    fn checkout_over(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CheckoutRow>>> {
        self.store.checkout_over(now, limit)
    }

    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        self.store.delivery_read(id)
    }

    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>> {
        self.store.delivery_list(query)
    }

    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>> {
        self.store.delivery_lanes(now, after, limit)
    }

    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(async move {
            if let Some((host, fault)) = &self.plot.lock().unwrap().lane_fault
                && lane.host == *host
            {
                return Err(*fault);
            }
            let rows = self.store.delivery_due(lane, now, after, limit).await?;
            Ok(rows.into_iter().map(|row| self.changed_delivery(row)).collect())
        })
    }

    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        Box::pin(
            async move { Ok(self.store.delivery_first(object).await?.map(|row| self.changed_delivery(row))) },
        )
    }

    fn delivery_waiting(&self) -> Pending<'_, u64> {
        self.store.delivery_waiting()
    }

    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        Box::pin(async move {
            self.expired_fault()?;
            let rows = self.store.delivery_over(now, after, limit).await?;
            Ok(rows.into_iter().map(|row| self.changed_delivery(row)).collect())
        })
    }

    fn node_renew(&self, row: NodeRow, version: u32) -> Pending<'_, bool> {
        // What is called is done, whether or not it is waited for.
        Box::pin(self.renewed(async move { self.store.node_renew(row, version).await }))
    }

    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            if self.plot.lock().unwrap().unreachable {
                return unreachable().await;
            }
            let rows = self.store.node_read_all().await?;
            let Some(change) = &self.plot.lock().unwrap().nodes else { return Ok(rows) };
            let mut rows = rows.iter().map(|row| row.as_ref().clone()).collect();
            change(&mut rows);
            Ok(rows.into_iter().map(Arc::new).collect())
        })
    }

    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>> {
        Box::pin(async move {
            self.documents_read.fetch_add(1, Ordering::SeqCst);
            let rows = self.store.document_read_all().await?;
            let Some(change) = &self.plot.lock().unwrap().documents else { return Ok(rows) };
            let mut rows = rows.iter().map(|row| row.as_ref().clone()).collect();
            change(&mut rows);
            Ok(rows.into_iter().map(Arc::new).collect())
        })
    }

    fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Pending<'_, Vec<Option<Arc<DocumentRow>>>> {
        let plot = self.plot.lock().unwrap();
        if plot.heads_silent {
            return Box::pin(core::future::pending());
        }
        if plot.unreachable {
            return unreachable();
        }
        drop(plot);
        Box::pin(async move {
            let mut rows = self.store.document_read_many(keys).await?;
            let Some(change) = &self.plot.lock().unwrap().document else { return Ok(rows) };
            for row in &mut rows {
                let mut changed = row.as_deref().cloned();
                change(&mut changed);
                *row = changed.map(Arc::new);
            }
            Ok(rows)
        })
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            let mut row = self.store.idempotency_read(key).await?;
            if let (Some(row), Some(change)) = (&mut row, &self.plot.lock().unwrap().idempotency) {
                change(row);
            }
            Ok(row)
        })
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>> {
        Box::pin(async move {
            self.expired_fault()?;
            self.store.idempotency_expired(now, limit).await
        })
    }

    fn audit_writers(&self) -> Pending<'_, Vec<NodeId>> {
        self.store.audit_writers()
    }

    fn audit_read(&self, writer: NodeId, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        if self.plot.lock().unwrap().audit_silent {
            return Box::pin(core::future::pending());
        }
        Box::pin(async move {
            let mut records = self.store.audit_read(writer, first, limit).await?;
            if let Some(change) = &self.plot.lock().unwrap().trail {
                change(&mut records);
            }
            Ok(records)
        })
    }

    fn audit_forget(&self, writer: NodeId, first: u64) -> Pending<'_, ()> {
        self.store.audit_forget(writer, first)
    }

    fn audit_marks(&self, chains: Vec<(NodeId, u64)>) -> Pending<'_, Vec<TrailMark>> {
        Box::pin(async move {
            let mut marks = self.store.audit_marks(chains.clone()).await?;
            if let Some(change) = &self.plot.lock().unwrap().marks {
                chains.iter().zip(&mut marks).for_each(|((writer, _), mark)| change(*writer, mark));
            }
            Ok(marks)
        })
    }

    fn audit_close(&self, writer: NodeId, end: u64) -> Pending<'_, bool> {
        self.store.audit_close(writer, end)
    }

    fn chain_key(&self, writer: NodeId, first: u64) -> Pending<'_, Option<u16>> {
        self.store.chain_key(writer, first)
    }

    fn chain_renewed(&self, writer: NodeId, first: u64, mark: TrailMark) -> Pending<'_, Option<ChainTag>> {
        self.store.chain_renewed(writer, first, mark)
    }

    fn chain_retag(&self, writer: NodeId, mark: TrailMark, next: ChainTag) -> Pending<'_, bool> {
        match self.plot.lock().unwrap().retag_fault {
            Some(fault) => Box::pin(core::future::ready(Err(fault))),
            None => self.store.chain_retag(writer, mark, next),
        }
    }

    fn audit_ends(&self, writers: Vec<NodeId>) -> Pending<'_, Vec<u64>> {
        self.store.audit_ends(writers)
    }

    fn totals(&self) -> Pending<'_, Totals> {
        self.store.totals()
    }

    fn status(&self) -> StoreStatus {
        let status = self.store.status();
        StoreStatus { fault: self.plot.lock().unwrap().status_fault.or(status.fault), ..status }
    }

    fn close(&self) -> Pending<'_, ()> {
        self.store.close()
    }
}
