//! The limits of this crate, each with its unit.

/// Bytes of a URL at most.
pub const URL_BYTES_MAX: usize = 500;

/// Milliseconds until the host is looked up and connected to, at most.
pub const CONNECT_MILLIS_MAX: u64 = 5_000;

/// Milliseconds of one attempt, from the look-up to the head of the answer, at most; what the head says stands from then on.
pub const ATTEMPT_MILLIS_MAX: u64 = 15_000;

/// Bytes of the head of an answer at most: the least that hyper can be told.
pub const ANSWER_HEAD_BYTES_MAX: usize = 8 << 10;

/// Bytes of the rest of an answer that are read, and thrown away, at most: a receiver that writes a page is not cut off in the middle.
pub const ANSWER_BODY_BYTES_MAX: usize = 64 << 10;

/// Milliseconds for which the rest of an answer is read at most.
pub const ANSWER_BODY_MILLIS_MAX: u64 = 1_000;

/// Addresses of a host that are tried at most.
pub const ADDRESSES_MAX: usize = 4;

/// Look-ups of names at a time, those included that nobody waits for any more.
pub const LOOKUPS_MAX: usize = 64;

/// Of these, those of one organisation.
pub const LOOKUPS_ORGANISATION_MAX: usize = 4;

/// Bytes of a message that a receiver for trying out reads at most.
pub const LISTEN_BODY_BYTES_MAX: usize = 16 << 10;

/// Milliseconds within which a request to it must have come.
pub const LISTEN_REQUEST_MILLIS_MAX: u64 = 10_000;

/// Its connections at a time.
pub const LISTEN_CONNECTIONS_MAX: usize = 64;
