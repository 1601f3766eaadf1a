#![doc = include_str!("../README.md")]

mod batch;
pub mod limits;
mod line;
mod restored;
#[cfg(test)]
mod tests;
mod verify;

pub use panvault_keys::{CheckpointKey, CheckpointPublicKey};

pub use crate::batch::{Batch, BatchFault, Position, Signer};
pub use crate::line::{Checkpoint, KeyStatement, Line, Record, key_id};
pub use crate::restored::Restored;
pub use crate::verify::{Fault, Step, Summary, Verifier};
