#![doc = include_str!("../README.md")]

mod act;
pub mod card_http;
mod configuration;
mod connector;
mod dummy;
#[doc(hidden)]
pub mod fuzz;
mod notification;
mod outbound;
mod route;
mod secrets;
mod unusable;

use core::future::Future;
use core::pin::Pin;
use std::borrow::Cow;

use panvault_model::{Amount, Brand, Currency, CvvResult, Timestamp, TransactionAction};

pub use crate::act::{Act, FollowUp};
pub use crate::configuration::{
    Configuration, ConfigurationFault, Connect, Connector, HttpConfiguration, OWN_TYPES, is_test_only,
};
pub use crate::connector::{ProcessorChanged, Processors};
pub use crate::dummy::DummyConfiguration;
pub use crate::notification::{
    Misfit, NOTIFICATION_AGE_SECONDS_MAX, NOTIFICATION_BYTES_MAX, NOTIFICATION_DEPTH_MAX,
    NOTIFICATION_ITEMS_MAX, NOTIFICATION_SIGNATURES_MAX, Notice, Notification, NotificationFault,
    NotificationScheme,
};
pub use crate::outbound::{NetworkToken, Order, Outbound, ThreeDSecure};
pub use crate::route::{
    ROUTE_AGAIN_BYTES_MAX, ROUTE_AGAIN_MAX, ROUTE_CODES_MAX, ROUTES_MAX, Route, RouteConfiguration,
    RoutedPayment, is_route, share_of,
};
pub use crate::secrets::Secrets;
pub use crate::unusable::Unusable;

/// A connection to an acquirer or PSP.
pub trait Processor: Send + Sync {
    /// Does one act, once. Never does it again by itself.
    ///
    /// When all stands ready, just before the first byte leaves, it asks `clearance`: time may have passed since this was called,
    /// and while it stood still another node may have taken over.
    fn send<'a>(
        &'a self,
        act: Act,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>>;

    /// Whether it can say later what became of an act that was not answered: if not, it is not asked. Does not wait.
    fn can_be_asked(&self, of: &FollowUp) -> bool;

    /// Whether it can do this at all, with that amount: if not, a card need not be opened for it. Does not wait.
    fn can_do(&self, _action: TransactionAction, _amount: Amount) -> bool {
        true
    }

    /// Whether it takes a network token of this scheme in the place of a card, for a payment of that amount. Does not wait.
    fn takes_network_token(&self, _amount: Amount, _brand: Option<Brand>) -> bool {
        false
    }

    /// How it tells by itself what became of acts; `None` where it does not, or is not set up for that. Does not wait.
    fn notifies(&self) -> Option<NotificationScheme> {
        None
    }

    /// What a notification says of acts, where it is signed with what this processor is set up with. Does not wait.
    fn notices(
        &self,
        _notification: Notification<'_>,
        _now: Timestamp,
    ) -> Result<Vec<Notice>, NotificationFault> {
        Err(NotificationFault::Secret)
    }

    /// Why a notice is not about an act of this amount, though it names it. Does not wait.
    fn misfit(&self, _notice: &Notice, _amount: Amount, _currency: Currency) -> Option<Misfit> {
        None
    }

    /// Whether nobody settles but who asks for it: what is captured stays so until this vault says that it is settled.
    fn is_settled_here(&self) -> bool;

    /// Whether a payment with this reference is to be answered as one that a rule of the vault is against, for trying that. Only who moves no
    /// money ever wants it.
    fn is_to_be_blocked(&self, _merchant_reference: &str) -> bool {
        false
    }
}

/// Whether a transaction is still in the hands of who wants to send it.
pub trait Clearance: Send + Sync {
    /// Whether its first byte may leave now. Does not wait.
    fn is_given(&self) -> bool;
}

/// What became of an act that was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte left this process: a CVV may be put back, and nothing was done.
    NotReached {
        /// In words.
        reason: &'static str,
    },
    /// The acquirer answered.
    Answered(Reply),
    /// Bytes left, and no usable answer came; of [`Act::Ask`], that the acquirer cannot tell.
    Unknown {
        /// In words, without a card number.
        reason: Cow<'static, str>,
    },
}

impl Sent {
    /// No byte left, for the node no longer has its lease.
    pub const NOT_CLEARED: Self =
        Self::NotReached { reason: "the node had no lease left to send it under; nothing was sent" };
}

/// What an acquirer answered; to [`Act::Ask`], what it had answered or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it said.
    pub verdict: Verdict,
    /// The acquirer's code; `00` is success.
    pub reason_code: String,
    /// Why, in words.
    pub status_reason: Option<String>,
    /// What the issuer said of the CVV; of an authorisation.
    pub cvv_result: CvvResult,
    /// What the issuer said of the address, 0 to 10; of an authorisation.
    pub avs_result: u8,
    /// The issuer's code; of an authorisation.
    pub authorization_code: Option<String>,
    /// What the acquirer calls that which it did: a payment, or the capture, void or refund of one.
    pub reference: Option<String>,
    /// What the card's network calls the payment: a later one of a series names its first by it. Of an authorisation.
    pub network_transaction_id: Option<String>,
}

/// What an acquirer said to an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Approved,
    /// It was taken, and what becomes of it is said later.
    Pending,
    /// No.
    Declined,
    /// Refused, or an error.
    Failed,
    /// It cannot do this.
    NotSupported,
}
