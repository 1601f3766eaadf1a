//! What a key of the vault tagged, tagged with the one that took its place. A row is first held against the tag that it has: what somebody changed is never
//! given one that says that it was not. Nothing else of a row changes with its tag, its version neither, so it is written only where the row is
//! there in the version that was read.

use core::ops::ControlFlow;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::VaultPurpose;
use panvault_model::{OrganisationId, Timestamp};
use panvault_store::{Action, Commit, Effect, Expect, Outcome, Row, StoreFault, Table};
use tokio::time::Instant;

use crate::audit::Requester;
use crate::error::VaultError;
use crate::key::interrupt::Sweep;
use crate::key::retag_documents::is_covered;
use crate::key::rotation::TagsFound;
use crate::key::sweep::Rotated;
use crate::key::vault_keys::named;
use crate::limits::{
    RETAG_IDEMPOTENCY_SECONDS, RETAG_ROWS, ROTATION_CHUNK_ROWS, ROTATION_PAGE_ROWS, ROTATION_ROUNDS_MAX,
    ROTATION_STORED_SECONDS,
};
use crate::row_tag::{retagged, tag_key, verify};
use crate::vault::Vault;

/// Versions of a key for tags that another took the place of.
pub(super) type Retired = BTreeSet<u16>;

impl Vault {
    /// Goes on with the rotation of the key for row tags or of that for documents, once another is active: tags what the keys before it tagged, and destroys them when a
    /// reading of all that they tag finds nothing of theirs, and nothing that does not bear its tag.
    pub(super) async fn tags_move(
        &self,
        purpose: VaultPurpose,
        begun: Timestamp,
    ) -> Result<Rotated, VaultError> {
        let retired = self.snapshot().vault_keys_retired(purpose);
        let versions: Retired = retired.iter().map(|key| key.version).collect();
        if retired.is_empty() || !self.has_duty().await? {
            self.rotation().tags_unknown(purpose);
            if purpose == VaultPurpose::DocumentTag {
                self.rotation().bins_keep_key(false);
            }
            return Ok(Rotated::Done);
        }
        // Nothing more is tagged with them, and what was is stored.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        let since = self.shared_time().await?;
        let since = retired.iter().map(|key| self.retired_since(key, since)).max();
        let (sweep, mut not_made) = (Sweep::of(&[], begun), BTreeMap::new());
        for _ in 0..ROTATION_ROUNDS_MAX {
            let begun = self.shared_time().await?;
            // The first time it says how many there are; later it proves that there are none.
            let found = match self.tags_count(purpose, &versions, &sweep).await? {
                ControlFlow::Continue(found) => found,
                ControlFlow::Break(why) => return Ok(why),
            };
            let (left, damaged) = (found.left(), found.damaged);
            not_made = found.not_ending();
            self.rotation().tags_counted(purpose, found);
            if left == 0 && damaged == 0 {
                if !self.are_stored_by(since, begun) || !self.bins_are_retagged(purpose, &versions).await {
                    return Ok(Rotated::Waits);
                }
                for key in retired {
                    self.vault_key_destroy(key).await?;
                }
                self.rotation().tags_unknown(purpose);
                return Ok(Rotated::Done);
            }
            // What is damaged is given no other tag, and what ends soon is left to end.
            if not_made.values().all(|rows| *rows == 0) {
                return Ok(Rotated::Left);
            }
            if let ControlFlow::Break(why) = self.tags_make(purpose, &versions, &sweep).await? {
                return Ok(why);
            }
        }
        self.rotation().tags_not_made(purpose, &not_made);
        let rows: u64 = not_made.values().sum();
        let advice = "run panvault doctor; the key that they need is not destroyed";
        tracing::warn!(purpose = purpose.as_str(), rows, advice, "key.rows_left");
        Ok(Rotated::Left)
    }

    /// Whether all that was done before some moment was stored by another one: as of keys of organisations, a commit of a node that was cut off may come
    /// late.
    pub(super) fn are_stored_by(&self, since: Option<Timestamp>, begun: Timestamp) -> bool {
        let until = since.map(|since| since.plus_seconds(ROTATION_STORED_SECONDS));
        !self.node().is_shared() || until.is_some_and(|until| begun > until)
    }

