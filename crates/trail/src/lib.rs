#![doc = include_str!("../README.md")]

mod batch;
mod fault;
pub mod fuzz;
pub mod limits;
mod line;
mod restored;
mod sealed;
#[cfg(test)]
mod tests;
mod verify;

pub use panvault_keys::{AgeIdentity, AgeRecipient, CheckpointKey, CheckpointPublicKey};

pub use crate::batch::{Batch, BatchFault, Position, Signer};
pub use crate::fault::Fault;
pub use crate::line::{Checkpoint, KeyStatement, Line, Record, key_id};
pub use crate::restored::Restored;
pub use crate::sealed::{SealFault, Sealed, Unsealer, seal_lines};
pub use crate::verify::{Step, Summary, Verifier};
