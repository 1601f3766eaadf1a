//! What rows are as bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails panics")]

mod rows;
mod vectors;
