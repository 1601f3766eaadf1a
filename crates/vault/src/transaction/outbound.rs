use panvault_model::OrganisationId;
use panvault_processor::{Order, Outbound};
use panvault_store::{CardRow, CvvClaim};

use crate::cvv;
use crate::env::Env;
use crate::error::VaultError;
use crate::seal;
use crate::transaction::cryptogram::TokenPayment;

/// Opens a card, and the CVV that was claimed for this transaction or the cryptogram that it brought, into the one type that is sent.
///
/// The row was read under the caller's permit a moment ago, and its organisation is the one that the permit covered.
pub(super) fn outbound_open(
    card: &CardRow,
    claim: Option<&CvvClaim>,
    token: Option<TokenPayment>,
    account_organisation: OrganisationId,
    order: Order,
    env: &Env<'_>,
) -> Result<Outbound, VaultError> {
    let (pan, holder) = seal::card_open(card, card.organisation, env.vault, env.keys)?;
    let cvv = match claim {
        Some(claim) => Some(cvv::cvv_open(claim, card.organisation, env)?),
        None => None,
    };
    let token = match token {
        Some(token) => Some(token.open(card.id, account_organisation, env)?),
        None => None,
    };
    let outbound = Outbound::new(pan, card.expiry, cvv, holder, order);
    Ok(match token {
        Some(token) => outbound.as_network_token(token),
        None => outbound,
    })
}
