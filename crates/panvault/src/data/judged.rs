//! A store that is looked at: every row against its seal or tag. Nothing is changed.

use panvault_keys::VaultKeys;
use panvault_store_embedded::{Examination, OpenFault, examine};
use panvault_vault::{RowVerifier, documents_differ, with_causes};

use crate::data::{DataDirectory, chain};

/// Rows that are listed; the rest are counted.
const LISTED_MAX: usize = 20;

/// Looks at all of the store.
pub(crate) fn examined(directory: &DataDirectory, keys: VaultKeys) -> Result<Examination, OpenFault> {
    let chain = chain(&keys);
    judged(examine(&directory.path, directory.wal.as_deref(), directory.vault, chain.as_ref())?, keys)
}

/// Holds every row of a store that is looked at against its seal or tag.
pub(crate) fn judged(mut examination: Examination, keys: VaultKeys) -> Result<Examination, OpenFault> {
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
