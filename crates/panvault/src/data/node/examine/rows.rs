//! Every row in the database, held against its tag, the columns by which it is found, and what it hangs on. Nodes may write meanwhile: what does
//! not fit is read once more, by its key, before it is said.

use core::fmt::Write as _;
use std::collections::HashSet;

use panvault_keys::VaultKeys;
use panvault_store::{Row, RowKey, Store, Table};
use panvault_store_postgres::{ExaminedRow, PostgresStore, key_bytes};
use panvault_vault::RowVerifier;

use crate::data::node::examine::latest::Latest;
use crate::data::node::examine::presence::Presence;

/// Rows that are held at a time.
const PAGE_ROWS: usize = 512;
/// Findings of a table that are listed; the rest are counted.
const LISTED_MAX: usize = 20;

/// What was read of a table.
#[derive(Default)]
pub(crate) struct RowsExamined {
    /// Rows of each table, in the order of [`Table::ALL`].
    pub(crate) counts: Vec<(&'static str, u64)>,
    pub(crate) findings: Vec<String>,
}

/// Reads all rows.
pub(super) struct Rows<'a> {
    pub(super) store: &'a PostgresStore,
    /// Opens the keys once more: they are not copied, and documents may have changed since they were read.
    pub(super) keys: &'a (dyn Fn() -> anyhow::Result<VaultKeys> + Sync),
    pub(super) at: &'a mut (dyn FnMut(u64) + Send),
}

impl Rows<'_> {
    /// Every row but documents. `presence`: which of those that the trail tells of are there; `latest`: whether they are the last of their versions, where nobody writes.
    pub(super) async fn examine(
        self,
        mut verifier: RowVerifier,
        presence: &mut Presence,
        mut latest: Option<&mut Latest>,
    ) -> anyhow::Result<RowsExamined> {
        let mut examined = RowsExamined::default();
        let mut done = 0;
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Document) {
            let (mut after, mut count, mut wrong) = (Vec::new(), 0, 0);
            loop {
                let page = self.store.rows_after(table, &after, PAGE_ROWS).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.key);
                count += page.len() as u64;
                page.iter().for_each(|read| presence.row(table, &read.key));
                if let Some(latest) = latest.as_deref_mut() {
                    page.iter().filter_map(|read| read.row.as_ref().ok()).for_each(|row| latest.row(row));
                }
                let suspects = self.wrong_of(&verifier, &page).await?;
                if !suspects.is_empty() {
                    // By the documents of now: what they are of may have been made since.
                    if let Some(anew) = self.verifier().await {
                        verifier = anew;
                    }
                    let keys: Vec<_> = suspects.into_iter().map(|(key, _)| key).collect();
                    let again = self.store.rows_of(table, &keys).await?;
                    for (key, what) in self.wrong_of(&verifier, &again).await? {
                        wrong += 1;
                        if wrong <= LISTED_MAX {
                            examined.findings.push(format!("{} {what}", named(table, &key)));
                        }
                    }
                }
                done += page.len() as u64;
                (self.at)(done);
                if page.len() < PAGE_ROWS {
                    break;
                }
            }
            if wrong > LISTED_MAX {
                examined.findings.push(format!("and {} further rows: {}", wrong - LISTED_MAX, name(table)));
            }
            examined.counts.push((name(table), count));
        }
        Ok(examined)
    }

    async fn verifier(&self) -> Option<RowVerifier> {
        let documents = self.store.document_read_all().await.ok()?;
        RowVerifier::open((self.keys)().ok()?, &documents).ok()
    }

    /// Those of a page that do not fit, and how.
    async fn wrong_of(
        &self,
        verifier: &RowVerifier,
        page: &[ExaminedRow],
    ) -> anyhow::Result<Vec<(Vec<u8>, &'static str)>> {
        let (mut wrong, mut hanging) = (Vec::new(), Vec::new());
        for read in page {
            match &read.row {
                Err(_) => wrong.push((read.key.clone(), "cannot be read, or is not where its columns say")),
                Ok(row) if key_bytes(row.key()) != read.key || verifier.row_whole(row).is_err() => {
                    wrong.push((read.key.clone(), "is not what the vault wrote"));
                }
                Ok(row) => hanging.extend(hangs_on(row).map(|on| (read.key.clone(), on))),
            }
        }
        for table in [Table::Card, Table::Transaction] {
            let of = |on: RowKey| (on.table() == table).then(|| key_bytes(on));
            let keys: HashSet<_> = hanging.iter().filter_map(|(_, on)| of(*on)).collect();
            let keys: Vec<_> = keys.into_iter().collect();
            let missing = self.store.rows_missing(table, &keys).await?;
            let is_missing = |on: RowKey| of(on).is_some_and(|key| missing.contains(&key));
            let gone = hanging.iter().filter(|(_, on)| is_missing(*on));
            let what = if table == Table::Card {
                "is of a card that is gone"
            } else {
                "is of a transaction that is gone"
            };
            wrong.extend(gone.map(|(key, _)| (key.clone(), what)));
        }
        Ok(wrong)
    }
}

/// The row without which this one is not there. A card may be deleted, and its transactions stay; a delivery outlives what it tells of.
fn hangs_on(row: &Row) -> Option<RowKey> {
    match row {
        Row::History(row) => Some(RowKey::Transaction(row.transaction)),
        Row::Refund(row) => Some(RowKey::Transaction(row.transaction)),
        Row::CardCvv(row) => Some(RowKey::Card(row.card)),
        Row::Card(_)
        | Row::Transaction(_)
        | Row::Document(_)
        | Row::Idempotency(_)
        | Row::Node(_)
        | Row::ApiKeyUse(_)
        | Row::Customer(_)
        | Row::Delivery(_)
        | Row::Checkout(_) => None,
    }
}

/// What rows of a table are.
pub(super) const fn name(table: Table) -> &'static str {
    match table {
        Table::Card => "cards",
        Table::Transaction => "transactions",
        Table::History => "steps of transactions",
        Table::Document => "documents",
        Table::Idempotency => "idempotency records",
        Table::CardCvv => "marks of CVVs",
        Table::Node => "nodes",
        Table::ApiKeyUse => "last uses of API keys",
        Table::Refund => "refunds",
        Table::Customer => "customers",
        Table::Delivery => "deliveries",
        Table::Checkout => "checkouts",
    }
}

/// What a row of a table is called.
pub(super) const fn kind(table: Table) -> &'static str {
    match table {
        Table::Card => "card",
        Table::Transaction => "transaction",
        Table::History => "step of transaction",
        Table::Document => "document",
        Table::Idempotency => "idempotency record",
        Table::CardCvv => "mark of the CVV of card",
        Table::Node => "node",
        Table::ApiKeyUse => "last use of API key",
        Table::Refund => "refund",
        Table::Customer => "customer",
        Table::Delivery => "delivery",
        Table::Checkout => "checkout",
    }
}

/// A row by its key, of which somebody may have made anything.
pub(super) fn named(table: Table, key: &[u8]) -> String {
    let kind = kind(table);
    // An id has twelve bytes; what is longer names the rest of its key.
    let mut text = format!("{kind} ");
    for byte in key.iter().take(12) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
