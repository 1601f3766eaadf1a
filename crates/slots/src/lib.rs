#![doc = include_str!("../README.md")]

mod credentials;
mod exchange;
mod fault;
mod kms;
pub mod limits;
mod peer;
mod sigv4;
#[cfg(test)]
mod testing;
mod token;
mod transit;
mod url;

pub use crate::fault::{FaultKind, PeerFault};
pub use crate::kms::{Kms, KmsSettings, is_key_arn, is_region};
pub use crate::peer::{Context, Env, Peer, ReadSecret};
pub use crate::token::{Token, TokenSettings};
pub use crate::transit::{Transit, TransitSettings, is_path_name};
pub use crate::url::{PeerUrl, PeerUrlFault};
