//! What is seen of this crate from outside.

#![cfg(test)]

mod documentation;
mod fuzz;
mod psps;
