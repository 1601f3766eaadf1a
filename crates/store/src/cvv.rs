mod component;

use core::future::Future;
use core::num::NonZeroU32;
use core::pin::Pin;

use panvault_model::{CardId, OrganisationId, SealedCvvBlock, Timestamp};

pub use component::{CvvKeyComponent, CvvKeyCurrent};

/// An answer of a [`CvvStore`] that is on its way.
pub type CvvPending<'a, T> = Pin<Box<dyn Future<Output = Result<T, CvvFault>> + Send + 'a>>;

/// Why a store of CVVs did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CvvFault {
    /// There is no room for another CVV of this owner. What it was to replace is ended all the same.
    #[error("there is no room for another CVV")]
    NoRoom,
    /// The CVV was sealed with a key component that the store does not have, or no longer: nobody could open it. What it was to replace is ended
    /// all the same.
    #[error("the key component that the CVV was sealed with is gone")]
    ComponentGone,
    /// The store was not reached, or its answer was not: what was asked may be done, may not be, and may be done later, for
    /// as long as [`CVV_REQUEST_SECONDS`](crate::limits::CVV_REQUEST_SECONDS).
    #[error("the place that holds CVVs is out of reach")]
    Unavailable,
}

/// Who brings a CVV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CvvSource {
    /// A caller that keeps its key to itself.
    Server,
    /// One whose key is in everybody's hands.
    Browser,
}

impl CvvSource {
    /// Its name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Browser => "browser",
        }
    }
}

/// Where a CVV finds room: with those of its organisation that come from where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CvvOwner {
    /// Whose card it is for.
    pub organisation: OrganisationId,
    /// Who brings it.
    pub source: CvvSource,
}

/// A sealed CVV and for how long it may be used.
///
/// It is not `Clone`: who has it is the only one who has it.
#[derive(Debug)]
pub struct HeldCvv {
    /// The CVV, sealed with a key that is never stored.
    pub sealed: SealedCvvBlock,
    /// When it ends, by the calendar. This is shown; a store only carries it.
    pub expires_at: Timestamp,
    /// Milliseconds that are left of its time when it is handed over. A store counts them down by its own clock; 0 is over.
    pub remaining_millis: u64,
}

/// What names a claim: 16 random bytes that its caller draws anew for each request, and sends again only to repeat that
/// request. Two requests with one ticket could go out with one CVV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CvvTicket([u8; 16]);

impl CvvTicket {
    /// These bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A CVV taken out for one transaction. It ends in [`CvvStore::cvv_discard`] or [`CvvStore::cvv_put_back`]; one that is
/// dropped is gone with its mark.
#[derive(Debug)]
pub struct CvvClaim {
    /// Whose CVV it is.
    pub card: CardId,
    /// Tells this claim from any other on the card.
    pub ticket: CvvTicket,
    /// Which of the card's CVVs it is.
    pub number: u64,
    /// The CVV, with what was left of its time when it was claimed.
    pub cvv: HeldCvv,
}

/// What became of a claim.
#[derive(Debug)]
pub enum CvvClaimed {
    /// The CVV is this claim's.
    Taken(CvvClaim),
    /// None is held.
    Nothing,
    /// A request with the same idempotency key has claimed a CVV of this card a moment ago. This one must not go on without.
    Twin,
}

/// What may be known of a CVV that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CvvShown {
    /// Which of the card's CVVs it is.
    pub number: u64,
    /// When it ends, by the calendar.
    pub expires_at: Timestamp,
    /// Milliseconds that are left of its time.
    pub remaining_millis: u64,
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

/// A place in memory that holds CVVs, never on a disk. It may be in this process, or across a network and shared by several.
///
/// **Numbers.** A CVV has a number, greater than that of any earlier one of its card. A store remembers of a card the greatest
/// number that it was told, for as long as a CVV is held and at least for [`CVV_REQUEST_SECONDS`] after it was last told
/// of the card: the *mark*. Nothing is held whose number is not above the mark, so that what comes late revives nothing.
///
/// **Claims.** A claim takes the CVV and leaves its ticket and the digest of the claimer's idempotency key, also for
/// [`CVV_REQUEST_SECONDS`]. Beside the last claim the CVV itself is kept, sealed as it is: for that ticket if it asks again,
/// and for its way back. It goes when it is discarded, put back, cleared or replaced, when its time is up, and with the claim.
///
/// **Time.** What goes in says how much time is left, and what comes out too. A store measures by a clock of its own that never
/// goes back; one whose machine has none keeps the latest time that it has seen, and takes that where the clock shows less.
/// A CVV whose time is up is never handed out, also if nothing sweeps.
///
/// **Deliveries.** Each method is one atomic step. A network may lose a request or an answer, deliver a request twice, or late
/// and behind younger ones, but not later than [`CVV_REQUEST_SECONDS`] after it was sent. Whatever it does, the CVV of a
/// number comes out to one ticket only, unless that one gave it back, and after a clear with a number nothing up to it comes
/// out. It may be lost, though: who was answered [`CvvFault::Unavailable`] decides whether to ask again.
///
/// **Room.** The servers of an organisation may hold as many as there is room left for: alone at most half of all, those of the next
/// one half of what is left. Browsers have a share of their own, which is half of all: those of an organisation may hold as many as
/// there is left of it, and of all. So there is room for everyone, and for servers whatever browsers do. What is claimed takes no room.
///
/// **Key components.** A store that nodes share keeps the [`CvvKeyComponent`]s that CVVs are sealed with, beside them and in memory only. One is current
/// for [`CVV_KEY_COMPONENT_SECONDS`], and kept for [`CVV_KEY_COMPONENT_KEPT_SECONDS`] from when it was made: longer than any CVV that
/// was sealed with it. A CVV whose component is gone, for whatever reason, is not held. A store in the process is not asked.
///
/// [`CVV_REQUEST_SECONDS`]: crate::limits::CVV_REQUEST_SECONDS
/// [`CVV_KEY_COMPONENT_SECONDS`]: crate::limits::CVV_KEY_COMPONENT_SECONDS
/// [`CVV_KEY_COMPONENT_KEPT_SECONDS`]: crate::limits::CVV_KEY_COMPONENT_KEPT_SECONDS
pub trait CvvStore: Send + Sync {
    /// Whether several nodes share it: then a number is that of the card's [`CardCvvRow`](crate::CardCvvRow). Else it is the order of the
    /// commit.
    fn is_shared(&self) -> bool;

