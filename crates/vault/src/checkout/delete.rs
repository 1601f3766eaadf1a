use panvault_model::{CheckoutId, CheckoutStatus};

use crate::error::{Named, VaultError};
use crate::permit::{CheckoutDelete, Permit};
use crate::vault::Vault;

impl Vault {
    /// Ends a checkout that the merchant takes back: nobody pays at it any more, and a card that waits at it is deleted. One that was cancelled already stays so.
    /// [`VaultError::Checkout`] for one that has ended otherwise, [`VaultError::WrongState`] while a payment is under way. The future must be run to its end.
    pub async fn checkout_delete(
        &self,
        permit: &Permit<CheckoutDelete>,
        id: CheckoutId,
    ) -> Result<(), VaultError> {
        let row = self.checkout_there(id).await?;
        permit.within(row.organisation, Named::Subject)?;
        let view = self.checkout_cancelled(permit.asked(), permit.now(), row).await?;
        match view.status {
            CheckoutStatus::Cancelled => Ok(()),
            CheckoutStatus::Open
            | CheckoutStatus::Processing
            | CheckoutStatus::Completed
            | CheckoutStatus::Failed
            | CheckoutStatus::Expired => view.open(),
        }
    }
}
