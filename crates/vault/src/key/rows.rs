//! Cards and customers, read for keys of organisations that others took the place of: which of them need one, and all of these sealed anew.

use core::ops::ControlFlow;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::OrganisationKey;
use panvault_model::CardId;
use panvault_store::{Row, RowKey, Table};
use tokio::time::Instant;

use crate::error::{VaultError, with_causes};
use crate::key::interrupt::Sweep;
use crate::key::reseal::{Old, is_done};
use crate::key::rotation::Retired;
use crate::key::sweep::{Rotated, retired};
use crate::limits::{ROTATION_CHUNK_ROWS, ROTATION_LOGGED_MAX, ROTATION_PAGE_ROWS};
use crate::vault::Vault;

/// What one reading of all rows found.
#[derive(Default)]
pub(super) struct Found {
    /// How many rows are by each key: sealed with it, or with a fingerprint or digest that it made.
    pub(super) made: BTreeMap<Retired, u64>,
    /// How many cards have the fingerprint that each key made beside their next one.
    pub(super) before: BTreeMap<Retired, u64>,
    /// Rows that do not bear their tag: nobody can tell which key they need.
    pub(super) damaged: u64,
}

/// Keys for which rows are sealed anew.
#[derive(Default)]
pub(super) struct Wanted {
    /// Rows that are by these are by the keys of now from then on.
    pub(super) moved: BTreeSet<Retired>,
    /// Fingerprints that these made are taken out.
    pub(super) forgotten: BTreeSet<Retired>,
}

impl Wanted {
    /// What is wanted as long as nothing is known of the rows.
    pub(super) fn of(left: &[OrganisationKey]) -> Self {
        Self { moved: left.iter().map(retired).collect(), forgotten: BTreeSet::new() }
    }

    /// The keys that a row is to be sealed anew for.
    fn of_row(&self, row: &Old) -> Vec<Retired> {
        let moved = row.made_by().filter(|key| self.moved.contains(key));
        moved.chain(row.before().filter(|key| self.forgotten.contains(key))).collect()
    }
}

impl Found {
    /// How many rows are to be sealed anew for each of these keys, beside those of which it is known that nobody can.
    pub(super) fn left(&self, wanted: &Wanted, stuck: &Stuck) -> impl Iterator<Item = (Retired, u64)> {
        let rows = |of: &BTreeMap<Retired, u64>, key| {
            let count = |of: &BTreeMap<Retired, u64>| of.get(&key).copied().unwrap_or(0);
            (key, count(of).saturating_sub(count(stuck)))
        };
        let moved = wanted.moved.iter().map(move |key| rows(&self.made, *key));
        moved.chain(wanted.forgotten.iter().map(move |key| rows(&self.before, *key)))
    }
}

/// How many rows need each key and could not be sealed anew.
pub(super) type Stuck = BTreeMap<Retired, u64>;

/// Rows that could not be sealed anew.
#[derive(Default)]
struct Failed {
    rows: u64,
    stuck: Stuck,
}

impl Failed {
    fn add(&mut self, keys: &[Retired]) {
        self.rows += 1;
        keys.iter().for_each(|key| *self.stuck.entry(*key).or_default() += 1);
    }
}

/// Where a page of rows begins.
#[derive(Clone, Copy)]
enum First {
    Cards(CardId),
    Customers(Option<RowKey>),
}

const FIRST: First = First::Cards(CardId::from_bytes([0; 12]));

impl Vault {
    /// Counts what needs these keys, and holds every row against its tag: one that somebody changed may say of another key that it needs that.
    pub(super) async fn rows_count(
        &self,
        keys: &[OrganisationKey],
        sweep: &Sweep,
    ) -> Result<ControlFlow<Rotated, Found>, VaultError> {
        let (mut found, mut place) = (Found::default(), Some(FIRST));
        let keys: BTreeSet<Retired> = keys.iter().map(retired).collect();
        while let Some(at) = place {
            if let ControlFlow::Break(why) = self.goes_on(sweep).await? {
                return Ok(ControlFlow::Break(why));
            }
            let (rows, next) = self.rows_after(at).await?;
            for (at, row) in rows.iter().enumerate() {
                if at % ROTATION_CHUNK_ROWS == 0 {
                    tokio::task::yield_now().await;
                }
                if !row.is_ours(self) {
                    found.damaged += 1;
                    if found.damaged <= ROTATION_LOGGED_MAX {
                        let (kind, id) = (row.row_key().kind(), row.row_key().id());
                        let advice =
                            "run panvault doctor; no key is destroyed while a row is not what was written";
                        tracing::warn!(object.kind = kind, object.id = id, advice, "key.row_damaged");
                    }
                    continue;
                }
                for key in row.made_by().filter(|key| keys.contains(key)) {
                    *found.made.entry(key).or_default() += 1;
                }
                if let Some(key) = row.before().filter(|key| keys.contains(key)) {
                    *found.before.entry(key).or_default() += 1;
                }
            }
            place = next;
        }
        if found.damaged > ROTATION_LOGGED_MAX {
            let advice = "run panvault doctor, which lists them; the first of them were named";
            tracing::warn!(rows = found.damaged, advice, "key.rows_damaged");
        }
        Ok(ControlFlow::Continue(found))
    }

