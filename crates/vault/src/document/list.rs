use std::sync::Arc;

use panvault_model::{Id, OrganisationId};
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_store::{Field, Page, Query, StoreFault};

use crate::document::Snapshot;
use crate::error::{Named, VaultError};
use crate::permit::Permit;
use crate::vault::Vault;

/// Documents of one kind, as a list sees them.
pub(crate) trait Listed: Field<Row: Send + Sync + 'static> + Send + Sync {
    /// All of them, in any order.
    fn all(snapshot: &Snapshot) -> Vec<&Arc<Self::Row>>;

    /// Names a document.
    fn id(row: &Self::Row) -> Id;

    /// Whose it is; an organisation is its own.
    fn organisation(row: &Self::Row) -> OrganisationId;
}

impl Vault {
    /// Documents that the caller sees; `query.organisations` narrows them when it names some. [`VaultError::NotFound`] when it names one
    /// that the caller does not see. They are in memory, and there may be many: a thread that may take its time goes through them, as long
    /// as somebody waits. Few do at a time, shared out by who asks.
    pub(crate) async fn document_list<O, F: Listed>(
        &self,
        permit: &Permit<O>,
        query: Query<F>,
    ) -> Result<Page<Arc<F::Row>>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        let (snapshot, scope) = (Arc::clone(permit.snapshot()), permit.scope());
        let slot = self.document_lists().take(permit.asked_by()).await?;
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let listed = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let seen = |row: &F::Row| {
                let organisation = F::organisation(row);
                let named = query.organisations.is_empty() || query.organisations.contains(&organisation);
                named && scope.sees(organisation, &snapshot)
            };
            let all = F::all(&snapshot).into_iter().take_while(|_| waits.strong_count() > 0);
            let found = all.filter(|row| query.holds(row) && seen(row));
            let mut rows: Vec<_> = found.map(|row| Seen(Arc::clone(row))).collect();
            rows.sort_unstable_by_key(|row| core::cmp::Reverse(F::id(&row.0)));
            query.order(&mut rows);
            let total = rows.len() as u64;
            rows.retain(|row| query.is_behind(F::id(&row.0)));
            let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
            let limit = usize::try_from(query.limit.min(LIST_ROWS_MAX)).unwrap_or(usize::MAX);
            let rows: Vec<_> = rows.into_iter().skip(skip).take(limit).map(|row| row.0).collect();
            let last = rows.last().filter(|_| query.sort.is_none()).map(|row| F::id(row));
            Page { next: query.next(rows.len(), last), rows, total, is_exact: true }
        });
        let page = listed
            .await
            .map_err(|_| VaultError::Store(StoreFault::Read("the thread that listed documents ended")));
        drop(waiting);
        page
    }
}

/// A row that the query can order.
struct Seen<T>(Arc<T>);

impl<T> AsRef<T> for Seen<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}
