//! How often something was done that is counted rather than written down each time: the part of an audit note that says so.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | how often, at least 1 |
//! | 4 | 4 | milliseconds from the first time to when it was written down |
//! | 8 | 3 | milliseconds from the last time to then |
//! | 11 | 1 | number of the operation that was refused; 255 for several; else 0 |

use core::num::NonZeroU32;

use panvault_model::Timestamp;

use crate::codec::RowFault;

/// How often, and between when. What does not fit is the largest that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    count: NonZeroU32,
    first_before_millis: u32,
    last_before_millis: u32,
    operation: u8,
}

impl Counted {
    /// [`Counted::operation`] where more was done by more callers than is told apart.
    pub const SEVERAL: u8 = u8::MAX;

    /// What three bytes hold.
    const LAST_BEFORE_MAX: u32 = 0x00ff_ffff;

    /// So often, between those moments, written down at `at`.
    pub fn new(
        count: NonZeroU32,
        first_at: Timestamp,
        last_at: Timestamp,
        at: Timestamp,
        operation: u8,
    ) -> Self {
        let before = |moment: Timestamp| {
            let millis = at.unix_millis().saturating_sub(moment.unix_millis());
            u32::try_from(millis).unwrap_or(u32::MAX)
        };
        Self {
            count,
            first_before_millis: before(first_at),
            last_before_millis: before(last_at).min(Self::LAST_BEFORE_MAX),
            operation,
        }
    }

    /// How often.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The first time, of a note that was written down at `at`.
    pub const fn first_at(self, at: Timestamp) -> Timestamp {
        Timestamp::from_unix_millis(at.unix_millis().saturating_sub(self.first_before_millis as u64))
    }

    /// The last time, of a note that was written down at `at`.
    pub const fn last_at(self, at: Timestamp) -> Timestamp {
        Timestamp::from_unix_millis(at.unix_millis().saturating_sub(self.last_before_millis as u64))
    }

    /// Of a refusal the number of the operation that was refused, 0 where none was reached; [`Counted::SEVERAL`]; else 0.
    pub const fn operation(self) -> u8 {
        self.operation
    }

    pub(super) fn to_bytes(self) -> [u8; 12] {
        let [a, b, c, d] = self.count.get().to_be_bytes();
        let [e, f, g, h] = self.first_before_millis.to_be_bytes();
        let [_, i, j, k] = self.last_before_millis.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, self.operation]
    }

    pub(super) fn from_bytes(bytes: [u8; 12]) -> Result<Self, RowFault> {
        let [a, b, c, d, e, f, g, h, i, j, k, operation] = bytes;
        Ok(Self {
            count: NonZeroU32::new(u32::from_be_bytes([a, b, c, d])).ok_or(RowFault::Value)?,
            first_before_millis: u32::from_be_bytes([e, f, g, h]),
            last_before_millis: u32::from_be_bytes([0, i, j, k]),
            operation,
        })
    }
}

/// Why somebody was refused. The numbers are those of stored records and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalReason {
    /// No API key was sent.
    KeyMissing,
    /// What was sent is no API key, or several that differ.
    KeyMalformed,
    /// It is of another mode, or none of this vault: never made, or revoked.
    KeyUnknown,
    /// It has expired.
    KeyExpired,
    /// Its organisation, or one above it, is disabled.
    OrganisationDisabled,
    /// It was revoked, or has expired, while the request arrived.
    KeyEnded,
    /// None of its roles allows the operation.
    Role,
    /// The request named an object that is not there or is a stranger's.
    NotFound,
    /// It came from no page that the browser's key allows.
    Page,
    /// Its idempotency key, a browser's, could be guessed.
    IdempotencyGuessable,
    /// Its idempotency key was sent before, with another body.
    IdempotencyMismatch,
    /// Its idempotency key is that of a request that still ran.
    IdempotencyInUse,
    /// It was one more than may be sent in some time.
    Rate,
    /// Who asked over the socket for commands did not prove to have the root key.
    OperatorProof,
    /// A payment that is like many that failed.
    Velocity,
    /// A notification was not signed with the secret of the processor that it is said to come from.
    Signature,
    /// Nobody said which person it came from, where people sign in as themselves beside their API key.
    Person,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::KeyMissing,
        Self::KeyMalformed,
        Self::KeyUnknown,
        Self::KeyExpired,
        Self::OrganisationDisabled,
        Self::KeyEnded,
        Self::Role,
        Self::NotFound,
        Self::Page,
        Self::IdempotencyGuessable,
        Self::IdempotencyMismatch,
        Self::IdempotencyInUse,
        Self::Rate,
        Self::OperatorProof,
        Self::Velocity,
        Self::Signature,
        Self::Person,
    ];

    /// The number that stands for it in stored records, from 1.
    pub const fn code(self) -> u8 {
        match self {
            Self::KeyMissing => 1,
            Self::KeyMalformed => 2,
            Self::KeyUnknown => 3,
            Self::KeyExpired => 4,
            Self::OrganisationDisabled => 5,
            Self::KeyEnded => 6,
            Self::Role => 7,
            Self::NotFound => 8,
            Self::Page => 9,
            Self::IdempotencyGuessable => 10,
            Self::IdempotencyMismatch => 11,
            Self::IdempotencyInUse => 12,
            Self::Rate => 13,
            Self::OperatorProof => 14,
            Self::Velocity => 15,
            Self::Signature => 16,
            Self::Person => 17,
        }
    }

    /// The reason that a stored number stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyMalformed => "key_malformed",
            Self::KeyUnknown => "key_unknown",
            Self::KeyExpired => "key_expired",
            Self::OrganisationDisabled => "organisation_disabled",
            Self::KeyEnded => "key_ended",
            Self::Role => "role",
            Self::NotFound => "not_found",
            Self::Page => "page",
            Self::IdempotencyGuessable => "idempotency_guessable",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::IdempotencyInUse => "idempotency_in_use",
            Self::Rate => "rate",
            Self::OperatorProof => "operator_proof",
            Self::Velocity => "velocity",
            Self::Signature => "signature",
            Self::Person => "person",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    #[test]
    fn what_does_not_fit_is_the_largest_that_does() {
        let count = NonZeroU32::new(3).unwrap();
        let counted = Counted::new(count, at(1_000), at(61_000), at(61_500), 7);
        assert_eq!(counted.to_bytes(), [0, 0, 0, 3, 0, 0, 0xec, 0x54, 0, 1, 0xf4, 7]);
        assert_eq!((counted.first_at(at(61_500)), counted.last_at(at(61_500))), (at(1_000), at(61_000)));
        // Written down two months later; and by a clock that was set back.
        let late = Counted::new(count, at(0), at(0), at(5_000_000_000), 0);
        assert_eq!(late.to_bytes(), [0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        let early = Counted::new(count, at(500), at(900), at(100), 0);
        assert_eq!((early.first_at(at(100)), early.last_at(at(100))), (at(100), at(100)));
        for counted in [counted, late, early] {
            assert_eq!(Counted::from_bytes(counted.to_bytes()), Ok(counted));
        }
        assert_eq!(Counted::from_bytes([0; 12]), Err(RowFault::Value), "never");
    }

    #[test]
    fn reasons_have_numbers_and_names_of_their_own() {
        for (reason, number) in RefusalReason::ALL.iter().zip(1..) {
            assert_eq!((reason.code(), RefusalReason::from_code(number)), (number, Some(*reason)));
        }
        let mut names: Vec<_> = RefusalReason::ALL.iter().map(|reason| reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RefusalReason::ALL.len());
        assert_eq!(RefusalReason::from_code(0), None);
    }
}
