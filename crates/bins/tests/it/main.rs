//! What is seen of this crate from outside.

mod damage;
mod random;
mod rows;
mod support;
mod vector;
