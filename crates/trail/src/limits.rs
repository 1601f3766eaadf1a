//! The limits of this crate, each with its unit.

/// Bytes of a line at most, its line feed included.
pub const LINE_BYTES_MAX: usize = 2048;

/// Bytes of a line that a vault writes at most, before it is sealed: what is sealed of it fits a line again.
pub const WRITTEN_BYTES_MAX: usize = 11 * SEALED_STEP_BYTES;

/// What is sealed has a length that is a multiple of so many bytes, so that it tells little of what it is.
pub const SEALED_STEP_BYTES: usize = 128;

/// Who an export is sealed to, at most: what wraps the key for each fits a line.
pub const RECIPIENTS_MAX: usize = 8;

/// Envelopes that lines are opened with at a time, at most: of more than one delivery at once lines come mixed.
pub const ENVELOPES_MAX: usize = 64;

/// Records that one checkpoint signs at most.
pub const BATCH_RECORDS_MAX: usize = 8192;

/// Lines that are cut off and not written again yet, at most.
pub const CUT_OFF_MAX: usize = 64;

/// Public keys that are trusted at a time at most.
pub const KEYS_MAX: usize = 256;
