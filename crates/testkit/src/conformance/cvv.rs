mod claim;
mod component;
mod model;
mod number;
mod predicted;
mod room;
mod time;

use core::pin::Pin;

use panvault_model::{CardId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock};
use panvault_store::{CvvClaim, CvvClaimed, CvvShown, CvvStore, CvvTicket, HeldCvv};

use crate::TestClock;
use crate::conformance::rows::{at, id, servers_of};

pub use model::cvv_model;
pub use room::{room_ends_at, room_is_shared, room_of_browsers_is_their_own};

/// A CVV store to be judged, and the clock that it measures by.
#[derive(Clone, Copy)]
pub struct CvvJudged<'a> {
    /// An empty store.
    pub store: &'a dyn CvvStore,
    /// Its clock. The calendar of it is no matter of a store's.
    pub clock: &'a TestClock,
}

/// A case for CVV stores, with its name.
pub type CvvCase = (&'static str, for<'a> fn(CvvJudged<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>);

/// Names cases after their functions.
macro_rules! judged_cases {
    ($($name:ident)+) => { &[$((stringify!($name), |judged| Box::pin($name(judged))),)+] };
}
use judged_cases;

/// Every case for a CVV store. Each wants an empty one.
pub fn cvv_cases() -> impl Iterator<Item = CvvCase> {
    [claim::CASES, component::CASES, number::CASES, time::CASES].into_iter().flatten().copied()
}

/// A CVV that ends after so many seconds.
fn cvv(marked: u8, seconds: u64) -> HeldCvv {
    HeldCvv {
        sealed: SealedCvvBlock::new(None, [marked; SEALED_CVV_BLOCK_BYTES]),
        expires_at: at(seconds),
        remaining_millis: seconds * 1000,
    }
}

fn card(n: u64) -> CardId {
    CardId(id(n))
}

const fn ticket(n: u8) -> CvvTicket {
    CvvTicket::from_bytes([n; 16])
}

const fn digest(n: u8) -> Option<[u8; 16]> {
    Some([n; 16])
}

/// What a claim came to, and which CVV it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Taken(u8),
    Nothing,
    Twin,
}

impl From<&CvvClaimed> for Got {
    fn from(claimed: &CvvClaimed) -> Self {
        match claimed {
            CvvClaimed::Taken(claim) => Self::Taken(claim.cvv.sealed.as_bytes()[0]),
            CvvClaimed::Nothing => Self::Nothing,
            CvvClaimed::Twin => Self::Twin,
        }
    }
}

/// What is asked of card 1, of organisation 1.
impl CvvJudged<'_> {
    fn pass(&self, seconds: u64) {
        self.clock.pass_millis(seconds * 1000);
    }

    async fn hold(&self, number: u64, cvv: HeldCvv) -> bool {
        self.store.cvv_hold(card(1), servers_of(1), number, cvv).await.unwrap()
    }

    async fn claim(&self, ticket_number: u8) -> Got {
        Got::from(&self.claimed(ticket_number, None).await)
    }

    async fn claim_of(&self, ticket_number: u8, digest: Option<[u8; 16]>) -> Got {
        Got::from(&self.claimed(ticket_number, digest).await)
    }

    async fn claimed(&self, ticket_number: u8, digest: Option<[u8; 16]>) -> CvvClaimed {
        self.store.cvv_claim(card(1), ticket(ticket_number), digest).await.unwrap()
    }

    async fn taken(&self, ticket_number: u8) -> CvvClaim {
        match self.claimed(ticket_number, None).await {
            CvvClaimed::Taken(claim) => claim,
            claimed @ (CvvClaimed::Nothing | CvvClaimed::Twin) => panic!("not taken: {claimed:?}"),
        }
    }

    async fn clear(&self, number: u64) {
        self.store.cvv_clear(card(1), number).await.unwrap();
    }

    async fn clear_now(&self) {
        self.store.cvv_clear_now(card(1)).await.unwrap();
    }

    async fn put_back(&self, claim: CvvClaim) {
        self.store.cvv_put_back(claim).await.unwrap();
    }

    async fn discard(&self, claim: CvvClaim) {
        self.store.cvv_discard(claim).await.unwrap();
    }

    async fn shown(&self) -> Option<CvvShown> {
        self.store.cvv_read(card(1)).await.unwrap()
    }

    /// Held, claimed, put back, expired.
    fn counts(&self) -> [u64; 4] {
        let counts = self.store.counts();
        [counts.held, counts.claimed, counts.put_back, counts.expired]
    }
}

/// A request as it is delivered once more.
fn again(claim: &CvvClaim) -> CvvClaim {
    let HeldCvv { sealed, expires_at, remaining_millis } = &claim.cvv;
    let cvv =
        HeldCvv { sealed: sealed.clone(), expires_at: *expires_at, remaining_millis: *remaining_millis };
    CvvClaim { card: claim.card, ticket: claim.ticket, number: claim.number, cvv }
}
