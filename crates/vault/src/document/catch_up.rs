use std::sync::Arc;

use panvault_model::{Id, Tag};
use panvault_store::change_log::{Touched, change_log_decode, change_log_encode, change_log_id};
use panvault_store::limits::CHANGE_LOG_ROWS;
use panvault_store::{DocumentKind, DocumentRow, Effect};

use crate::document::change::DocumentChange;
use crate::document::head::{HEAD_ID, Head};
use crate::document::make::DocumentTurn;
use crate::document::snapshot::{hand_over, naming_verify};
use crate::error::VaultError;
use crate::limits::{CATCH_UP_TRIES_MAX, DOCUMENTS_CAUGHT_UP_MAX};
use crate::seal;
use crate::vault::{Mode, Vault};

/// Names the head for who reads it.
pub(super) const HEAD: (DocumentKind, Id) = (DocumentKind::DocumentHead, HEAD_ID);

impl Vault {
    /// What says which documents a change touches, for the nodes that have to follow it; nothing where there can be no others, or where it touches
    /// so many that they read all.
    pub(super) fn change_log_effect(&self, changes: &[DocumentChange], counter: u32) -> Option<Effect> {
        let touched = changes.iter().filter_map(|change| match change {
            DocumentChange::Put(row) | DocumentChange::Retag(row) => Some((row.kind, row.id)),
            DocumentChange::Delete(kind, id, _) => Some((*kind, *id)),
            DocumentChange::Beside(_) | DocumentChange::Seals(_) => None,
        });
        let touched: Touched = touched.filter(|document| *document != HEAD).collect();
        if !self.node().is_shared() || touched.len() > DOCUMENTS_CAUGHT_UP_MAX {
            return None;
        }
        let mut row = DocumentRow {
            kind: DocumentKind::ChangeLog,
            id: change_log_id(counter),
            version: counter,
            body: change_log_encode(&touched),
            tag: Tag::NONE,
        };
        row.tag = seal::document_tag(self.keys(), &row);
        Some(row.into())
    }

    /// The head in its row.
    pub(super) fn head_of(&self, row: Option<&Option<Arc<DocumentRow>>>) -> Result<Head, VaultError> {
        match row {
            Some(Some(row)) => {
                naming_verify(self.keys(), row)?;
                // Its id and kind are in its tag; nobody else's head is taken for it.
                Head::open(row, self.keys())
            }
            Some(None) | None => Ok(Head::none(self.keys().head_version())),
        }
    }

    /// Takes up the documents that others have changed, and reads no others. `false` where it cannot be told which they are, or what comes of them is
    /// not what the head says: then all are to be read, which says what is wrong if anything is.
    pub(super) async fn catch_up(&self, turn: &DocumentTurn) -> Result<bool, VaultError> {
        if !self.node().is_shared() {
            return Ok(false);
        }
        let here = self.snapshot();
        let (mut known, mut touched) = (here.head.counter, Touched::new());
        let mut stored = self.head_of(self.store().document_read_many(vec![HEAD]).await?.first())?;
        for _ in 0..CATCH_UP_TRIES_MAX {
            let head = stored;
            // What is older is not followed.
            if head.counter < known {
                return Ok(false);
            }
            let Some(of_these) = self.changed_between(known, head.counter).await? else { return Ok(false) };
            touched.extend(of_these);
            if touched.len() > DOCUMENTS_CAUGHT_UP_MAX {
                return Ok(false);
            }
            let keys: Vec<_> = core::iter::once(HEAD).chain(touched.iter().copied()).collect();
            let rows = self.store().document_read_many(keys).await?;
            let read = self.head_of(rows.first())?;
            if read.counter != head.counter {
                // Somebody has changed more meanwhile: what that was is asked as well.
                (known, stored) = (head.counter, read);
                continue;
            }
            let mut changes = Vec::with_capacity(touched.len());
            for ((kind, id), row) in touched.iter().zip(rows.into_iter().skip(1)) {
                changes.push(match row {
                    Some(row) => {
                        seal::document_verify(self.keys(), &row)?;
                        DocumentChange::Put(Arc::unwrap_or_clone(row))
                    }
                    None => DocumentChange::Delete(*kind, *id, 0),
                });
            }
            for change in &changes {
                if let DocumentChange::Put(row) = change
                    && row.kind == DocumentKind::HandOver
                {
                    self.keys().take(&*hand_over(row)?)?;
                }
            }
            let test_mode = self.mode() == Mode::Test;
            let next = here.caught_up(&changes, read, self.keys(), test_mode)?;
            let Some(next) = next else { return Ok(false) };
            if let Some(named) = next.head.header_version {
                self.keys().header_check(named)?;
            }
            self.take_up(turn, next);
            return Ok(true);
        }
        Ok(false)
    }

    /// The documents that were changed after one change and up to another; `None` where that is not known any more.
    async fn changed_between(&self, after: u32, to: u32) -> Result<Option<Touched>, VaultError> {
        let missed = to.saturating_sub(after);
        if missed > CHANGE_LOG_ROWS {
            return Ok(None);
        }
        if missed == 0 {
            return Ok(Some(Touched::new()));
        }
        let changes = to.saturating_sub(missed).saturating_add(1)..=to;
        let keys = changes.clone().map(|change| (DocumentKind::ChangeLog, change_log_id(change))).collect();
        let mut touched = Touched::new();
        for (change, row) in changes.zip(self.store().document_read_many(keys).await?) {
            // Another change may have taken its place.
            let Some(row) = row.filter(|row| row.version == change) else { return Ok(None) };
            seal::document_verify(self.keys(), &row)?;
            touched.extend(change_log_decode(&row.body)?);
        }
        Ok(Some(touched))
    }
}
