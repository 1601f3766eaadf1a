use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::{CardId, Id, Timestamp, TransactionId, TransactionStatus};

use crate::decide::{Left, State, decide};
use crate::document::{DocumentKind, DocumentRow};
use crate::effect::Effect;
use crate::limits::LIST_ROWS_MAX;
use crate::query::{CardQuery, Field, Page, Query, TransactionQuery};
use crate::row::{AuditRecord, CardRow, HistoryRow, IdempotencyKey, IdempotencyRow, TransactionRow};
use crate::step::{
    CardDelete, CardInsert, CardUpdate, DocumentCommit, IdempotencySweep, Outcome, Step, TransactionInitiate,
    TransactionSettle,
};
use crate::store::{Pending, Store, StoreFault, StoreStatus};

/// A store in memory that forgets all when it goes: the specification of every other store.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    cards: BTreeMap<CardId, Arc<CardRow>>,
    transactions: BTreeMap<TransactionId, Arc<TransactionRow>>,
    history: BTreeMap<(TransactionId, u32), HistoryRow>,
    documents: BTreeMap<(DocumentKind, Id), DocumentRow>,
    idempotency: BTreeMap<IdempotencyKey, Box<IdempotencyRow>>,
    audit: Vec<AuditRecord>,
}

impl State for Tables {
    fn card(&self, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault> {
        Ok(self.cards.get(&id).cloned())
    }

    fn transaction(&self, id: TransactionId) -> Result<Option<Arc<TransactionRow>>, StoreFault> {
        Ok(self.transactions.get(&id).cloned())
    }

    fn document_version(&self, kind: DocumentKind, id: Id) -> Result<Option<u32>, StoreFault> {
        Ok(self.documents.get(&(kind, id)).map(|row| row.version))
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        Ok(self.idempotency.get(&key).cloned())
    }

    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Result<Vec<IdempotencyKey>, StoreFault> {
        Ok(self
            .idempotency
            .values()
            .filter(|row| row.expires_at <= now)
            .map(|row| row.key)
            .take(limit)
            .collect())
    }
}

impl Tables {
    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::CardPut(row) => drop(self.cards.insert(row.id, row)),
            Effect::CardDelete { id, .. } => drop(self.cards.remove(&id)),
            Effect::TransactionPut(row) => drop(self.transactions.insert(row.id, row)),
            Effect::HistoryPut(row) => drop(self.history.insert((row.transaction, row.version), row)),
            Effect::DocumentPut(row) => drop(self.documents.insert((row.kind, row.id), row)),
            Effect::DocumentDelete(kind, id) => drop(self.documents.remove(&(kind, id))),
            Effect::IdempotencyPut(row) => drop(self.idempotency.insert(row.key, row)),
            Effect::IdempotencyDelete(key) => drop(self.idempotency.remove(&key)),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, step: &Step) -> Result<Outcome<Left>, StoreFault> {
        let mut tables = self.tables();
        let (mut outcome, effects) = decide(step, &*tables)?;
        if let Outcome::Done { sequence, .. } = &mut outcome {
            *sequence = next_sequence(&tables);
            let record = AuditRecord { sequence: *sequence, note: *step.audit() };
            tables.audit.push(record);
        }
        effects.into_iter().for_each(|effect| tables.apply(effect));
        Ok(outcome)
    }

    fn page<F: Field>(query: &Query<F>, newest_first: Vec<Arc<F::Row>>) -> Page<Arc<F::Row>> {
        let mut rows: Vec<_> = newest_first.into_iter().filter(|row| query.holds(row)).collect();
        query.order(&mut rows);
        let total = rows.len() as u64;
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let limit = query.limit.min(LIST_ROWS_MAX) as usize;
        Page { rows: rows.into_iter().skip(skip).take(limit).collect(), total }
    }
}

fn next_sequence(tables: &Tables) -> u64 {
    tables.audit.last().map_or(1, |record| record.sequence + 1)
}

/// Answers at once.
fn ready<T: Send + 'static>(answer: Result<T, StoreFault>) -> Pending<'static, T> {
    Box::pin(core::future::ready(answer))
}

