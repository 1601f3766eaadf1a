//! The limits of this crate, each with its unit.

pub use panvault_card::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_DIGITS_MAX};

/// Bytes of a line of a list.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a list: as many rows as are taken, of 500 bytes each.
pub const LIST_BYTES_MAX: u64 = 2_000_000_000;
/// Columns of a list that are named when one is missing.
pub const HEADER_NAMES_MAX: usize = 40;
/// Characters of a name of a column that are shown.
pub const NAME_CHARS_MAX: usize = 40;
/// Rows of a list that are taken.
pub const ROWS_MAX: usize = 4_000_000;
/// Ranges of a table, and facts of them: rows inside of each other make up to two segments each, and merging up to three of each of these.
pub const RANGES_MAX: usize = 3 * (2 * ROWS_MAX + 1);
/// Bytes of an issuer's name.
pub const ISSUER_BYTES_MAX: usize = 120;
/// Bytes of the name of a product.
pub const VARIANT_BYTES_MAX: usize = 80;
/// Bytes of a source, a licence or an attribution.
pub const ABOUT_BYTES_MAX: usize = 500;
/// Findings of one kind that a report shows; the rest are counted.
pub const SHOWN_MAX: usize = 5;
/// Bytes of a file. The largest public list comes to 2 MB; as many rows as are taken, each of another bank, to some 120.
pub const FILE_BYTES_MAX: usize = 256 << 20;
/// Bytes that a list is read by between two calls of its progress.
pub const PROGRESS_BYTES: u64 = 256 * 1024;
