use core::time::Duration;

use panvault_model::{NodeId, OrganisationId};
use panvault_store::audit_start::AuditStart;
use panvault_store::{Action, Chain, Commit, DocumentKind, Expect, Outcome, RowKey};

use crate::audit::start::{audit_starts, told};
use crate::audit::{Requester, numbered};
use crate::chain::StoreChain;
use crate::error::{VaultError, with_causes};
use crate::limits::{AUDIT_PAGE_RECORDS, AUDIT_RETIRE_SECONDS, AUDIT_RETIRED_AT_ONCE};
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

impl Vault {
    /// Keeps records of the trail for so many days from now on, and those that are older no longer. To be called once, before the vault is served; where the vault sweeps by
    /// itself it is done by itself, else by [`Vault::audit_retire`].
    pub fn audit_keep(&self, days: u32) {
        if self.sweeps() {
            tokio::spawn(retire_often(self.downgrade(), days));
        }
    }

    /// Goes through records that are older than so many days, from the first on, by the node that does what one does for all, and writes down where the rest begins and what
    /// they told. They themselves go when this is next called: whoever reads them meanwhile reads on. Of each node the last record stays, and so does what a
    /// destination of the exported trail has not taken. How many are kept no longer from now on.
    pub async fn audit_retire(&self, days: u32) -> Result<u64, VaultError> {
        if !self.has_duty().await? {
            return Ok(0);
        }
        let chain = StoreChain::new(self.keys());
        let ends = self.trails_known().await?;
        let writers: Vec<_> = ends.keys().copied().collect();
        let mut starts = audit_starts(self.store(), self.keys(), &writers).await?;
        let (mut retired, mut failed, mut chains) = (0_u64, None, Vec::new());
        for (writer, end) in ends {
            let start = starts.remove(&writer).unwrap_or_default();
            match self.audit_retire_of(&chain, writer, end, start, days).await {
                Ok((records, first)) => {
                    retired += records;
                    chains.push((writer, first));
                }
                // One whose trail cannot be read keeps no other from it.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if failed.is_none() {
            failed = self.chain_keys_end(&chains).await.err();
        }
        failed.map_or(Ok(retired), Err)
    }

    /// How many records of a writer are kept no longer, and the first that somebody may be reading.
    async fn audit_retire_of(
        &self,
        chain: &dyn Chain,
        writer: NodeId,
        end: u64,
        (mut version, mut start): (u32, AuditStart),
        days: u32,
    ) -> Result<(u64, u64), VaultError> {
        // What this process has not seen for as long somebody may be reading.
        let seen = self.retired().get(&writer).copied().unwrap_or(0).min(start.place);
        if seen > 0 {
            self.store().audit_forget(writer, seen.saturating_add(1)).await?;
        }
        let (first, until) = (start.place, end.saturating_sub(1).min(self.trail_has(writer).await?));
        loop {
            let before = start.place;
            let is_more = self.audit_told(chain, writer, &mut start, until, days).await?;
            if start.place == before {
                break;
            }
            version = self.audit_start_put(writer, version, &start).await?;
            if !is_more {
                break;
            }
        }
        self.retired().insert(writer, start.place);
        Ok((start.place - first, seen.saturating_add(1)))
    }

    /// Takes up what records of a writer told that are older than so many days, a bounded number of them. Whether there may be more.
    async fn audit_told(
        &self,
        chain: &dyn Chain,
        writer: NodeId,
        start: &mut AuditStart,
        until: u64,
        days: u32,
    ) -> Result<bool, VaultError> {
        let age = u64::from(days).saturating_mul(86_400_000);
        let since = self.now().wall.unix_millis().saturating_sub(age);
        let mut left = AUDIT_RETIRED_AT_ONCE;
        while start.place < until && left > 0 {
            let page = self.store().audit_read(writer, start.place + 1, AUDIT_PAGE_RECORDS).await?;
            for record in &page {
                let is_next = record.writer == writer && record.place == start.place + 1;
                if !is_next || record.place > until || record.note.at.unix_millis() >= since {
                    return Ok(false);
                }
                told(start, chain, record);
            }
            if page.is_empty() {
                return Ok(false);
            }
            left = left.saturating_sub(page.len());
        }
        Ok(start.place < until)
    }

    /// Writes down where what is kept begins, over what was written before. The version of that.
    async fn audit_start_put(
        &self,
        writer: NodeId,
        before: u32,
        start: &AuditStart,
    ) -> Result<u32, VaultError> {
        let version = before.checked_add(1).ok_or(VaultError::Contended)?;
        let row = self.beside(DocumentKind::AuditStart, writer.0, version, start.encode());
        let key = RowKey::Document(row.kind, row.id);
        let expect = if before == 0 { Expect::Absent(key) } else { Expect::Version(key, before) };
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit =
            Requester::VAULT.note(self.now().wall, Action::AuditRetire, nobody, numbered(start.place));
        let commit = Commit { claim: None, expects: vec![expect], effects: vec![row.into()], audit };
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(version),
            // Another node does it.
            Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }
}

/// Does so until the vault is gone.
async fn retire_often(vault: WeakVault, days: u32) {
    let failed = Throttle::default();
    loop {
        tokio::time::sleep(Duration::from_secs(AUDIT_RETIRE_SECONDS)).await;
        let Some(vault) = vault.upgrade() else { return };
        match vault.audit_retire(days).await {
            Ok(0) | Err(VaultError::Contended) => {}
            Ok(records) => tracing::info!(records, days, "audit.retired"),
            Err(error) if failed.is_due(vault.now()) => {
                let advice = "none is lost, and it is tried again; run panvault audit verify if this stays";
                tracing::warn!(error = %with_causes(&error), advice, "audit.not_retired");
            }
            Err(_) => {}
        }
    }
}
