use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::VaultKeys;
use panvault_model::{Id, NodeId, OrganisationId, Tag};
use panvault_store::checkpoint::{AuditCheckpoint, audit_end_encode};
use panvault_store::{Action, Commit, DocumentKind, DocumentRow, Effect, Expect, Outcome, RowKey, Store};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::{AUDIT_ENDS_MAX, CHECKPOINT_SECONDS};
use crate::seal;
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

/// The one checkpoint.
const CHECKPOINT_ID: Id = Id::from_bytes([0; 12]);
const CHECKPOINT: (DocumentKind, Id) = (DocumentKind::AuditCheckpoint, CHECKPOINT_ID);
pub(crate) const CHECKPOINT_ROW: RowKey = RowKey::Document(DocumentKind::AuditCheckpoint, CHECKPOINT_ID);

/// A checkpoint as it is stored, and its number, which counts the changes of it.
pub(crate) struct Stored {
    pub(crate) number: u32,
    pub(crate) checkpoint: AuditCheckpoint,
}

/// What a node writes when it begins, beside its row.
pub(crate) struct Begun {
    /// Who began last before it, all zeroes where nobody did; itself where its trail goes on.
    pub(crate) before: Id,
    pub(crate) expect: Expect,
    pub(crate) effect: Effect,
}

/// The checkpoint, held against its tag.
pub(crate) async fn checkpoint_read(
    store: &dyn Store,
    keys: &VaultKeys,
) -> Result<Option<Stored>, VaultError> {
    let Some(row) = store.document_read_many(vec![CHECKPOINT]).await?.into_iter().next().flatten() else {
        return Ok(None);
    };
    seal::document_verify(keys, &row)?;
    if (row.kind, row.id) != CHECKPOINT {
        return Err(VaultError::Tampered(CHECKPOINT_ROW));
    }
    Ok(Some(Stored { number: row.version, checkpoint: AuditCheckpoint::decode(&row.body)? }))
}

/// The row of a checkpoint of this number.
pub(crate) fn checkpoint_row(keys: &VaultKeys, number: u32, checkpoint: &AuditCheckpoint) -> DocumentRow {
    let (kind, id) = CHECKPOINT;
    let mut row = DocumentRow { kind, id, version: number, body: checkpoint.encode(), tag: Tag::NONE };
    row.tag = seal::document_tag(keys, &row);
    row
}

/// The object of the record that a checkpoint was written with: zeroes, and its number.
pub(crate) fn numbered(number: u64) -> Id {
    let mut bytes = [0; 12];
    if let Some(last) = bytes.last_chunk_mut() {
        *last = number.to_be_bytes();
    }
    Id::from_bytes(bytes)
}

