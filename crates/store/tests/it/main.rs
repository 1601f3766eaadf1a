//! What rows are as bytes, how they are sorted, and what CVVs take of memory.

#![cfg(test)]

mod checkout;
mod delivery;
mod effects;
mod fuzz;
#[cfg(target_os = "linux")]
mod memory;
mod rows;
mod sorting;
mod vectors;