    /// Holds a CVV for a card of this owner's organisation, ends what is there of a lesser number, held or claimed, and says whether this CVV is
    /// held now.
    ///
    /// It is not, and nothing changes, when the mark is at this number or above; a hold that is repeated is answered by
    /// whether its CVV still is there. It is not when its time is up. [`CvvFault::NoRoom`] when it finds no room; what it
    /// replaces makes room for it. [`CvvFault::ComponentGone`] when it was sealed with a component that is not there. In the last three cases its number
    /// becomes the mark all the same.
    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool>;

    /// Whether another CVV of this owner would find room now. Asks nobody: a store across a network answers from what it
    /// last heard, and [`CvvStore::cvv_hold`] decides.
    fn cvv_room(&self, owner: CvvOwner) -> bool;

    /// Whether the store would hold another CVV now: [`CvvFault::Unavailable`] when it is not reached, [`CvvFault::NoRoom`] when its memory is full. Then what
    /// is held next finds memory, whatever comes between. The answer is to a question that was sent after the call; many who call at the same time may share one.
    fn cvv_admits(&self) -> CvvPending<'_, ()>;

    /// Ends the card's CVV, held or claimed, if its number is this or less, and makes this number the mark.
    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()>;

    /// Ends the card's CVV, held or claimed, whatever its number is; the mark stays where it is. For what is to be replaced by a
    /// commit that has no number yet. A delivery that is late ends a younger CVV: one is lost, none is kept.
    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()>;

    /// Takes the CVV out: of any number of tickets, one gets it.
    ///
    /// A claim that is repeated with its ticket gets what it got at first, for as long as the CVV is kept beside it, and
    /// nothing once that was discarded, put back, cleared or replaced. A claim that found none leaves nothing: repeated, it is a
    /// new one. `digest` is that of the request's idempotency key, if it has one: where a claim with the same digest and
    /// another ticket is remembered, the answer is [`CvvClaimed::Twin`]. Of a card's claims the last
    /// [`CVV_CLAIMS_MAX`](crate::limits::CVV_CLAIMS_MAX) are remembered.
    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed>;

    /// Puts a claimed CVV back, with its number and what is left of its time: that went on while it was claimed. Only where it is
    /// still kept beside its claim: not when it was replaced, cleared or discarded, nor when its time or that of the claim is up.
    /// In any case the request has ended without it, and its digest makes no twins any more.
    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()>;

    /// Ends a claimed CVV. The claim is remembered.
    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()>;

    /// What is held for the card.
    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>>;

    /// What is held for each of these cards, in their order. Asks once for all of them.
    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>>;

    /// The key component that CVVs are to be sealed with. Where there is none, or its time is over, it is the one that is offered: drawn at random
    /// for each request, its number too. An offer whose number is another component's is taken for none: [`CvvFault::Unavailable`] where one is needed.
    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent>;

    /// The key component of this number, for as long as it is kept.
    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>>;

    /// Frees the memory of what is over, where the store does not do that by itself.
    fn cvv_sweep(&self) -> CvvPending<'_, ()>;

    /// Counts, for metrics. Asks nobody; `claimed`, `put_back` and `expired` are those that this process knows of.
    fn counts(&self) -> CvvCounts;
}
