//! Operations on customers. Personal details are sealed before anything is waited for, and opened when all is read.

mod create;
mod delete;
mod read;
mod update;

use std::sync::Arc;

use panvault_card::CustomerDetails;
use panvault_model::{CardId, CustomerId, EmailDigest, Id, OrganisationId, Timestamp};
use panvault_store::{CustomerRow, IdempotencyRow, RowKey};

use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, answer_read};
use crate::limits::CUSTOMER_CARDS_MAX;
use crate::permit::Permit;
use crate::seal;
use crate::vault::Vault;

pub use create::PlannedCustomer;
pub use update::CustomerChange;

/// A customer as it may be shown.
pub struct CustomerView {
    /// The row.
    pub row: Arc<CustomerRow>,
    /// Its personal details, opened to be shown.
    pub details: CustomerDetails,
}

/// A customer that was stored, its details still sealed.
pub struct StoredCustomer {
    row: Arc<CustomerRow>,
    /// The row with the details; `None` where the customer was erased since it was answered first.
    sealed: Option<Arc<CustomerRow>>,
}

impl StoredCustomer {
    fn of(row: Arc<CustomerRow>) -> Self {
        Self { sealed: Some(Arc::clone(&row)), row }
    }
}

impl Vault {
    /// Opens the details of a customer that was stored, for the answer. Of one that was erased since, there are none.
    pub fn customer_view<O>(
        &self,
        permit: &Permit<O>,
        stored: StoredCustomer,
    ) -> Result<CustomerView, VaultError> {
        let details = match stored.sealed {
            Some(sealed) => self.customer_open(permit, &sealed)?,
            None => CustomerDetails::new(),
        };
        Ok(CustomerView { row: stored.row, details })
    }

    /// Its details; the caller was held against its organisation.
    fn customer_open<O>(&self, permit: &Permit<O>, row: &CustomerRow) -> Result<CustomerDetails, VaultError> {
        let env = self.env(permit.snapshot(), permit.now());
        seal::customer_open(row, row.organisation, env.vault, env.keys)
    }

    /// The row of a customer that the caller sees, held against its tag: first of all, for whose a changed row is it cannot say itself.
    pub(crate) async fn customer_seen<O>(
        &self,
        permit: &Permit<O>,
        id: CustomerId,
        named: Named,
    ) -> Result<Arc<CustomerRow>, VaultError> {
        let row = self.customer_there(id, named).await?;
        permit.within(row.organisation, named)?;
        Ok(row)
    }

    /// The row of a customer, whoever sees it, held against its tag.
    pub(crate) async fn customer_there(
        &self,
        id: CustomerId,
        named: Named,
    ) -> Result<Arc<CustomerRow>, VaultError> {
        let row = self.store().customer_read(id).await?.ok_or_else(|| VaultError::not_found(named))?;
        self.customer_verify(&row, id)?;
        Ok(row)
    }

    /// The customer that a request names, if it names one.
    pub(crate) async fn customer_of<O>(
        &self,
        permit: &Permit<O>,
        named: Option<Id>,
    ) -> Result<Option<Arc<CustomerRow>>, VaultError> {
        match named {
            Some(id) => self.customer_seen(permit, CustomerId(id), Named::Field("customer")).await.map(Some),
            None => Ok(None),
        }
    }

    /// The next version of a customer, which was used with a card for the first time. Its details are neither opened nor sealed anew. Of many
    /// cards it keeps the newest.
    pub(crate) fn customer_with_card(
        &self,
        before: &CustomerRow,
        card: CardId,
        at: Timestamp,
    ) -> Result<CustomerRow, VaultError> {
        let too_many = (before.cards.len() + 1).saturating_sub(CUSTOMER_CARDS_MAX);
        let cards = before.cards.iter().skip(too_many).copied().chain([card]).collect();
        let mut row = CustomerRow {
            version: before.version.checked_add(1).ok_or(VaultError::Contended)?,
            updated_at: at.max(before.updated_at),
            cards,
            ..before.clone()
        };
        row.tag = seal::customer_tag(&row, self.keys());
        Ok(row)
    }

    fn customer_verify(&self, row: &CustomerRow, id: CustomerId) -> Result<(), VaultError> {
        seal::customer_verify(row, row.organisation, self.keys())?;
        if row.id == id { Ok(()) } else { Err(VaultError::Tampered(RowKey::Customer(id))) }
    }

    /// The customer of a record that was verified. The record keeps no details: they are those that there are now.
    async fn customer_answered(&self, record: &IdempotencyRow) -> Result<Done<StoredCustomer>, VaultError> {
        let row: CustomerRow = answer_read(record)?;
        let sealed = self.store().customer_read(row.id).await?;
        if let Some(sealed) = &sealed {
            self.customer_verify(sealed, row.id)?;
        }
        Ok(Done::replayed(StoredCustomer { row: Arc::new(row), sealed }))
    }
}

/// Digest of the e-mail address, and the version of its key.
pub(crate) fn email_digest(
    details: &CustomerDetails,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<(Option<EmailDigest>, u32), VaultError> {
    let Some(email) = details.email() else { return Ok((None, 0)) };
    let (digest, key) = env.keys.email_digest(organisation, email.expose_text().as_bytes())?;
    Ok((Some(digest), key))
}
