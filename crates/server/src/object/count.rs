//! How many rows match the conditions of a list.

use super::{Number, object};

object! {
    /// How many rows match.
    Count "Count" of total: u64 {
        /// How many.
        always "count" => Number<0, { u64::MAX }> = Number(*total), example "1";
    }
}
