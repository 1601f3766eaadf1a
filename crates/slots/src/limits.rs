//! The limits of this crate, each with its unit.

/// Seconds for a connection, TLS included.
pub const CONNECT_SECONDS_MAX: u64 = 5;

/// Seconds for an answer, from the beginning.
pub const ANSWER_SECONDS_MAX: u64 = 15;

/// Bytes of an answer's body at most; those that are expected have some 500.
pub const ANSWER_BODY_BYTES_MAX: usize = 64 << 10;

/// Bytes of an answer's head at most.
pub const ANSWER_HEAD_BYTES_MAX: usize = 32 << 10;

/// Characters that are repeated of what a peer says of itself.
pub const SAID_CHARS_MAX: usize = 200;

/// Addresses of a name that are tried.
pub const ADDRESSES_MAX: usize = 4;

/// Bytes of a file of certificates at most.
pub const CA_FILE_BYTES_MAX: u64 = 1 << 20;

/// Bytes of an address at most.
pub const URL_BYTES_MAX: usize = 300;

/// Seconds for everything that a token is asked at a time: some compute slowly, and some wait for a network of their own.
pub const TOKEN_SECONDS_MAX: u64 = 30;

/// Seconds by which a clock may differ from that of AWS.
pub const CLOCK_SECONDS_MAX: u64 = 300;
