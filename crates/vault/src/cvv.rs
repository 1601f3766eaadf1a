//! A CVV between its parsing and its use: sealed with a key that lives only in memory.

use panvault_card::{Cvv, CvvBlock};
use panvault_model::{CardId, Now, OrganisationId};
use panvault_store::{Claim, HeldCvv};

use crate::env::Env;
use crate::error::VaultError;

/// Seals a CVV and starts its clock; `None` when CVVs are not held at all.
pub(crate) fn cvv_seal(
    cvv: Cvv,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Option<HeldCvv>, VaultError> {
    if env.cvv_ttl_seconds == 0 {
        return Ok(None);
    }
    let block = CvvBlock::pack(&cvv);
    drop(cvv);
    let sealed = env.cvv_key.seal(card, organisation, block.expose_bytes(), env.entropy)?;
    let seconds = u64::from(env.cvv_ttl_seconds);
    let Now { wall, monotonic_millis } = env.now;
    Ok(Some(HeldCvv {
        sealed,
        expires_at: wall.plus_seconds(seconds),
        deadline_millis: monotonic_millis.saturating_add(seconds.saturating_mul(1000)),
    }))
}

/// Opens a claimed CVV for the one transaction that has it.
pub(crate) fn cvv_open(
    claim: &Claim,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Cvv, VaultError> {
    let mut block = CvvBlock::empty();
    env.cvv_key.open(claim.card, organisation, &claim.cvv.sealed, block.expose_bytes_mut())?;
    block.unpack().map_err(|_| VaultError::Tampered)
}
