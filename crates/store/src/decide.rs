//! What a step does to a state. Pure: it reads the state and says which rows change.

use std::sync::Arc;

use panvault_model::{CardId, Id, OrganisationId, Timestamp, TransactionId};

use crate::document::DocumentKind;
use crate::effect::{Effect, Effects};
use crate::limits::SWEEP_ROWS_MAX;
use crate::row::{Answer, CardRow, IdempotencyKey, IdempotencyRow, TransactionRow};
use crate::step::{
    CardDelete, CardInsert, CardUpdate, DocumentChange, DocumentCommit, IdempotencyPlan, IdempotencySweep,
    Outcome, Step, TransactionInitiate, TransactionSettle,
};
use crate::store::StoreFault;

/// What steps are decided against: everything durable, and what was decided before in the same commit.
pub trait State {
    /// The card, if there is one.
    fn card(&self, id: CardId) -> Result<Option<Arc<CardRow>>, StoreFault>;
    /// The transaction, if there is one.
    fn transaction(&self, id: TransactionId) -> Result<Option<Arc<TransactionRow>>, StoreFault>;
    /// The version of a document, if there is one.
    fn document_version(&self, kind: DocumentKind, id: Id) -> Result<Option<u32>, StoreFault>;
    /// The idempotency record, if there is one, expired or not.
    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault>;
    /// Idempotency records that expired before `now`, at most `limit` of them.
    fn idempotency_expired(&self, now: Timestamp, limit: usize) -> Result<Vec<IdempotencyKey>, StoreFault>;
}

/// What a step leaves behind when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// A card.
    Card(Arc<CardRow>),
    /// A transaction.
    Transaction(Arc<TransactionRow>),
    /// Nothing to show, or the number of rows that went.
    Count(usize),
}

/// Why a step changes nothing.
type Undone = Outcome<Left>;

/// Decides a step: the outcome, and the effects if it is [`Outcome::Done`]. The sequence in the outcome is 0; whoever
/// commits it fills it in.
pub fn decide(step: &Step, state: &dyn State) -> Result<(Outcome<Left>, Effects), StoreFault> {
    let mut effects = Effects::with_capacity(3);
    let decided = match step {
        Step::CardInsert(step) => card_insert(step, state, &mut effects)?,
        Step::CardUpdate(step) => card_update(step, state, &mut effects)?,
        Step::CardDelete(step) => card_delete(step, state, &mut effects)?,
        Step::TransactionInitiate(step) => transaction_initiate(step, state, &mut effects)?,
        Step::TransactionSettle(step) => transaction_settle(step, state, &mut effects)?,
        Step::DocumentCommit(step) => document_commit(step, state, &mut effects)?,
        Step::IdempotencySweep(step) => idempotency_sweep(step, state, &mut effects)?,
    };
    Ok(match decided {
        Ok(value) => (Outcome::Done { value, sequence: 0 }, effects),
        Err(undone) => (undone, Effects::new()),
    })
}

