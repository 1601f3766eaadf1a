use panvault_model::{CardId, Now, OrganisationId, Sealed, Timestamp};

use crate::store::Pending;

/// A sealed CVV and until when it may be used.
///
/// It is not `Clone`: who has it is the only one who has it.
#[derive(Debug)]
pub struct HeldCvv {
    /// The CVV, sealed with a key that lives only in memory.
    pub sealed: Sealed,
    /// When it ends, by the calendar; this is shown.
    pub expires_at: Timestamp,
    /// When it ends, by the clock that never goes back; this binds when the calendar is set back.
    pub deadline_millis: u64,
}

impl HeldCvv {
    /// Whether its time is up by either clock.
    pub fn is_expired(&self, now: Now) -> bool {
        now.monotonic_millis >= self.deadline_millis || now.wall >= self.expires_at
    }
}

/// A CVV taken out for one transaction. It ends in [`CvvStore::cvv_discard`] or [`CvvStore::cvv_put_back`]; one that is
/// dropped is discarded, for it is nowhere else.
#[derive(Debug)]
pub struct Claim {
    /// Whose CVV it is.
    pub card: CardId,
    /// Tells this claim from any other on the card.
    pub ticket: u64,
    /// The CVV.
    pub cvv: HeldCvv,
}

/// How many CVVs a store has seen come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CvvCounts {
    /// Held now.
    pub held: u64,
    /// That may be held at a time.
    pub held_max: u64,
    /// Claimed since the start.
    pub claimed: u64,
    /// Put back since the start.
    pub put_back: u64,
    /// Ended by time since the start.
    pub expired: u64,
}

/// A place in memory that holds CVVs, never on a disk.
///
/// `sequence` is the place of the card's step in the order of all durable steps: when two changes of a card's CVV
/// arrive in the wrong order, the one decided later stands.
///
/// An organisation may hold as many as there is room left for: alone at most half of all, the next one half of what is
/// left. So there is room for everyone, whatever one organisation's browsers do.
pub trait CvvStore: Send + Sync {
    /// Holds a CVV for a card of this organisation, replacing what was there. [`crate::StoreFault::Busy`] when there is no
    /// room for another of this organisation.
    fn cvv_hold(
        &self,
        card: CardId,
        organisation: OrganisationId,
        sequence: u64,
        cvv: HeldCvv,
        now: Now,
    ) -> Pending<'_, ()>;
    /// Whether another CVV of this organisation would find room now.
    fn cvv_room(&self, organisation: OrganisationId) -> bool;
    /// Ends the card's CVV, held or claimed.
    fn cvv_clear(&self, card: CardId, sequence: u64, now: Now) -> Pending<'_, ()>;
    /// Takes the CVV out, atomically: of any number of claims, one gets it.
    fn cvv_claim(&self, card: CardId, now: Now) -> Pending<'_, Option<Claim>>;
    /// Puts a claimed CVV back with its old deadline, unless it was replaced, cleared or expired since.
    fn cvv_put_back(&self, claim: Claim, now: Now) -> Pending<'_, ()>;
    /// Ends a claimed CVV.
    fn cvv_discard(&self, claim: Claim) -> Pending<'_, ()>;
    /// Until when the card's CVV is held, if one is.
    fn cvv_expires_at(&self, card: CardId, now: Now) -> Pending<'_, Option<Timestamp>>;
    /// Removes CVVs whose time is up, to free memory: a deadline binds without it.
    fn cvv_sweep(&self, now: Now) -> Pending<'_, ()>;
    /// Counts, for metrics.
    fn counts(&self) -> CvvCounts;
}
