use core::future::Future;

use panvault_card::NewCard;

use crate::card::{CardView, Metadata};
use crate::checkout::CheckoutSession;
use crate::error::{CheckoutRefusal, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::CHECKOUT_CARDS_MAX;
use crate::permit::CardCreate;
use crate::vault::Vault;

impl Vault {
    /// Stores the card that a shopper brings to a checkout, and binds it to it, in one step. Plans at once, while the plaintext is at hand; the future
    /// commits. A card that was bound before, and not tried, is bound no more.
    pub fn checkout_card(
        &self,
        session: &CheckoutSession,
        card: NewCard,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Done<CardView>, VaultError>> + Send + use<> {
        let creating = session.caller.permit::<CardCreate>().map(|permit| {
            let (organisation, row) = (session.row.organisation, session.row.clone());
            self.card_create_at(&permit, organisation, card, Metadata::new(), idempotency, Some(row))
        });
        let (vault, session) = (self.clone(), session.clone());
        async move {
            let view = vault.checkout_seen(&session).await?;
            view.open()?;
            if session.row.cards >= CHECKOUT_CARDS_MAX {
                return Err(VaultError::Checkout(CheckoutRefusal::Failed));
            }
            creating?.await
        }
    }
}
