use std::collections::HashMap;
use std::sync::Arc;

use panvault_model::{CardId, Id, TransactionId};
use panvault_store::{CardRow, DocumentKind, Effect, IdempotencyKey, IdempotencyRow, TransactionRow};

/// Rows that are newer than the view: what they are now, or that they are gone, and the step that made it so.
#[derive(Default)]
pub(crate) struct Overlay {
    pub(crate) cards: Rows<CardId, Arc<CardRow>>,
    pub(crate) transactions: Rows<TransactionId, Arc<TransactionRow>>,
    pub(crate) documents: Rows<(DocumentKind, Id), u32>,
    pub(crate) idempotency: Rows<IdempotencyKey, Box<IdempotencyRow>>,
    /// The largest ids that the view has, or had.
    pub(crate) view: Largest,
}

/// Ids are time-ordered, and what is new is larger than what the view has: then the view need not be asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Largest {
    pub(crate) card: Option<CardId>,
    pub(crate) transaction: Option<TransactionId>,
}

/// Rows by key, each with the step that it is of.
pub(crate) type Rows<K, V> = HashMap<K, (u64, Option<V>)>;

impl Overlay {
    /// Takes up an effect of a step.
    pub(crate) fn put(&mut self, sequence: u64, effect: &Effect) {
        match effect {
            Effect::CardPut(row) => {
                self.cards.insert(row.id, (sequence, Some(Arc::clone(row))));
            }
            Effect::CardDelete { id, .. } => {
                self.cards.insert(*id, (sequence, None));
            }
            Effect::TransactionPut(row) => {
                self.transactions.insert(row.id, (sequence, Some(Arc::clone(row))));
            }
            Effect::HistoryPut(_) => {}
            Effect::DocumentPut(row) => {
                self.documents.insert((row.kind, row.id), (sequence, Some(row.version)));
            }
            Effect::DocumentDelete(kind, id) => {
                self.documents.insert((*kind, *id), (sequence, None));
            }
            Effect::IdempotencyPut(row) => {
                self.idempotency.insert(row.key, (sequence, Some(row.clone())));
            }
            Effect::IdempotencyDelete(key) => {
                self.idempotency.insert(*key, (sequence, None));
            }
        }
    }

    /// Forgets what an effect of a step put here, unless a later step has put something else since: the view has it now.
    pub(crate) fn forget(&mut self, sequence: u64, effect: &Effect) {
        match effect {
            Effect::CardPut(row) => {
                self.view.card = self.view.card.max(Some(row.id));
                forget(&mut self.cards, &row.id, sequence);
            }
            Effect::CardDelete { id, .. } => forget(&mut self.cards, id, sequence),
            Effect::TransactionPut(row) => {
                self.view.transaction = self.view.transaction.max(Some(row.id));
                forget(&mut self.transactions, &row.id, sequence);
            }
            Effect::HistoryPut(_) => {}
            Effect::DocumentPut(row) => forget(&mut self.documents, &(row.kind, row.id), sequence),
            Effect::DocumentDelete(kind, id) => forget(&mut self.documents, &(*kind, *id), sequence),
            Effect::IdempotencyPut(row) => forget(&mut self.idempotency, &row.key, sequence),
            Effect::IdempotencyDelete(key) => forget(&mut self.idempotency, key, sequence),
        }
    }
}

fn forget<K: Eq + core::hash::Hash, V>(rows: &mut Rows<K, V>, key: &K, sequence: u64) {
    if rows.get(key).is_some_and(|(of, _)| *of <= sequence) {
        rows.remove(key);
    }
    if rows.capacity() > 65_536 && rows.len() < rows.capacity() / 8 {
        rows.shrink_to(rows.len() * 2);
    }
}
