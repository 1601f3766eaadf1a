//! What is remembered of one card, and what claims make of it.

use core::sync::atomic::AtomicU64;
use std::sync::Arc;

use panvault_model::{CardId, Sealed, Timestamp};

use crate::cvv::{CvvClaim, CvvClaimed, CvvShown, CvvSource, CvvTicket, HeldCvv};
use crate::limits::{CVV_CLAIMS_MAX, CVV_REQUEST_SECONDS};

/// Among which CVVs one is counted.
pub(super) struct Share {
    /// How many its owner holds now.
    pub(super) held: Arc<AtomicU64>,
    pub(super) source: CvvSource,
}

pub(super) struct Slot {
    /// The mark: the greatest number that was told. What is held, and what is kept beside the last claim, has it.
    pub(super) number: u64,
    /// Until when the mark is kept where nothing is held.
    pub(super) until_millis: u64,
    pub(super) held: Option<Kept>,
    claims: Option<Box<Claims>>,
}

/// A CVV, by this process's clock.
pub(super) struct Kept {
    sealed: Sealed,
    expires_at: Timestamp,
    pub(super) deadline_millis: u64,
    pub(super) share: Share,
}

struct Claims {
    last: Mark,
    /// The CVV of the last claim.
    taken: Option<Kept>,
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
    pub(super) fn new(number: u64, held: Option<Kept>, now: u64) -> Self {
        Self { number, until_millis: request_end(now), held, claims: None }
    }

    /// Something was told of the card: what was sent before may come until its request's end.
    pub(super) fn touch(&mut self, now: u64) {
        self.until_millis = request_end(now);
    }

    /// Forgets claims whose requests are over.
    pub(super) fn claims_expire(&mut self, now: u64) {
        self.claims.take_if(|claims| now >= claims.last.until_millis);
    }

    /// The claimed CVV does not come back.
    pub(super) fn taken_end(&mut self) {
        if let Some(claims) = &mut self.claims {
            claims.taken = None;
        }
    }

    /// The answer to a claim that is remembered, or whose twin is.
    pub(super) fn claimed_earlier(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
        now: u64,
    ) -> Option<CvvClaimed> {
        let claims = self.claims.as_deref()?;
        if claims.last.ticket == ticket {
            let taken = claims.taken.as_ref().filter(|taken| now < taken.deadline_millis);
            return Some(taken.map_or(CvvClaimed::Nothing, |taken| {
                CvvClaimed::Taken(taken.claim(card, ticket, self.number, now))
            }));
        }
        let marks = || claims.earlier.iter().filter(|mark| now < mark.until_millis);
        if marks().any(|mark| mark.ticket == ticket) {
            return Some(CvvClaimed::Nothing);
        }
        let twin = |mark: &Mark| digest.is_some() && mark.digest == digest;
        (twin(&claims.last) || marks().any(twin)).then_some(CvvClaimed::Twin)
    }

    /// Leaves a claim's mark, and the CVV beside it.
    pub(super) fn claimed(&mut self, taken: Kept, ticket: CvvTicket, digest: Option<[u8; 16]>, now: u64) {
        self.touch(now);
        let last = Mark { ticket, digest, until_millis: self.until_millis };
        let Some(claims) = &mut self.claims else {
            self.claims = Some(Box::new(Claims { last, taken: Some(taken), earlier: Vec::new() }));
            return;
        };
        let before = core::mem::replace(&mut claims.last, last);
        claims.taken = Some(taken);
        claims.earlier.retain(|mark| now < mark.until_millis);
        claims.earlier.push(before);
        if claims.earlier.len() >= CVV_CLAIMS_MAX {
            claims.earlier.remove(0);
        }
    }

    /// The request has ended without its CVV: takes that out where it is still there.
    pub(super) fn given_back(&mut self, ticket: CvvTicket) -> Option<Kept> {
        let claims = self.claims.as_deref_mut()?;
        if claims.last.ticket == ticket {
            claims.last.digest = None;
            return claims.taken.take();
        }
        if let Some(mark) = claims.earlier.iter_mut().find(|mark| mark.ticket == ticket) {
            mark.digest = None;
        }
        None
    }

    /// The request has used its CVV.
    pub(super) fn discarded(&mut self, ticket: CvvTicket) {
        if let Some(claims) = &mut self.claims
            && claims.last.ticket == ticket
        {
            claims.taken = None;
        }
    }
}

impl Kept {
    pub(super) fn new(cvv: HeldCvv, share: Share, now: u64) -> Self {
        let HeldCvv { sealed, expires_at, remaining_millis } = cvv;
        Self { sealed, expires_at, deadline_millis: now.saturating_add(remaining_millis), share }
    }

    pub(super) fn claim(&self, card: CardId, ticket: CvvTicket, number: u64, now: u64) -> CvvClaim {
        let CvvShown { expires_at, remaining_millis, .. } = self.shown(number, now);
        CvvClaim {
            card,
            ticket,
            number,
            cvv: HeldCvv { sealed: self.sealed.clone(), expires_at, remaining_millis },
        }
    }

    pub(super) fn shown(&self, number: u64, now: u64) -> CvvShown {
        let remaining_millis = self.deadline_millis.saturating_sub(now);
        CvvShown { number, expires_at: self.expires_at, remaining_millis }
    }
}

const fn request_end(now: u64) -> u64 {
    now.saturating_add(CVV_REQUEST_SECONDS * 1000)
}
