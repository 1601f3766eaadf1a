//! What rows are as bytes, and what CVVs take of memory.

#![cfg(test)]

mod delivery;
mod effects;
mod fuzz;
#[cfg(target_os = "linux")]
mod memory;
mod rows;
mod vectors;