    /// Seals anew what these keys are wanted for, so many rows in a second. Says for how many of each that could not be done.
    pub(super) async fn rows_reseal(
        &self,
        wanted: &Wanted,
        sweep: &Sweep,
    ) -> Result<ControlFlow<Rotated, Stuck>, VaultError> {
        let (mut place, mut failed) = (Some(FIRST), Failed::default());
        while let Some(at) = place {
            let (mut rows, next) = self.rows_after(at).await?;
            rows.retain(|row| !wanted.of_row(row).is_empty());
            // Of rows that are far between too.
            for chunk in rows.chunks(ROTATION_CHUNK_ROWS).chain(rows.is_empty().then_some(&[][..])) {
                if let ControlFlow::Break(why) = self.goes_on(sweep).await? {
                    return Ok(ControlFlow::Break(why));
                }
                self.chunk_reseal(wanted, chunk, &mut failed).await?;
            }
            tokio::task::yield_now().await;
            place = next;
        }
        if failed.rows > ROTATION_LOGGED_MAX {
            let advice = "run panvault doctor, which lists them; the first of them were named";
            tracing::warn!(rows = failed.rows, advice, "key.rows_not_resealed");
        }
        self.rotation().not_resealed(&failed.stuck);
        Ok(ControlFlow::Continue(failed.stuck))
    }

    /// One step for each row, and all of them at once: the store writes together what comes together.
    async fn chunk_reseal(
        &self,
        wanted: &Wanted,
        chunk: &[Old],
        failed: &mut Failed,
    ) -> Result<(), VaultError> {
        let begun = Instant::now();
        let mut steps = Vec::with_capacity(chunk.len());
        {
            let snapshot = self.snapshot();
            let env = self.env(&snapshot, self.now());
            for row in chunk {
                match row.reseal(&wanted.forgotten, &env) {
                    Ok(commit) => steps.push((wanted.of_row(row), self.store().commit(commit))),
                    // It was sealed with a key that is gone, or somebody changed it: it stays as it is, and its key too.
                    Err(error)
                        if matches!(error, VaultError::NotFound(_) | VaultError::Tampered(_))
                            || error.is_of_later_key() =>
                    {
                        // What does not bear its tag was counted when all were read.
                        let needs = if row.is_ours(self) { wanted.of_row(row) } else { Vec::new() };
                        failed.add(&needs);
                        if failed.rows <= ROTATION_LOGGED_MAX {
                            let (kind, id) = (row.row_key().kind(), row.row_key().id());
                            let advice = "run panvault doctor; the key that it needs is not destroyed";
                            tracing::warn!(object.kind = kind, object.id = id, error = %with_causes(&error), advice, "key.row_not_resealed");
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        for (keys, step) in steps {
            if is_done(&step.await?) {
                self.rotation().resealed(&keys);
            }
        }
        let rows = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(1) * rows / self.rotation().rows_per_second();
        tokio::time::sleep(takes.saturating_sub(begun.elapsed())).await;
        Ok(())
    }

    /// A page of rows that need keys of organisations, and where the next one begins.
    async fn rows_after(&self, at: First) -> Result<(Vec<Old>, Option<First>), VaultError> {
        match at {
            First::Cards(after) => {
                let rows = self.store().card_page(after, ROTATION_PAGE_ROWS).await?;
                let next = rows.last().map_or(First::Customers(None), |row| First::Cards(row.id));
                Ok((rows.into_iter().map(Old::Card).collect(), Some(next)))
            }
            First::Customers(after) => {
                let rows = self.store().row_page(Table::Customer, after, ROTATION_PAGE_ROWS).await?;
                let next = rows.last().map(|row| First::Customers(Some(row.key())));
                let rows = rows.into_iter().filter_map(|row| match row {
                    Row::Customer(row) => Some(Old::Customer(row)),
                    _ => None,
                });
                Ok((rows.collect(), next))
            }
        }
    }
}
