use core::time::Duration;
use std::sync::{Arc, Weak};

use panvault_model::{Now, OrganisationId};
use panvault_store::{CardQuery, CheckoutQuery, CustomerQuery, TransactionQuery};

use crate::document::Snapshot;
use crate::error::VaultError;
use crate::limits::{DOCUMENTS_SEEN_MILLIS_MAX, REQUEST_MILLIS_MAX, RETIRE_MILLIS_MAX, RETIRE_WAIT_MILLIS};
use crate::vault::Vault;

impl Vault {
    /// Waits until no request is under way that began before the documents were as they are now: what it may still store, and what was
    /// disabled meanwhile, is stored by then. [`VaultError::Busy`] when one takes very long.
    ///
    /// Only they are waited for, and not those that began since: others change documents meanwhile, as often as they like.
    pub(crate) async fn requests_before_end(&self) -> Result<(), VaultError> {
        let mut before = self.earlier_snapshots();
        for _ in 0..RETIRE_MILLIS_MAX / RETIRE_WAIT_MILLIS {
            if !before.are_seen() {
                return self.others_end().await;
            }
            tokio::time::sleep(Duration::from_millis(RETIRE_WAIT_MILLIS)).await;
        }
        Err(VaultError::Busy)
    }

    /// The same of requests at other nodes: by then each has seen the documents as they are now or refuses, and what began before has stored
    /// what hangs on them or does not any more.
    async fn others_end(&self) -> Result<(), VaultError> {
        if self.node().is_shared() {
            tokio::time::sleep(Duration::from_millis(DOCUMENTS_SEEN_MILLIS_MAX + REQUEST_MILLIS_MAX)).await;
            self.documents_follow().await?;
        }
        Ok(())
    }

    /// [`VaultError::Busy`] where a request has come so far so late that what it would store or take away may hang on something that another node has taken away,
    /// its API key included: it, or its process, stood still. Looked at last before it changes anything.
    pub(crate) fn in_time(&self, began: Now) -> Result<(), VaultError> {
        let waited = || self.now().monotonic_millis.saturating_sub(began.monotonic_millis);
        // The clocks are not asked where there is nobody else.
        if self.node().is_shared() && waited() > REQUEST_MILLIS_MAX { Err(VaultError::Busy) } else { Ok(()) }
    }

    /// What is stored of an organisation, if anything is.
    pub(crate) async fn stored_of(
        &self,
        asked_by: Option<OrganisationId>,
        organisation: OrganisationId,
    ) -> Result<Option<&'static str>, VaultError> {
        let cards = CardQuery { asked_by, ..CardQuery::newest(vec![organisation], 1) };
        if self.store().card_list(cards).await?.total > 0 {
            return Ok(Some("it has cards"));
        }
        let customers = CustomerQuery { asked_by, ..CustomerQuery::newest(vec![organisation], 1) };
        if self.store().customer_list(customers).await?.total > 0 {
            return Ok(Some("it has customers"));
        }
        let checkouts = CheckoutQuery { asked_by, ..CheckoutQuery::newest(vec![organisation], 1) };
        if self.store().checkout_list(checkouts).await?.total > 0 {
            return Ok(Some("it has checkouts"));
        }
        let transactions = TransactionQuery { asked_by, ..transactions(organisation) };
        let transactions = self.store().transaction_list(transactions).await?;
        Ok((transactions.total > 0).then_some("it has transactions"))
    }
}

/// Any transaction of an organisation.
pub(crate) fn transactions(organisation: OrganisationId) -> TransactionQuery {
    TransactionQuery::newest(vec![organisation], 1)
}

/// Documents as they were before the last changes, as long as a request sees them.
#[derive(Clone, Default)]
pub(crate) struct EarlierSnapshots(Vec<Weak<Snapshot>>);

impl EarlierSnapshots {
    /// Notes one that was in use until now.
    pub(crate) fn add(&mut self, earlier: &Arc<Snapshot>) {
        self.0.retain(|snapshot| snapshot.strong_count() > 0);
        self.0.push(Arc::downgrade(earlier));
    }

    /// Whether a request sees one of them.
    pub(crate) fn are_seen(&mut self) -> bool {
        self.0.retain(|snapshot| snapshot.strong_count() > 0);
        !self.0.is_empty()
    }
}
