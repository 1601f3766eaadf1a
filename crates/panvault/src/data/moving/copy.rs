//! The rows and records of a vault, copied and held against what they were copied from.

use std::collections::VecDeque;

use anyhow::{Context, bail, ensure};
use panvault_store::{Row, RowKey, Store, Table};
use panvault_store_embedded::Import;
use panvault_store_postgres::{Database, TrailImport};
use panvault_vault::vault_chain;

use crate::data::moving::trail::Trail;
use crate::data::moving::{Source, Tell, Told, not_ours, patient};

/// What is moved. Rows about nodes are of processes that have ended, and those about CVVs of a place that the vault leaves: a card without one
/// has none.
const TABLES: [(Table, &str); 10] = [
    (Table::Document, "documents"),
    (Table::Card, "cards"),
    (Table::Transaction, "transactions"),
    (Table::History, "steps"),
    (Table::Refund, "refunds"),
    (Table::Customer, "customers"),
    (Table::Delivery, "deliveries"),
    (Table::Checkout, "checkouts"),
    (Table::Idempotency, "requests"),
    (Table::ApiKeyUse, "uses"),
];

/// Rows that are copied at a time.
const PAGE_ROWS: usize = 2_000;
/// Records that are copied at a time.
const PAGE_RECORDS: usize = 4_096;

/// Where a copy is made.
pub(super) enum Target<'a> {
    Directory(&'a mut Import),
    Database { database: &'a Database, trail: TrailImport },
}

/// Whether a row is moved: what lies beside the documents is of the nodes.
fn is_moved(row: &Row) -> bool {
    match row {
        Row::Document(row) => !row.kind.is_beside(),
        Row::CardCvv(_) | Row::Node(_) => false,
        Row::Card(_)
        | Row::Transaction(_)
        | Row::History(_)
        | Row::Idempotency(_)
        | Row::ApiKeyUse(_)
        | Row::Refund(_)
        | Row::Customer(_)
        | Row::Delivery(_)
        | Row::Checkout(_) => true,
    }
}

/// About how many rows and records there are. It is for whoever waits.
pub(super) async fn total(source: &Source, tell: Tell<'_>) -> anyhow::Result<u64> {
    let totals = patient(tell, async || source.store.totals().await).await?;
    let paid = totals.transactions.saturating_mul(3);
    Ok([totals.cards, paid, totals.refunds, source.records].into_iter().fold(0, u64::saturating_add))
}

impl Target<'_> {
    async fn last(&self, table: Table, tell: Tell<'_>) -> anyhow::Result<Option<RowKey>> {
        match self {
            Self::Directory(import) => Ok(import.last(table)?),
            Self::Database { database, .. } => patient(tell, async || database.last_key(table).await).await,
        }
    }

    async fn put(
        &mut self,
        source: &Source,
        table: Table,
        rows: &[Row],
        tell: Tell<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Directory(import) => Ok(tokio::task::block_in_place(|| import.put(rows))?),
            Self::Database { database, .. } => {
                patient(tell, async || database.put_rows(source.chain.as_ref(), table, rows).await).await
            }
        }
    }

    const fn records(&self) -> u64 {
        match self {
            Self::Directory(import) => import.records(),
            Self::Database { trail, .. } => trail.records(),
        }
    }

    /// Copies what is not there yet, each row held against its tag.
    pub(super) async fn copy(&mut self, source: &Source, tell: Tell<'_>) -> anyhow::Result<()> {
        for (table, _) in TABLES {
            let mut after = self.last(table, tell).await?;
            loop {
                let page =
                    patient(tell, async || source.store.row_page(table, after, PAGE_ROWS).await).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key());
                let rows: Vec<Row> = page.into_iter().filter(is_moved).collect();
                rows.iter().try_for_each(|row| source.verifier.row(row)).map_err(not_ours)?;
                if !rows.is_empty() {
                    self.put(source, table, &rows, tell).await?;
                }
                tell(Told::Done(rows.len() as u64));
            }
        }
        let own = vault_chain(&source.keys);
        // One more is there where the copy was finished before.
        let skip = self.records().min(source.records);
        let mut trail = Trail::read(source.store.as_ref(), &source.keys, own, skip, tell).await?;
        loop {
            let notes = trail.page(PAGE_RECORDS, tell).await?;
            if notes.is_empty() {
                return Ok(());
            }
            match self {
                Self::Directory(import) => tokio::task::block_in_place(|| import.put_notes(&notes))?,
                Self::Database { database, trail } => {
                    let chain = source.chain.as_ref();
                    let put = &mut *trail;
                    patient(tell, async || put.put(database, chain, &notes).await).await?;
                }
            }
            tell(Told::Done(notes.len() as u64));
        }
    }
}

