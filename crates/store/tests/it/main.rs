//! What rows are as bytes.

#![cfg(test)]

mod effects;
mod fuzz;
mod rows;
mod vectors;
