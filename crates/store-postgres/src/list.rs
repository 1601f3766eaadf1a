//! Lists: pages of rows of some organisations, newest first or sorted.
//!
//! An index gives the ids of each organisation in their order, a few of each at a time; the rows of those that are asked for are read by
//! key. All of a list is read as of one moment.

mod entries;
mod fields;
pub(crate) mod snapshot;

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use panvault_model::{Id, OrganisationId};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{Chain, Count, Indexed, Page, Query, Row, RowFault, RowKey, Sorting, StoreFault, Table};
use tokio::time::timeout;

use crate::limits::{COUNTED_MAX, READ_ROWS_LEAST, READ_ROWS_MAX};
use crate::list::entries::{Entries, Entry, Ranges};
use crate::list::snapshot::Snapshot;
use crate::read::{Reads, number};
use crate::row::{self, Argument, limit};
use crate::table;

/// How rows of a kind are listed.
pub(crate) trait Listed: Indexed<Row: Sized + Send + Sync> + Send + Sync {
    /// Where they are.
    const TABLE: Table;
    /// Such a row, of what may be any.
    fn of(row: Row) -> Option<Arc<Self::Row>>;
    /// Whose it is.
    fn organisation(row: &Self::Row) -> OrganisationId;
    /// Its id.
    fn id(row: &Self::Row) -> Id;
    /// Whether the vault wrote it so.
    fn is_ours(row: &Self::Row, chain: &dyn Chain) -> bool;
    /// What the index of the question's best condition has, when it has such a condition.
    fn indexed(query: &Query<Self>, organisations: &[OrganisationId], chain: &dyn Chain) -> Option<Ranges>;
}

impl Reads {
    /// Answers a question about rows. Whatever it goes through, it holds the rows of the page, and of a sorted list what those up to its
    /// end are sorted by. Every row that a condition or a sort is asked of is held against its tag; the rows of a page are for whoever gets
    /// them to verify.
    pub(crate) async fn list<F: Listed>(&self, query: Query<F>) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let time = self.database.list_time();
        let waited = timeout(time, self.slots.take(query.asked_by)).await;
        let _slot = waited.unwrap_or(Err(StoreFault::Busy))?;
        timeout(time, self.list_within(&query, time)).await.unwrap_or(Err(StoreFault::TimedOut))
    }

    async fn list_within<F: Listed>(
        &self,
        query: &Query<F>,
        time: Duration,
    ) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let snapshot = Snapshot::begin(&self.database, time).await?;
        let listing = Listing { snapshot: &snapshot, chain: self.chain.as_ref() };
        let page = listing.page(query).await;
        // What a list is refused for is no fault of the connection.
        if page.as_ref().err() != Some(&StoreFault::Unreachable) {
            snapshot.end().await?;
        }
        page
    }
}

/// A list that is being made.
struct Listing<'a> {
    snapshot: &'a Snapshot,
    chain: &'a dyn Chain,
}

