//! A CVV between its parsing and its use: sealed with a key that lives only in memory.

use panvault_card::{Cvv, CvvBlock};
use panvault_model::{CardId, Now, OrganisationId, Sealed, Timestamp};
use panvault_store::{CvvClaim, CvvShown, CvvTicket, HeldCvv};

use crate::env::Env;
use crate::error::VaultError;
use crate::vault::Vault;

/// A CVV whose plaintext is gone and whose clock runs, on its way to where it is held.
pub(crate) struct SealedCvv {
    sealed: Sealed,
    pub(crate) expires_at: Timestamp,
    deadline_millis: u64,
}

impl SealedCvv {
    /// As it is handed over now: what was waited for meanwhile is of its time.
    pub(crate) fn held(self, now: Now) -> HeldCvv {
        let Self { sealed, expires_at, deadline_millis } = self;
        HeldCvv { sealed, expires_at, remaining_millis: deadline_millis.saturating_sub(now.monotonic_millis) }
    }
}

/// Seals a CVV and starts its clock; `None` when CVVs are not held at all.
pub(crate) fn cvv_seal(
    cvv: Cvv,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Option<SealedCvv>, VaultError> {
    if env.cvv_ttl_seconds == 0 {
        return Ok(None);
    }
    let block = CvvBlock::pack(&cvv);
    drop(cvv);
    let sealed = env.cvv_key.seal(card, organisation, block.expose_bytes(), env.entropy)?;
    let seconds = u64::from(env.cvv_ttl_seconds);
    let Now { wall, monotonic_millis } = env.now;
    Ok(Some(SealedCvv {
        sealed,
        expires_at: wall.plus_seconds(seconds),
        deadline_millis: monotonic_millis.saturating_add(seconds.saturating_mul(1000)),
    }))
}

/// Opens a claimed CVV for the one transaction that has it.
pub(crate) fn cvv_open(
    claim: &CvvClaim,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Cvv, VaultError> {
    let mut block = CvvBlock::empty();
    env.cvv_key.open(claim.card, organisation, &claim.cvv.sealed, block.expose_bytes_mut())?;
    block.unpack().map_err(|_| VaultError::Tampered)
}

/// Names a claim. Drawn for itself like a nonce: nodes whose tickets are alike would share one CVV.
pub(crate) fn make_ticket(env: &Env<'_>) -> Result<CvvTicket, VaultError> {
    let mut bytes = [0; 16];
    env.entropy.fill(&mut bytes)?;
    Ok(CvvTicket::from_bytes(bytes))
}

impl Vault {
    /// Until when a CVV of the card is held, if one is.
    pub(crate) async fn cvv_expires_at(
        &self,
        card: CardId,
        now: Now,
    ) -> Result<Option<Timestamp>, VaultError> {
        let shown = self.cvvs().cvv_read(card).await?;
        self.cvv_in_time(card, shown, now).await
    }

    /// Until when what is held of a card is held. A store counts what is left of a CVV's time and reads no calendar; once
    /// it is seen to be over by the calendar it is gone, whatever the calendar says later.
    pub(crate) async fn cvv_in_time(
        &self,
        card: CardId,
        shown: Option<CvvShown>,
        now: Now,
    ) -> Result<Option<Timestamp>, VaultError> {
        let Some(CvvShown { number, expires_at, .. }) = shown else { return Ok(None) };
        if now.wall < expires_at {
            return Ok(Some(expires_at));
        }
        self.cvvs().cvv_clear(card, number).await?;
        Ok(None)
    }
}
