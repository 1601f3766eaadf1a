//! Whether a commit may be done. Pure: it reads a state and changes nothing.

use panvault_model::OrganisationId;

use crate::commit::{Commit, Expect, IdempotencyClaim};
use crate::row::{IdempotencyKey, IdempotencyRow, RowKey};
use crate::store::StoreFault;

/// What commits are decided against: everything durable, and what was decided before in the same step.
pub trait State {
    /// The row as far as an expectation can ask of it, if it is there.
    fn standing(&self, key: RowKey) -> Result<Option<Standing>, StoreFault>;
    /// The idempotency record, if there is one, expired or not.
    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault>;
}

/// A row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its version.
    pub version: u32,
    /// Whose it is, where rows of its table are somebody's.
    pub organisation: Option<OrganisationId>,
}

/// Whether a commit may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its effects are to be applied, and its claim is to be kept.
    Do,
    /// An earlier request has the idempotency key.
    Claimed(Box<IdempotencyRow>),
    /// The expectation at this place is the first that does not hold.
    Unmet(usize),
}

/// Decides a commit: first its claim, then its expectations, one after the other.
pub fn decide(commit: &Commit, state: &dyn State) -> Result<Decision, StoreFault> {
    if let Some(claim) = &commit.claim
        && let Some(earlier) = earlier(claim, state)?
    {
        return Ok(Decision::Claimed(earlier));
    }
    for (at, expect) in commit.expects.iter().enumerate() {
        if !holds(expect, state)? {
            return Ok(Decision::Unmet(at));
        }
    }
    Ok(Decision::Do)
}

/// The record of an earlier request that has the key, under whichever name, unless its time is up.
fn earlier(claim: &IdempotencyClaim, state: &dyn State) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
    for key in core::iter::once(&claim.row.key).chain(&claim.also) {
        let earlier = state.idempotency(*key)?.filter(|earlier| earlier.expires_at > claim.now);
        if earlier.is_some() {
            return Ok(earlier);
        }
    }
    Ok(None)
}

fn holds(expect: &Expect, state: &dyn State) -> Result<bool, StoreFault> {
    Ok(match *expect {
        Expect::Absent(key) => state.standing(key)?.is_none(),
        Expect::Version(key, version) => {
            state.standing(key)?.is_some_and(|standing| standing.version == version)
        }
        Expect::Owned(key, organisation) => {
            state.standing(key)?.is_some_and(|standing| standing.organisation == Some(organisation))
        }
        Expect::Expired(key, now) => state.idempotency(key)?.is_none_or(|row| row.expires_at <= now),
    })
}
