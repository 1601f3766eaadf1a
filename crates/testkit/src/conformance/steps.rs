use std::sync::Arc;

use panvault_model::{ApiKeyId, Id, RequestId, Timestamp};
use panvault_store::{
    Action, AuditNote, CardDelete, CardInsert, CardRow, CardUpdate, DocumentChange, DocumentCommit,
    DocumentRow, IdempotencyPlan, IdempotencyRow, IdempotencySweep, TransactionInitiate, TransactionRow,
    TransactionSettle,
};

use crate::conformance::rows::{at, history, id, organisation};

/// Who did what to what.
pub fn note(action: Action, object: Id) -> AuditNote {
    AuditNote {
        at: at(5),
        action,
        actor: Some(ApiKeyId(id(8))),
        organisation: organisation(1),
        object,
        request: RequestId(id(9)),
        address: [0xfe; 16],
        outcome: 0,
    }
}

/// The step that stores a card.
pub fn card_insert(row: &CardRow) -> CardInsert {
    let audit = note(Action::CardCreate, row.id.0);
    CardInsert { row: Arc::new(row.clone()), idempotency: None, audit }
}

/// The step that makes a card this, where the version before is stored.
pub fn card_update(row: &CardRow) -> CardUpdate {
    CardUpdate {
        id: row.id,
        organisation: row.organisation,
        version: row.version - 1,
        row: Some(Arc::new(row.clone())),
        idempotency: None,
        audit: AuditNote { outcome: 1, ..note(Action::CardUpdate, row.id.0) },
    }
}

/// The step that notes a change of a card's CVV and leaves its row as it is.
pub fn card_noted(row: &CardRow) -> CardUpdate {
    CardUpdate {
        id: row.id,
        organisation: row.organisation,
        version: row.version,
        row: None,
        idempotency: None,
        audit: note(Action::CardUpdate, row.id.0),
    }
}

/// The step that deletes a card.
pub fn card_delete(row: &CardRow) -> CardDelete {
    let audit = note(Action::CardDelete, row.id.0);
    CardDelete { id: row.id, organisation: row.organisation, audit }
}

/// The step that initiates a transaction, with a card of organisation 1.
pub fn transaction_initiate(row: &TransactionRow) -> TransactionInitiate {
    TransactionInitiate {
        row: Arc::new(row.clone()),
        card_organisation: organisation(1),
        history: history(row),
        idempotency: None,
        audit: note(Action::TransactionInitiate, row.id.0),
    }
}

/// The step that makes a transaction this, where the version before is stored.
pub fn transaction_settle(row: &TransactionRow) -> TransactionSettle {
    TransactionSettle {
        row: Arc::new(row.clone()),
        history: history(row),
        answer: None,
        audit: AuditNote { outcome: row.status.code(), ..note(Action::TransactionSettle, row.id.0) },
    }
}

/// The step that changes documents. Its note is of the first; further ones may be of kinds that the trail does not follow.
pub fn documents_commit(changes: Vec<DocumentChange>) -> DocumentCommit {
    let (action, object) = match &changes[0] {
        DocumentChange::Put(DocumentRow { id, version: 1, .. }) => (Action::DocumentCreate, *id),
        DocumentChange::Put(row) => (Action::DocumentUpdate, row.id),
        DocumentChange::Delete(_, id, _) => (Action::DocumentDelete, *id),
    };
    DocumentCommit { changes, audit: note(action, object) }
}

/// The step that removes expired idempotency records.
pub fn sweep(now: Timestamp) -> IdempotencySweep {
    IdempotencySweep { now, audit: note(Action::IdempotencySweep, id(0)) }
}

/// The claim of a record at a moment.
pub(super) fn plan(row: &IdempotencyRow, now: Timestamp) -> Option<IdempotencyPlan> {
    Some(IdempotencyPlan { row: row.clone(), now })
}
