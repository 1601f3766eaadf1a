use panvault_model::{ApiKeyId, Id, RequestId, Timestamp};
use panvault_store::{
    Action, AuditNote, CardRow, Commit, CustomerRow, DocumentKind, DocumentRow, Effect, Expect,
    IdempotencyClaim, IdempotencyKey, IdempotencyRow, RefundRow, Row, RowKey, TransactionRow,
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
        counted: None,
    }
}

const fn commit(expects: Vec<Expect>, effects: Vec<Effect>, audit: AuditNote) -> Commit {
    Commit { claim: None, expects, effects, audit }
}

/// Stores a new card.
pub fn card_insert(row: &CardRow) -> Commit {
    let expects = vec![Expect::Absent(RowKey::Card(row.id))];
    commit(expects, vec![row.clone().into()], note(Action::CardCreate, row.id.0))
}

/// Makes a card this, where the version before is stored.
pub fn card_update(row: &CardRow) -> Commit {
    let audit = AuditNote { outcome: 1, ..note(Action::CardUpdate, row.id.0) };
    let expects = vec![Expect::Version(RowKey::Card(row.id), row.version - 1)];
    commit(expects, vec![row.clone().into()], audit)
}

/// Notes a change of a card's CVV and leaves its row as it is.
pub fn card_noted(row: &CardRow) -> Commit {
    let expects = vec![Expect::Version(RowKey::Card(row.id), row.version)];
    commit(expects, Vec::new(), note(Action::CardUpdate, row.id.0))
}

/// Deletes a card.
pub fn card_delete(row: &CardRow) -> Commit {
    let expects = vec![Expect::Owned(RowKey::Card(row.id), row.organisation)];
    commit(expects, vec![Effect::Delete(RowKey::Card(row.id))], note(Action::CardDelete, row.id.0))
}

/// Stores a new customer.
pub fn customer_insert(row: &CustomerRow) -> Commit {
    let expects = vec![Expect::Absent(RowKey::Customer(row.id))];
    commit(expects, vec![row.clone().into()], note(Action::CustomerCreate, row.id.0))
}

/// Makes a customer this, where the version before is stored.
pub fn customer_update(row: &CustomerRow) -> Commit {
    let expects = vec![Expect::Version(RowKey::Customer(row.id), row.version - 1)];
    commit(expects, vec![row.clone().into()], note(Action::CustomerUpdate, row.id.0))
}

/// Erases a customer.
pub fn customer_delete(row: &CustomerRow) -> Commit {
    let expects = vec![Expect::Owned(RowKey::Customer(row.id), row.organisation)];
    commit(expects, vec![Effect::Delete(RowKey::Customer(row.id))], note(Action::CustomerDelete, row.id.0))
}

/// Initiates a transaction, with a card of organisation 1.
pub fn transaction_initiate(row: &TransactionRow) -> Commit {
    let expects = vec![
        Expect::Owned(RowKey::Card(row.card), organisation(1)),
        Expect::Absent(RowKey::Transaction(row.id)),
    ];
    let effects = vec![row.clone().into(), history(row).into()];
    commit(expects, effects, note(Action::TransactionInitiate, row.id.0))
}

/// Makes a transaction this, where the version before is stored.
pub fn transaction_settle(row: &TransactionRow) -> Commit {
    let audit = AuditNote { outcome: row.status.code(), ..note(Action::TransactionSettle, row.id.0) };
    let expects = vec![Expect::Version(RowKey::Transaction(row.id), row.version - 1)];
    commit(expects, vec![row.clone().into(), history(row).into()], audit)
}

/// Refunds a transaction, which is to be this with it, where the version before is stored.
pub fn refund_create(row: &RefundRow, with: &TransactionRow) -> Commit {
    let expects = vec![
        Expect::Version(RowKey::Transaction(with.id), with.version - 1),
        Expect::Absent(RowKey::Refund(row.id)),
    ];
    let effects = vec![row.clone().into(), with.clone().into(), history(with).into()];
    commit(expects, effects, note(Action::RefundCreate, with.id.0))
}

/// Makes a refund this, where the version before is stored.
pub fn refund_settle(row: &RefundRow) -> Commit {
    let audit = AuditNote { outcome: row.status.code(), ..note(Action::RefundSettle, row.id.0) };
    let expects = vec![Expect::Version(RowKey::Refund(row.id), row.version - 1)];
    commit(expects, vec![row.clone().into()], audit)
}

/// A change of a document: what it expects, and what it does.
pub type DocumentChange = (Expect, Effect);

/// The document is to be this; the version before is stored, or none before the first.
pub fn document_put(row: DocumentRow) -> DocumentChange {
    let key = RowKey::Document(row.kind, row.id);
    let expect = match row.version {
        0 | 1 => Expect::Absent(key),
        version => Expect::Version(key, version - 1),
    };
    (expect, row.into())
}

/// The document is to go, and has this version.
pub const fn document_delete(kind: DocumentKind, id: Id, version: u32) -> DocumentChange {
    let key = RowKey::Document(kind, id);
    (Expect::Version(key, version), Effect::Delete(key))
}

/// Changes documents. Its note is of the first; further ones may be of kinds that the trail does not follow.
pub fn documents_commit(changes: Vec<DocumentChange>) -> Commit {
    let (action, object) = match &changes[0].1 {
        Effect::Put(Row::Document(row)) if row.version == 1 => (Action::DocumentCreate, row.id),
        Effect::Put(Row::Document(row)) => (Action::DocumentUpdate, row.id),
        Effect::Delete(RowKey::Document(_, id)) => (Action::DocumentDelete, *id),
        Effect::Put(_) | Effect::Delete(_) | Effect::Retag(_) => panic!("not a change of a document"),
    };
    let (expects, effects) = changes.into_iter().unzip();
    commit(expects, effects, note(action, object))
}

/// Removes idempotency records that have expired.
pub fn sweep(keys: &[IdempotencyKey], now: Timestamp) -> Commit {
    let expects = keys.iter().map(|key| Expect::Expired(*key, now)).collect();
    let effects = keys.iter().map(|key| Effect::Delete(RowKey::Idempotency(*key))).collect();
    commit(expects, effects, note(Action::IdempotencySweep, id(0)))
}

/// The claim of a record at a moment.
pub fn claim(row: &IdempotencyRow, now: Timestamp) -> Option<IdempotencyClaim> {
    Some(IdempotencyClaim { row: Box::new(row.clone()), also: Vec::new(), now })
}
