use panvault_model::CardId;
use panvault_store::{Action, Commit, Effect, Expect, Outcome, RowKey};

use crate::error::{Named, VaultError};
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
        let commit = Commit {
            claim: None,
            expects: vec![Expect::Owned(RowKey::Card(id), organisation)],
            effects: vec![Effect::Delete(RowKey::Card(id))],
            audit,
        };
        match self.store().commit(commit).await? {
            Outcome::Done { order } => {
                if let Err(error) = self.cvvs().cvv_clear(id, order).await {
                    // No transaction finds the card any more, so nothing can use the CVV until its time is up.
                    tracing::warn!(card.id = %id, %error, advice = "none; its time ends it", "cvv.not_cleared");
                }
                Ok(())
            }
            Outcome::Unmet(_) => Err(VaultError::not_found(Named::Subject)),
            Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }
}
