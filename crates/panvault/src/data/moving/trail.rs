//! The trail of a vault as one chain: that of the vault itself, and behind it those of its nodes, by time.

use std::collections::VecDeque;

use anyhow::{Context, ensure};
use panvault_model::NodeId;
use panvault_store::{AuditNote, AuditRecord, Store};

use panvault_keys::VaultKeys;
use panvault_vault::audit_starts;

use crate::data::moving::{Tell, not_ours, patient};

/// Records that are read of a chain at a time.
const PAGE_RECORDS: usize = 4_096;

/// Read from front to back. Records of one chain stay in their order.
pub(super) struct Trail<'a> {
    store: &'a dyn Store,
    own: Option<Chain>,
    others: Vec<Chain>,
}

struct Chain {
    writer: NodeId,
    end: u64,
    /// The last place that was read.
    read: u64,
    ready: VecDeque<AuditRecord>,
}

impl<'a> Trail<'a> {
    /// What is kept of the trail in a store, in which `own` is the chain of the vault itself, behind its first so many records.
    pub(super) async fn read(
        store: &'a dyn Store,
        keys: &VaultKeys,
        own: NodeId,
        skip: u64,
        tell: Tell<'_>,
    ) -> anyhow::Result<Self> {
        let mut writers = patient(tell, async || store.audit_writers().await).await?;
        writers.sort_unstable();
        let ends = patient(tell, async || store.audit_ends(writers.clone()).await).await?;
        let starts = audit_starts(store, keys, &writers).await.map_err(not_ours)?;
        let chain = |(writer, end): (NodeId, u64)| {
            let read = starts.get(&writer).map_or(0, |(_, start)| start.place);
            Chain { writer, end, read, ready: VecDeque::new() }
        };
        let chains = writers.into_iter().zip(ends).map(chain);
        let (mut of_the_vault, others): (Vec<_>, Vec<_>) = chains.partition(|chain| chain.writer == own);
        let mut trail = Self { store, own: of_the_vault.pop(), others };
        let skipped = trail.own.as_mut().map_or(0, |chain| {
            let skipped = chain.end.saturating_sub(chain.read).min(skip);
            chain.read += skipped;
            skipped
        });
        for _ in skipped..skip {
            trail.next(tell).await?.context("the copy has records that its source has not")?;
        }
        Ok(trail)
    }

    /// The next records, so many at most; none at the end.
    pub(super) async fn page(&mut self, limit: usize, tell: Tell<'_>) -> anyhow::Result<Vec<AuditNote>> {
        let mut page = Vec::new();
        while page.len() < limit
            && let Some(note) = self.next(tell).await?
        {
            page.push(note);
        }
        Ok(page)
    }

    pub(super) async fn next(&mut self, tell: Tell<'_>) -> anyhow::Result<Option<AuditNote>> {
        if let Some(own) = &mut self.own {
            own.fill(self.store, tell).await?;
            if let Some(record) = own.ready.pop_front() {
                return Ok(Some(record.note));
            }
            self.own = None;
        }
        for chain in &mut self.others {
            chain.fill(self.store, tell).await?;
        }
        let first = |chain: &Chain| chain.ready.front().map(|record| (record.note.at, record.writer));
        let chains = self.others.iter_mut().filter(|chain| !chain.ready.is_empty());
        let earliest = chains.min_by_key(|chain| first(chain));
        Ok(earliest.and_then(|chain| chain.ready.pop_front()).map(|record| record.note))
    }
}

impl Chain {
    /// Has the next record ready, if there is one.
    async fn fill(&mut self, store: &dyn Store, tell: Tell<'_>) -> anyhow::Result<()> {
        if !self.ready.is_empty() || self.read >= self.end {
            return Ok(());
        }
        let (first, writer) = (self.read + 1, self.writer);
        let page = patient(tell, async || store.audit_read(writer, first, PAGE_RECORDS).await).await?;
        for record in page.into_iter().take_while(|record| record.place <= self.end) {
            ensure!(
                record.place == self.read + 1,
                "the trail of node {writer} has a gap before record {}, so the vault was not moved",
                record.place
            );
            self.read = record.place;
            self.ready.push_back(record);
        }
        ensure!(
            !self.ready.is_empty(),
            "the trail of node {writer} ends before record {}, so the vault was not moved",
            self.end
        );
        Ok(())
    }
}
