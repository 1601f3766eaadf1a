//! What is seen of this crate from outside.

mod fuzz;
