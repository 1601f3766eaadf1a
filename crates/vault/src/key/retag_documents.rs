//! Documents are tagged with the key that took the place of another, in changes of the head that covers them. That says which there are, so what was put back or rolled
//! back is given no other tag, though it bears the one that it had.

use core::time::Duration;

use panvault_keys::VaultPurpose;
use panvault_model::OrganisationId;
use panvault_store::{Action, DocumentKind, DocumentRow, Row, StoreFault};

use crate::audit::Requester;
use crate::document::{DocumentChange, DocumentPlan, Snapshot, Stamp};
use crate::error::VaultError;
use crate::key::retag::Retired;
use crate::key::vault_keys::named;
use crate::limits::{BINS_RETAG_MILLIS, RETIRE_WAIT_MILLIS};
use crate::row_tag::{document_retagged, tag_key};
use crate::vault::Vault;

/// Whether a row is the head of the documents, or one that this covers.
pub(super) fn is_covered(row: &Row) -> bool {
    matches!(row, Row::Document(row) if !row.kind.is_beside())
}

/// Whether a document is there as it was read.
fn is_there(snapshot: &Snapshot, row: &DocumentRow) -> bool {
    snapshot.documents.stamp(row.kind, row.id) == Some(Stamp::of(row))
}

/// Whether a document is there with another tag than it was read with, or is not there any more.
fn has_another_tag(snapshot: &Snapshot, row: &Row) -> bool {
    let Row::Document(document) = row else { return false };
    let stamp = snapshot.documents.stamp(document.kind, document.id);
    stamp.is_none_or(|stamp| stamp.tag.key != document.tag.key)
}

impl Vault {
    /// One change for many documents that bear their tags. One that changed meanwhile has its new tag with that, and is left out; the head has it with any change.
    pub(super) async fn documents_retag(&self, rows: Vec<Row>) -> Result<(), VaultError> {
        let mut parts = vec![rows];
        while let Some(mut rows) = parts.pop() {
            if rows.is_empty() {
                continue;
            }
            let changed = self.document_change_own(|snapshot| self.documents_retag_plan(snapshot, &rows));
            match changed.await {
                Ok(()) => {
                    let snapshot = self.snapshot();
                    for row in rows.iter().filter(|row| has_another_tag(&snapshot, row)) {
                        self.rotation().retagged(VaultPurpose::DocumentTag, tag_key(row));
                    }
                }
                Err(VaultError::Store(StoreFault::TooLarge)) if rows.len() > 1 => {
                    let behind = rows.split_off(rows.len() / 2);
                    parts.extend([rows, behind]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn documents_retag_plan(
        &self,
        snapshot: &Snapshot,
        rows: &[Row],
    ) -> Result<Option<DocumentPlan>, VaultError> {
        let (mut changes, mut has_head) = (Vec::new(), false);
        for row in rows {
            let Row::Document(row) = row else { continue };
            if row.kind == DocumentKind::DocumentHead {
                has_head |= row.version == snapshot.head.counter;
            } else if is_there(snapshot, row) {
                changes.push(DocumentChange::Retag(document_retagged(row, self.keys())));
            }
        }
        if changes.is_empty() && !has_head {
            return Ok(None);
        }
        let nobody = OrganisationId::from_bytes([0; 12]);
        let object = named(VaultPurpose::DocumentTag, self.keys().document_tag_version());
        let audit = Requester::VAULT.note(self.now().wall, Action::DocumentRetag, nobody, object);
        Ok(Some(DocumentPlan { changes, audit }))
    }

    /// Waits a little until the table of issuers of this node has the tag of another key for documents: whoever holds its file gives it that. `false` where it has not.
    pub(super) async fn bins_are_retagged(&self, purpose: VaultPurpose, retired: &Retired) -> bool {
        if purpose != VaultPurpose::DocumentTag {
            return true;
        }
        // One that was imported a moment ago, under the key before, is not taken up yet.
        let bins = self.bins();
        let is_old = || !bins.is_of_now() || bins.tag_key().is_some_and(|key| retired.contains(&key));
        for _ in 0..BINS_RETAG_MILLIS / RETIRE_WAIT_MILLIS {
            if !is_old() {
                self.rotation().bins_keep_key(false);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(RETIRE_WAIT_MILLIS)).await;
        }
        self.rotation().bins_keep_key(true);
        let advice = "see what the log says of the table, or import the list again with panvault bin import; the key for documents before is kept until then";
        tracing::warn!(advice, "key.bins_not_retagged");
        false
    }
}