/// Holds a copy against its source: every row, every record, and that there are no others. How many rows there are of each kind.
pub(super) async fn compare(
    source: &Source,
    copy: &dyn Store,
    tell: Tell<'_>,
) -> anyhow::Result<Vec<(&'static str, u64)>> {
    let mut counts = Vec::new();
    for (table, name) in TABLES {
        let mut theirs = Rows::of(source.store.as_ref(), table);
        let mut ours = Rows::of(copy, table);
        let mut count = 0_u64;
        loop {
            match (theirs.next(tell).await?, ours.next(tell).await?) {
                (None, None) => break,
                (Some(one), Some(other)) if one == other => {
                    count += 1;
                    tell(Told::Done(1));
                }
                (Some(row), _) | (None, Some(row)) => bail!(
                    "{} is not the same in the copy: nothing is served from it, and the source is as it was; make an empty place for the copy and run \
                     the command again",
                    row.key()
                ),
            }
        }
        counts.push((name, count));
    }
    let own = vault_chain(&source.keys);
    let mut theirs = Trail::read(source.store.as_ref(), &source.keys, own, 0, tell).await?;
    let mut ours = Trail::read(copy, &source.keys, own, 0, tell).await?;
    for place in 1..=source.records {
        let (one, other) = (theirs.next(tell).await?, ours.next(tell).await?);
        ensure!(
            one.is_some() && one == other,
            "record {place} of the trail is not the same in the copy: nothing is served from it, and the source is as it was; make an empty place \
             for the copy and run the command again"
        );
        tell(Told::Done(1));
    }
    ensure!(theirs.next(tell).await?.is_none(), "the source has more records than it had");
    Ok(counts)
}

/// The rows of a table that are moved, one after the other.
struct Rows<'a> {
    store: &'a dyn Store,
    table: Table,
    after: Option<RowKey>,
    ready: VecDeque<Row>,
    is_end: bool,
}

impl<'a> Rows<'a> {
    const fn of(store: &'a dyn Store, table: Table) -> Self {
        Self { store, table, after: None, ready: VecDeque::new(), is_end: false }
    }

    async fn next(&mut self, tell: Tell<'_>) -> anyhow::Result<Option<Row>> {
        while self.ready.is_empty() && !self.is_end {
            let (store, table, after) = (self.store, self.table, self.after);
            let page = patient(tell, async || store.row_page(table, after, PAGE_ROWS).await).await?;
            match page.last() {
                Some(last) => self.after = Some(last.key()),
                None => self.is_end = true,
            }
            self.ready.extend(page.into_iter().filter(is_moved));
        }
        Ok(self.ready.pop_front())
    }
}

/// What an examination has found, as a reason not to go on.
pub(super) fn is_sound(findings: &[String], where_it_is: &str) -> anyhow::Result<()> {
    let Some(first) = findings.first() else { return Ok(()) };
    let more = findings.len() - 1;
    let rest = if more == 0 { String::new() } else { format!(", and {more} further findings") };
    Err(anyhow::anyhow!("{first}{rest}")).with_context(|| {
        format!("{where_it_is} is damaged, so the vault was not moved; panvault doctor says all of it")
    })
}
