//! What may be known of a card, a transaction and an organisation without opening anything.
//!
//! Every value here is safe to log, to store in clear and to show to a caller of the right organisation. Card
//! numbers, CVVs and holder names are not here: they live in `panvault-card`, in types that cannot be copied or
//! printed. This crate uses no other crate of the workspace; all others may use it.

mod action;
mod amount;
mod card;
mod checkout;
mod code;
mod customer;
mod expiry;
mod id;
mod id_hash;
mod named;
mod role;
mod tag;
mod timestamp;
mod transaction;
mod webhook;

pub use crate::action::{ActionState, MOVES, Move, TransactionAction};
pub use crate::amount::{AMOUNT_MAX, Amount};
pub use crate::card::{
    Bin, Brand, CardKind, CardType, Fingerprint, IssuerFacts, LastFour, SEALED_CVV_BLOCK_BYTES, Sealed,
    SealedCvvBlock,
};
pub use crate::checkout::{CheckoutFailure, CheckoutPurpose, CheckoutStatus};
pub use crate::code::{Country, Currency};
pub use crate::customer::{CustomerDetail, EmailDigest};
pub use crate::expiry::{EXPIRY_YEARS_AHEAD_MAX, Expiry, ExpiryFault};
pub use crate::id::{
    AccountId, ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, IdFault, NodeId, OrganisationId,
    ProcessorId, RefundId, RequestId, TransactionId, VaultId,
};
pub use crate::id_hash::{IdHash, IdHasher};
pub use crate::role::Role;
pub use crate::tag::Tag;
pub use crate::timestamp::{Now, Timestamp, TimestampFault};
pub use crate::transaction::{CvvResult, RecurringType, RefundStatus, ShopperInteraction, TransactionStatus};
pub use crate::webhook::{DeliveryFault, DeliveryStatus, WebhookObject};