impl Listing<'_> {
    async fn page<F: Listed>(&self, query: &Query<F>) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let mut organisations = query.organisations.clone();
        organisations.sort_unstable();
        organisations.dedup();
        if F::IS_COUNTED && query.filters.is_empty() && query.sorted().is_none() {
            self.newest(query, &organisations).await
        } else {
            self.matching(query, &organisations).await
        }
    }

    /// A page of all rows, newest first.
    async fn newest<F: Listed>(
        &self,
        query: &Query<F>,
        organisations: &[OrganisationId],
    ) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let (total, is_exact) = self.count(query, organisations).await?;
        let mut ids = Vec::new();
        let rows = page_rows(query);
        if rows > 0 && (query.skip < total || !is_exact) {
            let wanted = usize::try_from(query.page_end()).unwrap_or(usize::MAX);
            let ranges = Ranges::of(organisations);
            let mut entries = Entries::of(self.snapshot, query, ranges, wanted).await?;
            let mut left_out = 0;
            while ids.len() < rows
                && let Some(entry) = entries.next().await?
            {
                if left_out < query.skip { left_out += 1 } else { ids.push(entry.id) }
            }
        }
        let mut found = self.rows::<F>(&ids).await?;
        let rows: Vec<_> = ids.iter().filter_map(|id| found.remove(id)).collect();
        let next = query.next(rows.len(), rows.last().map(|row| F::id(row)));
        let page = query.page_of_counted(rows, total);
        Ok(Page { is_exact: is_exact && page.is_exact, next, ..page })
    }

    /// How many rows these organisations have, as far as that is asked for, and whether that is all.
    async fn count<F: Listed>(
        &self,
        query: &Query<F>,
        organisations: &[OrganisationId],
    ) -> Result<(u64, bool), StoreFault> {
        let most = match query.count {
            Count::All => u64::MAX,
            Count::UpTo(_) => query.count_end().max(COUNTED_MAX),
            Count::PageEnd => query.page_end(),
        };
        // One more says that there are more.
        let rows = limit(usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX));
        let organisations: Vec<Vec<u8>> = organisations.iter().map(|id| id.as_bytes().to_vec()).collect();
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM unnest($1) AS whose (organisation), LATERAL (\
             SELECT 1 FROM {name} WHERE {name}.organisation = whose.organisation LIMIT $2) AS owned LIMIT $2) AS counted",
            name = table::name(F::TABLE)
        );
        let found = self.snapshot.query(&sql, &[Argument::BytesOf(&organisations), rows]).await?;
        let counted = number(&found)?;
        Ok(match query.count {
            Count::All | Count::PageEnd => (counted, true),
            Count::UpTo(_) => (counted.min(most), counted <= most),
        })
    }

    /// A page of the rows that meet the conditions, newest first or sorted.
    async fn matching<F: Listed>(
        &self,
        query: &Query<F>,
        organisations: &[OrganisationId],
    ) -> Result<Page<Arc<F::Row>>, StoreFault> {
        let rows = page_rows(query);
        let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let mut sorting =
            query.sorted().map(|(field, way)| Sorting::new(field, way, skip.saturating_add(rows)));
        let ranges =
            F::indexed(query, organisations, self.chain).unwrap_or_else(|| Ranges::of(organisations));
        let wanted = if query.examines() { READ_ROWS_LEAST } else { skip.saturating_add(rows) };
        let entries = Entries::of(self.snapshot, query, ranges, wanted).await?;
        let mut ahead = Ahead::<F> { entries, queue: VecDeque::new(), batch: READ_ROWS_LEAST };
        let mut page: Vec<Arc<F::Row>> = Vec::new();
        let (mut matching, mut examined) = (0, 0);
        let mut is_exact = query.after.is_none();
        let (mut examined_last, mut part_end) = (None, None);
        while let Some((entry, read)) = ahead.next().await? {
            let in_page = matching >= query.skip && page.len() < rows;
            if entry.organisation.is_some() && !query.examines() && !in_page {
                // The index says all that is asked of it.
                matching += 1;
                if matching >= query.count_end() {
                    is_exact = false;
                    break;
                }
                continue;
            }
            let found = match read {
                Some(found) => found,
                None if entry.organisation.is_some() && !query.examines() => {
                    ahead.read(self, entry, rows - page.len()).await?
                }
                None => ahead.read_batch(self, entry).await?,
            };
            let Some(row) = found else { continue };
            if !F::is_ours(&row, self.chain) {
                let key = RowKey::decode(F::TABLE, &entry.id).ok();
                return Err(StoreFault::Damaged { row: key, fault: RowFault::Forged });
            }
            if organisations.binary_search(&F::organisation(&row)).is_err() {
                continue;
            }
            if query.examines() && examined == query.examined_max {
                part_end = query.part_end(matching, examined_last)?;
                is_exact = false;
                break;
            }
            examined += 1;
            examined_last = Some(Id::from_bytes(entry.id));
            if !query.holds(&row) {
                continue;
            }
            matching += 1;
            match &mut sorting {
                Some(sorting) => sorting.put(&row, entry.id)?,
                None if matching > query.skip && page.len() < rows => page.push(row),
                None => {}
            }
            if sorting.is_none() && matching >= query.count_end() {
                is_exact = false;
                break;
            }
        }
        let next = part_end.or_else(|| query.next(page.len(), page.last().map(|row| F::id(row))));
        if let Some(sorting) = sorting {
            let ids: Vec<_> = sorting.sorted().skip(skip).collect();
            let mut found = self.rows::<F>(&ids).await?;
            page.extend(ids.iter().filter_map(|id| found.remove(id)));
        }
        let page = query.page_of_counted(page, matching);
        Ok(Page { is_exact: is_exact && page.is_exact, next, ..page })
    }

    /// The rows of these ids that are there.
    async fn rows<F: Listed>(&self, ids: &[[u8; 12]]) -> Result<HashMap<[u8; 12], Arc<F::Row>>, StoreFault> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!("{} WHERE id = ANY($1)", row::selected(F::TABLE));
        let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.to_vec()).collect();
        let found = self.snapshot.query(&sql, &[Argument::BytesOf(&ids)]).await?;
        let rows = found.iter().map(|found| Ok(F::of(row::row(F::TABLE, self.chain, found)?)));
        let rows = rows.filter_map(Result::transpose);
        rows.map(|row| row.map(|row| (*F::id(&row).as_bytes(), row))).collect()
    }
}

/// Rows that a page may have.
fn page_rows<F>(query: &Query<F>) -> usize {
    usize::try_from(query.limit.min(LIST_ROWS_MAX)).unwrap_or(usize::MAX)
}

/// Entries, some of which were read ahead with others.
struct Ahead<'a, F: Listed> {
    entries: Entries<'a>,
    queue: VecDeque<Read<F::Row>>,
    /// How many are read at once the next time.
    batch: usize,
}

/// An entry; and its row, if that was looked for, and is there.
type Read<T> = (Entry, Option<Option<Arc<T>>>);

impl<F: Listed> Ahead<'_, F> {
    async fn next(&mut self) -> Result<Option<Read<F::Row>>, StoreFault> {
        match self.queue.pop_front() {
            Some(read) => Ok(Some(read)),
            None => Ok(self.entries.next().await?.map(|entry| (entry, None))),
        }
    }

    /// The row of an entry, read with those behind it, of which ever more are wanted.
    async fn read_batch(
        &mut self,
        listing: &Listing<'_>,
        entry: Entry,
    ) -> Result<Option<Arc<F::Row>>, StoreFault> {
        let rows = self.batch;
        self.batch = rows.saturating_mul(2).min(READ_ROWS_MAX);
        self.read(listing, entry, rows).await
    }

    /// The row of an entry, read with so many in all.
    async fn read(
        &mut self,
        listing: &Listing<'_>,
        entry: Entry,
        rows: usize,
    ) -> Result<Option<Arc<F::Row>>, StoreFault> {
        while self.queue.len().saturating_add(1) < rows
            && let Some(entry) = self.entries.next().await?
        {
            self.queue.push_back((entry, None));
        }
        let ids: Vec<_> =
            core::iter::once(entry.id).chain(self.queue.iter().map(|(entry, _)| entry.id)).collect();
        let mut found = listing.rows::<F>(&ids).await?;
        for (entry, row) in &mut self.queue {
            *row = Some(found.remove(&entry.id));
        }
        Ok(found.remove(&entry.id))
    }
}
