use std::collections::BTreeSet;

use panvault_keys::VaultKeys;
use panvault_model::{Id, NodeId, OrganisationId, Timestamp};
use panvault_store::audit_start::AuditStart;
use panvault_store::checkpoint::{AuditCheckpoint, AuditEnd, TrailEnd};
use panvault_store::{Action, AuditRecord, DocumentKind, Store, StoreFault};

use crate::audit::checkpoint::{checkpoint_read, number_of, numbered};
use crate::audit::known::{RefusedTrail, counted};
use crate::audit::moved::vault_chain;
use crate::audit::start::{audit_starts, ended_trails, is_document_change};
use crate::document::HEAD_ID;
use crate::error::VaultError;
use crate::limits::AUDIT_PAGE_RECORDS;
use crate::permit::{AuditVerify, Permit};
use crate::seal;
use crate::vault::Vault;

/// What holding a trail against its chain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditVerified {
    /// When that was written down.
    pub at: Timestamp,
    /// Records that were read.
    pub records: u64,
    /// How much was not as it should be.
    pub findings: u64,
}

/// What an examination of the trail of several nodes has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailExamined {
    /// Nodes that have written.
    pub nodes: u64,
    /// Records of all of them.
    pub records: u64,
    /// What records told that are kept no longer, of all nodes.
    pub told: AuditStart,
    /// What is wrong, each in a sentence; nothing for a trail that is whole as far as can be told: what came after the last checkpoint may have
    /// been cut off unseen.
    pub findings: Vec<String>,
}

impl Vault {
    /// Writes down that the trail was held against its chain by somebody who reads the store beside this process: so many records, of which so much was
    /// not as it should be. Whoever sees the trail or the status sees when that was last done, and what it came to.
    pub async fn audit_verify_note(
        &self,
        permit: &Permit<AuditVerify>,
        records: u64,
        findings: u64,
    ) -> Result<(), VaultError> {
        let (at, nobody) = (permit.now().wall, OrganisationId::from_bytes([0; 12]));
        let mut note = permit.asked().note(at, Action::AuditVerify, nobody, numbered(records));
        note.outcome = u8::try_from(findings).unwrap_or(u8::MAX);
        // A trail that is not whole is said even where nothing can be written.
        *self.audit_verified() = Some(AuditVerified { at, records, findings });
        self.note_write(note).await
    }
}

/// Reads the trail of every node that shares a store and holds it against its chain, against the one that began after it, and against the
/// checkpoint; and the documents against what all trails tell of them: those of an earlier moment are genuine, and agree with one another. Nodes may go on writing meanwhile. Fails only when the store cannot be read at all.
pub async fn trail_examine(store: &dyn Store, keys: &VaultKeys) -> Result<TrailExamined, VaultError> {
    trail_examine_each(store, keys, &mut |_| {}).await
}

