//! Rows, and what names them.

mod api_key_use;
mod audit;
mod card;
mod checkout;
mod counted;
mod customer;
mod cvv;
mod delivery;
mod idempotency;
mod key;
mod node;
mod refund;
mod transaction;

pub use api_key_use::ApiKeyUseRow;
pub use audit::{Action, AuditNote, AuditRecord};
pub use card::CardRow;
pub use checkout::{CheckoutEnd, CheckoutRow};
pub use counted::{Counted, RefusalReason};
pub use customer::CustomerRow;
pub use cvv::CardCvvRow;
pub use delivery::{DeliveryLane, DeliveryPlace, DeliveryRow};
pub use idempotency::{IdempotencyAnswer, IdempotencyKey, IdempotencyRow};
pub use key::{Row, RowKey, Table};
pub use node::{NodePart, NodeRow};
pub use refund::RefundRow;
pub use transaction::{HistoryRow, TransactionRow};