/// The number in such an object.
pub(super) fn number_of(object: Id) -> u32 {
    object.as_bytes().last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

impl Vault {
    /// What this node writes when it begins. Of nodes that begin at once one does; the others ask again.
    pub(crate) async fn audit_begin(&self) -> Result<Begun, VaultError> {
        let node = self.node().id();
        let stored = checkpoint_read(self.store(), self.keys()).await?;
        let goes_on = self.store().audit_ends(vec![node]).await?.first().is_some_and(|end| *end > 0);
        let (before, mut checkpoint) = match &stored {
            Some(stored) => (stored.checkpoint.last.0, stored.checkpoint.clone()),
            None => (CHECKPOINT_ID, AuditCheckpoint { last: node, ends: BTreeMap::new() }),
        };
        checkpoint.ends.entry(node).or_insert(0);
        if !goes_on {
            checkpoint.last = node;
        }
        let (expect, effect) = self.checkpoint_put(stored.as_ref(), &checkpoint)?;
        Ok(Begun { before: if goes_on { node.0 } else { before }, expect, effect })
    }

    /// Writes down how far the trail of each node has come, if any but this checkpoint's own record has come since the last: what is cut
    /// off later shows. Where there is one node there is one trail, and nothing to do. Done by itself every few seconds where the vault sweeps by
    /// itself, by the node that does what one does for all.
    pub async fn audit_checkpoint(&self) -> Result<(), VaultError> {
        if !self.node().is_shared() || !self.has_duty().await? {
            return Ok(());
        }
        let stored = checkpoint_read(self.store(), self.keys()).await?;
        let Some(stored) = stored else { return Err(VaultError::Tampered(CHECKPOINT_ROW)) };
        self.checkpoint_seen(stored.number)?;
        let nodes: Vec<NodeId> = stored.checkpoint.ends.keys().copied().collect();
        let rows = self.store().node_read_all().await?;
        let there: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        let ends = self.store().audit_ends(nodes.clone()).await?;
        let mut next = stored.checkpoint.clone();
        let (mut effects, mut expects, mut has_moved) = (Vec::new(), Vec::new(), false);
        for (node, end) in nodes.into_iter().zip(ends) {
            let known = stored.checkpoint.ends.get(&node).copied().unwrap_or(0);
            if end < known {
                // What was known stays known.
                tracing::error!(node.id = %node, end, known, advice = "run panvault audit verify", "audit.cut");
                continue;
            }
            let is_own = node == self.node().id();
            // The last checkpoint's own record is no news.
            has_moved |= end > known + u64::from(is_own);
            next.ends.insert(node, end);
            if end == known && !is_own && !there.contains(&node) && effects.len() < AUDIT_ENDS_MAX {
                let row = self.beside(DocumentKind::AuditEnd, node.0, 1, audit_end_encode(end));
                let key = RowKey::Document(row.kind, row.id);
                // One that came back after it was given up has an end already.
                let ended = self.store().document_read_many(vec![(row.kind, row.id)]).await?;
                if let Some(Some(earlier)) = ended.first() {
                    let version = earlier.version;
                    let row = self.beside(row.kind, row.id, version.saturating_add(1), row.body);
                    expects.push(Expect::Version(key, version));
                    effects.push(row.into());
                } else {
                    expects.push(Expect::Absent(key));
                    effects.push(row.into());
                }
                next.ends.remove(&node);
                has_moved = true;
            }
        }
        if !has_moved {
            return Ok(());
        }
        let (expect, effect) = self.checkpoint_put(Some(&stored), &next)?;
        expects.push(expect);
        effects.push(effect);
        let (number, nobody) = (stored.number.saturating_add(1), OrganisationId::from_bytes([0; 12]));
        let audit =
            Requester::VAULT.note(self.now().wall, Action::AuditCheckpoint, nobody, numbered(number.into()));
        match self.store().commit(Commit { claim: None, expects, effects, audit }).await? {
            Outcome::Done { .. } => self.checkpoint_seen(number),
            // A node has begun meanwhile, or another has written one: the next look writes the next.
            Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(()),
        }
    }

    fn checkpoint_seen(&self, number: u32) -> Result<(), VaultError> {
        if self.node().checkpoint_seen(number) { Ok(()) } else { Err(VaultError::Tampered(CHECKPOINT_ROW)) }
    }

    fn checkpoint_put(
        &self,
        stored: Option<&Stored>,
        next: &AuditCheckpoint,
    ) -> Result<(Expect, Effect), VaultError> {
        let number = stored.map_or(Some(1), |stored| stored.number.checked_add(1));
        let row = checkpoint_row(self.keys(), number.ok_or(VaultError::Contended)?, next);
        let expect = stored
            .map_or(Expect::Absent(CHECKPOINT_ROW), |stored| Expect::Version(CHECKPOINT_ROW, stored.number));
        Ok((expect, row.into()))
    }

    /// A row that lies beside the documents.
    pub(crate) fn beside(&self, kind: DocumentKind, id: Id, version: u32, body: Vec<u8>) -> DocumentRow {
        let mut row = DocumentRow { kind, id, version, body, tag: Tag::NONE };
        row.tag = seal::document_tag(self.keys(), &row);
        row
    }
}

/// Writes checkpoints until the vault is gone.
pub(crate) async fn checkpoint_often(vault: WeakVault) {
    let failed = Throttle::default();
    loop {
        tokio::time::sleep(Duration::from_secs(CHECKPOINT_SECONDS)).await;
        let Some(vault) = vault.upgrade() else { return };
        if let Err(error) = vault.audit_checkpoint().await
            && failed.is_due(vault.now())
        {
            let advice = "see why the database does not answer, or run panvault audit verify; what is cut off the trail meanwhile may not show";
            tracing::warn!(error = %with_causes(&error), advice, "audit.no_checkpoint");
        }
    }
}
