//! A store that is looked at: every row against its seal or tag. Nothing is changed.

use panvault_keys::{VaultKeyDescription, VaultKeys};
use panvault_store_embedded::{Examination, OpenFault, examine};
use panvault_vault::{RowVerifier, documents_differ, with_causes};

use crate::bins::VaultTags;
use crate::data::beside::{KEYS_CHANGE, Looked, looked, versions};
use crate::data::header::CopyFault;
use crate::data::{DataDirectory, OpenHeader, Unattended, chain};

/// Rows that are listed; the rest are counted.
const LISTED_MAX: usize = 20;

/// What was found of a vault whose keys open.
pub(crate) struct VaultExamined {
    /// Copies of the keys that do not serve.
    pub(crate) faults: Vec<CopyFault>,
    pub(crate) tags: VaultTags,
    /// What its header says of its keys.
    pub(crate) described: Vec<VaultKeyDescription>,
    pub(crate) store: Result<Examination, OpenFault>,
    /// What is found may come of keys that changed meanwhile.
    pub(crate) keys_change: bool,
}

impl VaultExamined {
    fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.store.as_ref().is_ok_and(|found| found.findings.is_empty())
    }
}

impl DataDirectory {
    /// Looks at keys, log, view, trail and every row, beside whoever serves the vault.
    pub(crate) async fn examined(&self, by: Unattended<'_>) -> anyhow::Result<VaultExamined> {
        let look = async || {
            let OpenHeader { keys, copies, .. } = self.header_unattended(by).await?;
            let (tags, described) = (VaultTags::new(&keys), keys.descriptions());
            let store = examined(self, keys);
            anyhow::Ok(VaultExamined { faults: copies.faults, tags, described, store, keys_change: false })
        };
        let is_whole =
            |found: &anyhow::Result<VaultExamined>| found.as_ref().is_ok_and(VaultExamined::is_whole);
        let Looked { found, keys_change } = looked(async || versions(&self.headers()), look, is_whole).await;
        Ok(VaultExamined { keys_change, ..found? })
    }

    /// Looks at log, view and trail alone.
    pub(crate) async fn log_examined(&self, by: Unattended<'_>) -> anyhow::Result<Examination> {
        let look = async || {
            let keys = self.header_unattended(by).await?.keys;
            let log = self.wal.as_deref();
            anyhow::Ok(examine(&self.path, log, self.vault, chain(&keys).as_ref())?)
        };
        let is_whole =
            |found: &anyhow::Result<Examination>| found.as_ref().is_ok_and(|found| found.findings.is_empty());
        let Looked { found, keys_change } = looked(async || versions(&self.headers()), look, is_whole).await;
        let mut found = found?;
        if keys_change {
            found.found("keys", KEYS_CHANGE.to_owned());
        }
        Ok(found)
    }
}

/// Looks at all of the store by these keys.
pub(in crate::data) fn examined(
    directory: &DataDirectory,
    keys: VaultKeys,
) -> Result<Examination, OpenFault> {
    let chain = chain(&keys);
    judged(examine(&directory.path, directory.wal.as_deref(), directory.vault, chain.as_ref())?, keys)
}

/// Holds every row of a store that is looked at against its seal or tag.
pub(in crate::data) fn judged(
    mut examination: Examination,
    keys: VaultKeys,
) -> Result<Examination, OpenFault> {
    let documents = examination.documents()?;
    documents_differ(&keys, &documents).into_iter().for_each(|what| examination.found("row", what));
    match RowVerifier::open(keys, &documents) {
        Ok(verifier) => rows(&mut examination, &verifier)?,
        Err(error) => {
            examination.found("row", format!("documents or keys do not verify: {}", with_causes(&error)))
        }
    }
    Ok(examination)
}

/// Holds every row against its seal or tag.
fn rows(examination: &mut Examination, verifier: &RowVerifier) -> Result<(), OpenFault> {
    let mut wrong = Wrong::default();
    examination.each_card(&mut |row| {
        let verified = verifier.card(&row).is_ok();
        wrong.note(verified, || format!("card {} is not what the vault wrote", row.id));
    })?;
    examination.each_transaction(&mut |row| {
        let verified = verifier.transaction(&row).is_ok();
        wrong.note(verified, || format!("transaction {} is not what the vault wrote", row.id));
    })?;
    examination.each_refund(&mut |row| {
        let verified = verifier.refund(&row).is_ok();
        wrong.note(verified, || format!("refund {} is not what the vault wrote", row.id));
    })?;
    examination.each_customer(&mut |row| {
        let verified = verifier.customer(&row).is_ok();
        wrong.note(verified, || format!("customer {} is not what the vault wrote", row.id));
    })?;
    let history = examination.each_history(&mut |row| {
        let verified = verifier.history(&row).is_ok();
        wrong.note(verified, || {
            format!("a step of transaction {} is not what the vault wrote", row.transaction)
        });
    })?;
    let idempotency = examination.each_idempotency(&mut |row| {
        let verified = verifier.idempotency(&row).is_ok();
        wrong.note(verified, || "an idempotency record is not what the vault wrote".to_owned());
    })?;
    let uses = examination.each_api_key_use(&mut |row| {
        let verified = verifier.api_key_use(&row).is_ok();
        wrong.note(verified, || {
            format!("the last use of API key {} is not what the vault wrote", row.api_key)
        });
    })?;
    examination.each_checkout(&mut |row| {
        let verified = verifier.checkout(&row).is_ok();
        wrong.note(verified, || format!("checkout {} is not what the vault wrote", row.id));
    })?;
    examination.each_delivery(&mut |row| {
        let verified = verifier.delivery(&row).is_ok();
        wrong.note(verified, || format!("delivery {} is not what the vault wrote", row.id));
    })?;
    examination.found_unreadable("last uses of API keys", uses);
    examination.found_unreadable("steps of transactions", history);
    examination.found_unreadable("idempotency records", idempotency);
    let rest = wrong.count.saturating_sub(wrong.listed.len());
    if rest > 0 {
        wrong.listed.push(format!("and {rest} further rows"));
    }
    wrong.listed.into_iter().for_each(|what| examination.found("row", what));
    Ok(())
}

#[derive(Default)]
struct Wrong {
    listed: Vec<String>,
    count: usize,
}

impl Wrong {
    fn note(&mut self, verified: bool, what: impl FnOnce() -> String) {
        if verified {
            return;
        }
        self.count += 1;
        // One place is kept for the count of the rest.
        if self.listed.len() + 1 < LISTED_MAX {
            self.listed.push(what());
        }
    }
}
