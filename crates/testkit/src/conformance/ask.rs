use std::sync::Arc;

use panvault_store::{CardRow, Outcome, Pending, Step, Store, TransactionRow};

/// What a store answered to a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// A card.
    Card(Outcome<Arc<CardRow>>),
    /// A transaction.
    Transaction(Outcome<Arc<TransactionRow>>),
    /// Nothing to show.
    Nothing(Outcome<()>),
    /// How many went.
    Count(usize),
}

impl Answered {
    /// Whether it is a durable step now.
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Card(outcome) => matches!(outcome, Outcome::Done { .. }),
            Self::Transaction(outcome) => matches!(outcome, Outcome::Done { .. }),
            Self::Nothing(outcome) => matches!(outcome, Outcome::Done { .. }),
            Self::Count(count) => *count > 0,
        }
    }
}

/// Asks for any step. It is handed over now, and answered later.
pub fn ask(store: &dyn Store, step: Step) -> Pending<'_, Answered> {
    match step {
        Step::CardInsert(step) => answered(store.card_insert(step), Answered::Card),
        Step::CardUpdate(step) => answered(store.card_update(step), Answered::Card),
        Step::CardDelete(step) => answered(store.card_delete(step), Answered::Nothing),
        Step::TransactionInitiate(step) => answered(store.transaction_initiate(step), Answered::Transaction),
        Step::TransactionSettle(step) => answered(store.transaction_settle(step), Answered::Transaction),
        Step::DocumentCommit(step) => answered(store.document_commit(step), Answered::Nothing),
        Step::IdempotencySweep(step) => answered(store.idempotency_sweep(step), Answered::Count),
    }
}

fn answered<'a, T: Send + 'a>(pending: Pending<'a, T>, show: fn(T) -> Answered) -> Pending<'a, Answered> {
    Box::pin(async move { pending.await.map(show) })
}
