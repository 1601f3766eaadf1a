use std::sync::Arc;

use panvault_model::DeliveryId;
use panvault_store::{DeliveryQuery, DeliveryRow, Page, RowKey};

use crate::error::{Named, VaultError};
use crate::permit::{Permit, WebhookDeliveryList, WebhookDeliveryRead};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The delivery, held against its tag.
    pub async fn webhook_delivery_read(
        &self,
        permit: &Permit<WebhookDeliveryRead>,
        id: DeliveryId,
    ) -> Result<Arc<DeliveryRow>, VaultError> {
        self.webhook_delivery_seen(permit, id).await
    }

    /// Deliveries of the organisations that the caller sees; `query.organisations` narrows them when it names some.
    /// [`VaultError::NotFound`] when it names one that the caller does not see.
    pub async fn webhook_delivery_list(
        &self,
        permit: &Permit<WebhookDeliveryList>,
        mut query: DeliveryQuery,
    ) -> Result<Page<Arc<DeliveryRow>>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        let page = self.store().delivery_list(query).await?;
        for row in &page.rows {
            seal::delivery_verify(self.keys(), row)?;
            // It is in a list of theirs, and nobody's list has the delivery of another.
            if !permit.sees(row.organisation) {
                return Err(VaultError::Tampered(RowKey::Delivery(row.id)));
            }
        }
        Ok(page)
    }

    /// The delivery, if the caller sees it.
    pub(super) async fn webhook_delivery_seen<O>(
        &self,
        permit: &Permit<O>,
        id: DeliveryId,
    ) -> Result<Arc<DeliveryRow>, VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.store().delivery_read(id).await?.ok_or_else(missing)?;
        // First of all: whose a changed row is it cannot say itself.
        seal::delivery_verify(self.keys(), &row)?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Delivery(id)));
        }
        permit.within(row.organisation, Named::Subject)?;
        Ok(row)
    }
}
