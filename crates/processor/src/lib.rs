#![doc = include_str!("../README.md")]

mod configuration;
mod dummy;
mod outbound;

use core::future::Future;
use core::pin::Pin;

use panvault_model::{CvvResult, TransactionStatus};

pub use crate::configuration::{Configuration, ConfigurationFault};
pub use crate::dummy::DummyConfiguration;
pub use crate::outbound::{Order, Outbound};

/// A connection to an acquirer or PSP.
pub trait Processor: Send + Sync {
    /// Sends one transaction, once. Never sends it again by itself.
    fn send(&self, request: Outbound) -> Pin<Box<dyn Future<Output = Sent> + Send + '_>>;
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
    Answered(Answer),
    /// Bytes left, and no usable answer came.
    Unknown {
        /// In words.
        reason: &'static str,
    },
}

/// What an acquirer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
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
