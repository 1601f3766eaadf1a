//! What is seen of this crate from outside.

#![cfg(test)]

mod fuzz;
mod psps;
