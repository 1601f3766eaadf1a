//! Keys of the vault whose work nobody can do anew, for only others have what it was done to: the bodies of requests, API keys, CVVs. Each is destroyed when what it made
//! has come to its end, or its bearer has brought it once more.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use panvault_keys::{KeyState, VaultKeyDescription, VaultPurpose};
use panvault_model::{ApiKeyId, NodeId, Timestamp};
use panvault_store::limits::CVV_KEY_COMPONENT_KEPT_SECONDS;
use panvault_store::{Row, Table};

use crate::chain::StoreChain;
use crate::document::Snapshot;
use crate::error::VaultError;
use crate::key::interrupt::Sweep;
use crate::key::rotation::RecordsFound;
use crate::key::sweep::Rotated;
use crate::limits::{ROTATION_CHUNK_ROWS, ROTATION_COUNT_SECONDS, ROTATION_PAGE_ROWS};
use crate::row_tag::verify;
use crate::vault::Vault;

impl Snapshot {
    /// Keys of a purpose that another took the place of.
    pub(crate) fn vault_keys_retired(&self, purpose: VaultPurpose) -> Vec<VaultKeyDescription> {
        let keys = self.handed.iter().flat_map(|handed| handed.keys());
        keys.filter(|key| key.purpose == purpose && key.state == KeyState::OpenOnly).collect()
    }

    /// API keys of whose hash this is the key.
    pub(super) fn api_keys_hashed_by(&self, version: u16) -> impl Iterator<Item = ApiKeyId> {
        self.documents.api_keys().filter(move |row| row.hash_key == version).map(|row| row.id)
    }

    /// Whether there is an API key whose hash was made by a key that another took the place of.
    pub(super) fn is_needed_by_api_keys(&self) -> bool {
        let retired = self.vault_keys_retired(VaultPurpose::ApiKeyHash);
        retired.iter().any(|key| self.api_keys_hashed_by(key.version).next().is_some())
    }
}

