//! How a transaction gets the CVV of its card, and what becomes of it.
//!
//! **The claim decides.** Of any number of requests one is handed the CVV by the place that holds it, and has it whatever the others do.
//! Where nodes share that place, the store has the last word: the place may have come back as it once was, and hand out what was used or
//! replaced. So the claim is held against the card's row, and the commit that writes `INITIATED` marks the row's number as used,
//! expecting the row as it was read. What there can be:
//!
//! - *The row has the claim's number, unused*: the commit marks it. Where the row has changed until then, the same claim is held against
//!   it once more.
//! - *The row's number is used or ended, its time is over, or there is no row*: another transaction has used this CVV, or the card has none any more.
//!   The claim is void. The card has no CVV that anyone could use, so the transaction goes without, as it does when it finds none.
//! - *The row has its number, unused, and another deadline*: somebody has given it the number of another CVV of the card. The claim is void.
//! - *The row has another number, unused*: the CVV was replaced while this one was on its way. The transaction must not go without a CVV that the
//!   card has, so it claims again, a bounded number of times.
//!
//! While the place is out of reach, the row alone says whether there is anything to claim: where there is not, the transaction goes without; where
//! there may be, it is refused rather than sent without the CVV that its card has.
//!
//! A transaction goes without a CVV only where no claim of its own stands: never because its mark met a conflict.

use std::sync::Arc;

use panvault_model::{CardId, Now};
use panvault_store::{CardCvvRow, CvvClaim, CvvClaimed, CvvFault};

use crate::cvv;
use crate::error::{VaultError, with_causes};
use crate::limits::CLAIM_TRIES_MAX;
use crate::permit::{Permit, TransactionCreate};
use crate::vault::Vault;

/// A claim that is to be made, or held against the card's row once more.
pub(super) struct Claiming {
    card: CardId,
    /// Of the request's idempotency key. Left with the first claim that succeeds; a second one would find its own.
    digest: Option<[u8; 16]>,
    claim: Option<CvvClaim>,
    tries_left: usize,
}

/// A CVV that a transaction has claimed.
pub(super) struct ClaimedCvv {
    pub(super) claim: CvvClaim,
    /// The card's row, where nodes share CVVs: of this number, unused.
    pub(super) row: Option<Arc<CardCvvRow>>,
}

/// What became of a claim.
pub(super) enum Claimed {
    Cvv(ClaimedCvv),
    Nothing,
    /// A request with the same idempotency key has the CVV.
    Twin,
}

impl Claiming {
    pub(super) const fn new(card: CardId, digest: Option<[u8; 16]>) -> Self {
        Self { card, digest, claim: None, tries_left: CLAIM_TRIES_MAX }
    }

    /// The row that the claim was held against has changed.
    pub(super) fn again(&mut self, cvv: Option<ClaimedCvv>) {
        self.claim = cvv.map(|cvv| cvv.claim);
    }

    /// Something else than that row has changed: it takes no try away.
    pub(super) fn again_uncounted(&mut self, cvv: Option<ClaimedCvv>) {
        self.again(cvv);
        self.tries_left = self.tries_left.saturating_add(1);
    }
}

/// What the card's row says of a claim.
enum Standing {
    Stands(Option<Arc<CardCvvRow>>),
    Void,
    Replaced,
}

impl Vault {
    /// Claims the CVV, as far as the card's row allows it. [`VaultError::Contended`] when that kept changing.
    pub(super) async fn cvv_claim(
        &self,
        claiming: &mut Claiming,
        permit: &Permit<TransactionCreate>,
    ) -> Result<Claimed, VaultError> {
        while let Some(tries_left) = claiming.tries_left.checked_sub(1) {
            claiming.tries_left = tries_left;
            let claim = match claiming.claim.take() {
                Some(claim) => claim,
                None => {
                    let ticket = cvv::make_ticket(&self.env(permit.snapshot(), permit.now()))?;
                    match self.cvvs().cvv_claim(claiming.card, ticket, claiming.digest).await {
                        Ok(CvvClaimed::Taken(claim)) => claim,
                        Ok(CvvClaimed::Nothing) => return Ok(Claimed::Nothing),
                        Ok(CvvClaimed::Twin) => return Ok(Claimed::Twin),
                        // Where the store knows that there is none, nobody has to be asked.
                        Err(CvvFault::Unavailable) if self.cvvs().is_shared() => {
                            return self.cvv_without_asking(claiming.card, permit.now()).await;
                        }
                        Err(fault) => return Err(fault.into()),
                    }
                }
            };
            match self.cvv_standing(&claim, permit.now()).await {
                Ok(Standing::Stands(row)) => return Ok(Claimed::Cvv(ClaimedCvv { claim, row })),
                Ok(Standing::Void) => {
                    self.cvv_release(Some(claim), false).await;
                    return Ok(Claimed::Nothing);
                }
                Ok(Standing::Replaced) => {
                    self.cvv_release(Some(claim), false).await;
                    claiming.digest = None;
                }
                // Nothing is known against it, and nothing was done.
                Err(error) => {
                    self.cvv_release(Some(claim), true).await;
                    return Err(error);
                }
            }
        }
        self.cvv_release(claiming.claim.take(), true).await;
        Err(VaultError::Contended)
    }

    /// What a claim comes to while the place that holds CVVs is out of reach: nothing, if the card has none that anyone could use.
    /// [`VaultError::CvvUnavailable`] if it may have one.
    async fn cvv_without_asking(&self, card: CardId, now: Now) -> Result<Claimed, VaultError> {
        match self.cvv_row(card).await? {
            Some(row) if !row.used && now.wall < row.cvv_until => Err(VaultError::CvvUnavailable),
            Some(_) | None => Ok(Claimed::Nothing),
        }
    }

    async fn cvv_standing(&self, claim: &CvvClaim, now: Now) -> Result<Standing, VaultError> {
        // A store of CVVs reads no calendar.
        if now.wall >= claim.cvv.expires_at {
            return Ok(Standing::Void);
        }
        if !self.cvvs().is_shared() {
            return Ok(Standing::Stands(None));
        }
        // What it was sealed with is gone: nobody can open it.
        if !self.cvv_key_ready(claim).await? {
            return Ok(Standing::Void);
        }
        Ok(match self.cvv_row(claim.card).await? {
            Some(row) if row.used || now.wall >= row.cvv_until => Standing::Void,
            Some(row) if cvv::is_of(&row, claim.number, claim.cvv.expires_at) => Standing::Stands(Some(row)),
            // It is no CVV that the vault gave this number.
            Some(row) if u64::from(row.number) == claim.number => Standing::Void,
            Some(_) => Standing::Replaced,
            None => Standing::Void,
        })
    }

    /// Ends the claim on a CVV, or puts it back where nothing was sent. What became of the transaction is decided by now, so
    /// a fault here is no answer to its caller; the CVV is gone then.
    pub(super) async fn cvv_release(&self, claim: Option<CvvClaim>, untouched: bool) {
        let Some(claim) = claim else { return };
        let card = claim.card;
        let ended = if untouched {
            self.cvvs().cvv_put_back(claim).await
        } else {
            self.cvvs().cvv_discard(claim).await
        };
        if let Err(error) = ended {
            let advice = "none; the caller can put the CVV back";
            tracing::warn!(card.id = %card, error = %with_causes(&error), advice, "cvv.not_released");
        }
    }
}
