use std::sync::{Arc, Mutex};

use panvault_model::{CardId, TransactionId};
use panvault_store::{
    AuditRecord, CardDelete, CardInsert, CardQuery, CardRow, CardUpdate, DocumentCommit, DocumentRow,
    HistoryRow, IdempotencyKey, IdempotencyRow, IdempotencySweep, MemoryStore, Outcome, Page, Pending, Store,
    StoreFault, StoreStatus, TransactionInitiate, TransactionQuery, TransactionRow, TransactionSettle,
};

/// A store with somebody in it: hands out other rows than it keeps, and stops answering where it is told to.
#[derive(Default)]
pub(crate) struct Intruder {
    store: MemoryStore,
    plot: Mutex<Plot>,
}

type Change<T> = Box<dyn Fn(&mut T) + Send>;

/// What the intruder is up to.
#[derive(Default)]
pub(crate) struct Plot {
    pub(crate) card: Option<Change<CardRow>>,
    pub(crate) transaction: Option<Change<TransactionRow>>,
    pub(crate) history: Option<Change<Vec<HistoryRow>>>,
    pub(crate) documents: Option<Change<Vec<DocumentRow>>>,
    pub(crate) idempotency: Option<Change<IdempotencyRow>>,
    pub(crate) stop: Option<Stop>,
    pub(crate) initiate_fault: Option<StoreFault>,
    /// A fault, and how many times it happens.
    pub(crate) settle_faults: Option<(StoreFault, usize)>,
    /// Lets other tasks run before each step, so that requests overtake each other.
    pub(crate) yields: bool,
}

/// Where the store falls silent, as a process that is killed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    BeforeInitiate,
    AfterInitiate,
    BeforeSettle,
    AfterSettle,
}

impl Intruder {
    pub(crate) fn plot(&self, change: impl FnOnce(&mut Plot)) {
        change(&mut self.plot.lock().unwrap());
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

    fn changed_record<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        match (outcome, &self.plot.lock().unwrap().idempotency) {
            (Outcome::Replayed(mut row), Some(change)) => {
                change(&mut row);
                Outcome::Replayed(row)
            }
            (outcome, _) => outcome,
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

impl Store for Intruder {
    fn card_insert(&self, step: CardInsert) -> Pending<'_, Outcome<Arc<CardRow>>> {
        Box::pin(async move { Ok(self.changed_record(self.store.card_insert(step).await?)) })
    }

    fn card_update(&self, step: CardUpdate) -> Pending<'_, Outcome<Arc<CardRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            Ok(self.changed_record(self.store.card_update(step).await?))
        })
    }

    fn card_delete(&self, step: CardDelete) -> Pending<'_, Outcome<()>> {
        self.store.card_delete(step)
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            Ok(self.store.card_read(id).await?.map(|row| self.changed_card(row)))
        })
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        Box::pin(async move {
            let Page { rows, total } = self.store.card_list(query).await?;
            Ok(Page { rows: rows.into_iter().map(|row| self.changed_card(row)).collect(), total })
        })
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        Box::pin(async move {
            let rows = self.store.card_page(after, limit).await?;
            Ok(rows.into_iter().map(|row| self.changed_card(row)).collect())
        })
    }

    fn transaction_initiate(&self, step: TransactionInitiate) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            self.silent_at(Stop::BeforeInitiate).await;
            if let Some(fault) = self.plot.lock().unwrap().initiate_fault {
                return Err(fault);
            }
            let outcome = self.changed_record(self.store.transaction_initiate(step).await?);
            self.silent_at(Stop::AfterInitiate).await;
            Ok(outcome)
        })
    }

    fn transaction_settle(&self, step: TransactionSettle) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        Box::pin(async move {
            self.overtaken().await;
            self.silent_at(Stop::BeforeSettle).await;
            if let Some((fault, left)) = &mut self.plot.lock().unwrap().settle_faults
                && *left > 0
            {
                *left -= 1;
                return Err(*fault);
            }
            let outcome = self.store.transaction_settle(step).await?;
            self.silent_at(Stop::AfterSettle).await;
            Ok(outcome)
        })
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        Box::pin(async move {
            Ok(self.store.transaction_read(id).await?.map(|row| self.changed_transaction(row)))
        })
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<HistoryRow>> {
        Box::pin(async move {
            let mut rows = self.store.transaction_history(id).await?;
            if let Some(change) = &self.plot.lock().unwrap().history {
                change(&mut rows);
            }
            Ok(rows)
        })
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        Box::pin(async move {
            let Page { rows, total } = self.store.transaction_list(query).await?;
            Ok(Page { rows: rows.into_iter().map(|row| self.changed_transaction(row)).collect(), total })
        })
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        Box::pin(async move {
            let rows = self.store.transaction_open().await?;
            Ok(rows.into_iter().map(|row| self.changed_transaction(row)).collect())
        })
    }

    fn document_commit(&self, step: DocumentCommit) -> Pending<'_, Outcome<()>> {
        self.store.document_commit(step)
    }

    fn document_read_all(&self) -> Pending<'_, Vec<DocumentRow>> {
        Box::pin(async move {
            let mut rows = self.store.document_read_all().await?;
            if let Some(change) = &self.plot.lock().unwrap().documents {
                change(&mut rows);
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

    fn idempotency_sweep(&self, step: IdempotencySweep) -> Pending<'_, usize> {
        self.store.idempotency_sweep(step)
    }

    fn audit_read(&self, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        self.store.audit_read(first, limit)
    }

    fn status(&self) -> StoreStatus {
        self.store.status()
    }

    fn close(&self) -> Pending<'_, ()> {
        self.store.close()
    }
}
