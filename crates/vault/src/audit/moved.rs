use std::collections::BTreeMap;

use panvault_keys::VaultKeys;
use panvault_model::{NodeId, OrganisationId, Tag, Timestamp};
use panvault_store::audit_start::AuditStart;
use panvault_store::checkpoint::{AuditCheckpoint, TrailEnd};
use panvault_store::{Action, Commit, DocumentKind, DocumentRow, Outcome, Store};

use crate::audit::Requester;
use crate::audit::checkpoint::{checkpoint_read, checkpoint_row};
use crate::document::keys_as_documents_say;
use crate::error::VaultError;
use crate::seal;

/// Whose chain a trail is in that was moved: the vault's own, as in a store that nobody shares.
pub const fn vault_chain(keys: &VaultKeys) -> NodeId {
    NodeId(keys.vault().0)
}

/// Writes down that a vault was moved to this store, behind the so many records that came with it; where nodes share the store, with the checkpoint from which
/// their chains go on, and with what the records `told` that were kept no longer. Nothing where that was written before. The store writes to the chain of the vault.
pub async fn trail_moved(
    store: &dyn Store,
    keys: &VaultKeys,
    records: u64,
    told: &AuditStart,
    now: Timestamp,
) -> Result<(), VaultError> {
    keys_as_documents_say(store, keys).await?;
    let writer = vault_chain(keys);
    let end = store.audit_ends(vec![writer]).await?.first().copied().unwrap_or(0);
    if end == records.saturating_add(1) {
        let last = store.audit_read(writer, end, 1).await?;
        if last.first().is_some_and(|record| record.note.action == Action::VaultMove) {
            return Ok(());
        }
    }
    if end != records {
        return Err(VaultError::WrongState { reason: "the trail is not the one that was moved here" });
    }
    let mut effects = Vec::new();
    if store.is_shared() {
        let before = checkpoint_read(store, keys).await?.map_or(0, |stored| stored.number);
        let marks = store.audit_marks(vec![(writer, end)]).await?;
        // This record comes behind what was moved.
        let last = marks.first().copied().map_or(TrailEnd::NONE, TrailEnd::behind);
        let checkpoint = AuditCheckpoint {
            last: writer,
            key: keys.chain().version(0),
            ended: 0,
            ends: BTreeMap::from([(writer, last)]),
        };
        let number = before.checked_add(1).ok_or(VaultError::Contended)?;
        effects.push(checkpoint_row(keys, number, &checkpoint).into());
    }
    if *told != AuditStart::default() {
        let mut row = DocumentRow {
            kind: DocumentKind::AuditStart,
            id: writer.0,
            version: 1,
            body: told.encode(),
            tag: Tag::NONE,
        };
        row.tag = seal::document_tag(keys, &row);
        effects.push(row.into());
    }
    let nobody = OrganisationId::from_bytes([0; 12]);
    let audit = Requester::VAULT.note(now, Action::VaultMove, nobody, keys.vault().0);
    match store.commit(Commit { claim: None, expects: Vec::new(), effects, audit }).await? {
        Outcome::Done { .. } => Ok(()),
        Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
    }
}