impl Store for MemoryStore {
    fn card_insert(&self, step: CardInsert) -> Pending<'_, Outcome<Arc<CardRow>>> {
        ready(self.commit(&Step::CardInsert(step)).and_then(Outcome::card))
    }

    fn card_update(&self, step: CardUpdate) -> Pending<'_, Outcome<Arc<CardRow>>> {
        ready(self.commit(&Step::CardUpdate(step)).and_then(Outcome::card))
    }

    fn card_delete(&self, step: CardDelete) -> Pending<'_, Outcome<()>> {
        ready(self.commit(&Step::CardDelete(step)).map(Outcome::nothing))
    }

    fn card_read(&self, id: CardId) -> Pending<'_, Option<Arc<CardRow>>> {
        ready(self.tables().card(id))
    }

    fn card_list(&self, query: CardQuery) -> Pending<'_, Page<Arc<CardRow>>> {
        let tables = self.tables();
        let rows = tables.cards.values().rev().filter(|row| query.organisations.contains(&row.organisation));
        ready(Ok(Self::page(&query, rows.cloned().collect())))
    }

    fn card_page(&self, after: CardId, limit: usize) -> Pending<'_, Vec<Arc<CardRow>>> {
        let tables = self.tables();
        let behind = tables.cards.values().filter(|row| row.id > after);
        ready(Ok(behind.take(limit).cloned().collect()))
    }

    fn transaction_initiate(&self, step: TransactionInitiate) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        ready(self.commit(&Step::TransactionInitiate(step)).and_then(Outcome::transaction))
    }

    fn transaction_settle(&self, step: TransactionSettle) -> Pending<'_, Outcome<Arc<TransactionRow>>> {
        ready(self.commit(&Step::TransactionSettle(step)).and_then(Outcome::transaction))
    }

    fn transaction_read(&self, id: TransactionId) -> Pending<'_, Option<Arc<TransactionRow>>> {
        ready(self.tables().transaction(id))
    }

    fn transaction_history(&self, id: TransactionId) -> Pending<'_, Vec<HistoryRow>> {
        let tables = self.tables();
        let rows = tables.history.range((id, 0)..=(id, u32::MAX)).rev().map(|(_, row)| row.clone());
        ready(Ok(rows.collect()))
    }

    fn transaction_list(&self, query: TransactionQuery) -> Pending<'_, Page<Arc<TransactionRow>>> {
        let tables = self.tables();
        let rows =
            tables.transactions.values().rev().filter(|row| query.organisations.contains(&row.organisation));
        ready(Ok(Self::page(&query, rows.cloned().collect())))
    }

    fn transaction_open(&self) -> Pending<'_, Vec<Arc<TransactionRow>>> {
        let tables = self.tables();
        let open = tables.transactions.values().filter(|row| row.status == TransactionStatus::Initiated);
        ready(Ok(open.cloned().collect()))
    }

    fn document_commit(&self, step: DocumentCommit) -> Pending<'_, Outcome<()>> {
        ready(self.commit(&Step::DocumentCommit(step)).map(Outcome::nothing))
    }

    fn document_read_all(&self) -> Pending<'_, Vec<DocumentRow>> {
        ready(Ok(self.tables().documents.values().cloned().collect()))
    }

    fn idempotency_read(&self, key: IdempotencyKey) -> Pending<'_, Option<Box<IdempotencyRow>>> {
        ready(self.tables().idempotency(key))
    }

    fn idempotency_sweep(&self, step: IdempotencySweep) -> Pending<'_, usize> {
        ready(self.commit(&Step::IdempotencySweep(step)).map(|outcome| outcome.count()))
    }

    fn audit_read(&self, first: u64, limit: usize) -> Pending<'_, Vec<AuditRecord>> {
        let tables = self.tables();
        let records = tables.audit.iter().filter(|record| record.sequence >= first).take(limit);
        ready(Ok(records.copied().collect()))
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { sequence: next_sequence(&self.tables()) - 1, ..StoreStatus::default() }
    }

    fn close(&self) -> Pending<'_, ()> {
        ready(Ok(()))
    }
}
