use panvault_model::{CardId, Now, OrganisationId};
use panvault_store::{Action, Commit, Effect, Expect, Outcome, RowKey};

use crate::audit::Requester;
use crate::error::{Named, VaultError};
use crate::limits::UPDATE_TRIES_MAX;
use crate::permit::{CardDelete, Permit};
use crate::seal;
use crate::vault::Vault;

/// Place of the expectation that the card is there.
const EXPECT_CARD: usize = 0;

impl Vault {
    /// Deletes a card: its sealed record, its index entries and its CVV are gone when this answers. [`VaultError::CvvUnavailable`]
    /// when its CVV could not be ended: then the card is there.
    pub async fn card_delete(&self, permit: &Permit<CardDelete>, id: CardId) -> Result<(), VaultError> {
        let row = self.store().card_read(id).await?.ok_or_else(|| VaultError::not_found(Named::Subject))?;
        // A card whose row was changed from outside can still be deleted by whom it says that it is of. Of another's, the tag tells
        // whether it is that, or this caller's and was changed.
        let organisation = match permit.within(row.organisation, Named::Subject) {
            Ok(organisation) => organisation,
            Err(foreign) => {
                seal::card_verify(&row, row.organisation, self.keys())?;
                return Err(if row.id == id { foreign } else { VaultError::Tampered(RowKey::Card(id)) });
            }
        };
        self.card_remove(permit.asked(), permit.now(), id, organisation).await
    }

    /// Removes a card of this organisation and its CVV.
    pub(crate) async fn card_remove(
        &self,
        asked: &Requester,
        now: Now,
        id: CardId,
        organisation: OrganisationId,
    ) -> Result<(), VaultError> {
        let audit = asked.note(now.wall, Action::CardDelete, organisation, id.0);
        for _ in 0..UPDATE_TRIES_MAX {
            let step = self.cvv_gone(id, now.wall).await?;
            self.in_time(now)?;
            // Before the commit, so that whatever happens to this process then leaves no CVV of a card that is gone.
            self.cvvs().cvv_clear_now(id).await?;
            let mut commit = Commit {
                claim: None,
                expects: vec![Expect::Owned(RowKey::Card(id), organisation)],
                effects: vec![Effect::Delete(RowKey::Card(id))],
                audit,
            };
            let number = step.add_to(&mut commit);
            self.in_time(now)?;
            match self.store().commit(commit).await? {
                Outcome::Done { order } => {
                    self.cvv_ended(id, number.of(order)).await;
                    return Ok(());
                }
                Outcome::Unmet(EXPECT_CARD) => return Err(VaultError::not_found(Named::Subject)),
                // Its CVV was used or replaced.
                Outcome::Unmet(_) => {}
                Outcome::Claimed(_) => return Err(VaultError::Contended),
            }
        }
        Err(VaultError::Contended)
    }
}