/// Claims the idempotency key, or says why the step is not to be done.
fn idempotency(
    plan: Option<&IdempotencyPlan>,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Option<Undone>, StoreFault> {
    let Some(plan) = plan else { return Ok(None) };
    match state.idempotency(plan.row.key)? {
        Some(earlier) if earlier.expires_at > plan.now => Ok(Some(if earlier.body != plan.row.body {
            Outcome::Mismatch
        } else if earlier.answer == Answer::Running {
            Outcome::InUse
        } else {
            Outcome::Replayed(earlier)
        })),
        Some(_) | None => {
            effects.push(Effect::IdempotencyPut(Box::new(plan.row.clone())));
            Ok(None)
        }
    }
}

fn card_of(
    state: &dyn State,
    id: CardId,
    organisation: OrganisationId,
) -> Result<Option<Arc<CardRow>>, StoreFault> {
    Ok(state.card(id)?.filter(|row| row.organisation == organisation))
}

fn card_insert(
    step: &CardInsert,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    if let Some(undone) = idempotency(step.idempotency.as_ref(), state, effects)? {
        return Ok(Err(undone));
    }
    if state.card(step.row.id)?.is_some() {
        return Ok(Err(Outcome::Stale));
    }
    effects.push(Effect::CardPut(Arc::clone(&step.row)));
    Ok(Ok(Left::Card(Arc::clone(&step.row))))
}

fn card_update(
    step: &CardUpdate,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    if let Some(undone) = idempotency(step.idempotency.as_ref(), state, effects)? {
        return Ok(Err(undone));
    }
    let Some(stored) = card_of(state, step.id, step.organisation)? else { return Ok(Err(Outcome::NotFound)) };
    if stored.version != step.version {
        return Ok(Err(Outcome::Stale));
    }
    Ok(Ok(Left::Card(match &step.row {
        Some(row) => {
            effects.push(Effect::CardPut(Arc::clone(row)));
            Arc::clone(row)
        }
        None => stored,
    })))
}

fn card_delete(
    step: &CardDelete,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    let Some(stored) = card_of(state, step.id, step.organisation)? else { return Ok(Err(Outcome::NotFound)) };
    effects.push(Effect::CardDelete {
        id: stored.id,
        organisation: stored.organisation,
        fingerprint: stored.fingerprint,
    });
    Ok(Ok(Left::Count(1)))
}

fn transaction_initiate(
    step: &TransactionInitiate,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    if let Some(undone) = idempotency(step.idempotency.as_ref(), state, effects)? {
        return Ok(Err(undone));
    }
    if card_of(state, step.row.card, step.card_organisation)?.is_none() {
        return Ok(Err(Outcome::NotFound));
    }
    if state.transaction(step.row.id)?.is_some() {
        return Ok(Err(Outcome::Stale));
    }
    effects.push(Effect::TransactionPut(Arc::clone(&step.row)));
    effects.push(Effect::HistoryPut(step.history.clone()));
    Ok(Ok(Left::Transaction(Arc::clone(&step.row))))
}

fn transaction_settle(
    step: &TransactionSettle,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    let Some(stored) = state.transaction(step.row.id)? else { return Ok(Err(Outcome::NotFound)) };
    if stored.version.checked_add(1) != Some(step.row.version) {
        return Ok(Err(Outcome::Stale));
    }
    effects.push(Effect::TransactionPut(Arc::clone(&step.row)));
    effects.push(Effect::HistoryPut(step.history.clone()));
    if let Some(answer) = &step.answer {
        effects.push(Effect::IdempotencyPut(answer.clone()));
    }
    Ok(Ok(Left::Transaction(Arc::clone(&step.row))))
}

fn document_commit(
    step: &DocumentCommit,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    for change in &step.changes {
        // 0 stands for no document.
        let (kind, id, expected) = match change {
            DocumentChange::Put(row) => (row.kind, row.id, row.version.checked_sub(1)),
            DocumentChange::Delete(kind, id, version) => {
                (*kind, *id, Some(*version).filter(|version| *version > 0))
            }
        };
        if Some(state.document_version(kind, id)?.unwrap_or(0)) != expected {
            return Ok(Err(Outcome::Stale));
        }
        effects.push(match change {
            DocumentChange::Put(row) => Effect::DocumentPut(row.clone()),
            DocumentChange::Delete(kind, id, _) => Effect::DocumentDelete(*kind, *id),
        });
    }
    Ok(Ok(Left::Count(step.changes.len())))
}

fn idempotency_sweep(
    step: &IdempotencySweep,
    state: &dyn State,
    effects: &mut Effects,
) -> Result<Result<Left, Undone>, StoreFault> {
    let expired = state.idempotency_expired(step.now, SWEEP_ROWS_MAX)?;
    if expired.is_empty() {
        // Nothing to remove is nothing to write down.
        return Ok(Err(Outcome::NotFound));
    }
    effects.extend(expired.iter().copied().map(Effect::IdempotencyDelete));
    Ok(Ok(Left::Count(expired.len())))
}

impl Outcome<Left> {
    /// The outcome of a step that leaves a card.
    pub fn card(self) -> Result<Outcome<Arc<CardRow>>, StoreFault> {
        self.keep(|left| match left {
            Left::Card(row) => Some(row),
            Left::Transaction(_) | Left::Count(_) => None,
        })
    }

    /// The outcome of a step that leaves a transaction.
    pub fn transaction(self) -> Result<Outcome<Arc<TransactionRow>>, StoreFault> {
        self.keep(|left| match left {
            Left::Transaction(row) => Some(row),
            Left::Card(_) | Left::Count(_) => None,
        })
    }

    /// The outcome of a step that leaves nothing to show.
    pub fn nothing(self) -> Outcome<()> {
        match self {
            Self::Done { sequence, .. } => Outcome::Done { value: (), sequence },
            Self::Replayed(row) => Outcome::Replayed(row),
            Self::InUse => Outcome::InUse,
            Self::Mismatch => Outcome::Mismatch,
            Self::NotFound => Outcome::NotFound,
            Self::Stale => Outcome::Stale,
        }
    }

    /// How many rows went.
    pub fn count(self) -> usize {
        match self {
            Self::Done { value: Left::Count(count), .. } => count,
            Self::Done { .. }
            | Self::Replayed(_)
            | Self::InUse
            | Self::Mismatch
            | Self::NotFound
            | Self::Stale => 0,
        }
    }

    /// A step always leaves its own kind of row; another kind would be a fault of this crate, and is said as damage.
    fn keep<T>(self, pick: impl FnOnce(Left) -> Option<T>) -> Result<Outcome<T>, StoreFault> {
        Ok(match self {
            Self::Done { value, sequence } => {
                Outcome::Done { value: pick(value).ok_or(StoreFault::Damaged)?, sequence }
            }
            Self::Replayed(row) => Outcome::Replayed(row),
            Self::InUse => Outcome::InUse,
            Self::Mismatch => Outcome::Mismatch,
            Self::NotFound => Outcome::NotFound,
            Self::Stale => Outcome::Stale,
        })
    }
}