    /// Reads all rows, counts those with tags of these keys, and holds each against its tag.
    async fn tags_count(
        &self,
        purpose: VaultPurpose,
        retired: &Retired,
        sweep: &Sweep,
    ) -> Result<ControlFlow<Rotated, TagsFound>, VaultError> {
        let none = || retired.iter().map(|key| (*key, 0)).collect();
        let mut found = TagsFound { rows: none(), ending: none(), damaged: 0 };
        for table in tagged_tables(purpose) {
            let mut after = None;
            loop {
                if let ControlFlow::Break(why) = self.goes_on(sweep).await? {
                    return Ok(ControlFlow::Break(why));
                }
                let rows = self.store().row_page(table, after, ROTATION_PAGE_ROWS).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key());
                let ends = self.shared_time().await?.plus_seconds(RETAG_IDEMPOTENCY_SECONDS);
                for (at, row) in rows.iter().enumerate() {
                    if at % ROTATION_CHUNK_ROWS == 0 {
                        tokio::task::yield_now().await;
                    }
                    if verify(row, self.keys()).is_err() {
                        let (kind, id) = (row.key().kind(), row.key().id());
                        let advice = "run panvault doctor; it is given no other tag, and no key for tags is destroyed while a row is not what was written";
                        tracing::warn!(object.kind = kind, object.id = id, advice, "key.row_damaged");
                        found.damaged += 1;
                    } else if let Some(left) = found.rows.get_mut(&tag_key(row)) {
                        *left += 1;
                        if ends_by(row, ends) {
                            *found.ending.entry(tag_key(row)).or_default() += 1;
                        }
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(found))
    }

    /// Gives rows with tags of these keys the tag of now, so many in a second.
    async fn tags_make(
        &self,
        purpose: VaultPurpose,
        retired: &Retired,
        sweep: &Sweep,
    ) -> Result<ControlFlow<Rotated>, VaultError> {
        for table in tagged_tables(purpose) {
            let mut after = None;
            loop {
                let mut rows = self.store().row_page(table, after, ROTATION_PAGE_ROWS).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key());
                let ends = self.shared_time().await?.plus_seconds(RETAG_IDEMPOTENCY_SECONDS);
                rows.retain(|row| retired.contains(&tag_key(row)) && !ends_by(row, ends));
                for chunk in rows.chunks(RETAG_ROWS).chain(rows.is_empty().then_some(&[][..])) {
                    if let ControlFlow::Break(why) = self.goes_on(sweep).await? {
                        return Ok(ControlFlow::Break(why));
                    }
                    self.chunk_retag(purpose, chunk).await?;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Some rows, in a step or a few, and no more of them in a second than may be.
    async fn chunk_retag(&self, purpose: VaultPurpose, chunk: &[Row]) -> Result<(), VaultError> {
        let begun = Instant::now();
        let ours = chunk.iter().filter(|row| verify(row, self.keys()).is_ok()).cloned();
        let (covered, others) = ours.partition::<Vec<_>, _>(is_covered);
        self.documents_retag(covered).await?;
        self.rows_retag(purpose, others).await?;
        let rows = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(1) * rows / self.rotation().rows_per_second();
        tokio::time::sleep(takes.saturating_sub(begun.elapsed())).await;
        Ok(())
    }

    /// One step for many rows. One that changed meanwhile has its new tag with that, and is left out.
    async fn rows_retag(&self, purpose: VaultPurpose, rows: Vec<Row>) -> Result<(), VaultError> {
        let mut parts = vec![rows];
        while let Some(mut rows) = parts.pop() {
            if rows.is_empty() {
                continue;
            }
            match self.store().commit(self.retag_commit(purpose, &rows)).await {
                Ok(Outcome::Done { .. }) => {
                    rows.iter().map(tag_key).for_each(|key| self.rotation().retagged(purpose, key));
                }
                Ok(Outcome::Unmet(at)) if at < rows.len() => {
                    rows.remove(at);
                    parts.push(rows);
                }
                Ok(Outcome::Unmet(_) | Outcome::Claimed(_)) => return Err(VaultError::Contended),
                Err(StoreFault::TooLarge) if rows.len() > 1 => {
                    let behind = rows.split_off(rows.len() / 2);
                    parts.extend([rows, behind]);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    fn retag_commit(&self, purpose: VaultPurpose, rows: &[Row]) -> Commit {
        let nobody = OrganisationId::from_bytes([0; 12]);
        let of_documents = purpose == VaultPurpose::DocumentTag;
        let version =
            if of_documents { self.keys().document_tag_version() } else { self.keys().row_tag_version() };
        let object = named(purpose, version);
        Commit {
            claim: None,
            expects: rows.iter().map(|row| Expect::Version(row.key(), row.version())).collect(),
            effects: rows.iter().map(|row| Effect::Retag(retagged(row, self.keys()))).collect(),
            audit: Requester::VAULT.note(self.now().wall, Action::RowRetag, nobody, object),
        }
    }
}

/// The tables whose rows a key of this purpose tags: documents have one of their own.
fn tagged_tables(purpose: VaultPurpose) -> impl Iterator<Item = Table> {
    let of_documents = purpose == VaultPurpose::DocumentTag;
    Table::ALL.into_iter().filter(move |table| (*table == Table::Document) == of_documents)
}

/// Whether a row is a record of an idempotency key that ends by then.
fn ends_by(row: &Row, then: Timestamp) -> bool {
    matches!(row, Row::Idempotency(row) if row.expires_at <= then)
}

impl TagsFound {
    fn left(&self) -> u64 {
        self.rows.values().sum()
    }

    /// How many rows are to be given another tag for each key.
    fn not_ending(&self) -> BTreeMap<u16, u64> {
        let ending = |key| self.ending.get(key).copied().unwrap_or(0);
        self.rows.iter().map(|(key, rows)| (*key, rows.saturating_sub(ending(key)))).collect()
    }
}
