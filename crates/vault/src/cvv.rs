//! A CVV between its parsing and its use: sealed with a key that lives only in memory.

mod keys;
mod row;

use panvault_card::{Cvv, CvvBlock};
use panvault_keys::CvvKey;
use panvault_model::{CardId, Now, OrganisationId, SealedCvvBlock, Timestamp};
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_store::{CardCvvRow, CvvClaim, CvvFault, CvvShown, CvvTicket, HeldCvv, RowKey};

use crate::env::Env;
use crate::error::VaultError;
use crate::vault::Vault;

pub(crate) use keys::CvvKeys;
pub(crate) use row::{CvvStep, as_read};

/// What is known of a card's CVV at a moment.
#[derive(Clone, Copy)]
pub(crate) struct CvvSeen {
    /// Until when one is held, if one is.
    pub(crate) until: Option<Timestamp>,
    /// Whether that is known: not while the place that holds it is out of reach, and the card may have one.
    pub(crate) is_known: bool,
}

impl CvvSeen {
    /// It is held until then, or none is.
    pub(crate) const fn known(until: Option<Timestamp>) -> Self {
        Self { until, is_known: true }
    }

    /// As far as the card's row says it while the place is out of reach.
    fn by_row(row: Option<&CardCvvRow>, now: Now) -> Self {
        Self { until: None, is_known: row.is_none_or(|row| row.used || now.wall >= row.cvv_until) }
    }
}

/// A CVV whose plaintext is gone and whose clock runs, on its way to where it is held.
pub(crate) struct SealedCvv {
    sealed: SealedCvvBlock,
    pub(crate) expires_at: Timestamp,
    sealed_millis: u64,
    deadline_millis: u64,
}

impl SealedCvv {
    /// As it is handed over now: what was waited for meanwhile is of its time. `None` when that was so long that a place of CVVs may have
    /// forgotten what overtook it.
    pub(crate) fn held(self, now: Now) -> Option<HeldCvv> {
        let Self { sealed, expires_at, sealed_millis, deadline_millis } = self;
        let waited_millis = now.monotonic_millis.saturating_sub(sealed_millis);
        let remaining_millis = deadline_millis.saturating_sub(now.monotonic_millis);
        (waited_millis < CVV_REQUEST_SECONDS * 1000).then_some(HeldCvv {
            sealed,
            expires_at,
            remaining_millis,
        })
    }
}

/// Seals a CVV and starts its clock; `None` when CVVs are not held at all, or there is nothing to seal them with while the place that they are
/// shared in is out of reach.
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
    let seconds = u64::from(env.cvv_ttl_seconds);
    let Now { wall, monotonic_millis } = env.now;
    let expires_at = wall.plus_seconds(seconds);
    let seal = |key: &CvvKey| key.seal(card, organisation, expires_at, block.expose_bytes(), env.entropy);
    let Some(sealed) = env.cvv_keys.seal_with(env.now, seal) else { return Ok(None) };
    let sealed = sealed?;
    Ok(Some(SealedCvv {
        sealed,
        expires_at,
        sealed_millis: monotonic_millis,
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
    let CvvClaim { card, cvv: HeldCvv { sealed, expires_at, .. }, .. } = claim;
    let open = |key: &CvvKey| key.open(*card, organisation, *expires_at, sealed, block.expose_bytes_mut());
    env.cvv_keys.open_with(sealed.component(), open)?;
    block.unpack().map_err(|_| VaultError::Tampered(RowKey::CardCvv(claim.card)))
}

/// Names a claim. Drawn for itself like a nonce: nodes whose tickets are alike would share one CVV.
pub(crate) fn make_ticket(env: &Env<'_>) -> Result<CvvTicket, VaultError> {
    let mut bytes = [0; 16];
    env.entropy.fill_secret(&mut bytes)?;
    Ok(CvvTicket::from_bytes(bytes))
}

impl Vault {
    /// Whether a CVV of the card is held, and until when. Where nodes share the place that holds it and that is out of reach, it may not be known,
    /// and the card is answered without it.
    pub(crate) async fn cvv_seen(&self, card: CardId, now: Now) -> Result<CvvSeen, VaultError> {
        let shown = match self.cvvs().cvv_read(card).await {
            Ok(shown) => shown,
            Err(CvvFault::Unavailable) if self.cvvs().is_shared() => {
                return Ok(CvvSeen::by_row(self.cvv_row(card).await?.as_deref(), now));
            }
            Err(fault) => return Err(fault.into()),
        };
        let Some(shown) = shown else { return Ok(CvvSeen::known(None)) };
        let row = self.cvv_row(card).await?;
        self.cvv_in_time(card, shown, row.as_deref(), now).await.map(CvvSeen::known)
    }

    /// The same of each of these cards, in their order.
    pub(crate) async fn cvvs_seen(&self, cards: Vec<CardId>, now: Now) -> Result<Vec<CvvSeen>, VaultError> {
        let shown = match self.cvvs().cvv_read_many(cards.clone()).await {
            Ok(shown) => shown,
            Err(CvvFault::Unavailable) if self.cvvs().is_shared() => {
                let rows = self.cvv_rows(cards).await?;
                return Ok(rows.iter().map(|row| CvvSeen::by_row(row.as_deref(), now)).collect());
            }
            Err(fault) => return Err(fault.into()),
        };
        let held = cards.iter().zip(&shown).filter_map(|(card, shown)| shown.map(|_| *card)).collect();
        let mut rows = self.cvv_rows(held).await?.into_iter();
        let mut seen = Vec::with_capacity(cards.len());
        for (card, shown) in cards.into_iter().zip(shown) {
            seen.push(CvvSeen::known(match shown {
                Some(shown) => {
                    let row = rows.next().flatten();
                    self.cvv_in_time(card, shown, row.as_deref(), now).await?
                }
                None => None,
            }));
        }
        Ok(seen)
    }

    /// Until when what is held of a card is held. A store of CVVs counts what is left of their time and reads no calendar; once
    /// one is seen to be over by the calendar it is gone, whatever the calendar says later. Where nodes share CVVs, what the card's row
    /// does not know is not there, a CVV with another deadline included.
    async fn cvv_in_time(
        &self,
        card: CardId,
        shown: CvvShown,
        row: Option<&CardCvvRow>,
        now: Now,
    ) -> Result<Option<Timestamp>, VaultError> {
        let CvvShown { number, expires_at, .. } = shown;
        if now.wall >= expires_at {
            self.cvvs().cvv_clear(card, number).await?;
            return Ok(None);
        }
        if !self.cvvs().is_shared() {
            return Ok(Some(expires_at));
        }
        let known =
            |row: &&CardCvvRow| !row.used && is_of(row, number, expires_at) && now.wall < row.cvv_until;
        Ok(row.filter(known).map(|row| row.cvv_until))
    }
}

/// Whether a card's row is about this CVV. The place that holds CVVs could give an older one of the card the number of the newer, or another time; the
/// seal knows until when each is held, and so does the row.
pub(crate) fn is_of(row: &CardCvvRow, number: u64, expires_at: Timestamp) -> bool {
    u64::from(row.number) == number && row.cvv_until == expires_at
}
