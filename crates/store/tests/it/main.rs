//! What rows are as bytes.

#![cfg(test)]

mod effects;
mod rows;
mod vectors;
