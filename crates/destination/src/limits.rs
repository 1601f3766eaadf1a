//! The limits of this crate, each with its unit.

/// Bytes of an address or URL at most.
pub const URL_BYTES_MAX: usize = 500;

/// The port of syslog over TLS (RFC 5425).
pub const SYSLOG_PORT: u16 = 6514;

/// Addresses of a name that are tried.
pub const ADDRESSES_MAX: usize = 4;

/// Bytes of a file of certificates at most.
pub const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;

/// Bytes of the name of this machine in a message at most (RFC 5424).
pub const HOST_NAME_BYTES_MAX: usize = 255;

/// Bytes that are read, and thrown away, of what a syslog server says at most: it has nothing to say.
pub const SAID_BYTES_MAX: usize = 64 << 10;

/// Bytes of the head of an answer at most.
pub const ANSWER_HEAD_BYTES_MAX: usize = 32 << 10;

/// Bytes of the rest of an answer that are read, and thrown away, at most.
pub const ANSWER_BODY_BYTES_MAX: usize = 64 << 10;

/// Milliseconds for which the rest of an answer is read at most.
pub const ANSWER_BODY_MILLIS_MAX: u64 = 1_000;

/// Bytes that are gathered before they are written.
pub(crate) const WRITE_BYTES: usize = 16 << 10;
