#![doc = include_str!("../README.md")]

mod configuration;
mod dummy;
mod outbound;

use core::future::Future;
use core::pin::Pin;

use panvault_model::{CvvResult, TransactionStatus};

pub use crate::configuration::{Configuration, ConfigurationFault, Connect, Connector};
pub use crate::dummy::DummyConfiguration;
pub use crate::outbound::{Order, Outbound};

/// A connection to an acquirer or PSP.
pub trait Processor: Send + Sync {
    /// Sends one transaction, once. Never sends it again by itself.
    ///
    /// When all stands ready, just before the first byte leaves, it asks `clearance`: time may have passed since this was called,
    /// and while it stood still another node may have taken over.
    fn send<'a>(
        &'a self,
        request: Outbound,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>>;
}

/// Whether a transaction is still in the hands of who wants to send it.
pub trait Clearance: Send + Sync {
    /// Whether its first byte may leave now. Does not wait.
    fn is_given(&self) -> bool;
}

/// What became of a transaction that was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte left this process: a CVV may be put back.
    NotReached {
        /// In words.
        reason: &'static str,
    },
    /// The acquirer answered.
    Answered(Settlement),
    /// Bytes left, and no usable answer came.
    Unknown {
        /// In words.
        reason: &'static str,
    },
}

impl Sent {
    /// No byte left, for the node no longer has its lease.
    pub const NOT_CLEARED: Self =
        Self::NotReached { reason: "the node had no lease left to send it under; nothing was sent" };
}

/// What an acquirer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Where the transaction stands.
    pub status: TransactionStatus,
    /// The acquirer's code; `00` is success.
    pub reason_code: String,
    /// Why, in words.
    pub status_reason: Option<String>,
    /// What the issuer said of the CVV.
    pub cvv_result: CvvResult,
    /// What the issuer said of the address, 0 to 10.
    pub avs_result: u8,
    /// The issuer's code.
    pub authorization_code: Option<String>,
}
