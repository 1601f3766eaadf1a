mod copy;
mod held;
mod open;
#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, OrganisationId, RefundId, Timestamp,
    TransactionId,
};
use panvault_store::checkpoint::TrailMark;
use panvault_store::{
    ApiKeyUseRow, AuditRecord, CardCvvRow, CardField, CardQuery, CardRow, CheckoutField, CheckoutQuery,
    CheckoutRow, Commit, CustomerField, CustomerQuery, CustomerRow, DeliveryField, DeliveryLane,
    DeliveryPlace, DeliveryQuery, DeliveryRow, DocumentKind, DocumentRow, HistoryRow, IdempotencyKey,
    IdempotencyRow, NodeRow, Outcome, Page, Pending, RefundField, RefundQuery, RefundRow, Row, RowKey, Slots,
    Store, StoreFault, StoreStatus, Table, Totals, TransactionField, TransactionQuery, TransactionRow,
};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::apply_queue::ApplyQueue;
use crate::checkpoint::ViewFiles;
use crate::commit_queue::{CommitQueue, Job};
use crate::failure::Failure;
use crate::limits::{Settings, TOTALS_TIME};
use crate::log::Spares;
use crate::overlay::Overlay;
use crate::readers::Readers;
use crate::row_cache::RowCache;
use crate::stop::Stop;
use crate::view::{self, ListSource, Tail, Tallies};
use crate::writer::Writer;

use held::Held;
pub(crate) use held::log_of;
pub use held::{holder, lock};
pub(crate) use open::{LOG, make_log_within};

/// A store in one directory: the log, and SQLite as the view of it.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the store is open.
    held: Held,
}

struct Shared {
    /// Who writes audit records here: there is one log, and it bears the name of its vault.
    writer_id: NodeId,
    queue: Arc<CommitQueue>,
    writer: Arc<Writer>,
    overlay: Arc<RwLock<Overlay>>,
    tallies: Arc<Tallies>,
    readers: Arc<Readers>,
    row_cache: Arc<RowCache>,
    /// What lists run in.
    slots: Arc<Slots<Connection>>,
    fingerprint_tail: Arc<Tail>,
    apply_queue: Arc<ApplyQueue>,
    applied: watch::Receiver<u64>,
    /// Why the view cannot follow for now.
    view_held_up: watch::Receiver<Option<StoreFault>>,
    stopped: watch::Receiver<bool>,
    durable: Arc<AtomicU64>,
    failure: Arc<Failure>,
    spares: Arc<Spares>,
    settings: Settings,
    /// The last to go: see there.
    _view_files: Arc<ViewFiles>,
}

impl EmbeddedStore {
    /// Resolves when the store has ended: after [`Store::close`], or after a failed write.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.shared.stopped.clone();
        async move {
            // An error means that the thread is gone, which is an end too.
            drop(stopped.wait_for(|stopped| *stopped).await);
        }
    }

    /// Answers from the view once it shows every step that is durable now, on a thread that may take its time.
    fn caught_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> Pending<'_, T> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.catch_up().await?;
            let read = tokio::task::spawn_blocking(move || read(&shared.readers.any()));
            read.await.unwrap_or(Err(StoreFault::Read("the thread that read it has ended")))
        })
    }

    /// Answers at once from the overlay or the view, of a row that bears this id if it bears one.
    fn at_once<T: Send + 'static>(
        &self,
        id: Option<&[u8; 12]>,
        overlay: impl FnOnce(&Overlay) -> Option<Option<T>>,
        view: impl FnOnce(&Connection) -> Result<Option<T>, StoreFault>,
    ) -> Pending<'_, Option<T>> {
        let newer = overlay(&self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner));
        let answer = match newer {
            Some(row) => Ok(row),
            None => view(&id.map_or_else(|| self.shared.readers.any(), |id| self.shared.readers.near(id))),
        };
        Box::pin(core::future::ready(answer))
    }

    /// The same, of a row that the cache may have.
    fn at_once_cached<T: Clone + Into<Row> + Send + 'static>(
        &self,
        key: RowKey,
        id: &[u8; 12],
        of: impl FnOnce(Row) -> Option<T>,
        overlay: impl FnOnce(&Overlay) -> Option<Option<T>>,
        view: impl FnOnce(&Connection) -> Result<Option<T>, StoreFault>,
    ) -> Pending<'_, Option<T>> {
        let cache = &self.shared.row_cache;
        match cache.look(key) {
            Ok(row) => Box::pin(core::future::ready(Ok(of(row)))),
            Err(filling) => self.at_once(Some(id), overlay, |connection| {
                let found = view(connection)?;
                if let Some(row) = &found {
                    cache.fill(filling, row.clone().into());
                }
                Ok(found)
            }),
        }
    }

    /// Answers at once, of several keys in their order.
    fn read_many<K: Copy, T: Send + 'static>(
        &self,
        keys: &[K],
        overlay: impl Fn(&Overlay, K) -> Option<Option<T>>,
        view: impl Fn(&Connection, K) -> Result<Option<T>, StoreFault>,
    ) -> Pending<'_, Vec<Option<T>>> {
        let newer: Vec<_> = {
            let rows = self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().map(|key| overlay(&rows, *key)).collect()
        };
        let connection = self.shared.readers.any();
        let rows =
            keys.iter().zip(newer).map(|(key, newer)| newer.map_or_else(|| view(&connection, *key), Ok));
        Box::pin(core::future::ready(rows.collect()))
    }
}