/// The same, and hands out every record that verifies.
pub async fn trail_examine_each(
    store: &dyn Store,
    keys: &VaultKeys,
    each: &mut (dyn FnMut(&AuditRecord) + Send),
) -> Result<TrailExamined, VaultError> {
    let mut examined = TrailExamined::default();
    // Before the checkpoint: whoever has written by then is in it.
    let writers: BTreeSet<NodeId> = store.audit_writers().await?.into_iter().collect();
    let before = match checkpoint_read(store, keys).await {
        Ok(Some(stored)) => stored,
        Ok(None) if writers.is_empty() => return Ok(examined),
        Ok(None) => {
            examined.findings.push("the checkpoint of the trail is gone".to_owned());
            return Ok(examined);
        }
        Err(error)
            if matches!(error, VaultError::Tampered(_) | VaultError::Row(_)) || error.is_of_later_key() =>
        {
            examined.findings.push("the checkpoint of the trail is not what the vault wrote".to_owned());
            return Ok(examined);
        }
        Err(error) => return Err(error),
    };
    let mut known = BTreeSet::new();
    let (mut noted, mut changes) = (0, 0);
    let (mut next, mut named_by) = (Some(before.checkpoint.last), None);
    while let Some(writer) = next.take() {
        if !known.insert(writer) {
            examined.findings.push(format!("the trail of node {writer} is named as one before itself"));
            break;
        }
        let is_vaults = writer == vault_chain(keys);
        let start = match audit_starts(store, keys, &[writer]).await {
            Ok(mut starts) => starts.remove(&writer).map(|(_, start)| start).unwrap_or_default(),
            Err(VaultError::Tampered(_) | VaultError::Row(_)) => {
                let what = format!("where the trail of node {writer} begins is not what the vault wrote");
                examined.findings.push(what);
                AuditStart::default()
            }
            Err(error) => return Err(error),
        };
        let chain = Chain::read(store, writer, is_vaults, &start, &mut examined.findings, each).await?;
        examined.told.add(&start);
        examined.nodes += 1;
        examined.records += chain.records.saturating_sub(start.place);
        noted = noted.max(chain.checkpoint);
        changes += chain.changes;
        let end = match before.checkpoint.ends.get(&writer) {
            Some(end) => Some(*end),
            None => ended(store, keys, writer).await?.map(|(_, ended)| ended.end),
        };
        match (end, named_by) {
            (None, _) => {
                examined
                    .findings
                    .push(format!("nothing says any more how far the trail of node {writer} came"));
            }
            (Some(_), Some(named_by)) if chain.records == start.place => {
                let gone = format!(
                    "the trail of node {writer} is gone, which node {named_by} named as the one before its own"
                );
                examined.findings.push(gone);
            }
            (Some(end), _) if chain.records < end.place && chain.is_whole => {
                let (is, was) = (chain.records, end.place);
                examined
                    .findings
                    .push(format!("the trail of node {writer} ends at record {is}, and had {was}"));
            }
            (Some(_), _) if chain.records == start.place => {
                examined.findings.push(format!("the trail of node {writer} is gone, which began last"));
            }
            (Some(end), _) => {
                let of = Held { store, keys, writer, start: start.place, records: chain.records };
                examined.findings.extend(of.rewritten(&end).await?);
                examined.findings.extend(of.behind(&before.checkpoint).await?);
            }
        }
        next = chain.before;
        named_by = Some(writer);
    }
    for writer in writers.difference(&known) {
        examined.findings.push(format!("the trail of node {writer} is named by no other"));
    }
    examined.findings.extend(ends_behind(store, keys, &before.checkpoint, writers.union(&known)).await?);
    // Behind the chains: whichever of them tells of a checkpoint, it is there by now.
    let after = checkpoint_read(store, keys).await?.map_or(0, |stored| stored.number);
    if noted > after || before.number > after {
        let number = noted.max(before.number);
        examined.findings.push(format!("the checkpoint is number {after}, and there was number {number}"));
    }
    // Each is in one commit with what it is told by.
    examined.findings.extend(documents_behind(store, keys, changes).await?);
    Ok(examined)
}

/// What is wrong with the head of the documents where so many changes of documents were told of.
async fn documents_behind(
    store: &dyn Store,
    keys: &VaultKeys,
    told: u64,
) -> Result<Option<String>, VaultError> {
    let key = (DocumentKind::DocumentHead, HEAD_ID);
    let head = store.document_read_many(vec![key]).await?.into_iter().next().flatten();
    let count = match head {
        None => 0,
        Some(row) if (row.kind, row.id) == key && seal::document_verify(keys, &row).is_ok() => {
            row.version.into()
        }
        Some(_) => return Ok(Some("the head of the documents is not what the vault wrote".to_owned())),
    };
    let is_behind = count < told;
    Ok(is_behind
        .then(|| format!("the documents are those after {count} changes, and the trail tells of {told}")))
}

