use core::time::Duration;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use panvault_keys::{VaultKeyDescription, VaultKeys, VaultPurpose};
use panvault_model::{Id, NodeId, OrganisationId, Tag, Timestamp};
use panvault_store::checkpoint::{AuditCheckpoint, AuditEnd, TrailEnd, TrailMark};
use panvault_store::{
    Action, Commit, DocumentKind, DocumentRow, Effect, Expect, NodeRow, Outcome, RowKey, Store,
};

use crate::audit::Requester;
use crate::audit::known::counted;
use crate::audit::start::{audit_starts, ended_trails};
use crate::error::{VaultError, with_causes};
use crate::limits::{AUDIT_END_SECONDS, AUDIT_ENDS_MAX, CHAIN_KEY_FOLLOWED_SECONDS, CHECKPOINT_SECONDS};
use crate::node::{Nodes, has_run_out, is_there};
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
            None => {
                let key = self.keys().chain().version(0);
                (CHECKPOINT_ID, AuditCheckpoint { last: node, key, ended: 0, ends: BTreeMap::new() })
            }
        };
        if let Entry::Vacant(entry) = checkpoint.ends.entry(node) {
            // One that was opened anew behind its end goes on from there.
            let ended = ended_trails(self.store(), self.keys(), &[node]).await?.remove(&node);
            entry.insert(match ended {
                Some((_, ended)) => self.end_there(node, &ended).await?,
                None => TrailEnd::NONE,
            });
        }
        if !goes_on {
            checkpoint.last = node;
        }
        let (expect, effect) = self.checkpoint_put(stored.as_ref(), &checkpoint)?;
        Ok(Begun { before: if goes_on { node.0 } else { before }, expect, effect })
    }

    /// An end with the tag that its step has: whoever gave it another may have died before.
    async fn end_there(&self, node: NodeId, ended: &AuditEnd) -> Result<TrailEnd, VaultError> {
        let last = ended.last();
        let there = self.store().audit_marks(vec![(node, last.mark.place)]).await?;
        let tag = there.first().map(|mark| mark.tag).filter(|tag| ended.has(tag)).unwrap_or(last.mark.tag);
        Ok(TrailEnd { mark: TrailMark { tag, ..last.mark }, ..last })
    }

    /// Writes down how far the trail of each node has come, if any but this checkpoint's own record has come since the last: what is cut
    /// off later shows, and what is rewritten. Where there is one node there is one trail, and nothing to do. Done by itself every few seconds where the vault sweeps by
    /// itself, by the node that does what one does for all.
    pub async fn audit_checkpoint(&self) -> Result<(), VaultError> {
        if !self.node().is_shared() || !self.has_duty().await? {
            return Ok(());
        }
        let stored = self.checkpoint_now().await?;
        let before = &stored.checkpoint;
        let Nodes { rows, now: time } = self.nodes_read().await?;
        // Whoever has the database can put rows there: one that is none, or of a node that is long gone, keeps no trail open.
        let is_theirs =
            |row: &Arc<NodeRow>| !has_run_out(row, time) && seal::node_verify(self.keys(), row).is_ok();
        let there: BTreeSet<_> = rows.iter().filter(|row| is_theirs(row)).map(|row| row.id).collect();
        let (mut next, mut over, mut has_moved) = (before.clone(), Vec::new(), false);
        for (node, known, now) in self.trails_since(before).await? {
            let is_own = node == self.node().id();
            // The last checkpoint's own record is no news.
            has_moved |= now.place > known.place + u64::from(is_own) || known.place != known.mark.place;
            next.ends.insert(node, TrailEnd::at(now));
            let may_end = now.place == known.place && !is_own && !there.contains(&node);
            // One that is there after all, and was not heard of, ends when it writes.
            if may_end
                && over.len() < AUDIT_ENDS_MAX
                && self.has_left(node, now.place, time).await
                && self.store().audit_close(node, now.place).await?
            {
                next.ends.remove(&node);
                over.push((node, AuditEnd { end: TrailEnd::at(now), next: None }));
                has_moved = true;
            }
        }
        let is_heard_of =
            |row: &Arc<NodeRow>| is_there(row, time) && seal::node_verify(self.keys(), row).is_ok();
        let heard: BTreeSet<_> = rows.iter().filter(|row| is_heard_of(row)).map(|row| row.id).collect();
        // One that only stands still may not have heard of it, and has so long to come back; who writes in the name of one that is gone keeps the key for no longer.
        let soon = self.chain_key_followed(time, CHAIN_KEY_FOLLOWED_SECONDS);
        let late = self.chain_key_followed(time, CHAIN_KEY_FOLLOWED_SECONDS + AUDIT_END_SECONDS);
        let is_heard = |node: &NodeId| heard.contains(node);
        let key = if next.ends.keys().all(is_heard) {
            soon
        } else if next.ends.keys().all(|node| is_heard(node) || !there.contains(node)) {
            late
        } else {
            next.key
        };
        if key > next.key {
            next.key = key;
            has_moved = true;
        }
        if has_moved { self.checkpoint_commit(&stored, next, &over).await.map(drop) } else { Ok(()) }
    }

    /// The checkpoint as it is stored. There is one as soon as a node has begun, and none is followed by one of before.
    pub(super) async fn checkpoint_now(&self) -> Result<Stored, VaultError> {
        let stored = checkpoint_read(self.store(), self.keys()).await?;
        let stored = stored.ok_or(VaultError::Tampered(CHECKPOINT_ROW))?;
        self.checkpoint_seen(stored.number)?;
        Ok(stored)
    }

    /// Each trail that goes on, with its end as it was known and its last step now. What is not behind what was known is named and left out: that stays known.
    async fn trails_since(
        &self,
        before: &AuditCheckpoint,
    ) -> Result<Vec<(NodeId, TrailEnd, TrailMark)>, VaultError> {
        // Of one moment: what is taken for the end now is behind the step that was known.
        let last = before.ends.keys().map(|node| (*node, u64::MAX));
        let known = before.ends.iter().map(|(node, end)| (*node, end.mark.place));
        let marks = self.store().audit_marks(last.chain(known).collect()).await?;
        let (now, then) = marks.split_at(before.ends.len().min(marks.len()));
        let mut trails = Vec::with_capacity(before.ends.len());
        for ((node, known), (now, then)) in before.ends.iter().zip(now.iter().zip(then)) {
            let (node, end) = (*node, now.place);
            let found = if end < known.place {
                format!("it ends at record {end}, and had {}", known.place)
            } else if *then != known.mark && !self.is_retired(node, known.mark.place).await? {
                format!("record {} is another than it was", known.mark.place)
            } else if let Err((_, refused)) = counted(self.store(), node, known, before.key, end).await? {
                refused.to_string()
            } else {
                trails.push((node, *known, *now));
                continue;
            };
            tracing::error!(node.id = %node, found, advice = "run panvault audit verify", "audit.cut");
        }
        Ok(trails)
    }

    /// Whether a node that is gone said last that it stops, or long ago something else. What cannot be read says neither.
    async fn has_left(&self, node: NodeId, end: u64, now: Timestamp) -> bool {
        let last = self.store().audit_read(node, end, 1).await.unwrap_or_default();
        last.first().is_some_and(|record| {
            let has_stopped = record.note.action == Action::NodeStop && record.note.object == node.0;
            has_stopped || record.note.at.plus_seconds(AUDIT_END_SECONDS) <= now
        })
    }

    /// Whether a record is kept no longer.
    async fn is_retired(&self, writer: NodeId, place: u64) -> Result<bool, VaultError> {
        let starts = audit_starts(self.store(), self.keys(), &[writer]).await?;
        Ok(starts.get(&writer).is_some_and(|(_, start)| place <= start.place))
    }

    /// The earliest key of the chain that a node may still write with: not one that another took the place of so long ago.
    fn chain_key_followed(&self, now: Timestamp, seconds: u64) -> u16 {
        let active = self.keys().chain().version(0);
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::AuditChain);
        let is_followed =
            |key: &&VaultKeyDescription| now >= self.retired_since(key, now).plus_seconds(seconds);
        let still = retired.iter().filter(|key| !is_followed(key)).map(|key| key.version).min();
        still.unwrap_or(active)
    }

    /// Puts a checkpoint in the place of one, with the ends of trails that are over. `false` where another was first.
    pub(super) async fn checkpoint_commit(
        &self,
        stored: &Stored,
        mut next: AuditCheckpoint,
        over: &[(NodeId, AuditEnd)],
    ) -> Result<bool, VaultError> {
        let nodes: Vec<_> = over.iter().map(|(node, _)| *node).collect();
        let earlier = ended_trails(self.store(), self.keys(), &nodes).await?;
        let (mut effects, mut expects) = (Vec::new(), Vec::new());
        for (node, end) in over {
            // One that was opened anew behind its end has one already.
            let version = earlier.get(node).map_or(0, |(version, _)| *version);
            let next_version = version.checked_add(1).ok_or(VaultError::Contended)?;
            let row = self.beside(DocumentKind::AuditEnd, node.0, next_version, end.encode());
            let key = RowKey::Document(row.kind, row.id);
            expects.push(if version == 0 { Expect::Absent(key) } else { Expect::Version(key, version) });
            effects.push(row.into());
            next.ended = next.ended.saturating_add(1);
        }
        let (expect, effect) = self.checkpoint_put(Some(stored), &next)?;
        expects.push(expect);
        effects.push(effect);
        let (number, nobody) = (stored.number.saturating_add(1), OrganisationId::from_bytes([0; 12]));
        let audit =
            Requester::VAULT.note(self.now().wall, Action::AuditCheckpoint, nobody, numbered(number.into()));
        match self.store().commit(Commit { claim: None, expects, effects, audit }).await? {
            Outcome::Done { .. } => self.checkpoint_seen(number).map(|()| true),
            // A node has begun meanwhile, or another has written one: the next look writes the next.
            Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(false),
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