impl Shared {
    fn take(&self, job: Job) -> Result<(), StoreFault> {
        match self.refusal() {
            Some(fault) => Err(fault),
            None => self.writer.push(job, self.settings.queue_steps_max),
        }
    }

    /// Why nothing is taken in now, as far as that lasts longer than a moment.
    fn refusal(&self) -> Option<StoreFault> {
        if self.spares.is_full() {
            // The segment that is written to may have room yet; what is left on the disk is for the view, which has to follow.
            Some(StoreFault::Full)
        } else if self.behind() > self.settings.behind_steps_max
            || self.apply_queue.bytes() > self.settings.behind_bytes_max
        {
            Some(StoreFault::Busy)
        } else {
            None
        }
    }

    /// Durable steps that the view does not have yet.
    fn behind(&self) -> u64 {
        // The view first: what is durable only grows.
        let applied = *self.applied.borrow();
        self.durable.load(Ordering::SeqCst).saturating_sub(applied)
    }

    /// Waits until the view shows every step that is durable now.
    async fn catch_up(&self) -> Result<(), StoreFault> {
        let asked = self.durable.load(Ordering::SeqCst);
        if *self.applied.borrow() < asked {
            self.apply_queue.want();
        }
        let (mut applied, mut held_up) = (self.applied.clone(), self.view_held_up.clone());
        tokio::select! {
            biased;
            reached = applied.wait_for(|applied| *applied >= asked) => {
                reached.map(drop).map_err(|_| StoreFault::Stopped)
            }
            // What cannot be shown whole is not shown.
            Ok(why) = held_up.wait_for(Option::is_some) => Err(why.unwrap_or(StoreFault::Busy)),
        }
    }

    /// Answers a list from the view once it shows every step that is durable now and a list of this asker may run. It ends soon
    /// after whoever waits has gone, or the time of a list is over.
    fn listed<T: Send + 'static>(
        self: &Arc<Self>,
        asked_by: Option<OrganisationId>,
        read: impl FnOnce(&ListSource<'_>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Pending<'static, T> {
        let shared = Arc::clone(self);
        Box::pin(async move {
            shared.catch_up().await?;
            let time = shared.settings.list_time;
            let waited = timeout(time, shared.slots.take(asked_by)).await;
            let mut slot = waited.unwrap_or(Err(StoreFault::Busy))?;
            let (stop, tail) = (Stop::default(), Arc::clone(&shared.fingerprint_tail));
            let tallies = Arc::clone(&shared.tallies);
            let _stop_when_dropped = stop.when_dropped();
            let read = tokio::task::spawn_blocking(move || {
                let view = slot.held().ok_or(StoreFault::Read("no connection is free"))?;
                stop.interrupting(view, |view| {
                    read(&ListSource { view, tail: &tail, tallies: &tallies, stop: &stop })
                })
            });
            let ended = timeout(time, read).await.map_err(|_| StoreFault::TimedOut)?;
            ended.unwrap_or(Err(StoreFault::Read("the thread that read it has ended")))
        })
    }
}

impl Store for EmbeddedStore {
    /// The directory is locked.
    fn is_shared(&self) -> bool {
        false
    }

    /// There is one node, and what it sees is the time.
    fn clock(&self) -> Pending<'_, Option<Timestamp>> {
        Box::pin(core::future::ready(Ok(None)))
    }

    fn list_time(&self) -> Duration {
        self.shared.settings.list_time
    }