/// Where a trail that goes on no more ended, if that is written down, with the version of that.
async fn ended(
    store: &dyn Store,
    keys: &VaultKeys,
    writer: NodeId,
) -> Result<Option<(u32, AuditEnd)>, VaultError> {
    match ended_trails(store, keys, &[writer]).await {
        Ok(mut ended) => Ok(ended.remove(&writer)),
        Err(VaultError::Tampered(_) | VaultError::Row(_)) => Ok(None),
        Err(error) if error.is_of_later_key() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is wrong with the rows of ends, where the checkpoint knows how often there was one more or another.
async fn ends_behind(
    store: &dyn Store,
    keys: &VaultKeys,
    checkpoint: &AuditCheckpoint,
    writers: impl Iterator<Item = &NodeId>,
) -> Result<Option<String>, VaultError> {
    let (mut there, told) = (0_u64, checkpoint.ended);
    for writer in writers {
        there += ended(store, keys, *writer).await?.map_or(0, |(version, _)| u64::from(version));
    }
    Ok((there < told).then(|| {
        format!("the ends of trails are those after {there} changes, and the checkpoint tells of {told}")
    }))
}

/// A trail that verifies, from where it is kept up to so many records, and is held against its end.
struct Held<'a> {
    store: &'a dyn Store,
    keys: &'a VaultKeys,
    writer: NodeId,
    start: u64,
    records: u64,
}

impl Held<'_> {
    /// That the marked step is another, under whatever key: something of the chain is, up to there.
    async fn rewritten(&self, end: &TrailEnd) -> Result<Option<String>, VaultError> {
        let (writer, mark) = (self.writer, end.mark);
        if mark.place <= self.start {
            return Ok(None);
        }
        let there = self.store.audit_marks(vec![(writer, mark.place)]).await?;
        let Some(there) = there.first().copied() else { return Ok(None) };
        // One that has ended meanwhile may have been given another tag since.
        let is_it = there == mark
            || ended(self.store, self.keys, writer)
                .await?
                .is_some_and(|(_, ended)| there.place == ended.end.mark.place && ended.has(&there.tag));
        Ok((!is_it).then(|| {
            format!("the trail of node {writer} was rewritten: record {} is another than it was", mark.place)
        }))
    }

    /// That it goes on where it may not.
    async fn behind(&self, checkpoint: &AuditCheckpoint) -> Result<Option<String>, VaultError> {
        let (writer, end) = (self.writer, self.records);
        let refused = match checkpoint.ends.get(&writer) {
            Some(last) => counted(self.store, writer, last, checkpoint.key, end)
                .await?
                .err()
                .map(|(_, refused)| refused),
            None => {
                let ended = ended(self.store, self.keys, writer).await?;
                let ended = ended.map(|(_, ended)| ended.end.place).filter(|ended| end > *ended);
                ended.map(|ended| RefusedTrail::BehindEnd { writer, end: ended })
            }
        };
        Ok(refused.map(|refused| refused.to_string()))
    }
}

const NOBODY: Id = Id::from_bytes([0; 12]);

/// What the trail of one node says.
struct Chain {
    /// The place of the last one.
    records: u64,
    /// All that is there was read.
    is_whole: bool,
    /// The node that began last before this one.
    before: Option<NodeId>,
    /// The last checkpoint that it tells of.
    checkpoint: u32,
    /// Changes of documents that it tells of.
    changes: u64,
}

impl Chain {
    /// That of the vault itself was moved here from a store that nobody shares: it begins with what was first done, and no chain is before it.
    async fn read(
        store: &dyn Store,
        writer: NodeId,
        is_vaults: bool,
        start: &AuditStart,
        findings: &mut Vec<String>,
        each: &mut (dyn FnMut(&AuditRecord) + Send),
    ) -> Result<Self, VaultError> {
        let mut chain = Self {
            records: start.place,
            is_whole: true,
            before: (start.before != NOBODY).then_some(NodeId(start.before)),
            checkpoint: start.checkpoint,
            changes: start.documents,
        };
        loop {
            let page = match store.audit_read(writer, chain.records + 1, AUDIT_PAGE_RECORDS).await {
                Ok(page) => page,
                Err(fault @ (StoreFault::Damaged { .. } | StoreFault::Read(_))) => {
                    let at = chain.records + 1;
                    findings.push(format!(
                        "the trail of node {writer} does not verify from record {at} on: {fault}"
                    ));
                    chain.is_whole = false;
                    return Ok(chain);
                }
                Err(fault) => return Err(fault.into()),
            };
            for record in &page {
                if record.place != chain.records + 1 || record.writer != writer {
                    findings
                        .push(format!("the trail of node {writer} has a gap before record {}", record.place));
                    chain.is_whole = false;
                    return Ok(chain);
                }
                chain.records += 1;
                each(record);
                if record.place == 1 && !is_vaults {
                    if record.note.action == Action::NodeStart {
                        let before = record.note.object;
                        chain.before = (before != NOBODY).then_some(NodeId(before));
                    } else {
                        findings.push(format!("the trail of node {writer} does not begin with its start"));
                    }
                }
                if record.note.action == Action::VaultMove {
                    // They begin anew in each store.
                    chain.checkpoint = 0;
                }
                if record.note.action == Action::AuditCheckpoint {
                    chain.checkpoint = chain.checkpoint.max(number_of(record.note.object));
                }
                chain.changes += u64::from(is_document_change(record.note.action));
            }
            if page.len() < AUDIT_PAGE_RECORDS {
                return Ok(chain);
            }
        }
    }
}
