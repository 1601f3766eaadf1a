//! What is seen of this crate from outside.

#![cfg(test)]

mod damage;
mod random;
mod rows;
mod support;
mod vector;