    fn commit(&self, commit: Commit) -> Pending<'_, Outcome> {
        let (reply, answer) = oneshot::channel();
        // It is taken in now, whatever becomes of the future.
        let taken = self.shared.take(Job { commit, reply });
        Box::pin(async move {
            taken?;
            answer.await.unwrap_or(Err(StoreFault::Stopped))
        })
    }

    fn row_page(&self, table: Table, after: Option<RowKey>, limit: usize) -> Pending<'_, Vec<Row>> {
        self.caught_up(move |view| view::row_page(view, table, after, limit))
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        let of = |row| match row {
            Row::Card(row) => Some(row),
            _ => None,
        };
        let key = RowKey::Card(id);
        let (overlay, view) = (|overlay: &Overlay| overlay.card(id), |view: &_| view::card(view, id));
        self.at_once_cached(key, id.as_bytes(), of, overlay, view)
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<CardField>(source, &query))
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        self.shared.listed(None, move |source| view::card_page(source.view, after, limit))
    }

    fn card_cvv_read(&self, card: CardId) -> Pending<'_, Option<Arc<CardCvvRow>>> {
        self.at_once(None, |overlay| overlay.card_cvv(card), |view| view::card_cvv(view, card))
    }

    fn card_cvv_read_many(&self, cards: Vec<CardId>) -> Pending<'_, Vec<Option<Arc<CardCvvRow>>>> {
        self.read_many(&cards, Overlay::card_cvv, view::card_cvv)
    }

    fn card_cvv_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CardCvvRow>>> {
        self.caught_up(move |view| view::card_cvv_expired(view, now, limit))
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        let of = |row| match row {
            Row::Transaction(row) => Some(row),
            _ => None,
        };
        let key = RowKey::Transaction(id);
        let overlay = |overlay: &Overlay| overlay.transaction(id);
        self.at_once_cached(key, id.as_bytes(), of, overlay, |view| view::transaction(view, id))
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<Arc<HistoryRow>>> {
        self.caught_up(move |view| view::history(view, id))
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<TransactionField>(source, &query))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        self.caught_up(view::open_transactions)
    }

    fn refund_read(&self, id: RefundId) -> Pending<'_, Option<Arc<RefundRow>>> {
        self.at_once(Some(id.as_bytes()), |overlay| overlay.refund(id), |view| view::refund(view, id))
    }

    fn refund_list(&self, query: RefundQuery) -> Pending<'_, Page<Arc<RefundRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<RefundField>(source, &query))
    }

    fn refund_open(&self) -> Pending<'_, Vec<Arc<RefundRow>>> {
        self.caught_up(view::open_refunds)
    }

    fn customer_read(&self, id: CustomerId) -> Pending<'_, Option<Arc<CustomerRow>>> {
        self.at_once(Some(id.as_bytes()), |overlay| overlay.customer(id), |view| view::customer(view, id))
    }

    fn customer_list(&self, query: CustomerQuery) -> Pending<'_, Page<Arc<CustomerRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<CustomerField>(source, &query))
    }

    fn checkout_read(&self, id: CheckoutId) -> Pending<'_, Option<Arc<CheckoutRow>>> {
        self.at_once(Some(id.as_bytes()), |overlay| overlay.checkout(id), |view| view::checkout(view, id))
    }

    fn checkout_list(&self, query: CheckoutQuery) -> Pending<'_, Page<Arc<CheckoutRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<CheckoutField>(source, &query))
    }

    fn checkout_over(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<Arc<CheckoutRow>>> {
        self.caught_up(move |view| view::checkout_over(view, now, limit))
    }

    fn delivery_read(&self, id: DeliveryId) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        self.at_once(Some(id.as_bytes()), |overlay| overlay.delivery(id), |view| view::delivery(view, id))
    }

    fn delivery_list(&self, query: DeliveryQuery) -> Pending<'_, Page<Arc<DeliveryRow>>> {
        self.shared.listed(query.asked_by, move |source| view::list::<DeliveryField>(source, &query))
    }

    fn delivery_lanes(
        &self,
        now: Timestamp,
        after: Option<DeliveryLane>,
        limit: usize,
    ) -> Pending<'_, Vec<DeliveryLane>> {
        self.caught_up(move |view| view::delivery_lanes(view, now, after, limit))
    }

    fn delivery_due(
        &self,
        lane: DeliveryLane,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        self.caught_up(move |view| view::delivery_due(view, &lane, now, after, limit))
    }

    fn delivery_first(&self, object: Id) -> Pending<'_, Option<Arc<DeliveryRow>>> {
        self.caught_up(move |view| view::delivery_first(view, object))
    }

    fn delivery_waiting(&self) -> Pending<'_, u64> {
        self.caught_up(view::delivery_waiting)
    }

    fn delivery_over(
        &self,
        now: Timestamp,
        after: Option<DeliveryPlace>,
        limit: usize,
    ) -> Pending<'_, Vec<Arc<DeliveryRow>>> {
        self.caught_up(move |view| view::delivery_over(view, now, after, limit))
    }

    fn node_read_all(&self) -> Pending<'_, Vec<Arc<NodeRow>>> {
        self.caught_up(view::nodes)
    }

    fn api_key_use_read_many(&self, keys: Vec<ApiKeyId>) -> Pending<'_, Vec<Option<Arc<ApiKeyUseRow>>>> {
        self.read_many(&keys, Overlay::api_key_use, view::api_key_use)
    }

    fn document_read_all(&self) -> Pending<'_, Vec<Arc<DocumentRow>>> {
        self.caught_up(view::documents)
    }

    fn document_read_many(
        &self,
        keys: Vec<(DocumentKind, Id)>,
    ) -> Pending<'_, Vec<Option<Arc<DocumentRow>>>> {
        self.read_many(&keys, Overlay::document, view::document)
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        self.at_once(None, |overlay| overlay.idempotency(key), |view| view::idempotency(view, key))
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Pending<'_, Vec<IdempotencyKey>> {
        self.caught_up(move |view| view::idempotency_expired(view, now, limit))
    }

    fn audit_writers(&self) -> Pending<'_, Vec<NodeId>> {
        let writer = self.shared.writer_id;
        let written = self.shared.durable.load(Ordering::SeqCst) > 0;
        Box::pin(core::future::ready(Ok(written.then_some(writer).into_iter().collect())))
    }

    fn audit_read(&self, writer: NodeId, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        if writer != self.shared.writer_id {
            return Box::pin(core::future::ready(Ok(Vec::new())));
        }
        self.caught_up(move |view| view::audit(view, writer, first, limit))
    }

    fn audit_ends(&self, writers: Vec<NodeId>) -> Pending<'_, Vec<u64>> {
        let durable = self.shared.durable.load(Ordering::SeqCst);
        let end = |writer: &NodeId| if *writer == self.shared.writer_id { durable } else { 0 };
        Box::pin(core::future::ready(Ok(writers.iter().map(end).collect())))
    }

    fn audit_forget(&self, writer: NodeId, first: u64) -> Pending<'_, ()> {
        Box::pin(async move {
            if writer != self.shared.writer_id {
                return Ok(());
            }
            // What says where the rest begins is in the view by then, and so are those records.
            self.shared.catch_up().await?;
            let (done, gone) = oneshot::channel();
            if !self.shared.apply_queue.ask_forget(first, done) {
                return Err(StoreFault::Busy);
            }
            gone.await.map_err(|_| StoreFault::Busy)
        })
    }

    /// Nobody else reads this chain, and it begins with the directory: what is read of it is held against its tags from there on, and no mark is made of it.
    fn audit_marks(&self, chains: Vec<(NodeId, u64)>) -> Pending<'_, Vec<TrailMark>> {
        let durable = self.shared.durable.load(Ordering::SeqCst);
        let end = |writer: &NodeId| if *writer == self.shared.writer_id { durable } else { 0 };
        let mark =
            |(writer, place): &(NodeId, u64)| TrailMark { place: end(writer).min(*place), tag: [0; 34] };
        Box::pin(core::future::ready(Ok(chains.iter().map(mark).collect())))
    }

    /// It has one writer, which goes on.
    fn audit_close(&self, _writer: NodeId, _end: u64) -> Pending<'_, bool> {
        Box::pin(core::future::ready(Ok(false)))
    }

    fn chain_key(&self, writer: NodeId, _first: u64) -> Pending<'_, Option<u16>> {
        Box::pin(async move {
            if writer != self.shared.writer_id {
                return Ok(None);
            }
            // What is there of the trail, also of what is kept no longer, is held against its tags; and so is the log at each start.
            let in_view = self.caught_up(|view| view::first_key(view).map_err(view::unreadable)).await?;
            let in_log = self.log_key().await?;
            // The first segment goes when the log has gone on in the next, which an idle one does not do by itself.
            if in_view.is_some_and(|in_view| in_view > in_log) {
                self.shared.queue.roll();
            }
            Ok(Some(in_view.map_or(in_log, |in_view| in_view.min(in_log))))
        })
    }

    fn totals(&self) -> Pending<'_, Totals> {
        Box::pin(async move {
            // Who asks may be looking for why the view does not catch up: then it is said how far it has come.
            let _late = timeout(TOTALS_TIME, self.shared.catch_up()).await;
            Ok(self.shared.tallies.totals())
        })
    }

    fn status(&self) -> StoreStatus {
        let shared = &self.shared;
        let stopped = shared.failure.is() || *shared.stopped.borrow();
        StoreStatus {
            fault: if stopped { Some(StoreFault::Stopped) } else { shared.refusal() },
            lists_full: *shared.view_held_up.borrow() == Some(StoreFault::Full),
            behind: shared.behind(),
            damaged: shared.tallies.damaged(),
            patrolled: shared.tallies.is_patrolled(),
            sequence: shared.durable.load(Ordering::SeqCst),
            waiting: shared.queue.len(),
            archive: shared.spares.archived(),
            unerased: shared.spares.unerased(),
            ..StoreStatus::default()
        }
    }

    fn close(&self) -> Pending<'_, ()> {
        self.shared.queue.close();
        let stopped = self.stopped();
        Box::pin(async move {
            stopped.await;
            if self.shared.failure.is() { Err(StoreFault::Stopped) } else { Ok(()) }
        })
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
