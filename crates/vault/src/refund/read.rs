use std::sync::Arc;

use panvault_model::RefundId;
use panvault_store::{Action, Page, RefundQuery, RefundRow, RowKey};

use crate::error::{Named, VaultError};
use crate::permit::{Permit, RefundList, RefundRead};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The refund, held against its tag.
    pub async fn refund_read(
        &self,
        permit: &Permit<RefundRead>,
        id: RefundId,
    ) -> Result<Arc<RefundRow>, VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.store().refund_read(id).await?.ok_or_else(missing)?;
        // First of all: whose a changed row is it cannot say itself.
        seal::refund_verify(self.keys(), &row)?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Refund(id)));
        }
        permit.within(row.organisation, Named::Subject)?;
        self.seen(permit, Action::RefundRead, row.organisation, Some(id.0));
        Ok(row)
    }

    /// Refunds of the organisations that the caller sees; `query.organisations` narrows them when it names some.
    /// [`VaultError::NotFound`] when it names one that the caller does not see.
    pub async fn refund_list(
        &self,
        permit: &Permit<RefundList>,
        mut query: RefundQuery,
    ) -> Result<Page<Arc<RefundRow>>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        let organisation = permit.counted_in(&query.organisations);
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        let page = self.store().refund_list(query).await?;
        for row in &page.rows {
            seal::refund_verify(self.keys(), row)?;
            // It is in a list of theirs, and nobody's list has the refund of another.
            if !permit.sees(row.organisation) {
                return Err(VaultError::Tampered(RowKey::Refund(row.id)));
            }
        }
        self.seen(permit, Action::RefundList, organisation, None);
        Ok(page)
    }
}
