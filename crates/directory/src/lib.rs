#![doc = include_str!("../README.md")]

mod directory;
mod judge;
#[cfg(test)]
mod tests;

pub use crate::directory::{Directory, open_to_read, start_write_out};
pub use crate::judge::{Unsafe, is_own_or_roots, judge};
