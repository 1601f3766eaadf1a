use crate::limits::{BATCH_RECORDS_MAX, KEYS_MAX, LINE_BYTES_MAX};

/// The first line that is not what the vault wrote there. It repeats nothing of the line but numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any line is.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not written by any vault.
    #[error("the line is not one of an export")]
    Unreadable,
    /// Encrypted, and not to whoever reads.
    #[error("the line is encrypted to {}, and wants the identity of one of these", .to.join(", "))]
    Encrypted {
        /// Public keys of age.
        to: Vec<String>,
    },
    /// An envelope that was changed, or that says that it is for somebody whom it is not for.
    #[error("the envelope was changed: it does not open for whom it says that it is for")]
    Envelope,
    /// Encrypted under an envelope that is not there.
    #[error("the line is encrypted under an envelope that does not stand before it")]
    EnvelopeMissing,
    /// Encrypted, and changed since or put in the place of another.
    #[error("the encrypted line was changed, or has the number of another")]
    Sealed,
    /// Lines of two vaults.
    #[error("the line is of another vault than those before it")]
    OtherVault,
    /// Records are missing.
    #[error("record {expected} is missing: record {found} is in its place")]
    Missing {
        /// The sequence that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// A record comes twice, or late.
    #[error("record {found} comes again or late: record {expected} should be here")]
    Repeated {
        /// The sequence that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// The line before is another one than the vault wrote.
    #[error("the line before record {sequence} was changed, or another was put there")]
    Changed {
        /// The record that says so.
        sequence: u64,
    },
    /// The records of one node have a gap.
    #[error("record {sequence} has place {found} among those of its node, and {expected} comes next")]
    Place {
        /// The record.
        sequence: u64,
        /// The place that comes next.
        expected: u64,
        /// The one that it has.
        found: u64,
    },
    /// It was written twice, and the two differ.
    #[error("record {sequence} comes twice and differs")]
    Differs {
        /// The record.
        sequence: u64,
    },
    /// More records than any checkpoint signs.
    #[error("{BATCH_RECORDS_MAX} records have no checkpoint behind them")]
    NoCheckpoint,
    /// Checkpoints are missing, or in another order.
    #[error("checkpoint {found} stands where checkpoint {expected} should be")]
    Checkpoint {
        /// The number that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// A checkpoint that goes on from another one: the vault, or a copy of it, was put back to an earlier moment, or one of them is forged.
    #[error("checkpoint {number} does not go on from the one before it: there are two trails of one vault")]
    Forked {
        /// The checkpoint.
        number: u64,
    },
    /// Records are missing before it.
    #[error("record {expected} is missing before checkpoint {number}")]
    Cut {
        /// The checkpoint.
        number: u64,
        /// The first record that is missing.
        expected: u64,
    },
    /// It signs other records.
    #[error("checkpoint {number} does not sign what is before it: record {last} was changed")]
    Records {
        /// The checkpoint.
        number: u64,
        /// The last record before it.
        last: u64,
    },
    /// Signed by a key that nobody vouches for.
    #[error("the line is signed by a key that is neither given nor follows one that is")]
    KeyUnknown,
    /// Signed by a key whose place another has taken.
    #[error("the line is signed by a key whose place another has taken")]
    KeyReplaced,
    /// The signature is not of that key.
    #[error("the signature of the line is not of its key")]
    Forged,
    /// More keys than are read.
    #[error("there are more than {KEYS_MAX} keys")]
    TooManyKeys,
}
