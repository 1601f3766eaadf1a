use core::future::Future;

use panvault_card::NewCard;
use panvault_model::{Brand, CardId, Now, OrganisationId};

use crate::audit::Requester;
use crate::card::{CardView, Metadata};
use crate::checkout::CheckoutSession;
use crate::error::{CheckoutRefusal, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::CHECKOUT_CARDS_MAX;
use crate::permit::CardCreate;
use crate::vault::Vault;

impl Vault {
    /// Removes a card of a checkout that came to nothing; one that the merchant has deleted is gone already.
    pub(super) async fn checkout_card_remove(
        &self,
        asked: &Requester,
        now: Now,
        card: CardId,
        organisation: OrganisationId,
    ) -> Result<(), VaultError> {
        match self.card_remove(asked, now, card, organisation).await {
            Ok(()) | Err(VaultError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stores the card that a shopper brings to a checkout, and binds it to it, in one step. Plans at once, while the plaintext is at hand; the future
    /// commits. A card that was bound before, and not tried, is bound no more.
    pub fn checkout_card(
        &self,
        session: &CheckoutSession,
        card: NewCard,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Done<CardView>, VaultError>> + Send + use<> {
        let brands = self.checkout_brands(session);
        let is_taken =
            brands.len() == Brand::ALL.len() || card.pan.brand().is_some_and(|brand| brands.contains(&brand));
        // A disabled account would take the card and not the payment.
        let creating = if session.account.disabled {
            Err(VaultError::WrongState { reason: "the account is disabled" })
        } else if is_taken {
            session.caller.permit::<CardCreate>().map(|permit| {
                let (organisation, row) = (session.row.organisation, session.row.clone());
                self.card_create_at(&permit, organisation, card, Metadata::new(), idempotency, Some(row))
            })
        } else {
            Err(VaultError::field("card_number", "is of a brand that is not taken here"))
        };
        let (vault, session) = (self.clone(), session.clone());
        async move {
            let view = vault.checkout_seen(&session).await?;
            view.open()?;
            if session.row.cards >= CHECKOUT_CARDS_MAX {
                return Err(VaultError::Checkout(CheckoutRefusal::Failed));
            }
            let done = creating?.await?;
            // Nobody asked to keep the one that it takes the place of. An answer that is given again has taken no place.
            if let Some(before) = session.row.card.filter(|_| !done.replayed) {
                let (caller, organisation) = (session.caller(), session.row.organisation);
                vault.checkout_card_remove(&caller.asked, caller.now(), before, organisation).await?;
            }
            Ok(done)
        }
    }
}
