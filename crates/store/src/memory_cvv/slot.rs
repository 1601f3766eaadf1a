//! What is remembered of one card, and what claims make of it.

use core::num::NonZeroU32;
use core::sync::atomic::AtomicU64;
use std::sync::Arc;

use panvault_model::{CardId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, Timestamp};
use zeroize::Zeroize;

use crate::cvv::{CvvClaim, CvvClaimed, CvvShown, CvvSource, CvvTicket, HeldCvv};
use crate::limits::{CVV_CLAIMS_MAX, CVV_REQUEST_SECONDS};

/// Among which CVVs one is counted.
pub(super) struct Share {
    /// How many its owner holds now.
    pub(super) held: AtomicU64,
    pub(super) source: CvvSource,
}

/// There is one for each CVV, of a million or more: what few of them have is behind a pointer.
pub(super) struct Slot {
    pub(super) card: CardId,
    /// The mark: the greatest number that was told. The CVV, held or claimed, has it.
    pub(super) number: u64,
    /// Until when the mark is kept where nothing is held.
    pub(super) until_millis: u64,
    cvv: Option<Kept>,
    claims: Option<Box<Claims>>,
}

const _: () = assert!(size_of::<Slot>() == 128, "two lines of the processor's cache");

/// A CVV, by this process's clock.
pub(super) struct Kept {
    sealed: [u8; SEALED_CVV_BLOCK_BYTES],
    pub(super) component: Option<NonZeroU32>,
    /// It is kept beside the last claim, and not held.
    claimed: bool,
    expires_at: Timestamp,
    pub(super) deadline_millis: u64,
    pub(super) share: Arc<Share>,
}

/// A slot that moves leaves a copy behind, which whoever moves it overwrites. What ends where it lies is wiped there.
impl Drop for Kept {
    fn drop(&mut self) {
        self.sealed.zeroize();
    }
}

struct Claims {
    last: Mark,
    /// The claims before it, oldest first.
    earlier: Vec<Mark>,
}

struct Mark {
    ticket: CvvTicket,
    /// Of the idempotency key, until the request has ended without a CVV.
    digest: Option<[u8; 16]>,
    until_millis: u64,
}

impl Slot {
    pub(super) fn new(card: CardId, number: u64, held: Option<Kept>, now: u64) -> Self {
        Self { card, number, until_millis: request_end(now), cvv: held, claims: None }
    }

    /// Something was told of the card: what was sent before may come until its request's end.
    pub(super) fn touch(&mut self, now: u64) {
        self.until_millis = request_end(now);
    }

    /// What is held, and not claimed.
    pub(super) fn held(&self) -> Option<&Kept> {
        self.cvv.as_ref().filter(|cvv| !cvv.claimed)
    }

    /// A new number, and what is held of it. What was held or claimed before has ended.
    pub(super) fn renew(&mut self, number: u64, held: Option<Kept>) {
        self.number = number;
        self.cvv = held;
    }

    /// Ends the CVV, held or claimed.
    pub(super) fn end(&mut self) {
        self.cvv = None;
    }

    /// Forgets claims whose requests are over.
    pub(super) fn claims_expire(&mut self, now: u64) {
        if self.claims.take_if(|claims| now >= claims.last.until_millis).is_some() {
            self.taken_end();
        }
    }

    /// The CVV, held or claimed.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.cvv.as_ref()
    }

    fn taken(&self) -> Option<&Kept> {
        self.cvv.as_ref().filter(|cvv| cvv.claimed)
    }

    /// The claimed CVV does not come back.
    fn taken_end(&mut self) {
        if self.taken().is_some() {
            self.cvv = None;
        }
    }

    /// The answer to a claim that is remembered, or whose twin is.
    pub(super) fn claimed_earlier(
        &self,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
        now: u64,
    ) -> Option<CvvClaimed> {
        let claims = self.claims.as_deref()?;
        if claims.last.ticket == ticket {
            let taken = self.taken().filter(|taken| now < taken.deadline_millis);
            return Some(
                taken.map_or(CvvClaimed::Nothing, |taken| CvvClaimed::Taken(self.claim(taken, ticket, now))),
            );
        }
        let marks = || claims.earlier.iter().filter(|mark| now < mark.until_millis);
        if marks().any(|mark| mark.ticket == ticket) {
            return Some(CvvClaimed::Nothing);
        }
        let twin = |mark: &Mark| digest.is_some() && mark.digest == digest;
        (twin(&claims.last) || marks().any(twin)).then_some(CvvClaimed::Twin)
    }

    /// Claims what is held: it stays where it is, beside the claim's mark.
    pub(super) fn claim_held(
        &mut self,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
        now: u64,
    ) -> Option<CvvClaim> {
        let claim = self.claim(self.held()?, ticket, now);
        if let Some(held) = &mut self.cvv {
            held.claimed = true;
        }
        self.touch(now);
        let last = Mark { ticket, digest, until_millis: self.until_millis };
        let Some(claims) = &mut self.claims else {
            self.claims = Some(Box::new(Claims { last, earlier: Vec::new() }));
            return Some(claim);
        };
        let before = core::mem::replace(&mut claims.last, last);
        claims.earlier.retain(|mark| now < mark.until_millis);
        claims.earlier.push(before);
        if claims.earlier.len() >= CVV_CLAIMS_MAX {
            claims.earlier.remove(0);
        }
        Some(claim)
    }

    /// The request has ended without its CVV: is that still there, it is held again if its time is not up, and the answer says whether it is.
    pub(super) fn given_back(&mut self, ticket: CvvTicket, now: u64) -> Option<bool> {
        let claims = self.claims.as_deref_mut()?;
        if claims.last.ticket != ticket {
            if let Some(mark) = claims.earlier.iter_mut().find(|mark| mark.ticket == ticket) {
                mark.digest = None;
            }
            return None;
        }
        claims.last.digest = None;
        let taken = self.cvv.as_mut().filter(|cvv| cvv.claimed)?;
        if now >= taken.deadline_millis {
            self.cvv = None;
            return Some(false);
        }
        taken.claimed = false;
        self.touch(now);
        Some(true)
    }

    /// The request has used its CVV.
    pub(super) fn discarded(&mut self, ticket: CvvTicket) {
        if self.claims.as_ref().is_some_and(|claims| claims.last.ticket == ticket) {
            self.taken_end();
        }
    }

    fn claim(&self, taken: &Kept, ticket: CvvTicket, now: u64) -> CvvClaim {
        let CvvShown { number, expires_at, remaining_millis } = self.shown(taken, now);
        let sealed = SealedCvvBlock::new(taken.component, taken.sealed);
        CvvClaim { card: self.card, ticket, number, cvv: HeldCvv { sealed, expires_at, remaining_millis } }
    }

    /// What is shown of its CVV.
    pub(super) fn shown(&self, kept: &Kept, now: u64) -> CvvShown {
        let remaining_millis = kept.deadline_millis.saturating_sub(now);
        CvvShown { number: self.number, expires_at: kept.expires_at, remaining_millis }
    }
}

impl Kept {
    pub(super) fn new(cvv: &HeldCvv, share: Arc<Share>, now: u64) -> Self {
        let HeldCvv { sealed, expires_at, remaining_millis } = cvv;
        Self {
            sealed: *sealed.as_bytes(),
            component: sealed.component(),
            claimed: false,
            expires_at: *expires_at,
            deadline_millis: now.saturating_add(*remaining_millis),
            share,
        }
    }
}

const fn request_end(now: u64) -> u64 {
    now.saturating_add(CVV_REQUEST_SECONDS * 1000)
}
