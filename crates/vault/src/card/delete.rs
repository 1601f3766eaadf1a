use panvault_model::CardId;
use panvault_store::{Action, CardDelete as DeleteStep, Outcome};

use crate::error::{Named, VaultError};
use crate::idempotency::undone;
use crate::permit::{CardDelete, Permit};
use crate::vault::Vault;

impl Vault {
    /// Deletes a card: its sealed record, its index entries and its CVV are gone when this answers.
    pub async fn card_delete(&self, permit: &Permit<CardDelete>, id: CardId) -> Result<(), VaultError> {
        // A card whose row was changed from outside can still be deleted, so its seal is not looked at.
        let row = self.store().card_read(id).await?.ok_or_else(|| VaultError::not_found(Named::Subject))?;
        let organisation = permit.within(row.organisation, Named::Subject)?;
        let now = permit.now();
        let audit = permit.asked().note(now.wall, Action::CardDelete, organisation, id.0);
        match self.store().card_delete(DeleteStep { id, organisation, audit }).await? {
            Outcome::Done { sequence, .. } => {
                if let Err(error) = self.cvvs().cvv_clear(id, sequence, now).await {
                    // No transaction finds the card any more, so nothing can use the CVV until its time is up.
                    tracing::warn!(card.id = %id, %error, advice = "none; its time ends it", "cvv.not_cleared");
                }
                Ok(())
            }
            outcome @ (Outcome::Replayed(_)
            | Outcome::InUse
            | Outcome::Mismatch
            | Outcome::NotFound
            | Outcome::Stale) => Err(undone(outcome, Named::Subject)),
        }
    }
}
