//! Operations on cards.

mod create;
mod delete;
mod fingerprint;
mod read;
mod refresh;
mod update;

use std::sync::Arc;

use panvault_model::{CardId, Now, Timestamp};
use panvault_store::{CardRow, CvvFault, CvvOwner, CvvSource, IdempotencyRow};

use crate::cvv::{CvvSeen, SealedCvv};
use crate::error::{VaultError, with_causes};
use crate::idempotency::{Done, Idempotency, answer_read};
use crate::vault::Vault;

pub use refresh::Refreshed;
pub use update::{CardChange, CvvChange};

/// What is wrong with a CVV of a network token.
const NO_CVV: &str =
    "cannot go with a network token, which has a cryptogram for each transaction in its place";

/// The caller's own pairs, sorted by name, each name once.
pub type Metadata = Vec<(String, String)>;

/// A card as it may be shown.
#[derive(Clone, Debug)]
pub struct CardView {
    /// The stored row.
    pub row: Arc<CardRow>,
    /// Until when a CVV is held for it, if one is.
    pub cvv_expires_at: Option<Timestamp>,
    /// Whether that is known: not while the place that holds CVVs is out of reach, and the card may have one.
    pub is_cvv_known: bool,
}

impl CardView {
    fn new(row: Arc<CardRow>, cvv: CvvSeen) -> Self {
        Self { row, cvv_expires_at: cvv.until, is_cvv_known: cvv.is_known }
    }
}

impl Vault {
    /// [`VaultError::CvvFull`] when there is no room for a CVV of this owner, before anything is stored.
    fn cvv_room(&self, owner: CvvOwner, now: Now) -> Result<(), VaultError> {
        if self.cvvs().cvv_room(owner) {
            return Ok(());
        }
        if self.cvv_no_room().is_due(now) {
            let counts = self.cvvs().counts();
            let advice = "raise cvvs_held_max, of which the servers of one organisation get at most half and its browsers a quarter, or lower cvv_ttl_seconds";
            tracing::warn!(
                organisation.id = %owner.organisation, source = owner.source.as_str(), cvvs.held = counts.held, cvvs.held_max = counts.held_max, advice,
                "cvv.no_room"
            );
        }
        Err(VaultError::CvvFull)
    }

    /// Holds the CVV of a card that is durable by now, and says until when, if it is held: a later change may have overtaken it,
    /// there may be no room, or no way to where it is held. That is no fault of the request any more, which is done.
    async fn cvv_held(
        &self,
        card: &CardRow,
        source: CvvSource,
        number: u64,
        cvv: SealedCvv,
    ) -> Option<Timestamp> {
        let expires_at = cvv.expires_at;
        let Some(cvv) = cvv.held(self.now()) else {
            let advice = "see why the store took so long; the caller can put this one back";
            tracing::warn!(card.id = %card.id, advice, "cvv.not_held");
            return None;
        };
        let owner = CvvOwner { organisation: card.organisation, source };
        match self.cvvs().cvv_hold(card.id, owner, number, cvv).await {
            Ok(held) => held.then_some(expires_at),
            Err(error) => {
                if error == CvvFault::ComponentGone {
                    self.cvv_key_again().await;
                }
                let advice = match error {
                    CvvFault::NoRoom => {
                        "let more CVVs be held, or hold them for less time; the caller can put this one back"
                    }
                    CvvFault::ComponentGone => {
                        "see why the place that holds CVVs has lost what it had; the caller can put this one back"
                    }
                    CvvFault::Unavailable => {
                        "see why the place that holds CVVs is out of reach; the caller can put this one back"
                    }
                };
                tracing::warn!(card.id = %card.id, error = %with_causes(&error), advice, "cvv.not_held");
                None
            }
        }
    }

    /// The place that holds CVVs has lost what the last ones were sealed with, so that the next ones are sealed with something else. Where that is not
    /// reached either, the next renewal is.
    async fn cvv_key_again(&self) {
        if let Err(error) = self.cvv_key_renew().await {
            tracing::warn!(error = %with_causes(&error), advice = "none; it is asked again soon", "cvv.key_not_renewed");
        }
    }

    /// The same, and [`VaultError::CvvUnavailable`] while the place that nodes share is out of reach, or [`VaultError::CvvFull`] while its memory is full: a CVV
    /// that is brought then is refused with its card, rather than lost without a word.
    async fn cvv_admitted(&self, owner: CvvOwner, now: Now) -> Result<(), VaultError> {
        self.cvv_room(owner, now)?;
        if !self.cvvs().is_shared() {
            return Ok(());
        }
        let admitted = self.cvvs().cvv_admits().await;
        if admitted == Err(CvvFault::NoRoom) && self.cvv_no_room().is_due(now) {
            let advice = "raise maxmemory of the server of CVVs, or lower cvv_ttl_seconds";
            tracing::warn!(cvvs.held = self.cvvs().counts().held, advice, "cvv.no_memory");
        }
        Ok(admitted?)
    }

    /// Ends a CVV once more when its end is durable, with the number of that commit: so what was sent before and comes late is not
    /// held. The CVV itself was ended before the commit, so that a fault here leaves none that a transaction could get.
    async fn cvv_ended(&self, card: CardId, number: u64) {
        if let Err(error) = self.cvvs().cvv_clear(card, number).await {
            let advice = "see why the place that holds CVVs is out of reach; the CVV was ended before";
            tracing::warn!(card.id = %card, error = %with_causes(&error), advice, "cvv.not_marked");
        }
    }

    /// The card that an earlier request, whose record a commit met, was answered with.
    async fn card_replayed(
        &self,
        claim: Option<&Idempotency>,
        row: Box<IdempotencyRow>,
        now: Now,
    ) -> Result<Done<CardView>, VaultError> {
        let claim = claim.ok_or(VaultError::Contended)?;
        self.card_answered(self.idempotency_claimed(claim, row)?, now).await
    }

    /// The card of a record that was verified, and what is held of its CVV now: an answer does not keep that.
    async fn card_answered(&self, row: Box<IdempotencyRow>, now: Now) -> Result<Done<CardView>, VaultError> {
        let row: CardRow = answer_read(&row)?;
        let cvv = self.cvv_seen(row.id, now).await?;
        Ok(Done::replayed(CardView::new(Arc::new(row), cvv)))
    }
}