impl Vault {
    /// Destroys keys for the digests of requests that another took the place of, when all rows were read and no record counts any more that one of them made.
    pub(super) async fn idempotency_keys_end(&self, swept: Timestamp) -> Result<Rotated, VaultError> {
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::Idempotency);
        if retired.is_empty() {
            self.rotation().records_counted(None);
            return Ok(Rotated::Done);
        }
        if self.shared_time().await? < self.rotation().records_count_at() {
            return Ok(Rotated::Left);
        }
        // Nothing more is claimed with them, and what was is stored.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        let begun = self.shared_time().await?;
        let since = retired.iter().map(|key| self.retired_since(key, begun)).max();
        let found = match self.records_count(&retired, begun, &Sweep::of(&[], swept)).await? {
            ControlFlow::Continue(found) => found,
            ControlFlow::Break(why) => return Ok(why),
        };
        if !found.is_empty() {
            self.rotation().records_counted(Some(found));
            return Ok(Rotated::Left);
        }
        if !self.are_stored_by(since, begun) {
            return Ok(Rotated::Waits);
        }
        for key in retired {
            self.vault_key_destroy(key).await?;
        }
        self.rotation().records_counted(None);
        Ok(Rotated::Done)
    }

    /// Counts the records that these keys made and that still count, and holds each against its tag: one that somebody changed may name another key.
    async fn records_count(
        &self,
        retired: &[VaultKeyDescription],
        now: Timestamp,
        sweep: &Sweep,
    ) -> Result<ControlFlow<Rotated, RecordsFound>, VaultError> {
        let rows = retired.iter().map(|key| (key.version, 0)).collect::<BTreeMap<_, _>>();
        let mut found = RecordsFound { rows, damaged: 0, count_at: now };
        let mut after = None;
        loop {
            if let ControlFlow::Break(why) = self.goes_on(sweep).await? {
                return Ok(ControlFlow::Break(why));
            }
            let rows = self.store().row_page(Table::Idempotency, after, ROTATION_PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(ControlFlow::Continue(found)) };
            after = Some(last.key());
            for (at, row) in rows.iter().enumerate() {
                if at % ROTATION_CHUNK_ROWS == 0 {
                    tokio::task::yield_now().await;
                }
                let Row::Idempotency(record) = row else { continue };
                // What has ended is swept.
                if record.expires_at <= now {
                    continue;
                }
                if verify(row, self.keys()).is_err() {
                    found.damaged += 1;
                } else if let Some(left) = found.rows.get_mut(&record.digest_key) {
                    *left += 1;
                } else {
                    continue;
                }
                // All of them are counted again when the last has ended, and meanwhile now and then.
                let count_at = record.expires_at.min(now.plus_seconds(ROTATION_COUNT_SECONDS));
                found.count_at = found.count_at.max(count_at);
            }
        }
    }

    /// Destroys keys for the head of the documents that another took the place of: with the first change under another key nothing is sealed with them any more, and no node
    /// opens what was before that.
    pub(super) async fn document_head_keys_end(&self) -> Result<Rotated, VaultError> {
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::DocumentHead);
        if retired.is_empty() {
            return Ok(Rotated::Done);
        }
        self.requests_before_end().await?;
        // Who changes the header hands over under the key that it read to be active.
        let _turn = self.header_turn().lock().await;
        for key in retired {
            self.vault_key_destroy(key).await?;
        }
        Ok(Rotated::Done)
    }

    /// Destroys keys for hashes of API keys that another took the place of, when no API key is known by its hash any more.
    pub(super) async fn api_key_hash_keys_end(&self) -> Result<Rotated, VaultError> {
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::ApiKeyHash);
        let mut rotated = Rotated::Done;
        for key in retired {
            let is_needed = self.snapshot().api_keys_hashed_by(key.version).next().is_some();
            if is_needed {
                rotated = Rotated::Left;
            } else {
                self.vault_key_destroy(key).await?;
            }
        }
        Ok(rotated)
    }

    /// Destroys keys for shared CVVs that another took the place of, when no CVV is held any more that is sealed under one of them.
    pub(super) async fn cvv_cache_keys_end(&self) -> Result<Rotated, VaultError> {
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::CvvCache);
        let mut rotated = Rotated::Done;
        for key in retired {
            let now = self.shared_time().await?;
            let until = self.retired_since(&key, now).plus_seconds(CVV_KEY_COMPONENT_KEPT_SECONDS);
            if now < until {
                rotated = Rotated::Left;
            } else {
                self.vault_key_destroy(key).await?;
            }
        }
        Ok(rotated)
    }

    /// Destroys keys of the chain that another took the place of, when no record is kept any more that one of them chained. Of each writer the records are read from this one on.
    pub(crate) async fn chain_keys_end(&self, chains: &[(NodeId, u64)]) -> Result<(), VaultError> {
        let retired = self.snapshot().vault_keys_retired(VaultPurpose::AuditChain);
        if retired.is_empty() {
            return Ok(());
        }
        // Nothing more is chained with them, and what was is stored.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        let now = self.shared_time().await?;
        let since = retired.iter().map(|key| self.retired_since(key, now)).max();
        if !self.are_stored_by(since, now) {
            return Ok(());
        }
        let (chain, mut needed) = (StoreChain::new(self.keys()), u16::MAX);
        for (writer, first) in chains {
            let key = self.trail_key(&chain, *writer, *first).await?;
            needed = needed.min(key.unwrap_or(u16::MAX));
        }
        for key in retired.into_iter().filter(|key| key.version < needed) {
            self.vault_key_destroy(key).await?;
        }
        Ok(())
    }

    /// Since when another has the place of a key: as that was noted, or since this node knows of it.
    pub(crate) fn retired_since(&self, key: &VaultKeyDescription, now: Timestamp) -> Timestamp {
        let noted = self.snapshot().handed.as_ref().and_then(|handed| handed.since(key.purpose, key.version));
        noted.unwrap_or_else(|| self.rotation().known_since(key, now))
    }
}
