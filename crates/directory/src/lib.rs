#![doc = include_str!("../README.md")]

mod directory;
mod judge;
#[cfg(test)]
mod tests;

pub use crate::directory::{Directory, open_to_read};
pub use crate::judge::{Unsafe, is_own_or_roots, judge};
