//! The limits of this crate, each with its unit.

/// Bytes of a line at most, its line feed included.
pub const LINE_BYTES_MAX: usize = 2048;

/// Records that one checkpoint signs at most.
pub const BATCH_RECORDS_MAX: usize = 8192;

/// Lines that are cut off and not written again yet, at most.
pub const CUT_OFF_MAX: usize = 64;

/// Public keys that are trusted at a time at most.
pub const KEYS_MAX: usize = 256;
