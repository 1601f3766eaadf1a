use std::collections::BTreeMap;

use panvault_keys::VaultKeys;
use panvault_model::{Id, NodeId};
use panvault_store::audit_start::AuditStart;
use panvault_store::checkpoint::AuditEnd;
use panvault_store::codec::RowFault;
use panvault_store::{Action, AuditRecord, Chain, DocumentKind, RowKey, Store, Table};

use crate::audit::checkpoint::number_of;
use crate::error::VaultError;
use crate::seal;

const SET: &[u8; 16] = b"rows by trail   ";

/// Tables whose objects the trail names as they are made and deleted, in the order of their sums.
pub const TOLD_TABLES: [Table; 3] = [Table::Card, Table::Transaction, Table::Customer];

/// The mark of an object of one of [`TOLD_TABLES`]: who has no key of the vault cannot tell it, nor make a set of objects whose marks cancel.
pub fn told_mark(chain: &dyn Chain, table: Table, id: Id) -> Option<u128> {
    let number = TOLD_TABLES.iter().position(|told| *told == table)?;
    let mut member = [0; 16];
    let [kind, rest @ ..] = &mut member;
    *kind = u8::try_from(number).ok()?.saturating_add(1);
    rest.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
    Some(u128::from_be_bytes(chain.member_hash(SET, &member)))
}

/// The table in which an action makes a row, or from which it takes one.
pub const fn told_of(action: Action) -> Option<(Table, i64)> {
    match action {
        Action::CardCreate => Some((Table::Card, 1)),
        Action::CardDelete => Some((Table::Card, -1)),
        Action::TransactionInitiate => Some((Table::Transaction, 1)),
        Action::CustomerCreate => Some((Table::Customer, 1)),
        Action::CustomerDelete => Some((Table::Customer, -1)),
        Action::CardUpdate
        | Action::TransactionSettle
        | Action::DocumentCreate
        | Action::DocumentUpdate
        | Action::DocumentDelete
        | Action::IdempotencySweep
        | Action::CardRefresh
        | Action::NodeStart
        | Action::NodeRenew
        | Action::NodeStop
        | Action::CardCvvSweep
        | Action::ApiKeyUse
        | Action::BinsLoad
        | Action::CardRead
        | Action::CardList
        | Action::TransactionRead
        | Action::TransactionList
        | Action::AuditRead
        | Action::AccessRefuse
        | Action::SigninRefuse
        | Action::TransactionCapture
        | Action::TransactionVoidCapture
        | Action::TransactionVoid
        | Action::TransactionTry
        | Action::RefundCreate
        | Action::RefundSettle
        | Action::RefundFail
        | Action::RefundRead
        | Action::RefundList
        | Action::CustomerUpdate
        | Action::CustomerRead
        | Action::CustomerList
        | Action::WebhookDeliver
        | Action::WebhookSweep
        | Action::WebhookRetry
        | Action::AuditCheckpoint
        | Action::TrailCheckpoint
        | Action::VaultMove
        | Action::NotificationContradict
        | Action::CheckoutCreate
        | Action::CheckoutEnd
        | Action::CheckoutSweep
        | Action::VaultBackup
        | Action::VaultRestore
        | Action::AuditVerify
        | Action::VaultSeal
        | Action::VaultUnseal
        | Action::ShareGive
        | Action::UnsealFail
        | Action::CeremonyHold
        | Action::KeyMake
        | Action::KeyActivate
        | Action::KeyDestroy
        | Action::CardReseal
        | Action::CustomerReseal
        | Action::HeaderChange
        | Action::SlotAdd
        | Action::SlotRemove
        | Action::VaultKeyActivate
        | Action::VaultKeyDestroy
        | Action::KeyRewrap
        | Action::AuditRetire
        | Action::RowRetag
        | Action::DocumentRetag => None,
    }
}

/// Where what is kept of the trail of each of these nodes begins, with the version of its row; nothing for one of which all is kept.
pub async fn audit_starts(
    store: &dyn Store,
    keys: &VaultKeys,
    writers: &[NodeId],
) -> Result<BTreeMap<NodeId, (u32, AuditStart)>, VaultError> {
    rows_of(store, keys, DocumentKind::AuditStart, writers, AuditStart::decode).await
}

/// Where the trail of each of these nodes ended, with the version of its row; nothing for one that has not.
pub(crate) async fn ended_trails(
    store: &dyn Store,
    keys: &VaultKeys,
    writers: &[NodeId],
) -> Result<BTreeMap<NodeId, (u32, AuditEnd)>, VaultError> {
    rows_of(store, keys, DocumentKind::AuditEnd, writers, AuditEnd::decode).await
}

/// A row of each of these nodes, held against its tag, with its version.
async fn rows_of<T>(
    store: &dyn Store,
    keys: &VaultKeys,
    kind: DocumentKind,
    writers: &[NodeId],
    decode: fn(&[u8]) -> Result<T, RowFault>,
) -> Result<BTreeMap<NodeId, (u32, T)>, VaultError> {
    let rows: Vec<_> = writers.iter().map(|writer| (kind, writer.0)).collect();
    let mut found = BTreeMap::new();
    for (key, row) in rows.iter().zip(store.document_read_many(rows.clone()).await?) {
        let Some(row) = row else { continue };
        seal::document_verify(keys, &row)?;
        if (row.kind, row.id) != *key {
            return Err(VaultError::Tampered(RowKey::Document(key.0, key.1)));
        }
        found.insert(NodeId(key.1), (row.version, decode(&row.body)?));
    }
    Ok(found)
}

/// Takes up what a record told that is to be kept no longer.
pub(super) fn told(start: &mut AuditStart, chain: &dyn Chain, record: &AuditRecord) {
    let note = &record.note;
    if record.place == 1 && note.action == Action::NodeStart {
        start.before = note.object;
    }
    if note.action == Action::VaultMove {
        // They begin anew in each store.
        start.checkpoint = 0;
    } else if note.action == Action::AuditCheckpoint {
        start.checkpoint = start.checkpoint.max(number_of(note.object));
    } else if note.action == Action::BinsLoad {
        start.bins = Some(note.object);
    }
    start.documents += u64::from(is_document_change(note.action));
    start.head.note(note);
    if let Some((table, _)) = told_of(note.action)
        && let Some(number) = TOLD_TABLES.iter().position(|told| *told == table)
        && let Some(mark) = told_mark(chain, table, note.object)
    {
        start.flip(number, mark);
    }
    start.at = start.at.max(note.at);
    start.place = record.place;
}

/// Whether the head of the documents was changed with a document of their own.
pub(super) const fn is_document_change(action: Action) -> bool {
    matches!(action, Action::DocumentCreate | Action::DocumentUpdate | Action::DocumentDelete)
}
