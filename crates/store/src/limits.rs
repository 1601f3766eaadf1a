//! The limits of this crate, each with its unit.

/// Rows in one page of a list.
pub const LIST_ROWS_MAX: u32 = 1000;

/// Expired idempotency records that one sweep removes.
pub const SWEEP_ROWS_MAX: usize = 1000;

/// Bytes of one encoded text in a row.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;

/// Pairs in one encoded list of pairs.
pub const PAIRS_MAX: usize = u8::MAX as usize;

/// Seconds for which a card whose CVV was cleared or used refuses a CVV from a request that was decided earlier.
pub const CVV_CLEARED_SECONDS: u64 = 60;
