use std::sync::Arc;

use panvault_model::CheckoutId;
use panvault_store::{CheckoutQuery, CheckoutRow, Page, RowKey};

use crate::checkout::CheckoutView;
use crate::error::{Named, VaultError};
use crate::permit::{CheckoutList, CheckoutRead, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The checkout, held against its tag, and where it stands.
    pub async fn checkout_read(
        &self,
        permit: &Permit<CheckoutRead>,
        id: CheckoutId,
    ) -> Result<CheckoutView, VaultError> {
        let row = self.checkout_there(id).await?;
        permit.within(row.organisation, Named::Subject)?;
        self.checkout_judged(row).await
    }

    /// Checkouts of the organisations that the caller sees; `query.organisations` narrows them when it names some. [`VaultError::NotFound`] when
    /// it names one that the caller does not see.
    pub async fn checkout_list(
        &self,
        permit: &Permit<CheckoutList>,
        mut query: CheckoutQuery,
    ) -> Result<Page<CheckoutView>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        let page = self.store().checkout_list(query).await?;
        let mut rows = Vec::with_capacity(page.rows.len());
        let now = self.shared_time().await?;
        for row in page.rows {
            seal::checkout_verify(self.keys(), &row)?;
            // It is in a list of theirs, and nobody's list has the checkout of another.
            if !permit.sees(row.organisation) {
                return Err(VaultError::Tampered(RowKey::Checkout(row.id)));
            }
            rows.push(self.checkout_judged_at(row, now).await?);
        }
        Ok(Page { rows, total: page.total, is_exact: page.is_exact, next: page.next })
    }

    /// The row of a checkout, held against its tag: whose a changed row is it cannot say itself.
    pub(super) async fn checkout_there(&self, id: CheckoutId) -> Result<Arc<CheckoutRow>, VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.store().checkout_read(id).await?.ok_or_else(missing)?;
        seal::checkout_verify(self.keys(), &row)?;
        if row.id == id { Ok(row) } else { Err(VaultError::Tampered(RowKey::Checkout(id))) }
    }
}
