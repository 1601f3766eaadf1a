//! What a store must answer, said as plainly as can be.

use panvault_store::CvvTicket;
use panvault_store::limits::{CVV_CLAIMS_MAX, CVV_REQUEST_SECONDS};

/// What a store must know of a card, without any of its savings.
#[derive(Default)]
pub(super) struct Card {
    number: u64,
    until: u64,
    pub(super) held: Option<Held>,
    /// Oldest first.
    claims: Vec<Claim>,
}

#[derive(Clone)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) mark: u8,
    pub(super) deadline: u64,
}

struct Claim {
    ticket: CvvTicket,
    digest: Option<[u8; 16]>,
    until: u64,
    taken: Option<Held>,
}

impl Card {
    pub(super) fn at(&mut self, now: u64) -> &mut Self {
        self.held.take_if(|held| now >= held.deadline);
        self.claims.retain(|claim| now < claim.until);
        if self.held.is_none() && now >= self.until {
            self.number = 0;
        }
        self
    }

    fn end(&mut self, now: u64) {
        self.held = None;
        self.claims.iter_mut().for_each(|claim| claim.taken = None);
        self.until = now + CVV_REQUEST_SECONDS * 1000;
    }

    pub(super) fn hold(&mut self, number: u64, mark: u8, remaining: u64, now: u64) -> bool {
        if number <= self.number {
            return self.held.as_ref().is_some_and(|held| held.number == number);
        }
        self.end(now);
        self.number = number;
        self.held = (remaining > 0).then_some(Held { number, mark, deadline: now + remaining });
        remaining > 0
    }

    pub(super) fn clear(&mut self, number: u64, now: u64) {
        if number >= self.number {
            self.end(now);
            self.number = number;
        }
    }

    pub(super) fn clear_now(&mut self, now: u64) {
        if self.number > 0 {
            self.end(now);
        }
    }

    pub(super) fn claim(&mut self, ticket: CvvTicket, digest: Option<[u8; 16]>, now: u64) -> Predicted {
        if let Some(claim) = self.claims.iter().find(|claim| claim.ticket == ticket) {
            let taken = claim.taken.clone().filter(|held| now < held.deadline);
            return taken.map_or(Predicted::Nothing, Predicted::Taken);
        }
        if digest.is_some() && self.claims.iter().any(|claim| claim.digest == digest) {
            return Predicted::Twin;
        }
        let Some(held) = self.held.take() else { return Predicted::Nothing };
        self.until = now + CVV_REQUEST_SECONDS * 1000;
        self.claims.push(Claim { ticket, digest, until: self.until, taken: Some(held.clone()) });
        if self.claims.len() > CVV_CLAIMS_MAX {
            self.claims.remove(0);
        }
        Predicted::Taken(held)
    }

    pub(super) fn put_back(&mut self, ticket: CvvTicket, now: u64) {
        let Some(claim) = self.claims.iter_mut().find(|claim| claim.ticket == ticket) else { return };
        claim.digest = None;
        if let Some(taken) = claim.taken.take()
            && now < taken.deadline
        {
            self.held = Some(taken);
            self.until = now + CVV_REQUEST_SECONDS * 1000;
        }
    }

    pub(super) fn discard(&mut self, ticket: CvvTicket) {
        if let Some(claim) = self.claims.iter_mut().find(|claim| claim.ticket == ticket) {
            claim.taken = None;
        }
    }
}

#[derive(Clone)]
pub(super) enum Predicted {
    Taken(Held),
    Nothing,
    Twin,
}
