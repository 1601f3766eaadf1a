//! The limits of this crate, each with its unit.

/// Rows in one page of a list.
pub const LIST_ROWS_MAX: u32 = 1000;

/// Seconds that a list may wait for its turn, and then take, where nothing else is set.
pub const LIST_SECONDS: u64 = 10;

/// Rows of a sorted list that are held while it is sorted: those that are left out at its front, and those of the page. Each takes some
/// 50 bytes, and its text.
pub const SORT_ROWS_MAX: usize = 200_000;

/// Bytes of the texts that those are sorted by.
pub const SORT_TEXT_BYTES_MAX: usize = 16 << 20;

/// Bytes of memory that a row takes while it is sorted, beside its text.
pub const SORT_ROW_BYTES: usize = 50;

/// Expired idempotency records, or rows about CVVs, that one commit of a sweep removes.
pub const SWEEP_ROWS_MAX: usize = 1000;

/// Bytes of one encoded text in a row.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;

/// Pairs in one encoded list of pairs.
pub const PAIRS_MAX: usize = u8::MAX as usize;

/// Seconds after which a request on a CVV is over: nothing of it reaches a store any more. For so long a store remembers the
/// greatest number of a card's CVVs, and who has claimed one.
pub const CVV_REQUEST_SECONDS: u64 = 120;

/// Bytes of memory that a CVV takes at most while it is held, with its place among others.
pub const CVV_HELD_BYTES: u64 = 200;

/// Seconds for which CVVs that nodes share are sealed with one key component.
pub const CVV_KEY_COMPONENT_SECONDS: u64 = 3_600;

/// Seconds for which a key component is kept: while it is current, while nodes that have not asked again still seal with it, and for the longest
/// time that a CVV may be held, which is a day.
pub const CVV_KEY_COMPONENT_KEPT_SECONDS: u64 = CVV_KEY_COMPONENT_SECONDS + 600 + 86_400;

/// Claims of one card that are remembered at a time.
pub const CVV_CLAIMS_MAX: usize = 16;

/// Changes of documents of which it is known what they touched, where nodes share a store: who missed more of them reads all documents.
pub const CHANGE_LOG_ROWS: u32 = 256;
