//! What rows are as bytes.

#![cfg(test)]

mod rows;
mod vectors;
